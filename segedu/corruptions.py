"""What happens to pictures on their way to a network: noise, blur, fog, little light, JPEG, something in front.

Lesson 14. Each at severities 1 … 5, one picture at a time, float32 in 0…1 in and out; the same arguments give the same
picture. Severities are made for pictures of about 120 × 160 pixels: on larger ones a blur of so many pixels is weaker.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from segedu.inputs import check_plain, check_unit_range, whole_number

# What severity 1 … 5 means.
NOISE = (0.02, 0.04, 0.06, 0.10, 0.15)  # standard deviation, of 1
BLUR = (0.5, 1.0, 1.5, 2.0, 3.0)  # sigma, in pixels
FOG = (0.85, 0.70, 0.55, 0.40, 0.25)  # the share of the scene's light that comes through
AIRLIGHT = 0.8  # how bright the fog itself is
LIGHT = (0.70, 0.50, 0.35, 0.25, 0.15)  # the share of the light that is left
QUALITY = (60, 40, 25, 15, 8)  # of JPEG
COVERED = (0.05, 0.10, 0.20, 0.30, 0.40)  # share of the picture's area
SWAPPED = (0.2, 0.4, 0.6, 0.8, 1.0)  # share of the other picture's colour


def noise(image: torch.Tensor, severity: int, *, seed: int = 0) -> torch.Tensor:
    """(C, H, W): every value plus a draw of its own from a normal distribution, cut to 0…1. Lesson 14.

    The standard deviation is NOISE[severity − 1]: 0.02, 0.04, 0.06, 0.10, 0.15. The mean stays,
    but near black and white, where values are cut.

    Args:
        image: (C, H, W) floats in 0…1.
        severity: 1 … 5.
        seed: another seed is other noise.

    Raises:
        TypeError, ValueError: for another form of picture, or a severity outside 1 … 5.

    Source:
        Hendrycks, Dietterich (arXiv 1903.12261, section 3), whose 15 corruptions have five
        severities each; the numbers here are our own.

    Example:
        >>> grey = torch.full((3, 120, 160), 0.5)
        >>> round(segedu.corruptions.noise(grey, severity=4).std().item(), 2)
        0.1
    """
    image, strength = _checked(image), _of(NOISE, severity)
    draw = torch.randn(image.shape, generator=torch.Generator().manual_seed(seed))
    return (image + strength * draw.to(image.device)).clamp(0, 1)


def blur(image: torch.Tensor, severity: int, *, seed: int = 0) -> torch.Tensor:
    """(C, H, W): the picture out of focus, convolved with a Gaussian. Lesson 14.

    Sigma is BLUR[severity − 1]: 0.5, 1, 1.5, 2, 3 pixels. A point spreads to a spot of that
    standard deviation (0.46 for the first, which is narrower than a pixel), and the noise of single
    pixels falls to 1/(2σ√π) of what it was.

    Args:
        image: (C, H, W) floats in 0…1; beyond its edges it is mirrored.
        severity: 1 … 5.
        seed: nothing here is random; it stands here so that all corruptions are called alike.

    Raises:
        TypeError, ValueError: for another form of picture, or a severity outside 1 … 5.
    """
    image, sigma = _checked(image), _of(BLUR, severity)
    reach = min(math.ceil(4 * sigma), min(image.shape[-2:]) - 1)  # reflection goes no farther
    line = torch.exp(-(torch.arange(-reach, reach + 1.0) ** 2) / (2 * sigma**2)).to(image.device)
    line = line / line.sum()
    channels = image[:, None]  # (C, 1, H, W): each is blurred alone
    channels = F.conv2d(F.pad(channels, (0, 0, reach, reach), mode="reflect"), line.view(1, 1, -1, 1))
    channels = F.conv2d(F.pad(channels, (reach, reach, 0, 0), mode="reflect"), line.view(1, 1, 1, -1))
    return channels[:, 0].clamp(0, 1)


def fog(image: torch.Tensor, severity: int, *, seed: int = 0) -> torch.Tensor:
    """(C, H, W): an even veil, t · image + (1 − t) · 0.8. Lesson 14.

    t is FOG[severity − 1]: 0.85, 0.70, 0.55, 0.40, 0.25. So the mean moves towards 0.8 and the
    standard deviation falls to t of what it was. Real fog thickens with distance, which a picture
    alone does not tell: for that ToyStreet(weather="fog") draws it in the scene.

    Args:
        image: (C, H, W) floats in 0…1.
        severity: 1 … 5.
        seed: nothing here is random.

    Raises:
        TypeError, ValueError: for another form of picture, or a severity outside 1 … 5.
    """
    image, through = _checked(image), _of(FOG, severity)
    return through * image + (1 - through) * AIRLIGHT


def darker(image: torch.Tensor, severity: int, *, seed: int = 0) -> torch.Tensor:
    """(C, H, W): every value times LIGHT[severity − 1]: 0.70, 0.50, 0.35, 0.25, 0.15. Lesson 14.

    Mean and standard deviation fall by this factor.

    Args:
        image: (C, H, W) floats in 0…1.
        severity: 1 … 5.
        seed: nothing here is random.

    Raises:
        TypeError, ValueError: for another form of picture, or a severity outside 1 … 5.
    """
    return _checked(image) * _of(LIGHT, severity)


def jpeg(image: torch.Tensor, severity: int, *, seed: int = 0) -> torch.Tensor:
    """(C, H, W): written as JPEG by Pillow, and read again. Lesson 14.

    The quality is QUALITY[severity − 1]: 60, 40, 25, 15, 8.

    Args:
        image: (1, H, W) or (3, H, W) floats in 0…1.
        severity: 1 … 5.
        seed: nothing here is random.

    Raises:
        TypeError, ValueError: for another form of picture, or a severity outside 1 … 5.
    """
    image, quality = _checked(image), _of(QUALITY, severity)
    if image.shape[0] not in (1, 3):
        raise ValueError(f"JPEG holds pictures of 1 or 3 channels, this one has {image.shape[0]}.")
    pixels = (image * 255).round().byte().cpu().movedim(0, -1).numpy()
    buffer = io.BytesIO()
    Image.fromarray(pixels.squeeze(-1) if image.shape[0] == 1 else pixels).save(buffer, "JPEG", quality=quality)
    read = np.atleast_3d(np.array(Image.open(buffer)))
    return (torch.from_numpy(read).movedim(-1, 0).float() / 255).to(image.device)


def occlusion(image: torch.Tensor, severity: int, *, seed: int = 0) -> torch.Tensor:
    """(C, H, W): something grey, 0.5, stands in front of a part of the picture. Lesson 14.

    Where it stands says `occluded_window`: what it hides cannot be known, so score the rest.

    Args:
        image: (C, H, W) floats in 0…1.
        severity: 1 … 5: it covers 5, 10, 20, 30 or 40 % of the area.
        seed: another seed is another place.

    Raises:
        TypeError, ValueError: for another form of picture, or a severity outside 1 … 5.
    """
    image = _checked(image).clone()
    rows, columns = occluded_window(image.shape[-2:], severity, seed=seed)
    image[:, rows, columns] = 0.5
    return image


def occluded_window(size: Sequence[int], severity: int, *, seed: int = 0) -> tuple[slice, slice]:
    """Rows and columns that `occlusion` covers: a window of the picture's own shape. Lesson 14.

    Args:
        size: (height, width) of the picture.
        severity: 1 … 5, as in occlusion.
        seed: of the place, which is drawn evenly among all where the window lies inside.

    Raises:
        ValueError: for a severity outside 1 … 5.
    """
    share = math.sqrt(_of(COVERED, severity))
    draw = torch.rand(2, generator=torch.Generator().manual_seed(seed)).tolist()
    sides = [round(share * side) for side in size]
    starts = [int(place * (full - side + 1)) for place, full, side in zip(draw, size, sides, strict=True)]
    rows, columns = (slice(start, start + side) for start, side in zip(starts, sides, strict=True))
    return rows, columns


def swap_background(
    image: torch.Tensor,
    mask: torch.Tensor,
    other: torch.Tensor,
    other_mask: torch.Tensor,
    severity: int,
    *,
    classes: Sequence[int],
) -> torch.Tensor:
    """(C, H, W): the picture with another's background, where both show the same. Lesson 14.

    There a pixel is (1 − s) · image + s · other, with s = SWAPPED[severity − 1]: 0.2, 0.4 … 1.
    All other pixels stay as they are, and the mask stays true: sky is still sky, but another one.

    Args:
        image: (C, H, W) floats in 0…1.
        mask: (H, W) class ids of image.
        other: a second picture of the same size.
        other_mask: (H, W) class ids of other.
        severity: 1 … 5.
        classes: the ids of what is background.

    Raises:
        TypeError, ValueError: for another form of picture, different sizes, or a severity outside
            1 … 5.

    Example:
        >>> other, sky_and_road = (image.flip(-1), mask.flip(-1)), (0, 3)
        >>> swap = segedu.corruptions.swap_background
        >>> swap(image, mask, *other, severity=5, classes=sky_and_road).shape
        torch.Size([3, 120, 160])
    """
    image, other, share = _checked(image), _checked(other), _of(SWAPPED, severity)
    if image.shape != other.shape or not mask.shape == other_mask.shape == image.shape[-2:]:
        sizes = ", ".join(str(tuple(part.shape)) for part in (image, mask, other, other_mask))
        raise ValueError(f"Two pictures of one size and their masks are wanted, (C, H, W) and (H, W); got {sizes}.")
    both = (mask == other_mask) & torch.isin(mask, torch.as_tensor(list(classes), device=mask.device))
    return torch.where(both, torch.lerp(image, other, share), image)


CORRUPTIONS: dict[str, Callable[..., torch.Tensor]] = {
    "noise": noise, "blur": blur, "fog": fog, "darker": darker, "JPEG": jpeg, "occlusion": occlusion,
}  # fmt: skip


def _of(values: Sequence[float], severity: int) -> float:
    """What this severity means."""
    return values[whole_number(severity, "severity", 1, len(values)) - 1]


def _checked(image: torch.Tensor) -> torch.Tensor:
    if not isinstance(image, torch.Tensor):
        raise TypeError(f"A picture here is a tensor, not {type(image).__name__}: pictures.picture_tensor(image)")
    check_plain(image, "The picture")
    if image.ndim != 3:
        way_out = " Of a batch take one at a time: torch.stack([noise(image, 3) for image in images])"
        raise ValueError(f"The picture has the shape {tuple(image.shape)}; wanted is (C, H, W).{way_out}")
    check_unit_range(image)
    return image.detach().as_subclass(torch.Tensor).float()
