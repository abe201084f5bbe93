"""Weights on disk: one safetensors file that says by itself which model it belongs to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as in_bytes
from torch import nn

from segedu import files, models
from segedu.labels import LabelTable

_HEADER = "segedu"  # safetensors headers hold text by name; ours is one JSON text under this name
_MODEL = "model."


class CheckpointError(ValueError):
    """A weights file that cannot be used; the message names the file, what is wrong, and the way out."""


def save(
    path: str | Path,
    model: nn.Module,
    *,
    labels: LabelTable | None = None,
    tensors: Mapping[str, torch.Tensor] | None = None,
    notes: Mapping | None = None,
) -> Path:
    """The path, after writing the model's weights there, with all that `load` needs to build it again.

    labels:  the class table; default the model's own `.labels`, if it has one.
    tensors: further tensors to keep beside the weights (an optimiser's state); names must not start with "model.".
    notes:   further facts for the header (the step, the command, a score); anything that JSON can hold.
    The file is written beside `path` under a temporary name and moved there in one step: a crash at any byte leaves
    what was there before. Weights are stored as they are, on the CPU; shared tensors are stored once for each name.
    """
    labels = labels or getattr(model, "labels", None)
    header = {
        "class": type(model).__name__,
        "config": getattr(model, "config", None),
        "labels": vars(labels) if labels else None,
        "precision": str(next(model.parameters()).dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "notes": dict(notes or {}),
    }
    everything = {_MODEL + name: tensor for name, tensor in model.state_dict().items()} | dict(tensors or {})
    everything = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in everything.items()}
    with files.whole(path) as temporary:  # not by its save_file, whose files only their owner can read
        temporary.write_bytes(in_bytes(everything, metadata={_HEADER: json.dumps(header)}))
    return Path(path)


def load(path_or_name: str | Path, model: nn.Module | None = None) -> nn.Module:
    """The model of a weights file, in eval mode on the CPU, with its class table as `.labels` (None if it has none).

    path_or_name: a file, or the name of weights that ship with segedu ("fcn8s_toystreet").
    model:        only for a class of your own that segedu.models does not know: build it, its weights are filled in.
    Raises FileNotFoundError that lists the shipped names, or CheckpointError for a damaged or a foreign file.
    """
    path = _find(path_or_name)
    tensors, header = read(path)
    if model is None:
        architecture = getattr(models, header["class"], None)
        if architecture is None:
            raise CheckpointError(
                f"{path} holds the weights of a class {header['class']!r} that segedu.models does not know; "
                "build it yourself and call segedu.load(path, model=your_model)."
            )
        model = architecture(**header["config"])
    weights = {name.removeprefix(_MODEL): t for name, t in tensors.items() if name.startswith(_MODEL)}
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(f"The weights in {path} do not fit this {type(model).__name__}: {error}") from error
    table = header["labels"]
    model.labels = table and LabelTable(
        tuple(table["names"]), tuple(tuple(c) for c in table["colours"]), tuple(table["things"])
    )
    return model.eval()


def read(path: str | Path) -> tuple[dict[str, torch.Tensor], dict]:
    """All tensors of a file by name, on the CPU, and its header as a dict. Raises CheckpointError as `load` does."""
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(_HEADER)
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is not a whole safetensors file ({error}); it may have been cut on its way. Fetch it again."
        ) from error
    if text is None:
        raise CheckpointError(f"{path} was not written by segedu.save: its header does not name the model.")
    return tensors, json.loads(text)


def _find(path_or_name: str | Path) -> Path:
    path = Path(path_or_name)
    if path.exists():
        return path
    try:
        return files.shipped("weights", f"{path_or_name}.safetensors")
    except FileNotFoundError:
        try:
            shipped = sorted(file.stem for file in files.shipped("weights").glob("*.safetensors"))
        except FileNotFoundError:
            shipped = []
        raise FileNotFoundError(
            f"There is no file {path_or_name}, and no shipped weights of that name; "
            f"shipped are: {', '.join(shipped) or 'none'}."
        ) from None
