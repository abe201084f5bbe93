"""What networks give, ours and other people's, made into one form: logits (N, classes, H, W) as large as the picture.

`semantic_segmentation`, `instance_segmentation`, `evaluate` and `fit` all read networks by this door.
"""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Mapping

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from segedu.models.layers import unwrapped

# Networks whose logits are 1/2 … 1/32 of the picture leave it to their users to enlarge them (Hugging Face's, by 4).
STRIDES = (2, 4, 8, 16, 32)
# A class id of 255 means "ignore", so this many classes have ids.
MOST_CLASSES = 255


def check_model(model) -> None:
    """Raises TypeError for what is no network."""
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"The model is of type {type(model).__name__}; wanted is a torch.nn.Module, such as one of segedu.models, "
            "or what segedu.load(name) gives."
        )


def described(model: nn.Module) -> nn.Module:
    """The part of a model that says what it is (config, labels): inside of wrappers, or in an nn.Sequential."""
    model = unwrapped(model)
    if isinstance(model, nn.Sequential) and not hasattr(model, "config"):
        return next((described(part) for part in model if hasattr(described(part), "config")), model)
    return model


def from_config(model: nn.Module, *names: str):
    """What the model's `.config`, a dict or another library's object, says under the first of the names; else None."""
    config = getattr(described(model), "config", None)
    for name in names:
        value = config.get(name) if isinstance(config, Mapping) else getattr(config, name, None)
        if value is not None:
            return value
    return None


def input_channels(model: nn.Module) -> int:
    """How many channels the model's pictures have: by its config, else its first convolution if that is 1, 3 or 4."""
    check_model(model)
    said = from_config(model, "in_channels", "num_channels")
    with contextlib.suppress(TypeError):  # other libraries' configs may hold a list there
        return operator.index(said)
    first = next((part for part in model.modules() if isinstance(part, nn.Conv2d)), None)
    return first.in_channels if first is not None and first.in_channels in (1, 3, 4) else 3


def as_input(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """The images on the device and in the precision of the model's weights."""
    weights = next((p for p in model.parameters() if p.is_floating_point()), None)
    if weights is None:
        return images
    return images.to(weights.device, weights.dtype if weights.dtype.itemsize > 1 else None)


def logits_of(output) -> torch.Tensor:
    """The semantic logits of a model's output: the output itself, its `.logits`, or a dict's "out" or "logits".

    Raises TypeError, as a sentence, for an output that has none of them.
    """
    found = getattr(output, "logits", output)
    if isinstance(found, Mapping):
        found = next((found[key] for key in ("out", "logits") if key in found), found)
    if isinstance(found, torch.Tensor):
        return found
    what = type(output).__name__
    if isinstance(found, Mapping):
        what += f" with {', '.join(map(repr, found))}"
    elif isinstance(found, (tuple, list)):
        what += f" of {len(found)}"
    raise TypeError(
        f"The network gives a {what}; wanted are logits, a tensor (N, classes, H, W). Put it into a module that takes "
        "them out: class Logits(torch.nn.Module), whose __init__ does super().__init__() and self.network = network, "
        "and whose forward(self, x) returns self.network(x)[0], or whichever part holds the logits."
    )


def enlarged(output, size: tuple[int, int]):
    """Logits (N, K, h, w) at 1/2, 1/4 … 1/32 of `size` (height, width) enlarged bilinearly; all else as it is."""
    if not isinstance(output, torch.Tensor) or output.ndim != 4 or tuple(output.shape[-2:]) == tuple(size):
        return output
    sides = list(zip(output.shape[-2:], size, strict=True))
    if not any(all(side in (full // s, -(-full // s)) for side, full in sides) for s in STRIDES):
        return output
    return F.interpolate(output, size=tuple(size), mode="bilinear", align_corners=False)


def full_size(logits: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Logits (N, K, H, W) of the picture's `size` (height, width), enlarged where needed.

    Raises ValueError, as a sentence, for another form or size.
    """
    if logits.ndim != 4 or not logits.is_floating_point():
        raise ValueError(
            f"The network gives {logits.dtype} of shape {tuple(logits.shape)}; wanted are logits, floats "
            "(N, classes, H, W): without argmax, and without dropping the axis of classes."
        )
    logits = enlarged(logits, size)
    height, width = logits.shape[-2:]
    if (height, width) == tuple(size):
        return logits
    raise ValueError(
        f"The network's logits are {height} × {width} (height × width), its picture {size[0]} × {size[1]}. "
        "A network without padding must say by output_size((height, width)) how many come out, as segedu.models.UNet "
        "does; otherwise enlarge or cut its logits to the picture's size inside of the network."
    )


def class_logits(logits: torch.Tensor) -> torch.Tensor:
    """(N, K, H, W) with K ≥ 2, checked. One channel, the logit x of object or not, becomes two: 0 and x.

    So class 1 is where x > 0, and the softmax of the two is the sigmoid of x.
    Raises ValueError, as a sentence, for logits that are NaN or infinite, and for one channel that looks like
    probabilities, of which every one is above 0.
    """
    highest = logits.amax(1)  # NaN if one is; a class that is switched off by −∞ may stay
    if not highest.isfinite().all():
        bad = highest[~highest.isfinite()]
        raise ValueError(
            f"The network's logits are {bad[0].item()} at {len(bad)} of {highest.numel()} pixels, so there is no "
            "class to choose. Its weights have diverged (train again with a smaller learning rate), or its numbers "
            "are too large for half precision: model.float()"
        )
    if logits.shape[1] > 1:
        return logits
    if logits.min() >= 0 and logits.max() <= 1:
        raise ValueError(
            "The network has one output, and all of it lies in 0…1, as after a sigmoid; wanted is the logit, which is "
            "above 0 where the object is. Leave the sigmoid out. If these are logits, put a module around the network "
            "that gives both classes: torch.cat([torch.zeros_like(x), x], 1)"
        )
    return torch.cat([torch.zeros_like(logits), logits], 1)


def probabilities(logits: torch.Tensor) -> torch.Tensor:
    """(N, K, H, W) in 0…1: the softmax, unless the network ends in one, so that it gives probabilities already."""
    return logits if are_probabilities(logits) else logits.softmax(1)


def are_probabilities(logits: torch.Tensor) -> bool:
    """Whether all are ≥ 0 and add up to 1 at every pixel, which logits never do by chance."""
    return bool(logits.min() >= 0) and bool(((logits.sum(1) - 1).abs() < 1e-2).all())


def check_fits(num_classes: int, dtype, way_out: str) -> None:
    """Raises ValueError where class ids do not fit into integers of a numpy dtype; in uint8, 255 is no class."""
    most = MOST_CLASSES if dtype == np.uint8 else np.iinfo(dtype).max + 1
    if num_classes > most:
        raise ValueError(f"The network has {num_classes} classes, but {dtype} holds ids of {most} at most. {way_out}")
