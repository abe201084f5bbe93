"""A picture in any usual form, opened at one place: (C, H, W) floats in 0…1, whole or piece by piece."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from segedu.ids import DAMAGE
from segedu.inputs import check_plain, check_unit_range, native
from segedu.labels import ArrayLike

# What a picture may be given as.
PictureLike = str | os.PathLike | Image.Image | ArrayLike


class Picture:
    """A picture in any usual form, opened once, and read whole or in pieces. Lesson 07.

    Args:
        image: see `picture_tensor`; an array may be a numpy.memmap, of which only what is read
            comes into memory.
        channels: as many as read gives.
    """

    def __init__(self, image: PictureLike, channels: int = 3):
        self.pixels, self.channels = picture_pixels(image, channels), channels
        self.name = f"{image}: a picture" if isinstance(image, (str, os.PathLike)) else "A picture"  # in sentences

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return tuple(self.pixels.shape[1:])

    def read(self, rows: np.ndarray | None = None, columns: np.ndarray | None = None) -> torch.Tensor:
        """(channels, rows, columns) float32 in 0…1. Lesson 07.

        Args:
            rows: indices, which may repeat; None: all rows and columns.
            columns: indices, which may repeat.
        """
        return _in_channels(_to_unit_range(_copied(self._stored(rows, columns)), self.name), self.channels)

    def _stored(self, rows: np.ndarray | None, columns: np.ndarray | None) -> np.ndarray | torch.Tensor:
        """(C, rows, columns) as they are."""
        return self.pixels if rows is None else self.pixels[:, rows[:, None], columns]


def picture_tensor(image: PictureLike, *, channels: int = 3) -> torch.Tensor:
    """(channels, H, W) float32 in 0…1 of a picture in any usual form. Lesson 00.

    Args:
        image: a path or PIL picture (turned upright as its camera says; transparency dropped), an
            array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), or a tensor (C, H, W), C in 1, 3, 4.
            Integers are uint8 (0…255) or uint16 (0…65535); floats are 0…1.
        channels: 3 (grey pictures are repeated), 1 (colours become grey as Pillow does: 0.299,
            0.587, 0.114), or as many as the array or tensor has.

    Raises:
        ValueError, TypeError, OSError: as a sentence, for anything else: values outside the range,
            NaN, an empty picture, a file that is damaged or closed, or one of several pages or
            frames.

    Example:
        image = picture_tensor("photograph.jpg")
    """
    return Picture(image, channels).read()


def picture_pixels(image: PictureLike, channels: int = 3) -> np.ndarray | torch.Tensor:
    """The picture's values as they are, (C, H, W). Lesson 07.

    An array or tensor is not copied.

    Args:
        image: see `picture_tensor`.
        channels: allowed for C besides 1, 3 and 4.

    Raises:
        ValueError, TypeError, OSError: as picture_tensor.
    """
    given = image
    if isinstance(image, (str, os.PathLike)):
        with _opened(image) as picture:
            image = _decoded(picture, str(image))
    elif isinstance(image, Image.Image):
        image = _decoded(image, getattr(image, "filename", "") or "The PIL picture")
    if isinstance(image, np.ndarray):
        if np.ma.is_masked(image):
            raise ValueError("The picture is a masked array; say what is seen where it has no value: image.filled(0)")
        image = image[None] if image.ndim == 2 else np.moveaxis(image, -1, 0) if image.ndim == 3 else image
    elif isinstance(image, torch.Tensor):
        check_plain(image, "The picture")
        image = image.detach().as_subclass(torch.Tensor)
    else:
        raise TypeError(
            f"A picture is a path, a PIL picture, an array or a tensor, not {type(image).__name__}. Of several give "
            "one at a time; of an open file give PIL.Image.open(file)"
        )
    if image.ndim != 3 or image.shape[0] not in (1, 3, 4, channels) or 0 in image.shape:
        raise ValueError(
            f"A picture is an array (H, W), (H, W, 3) or (H, W, 4), or a tensor (C, H, W) with 1, 3 or 4 channels; "
            f"this {type(given).__name__} is {tuple(given.shape)}.{_way_out(given)}"
        )
    return image


def _way_out(given) -> str:
    """What makes a picture of an array or tensor of another shape, where one can see it."""
    shape, is_tensor = given.shape, isinstance(given, torch.Tensor)
    if 0 in shape:
        return " It has no pixel."
    if len(shape) == 4:
        return " One picture of a batch is images[0]."
    if len(shape) == 2:
        return " A grey one becomes image[None]."
    if len(shape) != 3:
        return ""
    if shape[2 if is_tensor else 0] in (1, 3, 4):
        return f" The channels are {'last: image.permute(2, 0, 1)' if is_tensor else 'first: image.transpose(1, 2, 0)'}"
    number = shape[0 if is_tensor else 2]
    return f' A network for {number} channels says so: model.config = {{"in_channels": {number}}}'


def _opened(path: str | Path) -> Image.Image:
    try:
        return Image.open(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no picture {path}.") from None
    except DAMAGE as error:
        raise _unreadable(path, error) from error


def _unreadable(name, error: Exception) -> OSError:
    way_out = "Copy it again, or export it as PNG."
    if isinstance(error, Image.DecompressionBombError):
        way_out = "If you trust it, let Pillow open any size: PIL.Image.MAX_IMAGE_PIXELS = None"
    elif isinstance(error, (AssertionError, AttributeError)) or "closed" in str(error):
        error = "its file was closed before it was read"
        way_out = "Give its path, or call image.load() before it is closed."
    return OSError(f"{name} cannot be read as a picture ({error}). {way_out}")


def _decoded(picture: Image.Image, name: str) -> np.ndarray:
    """The upright pixels of the one picture that a file holds. Raises ValueError for several, OSError for a damaged."""
    try:
        pages = getattr(picture, "n_frames", 1)
    except DAMAGE:  # a file that is closed no longer tells; it may be read already
        pages = 1
    try:
        picture.load()
    except DAMAGE as error:
        raise _unreadable(name, error) from error
    if pages > 1 and picture.format != "MPO":  # a camera's MPO holds the photograph and a preview
        raise ValueError(
            f"{name} holds {pages} pages or frames; this function takes one picture. Choose it: "
            "picture = Image.open(path); picture.seek(0); picture = picture.copy()"
        )
    try:
        picture = ImageOps.exif_transpose(picture)
    except DAMAGE as error:
        raise _unreadable(name, error) from error
    if picture.mode.startswith("I;16"):  # of either byte order
        return np.array(picture).astype(np.uint16)
    # Pillow would clip the values of I and F, not scale them
    try:
        return np.array(picture if picture.mode in ("L", "I", "F", "RGB") else picture.convert("RGB"))
    except ValueError as error:
        raise ValueError(f"{name} is of mode {picture.mode!r}, of which Pillow makes no RGB ({error}).") from error


def _copied(pixels: np.ndarray | torch.Tensor) -> torch.Tensor:
    """The same values as a tensor that may be written to; a memmap is read here."""
    if isinstance(pixels, torch.Tensor):
        return pixels
    if pixels.dtype.kind not in "buif":
        raise TypeError(f"A picture of numbers is wanted, this array holds {pixels.dtype}.")
    return torch.from_numpy(native(pixels))


def _in_channels(picture: torch.Tensor, channels: int) -> torch.Tensor:
    """(channels, H, W) of (1, 3 or 4, H, W): grey is repeated, colour becomes grey, transparency is dropped."""
    if len(picture) == channels:
        return picture
    picture = picture[:3]
    if channels == 3:
        return picture.expand(3, -1, -1)
    if channels == 1:
        if len(picture) == 1:
            return picture
        return (picture * picture.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(0, keepdim=True)
    raise ValueError(
        f"This model takes pictures of {channels} channels, this one has {len(picture)}; give an array "
        f"(H, W, {channels}) or a tensor ({channels}, H, W)."
    )


def _to_unit_range(image: torch.Tensor, name: str) -> torch.Tensor:
    if image.dtype == torch.bool:
        return image.float()
    if image.dtype in (torch.uint8, torch.uint16):
        return image.float() / torch.iinfo(image.dtype).max
    if not image.is_floating_point():
        raise TypeError(
            f"{name} of integers must be uint8 or uint16, got {image.dtype}. If its values are 0…255, change the "
            "type to uint8; else divide it by the largest value that it can have, the same for all pictures."
        )
    check_unit_range(image, f"{name} of floats must lie in")
    return image.float()
