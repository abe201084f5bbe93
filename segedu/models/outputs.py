"""What networks give, ours and other people's, made into one form: logits (N, classes, H, W).

They are as large as the picture. `semantic_segmentation`, `instance_segmentation`, `evaluate` and
`fit` all read networks by this door.
"""

from __future__ import annotations

import contextlib
import operator
import re
from collections.abc import Mapping

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from segedu.models.layers import unwrapped

# Networks whose logits are 1/2 … 1/32 of the picture leave it to their users to upsample them (Hugging Face's, by 4).
STRIDES = (2, 4, 8, 16, 32)
# A class id of 255 means "ignore", so this many classes have ids.
MOST_CLASSES = 255
# Layers whose numbers are logits, as autograd calls them. A sigmoid, softmax or clamp is none of them.
_LINEAR = ("Convolution", "Addmm", "Mm", "NativeBatchNorm")
# Steps that leave logits what they are: they move, resize or add them.
_KEEPS_LOGITS = (
    "UpsampleBilinear2D", "UpsampleNearest2D", "UpsampleBicubic2D", "AvgPool2D", "PixelShuffle", "ConstantPadNd",
    "Slice", "Select", "Index", "Split", "Cat", "Stack", "View", "UnsafeView", "Permute", "Transpose", "Squeeze",
    "Unsqueeze", "Expand", "Flip", "Alias", "Clone", "ToCopy", "Add", "Sub", "Mul", "Div", "Sum", "Mean",
)  # fmt: skip
# Sides of the picture that a network is tried on; 572 is what U-Nets without padding take.
_PROBE_SIDES = (64, 572)


def check_model(model: object) -> None:
    """Check that a model is one.

    Raises:
        TypeError: for what is no nn.Module.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"The model is of type {type(model).__name__}; wanted is a torch.nn.Module, such as one of segedu.models, "
            "or what segedu.load(name) gives."
        )


def described(model: nn.Module) -> nn.Module:
    """The part of a model that says what it is (config, labels).

    Args:
        model: may be wrapped, or an nn.Sequential that has the network in it.
    """
    model = unwrapped(model)
    if isinstance(model, nn.Sequential) and not hasattr(model, "config"):
        return next((described(part) for part in model if hasattr(described(part), "config")), model)
    return model


def from_config(model: nn.Module, *names: str) -> object:
    """What the model's `.config` says under the first of the names; None if it says nothing.

    Args:
        model: whose config may be a dict or another library's object.
        *names: keys or attributes, tried in this order.
    """
    config = getattr(described(model), "config", None)
    for name in names:
        value = config.get(name) if isinstance(config, Mapping) else getattr(config, name, None)
        if value is not None:
            return value
    return None


def input_channels(model: nn.Module) -> int:
    """How many channels the model's pictures have.

    Args:
        model: asked by its config, else by its first convolution if that takes 1, 3 or 4; else 3.

    Raises:
        TypeError: for what is no network.
    """
    check_model(model)
    said = from_config(model, "in_channels", "num_channels")
    with contextlib.suppress(TypeError):  # other libraries' configs may hold a list there
        return operator.index(said)
    first = next((part for part in model.modules() if isinstance(part, nn.Conv2d)), None)
    return first.in_channels if first is not None and first.in_channels in (1, 3, 4) else 3


def as_input(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """The images on the device and in the precision of the model's weights.

    Args:
        model: one without weights takes them as they are.
        images: (N, C, H, W) in 0…1.
    """
    weights = next((p for p in model.parameters() if p.is_floating_point()), None)
    if weights is None:
        return images
    return images.to(weights.device, weights.dtype if weights.dtype.itemsize > 1 else None)


def logits_of(output: object) -> torch.Tensor:
    """The semantic logits of a model's output.

    Args:
        output: the logits themselves, an object with `.logits`, or a dict with "out" (torchvision)
            or "logits".

    Raises:
        TypeError: as a sentence, for an output that has none of them.
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


