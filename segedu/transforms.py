"""Joint transforms: what happens to a picture happens to its mask, and no mask gets a new value.

All chance comes from torch's global generator: torch.manual_seed makes a transform repeatable.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn import functional as F
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from segedu.inputs import check_unit_range, height_and_width, number_within

# The side, in pixels, of the tiles for which the U-Net paper gives its elastic strength.
PAPER_TILE = 572


def augment(
    size: tuple[int, int] | None = None,
    *,
    scale: tuple[float, float] = (0.5, 2.0),
    flip: bool = True,
    colour: float = 0.3,
) -> v2.Compose:
    """A random transform for training: (image, mask[, instances]) → the same in new form. Lesson 04.

    It crops a window and resizes it to `size`, flips it, and changes the image's colours.

    Args:
        size: (height, width) of what comes out; None keeps the size of what goes in.
        scale: by how much things grow, drawn evenly in log(scale) as zooming is felt. The window is
            size / scale and never leaves the picture, so that nothing has to be filled in: where it
            would, the scale is the smallest that fits. With size=None scales below 1 leave the
            picture whole. (1, 1) takes windows without scaling.
        flip: mirror left and right with probability ½.
        colour: brightness, contrast and saturation of the image change by factors from
            1 − colour … 1 + colour; 0…1, and 0 leaves them alone.

    Raises:
        ValueError: a size that is no (height, width), a scale that is not 0 < low ≤ high, a colour
            outside 0…1, and, when it is called, for colours of pictures that have neither 1 nor 3
            channels.
        TypeError, ValueError: when it is called, as check_joint.

    Example:
        >>> image = tv_tensors.Image(torch.rand(3, 120, 160))
        >>> mask = tv_tensors.Mask(torch.zeros(120, 160, dtype=torch.int64))
        >>> [tuple(part.shape) for part in augment((96, 128), scale=(0.7, 1.6))(image, mask)]
        [(3, 96, 128), (96, 128)]
    """
    size = None if size is None else height_and_width(size)
    try:
        low, high = (float(factor) for factor in scale)
    except (TypeError, ValueError):
        low = high = math.nan
    if not 0 < low <= high < math.inf:
        raise ValueError(f"scale={scale} should be (low, high) with 0 < low ≤ high, such as (0.5, 2.0).")
    colour = number_within(colour, "colour", 0, 1, "; 0 leaves the colours alone")
    steps = [_Window(size, low, high)]
    if flip:
        steps.append(v2.RandomHorizontalFlip())
    if colour:
        steps.append(_Colours(brightness=colour, contrast=colour, saturation=colour))
    return v2.Compose(steps)


def resize(size: tuple[int, int]) -> _Resize:
    """A transform to one size, called with (image, mask[, instances]). Lesson 01a.

    Args:
        size: (height, width) of what comes out.

    Raises:
        ValueError: a size that is no (height, width).
        TypeError, ValueError: when it is called, as check_joint.
    """
    return _Resize(height_and_width(size))


def check_joint(image: tv_tensors.Image, *masks: tv_tensors.Mask) -> None:
    """Nothing, if a joint transform will treat image and masks alike. Lesson 01a.

    Args:
        image: (…, H, W), an Image of torchvision.tv_tensors.
        *masks: (…, H, W) each, Masks of the image's size.

    Raises:
        TypeError: other types: torchvision's v2 transforms pass over a plain tensor beside an Image
            in silence, and the mask then fits its picture no more.
        ValueError: sizes differ, or a float image leaves 0…1.
    """
    if not isinstance(image, tv_tensors.Image):
        way_out = "wrap it: image = tv_tensors.Image(image)"
        if isinstance(image, (tuple, list, dict, tv_tensors.Mask)):
            way_out = "call transform(image, mask), with both as tv_tensors."
        elif not isinstance(image, torch.Tensor):
            way_out = "make it one: image = tv_tensors.Image(segedu.pictures.picture_tensor(image))"
        raise TypeError(f"The image is a {type(image).__name__}; {way_out}")
    if image.is_floating_point() or image.numel() == 0:
        check_unit_range(image, "A transform takes images in")
    for mask in masks:
        if not isinstance(mask, tv_tensors.Mask):
            raise TypeError(
                f"The mask is a {type(mask).__name__}; torchvision's v2 transforms change the image and leave it as "
                "it is. Wrap it: mask = tv_tensors.Mask(mask)"
            )
        if mask.shape[-2:] != image.shape[-2:]:
            raise ValueError(
                f"The mask is {tuple(mask.shape[-2:])} (height, width), but its image is {tuple(image.shape[-2:])}."
            )


@dataclass(frozen=True)
class ElasticGrid:
    """U-Net's elastic deformation: (image, mask[, instances]) → all bent alike. Lesson 07.

    A 3×3 grid lies over the picture, its outer points on the edges. Each point draws a displacement
    down and one to the right from a normal distribution, and bicubic interpolation gives every
    pixel its own. The image is sampled bilinearly, masks at the nearest pixel, so no class or
    object id is invented. What would come from outside of the picture is mirrored at its edge: no
    fill, no void; an object near the edge may so appear a second time, same id.

    Attributes:
        strength: standard deviation of the displacements, ≥ 0, in pixels of the paper's 572-pixel
            tiles. In a picture whose shorter side is s pixels it is strength · s/572 pixels: 10
            bend every size alike, 120 × 160 pixels by 2.1.

    Raises:
        ValueError: a strength below 0.
        TypeError, ValueError: when it is called, as check_joint, and for an image of integers.

    Source:
        U-Net (arXiv 1505.04597, section 3.1).
    """

    strength: float = 10.0

    def __post_init__(self):
        number_within(self.strength, "strength", 0, 1e6, " pixels")

    def __call__(self, *sample: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The sample, all its parts bent by one grid."""
        check_joint(*sample)
        size = sample[0].shape[-2:]
        grid = torch.randn(1, 2, 3, 3) * self.strength * min(size) / PAPER_TILE
        down, right = F.interpolate(grid, size=tuple(size), mode="bicubic", align_corners=True)[0]
        rows = _reflect_index(torch.arange(size[0])[:, None] + down, size[0])
        columns = _reflect_index(torch.arange(size[1]) + right, size[1])
        return tuple(_sampled(item, rows, columns) for item in sample)


