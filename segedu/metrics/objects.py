"""Scores of single objects: what two maps of them share, average precision, the Rand error, and IoU by size."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from segedu.ids import NOTHING, MaskError, check_objects, ignored_id, map_list, map_pairs
from segedu.inputs import whole_number
from segedu.labels import IGNORE_INDEX
from segedu.metrics.boundary import dilated
from segedu.metrics.semantic import Ids, two_maps, two_pictures

# COCO's ten thresholds (as its own code computes them, so that borderline cases fall alike), and its 101 recalls.
COCO_THRESHOLDS = tuple(np.linspace(0.5, 0.95, 10).tolist())
RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class Overlap:
    """The objects of a prediction and of a truth, and each pair of them that shares a pixel.

    Attributes:
        found: (P,) int64, the ids of the prediction, sorted, without 0.
        true: (T,) int64, those of the truth.
        found_area: (P,) int64, their pixels.
        true_area: (T,) int64, their pixels.
        pairs: (M, 2) int64, places in `found` and in `true`.
        shared: (M,) int64, the pixels that the two have in common, at least 1.
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


def overlap(prediction: Ids, target: Ids, names: tuple[str, str] = ("prediction", "target")) -> Overlap:
    """The objects of two maps, and what they share. Lesson 11a.

    Args:
        prediction: object ids, 0 for no object.
        target: object ids of the same shape.
        names: of the two maps, for messages.

    Raises:
        TypeError: the numbers are no integers.
        ValueError: two shapes, or an id below 0.
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


def overlaps(predictions: Iterable[Ids], targets: Iterable[Ids]) -> Iterator[Overlap]:
    """The overlap of each picture. Lesson 11a.

    Args:
        predictions: a list or a stack of (H, W) maps of object ids; one map alone is one picture.
        targets: as many maps of the same sizes.

    Raises:
        MaskError, ValueError: they name the picture, also where one side has more pictures.
    """
    for number, pair in enumerate(map_pairs(predictions, targets)):
        yield overlap(*pair, names=(f"prediction {number}", f"target {number}"))


@dataclass(frozen=True)
class AveragePrecision:
    """Average precision by class and threshold; see `average_precision`. Lesson 11b.

    Attributes:
        by_class: {class id: (T,) float64 in 0…1}; NaN for a class without true objects. Without
            classes it is {0: …}.
        thresholds: the T thresholds of IoU.
    """

    by_class: dict[int, torch.Tensor]
    thresholds: tuple[float, ...]

    def at(self, threshold: float) -> float:
        """The mean over the classes at one threshold, 0…1; 0.5 gives AP50. Lesson 11b.

        Args:
            threshold: one of `thresholds`.

        Returns:
            NaN without true objects.

        Raises:
            ValueError: another threshold.
        """
        distance = [abs(threshold - t) for t in self.thresholds]
        if min(distance) > 1e-6:
            raise ValueError(f"AP was not computed at {threshold}; its thresholds are {self.thresholds}.")
        place = distance.index(min(distance))
        return torch.stack([row[place] for row in self.by_class.values()]).nanmean().item()

    def mean(self) -> float:
        """The mean over thresholds and classes, 0…1: COCO's AP with its thresholds; NaN as `at`."""
        return torch.stack(list(self.by_class.values())).nanmean().item()


