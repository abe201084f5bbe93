"""Objects keep their names through a video: masks that overlap from frame to frame are one object (lesson 13)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import torch

from segedu.ids import MaskError, map_list, object_ids

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# Masks that overlap less than this (intersection over union) are never taken for one object.
LEAST_OVERLAP = 0.1
# How much of a track's velocity is renewed by the latest picture. Outlines move by whole pixels, and what hides a part
# of an object moves the mean of the rest: a velocity that believes more of it sends thin objects astray.
RENEWED = 0.25


def track(instance_maps: Iterable[np.ndarray | torch.Tensor], *, patience: int = 5, motion: bool = True) -> np.ndarray:
    """(T, H, W) int32: the same objects, with one id each in all pictures; 0 is none. Lesson 13.

    Each picture's objects are assigned to the objects known so far so that the sum of their
    overlaps is largest (the Hungarian method). An overlap is the IoU of the two masks after both
    were dilated by one pixel, so that a pole one pixel wide overlaps itself when it stands beside
    where it stood; overlaps under 0.1 do not count. An object that nobody is assigned to gets a new
    id, 1, 2, … in the order of appearance. What is outside of the picture cannot overlap. Where two
    objects merge into one region, one of the two ids goes on.

    Args:
        instance_maps: T maps (H, W) of one size, arrays or tensors, in a list or a stack; one map
            alone is a clip of one. Their ids, as a network gives them, mean nothing from one
            picture to the next. They decide neither who is assigned nor, but for the order of new
            ones, the new ids.
        patience: for so many pictures in a row an object may be missing, hidden or overlooked, and
            get its id back.
        motion: an object's mask is first moved to where its velocity takes it, if it is missing as
            far as the pictures that passed; velocity is the movement of the mean of its pixels,
            smoothed over about four pictures.

    Raises:
        MaskError: maps of different sizes, or with numbers that are no ids.
        ValueError: a patience below 0.

    Source:
        As SORT does with boxes (Bewley et al., arXiv 1602.00763, section 3), with masks and a
        simpler motion.
    """
    if not patience >= 0:  # true for NaN, too
        raise ValueError(f"patience={patience} should be at least 0: the pictures for which a missing object is kept.")
    known, result, names = [], [], 0
    for time, ids in enumerate(map_list(instance_maps)):
        ids = _checked(ids, time, result)
        objects = _pixels_of_each(ids)
        taken = _assigned(known, objects, time, ids.shape, motion)
        lasting = np.zeros(ids.shape, np.int32)
        for number, pixels in enumerate(objects):
            if number in taken:
                taken[number].follow(pixels, time)
            else:
                names += 1
                taken[number] = _Track(names, pixels, time)
                known.append(taken[number])
            lasting[tuple(pixels.T)] = taken[number].name
        known = [one for one in known if time - one.seen <= patience]
        result.append(lasting)
    return np.stack(result) if result else np.zeros((0, 0, 0), np.int32)


class _Track:
    """One object: its name, its pixels (P, 2) when it was last seen, its velocity (pixels a picture), None at first."""

    def __init__(self, name: int, pixels: np.ndarray, time: int):
        self.name, self.pixels, self.seen, self.velocity = name, pixels, time, None

    def follow(self, pixels: np.ndarray, time: int) -> None:
        moved = (pixels.mean(0) - self.pixels.mean(0)) / (time - self.seen)
        self.velocity = moved if self.velocity is None else RENEWED * moved + (1 - RENEWED) * self.velocity
        self.pixels, self.seen = pixels, time

    def expected(self, time: int) -> np.ndarray:
        """Its pixels at `time`, if it goes on as it did."""
        if self.velocity is None:
            return self.pixels
        return self.pixels + np.rint(self.velocity * (time - self.seen)).astype(int)


def _assigned(known: list[_Track], objects: list[np.ndarray], time: int, size, motion: bool) -> dict[int, _Track]:
    """{number of an object: the track that goes on with it}."""
    from scipy.optimize import linear_sum_assignment

    old = _dilated([one.expected(time) if motion else one.pixels for one in known], size)
    new = _dilated(objects, size)
    shared = (old @ new.T).toarray()
    overlaps = shared / (old.sum(1)[:, None] + new.sum(1) - shared)
    overlaps[overlaps < LEAST_OVERLAP] = 0
    pairs = zip(*linear_sum_assignment(overlaps, maximize=True), strict=True)
    return {number: known[row] for row, number in pairs if overlaps[row, number]}


def _dilated(masks: list[np.ndarray], size: tuple[int, int]) -> csr_array:
    """(len(masks), H · W): 1 where a mask or one of its pixels' eight neighbours is, within the picture."""
    from scipy import ndimage
    from scipy.sparse import csr_array

    places = []
    for pixels in masks:
        corner = pixels.min(0) - 1  # of a window with a free pixel on each side; it may leave the picture
        window = np.zeros(pixels.max(0) - corner + 2, bool)
        window[tuple((pixels - corner).T)] = True
        pixels = np.argwhere(ndimage.maximum_filter(window, 3)) + corner
        pixels = pixels[((pixels >= 0) & (pixels < size)).all(1)]
        places.append(np.ravel_multi_index(pixels.T, size))
    ends = np.cumsum([0, *map(len, places)])
    where = np.concatenate([np.zeros(0, int), *places])
    return csr_array((np.ones(len(where), np.int64), where, ends), shape=(len(masks), size[0] * size[1]))


def _pixels_of_each(ids: np.ndarray) -> list[np.ndarray]:
    """(P, 2) rows and columns of each object, in the order of the ids, each in reading order."""
    places = np.argwhere(ids > 0)
    owner = ids[ids > 0]
    ends = np.unique(owner, return_counts=True)[1].cumsum()
    return np.split(places[np.argsort(owner, kind="stable")], ends)[:-1]


def _checked(ids: np.ndarray | torch.Tensor, time: int, before: list[np.ndarray]) -> np.ndarray:
    ids = object_ids(ids, f"Map {time}")
    if before and ids.shape != before[0].shape:
        raise MaskError(f"Map {time} is {ids.shape}, the first one {before[0].shape}; they must have one size.")
    return ids
