"""Scores near the borders of objects."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional as F

from segedu.ids import NOTHING, MaskError, ignored_id, whole_numbers
from segedu.inputs import whole_number
from segedu.labels import IGNORE_INDEX
from segedu.metrics.semantic import ConfusionMatrix, two_pictures


def border_band(mask: torch.Tensor, width: int) -> torch.Tensor:
    """True at the pixels that lie at most `width` pixels from a pixel of another value (DeepLab's trimap).

    mask: (H, W) or (N, H, W) integers; an ignored pixel (255) is a value of its own, so void has a border, too.
    width: ≥ 1, in pixels, measured as on a chess board (diagonal steps count as one).
    Returns a boolean tensor of the mask's shape. The picture's own edge is no border.
    Source: DeepLab (arXiv 1412.7062, section 5, "along object boundaries") scores such bands as the width grows.
    """
    width = whole_number(width, "width", 1)
    ids = whole_numbers(mask)
    if ids.ndim not in (2, 3) or (ids.ndim == 3 and ids.shape[2] == 1 < ids.shape[1]):
        raise MaskError(f"The mask must be (H, W) or (N, H, W), got shape {ids.shape}.")
    # By their places in the list of ids, which float32 keeps exactly; ids from 2^24 on it would not.
    places = np.unique(ids, return_inverse=True)[1].reshape(ids.shape)
    values = torch.from_numpy(places.astype(np.float32))
    band = spread(values, width) != -spread(-values, width)
    return band.to(mask.device) if isinstance(mask, torch.Tensor) else band


def trimap_curve(
    prediction,
    target,
    num_classes: int,
    *,
    widths: Sequence[int] = (1, 2, 4, 8, 16),
    ignore_index: int | None = IGNORE_INDEX,
) -> dict[int, ConfusionMatrix]:
    """{width: the confusion matrix of all pixels that lie at most `width` from a true border}, for a growing band.

    Plot mean_iou() or pixel_accuracy() of the matrices over the widths: a method that only sharpens borders rises on
    the left, one that knows more classes rises everywhere. All of the picture is ConfusionMatrix.update.
    prediction, target: class ids, (H, W) or (N, H, W), tensors or arrays. Pixels are counted over all pictures.
    widths: in pixels, as in border_band; the border of void is a border, too, void itself is not counted.
    Raises as border_band and ConfusionMatrix.update.
    Source: DeepLab (arXiv 1412.7062, section 5, "along object boundaries"), after Kohli et al. 2009.

    >>> row = torch.tensor([[0, 0, 0, 1, 1, 1]])
    >>> {width: matrix.pixel_accuracy() for width, matrix in trimap_curve(0 * row, row, 2, widths=(1, 3)).items()}
    {1: 0.5, 3: 0.5}
    """
    prediction, target = two_pictures(prediction, target)
    ignored = ignored_id(ignore_index)
    bands = {width: target.where(border_band(target, width), ignored) for width in widths}
    return {width: ConfusionMatrix(num_classes, ignored).update(prediction, band) for width, band in bands.items()}


def boundary_iou(
    prediction, target, num_classes: int, *, width: int | None = None, ignore_index: int | None = IGNORE_INDEX
) -> torch.Tensor:
    """(num_classes,) float64 in 0…1: IoU of each class's two bands, which lie inside the contours of either side.

    The band of a class is those of its pixels that lie at most `width` pixels from a pixel without it, measured as on a
    chess board; beyond the picture's edge nothing has it. Large objects are scored where they are hard, at the contour.
    prediction, target: class ids, (H, W) or (N, H, W), tensors or arrays. Pixels are counted over all pictures
        together; a class that has no band on either side scores NaN.
    width: in pixels; None: 2 % of the picture's diagonal, at least 1 (120 × 160: 4 pixels).
    ignore_index: pixels of that truth belong to no class on either side, so both have a contour along them.
    One object's pair of masks: boundary_iou(p, t, 2)[1]. Raises as ConfusionMatrix.update, and for a width under 1.
    Source: Boundary IoU (Cheng et al., arXiv 2103.16562; edge and rounding as in the authors' code).
    """
    prediction, target = two_pictures(prediction, target)
    ConfusionMatrix(num_classes, ignore_index).update(prediction, target)  # raises for an id that is no class
    if width is None:
        width = max(1, round(0.02 * math.hypot(*target.shape[-2:])))
    width = whole_number(width, "width", 1)
    counted = target != ignored_id(ignore_index)
    prediction, target = (ids.where(counted, NOTHING) for ids in (prediction, target))
    scores = []
    for class_id in range(num_classes):
        found, true = (_inner_band(ids == class_id, width) for ids in (prediction, target))
        scores.append((found & true).sum().double() / (found | true).sum())
    return torch.stack(scores)


def spread(values: torch.Tensor, width: int) -> torch.Tensor:
    """The largest value at most `width` pixels away, as on a chess board; values: (H, W) or (N, H, W) floats."""
    width = min(width, max(values.shape[-2:]))  # farther away there is nothing
    largest = values.reshape(-1, 1, *values.shape[-2:])  # a square's maximum is that of columns, then of rows
    for window, padding in (((2 * width + 1, 1), (width, 0)), ((1, 2 * width + 1), (0, width))):
        largest = F.max_pool2d(largest, window, stride=1, padding=padding)
    return largest.reshape(values.shape)


def _inner_band(mask: torch.Tensor, width: int) -> torch.Tensor:
    """The pixels of a boolean mask (…, H, W) within `width` of a pixel outside of it, or of the picture's edge."""
    width = min(width, max(mask.shape[-2:]))
    near = spread(F.pad((~mask).float(), (width,) * 4, value=1.0), width)
    return mask & (near[..., width:-width, width:-width] > 0)
