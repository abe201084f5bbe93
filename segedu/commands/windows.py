"""`segedu predict --windows`: pictures larger than memory, at their own size, window by window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from segedu.inference.tiffs import TiffPicture
from segedu.inference.windows import segment_by_windows, shrunk, shrunk_by
from segedu.models.outputs import input_channels
from segedu.pictures import Picture

DARK = 4096 / 65535  # pictures of 16 bits in which nothing is brighter use 12 bits at most


def predict_by_windows(model: nn.Module, path: Path, page: int | None, out: Path, tile: int):
    """Write the ids to `out`, a TIFF of tiles. (h, w, 3) uint8 picture and (h, w) uint8 ids, small, to look at.

    Of a TIFF one window at a time is in memory, any other picture is there whole. Raises OSError, ValueError or
    ImportError that names the file.
    """
    channels = input_channels(model)
    if path.suffix.lower() in (".tif", ".tiff"):
        picture = TiffPicture(path, channels, page or 0)
    else:
        picture = Picture(path, channels)
    small = shrunk(picture)
    if isinstance(picture, TiffPicture) and picture.bits == 16 and 0 < small.max() < DARK:
        raise ValueError(
            f"{path} has 16 bits, and nothing in it is brighter than {65535 * small.max().item():.0f} of 65535: it "
            "would be almost black. Multiply all pictures of the set by 16 (12 bits), or write them with 8 bits."
        )
    ids = segment_by_windows(model, picture, out, tile=tile, progress=True)
    return _colours(small), ids


def made_smaller(picture: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(h, w, 3) uint8 and (h, w) uint8 of a large picture (H, W, 3) uint8 and its ids, to look at.

    Pillow would first make a copy of 4 bytes a pixel.
    """
    n = shrunk_by(picture.shape[:2])
    return _colours(shrunk(Picture(picture))), np.ascontiguousarray(mask[::n, ::n])


def _colours(small: torch.Tensor) -> np.ndarray:
    """(h, w, 3) uint8 of (C, h, w) in 0…1."""
    seen = (255 * small).round().byte().permute(1, 2, 0).numpy()
    return np.ascontiguousarray(seen if seen.shape[2] == 3 else seen[..., :1].repeat(3, axis=2))
