"""Pictures larger than memory: a TIFF read window by window, and its classes written window by window.

Memory on paper, for a picture of H × W pixels of three channels: a whole picture of a gigapixel (32,768 × 32,768) takes
3.2 GB as bytes, and the logits of 11 classes in float32 47 GB. Window by window there are at any time the part of one
window that the network sees, its maps inside the network, at most CACHE bytes of decoded tiles, and in the result's
TIFF the place of each tile: 16 bytes a tile, 16 kB for a gigapixel in tiles of 1024. None of these grows with H × W.
A TIFF of strips, each as wide as the picture, keeps three times CACHE: one row of windows of a gigapixel is
32,768 × 1,400 × 3 = 138 MB of strips, which would else be decoded again for each window of the row.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from segedu import resources
from segedu.ids import DAMAGE
from segedu.inference.semantic import AnyPicture, evaluation_mode, maps_by_tile
from segedu.inference.tiles import round_to_stride
from segedu.inputs import whole_number
from segedu.labels import LabelTable
from segedu.models.outputs import check_fits, class_logits, input_channels
from segedu.pictures import Picture

CACHE = 64 * 2**20  # bytes of decoded tiles that are kept for the next window
LARGEST_PART = 2**28  # bytes of one tile or strip that are decoded at most
LOOK = 1600  # longer side, in pixels, of what one looks at in the place of a large picture
SHRUNK_BY = (1, 2, 4, 8, 16, 32, 64)  # tiles begin at multiples of 64, so that each of these divides them
UPRIGHT = 1  # an orientation of TIFF
GREY, RGB, YCBCR = 1, 2, 6  # TIFF's photometric interpretations that are taken


class TiffPicture(Picture):
    """A TIFF of which only the windows that are asked for are decoded. Lesson 16.

    Values are those of pictures.picture_tensor. Needs tifffile, which scikit-image brings along;
    for LZW, JPEG and other codecs besides deflate also imagecodecs: pip install "segedu[large]".

    Args:
        path: of the file; grey, RGB or RGBA of 8 or 16 bits, or floats in 0…1.
        channels: as many as read gives.
        page: of a file of several, from 0.

    Raises:
        FileNotFoundError: where there is no such file.
        OSError: for a damaged file.
        ValueError: for colours of another kind, an orientation other than upright, a page that is
            not there, and for one that is a single strip of more than 256 MB.
        ImportError: where tifffile or a codec is missing.

    Example:
        picture = TiffPicture("scan.tif")
        corner = picture.read(np.arange(256), np.arange(256))  # (3, 256, 256)
    """

    def __init__(self, path: str | Path, channels: int = 3, page: int = 0):
        self.path, self.channels, self.name = Path(path), channels, f"{path}: a picture"
        library = _tifffile()
        if not self.path.is_file():
            raise FileNotFoundError(f"There is no picture {path}.")
        try:
            self._file = library.TiffFile(self.path)
            pages = len(self._file.pages)
            self._page = self._file.pages[page].aspage() if page < pages else None
        except (*DAMAGE, library.TiffFileError) as error:
            raise _damaged(path, error) from error
        if not pages:
            raise _damaged(path, "it has no page")
        if self._page is None:
            raise ValueError(f"{path} has {pages} pages; there is no page {page}, counted from 0.")
        self._check()
        self._mapped = self._page.is_memmappable
        self._kept: OrderedDict[int, tuple] = OrderedDict()

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self._page.imagelength, self._page.imagewidth

    @property
    def bits(self) -> int:
        """Of one value as it is stored."""
        return 8 * self._page.dtype.itemsize

    def _check(self) -> None:
        """ValueError for what would be read as something else, or not window by window; OSError for damage."""
        page, wanted = self._page, (GREY, RGB, YCBCR)
        kind = getattr(page.photometric, "name", page.photometric)
        if (
            page.photometric not in wanted
            or page.samplesperpixel not in (1, 3, 4, self.channels)
            or page.imagedepth > 1
        ):
            raise ValueError(
                f"{self.path} is a TIFF of {page.samplesperpixel} channels of the kind {kind}, which is not read by "
                "windows. Write it as grey or RGB of 8 bits."
            )
        if page.tags.valueof(274, default=UPRIGHT) != UPRIGHT:
            raise ValueError(
                f"{self.path} is to be turned by its orientation {page.tags.valueof(274)}, which windows are not. "
                "Write it as it is shown."
            )
        height, width = self.size
        parts = -(-height // self._part[0]) * -(-width // self._part[1]) if min(height, width, *self._part) > 0 else 0
        planes = 1 if page.planarconfig == 1 else page.samplesperpixel
        if page.dtype is None or not 0 < parts * planes == len(page.dataoffsets) == len(page.databytecounts):
            raise _damaged(self.path, f"it says {height} × {width} pixels, and has {len(page.dataoffsets)} parts")
        size = self._part[0] * self._part[1] * page.samplesperpixel // planes * page.dtype.itemsize
        if size > LARGEST_PART and not page.is_memmappable:
            raise ValueError(
                f"{self.path} is packed in parts of {size / 1e6:.0f} MB, each of which can only be read whole. "
                'Write it by tiles: tifffile.imwrite("tiled.tif", pixels, tile=(256, 256), compression="zlib")'
            )

    @property
    def _part(self) -> tuple[int, int]:
        """(height, width) of a tile or strip."""
        page = self._page
        if page.is_tiled:
            return page.tilelength, page.tilewidth
        return min(page.rowsperstrip, page.imagelength), page.imagewidth

    def _stored(self, rows: np.ndarray | None, columns: np.ndarray | None) -> np.ndarray:
        height, width = self.size
        rows = np.arange(height) if rows is None else rows
        columns = np.arange(width) if columns is None else columns
        first = rows.min(), columns.min()
        window = self._window(*first, rows.max() + 1, columns.max() + 1)
        return np.moveaxis(window[(rows - first[0])[:, None], columns - first[1]], -1, 0)

    def _window(self, top: int, left: int, bottom: int, right: int) -> np.ndarray:
        """(bottom − top, right − left, C), as stored."""
        page = self._page
        if self._mapped:
            pixels = _tifffile().memmap(self.path, page=page.index, mode="r")
            pixels = pixels.reshape((page.samplesperpixel, *self.size)) if page.planarconfig == 2 else pixels
            pixels = np.moveaxis(pixels, 0, -1) if page.planarconfig == 2 else pixels.reshape((*self.size, -1))
            return np.array(pixels[top:bottom, left:right])
        found = np.zeros((bottom - top, right - left, page.samplesperpixel), page.dtype)
        down, across = self._part
        in_row, in_column = -(-page.imagewidth // across), -(-page.imagelength // down)
        for plane in range(1 if page.planarconfig == 1 else page.samplesperpixel):
            for row in range(top // down, -(-bottom // down)):
                for column in range(left // across, -(-right // across)):
                    pixels, sample = self._decoded((plane * in_column + row) * in_row + column)
                    if pixels is None:  # a tile that was never written
                        continue
                    y, x = row * down, column * across
                    part = pixels[max(top - y, 0) : bottom - y, max(left - x, 0) : right - x]
                    y, x = max(y - top, 0), max(x - left, 0)
                    found[y : y + part.shape[0], x : x + part.shape[1], sample] = part
        return found

    def _decoded(self, index: int) -> tuple[np.ndarray | None, slice]:
        """(h, w, C) of a tile or strip, None for an empty one, and which channels they are; the latest are kept."""
        if index in self._kept:
            self._kept.move_to_end(index)
            return self._kept[index]
        page = self._page
        try:
            handle = self._file.filehandle
            handle.seek(page.dataoffsets[index])
            packed = handle.read(page.databytecounts[index])
            if len(packed) < page.databytecounts[index]:
                raise EOFError("it ends too early")
            pixels, place, _ = page.decode(packed or None, index, jpegtables=page.jpegtables)
        except DAMAGE as error:
            if "imagecodecs" in str(error):
                raise ImportError(
                    f"{self.path} is packed by {page.compression.name}, for which tifffile needs imagecodecs: "
                    'pip install "segedu[large]"'
                ) from error
            raise _damaged(self.path, error) from error
        found = (
            None if pixels is None else pixels[0],
            slice(place[0], place[0] + 1) if page.planarconfig == 2 else slice(None),
        )
        self._kept[index] = found
        limit = CACHE if page.is_tiled else 3 * CACHE
        while len(self._kept) > 1 and sum(p.nbytes for p, _ in self._kept.values() if p is not None) > limit:
            self._kept.popitem(last=False)
        return found


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

    library = _tifffile()
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


def _tifffile():
    try:
        import tifffile
    except ImportError as error:
        raise ImportError(f'Window by window needs tifffile ({error}): pip install "segedu[large]"') from error
    return tifffile


def _damaged(path: str | Path, error: object) -> OSError:
    return OSError(f"{path} cannot be read as a picture ({error}). Copy it again, or export it as PNG.")
