"""A trained network as a function: a picture in, a map of class ids out."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import nn
from torch.nn import functional as F

# The smallest height and width that every architecture takes; smaller pictures are continued at their border.
SMALLEST = 32


def semantic_segmentation(model: nn.Module, image) -> np.ndarray:
    """(H, W) uint8 class ids: the class with the highest logit at every pixel of the picture.

    model: any model of segedu.models, or a module that turns (1, channels, H, W) in 0…1 into logits of the same H, W.
    image: a path, a PIL picture, an array (H, W), (H, W, 3) or (H, W, 4), or a tensor (C, H, W); see `picture_tensor`.
    The model works in eval mode without gradients, on the device where it is; its mode is put back afterwards.
    """
    picture = picture_tensor(image, channels=getattr(model, "config", {}).get("in_channels", 3))
    with evaluation_mode(model), torch.inference_mode():
        return predict_logits(model, picture[None])[0].argmax(0).to(torch.uint8).cpu().numpy()


def predict_logits(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """(N, num_classes, H, W) logits for pictures (N, C, H, W) in 0…1 of any size, on the model's device.

    Pictures under 32 pixels are continued by repeating their last row and column, and the logits cut back.
    """
    height, width = images.shape[-2:]
    parameter = next(model.parameters(), None)
    images = images if parameter is None else images.to(parameter.device)
    missing = (max(0, SMALLEST - width), max(0, SMALLEST - height))
    images = F.pad(images, (0, missing[0], 0, missing[1]), mode="replicate")
    return logits_of(model(images))[..., :height, :width]


def logits_of(output) -> torch.Tensor:
    """The semantic logits of a model's output: the output itself, or its `.logits`."""
    return getattr(output, "logits", output)


@contextlib.contextmanager
def evaluation_mode(model: nn.Module):
    """A `with` block in which the model and all its parts are in eval mode; afterwards each is as it was."""
    was = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield model
    finally:
        for module, training in was.items():
            module.training = training


def picture_tensor(image, *, channels: int = 3) -> torch.Tensor:
    """(channels, H, W) float32 in 0…1 of a picture in any usual form.

    image: a path or PIL picture (turned upright as its camera says; transparency dropped), an array (H, W),
        (H, W, 1), (H, W, 3) or (H, W, 4), or a tensor (C, H, W), C in 1, 3, 4. Integers are uint8 (0…255) or uint16
        (0…65535); floats are 0…1.
    channels: 3 (grey pictures are repeated) or 1 (colours become grey as Pillow does: 0.299, 0.587, 0.114).
    Raises ValueError or TypeError, as a sentence, for anything else: values outside the range, NaN, an empty picture.
    """
    if isinstance(image, (str, Path)):
        try:
            image = Image.open(image)
        except FileNotFoundError:
            raise FileNotFoundError(f"There is no picture {image}.") from None
    if isinstance(image, Image.Image):
        image = ImageOps.exif_transpose(image)
        image = np.array(image if image.mode in ("L", "I;16", "RGB") else image.convert("RGB"))
    if isinstance(image, np.ndarray):
        image = torch.from_numpy(np.ascontiguousarray(image if image.ndim != 2 else image[..., None]))
        if image.ndim == 3:
            image = image.movedim(-1, 0)
    if not isinstance(image, torch.Tensor):
        raise TypeError(f"A picture is a path, a PIL picture, an array or a tensor, not {type(image).__name__}.")
    if image.ndim != 3 or image.shape[0] not in (1, 3, 4) or 0 in image.shape:
        raise ValueError(
            f"A picture is an array (H, W), (H, W, 3) or (H, W, 4), or a tensor (C, H, W) with 1, 3 or 4 channels; "
            f"this one, as a tensor, is {tuple(image.shape)}."
        )
    picture = _to_unit_range(image.as_subclass(torch.Tensor))[:3]
    if len(picture) == channels:
        return picture
    if channels == 3:
        return picture.expand(3, -1, -1)
    if channels == 1:
        return (picture * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(0, keepdim=True)
    raise ValueError(f"This model takes pictures of {channels} channels; pass a tensor (N, {channels}, H, W) to it.")


def _to_unit_range(image: torch.Tensor) -> torch.Tensor:
    if image.dtype == torch.bool:
        return image.float()
    if image.dtype in (torch.uint8, torch.uint16):
        return image.float() / torch.iinfo(image.dtype).max
    if not image.is_floating_point():
        raise TypeError(
            f"A picture of integers must be uint8 or uint16, got {image.dtype}; divide it by its largest value."
        )
    low, high = image.aminmax()
    if not (low >= 0 and high <= 1):
        raise ValueError(
            f"A picture of floats must lie in 0…1, this one has {low.item():.4g} … {high.item():.4g}; "
            "divide by 255, or take the normalisation away: it is part of the model."
        )
    return image.float()
