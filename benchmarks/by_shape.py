"""Scores of streets by the size and the shape of things, and by the distance to a border, for lesson 10."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from skimage.morphology import skeletonize

from benchmarks.scoring import Scores
from segedu.inference import objects_by_watershed
from segedu.labels import IGNORE_INDEX
from segedu.metrics import border_band
from segedu.metrics.boundary import dilated

SIZES = {"small": 0, "middle": 20, "large": 60}  # a thing's visible pixels, from so many on
SHAPES = {"thin": 0, "medium": 2, "compact": 4}  # its mean width: pixels for each pixel of its skeleton
RINGS = (1, 2, 4, 8, 16)  # pixels from the next border, at most
REACH = 8  # pixels around a thing in which a prediction is its own


def mean_width(thing: np.ndarray) -> float:
    """How many pixels a thing has for each pixel of its skeleton; thing: (H, W) boolean, not empty.

    The inverse of skeleton length over area: a line of one pixel has 1, a wide shape about its width.
    """
    return float(thing.sum() / skeletonize(np.pad(thing, 1)).sum())


@dataclass
class Thing:
    """One thing of one picture: where it counts, and to which group it belongs."""

    picture: int
    class_id: int
    around: tuple[slice, slice]  # its surroundings
    inside: np.ndarray  # in them, its own pixels
    counted: np.ndarray  # its own, and those at most REACH from it that are neither of its class nor void
    group: str

    def overlap(self, found: np.ndarray) -> tuple[int, int]:
        """Pixels in both and in either, of the thing and of what is found in its surroundings; found: (N, H, W)."""
        alarm = (found[self.picture][self.around] == self.class_id) & self.counted
        return int((alarm & self.inside).sum()), int((alarm | self.inside).sum())


def group_of(thing: np.ndarray) -> str:
    """The size and the shape of a thing, (H, W) boolean, in words: "small thin"."""
    size = list(SIZES)[bisect_right(list(SIZES.values()), thing.sum()) - 1]
    shape = list(SHAPES)[bisect_right(list(SHAPES.values()), mean_width(thing)) - 1]
    return f"{size} {shape}"


def connected_parts(mask: torch.Tensor, classes: Iterable[int]) -> torch.Tensor:
    """Things of a picture whose objects nobody told apart: the 8-connected parts of each of these classes.

    mask: (H, W) class ids; returns (H, W) ids of parts, from 1 on, 0 elsewhere. Two cars that touch are one part.
    """
    return torch.from_numpy(objects_by_watershed(mask.numpy(), classes, min_dip=1))  # nothing is cut


def things_of(masks: np.ndarray, objects: np.ndarray) -> list[Thing]:
    """All things of the pictures, (N, H, W) class ids and ids of things, with their surroundings."""
    found = []
    for picture, (mask, ids) in enumerate(zip(masks, objects, strict=True)):
        for number in np.unique(ids[ids != 0]):
            for class_id in np.unique(mask[ids == number]):
                if class_id == IGNORE_INDEX:
                    continue
                thing = (ids == number) & (mask == class_id)
                around = tuple(slice(max(at.min() - REACH, 0), at.max() + REACH + 1) for at in thing.nonzero())
                inside, true = thing[around], mask[around]
                others = (true == class_id) & ~inside
                counted = dilated(inside, REACH) & ~others & (true != IGNORE_INDEX)
                found.append(Thing(picture, int(class_id), around, inside, counted, group_of(thing)))
    return found


class Judge:
    """Streets with their things, measured once; `scores` of what a network says of them.

    val: streets (image, mask, instances) of one size.
    """

    def __init__(self, val: Iterable[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]):
        self.images, masks, objects = map(torch.stack, zip(*val, strict=True))
        self.masks, self.objects = masks, objects

    @cached_property
    def things(self) -> list[Thing]:
        """Of all pictures."""
        return things_of(self.masks.numpy(), self.objects.numpy())

    @cached_property
    def rings(self) -> dict[str, torch.Tensor]:
        """{name: (N, H, W) boolean}: the counted pixels between two distances from the next border."""
        counted, nearer, rings = self.masks != IGNORE_INDEX, torch.zeros_like(self.masks, dtype=torch.bool), {}
        for width in RINGS:
            band = border_band(self.masks, width)
            rings[f"within {width}"] = band & ~nearer & counted
            nearer = band
        return rings | {"beyond": ~nearer & counted}

    def scores(self, found: torch.Tensor) -> Scores:
        """IoU of things by size, by shape and by both; the share of wrong pixels by distance; found: (N, H, W)."""
        table, answers = {}, found.numpy()
        for thing in self.things:
            both, either = thing.overlap(answers)
            for name in (thing.group, *thing.group.split()):
                table.setdefault(name, []).append((both, either))
        ious = {f"{name} things": float(np.divide(*np.sum(rows, axis=0))) for name, rows in sorted(table.items())}
        wrong = (found != self.masks).double()
        return ious | {f"{name}, wrong": wrong[ring].mean().item() for name, ring in self.rings.items()}
