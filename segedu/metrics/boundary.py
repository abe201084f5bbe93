"""Scores near the borders of objects."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from segedu.ids import NOTHING, check_pictures, ignored_id, whole_numbers
from segedu.inputs import whole_number
from segedu.labels import IGNORE_INDEX
from segedu.metrics.semantic import ConfusionMatrix, Ids, two_pictures


def border_band(mask: Ids, width: int) -> torch.Tensor:
    """Boolean, of the mask's shape: True near a border (DeepLab's trimap). Lesson 02.

    A pixel is near if one of another value lies at most `width` pixels from it. The picture's own
    edge is no border.

    Args:
        mask: (H, W) or (N, H, W) integers, tensor, array or list. An ignored pixel (255) is a value
            of its own, so void has a border, too.
        width: ≥ 1, in pixels, measured as on a chess board (diagonal steps count as one).

    Returns:
        A tensor on the mask's device.

    Raises:
        MaskError: the mask holds no whole numbers, or has another shape.
        ValueError: the width is no whole number from 1 on.

    Source:
        DeepLab (arXiv 1412.7062, section 5, "along object boundaries") scores such bands as the
        width grows.
    """
    width = whole_number(width, "width", 1)
    ids = whole_numbers(mask)
    check_pictures(ids, "The mask")
    # By their places in the list of ids: scipy's filters count in float64, which ids from 2^53 on are too large for.
    places = np.unique(ids, return_inverse=True)[1].reshape(ids.shape)
    band = torch.from_numpy(dilated(places, width) != eroded(places, width))
    return band.to(mask.device) if isinstance(mask, torch.Tensor) else band


def trimap_curve(
    prediction: Ids,
    target: Ids,
    num_classes: int,
    *,
    widths: Sequence[int] = (1, 2, 4, 8, 16),
    ignore_index: int | None = IGNORE_INDEX,
) -> dict[int, ConfusionMatrix]:
    """{width: the confusion matrix of all pixels near a true border}, for a growing band. Lesson 02.

    Plot mean_iou() or pixel_accuracy() of the matrices over the widths: a method that only sharpens
    borders rises on the left, one that knows more classes rises everywhere. All of the picture is
    ConfusionMatrix.update. Lesson 09 judges the CRF by it.

    Args:
        prediction: class ids, (H, W) or (N, H, W). Pixels are counted over all pictures.
        target: class ids of the same shape.
        num_classes: how many classes there are.
        widths: how far, at most, a pixel lies from a true border: in pixels, as in border_band. The
            border of void is a border, too; void itself is not counted.
        ignore_index: pixels of that truth are not counted; None counts all.

    Raises:
        MaskError, TypeError, ValueError: as border_band and ConfusionMatrix.update.

    Source:
        DeepLab (arXiv 1412.7062, section 5, "along object boundaries"), after Kohli et al. 2009.

    Example:
        >>> row = torch.tensor([[0, 0, 0, 1, 1, 1]])
        >>> curve = trimap_curve(0 * row, row, 2, widths=(1, 3))
        >>> {width: matrix.pixel_accuracy() for width, matrix in curve.items()}
        {1: 0.5, 3: 0.5}
    """
    prediction, target = two_pictures(prediction, target)
    ignored = ignored_id(ignore_index)
    bands = {width: target.where(border_band(target, width), ignored) for width in widths}
    return {width: ConfusionMatrix(num_classes, ignored).update(prediction, band) for width, band in bands.items()}


def boundary_iou(
    prediction: Ids,
    target: Ids,
    num_classes: int,
    *,
    width: int | None = None,
    ignore_index: int | None = IGNORE_INDEX,
) -> torch.Tensor:
    """(num_classes,) float64 in 0…1: IoU of each class's two bands inside its contours. Lesson 02.

    The band of a class is those of its pixels that lie at most `width` pixels from a pixel without
    it, measured as on a chess board; beyond the picture's edge nothing has it. Large objects are
    scored where they are hard, at the contour. One object's two masks: boundary_iou(p, t, 2)[1].

    Args:
        prediction: class ids, (H, W) or (N, H, W). Pixels are counted over all pictures together.
        target: class ids of the same shape.
        num_classes: how many classes there are.
        width: in pixels; None: 2 % of the picture's diagonal, at least 1 (120 × 160: 4 pixels).
        ignore_index: pixels of that truth belong to no class on either side, so both have a contour
            along them; None ignores nothing.

    Returns:
        NaN for a class that has no band on either side.

    Raises:
        MaskError, TypeError, ValueError: as ConfusionMatrix.update, and for a width under 1.

    Source:
        Boundary IoU (Cheng et al., arXiv 2103.16562; edge and rounding as in the authors' code).
    """
    prediction, target = two_pictures(prediction, target)
    ConfusionMatrix(num_classes, ignore_index).update(prediction, target)  # raises for an id that is no class
    if width is None:
        width = max(1, round(0.02 * math.hypot(*target.shape[-2:])))
    width = whole_number(width, "width", 1)
    counted = target != ignored_id(ignore_index)
    prediction, target = (ids.where(counted, NOTHING).numpy() for ids in (prediction, target))
    scores = []
    for class_id in range(num_classes):
        found, true = (_inner_band(ids == class_id, width) for ids in (prediction, target))
        union = np.count_nonzero(found | true)
        scores.append(np.count_nonzero(found & true) / union if union else math.nan)
    return torch.tensor(scores, dtype=torch.float64)


def dilated(values: np.ndarray, width: int) -> np.ndarray:
    """The largest value at most `width` pixels away, as on a chess board; values: (H, W) or (N, H, W)."""
    from scipy import ndimage

    return ndimage.maximum_filter(values, _window(values, width), mode="nearest")


def eroded(values: np.ndarray, width: int) -> np.ndarray:
    """The smallest value at most `width` pixels away, as `dilated`."""
    from scipy import ndimage

    return ndimage.minimum_filter(values, _window(values, width), mode="nearest")


def _window(values: np.ndarray, width: int) -> tuple[int, ...]:
    side = 2 * min(width, max(values.shape[-2:])) + 1  # farther away there is nothing
    return (*(1,) * (values.ndim - 2), side, side)


def _inner_band(mask: np.ndarray, width: int) -> np.ndarray:
    """The pixels of a boolean mask (N, H, W) within `width` of a pixel outside of it, or of the picture's edge."""
    around = np.pad(mask, ((0, 0), (1, 1), (1, 1)))
    return mask & ~eroded(around, width)[:, 1:-1, 1:-1]
