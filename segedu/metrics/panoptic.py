"""Panoptic quality: one score for things, which are counted, and stuff, which is not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from segedu.ids import MaskError, check_objects, consecutive
from segedu.labels import IGNORE_INDEX, LabelTable
from segedu.metrics.objects import overlap
from segedu.metrics.semantic import Ids, two_maps


@dataclass(frozen=True)
class PanopticQuality:
    """Counts by class, and the scores read from them; see `panoptic_quality`. Lesson 12.

    Attributes:
        iou: (K,) float64, the sum of the IoU of all matches.
        matched: (K,) float64, how many matches there are.
        false_alarms: (K,) float64, predicted segments without a match.
        missed: (K,) float64, true segments without a match.
    """

    iou: torch.Tensor
    matched: torch.Tensor
    false_alarms: torch.Tensor
    missed: torch.Tensor

    def rq(self) -> torch.Tensor:
        """(K,) recognition quality, 0…1: the F1 score of segments; NaN for a class that neither side has."""
        return self.matched / (self.matched + self.false_alarms / 2 + self.missed / 2)

    def sq(self) -> torch.Tensor:
        """(K,) segmentation quality, 0…1: the mean IoU of the matches; 0 without one, NaN as `rq`."""
        return (self.iou / self.matched).nan_to_num(0).where(~self.rq().isnan(), torch.nan)

    def pq(self) -> torch.Tensor:
        """(K,) panoptic quality, 0…1: sq · rq; NaN as in `rq`."""
        return self.sq() * self.rq()

    def mean_pq(self) -> float:
        """The mean of `pq` over the classes that are not NaN; not the product of two means."""
        return self.pq().nanmean().item()


def panoptic_quality(
    predictions: Iterable[tuple[Ids, Ids]], targets: Iterable[tuple[Ids, Ids]], labels: LabelTable
) -> PanopticQuality:
    """The panoptic quality of each class over all pictures together. Lesson 12.

    A predicted and a true segment match if they have one class and their IoU is above ½, which at
    most one pair of each can be. A segment is an object of a thing, with one class and one id, or
    all pixels of a class of stuff in one picture; ids at stuff do not matter. Void: where the truth
    is 255, or a thing without an id, pixels are taken out of the prediction before IoU is computed,
    and a predicted segment without a match of which more than half is void is no false alarm.

    Args:
        predictions: one pair (mask, instances) a picture: class ids and object ids, both (H, W). It
            may hold 255, or things without an id, for pixels that it gives to no segment; they are
            void for nobody else. One pair alone is one picture.
        targets: as many pairs: what a data set with instances=True gives behind its image.
        labels: the classes, and which of them are things.

    Raises:
        TypeError: the numbers are no integers.
        ValueError: a class id that `labels` does not have, a negative object id, maps of different
            shapes, or sides of different length.

    Source:
        Kirillov et al., arXiv 1801.00868, sections 4.1 (matching, PQ) and 4.2 (void).
    """
    counts = torch.zeros(4, len(labels), dtype=torch.float64)
    predictions, targets = _pairs(predictions), _pairs(targets)
    if len(predictions) != len(targets):
        raise ValueError(f"There are {len(predictions)} predictions for {len(targets)} true pictures.")
    for prediction, target in zip(predictions, targets, strict=True):
        found, true = _segments(prediction, labels, "predicted"), _segments(target, labels, "true")
        counts += torch.from_numpy(_count(found, true, len(labels)))
    return PanopticQuality(*counts)


def _pairs(pictures) -> list:
    """The pairs (mask, instances); one pair alone is a list of one."""
    pictures = [pictures] if isinstance(pictures, tuple) and _is_pair(pictures) else list(pictures)
    for pair in pictures:
        if not isinstance(pair, tuple | list) or not _is_pair(pair):
            raise MaskError(
                f"A picture is a pair (mask, instances) of maps (height, width), not {type(pair).__name__}. Objects as "
                "instance_segmentation(…, return_scores=True) gives them: (found.mask, found.ids)"
            )
    return pictures


def _is_pair(maps) -> bool:
    return len(maps) == 2 and all(getattr(ids, "ndim", 2) == 2 for ids in maps)


def _segments(pair, labels: LabelTable, side: str) -> np.ndarray:
    """(H, W) int64: one number for each segment, 1 + class + K · object; 0 where there is none; side: for errors."""
    mask, instances = (ids.numpy() for ids in two_maps(*pair, names=(f"{side} mask", f"{side} instances")))
    known = (mask >= 0) & (mask < len(labels))
    if not (known | (mask == IGNORE_INDEX)).all():
        wrong = mask[~known & (mask != IGNORE_INDEX)][0]
        raise ValueError(f"A mask holds {wrong}; the classes are 0 … {len(labels) - 1}, and {IGNORE_INDEX} is void.")
    check_objects(instances, "A map of objects")
    instances = consecutive(instances)  # K times any of them is an int64
    things = np.isin(mask, [labels.index(name) for name in labels.things])
    segments = 1 + mask + len(labels) * np.where(things, instances, 0)
    return np.where(known & ~(things & (instances == 0)), segments, 0)


def _count(found: np.ndarray, true: np.ndarray, num_classes: int) -> np.ndarray:
    """(4, K): the sum of IoU, the matches, the false alarms and the missed of one picture, by class."""
    if found.shape != true.shape:
        raise ValueError(f"Prediction and target must have one shape, got {found.shape} and {true.shape}.")
    all_found, all_area = np.unique(found[found > 0], return_counts=True)
    both = overlap(np.where(true > 0, found, 0), true)
    first, second = both.pairs.T
    same_class = (both.found[first] - 1) % num_classes == (both.true[second] - 1) % num_classes
    match = same_class & (both.iou > 0.5)
    matched = both.true[second[match]]
    missed = np.setdiff1d(both.true, matched)
    counted_area = np.zeros(len(all_found), np.int64)
    counted_area[np.searchsorted(all_found, both.found)] = both.found_area
    alarms = all_found[2 * counted_area >= all_area]
    alarms = np.setdiff1d(alarms, both.found[first[match]])

    def by_class(segments: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        return np.bincount((segments - 1) % num_classes, weights, minlength=num_classes)

    return np.stack([by_class(matched, both.iou[match]), *map(by_class, (matched, alarms, missed))])
