"""Scores of single objects."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence

import numpy as np
import torch

from segedu.ids import NOTHING, MaskError, check_objects, ignored_id
from segedu.inputs import whole_number
from segedu.labels import IGNORE_INDEX
from segedu.metrics.boundary import spread
from segedu.metrics.semantic import two_maps, two_pictures


def rand_error(prediction, target) -> float:
    """The adapted Rand error of a map of objects, 0 (the same partition) … 1: 1 − F, F over pairs of pixels.

    Of all pairs of different pixels that are in one object of the prediction, the precision is the part that is in one
    object of the truth, too; the recall is the other way round; F is their harmonic mean. Merging two objects costs
    precision, splitting one costs recall, and large objects weigh most, as pairs grow with the square of the size.

    prediction, target: object ids of one picture or one volume (with ids that are valid in all of it), tensors or
        arrays of one shape; which ids, does not matter. Pixels whose truth is 0 (membrane, background) are left out;
        a predicted 0 elsewhere counts as one more object. NaN where no pair is left to count.
    Raises TypeError for numbers that are no integers, ValueError for two shapes.
    Source: Arganda-Carreras et al. 2015 (doi 10.3389/fnana.2015.00142, "foreground-restricted Rand scoring"), the score
    of the ISBI challenge's later rounds; without the thinning of borders that is done there before.
    """
    for name, maps in (("prediction", prediction), ("target", target)):
        if isinstance(maps, list | tuple) and any(isinstance(one, np.ndarray | torch.Tensor) for one in maps):
            raise MaskError(
                f"The {name} is a list; the Rand error is of one picture, or of one volume whose ids are valid in all "
                "of it: np.stack(maps). Of several pictures take the mean of their errors."
            )
    prediction, target = two_maps(prediction, target)
    counted = target != 0
    prediction, target = (ids[counted].unique(return_inverse=True)[1] for ids in (prediction, target))
    both = target * (prediction.max() + 1 if len(prediction) else 1) + prediction
    together, found, true = (_pairs(ids) for ids in (both, prediction, target))
    return 1 - 2 * together / (found + true) if found + true else float("nan")


def size_stratified_iou(
    prediction,
    target,
    instances,
    class_id: int,
    *,
    sizes: Sequence[int] = (100, 400),
    reach: int = 8,
    ignore_index: int | None = IGNORE_INDEX,
) -> torch.Tensor:
    """(len(sizes) + 1,) float64 in 0…1: the IoU of one class around its small, its middle and its large objects.

    A semantic map does not say which object a false alarm belongs to. So each true object is scored in its own
    surroundings, the pixels at most `reach` from it (on a chess board): there, other objects of the class are left out,
    and every other pixel of the class is a false alarm of this object. Pixels are counted over all objects of a size;
    a false alarm near two objects counts for both, one near none for none (the class's IoU sees it).
    prediction, target: class ids, (H, W) or (N, H, W). instances: object ids of that shape, unique in their picture;
        pixels of the class whose id is 0 belong to no object and are left out.
    sizes: the limits, growing, in pixels that are visible and not ignored: 100 itself is in the second row.
    reach: in pixels; with 0 nothing but the object counts, which makes the IoU the part of its pixels that is found.
    A size without objects scores NaN. Raises TypeError for numbers that are no integers, ValueError for other shapes,
    limits that do not grow, or a negative reach.
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
            counted = (spread(inside.float(), reach) > 0) & (inside | ~of_class[around]) & (true[around] != NOTHING)
            alarm = painted[around] & counted
            size = bisect(sizes, int(inside.sum()))
            found[size] += (alarm & inside).sum()
            joined[size] += (alarm | inside).sum()
    return found / joined


def _pairs(ids: torch.Tensor) -> int:
    """How many pairs of different pixels have one id."""
    counts = ids.unique(return_counts=True)[1]
    return int((counts * (counts - 1)).sum()) // 2
