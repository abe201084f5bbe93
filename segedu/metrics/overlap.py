"""How much the objects of two maps overlap: what every score of objects, and the tracker's tests, begin with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from segedu.ids import check_objects, map_pairs
from segedu.metrics.semantic import two_maps


@dataclass(frozen=True)
class Overlap:
    """The objects of a prediction and of a truth, and each pair of them that shares a pixel.

    found, true:           (P,) and (T,) int64: the ids, sorted, without 0.
    found_area, true_area: (P,) and (T,) int64: their pixels.
    pairs:                 (M, 2) int64: places in `found` and in `true`.
    shared:                (M,) int64: the pixels that the two have in common, at least 1.
    """

    found: np.ndarray
    true: np.ndarray
    found_area: np.ndarray
    true_area: np.ndarray
    pairs: np.ndarray
    shared: np.ndarray

    @property
    def iou(self) -> np.ndarray:
        """(M,) float64 in 0…1: intersection over union of each pair."""
        return self.shared / (self.found_area[self.pairs[:, 0]] + self.true_area[self.pairs[:, 1]] - self.shared)


def overlap(prediction, target, names=("prediction", "target")) -> Overlap:
    """The overlap of two maps of object ids of one shape, 0 for no object; tensors or arrays of integers.

    Raises TypeError for numbers that are no integers, ValueError for two shapes or an id below 0.
    """
    prediction, target = (ids.numpy().ravel() for ids in two_maps(prediction, target, names))
    for ids, name in zip((prediction, target), names, strict=True):
        check_objects(ids, f"The {name}")
    found, found_place, found_area = np.unique(prediction, return_inverse=True, return_counts=True)
    true, true_place, true_area = np.unique(target, return_inverse=True, return_counts=True)
    both, shared = np.unique(found_place * len(true) + true_place, return_counts=True)
    pairs = np.stack(np.divmod(both, max(len(true), 1)), axis=1)
    objects = (found[pairs[:, 0]] != 0) & (true[pairs[:, 1]] != 0)
    skipped = np.int64([found[:1].tolist() == [0], true[:1].tolist() == [0]])  # 0, where it occurs, is the first id
    return Overlap(
        found[skipped[0] :], true[skipped[1] :], found_area[skipped[0] :], true_area[skipped[1] :],
        pairs[objects] - skipped, shared[objects],
    )  # fmt: skip


def overlaps(predictions, targets) -> Iterator[Overlap]:
    """The overlap of each picture, from lists or stacks of (H, W) maps; two maps alone are one picture.

    Raises MaskError and ValueError that name the picture, also where one side has more pictures.
    """
    for number, pair in enumerate(map_pairs(predictions, targets)):
        yield overlap(*pair, names=(f"prediction {number}", f"target {number}"))
