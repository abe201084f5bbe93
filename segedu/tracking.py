"""Objects keep their names through a video: masks that overlap from picture to picture are one object (lesson 13)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from segedu.masks.checking import MaskError, class_ids

# Masks that overlap less than this (intersection over union) are never taken for one object.
LEAST_OVERLAP = 0.1
# How much of a track's velocity is renewed by the latest picture: outlines that change would make it jump otherwise.
RENEWED = 0.5
# An outline that has less than this part of the area that it had a picture ago is partly hidden, or apart again; one
# that had less than this part of what it has now has merged, or is hidden no longer.
STEADY = 0.8


def track(instance_maps: Iterable, *, patience: int = 5, motion: bool = True) -> np.ndarray:
    """(T, H, W) int32: the same objects, with ids that last: one object has one id in all pictures, 0 is none.

    Each picture's objects are assigned to the objects known so far so that the sum of their overlaps (IoU) is largest
    (the Hungarian method); overlaps under 0.1 do not count. An object that nobody is assigned to gets a new id, 1, 2, …
    in the order of appearance.

    instance_maps: T maps (H, W) of one size, arrays or tensors: ids as a network gives them, which mean nothing from
        one picture to the next. They decide neither who is assigned nor, but for the order of new ones, the new ids.
    patience: for so many pictures in a row an object may be missing, hidden or overlooked, and get its id back.
    motion: an object's mask is first moved to where its velocity takes it, if it is missing as far as the pictures that
        passed; velocity is the movement of the mean of its pixels, smoothed over about two pictures. While an object's
        area changes by more than a fifth at once, as when something hides it, its old mask goes on at the old velocity,
        for at most `patience` pictures; not at the picture's edge, where whatever comes or goes changes its area.
    What is outside of the picture cannot overlap. Where two objects merge into one region, one of the two ids goes on.
    Raises ValueError for a negative patience, MaskError for maps of different sizes or with numbers that are no ids.
    Source: as SORT does with boxes (Bewley et al., arXiv 1602.00763, section 3), with masks and a simpler motion.
    """
    if patience < 0:
        raise ValueError(f"patience={patience} should be at least 0: the pictures for which a missing object is kept.")
    known, result, names = [], [], 0
    for time, ids in enumerate(instance_maps):
        ids = _checked(ids, time, result)
        objects = _pixels_of_each(ids)
        lasting = np.zeros(ids.shape, np.int32)
        taken = _assigned(known, objects, time, ids.shape, motion)
        for number, pixels in enumerate(objects):
            at_edge = bool(((pixels == 0) | (pixels == np.array(ids.shape) - 1)).any())
            if number not in taken:
                names += 1
                known.append(_Track(names, pixels.astype(float), time, at_edge))
            else:
                taken[number].follow(pixels, time, at_edge, patience if motion else 0)
            lasting[tuple(pixels.T)] = taken[number].name if number in taken else names
        known = [one for one in known if time - one.seen <= patience]
        result.append(lasting)
    return np.stack(result) if result else np.zeros((0, 0, 0), np.int32)


@dataclass(eq=False)
class _Track:
    """One object: its pixels (P, 2) as floats when it was last seen, its velocity in pixels a picture, None at first.

    doubts: for how many pictures in a row its outline was not believed.  at_edge: it touched the picture's edge.
    """

    name: int
    pixels: np.ndarray
    seen: int
    at_edge: bool
    velocity: np.ndarray | None = None
    doubts: int = 0

    def follow(self, pixels: np.ndarray, time: int, at_edge: bool, patience: int) -> None:
        passed, self.seen = time - self.seen, time
        steady = at_edge or self.at_edge or STEADY <= len(pixels) / len(self.pixels) <= 1 / STEADY
        if self.velocity is None or steady or self.doubts >= patience:
            moved = (pixels.mean(0) - self.pixels.mean(0)) / passed
            self.velocity = moved if self.velocity is None else RENEWED * moved + (1 - RENEWED) * self.velocity
            self.pixels, self.doubts, self.at_edge = pixels.astype(float), 0, at_edge
        else:
            self.pixels, self.doubts = self.pixels + passed * self.velocity, self.doubts + 1

    def expected(self, time: int, size: tuple[int, int], motion: bool) -> np.ndarray:
        """Its pixels at `time`, those that are inside a picture of this size."""
        moved = self.pixels
        if motion and self.velocity is not None:
            moved = moved + self.velocity * (time - self.seen)
        moved = np.rint(moved).astype(int)
        return moved[((moved >= 0) & (moved < size)).all(1)]


def _assigned(known: list[_Track], objects: list[np.ndarray], time: int, size, motion: bool) -> dict[int, _Track]:
    """{number of an object: the track that goes on with it}."""
    from scipy.optimize import linear_sum_assignment  # `import segedu` stays without scipy

    place = np.full(size, -1)
    for number, pixels in enumerate(objects):
        place[tuple(pixels.T)] = number
    areas = np.array([len(pixels) for pixels in objects])
    overlaps = np.zeros((len(known), len(objects)))
    for row, one in enumerate(known):
        pixels = one.expected(time, size, motion)
        met = place[tuple(pixels.T)]
        shared = np.bincount(met[met >= 0], minlength=len(objects))
        overlaps[row] = shared / (len(pixels) + areas - shared)
    overlaps[overlaps < LEAST_OVERLAP] = 0
    pairs = zip(*linear_sum_assignment(overlaps, maximize=True), strict=True)
    return {number: known[row] for row, number in pairs if overlaps[row, number]}


def _pixels_of_each(ids: np.ndarray) -> list[np.ndarray]:
    """(P, 2) rows and columns of each object, in the order of the ids, each in reading order."""
    places = np.argwhere(ids > 0)
    owner = ids[ids > 0]
    ends = np.unique(owner, return_counts=True)[1].cumsum()
    return np.split(places[np.argsort(owner, kind="stable")], ends)[:-1]


def _checked(ids, time: int, before: list[np.ndarray]) -> np.ndarray:
    ids = class_ids(ids, f"Map {time}")
    if ids.min() < 0:
        raise MaskError(f"Map {time} holds {ids.min()}; object ids are whole numbers from 1 on, and 0 is none.")
    if before and ids.shape != before[0].shape:
        raise MaskError(f"Map {time} is {ids.shape}, the first one {before[0].shape}; they must have one size.")
    return ids
