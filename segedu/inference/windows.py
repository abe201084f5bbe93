"""Pictures larger than memory: a TIFF read window by window, and its classes written window by window.

Memory on paper, for a picture of H × W pixels of three channels: a whole picture of a gigapixel (32,768 × 32,768) takes
3.2 GB as bytes, and the logits of 11 classes in float32 47 GB. Window by window there are at any time the part of one
window that the network sees, its maps inside the network, at most 64 MiB of decoded tiles (tiffs.CACHE), and in the
result's TIFF the place of each tile: 16 bytes a tile, 16 kB for a gigapixel in tiles of 1024. None of these grows with
H × W. A file of strips, each as wide as the picture, keeps three times as much: one row of windows of a gigapixel is
32,768 × 1,400 × 3 = 138 MB of strips, which would else be decoded again for each window of the row.

In MB, whole and window by window; a megapixel is 1,024 × 1,024, and the last column is the peak of a whole process,
Python and torch as well, for a small network of 2 classes (python -m benchmarks.large):

    megapixels       picture, float32   logits of 11 classes       ids   measured, by windows
             1                     13                     46         1                    768
            16                    201                    738        17                    934
            64                    805                  2,953        67                  1,007
           256                  3,221                 11,811       268                  1,039
         1,024                 12,885                 47,245     1,074           not measured
    one window, 1,400 a side      24                     86         1
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from segedu import resources
from segedu.inference.semantic import AnyPicture, evaluation_mode, maps_by_tile
from segedu.inference.tiffs import tifffile_library
from segedu.inference.tiles import round_to_stride
from segedu.inputs import whole_number
from segedu.labels import LabelTable
from segedu.models.outputs import check_fits, class_logits, input_channels
from segedu.pictures import Picture

LOOK = 1600  # longer side, in pixels, of what one looks at in the place of a large picture
SHRUNK_BY = (1, 2, 4, 8, 16, 32, 64)  # tiles begin at multiples of 64, so that each of these divides them


def segment_by_windows(
    model: nn.Module,
    image: AnyPicture | Picture,
    path: str | Path,
    *,
    labels: LabelTable | None = None,
    tile: int = 1024,
    margin: int | None = None,
    progress: bool = False,
) -> np.ndarray:
    """Write the class ids of a picture of any size as a TIFF; comes back small, to look at. Lesson 16.

    The ids are those of semantic_segmentation(model, image, tile=tile, margin=margin). They are
    written tile by tile as they are found, so memory does not grow with the picture: about what one
    window needs, beyond an `image` that is in memory itself. The file is written wholly or not at
    all, in the colours of the class table (masks.read_mask reads it back, where it is not too
    large for memory).

    Args:
        model: as in semantic_segmentation, of at most 255 classes.
        image: a TiffPicture, of which one window at a time is read, or anything that
            semantic_segmentation takes, which is read whole; a numpy.memmap is not.
        path: of the TIFF to write.
        labels: the class table; None for the model's own `.labels`, if it has one; else the file
            is grey.
        tile: pixels a side that are segmented at once, rounded up to multiples of 64.
        margin: as in semantic_segmentation.
        progress: show a bar that counts tiles.

    Returns:
        (h, w) uint8: each n-th id down and across, n = shrunk_by(size); h, w ≤ 1600 for pictures of
        at most 102,400 pixels a side.

    Raises:
        ValueError, TypeError: as semantic_segmentation.
        OSError: for a picture that is damaged, and where nothing can be written.
        ImportError: where tifffile is missing.
    """
    tile = whole_number(tile, "tile", 1, floats=False)
    picture = image if isinstance(image, Picture) else Picture(image, input_channels(model))
    height, width = picture.size
    labels = labels or getattr(model, "labels", None)
    sides = tuple(round_to_stride(min(tile, side)) for side in picture.size)
    look = {"photometric": "minisblack"}
    if isinstance(labels, LabelTable):
        look = {"photometric": "palette", "colormap": labels.palette.T.astype(np.uint16) * 257}
    n = shrunk_by(picture.size)
    small = np.zeros((-(-height // n), -(-width // n)), np.uint8)

    def ids_by_tile() -> Iterator[np.ndarray]:
        for (rows, columns), logits in maps_by_tile(model, picture, sides, margin, progress=progress):
            logits = class_logits(logits[None], model)[0]
            check_fits(len(logits), np.dtype(np.uint8), "A TIFF of 8 bits holds no more; write it by hand.")
            ids = logits.argmax(0).to(torch.uint8).cpu().numpy()
            small[rows.start // n : -(-rows.stop // n), columns.start // n : -(-columns.stop // n)] = ids[::n, ::n]
            whole = np.zeros(sides, np.uint8)  # at the right and lower border a tile of a TIFF reaches beyond
            whole[: ids.shape[0], : ids.shape[1]] = ids
            yield whole

    library = tifffile_library()
    with evaluation_mode(model), torch.inference_mode(), resources.atomic_write(path) as temporary:
        library.imwrite(
            temporary, ids_by_tile(), shape=picture.size, dtype=np.uint8, tile=sides, compression="zlib", maxworkers=1,
            metadata=None, bigtiff=height * width > 2**31, **look,
        )  # fmt: skip
    return small


def shrunk_by(size: tuple[int, int]) -> int:
    """The n by which a picture is made smaller to be looked at: a power of 2 up to 64. Lesson 16.

    Args:
        size: (height, width) in pixels.
    """
    return next((n for n in SHRUNK_BY if max(size) <= n * LOOK), SHRUNK_BY[-1])


def shrunk(picture: Picture, tile: int = 1024) -> torch.Tensor:
    """(C, h, w) float32 in 0…1: the means of n × n pixels, n = shrunk_by(picture.size). Lesson 16.

    Args:
        picture: of any size; read window by window.
        tile: pixels a side of a window, a multiple of 64.
    """
    n, (height, width) = shrunk_by(picture.size), picture.size
    found = torch.zeros(picture.channels, -(-height // n), -(-width // n))
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            window = picture.read(*(np.arange(a, min(a + tile, s)) for a, s in ((top, height), (left, width))))
            means = F.avg_pool2d(window[None], n, ceil_mode=True, count_include_pad=False)[0]
            found[:, top // n : top // n + means.shape[1], left // n : left // n + means.shape[2]] = means
    return found
