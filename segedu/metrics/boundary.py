"""Scores near the borders of objects."""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from segedu.labels import IGNORE_INDEX
from segedu.metrics.semantic import ConfusionMatrix, two_maps


def border_band(mask: torch.Tensor, width: int) -> torch.Tensor:
    """True at the pixels that lie at most `width` pixels from a pixel of another value (the trimap of FCN and DeepLab).

    mask: (H, W) or (N, H, W) integers; an ignored pixel (255) is a value of its own, so void has a border, too.
    width: ≥ 1, in pixels, measured as on a chess board (diagonal steps count as one).
    Returns a boolean tensor of the mask's shape. The picture's own edge is no border.
    Source: DeepLab (arXiv 1412.7062, section 5, "along object boundaries") scores such bands as the width grows.
    """
    if width < 1:
        raise ValueError(f"The width of the band must be at least 1 pixel, got {width}.")
    values = torch.as_tensor(mask).as_subclass(torch.Tensor)
    values = values.reshape(-1, 1, *values.shape[-2:]).float()
    highest = F.max_pool2d(values, 2 * width + 1, stride=1, padding=width)
    lowest = -F.max_pool2d(-values, 2 * width + 1, stride=1, padding=width)
    return (highest != lowest).reshape(mask.shape)


def boundary_iou(
    prediction, target, num_classes: int, *, width: int | None = None, ignore_index: int = IGNORE_INDEX
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
    prediction, target = two_maps(prediction, target)
    if target.ndim not in (2, 3):
        raise ValueError(f"The maps must be (H, W) or (N, H, W), got shape {tuple(target.shape)}.")
    ConfusionMatrix(num_classes, ignore_index).update(prediction, target)  # raises for an id that is no class
    if width is None:
        width = max(1, round(0.02 * math.hypot(*target.shape[-2:])))
    if width < 1:
        raise ValueError(f"The width of the band must be at least 1 pixel, got {width}.")
    prediction = prediction.where(target != ignore_index, ignore_index)
    scores = []
    for class_id in range(num_classes):
        found, true = (_inner_band(ids == class_id, width) for ids in (prediction, target))
        scores.append((found & true).sum().double() / (found | true).sum())
    return torch.stack(scores)


def _inner_band(mask: torch.Tensor, width: int) -> torch.Tensor:
    """The pixels of a boolean mask (…, H, W) within `width` of a pixel outside of it, or of the picture's edge."""
    outside = (~mask).reshape(-1, 1, *mask.shape[-2:]).float()
    near = F.pad(outside, (width,) * 4, value=1.0)
    for window in ((2 * width + 1, 1), (1, 2 * width + 1)):  # a square's maximum is that of columns, then of rows
        near = F.max_pool2d(near, window, stride=1)
    return mask & (near.reshape(mask.shape) > 0)
