"""Scores of single objects."""

from __future__ import annotations

import torch

from segedu.metrics.semantic import two_maps


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
    prediction, target = two_maps(prediction, target)
    counted = target != 0
    prediction, target = (ids[counted].unique(return_inverse=True)[1] for ids in (prediction, target))
    both = target * (prediction.max() + 1 if len(prediction) else 1) + prediction
    together, found, true = (_pairs(ids) for ids in (both, prediction, target))
    return 1 - 2 * together / (found + true) if found + true else float("nan")


def _pairs(ids: torch.Tensor) -> int:
    """How many pairs of different pixels have one id."""
    counts = ids.unique(return_counts=True)[1]
    return int((counts * (counts - 1)).sum()) // 2
