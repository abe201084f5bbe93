"""Scores near the borders of objects."""

from __future__ import annotations

import torch
from torch.nn import functional as F


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
