"""How the measurements look at a trained network."""

from __future__ import annotations

import torch
from torch import nn

from segedu.inference import evaluation_mode
from segedu.labels import IGNORE_INDEX, STREET
from segedu.metrics import ConfusionMatrix, border_band

BAND = 3  # pixels on either side of a border


def classes_of(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """(N, H, W) class ids that the network gives pictures (N, C, H, W)."""
    with evaluation_mode(net), torch.inference_mode():
        return torch.cat([net(batch).argmax(1) for batch in images.split(10)])


def whole_near_away(found: torch.Tensor, masks: torch.Tensor) -> list[ConfusionMatrix]:
    """Of streets: all pixels, those at most BAND from a true border, and those farther away."""
    band = border_band(masks, BAND)
    parts = (masks, masks.where(band, IGNORE_INDEX), masks.where(~band, IGNORE_INDEX))
    return [ConfusionMatrix(len(STREET)).update(found, part) for part in parts]
