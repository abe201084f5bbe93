"""Scores of videos: whether objects keep their names, and whether classes flicker."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass

import numpy as np

from segedu.ids import ignored_id, map_pairs
from segedu.labels import IGNORE_INDEX
from segedu.metrics.objects import overlaps
from segedu.metrics.semantic import Ids, two_maps


@dataclass(frozen=True)
class IdMetrics:
    """Counts over the objects of all pictures of a clip, and scores read from them. Lesson 13.

    Counts of several clips can be added.

    Attributes:
        true: true objects, each picture's counted anew.
        found: predicted objects, counted so, too.
        matched: those that are found (IoU over ½), under any name.
        same_name: those that are found under the name that belongs to their true object all through
            the clip.
        switches: how often a true object is found under another name than the last time it was
            found.
    """

    true: int = 0
    found: int = 0
    matched: int = 0
    same_name: int = 0
    switches: int = 0

    def idf1(self) -> float:
        """2 · same_name / (true + found), 0…1: how much is the right object under its name."""
        return 2 * self.same_name / (self.true + self.found) if self.true + self.found else float("nan")

    def mota(self) -> float:
        """1 − (missed + false alarms + switches) / true, at most 1. A switch costs as a miss does."""
        errors = self.true + self.found - 2 * self.matched + self.switches
        return 1 - errors / self.true if self.true else float("nan")

    def __add__(self, other: IdMetrics) -> IdMetrics:
        return IdMetrics(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


def id_metrics(predictions: Iterable[Ids], targets: Iterable[Ids]) -> IdMetrics:
    """How well objects keep their names through one clip; for several add the results. Lesson 13.

    A found and a true object of one picture match if their IoU is over ½, which at most one pair of
    each can be. Each true object of the clip belongs to at most one found one, and the other way
    round, so that as many of the matches as possible are between the two that belong together:
    these are `same_name`.

    Args:
        predictions: one (H, W) map of ids a picture, 0 for none, in a list or a stack (T, H, W);
            the ids last through the clip. One map alone is a clip of one picture.
        targets: as many maps of the true objects.

    Raises:
        TypeError: the numbers are no integers.
        ValueError: the sides have different lengths or maps.

    Source:
        IDF1: Ristani et al., arXiv 1609.01775, section 3; MOTA and switches: Bernardin and
        Stiefelhagen 2008 (doi 10.1155/2008/246309, section 2).
    """
    from scipy.optimize import linear_sum_assignment

    true = found = switches = 0
    matches: dict[tuple[int, int], int] = {}
    last_name: dict[int, int] = {}
    for both in overlaps(predictions, targets):
        true, found = true + len(both.true), found + len(both.found)
        pairs = both.pairs[both.iou > 0.5]
        for name, thing in zip(both.found[pairs[:, 0]].tolist(), both.true[pairs[:, 1]].tolist(), strict=True):
            matches[thing, name] = matches.get((thing, name), 0) + 1
            switches += last_name.get(thing, name) != name
            last_name[thing] = name
    things, names = (sorted({pair[side] for pair in matches}) for side in (0, 1))
    table = np.zeros((len(things), len(names)), np.int64)
    for (thing, name), count in matches.items():
        table[things.index(thing), names.index(name)] = count
    same_name = int(table[linear_sum_assignment(table, maximize=True)].sum())
    return IdMetrics(true, found, sum(matches.values()), same_name, switches)


def temporal_consistency(
    predictions: Iterable[Ids], targets: Iterable[Ids], *, ignore_index: int | None = IGNORE_INDEX
) -> float:
    """How often, 0…1, the predicted class of a pixel stays where the true one stays. Lesson 13.

    Counted from each picture to the next. 1 is no flicker, right or wrong: a network that always
    answers "road" scores 1, so read it beside the mean IoU. What moves is left out: pixels whose
    true class changes or is ignored in one of the two. Papers mostly give this name to another
    number, not to be compared with this one: the IoU of an answer, warped along the optical flow,
    with the next answer (Liu et al. 2020, arXiv 2002.11433).

    Args:
        predictions: one (H, W) map of class ids a picture, of one clip, in a list or a stack
            (T, H, W).
        targets: as many maps of the true classes.
        ignore_index: the value of the truth that is left out; None leaves out nothing.

    Returns:
        NaN for a clip without such pixels, and for one picture alone.

    Raises:
        TypeError: the numbers are no integers.
        ValueError: the sides have different lengths or maps.
    """
    kept = counted = 0
    before = None
    ignored = ignored_id(ignore_index)
    for pair in map_pairs(predictions, targets):
        now = two_maps(*pair)
        if before is not None:
            if now[1].shape != before[1].shape:
                raise ValueError(f"Pictures of a clip have one size, got {before[1].shape} and {now[1].shape}.")
            stays = (now[1] == before[1]) & (now[1] != ignored)
            kept += int((stays & (now[0] == before[0])).sum())
            counted += int(stays.sum())
        before = now
    return kept / counted if counted else float("nan")
