"""Networks that `segedu train` or `segedu.save` wrote, as the commands take them."""

from __future__ import annotations

from torch import nn

from segedu.training import checkpoints, load

ASKED = "a file of segedu train or segedu.save, or a shipped name"


def named_model(path_or_name: str) -> nn.Module:
    """The network, with its class table. ValueError where the file has none."""
    model = load(path_or_name)
    if model.labels is None:
        raise ValueError(f"{path_or_name} has no class table. Save it with one: segedu.save(path, model, labels=…)")
    return model


def side_of(path_or_name: str) -> int | None:
    """The --side that a network was trained with, from the notes in its file; None for any other file."""
    try:
        _, header = checkpoints.read(path_or_name)
    except (OSError, ValueError):  # a shipped name: trained on pictures of one size
        return None
    side = header["notes"].get("side")
    return side if type(side) is int and side > 0 else None