def upsampled(output: object, size: tuple[int, int]) -> object:
    """Logits (N, K, h, w) at 1/2, 1/4 … 1/32 of `size`, upsampled bilinearly to it.

    Args:
        output: what is no such tensor comes back as it is.
        size: (height, width) of the picture.
    """
    if not isinstance(output, torch.Tensor) or output.ndim != 4 or tuple(output.shape[-2:]) == tuple(size):
        return output
    sides = list(zip(output.shape[-2:], size, strict=True))
    if not any(all(side in (full // s, -(-full // s)) for side, full in sides) for s in STRIDES):
        return output
    return F.interpolate(output, size=tuple(size), mode="bilinear", align_corners=False)


def full_size(logits: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Logits (N, K, H, W) of the picture's size, upsampled where needed.

    Args:
        logits: (N, K, h, w), as large as the picture or 1/2, 1/4 … 1/32 of it.
        size: (height, width) of the picture.

    Raises:
        ValueError: as a sentence, for another form or size.
    """
    if logits.ndim != 4 or not logits.is_floating_point():
        raise ValueError(
            f"The network gives {logits.dtype} of shape {tuple(logits.shape)}; wanted are logits, floats "
            "(N, classes, H, W): without argmax, and without dropping the axis of classes."
        )
    logits = upsampled(logits, size)
    height, width = logits.shape[-2:]
    if (height, width) == tuple(size):
        return logits
    raise ValueError(
        f"The network's logits are {height} × {width} (height × width), its picture {size[0]} × {size[1]}. "
        "A network without padding must say by output_size((height, width)) how many come out, as segedu.models.UNet "
        "does; otherwise upsample or crop its logits to the picture's size inside of the network."
    )


def class_logits(logits: torch.Tensor, model: nn.Module | None = None) -> torch.Tensor:
    """(N, K, H, W) logits with K ≥ 2, checked.

    One channel, the logit x of object or not, becomes two: 0 and x. So class 1 is where x > 0, and
    the softmax of the two is the sigmoid of x.

    Args:
        logits: (N, K, H, W).
        model: the network that gave them. Where one channel lies in 0…1, it may be a sigmoid's
            probabilities, every one of which is above 0: `ends_linear` decides.

    Raises:
        ValueError: as a sentence, for logits that are NaN or infinite, and for one channel in 0…1
            unless the model is seen to end in a linear layer.
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
    if logits.min() >= 0 and logits.max() <= 1 and (model is None or not ends_linear(model)):
        raise ValueError(
            "The network has one output, and all of it lies in 0…1, as after a sigmoid; wanted is the logit, which is "
            "above 0 where the object is. Leave the sigmoid out. If these are logits, put a module around the network "
            "that gives both classes: torch.cat([torch.zeros_like(x), x], 1)"
        )
    return torch.cat([torch.zeros_like(logits), logits], 1)


def ends_linear(model: nn.Module) -> bool:
    """Whether the model's output is seen to come from linear layers, so that it is logits.

    The model is run once on a grey picture, with gradients, whose steps name what it did.

    Args:
        model: in eval mode, in which a run changes nothing in it.

    Returns:
        False also where nothing can be seen: of a compiled model, or one without gradients.
    """
    for side in _PROBE_SIDES:
        try:
            with torch.inference_mode(False), torch.enable_grad():
                grey = torch.full((1, input_channels(model), side, side), 0.5)
                return _is_linear(logits_of(model(as_input(model, grey).requires_grad_())).grad_fn)
        except (ValueError, RuntimeError, AssertionError):  # a size that it does not take
            continue
    return False


def _is_linear(step: torch.autograd.graph.Node | None) -> bool:
    """Whether a step of the gradient belongs to a linear layer, or only to what leaves logits so."""
    name = "" if step is None else re.sub("Backward.*", "", step.name())
    if name not in _KEEPS_LOGITS:
        return name in _LINEAR
    before = [one for one, _ in step.next_functions if one is not None and "AccumulateGrad" not in one.name()]
    return bool(before) and all(map(_is_linear, before))


def probabilities(logits: torch.Tensor) -> torch.Tensor:
    """(N, K, H, W) in 0…1: the softmax of logits.

    Args:
        logits: (N, K, H, W); from a network that ends in a softmax they are probabilities already,
            and come back as they are.
    """
    return logits if are_probabilities(logits) else logits.softmax(1)


def are_probabilities(logits: torch.Tensor) -> bool:
    """Whether all are ≥ 0 and add up to 1 at every pixel, which logits never do by chance.

    Args:
        logits: (N, K, H, W).
    """
    return bool(logits.min() >= 0) and bool(((logits.sum(1) - 1).abs() < 1e-2).all())


def check_fits(num_classes: int, dtype: np.dtype, way_out: str) -> None:
    """Check that class ids fit into integers.

    Args:
        num_classes: how many ids there are.
        dtype: of numpy; in uint8, 255 is no class.
        way_out: what the message ends with.

    Raises:
        ValueError: where they do not.
    """
    most = MOST_CLASSES if dtype == np.uint8 else np.iinfo(dtype).max + 1
    if num_classes > most:
        raise ValueError(f"The network has {num_classes} classes, but {dtype} holds ids of {most} at most. {way_out}")