def average_precision(
    predictions: Iterable[Ids],
    targets: Iterable[Ids],
    *,
    scores: Iterable[Mapping[int, float]] | None = None,
    classes: Iterable[Mapping[int, int]] | None = None,
    target_classes: Iterable[Mapping[int, int]] | None = None,
    thresholds: Sequence[float] = COCO_THRESHOLDS,
) -> AveragePrecision:
    """The average precision of each class at each threshold of IoU, over all pictures. Lesson 11b.

    The found objects of a class are taken by falling score. Each claims the true object of its
    picture that it overlaps most, among those that nobody claimed before and whose IoU reaches the
    threshold; one without such an object is a false alarm. That gives precision and recall after
    each object; AP is the mean, over the recalls 0, 0.01 … 1, of the best precision at this recall
    or a higher one. Objects of one score enter together, so that neither names nor order matter;
    without scores this is the share of true objects among the found times the share of found among
    the true. No limit is set to the objects of a picture, where COCO's own code takes the 100 best.

    Args:
        predictions: one (H, W) map of object ids a picture, 0 for none; tensors or arrays, in a
            list or a stack (N, H, W). Of one picture alone the maps (and {id: score}) need no list.
        targets: as many maps of the true objects.
        scores: one {id: score} a picture for the predictions, as instance_segmentation gives them;
            None: all the same.
        classes: one {id: class id} a picture for the predictions (masks.object_classes); None, for
            both sides: one class, 0.
        target_classes: the same for the true objects.
        thresholds: each in 0.5 … 1; from 0.5 on, objects that do not overlap each other cannot
            compete for one.

    Returns:
        A class without true objects scores NaN and is left out of every mean; an object found in a
        picture without any counts as a false alarm all the same.

    Raises:
        TypeError, ValueError: maps that do not fit each other, sides of different length, a score
            that is NaN, a threshold outside 0.5 … 1.
        KeyError: names an object without score or class.

    Source:
        COCO (Lin et al., arXiv 1405.0312; cocodataset.org, "detection evaluation"; its recall steps
        and ties of thresholds as in pycocotools).

    Example:
        >>> true = np.array([[1, 1, 1, 0, 2, 2]])
        >>> found = np.array([[7, 7, 7, 0, 0, 9]])  # the first whole, of the second one half
        >>> ap = average_precision(found, true, scores={7: 0.9, 9: 0.6}, thresholds=(0.5, 0.75))
        >>> round(ap.at(0.5), 2), round(ap.at(0.75), 2)
        (1.0, 0.5)
    """
    thresholds = tuple(np.atleast_1d(np.asarray(thresholds, float)).tolist())
    if not thresholds or not all(0.5 <= threshold <= 1 for threshold in thresholds):
        raise ValueError(f"The thresholds of IoU should be in 0.5 … 1, got {thresholds}.")
    if (classes is None) != (target_classes is None):
        raise ValueError("Give classes for both sides or for none: classes= and target_classes= belong together.")
    predictions, targets = list(map_list(predictions, "The predictions")), list(map_list(targets, "The targets"))
    given = {"scores": scores, "classes": classes, "target_classes": target_classes}
    given = {name: [table] if isinstance(table, Mapping) else table for name, table in given.items()}
    tables = {k: [None] * len(targets) if v is None else list(v) for k, v in given.items()}
    lengths = {"predictions": len(predictions)} | {name: len(table) for name, table in tables.items()}
    if set(lengths.values()) != {len(targets)}:
        raise ValueError(f"There are {len(targets)} true maps; each of these must be as long: {lengths}.")
    found, true_counts = {}, {}
    for both, score, kind, true_kind in zip(overlaps(predictions, targets), *tables.values(), strict=True):
        score_of = _values_of(score, both.found, "score", 1.0)
        kinds, true_kinds = (_values_of(k, ids, "class", 0) for k, ids in ((kind, both.found), (true_kind, both.true)))
        for class_id in true_kinds.tolist():
            true_counts[class_id] = true_counts.get(class_id, 0) + 1
        right = _claims(both, score_of, kinds, true_kinds, thresholds)
        for class_id in np.unique(kinds).tolist():
            mine = kinds == class_id
            found.setdefault(class_id, []).append((score_of[mine], right[mine]))
    by_class = {}
    for class_id in sorted(found.keys() | true_counts.keys() or {0}):
        pictures = found.get(class_id) or [(np.zeros(0), np.zeros((0, len(thresholds)), bool))]
        score_of, right = (np.concatenate(part) for part in zip(*pictures, strict=True))
        by_class[class_id] = torch.from_numpy(_area_under_curve(score_of, right, true_counts.get(class_id, 0)))
    return AveragePrecision(by_class, thresholds)


def _values_of(values: Mapping | None, ids: np.ndarray, what: str, default: float) -> np.ndarray:
    """The value of each id, in the order of the ids; the default for all where there are no values."""
    if values is None:
        return np.full(len(ids), default)
    lacking = [i for i in ids.tolist() if i not in values]
    if lacking:
        raise KeyError(f"Object {lacking[0]} has no {what}; the {what} is given for {sorted(values)[:10]} …")
    given = [values[i] for i in ids.tolist()]
    if what == "class":
        return np.array([whole_number(value, "the class of an object", 0) for value in given], np.int64)
    nan = [i for i, value in zip(ids.tolist(), given, strict=True) if value != value]
    if nan:
        raise ValueError(f"Object {nan[0]} has the score NaN, which has no place among the others.")
    return np.array(given, float)


def _claims(both, score_of, kinds, true_kinds, thresholds) -> np.ndarray:
    """(P, T) boolean: whether each found object claims a true one of its class, at each threshold."""
    iou = both.iou
    found, true = both.pairs.T
    able = np.flatnonzero((iou >= min(thresholds)) & (kinds[found] == true_kinds[true]))
    able = able[np.lexsort((-iou[able], -score_of[found[able]]))]
    right = np.zeros((len(both.found), len(thresholds)), bool)
    for place, threshold in enumerate(thresholds):
        claimed = set()
        for pair in able[iou[able] >= threshold].tolist():
            if not right[found[pair], place] and true[pair] not in claimed:
                right[found[pair], place] = True
                claimed.add(true[pair])
    return right


def _area_under_curve(score_of: np.ndarray, right: np.ndarray, true_count: int) -> np.ndarray:
    """(T,) average precision of found objects (P,) of which `right` (P, T) claim one of `true_count` true ones."""
    if not true_count:
        return np.full(right.shape[1], np.nan)
    order = np.argsort(-score_of, kind="stable")
    last_of_score = np.diff(score_of[order], append=np.nan) != 0
    hits = right[order].cumsum(0)[last_of_score]
    precision = hits / np.arange(1, len(order) + 1)[last_of_score, None]
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    area = np.zeros(right.shape[1])
    for place in range(right.shape[1]):
        reached = np.searchsorted(hits[:, place] / true_count, RECALLS, side="left")
        area[place] = np.append(best_from_here[:, place], 0)[reached].mean()
    return area


