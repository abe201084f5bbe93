"""Pictures and maps of ids from files as data sets want them, and both resized."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from segedu.ids import MaskError, object_ids
from segedu.masks.decoding import Decoded, check_upright, decoded, stored_ids


def read_grey(path: Path, fetch_hint: str) -> np.ndarray:
    """(H, W) uint8: the picture's grey values; colours become grey, 16 bits become their upper 8, floats are 0…1.

    fetch_hint: the command that brings the file again, for the message. Raises OSError that names a damaged file;
    ValueError for several pages, for a picture that its EXIF data would turn, and for one that would be read as black:
    floats beyond 0…1, whole numbers of 32 bits, or 16 bits of which only the lower 12 or fewer are used.
    """
    file = _read(path, fetch_hint)
    if file.picture.mode in ("I", "F") or file.picture.mode.startswith("I;16"):
        return _eight_bits(np.array(file.picture), path)
    return np.array(file.picture.convert("L"))


def read_colours(path: Path, fetch_hint: str) -> np.ndarray:
    """(H, W, 3) uint8: the picture's colours; a grey one has three equal channels. Else as read_grey."""
    return colours(_read(path, fetch_hint).picture, path)


def colours(picture: Image.Image, path: Path) -> np.ndarray:
    """(H, W, 3) uint8 of a picture that has been read from this file; ValueError as in read_grey."""
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        return np.repeat(_eight_bits(np.array(picture), path)[..., None], 3, axis=2)
    return np.array(picture.convert("RGB"))


def read_ids(path: Path, image_path: Path, fetch_hint: str) -> np.ndarray:
    """(H, W) int32: the whole numbers that the file holds, as they are.

    Raises OSError, and MaskError: of another size than its picture, in colours, or in an encoding that changes values
    (see masks.read_mask).
    """
    file, image = _opened(path, fetch_hint), _opened(image_path, fetch_hint).picture
    if file.picture.size != image.size:
        sizes = f"{file.picture.height}×{file.picture.width} pixels, its picture {image.height}×{image.width}"
        raise MaskError(f"{path} has {sizes}; they must be the same. Bring both again: {fetch_hint}")
    ids = stored_ids(file, path)
    if isinstance(ids, Image.Image):
        raise MaskError(f"{path} is a picture of mode {ids.mode!r}, which holds no ids. Bring it again: {fetch_hint}")
    return object_ids(ids, str(path)).astype(np.int32)


def resized(image: np.ndarray, ids: np.ndarray, size: tuple[int, int] | None) -> tuple[np.ndarray, np.ndarray]:
    """The picture (H, W, 1 or 3) uint8, resized antialiased, and the ids (H, W), nearest; None keeps the size."""
    if size is not None:
        image = resized_picture(image, size)
        ids = np.array(Image.fromarray(ids).resize(size[::-1], Image.Resampling.NEAREST))
    return (image if image.ndim == 3 else image[..., None]), ids


def smaller(size: tuple[int, int], max_side: int | None) -> tuple[int, int] | None:
    """(height, width) in proportion, the longer one max_side; None where the picture is no larger."""
    if max_side is None or max(size) <= max_side:
        return None
    return tuple(max(1, round(side * max_side / max(size))) for side in size)


def resized_picture(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The picture (H, W) or (H, W, 3) uint8, resized to (height, width) by Pillow's bilinear filter, antialiased."""
    return np.array(Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR))


def _read(path: Path, fetch_hint: str) -> Decoded:
    """The one upright picture of a file; errors as in read_grey."""
    file = _opened(path, fetch_hint)
    check_upright(file, path)
    if file.pages > 1 and file.picture.format == "TIFF":
        raise ValueError(f"{path} holds {file.pages} pages; a picture is one. Write each into a file of its own.")
    check_depth(file, path)
    return file


def check_depth(file: Decoded, path: Path) -> None:
    """ValueError for 16 bits a colour of which so few are used that the upper 8, which Pillow keeps, are black."""
    if ";16" in file.stored and not file.picture.mode.startswith("I") and np.max(file.picture) < 16:
        raise ValueError(
            f"{path} has 16 bits a colour, but uses 12 of them at most, and would be black. Multiply all pictures of "
            "the set by 16 (12 bits) or 256 (8 bits), or write them with 8 bits a colour."
        )


def _opened(path: Path, fetch_hint: str) -> Decoded:
    """The picture of a file, read to its end. fetch_hint, errors: as in read_grey."""
    try:
        return decoded(path)
    except (OSError, SyntaxError, ValueError, EOFError) as error:  # Pillow raises any of them, and names no file
        raise OSError(f"{path} cannot be read as a picture ({error}). Bring it again: {fetch_hint}") from error


def _eight_bits(values: np.ndarray, path: Path) -> np.ndarray:
    """(H, W) uint8 of floats in 0…1 or of 16 bits; ValueError for what would become black, or has no known range."""
    low, high = values.min(), values.max()
    if values.dtype.kind == "f" and low >= 0 and high <= 1:
        return (255 * values).round().astype(np.uint8)
    if values.dtype.kind == "f" or values.dtype.itemsize > 2:
        wanted = "floats must lie in 0…1" if values.dtype.kind == "f" else "whole numbers must have 8 or 16 bits"
        raise ValueError(
            f"{path} holds {values.dtype} numbers, {low:.4g} … {high:.4g}; a picture of {wanted}. Divide all pictures "
            "of the set by the largest value that their camera knows, such as 255: "
            f'Image.fromarray((np.array(Image.open("{path.name}")) / 255).astype("float32")).save("{path.stem}.tif")'
        )
    if 0 < high < 4096:
        times = 65536 >> max(8, int(high).bit_length())
        raise ValueError(
            f"{path} has 16 bits, but its largest value is {high}: it would be read as almost black. If its camera "
            f"gives fewer bits, multiply all pictures of the set by one number, here {times}: "
            f'Image.fromarray(np.array(Image.open("{path.name}")) * np.uint16({times})).save("{path.name}")'
        )
    return (values >> 8).astype(np.uint8)
