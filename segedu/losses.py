"""What training makes small: cross-entropy, and three losses for unequal classes (lesson 04).

At the end Panoptic-DeepLab's (lesson 12), and the weights by which U-Net learns the gaps between
touching cells (lesson 07).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional as F

from segedu.centres import centre_targets
from segedu.ids import consecutive, ignored_id, object_ids
from segedu.labels import IGNORE_INDEX

if TYPE_CHECKING:
    from segedu.models import PanopticOutput

# Objects farther away than this many sigma count as infinitely far in the border weights: exp(−5²/2) = 4e-6.
FAR = 5


def cross_entropy(
    logits: torch.Tensor,
    target: torch.Tensor,
    *,
    class_weights: torch.Tensor | Sequence[float] | None = None,
    pixel_weights: torch.Tensor | None = None,
    ignore_index: int | None = IGNORE_INDEX,
) -> torch.Tensor:
    """The mean of −log softmax(logits)[true class], in nats: a scalar. Lesson 04.

    Over the pixels that count. A batch in which every pixel is ignored (or weighs nothing) gives 0
    with a gradient of zeros, where torch's own function gives NaN.

    Args:
        logits: (N, C, H, W) real numbers, not yet through a softmax.
        target: (N, H, W) int64, 0 … C − 1 or `ignore_index`.
        class_weights: (C,) ≥ 0, a tensor, array or list; a pixel counts as often as its class
            weighs, and the sum is divided by the sum of weights.
        pixel_weights: (N, H, W) ≥ 0, such as U-Net's border weights; multiplied with the class
            weights.
        ignore_index: pixels of that truth are in neither sum nor divisor: one value, also a class;
            None ignores nothing.

    Raises:
        TypeError, ValueError: as a sentence, for a target or weights of the wrong kind, shape or
            range.

    Example:
        >>> logits = torch.zeros(1, 2, 1, 3)  # two classes, three pixels: each is as likely
        >>> round(cross_entropy(logits, torch.tensor([[[0, 1, 255]]])).item(), 4)  # log 2
        0.6931
    """
    counted = _counted(logits, target, ignore_index)
    logits = _at_least_float32(logits)
    loss = F.cross_entropy(logits, target, reduction="none", ignore_index=ignored_id(ignore_index))
    weights = counted.to(loss.dtype)
    if class_weights is not None:
        weights = weights * _weights(class_weights, "class_weights", (logits.shape[1],), loss)[target.where(counted, 0)]
    if pixel_weights is not None:
        weights = weights * _weights(pixel_weights, "pixel_weights", loss.shape, loss)
    return (loss * weights).sum() / weights.sum().clamp(min=torch.finfo(loss.dtype).tiny)


def dice_loss(logits: torch.Tensor, target: torch.Tensor, *, ignore_index: int | None = IGNORE_INDEX) -> torch.Tensor:
    """1 − the mean soft Dice score of the classes in the batch: a scalar in 0…1. Lesson 04.

    Soft Dice of a class is 2·Σ p·g / (Σ p + Σ g), sums over the batch's counted pixels, p its
    softmax probability and g 1 where it is the truth. Every class has the same say, however few its
    pixels; classes that do not occur in the target have none.

    Args:
        logits: (N, C, H, W), as in cross_entropy.
        target: (N, H, W) int64, as in cross_entropy.
        ignore_index: pixels of that truth are left out; None leaves out nothing.

    Raises:
        TypeError, ValueError: as cross_entropy.

    Source:
        V-Net (arXiv 1606.04797, section 3), whose divisor is Σ p² + Σ g².

    Example:
        >>> sure = torch.tensor([[[[9.0, -9.0]], [[-9.0, 9.0]]]])  # class 0, then class 1
        >>> losses = [dice_loss(sure, torch.tensor([[truth]])) for truth in ([0, 1], [1, 0])]
        >>> [round(loss.item(), 2) for loss in losses]
        [0.0, 1.0]
    """
    probabilities, truth = _pixels(logits, target, ignore_index)
    both = 2 * (probabilities * truth).sum(0)
    dice = both / (probabilities.sum(0) + truth.sum(0)).clamp(min=torch.finfo(both.dtype).tiny)
    present = truth.any(0)
    return _mean_of_present(1 - dice, present) + 0 * _at_least_float32(logits).sum()


def focal_loss(
    logits: torch.Tensor, target: torch.Tensor, *, gamma: float = 2.0, ignore_index: int | None = IGNORE_INDEX
) -> torch.Tensor:
    """The mean of (1 − p)^gamma · (−log p) over the counted pixels: a scalar. Lesson 04.

    p is the probability of the true class.

    Args:
        logits: (N, C, H, W), as in cross_entropy.
        target: (N, H, W) int64, as in cross_entropy.
        gamma: ≥ 0; 0 is the cross-entropy, and the larger, the less a pixel matters that is already
            right.
        ignore_index: pixels of that truth are left out; None leaves out nothing.

    Raises:
        TypeError, ValueError: as cross_entropy, and for a gamma below 0.

    Source:
        Lin et al., arXiv 1708.02002, section 3.
    """
    counted = _counted(logits, target, ignore_index)
    if not gamma >= 0:
        raise ValueError(f"gamma={gamma} should be at least 0.")
    logits = _at_least_float32(logits)
    loss = F.cross_entropy(logits, target, reduction="none", ignore_index=ignored_id(ignore_index))
    # expm1 keeps 1 − p exact where p is close to 1, and the clamp keeps the power's gradient finite at p = 1
    wrong = (-torch.expm1(-loss)).clamp(min=torch.finfo(loss.dtype).eps)
    return (wrong**gamma * loss * counted).sum() / counted.sum().clamp(min=1)


def lovasz_softmax(
    logits: torch.Tensor, target: torch.Tensor, *, ignore_index: int | None = IGNORE_INDEX
) -> torch.Tensor:
    """A smooth stand-in for 1 − mean IoU of the classes in the batch: a scalar in 0…1. Lesson 04.

    Where every probability is 0 or 1 it equals 1 − mean IoU of those classes; between, it is the
    Lovász extension.

    Args:
        logits: (N, C, H, W), as in cross_entropy.
        target: (N, H, W) int64, as in cross_entropy.
        ignore_index: pixels of that truth are left out; None leaves out nothing.

    Raises:
        TypeError, ValueError: as cross_entropy.

    Source:
        Berman et al., arXiv 1705.08790, algorithm 1.
    """
    probabilities, truth = _pixels(logits, target, ignore_index)
    errors, order = (truth - probabilities).abs().sort(dim=0, descending=True)
    truth_sorted = truth.gather(0, order)
    found = truth_sorted.cumsum(0)
    total = truth_sorted.sum(0)
    jaccard = 1 - (total - found) / (total + (1 - truth_sorted).cumsum(0)).clamp(min=1)
    steps = jaccard.diff(dim=0, prepend=jaccard.new_zeros(1, jaccard.shape[1]))
    return _mean_of_present((errors * steps).sum(0), truth.any(0)) + 0 * _at_least_float32(logits).sum()


def panoptic_loss(
    output: PanopticOutput,
    target: torch.Tensor,
    instances: torch.Tensor,
    *,
    sigma: float = 2.0,
    centre_weight: float = 50.0,
    offset_weight: float = 0.2,
    class_weights: torch.Tensor | Sequence[float] | None = None,
) -> torch.Tensor:
    """The losses of a PanopticOutput's classes, centres and offsets in one sum: a scalar. Lesson 12.

    The classes by `cross_entropy`; the heat map by the mean squared error over all pixels; the
    offsets by the mean absolute error, in pixels, over the pixels of objects, 0 where there are
    none.

    Args:
        output: what a PanopticDeepLab gives: logits (N, C, H, W), centres (N, 1, H, W) and offsets
            (N, 2, H, W).
        target: (N, H, W) int64, the masks that a data set with instances=True gives.
        instances: (N, H, W) int64, its object ids, 0 for none; heat maps and offsets are made from
            them by centres.centre_targets.
        sigma: of the heat map's peaks, in pixels.
        centre_weight: the paper has 200, with sigma 8, for pictures of 1025 × 2049. In small
            pictures peaks fill more of the picture; with the default no loss begins far from 1.
        offset_weight: the paper has 0.01; in small pictures offsets are fewer pixels.
        class_weights: (C,) as in cross_entropy; they weigh the classes only.

    Raises:
        TypeError, ValueError: as cross_entropy and centres.centre_targets, and for target and
            instances of two shapes.

    Source:
        Panoptic-DeepLab (arXiv 1911.10194, section 3.2 and equation 1; without its bootstrapping,
        which counts the hardest pixels only).
    """
    if instances.shape != target.shape:  # torch would stretch one map over a batch
        shapes = f"{tuple(target.shape)} and {tuple(instances.shape)}"
        raise ValueError(f"target and instances must have one shape, got {shapes}.")
    heat, offsets = centre_targets(instances, sigma=sigma)
    of_objects = instances.as_subclass(torch.Tensor)[:, None] != 0
    centre_loss = F.mse_loss(output.centres, heat)
    distance = ((output.offsets - offsets).abs() * of_objects).sum() / (2 * of_objects.sum()).clamp(min=1)
    classes = cross_entropy(output.logits, target, class_weights=class_weights)
    return classes + centre_weight * centre_loss + offset_weight * distance


def border_weight_map(
    instances: np.ndarray | torch.Tensor,
    w0: float = 10.0,
    sigma: float = 5.0,
    *,
    class_weights: tuple[float, float] = (1.0, 1.0),
) -> torch.Tensor:
    """(H, W) float32: the weight of each pixel, so that gaps between objects are learnt. Lesson 07.

    In the background class_weights[0] + w0 · exp(−(d1 + d2)² / (2 sigma²)), where d1 and d2 are the
    distances in pixels to the nearest pixels of the nearest and of the second nearest object; in
    objects class_weights[1]. With fewer than two objects there is no gap, d2 is infinite, and only
    the class weights are left. The result is for `cross_entropy(…, pixel_weights=…)`. Its error is
    at most w0 · exp(−25/2), 4e-6 · w0: d1 + d2 above 5 sigma may count as infinite. 300 cells in
    512×512 pixels take about 0.2 s.

    Args:
        instances: (H, W) object ids, 0 = background. Objects that touch have no gap to weigh:
            masks.separate(…) first.
        w0: ≥ 0, what the narrowest gaps weigh in addition.
        sigma: > 0, in pixels. 10 and 5 (w0 and sigma) belong to the paper's 572-pixel tiles; in
            pictures made smaller sigma shrinks with them. What counts is the gap: a line of two
            pixels has d1 + d2 = 3 and gets 0.6 · w0 with sigma = 3, but 0.01 · w0 with sigma = 1.
        class_weights: w_c of background and objects; the paper balances their frequencies by it.

    Raises:
        TypeError, ValueError: anything but a map of whole numbers ≥ 0, or parameters out of range.

    Source:
        U-Net (arXiv 1505.04597), equation 2. As printed it holds for every pixel, with distances to
        the cells' borders, and so would weigh the contact of touching cells as cell. Section 1
        wants the background between them heavy, and so does this function: objects get w_c only.
    """
    from scipy import ndimage

    ids = object_ids(instances, "The map of objects")
    if min(class_weights, default=-1) < 0 or len(class_weights) != 2:
        raise ValueError(f"class_weights={class_weights} should be two numbers ≥ 0, of background and objects.")
    if not (0 <= w0 < math.inf and 0 < sigma < math.inf):
        raise ValueError(f"w0={w0} should be at least 0 and sigma={sigma} above 0.")
    reach = math.ceil(FAR * sigma)
    nearest, second = np.full((2, *ids.shape), np.inf)
    numbered = consecutive(ids)  # so that find_objects' list is no longer than there are objects
    for number, box in enumerate(ndimage.find_objects(numbered), start=1):
        window = tuple(slice(max(side.start - reach, 0), side.stop + reach) for side in box)
        distance = ndimage.distance_transform_edt(numbered[window] != number)
        second[window] = np.minimum(second[window], np.maximum(nearest[window], distance))
        nearest[window] = np.minimum(nearest[window], distance)
    gap = w0 * np.exp(-((nearest + second) ** 2) / (2 * sigma**2))
    background, inside = class_weights
    return torch.from_numpy(np.where(ids == 0, background + gap, inside).astype(np.float32))


def _counted(logits: torch.Tensor, target: torch.Tensor, ignore_index: int | None) -> torch.Tensor:
    """(N, H, W) boolean: the pixels that are not ignored. Raises a sentence if logits and target do not fit."""
    if not isinstance(logits, torch.Tensor) or not logits.is_floating_point():
        kind = logits.dtype if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise TypeError(f'Logits must be a tensor of floats, got {kind}. In a dict of torchvision: output["out"].')
    classes = logits.shape[1] if logits.ndim == 4 else None
    if classes is None:
        raise ValueError(f"Logits must be (N, C, H, W), got shape {tuple(logits.shape)}.")
    expected = (logits.shape[0], *logits.shape[2:])
    if tuple(target.shape) != expected:
        cure = ""
        if target.shape == (expected[0], 1, *expected[1:]):
            cure = " Take the axis of length 1 away: target.squeeze(1)."
        elif target.shape == logits.shape:
            cure = " It looks one-hot: target.argmax(1)."
        raise ValueError(f"The target must be (N, H, W) = {expected} class ids, got shape {tuple(target.shape)}.{cure}")
    if not isinstance(target, torch.Tensor) or target.dtype != torch.int64:
        of_torch = isinstance(target, torch.Tensor)
        found, cure = (target.dtype, "target.long()") if of_torch else (type(target).__name__, "torch.tensor(target)")
        raise TypeError(f"The target must be a tensor of int64 class ids, got {found}: use {cure}.")
    counted = target != ignored_id(ignore_index)
    # Looking at values stops a GPU's queue; there `fit` has looked at the first batch, and torch asserts by itself.
    if target.device.type == "cpu":
        wrong = target[counted & ((target < 0) | (target >= classes))]
        if len(wrong):
            raise ValueError(
                f"The target holds {wrong[0].item()} at {len(wrong)} pixels, but the logits know the classes "
                f"0 … {classes - 1}, and {'nothing' if ignore_index is None else ignore_index} is ignored."
            )
    return counted


def _at_least_float32(logits: torch.Tensor) -> torch.Tensor:
    """float16 as float32: a sum over pixels soon leaves the former, which ends at 65504."""
    return logits.float() if logits.dtype == torch.float16 else logits


def _weights(weights, name: str, shape: tuple[int, ...], like: torch.Tensor) -> torch.Tensor:
    """The weights as a tensor like the loss. Raises ValueError for another shape, on the CPU also for wrong values."""
    weights = (weights if isinstance(weights, torch.Tensor) else torch.tensor(np.array(weights, float))).to(like)
    if weights.shape != tuple(shape):
        raise ValueError(f"{name} must be of shape {tuple(shape)}, got {tuple(weights.shape)}.")
    if weights.device.type == "cpu" and not ((weights >= 0) & weights.isfinite()).all():
        wrong = weights[~((weights >= 0) & weights.isfinite())][0].item()
        raise ValueError(f"{name} must be finite and at least 0, they hold {wrong}.")
    return weights


def _pixels(logits: torch.Tensor, target: torch.Tensor, ignore_index: int | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities and one-hot truth of the counted pixels, each (P, C)."""
    counted = _counted(logits, target, ignore_index)
    probabilities = _at_least_float32(logits).softmax(1).movedim(1, -1)[counted]
    truth = F.one_hot(target[counted], logits.shape[1]).to(probabilities.dtype)
    return probabilities, truth


def _mean_of_present(per_class: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    return (per_class * present).sum() / present.sum().clamp(min=1)
