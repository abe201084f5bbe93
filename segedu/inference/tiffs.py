"""A TIFF as a picture of which windows are read: only the tiles or strips that a window meets are decoded."""

from __future__ import annotations

import math
from collections import OrderedDict
from pathlib import Path

import numpy as np

from segedu.ids import DAMAGE
from segedu.pictures import Picture

CACHE = 64 * 2**20  # bytes of decoded tiles that are kept for the next window; of strips three times as many
LARGEST_PART = 2**28  # bytes of one tile or strip that are decoded at most
BITS = (8, 16, 32, 64)  # of a value; with others its largest number is not that of its type
UPRIGHT = 1  # an orientation of TIFF
GREY, RGB, YCBCR = 1, 2, 6  # TIFF's photometric interpretations that are taken
JPEG = 7  # a compression of TIFF: from it alone YCbCr comes out as RGB


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
        library = tifffile_library()
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
        self._kept: OrderedDict[int, tuple] = OrderedDict()  # {number of a part: its slot, height, width, channels}
        self._slots: np.ndarray | None = None

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
        page, samples = self._page, self._page.samplesperpixel
        kind = getattr(page.photometric, "name", page.photometric)
        known = page.photometric in (GREY, RGB, YCBCR) and page.bitspersample in BITS and page.imagedepth == 1
        if page.photometric == YCBCR and (page.compression != JPEG or samples != 3 or page.planarconfig != 1):
            known, kind = False, "YCbCr, other than JPEG's"
        if not known or samples not in (1, 3, 4, self.channels):
            raise ValueError(
                f"{self.path} is a TIFF of {samples} channels of {page.bitspersample} bits, of the kind {kind}, which "
                "is not read by windows. Write it as grey or RGB of 8 bits."
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
            pixels = tifffile_library().memmap(self.path, page=page.index, mode="r")
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
                    y, x = row * down, column * across
                    part = pixels[max(top - y, 0) : bottom - y, max(left - x, 0) : right - x]
                    y, x = max(y - top, 0), max(x - left, 0)
                    found[y : y + part.shape[0], x : x + part.shape[1], sample] = part
        return found

    def _decoded(self, index: int) -> tuple[np.ndarray, slice]:
        """(h, w, C) of a tile or strip, and which channels they are; until the next call. The latest are kept."""
        page = self._page
        if index in self._kept:
            self._kept.move_to_end(index)
        else:
            try:
                handle = self._file.filehandle
                handle.seek(page.dataoffsets[index])
                packed = handle.read(page.databytecounts[index])
                if len(packed) < page.databytecounts[index]:
                    raise EOFError("it ends too early")
                pixels, place, shape = page.decode(packed or None, index, jpegtables=page.jpegtables)
            except (*DAMAGE, RuntimeError) as error:  # imagecodecs' errors are of the second kind
                if "imagecodecs" in str(error):
                    raise ImportError(
                        f"{self.path} is packed by {page.compression.name}, for which tifffile needs imagecodecs: "
                        'pip install "segedu[large]"'
                    ) from error
                raise _damaged(self.path, error) from error
            slot = self._free_slot()
            _, height, width, _ = shape
            self._slots[slot, :height, :width] = 0 if pixels is None else pixels[0]  # None was never written
            sample = slice(None) if page.planarconfig == 1 else slice(place[0], place[0] + 1)
            self._kept[index] = slot, height, width, sample
        slot, height, width, sample = self._kept[index]
        return self._slots[slot, :height, :width], sample

    def _free_slot(self) -> int:
        """The place for one more decoded part: all places are one array, since many small ones fragment the memory."""
        if self._slots is None:
            page = self._page
            part = (*self._part, page.samplesperpixel if page.planarconfig == 1 else 1)
            limit = CACHE if page.is_tiled else 3 * CACHE
            number = max(1, min(len(page.dataoffsets), limit // (math.prod(part) * page.dtype.itemsize)))
            self._slots = np.empty((number, *part), page.dtype)
        if len(self._kept) < len(self._slots):
            return len(self._kept)
        return self._kept.popitem(last=False)[1][0]


def tifffile_library():
    """The module tifffile; ImportError, as a sentence, where it is missing."""
    try:
        import tifffile
    except ImportError as error:
        raise ImportError(f'Window by window needs tifffile ({error}): pip install "segedu[large]"') from error
    return tifffile


def _damaged(path: str | Path, error: object) -> OSError:
    return OSError(f"{path} cannot be read as a picture ({error}). Copy it again, or export it as PNG.")