# Classes, not closures, so that a data set with a transform can be sent to the worker processes of a DataLoader.


@dataclass(frozen=True)
class _Resize:
    size: tuple[int, int]

    def __call__(self, *sample: torch.Tensor) -> tuple[torch.Tensor, ...]:
        check_joint(*sample)
        return tuple(_resized(item, self.size) for item in sample)


@dataclass(frozen=True)
class _Window:
    size: tuple[int, int] | None
    low: float
    high: float

    def __call__(self, *sample: torch.Tensor) -> tuple[torch.Tensor, ...]:
        check_joint(*sample)
        full = sample[0].shape[-2:]
        size = self.size or tuple(full)
        zoom, down, right = torch.rand(3).tolist()
        scale = math.exp(math.log(self.low) + zoom * math.log(self.high / self.low))
        scale = max(scale, size[0] / full[0], size[1] / full[1])
        height, width = (min(max(round(side / scale), 1), limit) for side, limit in zip(size, full, strict=True))
        top, left = int(down * (full[0] - height + 1)), int(right * (full[1] - width + 1))
        return tuple(_resized(functional.crop(item, top, left, height, width), size) for item in sample)


class _Colours(v2.ColorJitter):
    """torchvision's, with a sentence for pictures that it does not know."""

    def check_inputs(self, flat_inputs: list[torch.Tensor]) -> None:
        if (channels := flat_inputs[0].shape[-3]) not in (1, 3):
            raise ValueError(
                f"The image has {channels} channels; brightness, contrast and saturation are changed in 1 or 3. Leave "
                "the colours alone: augment(…, colour=0)"
            )


# Torch 2.6 cannot index unsigned numbers of more than 8 bits; the same bits read as signed ones it can.
_SIGNED = {torch.uint16: torch.int16, torch.uint32: torch.int32, torch.uint64: torch.int64}


def _resized(item: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    if isinstance(item, tv_tensors.Mask):
        # torchvision resizes masks by "nearest": at a quarter of the size that takes pixels 0, 4, 8, …, while the
        # picture's are means around 1½, 5½, 9½, …; "nearest-exact" takes 2, 6, 10, … and stays on the picture. Places
        # are resized, not ids: these may be larger than the 2²⁴ up to which float32 counts.
        rows, columns = (_nearest(full, side) for full, side in zip(item.shape[-2:], size, strict=True))
        ids = item.as_subclass(torch.Tensor)
        bits = _SIGNED.get(ids.dtype, ids.dtype)
        return tv_tensors.wrap(ids.view(bits)[..., rows[:, None], columns].view(ids.dtype), like=item)
    return functional.resize(item, list(size), interpolation=v2.InterpolationMode.BILINEAR, antialias=True)


def _nearest(full: int, side: int) -> torch.Tensor:
    """(side,) int64: the place among `full` pixels that each of `side` pixels shows."""
    return F.interpolate(torch.arange(full).float()[None, None], size=side, mode="nearest-exact")[0, 0].long()


def _reflect_index(place: torch.Tensor, side: int) -> torch.Tensor:
    """Places on the endless line −∞ … ∞ → 0 … side − 1, as mirrors on the picture's two edges show them."""
    place = (place + 0.5) % (2 * side)
    return (torch.minimum(place, 2 * side - place) - 0.5).clamp(0, side - 1)


def _sampled(item: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """The values of (…, H, W) at (H, W) rows and columns: a mask's nearest, or an image's bilinear mean."""
    values = item.as_subclass(torch.Tensor)
    if isinstance(item, tv_tensors.Mask):
        return tv_tensors.wrap(values[..., rows.round().long(), columns.round().long()], like=item)
    if not values.is_floating_point():
        raise TypeError(f"The image is {values.dtype}; between pixels it needs floats in 0…1: image = image / 255")
    top, left = rows.long(), columns.long()
    below, beside = (top + 1).clamp(max=values.shape[-2] - 1), (left + 1).clamp(max=values.shape[-1] - 1)
    across, down = (columns - left).to(values.dtype), (rows - top).to(values.dtype)
    upper = torch.lerp(values[..., top, left], values[..., top, beside], across)
    lower = torch.lerp(values[..., below, left], values[..., below, beside], across)
    return tv_tensors.wrap(torch.lerp(upper, lower, down), like=item)
