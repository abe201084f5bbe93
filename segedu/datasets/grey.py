"""What the loaders of pictures with objects share: grey pictures and maps of ids from files, and resizing both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from segedu.masks import MaskError


def read_grey(path: Path, mend: str) -> np.ndarray:
    """(H, W) uint8: the picture's grey values; colours become grey, 16 bits become their upper 8.

    mend: the command that brings the file again, for the message. Raises OSError that names a damaged file.
    """
    with opened(path, mend) as image:
        if image.mode.startswith("I;16") or image.mode == "I":
            return (np.array(image).astype(np.int64) >> 8).astype(np.uint8)
        return np.array(image.convert("L"))


def read_ids(path: Path, image_path: Path, mend: str) -> np.ndarray:
    """(H, W) int32: the whole numbers that the file holds, as they are. Raises OSError, and MaskError: of another size
    than its picture, or in colours."""
    with opened(path, mend) as stored, opened(image_path, mend) as image:
        if stored.size != image.size:
            sizes = f"{stored.height}×{stored.width} pixels, its picture {image.height}×{image.width}"
            raise MaskError(f"{path} has {sizes}; they must be the same. Bring both again: {mend}")
        if stored.mode not in ("1", "L", "P", "I") and not stored.mode.startswith("I;16"):
            raise MaskError(f"{path} is a picture of mode {stored.mode!r}, which holds no ids. Bring it again: {mend}")
        return np.array(stored).astype(np.int32)


def resized(image: np.ndarray, ids: np.ndarray, size: tuple[int, int] | None) -> tuple[np.ndarray, np.ndarray]:
    """The picture (H, W, 1 or 3) uint8, resized antialiased, and the ids (H, W) int32, nearest; None keeps the size."""
    if size is not None:
        image = np.array(Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR))
        ids = np.array(Image.fromarray(ids).resize(size[::-1], Image.Resampling.NEAREST))
    return (image if image.ndim == 3 else image[..., None]), ids


def opened(path: Path, mend: str) -> Image.Image:
    """The picture of a file, read to its end. mend, errors: as in read_grey."""
    try:
        image = Image.open(path)
        image.load()
        return image
    except (OSError, SyntaxError) as error:  # Pillow raises either for a file cut short, and names no file
        raise OSError(f"{path} cannot be read as a picture ({error}). Bring it again: {mend}") from error