def rand_error(prediction: Ids, target: Ids) -> float:
    """The adapted Rand error of a map of objects, 0 (the same partition) … 1. Lesson 07.

    It is 1 − F, F over pairs of pixels. Of all pairs of different pixels that are in one object of
    the prediction, the precision is the share that is in one object of the truth, too; the recall
    is the other way round; F is their harmonic mean. Merging two objects costs precision, splitting
    one costs recall, and large objects weigh most, as pairs grow with the square of the size.

    Args:
        prediction: object ids of one picture, or of one volume (ids that are valid in all of it);
            which ids, does not matter. A predicted 0 counts as one more object.
        target: object ids of the same shape. Pixels whose truth is 0 (membrane, background) are
            left out.

    Returns:
        NaN where no pair is left to count.

    Raises:
        TypeError: the numbers are no integers.
        ValueError: two shapes, or a list of pictures.

    Source:
        Arganda-Carreras et al. 2015 (doi 10.3389/fnana.2015.00142, "foreground-restricted Rand
        scoring"), the score of the ISBI challenge's later rounds; without the thinning of borders
        that is done there before.
    """
    for name, maps in (("prediction", prediction), ("target", target)):
        if isinstance(maps, list | tuple) and any(isinstance(one, np.ndarray | torch.Tensor) for one in maps):
            raise MaskError(
                f"The {name} is a list; the Rand error is of one picture, or of one volume whose ids are valid in all "
                "of it: np.stack(maps). Of several pictures take the mean of their errors."
            )
    from skimage.metrics import adapted_rand_error

    prediction, target = two_maps(prediction, target)
    counted = target != 0
    # Numbered from 1 on, since its table has as many rows and columns as the largest id says.
    prediction, target = (1 + ids[counted].unique(return_inverse=True)[1].numpy() for ids in (prediction, target))
    with np.errstate(invalid="ignore"):  # 0 / 0, where no object has two pixels
        return float(adapted_rand_error(target, prediction)[0]) if target.size else float("nan")


def size_stratified_iou(
    prediction: Ids,
    target: Ids,
    instances: Ids,
    class_id: int,
    *,
    sizes: Sequence[int] = (100, 400),
    reach: int = 8,
    ignore_index: int | None = IGNORE_INDEX,
) -> torch.Tensor:
    """(len(sizes) + 1,) float64 in 0…1: the IoU of one class by the size of its objects. Lesson 05.

    A semantic map does not say which object a false alarm belongs to. So each true object is scored
    in its own surroundings, the pixels at most `reach` from it (on a chess board): there, other
    objects of the class are left out, and every other pixel of the class is a false alarm of this
    object. Pixels are counted over all objects of a size; a false alarm near two objects counts for
    both, one near none for none (the class's IoU sees it).

    Args:
        prediction: class ids, (H, W) or (N, H, W).
        target: class ids of the same shape.
        instances: object ids of the same shape, unique in their picture; pixels of the class whose
            id is 0 belong to no object and are left out.
        class_id: the class that is scored.
        sizes: the limits, growing, in pixels that are visible and not ignored: an object of 100
            pixels itself is in the second row.
        reach: in pixels; with 0 nothing but the object counts, which makes the IoU the share of its
            pixels that is found.
        ignore_index: pixels of that truth belong to no class; None ignores nothing.

    Returns:
        The smallest objects first; NaN for a size without objects.

    Raises:
        TypeError: the numbers are no integers.
        ValueError: other shapes, limits that do not grow, or a negative reach.
    """
    prediction, _ = two_pictures(prediction, target)
    target, instances = two_pictures(target, instances, names=("target", "instances"))
    check_objects(instances.numpy(), "The map of objects")
    reach, ignored = whole_number(reach, "reach", 0), ignored_id(ignore_index)
    if list(sizes) != sorted(set(sizes)):
        raise ValueError(f"Sizes must grow, got {tuple(sizes)}.")
    target = target.where(target != ignored, NOTHING)  # belongs to no class, not even to one that is ignored
    found, joined = torch.zeros(2, len(sizes) + 1, dtype=torch.float64)
    for painted, true, ids in zip(prediction == class_id, target, instances, strict=True):
        of_class = true == class_id
        for number in ids[of_class & (ids != 0)].unique():
            inside = of_class & (ids == number)
            around = tuple(slice(max(int(at.min()) - reach, 0), int(at.max()) + reach + 1) for at in inside.nonzero().T)
            inside = inside[around]
            near = torch.from_numpy(dilated(inside.numpy(), reach))
            counted = near & (inside | ~of_class[around]) & (true[around] != NOTHING)
            alarm = painted[around] & counted
            size = bisect(sizes, int(inside.sum()))
            found[size] += (alarm & inside).sum()
            joined[size] += (alarm | inside).sum()
    return found / joined
