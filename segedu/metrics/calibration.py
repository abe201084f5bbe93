"""Is a network as often right as it says? Reliability, expected calibration error, temperature, coverage. Lesson 14.

An answer is given as probabilities (…, K, H, W), with one axis more than the truth, or as the pair (ids, confidence)
that `semantic_segmentation(…, return_confidence=True)` gives. Pixels count one by one, over all pictures given.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from segedu.ids import ignored_id
from segedu.inputs import whole_number
from segedu.labels import IGNORE_INDEX, ArrayLike
from segedu.metrics.semantic import two_maps

Answer = ArrayLike | tuple[ArrayLike, ArrayLike]


@dataclass(frozen=True)
class ReliabilityCurve:
    """What a reliability diagram draws: bins of equal width in the confidence. Lesson 14.

    Attributes:
        confidence: (bins,) float64: the mean confidence of the pixels in each bin, NaN if empty.
        accuracy: (bins,) float64: the share of them that is right, NaN if empty.
        count: (bins,) int64: how many they are.
    """

    confidence: torch.Tensor
    accuracy: torch.Tensor
    count: torch.Tensor

    @property
    def error(self) -> float:
        """The expected calibration error, 0…1: Σ count/n · |accuracy − confidence|. Lesson 14."""
        gap = (self.accuracy - self.confidence).abs().nan_to_num()
        return (gap * self.count).sum().item() / self.count.sum().item()

    @property
    def mean_gap(self) -> float:
        """Mean confidence minus accuracy, −1…1: above 0 it promises too much. Lesson 14."""
        gap = (self.confidence - self.accuracy).nan_to_num()
        return (gap * self.count).sum().item() / self.count.sum().item()


def reliability_curve(
    answer: Answer, target: ArrayLike, *, bins: int = 15, ignore_index: int | None = IGNORE_INDEX
) -> ReliabilityCurve:
    """How often pixels are right, by how sure they were. Lesson 14.

    A pixel's confidence is the probability of the class that won. Bin i of n holds confidences
    from i/n to below (i + 1)/n, the last also 1.

    Args:
        answer: probabilities (…, K, H, W) that add up to 1 over K, or the pair (ids, confidence),
            both of the target's shape.
        target: (…, H, W) class ids.
        bins: how many, ≥ 1.
        ignore_index: pixels of that truth are left out; None leaves out nothing.

    Raises:
        TypeError: class ids that are no integers.
        ValueError: shapes that do not fit, numbers outside 0…1, probabilities that do not add up
            to 1 (logits), no pixel that counts.

    Source:
        Guo et al. (arXiv 1706.04599, section 2).
    """
    bins = whole_number(bins, "bins", 1)
    confidence, right = _sure_and_right(answer, target, ignore_index)
    place = (confidence * bins).long().clamp(max=bins - 1)
    count = torch.bincount(place, minlength=bins)
    sums = [torch.bincount(place, weights=values, minlength=bins) for values in (confidence, right.double())]
    return ReliabilityCurve(sums[0] / count, sums[1] / count, count)


def expected_calibration_error(
    answer: Answer, target: ArrayLike, *, bins: int = 15, ignore_index: int | None = IGNORE_INDEX
) -> float:
    """How far confidence and accuracy lie apart, 0…1; 0 is as good as its word. Lesson 14.

    The mean over bins of |accuracy − mean confidence|, each bin weighted by its share of the
    pixels. It says nothing of how good the answers are.

    Args:
        answer: as in reliability_curve.
        target: (…, H, W) class ids.
        bins: how many, ≥ 1. More bins find more gaps, and more chance.
        ignore_index: pixels of that truth are left out; None leaves out nothing.

    Raises:
        TypeError, ValueError: as reliability_curve.

    Source:
        Guo et al. (arXiv 1706.04599, section 2, equation 3).

    Example:
        >>> half_sure = torch.tensor([[[0.5, 0.5]], [[0.5, 0.5]]])  # (2, 1, 2): two classes
        >>> expected_calibration_error(half_sure, torch.tensor([[0, 1]]))
        0.0
    """
    return reliability_curve(answer, target, bins=bins, ignore_index=ignore_index).error


def coverage_curve(
    answer: Answer, target: ArrayLike, *, points: int = 101, ignore_index: int | None = IGNORE_INDEX
) -> tuple[torch.Tensor, torch.Tensor]:
    """How often the surest pixels are right, by their share of all pixels. Lesson 14.

    If the network may be silent where it is least sure: accuracy[i] is the share of right answers
    among the surest coverage[i] of all pixels; at coverage 1 it is the pixel accuracy. At coverage
    0 stands the accuracy of the surest pixel.

    Args:
        answer: as in reliability_curve; the second of a pair may be any number that is larger where
            the network is surer, such as minus the entropy.
        target: (…, H, W) class ids.
        points: how many, ≥ 2, evenly from 0 to 1.
        ignore_index: pixels of that truth are left out; None leaves out nothing.

    Returns:
        (coverage, accuracy), each (points,) float64 in 0…1; coverage is evenly spaced.

    Raises:
        TypeError, ValueError: as reliability_curve, but a pair's second may leave 0…1.

    Source:
        Geifman, El-Yaniv (arXiv 1705.08500, section 2), who call 1 − accuracy the selective risk.
    """
    points = whole_number(points, "points", 2)
    confidence, right = _sure_and_right(answer, target, ignore_index, unit=False)
    order = confidence.argsort(descending=True, stable=True)
    found = right[order].double().cumsum(0) / torch.arange(1, len(order) + 1)
    coverage = torch.linspace(0, 1, points, dtype=torch.float64)
    last = (coverage * len(order)).round().long().clamp(min=1) - 1
    return coverage, found[last]


def fit_temperature(logits: torch.Tensor, target: ArrayLike, *, ignore_index: int | None = IGNORE_INDEX) -> float:
    """The number T > 0 for which softmax(logits / T) is least surprised by the truth. Lesson 14.

    It minimises the cross-entropy over all pixels. T > 1 makes a network less sure, T < 1 surer; no
    pixel changes its class. Fit it on pictures that were not learnt from.

    Args:
        logits: (…, K, H, W).
        target: (…, H, W) class ids.
        ignore_index: pixels of that truth are left out; None leaves out nothing.

    Raises:
        TypeError: class ids that are no integers.
        ValueError: shapes that do not fit, logits that are not finite, no pixel that counts; no
            best T between 0.05 and 20, as where every pixel is right.

    Source:
        Guo et al. (arXiv 1706.04599, section 4.2).

    Example:
        >>> temperature = fit_temperature(logits, mask)
        >>> probabilities = (logits / temperature).softmax(-3)
    """
    from scipy.optimize import minimize_scalar  # here: `import segedu` must not import scipy

    scores, truth = _scores_and_truth(logits, target, ignore_index)
    if not scores.isfinite().all():
        raise ValueError("The logits hold numbers that are not finite; no temperature can be fitted.")
    true = scores.gather(1, truth[:, None])[:, 0]

    def surprise(log_temperature: float) -> float:
        temperature = float(np.exp(log_temperature))
        return ((scores / temperature).logsumexp(1) - true / temperature).mean().item()

    ends = float(np.log(0.05)), float(np.log(20))
    found = minimize_scalar(surprise, bounds=ends, method="bounded", options={"xatol": 1e-3}).x
    if min(found - ends[0], ends[1] - found) < 0.01:
        raise ValueError(
            f"The best temperature is not between 0.05 and 20 (the search ended at {np.exp(found):.3g}): on these "
            f"{len(truth)} pixels the network is always right, or no better than chance. Give more pictures."
        )
    return float(np.exp(found))


def _sure_and_right(
    answer: Answer, target: ArrayLike, ignore_index: int | None, *, unit: bool = True
) -> tuple[torch.Tensor, torch.Tensor]:
    """(P,) float64 confidence and (P,) bool, of the pixels that count."""
    if isinstance(answer, (tuple, list)):
        ids, confidence = answer
        ids, truth = two_maps(ids, target)
        confidence = torch.as_tensor(confidence).detach().cpu().double()
        if confidence.shape != truth.shape:
            raise ValueError(f"The confidence is {tuple(confidence.shape)}, the target {tuple(truth.shape)}.")
        counted = _counted(truth, ignore_index)
        confidence, right = confidence[counted], (ids == truth)[counted]
    else:
        probabilities, truth = _scores_and_truth(answer, target, ignore_index)
        if ((probabilities.sum(1) - 1).abs() > 1e-2).any():
            raise ValueError("The numbers do not add up to 1 over the classes; of logits: logits.softmax(-3)")
        confidence, ids = probabilities.double().max(1)
        right = ids == truth
    if confidence.isnan().any() or (unit and not 0 <= confidence.min() <= confidence.max() <= 1 + 1e-6):
        raise ValueError(f"A confidence lies in 0…1; these lie in {confidence.min():.3g} … {confidence.max():.3g}.")
    return confidence, right


def _scores_and_truth(
    scores: ArrayLike, target: ArrayLike, ignore_index: int | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """(P, K) floats and (P,) int64, of the pixels that count."""
    scores = torch.as_tensor(scores).detach().cpu()
    truth = two_maps(target, target, ("target", "target"))[0]
    if scores.ndim != truth.ndim + 1 or scores.ndim < 3 or scores.shape[:-3] + scores.shape[-2:] != truth.shape:
        raise ValueError(
            f"The scores are {tuple(scores.shape)}, the target {tuple(truth.shape)}; wanted are (…, K, H, W) and "
            "(…, H, W)."
        )
    counted = _counted(truth, ignore_index)
    scores, truth = scores.movedim(-3, -1)[counted], truth[counted]
    if not 0 <= truth.min() <= truth.max() < scores.shape[1]:
        wrong = truth[(truth < 0) | (truth >= scores.shape[1])][0]
        raise ValueError(f"The target holds {wrong}, but the classes are 0 … {scores.shape[1] - 1}.")
    return scores, truth


def _counted(truth: torch.Tensor, ignore_index: int | None) -> torch.Tensor:
    counted = truth != ignored_id(ignore_index)
    if not counted.any():
        raise ValueError("No pixel counts: the target is empty, or all of it is ignored.")
    return counted
