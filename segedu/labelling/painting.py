"""One mask that is being painted: class ids, ids of objects, and every step, to be undone and done again."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from segedu.ids import MaskError
from segedu.labels import IGNORE_INDEX

STEPS = 500  # that can be undone in one picture


@dataclass(frozen=True)
class Patch:
    """What one change did to a rectangle of one of the maps, compressed."""

    map: int
    place: tuple[slice, slice]
    before: bytes
    after: bytes


class Painting:
    """The maps of one picture and their history.

    Args:
        mask: (H, W) uint8 class ids, 255 where nothing is painted; changed in place.
        ids: (H, W) uint16 ids of objects, 0 for none; None: objects have no ids.
    """

    def __init__(self, mask: np.ndarray, ids: np.ndarray | None):
        self.maps = [mask] if ids is None else [mask, ids]
        self.steps: list[list[Patch]] = []
        self.undone: list[list[Patch]] = []
        self.version = 0
        self._going = False  # whether the last step may go on

    @property
    def mask(self) -> np.ndarray:
        """(H, W) uint8 class ids."""
        return self.maps[0]

    @property
    def ids(self) -> np.ndarray | None:
        """(H, W) uint16 ids of objects, or None."""
        return self.maps[1] if len(self.maps) == 2 else None

    def change(self, where: np.ndarray, *values: np.ndarray | int, goes_on: bool = False) -> bool:
        """Set the maps where `where` (H, W) is True to the values, one a map; whether anything became different.

        goes_on: it belongs to the step before, and is undone with it.
        """
        self._going = self._going and goes_on
        patches = []
        for number, (layer, value) in enumerate(zip(self.maps, values, strict=False)):
            different = where & (layer != value)
            rows, columns = (np.flatnonzero(different.any(axis)) for axis in (1, 0))
            if not len(rows):
                continue
            place = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
            before = layer[place].tobytes()
            layer[place] = np.where(
                different[place], value[place] if isinstance(value, np.ndarray) else value, layer[place]
            )
            patches.append(Patch(number, place, zlib.compress(before, 1), zlib.compress(layer[place].tobytes(), 1)))
        if not patches:
            return False
        self.undone.clear()
        self.version += 1
        if self._going:
            self.steps[-1] += patches
        else:
            self.steps = [*self.steps[1 - STEPS :], patches]
        self._going = True
        return True

    def undo(self) -> None:
        """Take the last step back. ValueError where there is none."""
        if not self.steps:
            raise ValueError("There is nothing to undo in this picture.")
        step = self.steps.pop()
        for patch in reversed(step):
            self._set(patch, patch.before)
        self.undone.append(step)

    def redo(self) -> None:
        """Do the step that was taken back. ValueError where there is none."""
        if not self.undone:
            raise ValueError("There is nothing to do again in this picture.")
        step = self.undone.pop()
        for patch in step:
            self._set(patch, patch.after)
        self.steps.append(step)

    def _set(self, patch: Patch, values: bytes) -> None:
        layer = self.maps[patch.map]
        window = layer[patch.place]
        self.version, self._going = self.version + 1, False
        window[...] = np.frombuffer(zlib.decompress(values), layer.dtype).reshape(window.shape)

    def connected(self, x: int, y: int) -> np.ndarray:
        """(H, W) bool: the pixels that are connected with column x, row y by sides, and are painted alike."""
        from skimage.morphology import flood

        height, width = self.mask.shape
        if not (0 <= x < width and 0 <= y < height):
            raise ValueError(
                f"({x}, {y}) is outside the picture, whose columns are 0…{width - 1}, rows 0…{height - 1}."
            )
        alike = self.mask if self.ids is None else self.ids.astype(np.int32) * 256 + self.mask
        return flood(alike, (int(y), int(x)), connectivity=1)

    def new_object(self) -> int:
        """An id that no object has. MaskError where all of 16 bits are used."""
        if self.ids is None:
            return 0
        highest = int(self.ids.max())
        if highest < np.iinfo(np.uint16).max:
            return highest + 1
        free = np.setdiff1d(np.arange(1, 65536), self.ids)
        if not len(free):
            raise MaskError("This picture has 65535 objects, as many as 16 bits can number.")
        return int(free[0])

    def accept(self, proposal: np.ndarray, things: list[int]) -> bool:
        """Take the classes of (H, W) uint8 over where nothing is painted; parts of things become objects."""
        open_ = (self.mask == IGNORE_INDEX) & (proposal != IGNORE_INDEX)
        ids = None if self.ids is None else self._ids_for(np.where(open_, proposal, self.mask), open_, things)
        return self.change(open_, proposal, *([] if ids is None else [ids]))

    def _ids_for(self, mask: np.ndarray, open_: np.ndarray, things: list[int]) -> np.ndarray:
        """(H, W) uint16: new pixels of a thing join the object of their class that they touch, or make new ones."""
        from scipy import ndimage
        from skimage.segmentation import watershed

        ids, highest = self.ids.astype(np.int32), self.new_object() - 1
        for class_id in things:
            region = mask == class_id
            if not (region & open_).any():
                continue
            grown = watershed(np.zeros(mask.shape, np.uint8), np.where(region, ids, 0), mask=region)
            alone, count = ndimage.label(region & (grown == 0) & open_)
            if highest + count > np.iinfo(np.uint16).max:
                raise MaskError(f"{count} new objects are more than 16 bits can number; paint some background first.")
            new = np.where(alone > 0, alone + highest, grown)
            ids, highest = np.where(region & open_, new, ids), highest + count
        return ids.astype(np.uint16)
