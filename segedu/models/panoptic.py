"""Panoptic-DeepLab (Cheng et al., arXiv 1911.10194): classes, and centres with arrows to them, from one trunk.

Two branches look at the same map. One gives classes as DeepLab does; the other, which knows no classes, a heat map with
a peak in the middle of each object, and for each pixel the way to its object's middle. Lesson 12.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from segedu.models.deeplab import Decoder, PooledBranches, atrous_stages, enlarged, stage_maps
from segedu.models.layers import Normalise, convolution

FINE = 2  # pixels between two places of the map on which both branches end


class PanopticOutput(NamedTuple):
    """What PanopticDeepLab gives, all of the picture's height and width.

    logits:  (N, num_classes, H, W).
    centres: (N, 1, H, W): about 1 in the middle of an object, about 0 away from any; not confined to 0…1.
    offsets: (N, 2, H, W): rows and columns, in pixels, from a pixel to its object's middle; of no meaning elsewhere.
    """

    logits: torch.Tensor
    centres: torch.Tensor
    offsets: torch.Tensor


class PanopticDeepLab(nn.Module):
    """PanopticOutput(logits, centres, offsets) for pictures (N, in_channels, H, W) in 0…1, any H, W ≥ 32.

    The trunk is DeepLab's, and each branch begins as DeepLab v3+'s head and decoder do, with its sizes and names, so
    that one may start with what it has learnt: spread convolutions and the mean of all places, enlarged to a quarter of
    the picture and laid beside the map of the trunk's second stage. Here it is enlarged once more, to half the picture,
    beside that of the first. The branch of the objects is half as wide. From it come the centres and the offsets, each
    by a 3×3 and a 1×1 convolution.
    `losses.panoptic_loss` trains it, `instance_segmentation(…, method="centres")` reads objects from it.

    width, output_stride: as in DeepLab; output_stride is at least 8.
    rates: as in DeepLab; the default is for pictures of 100 to 200 pixels.
    Departures from the paper: the finer maps are those of stride 4 and 2 where it has 8 and 4, for small pictures; no
    separable convolutions; the trunk is the slim one.
    Raises ValueError for an unknown stride.
    Source: sections 3.1 and 3.2; the widths of the branches as in the authors' code, in proportion.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 3,
        width: int = 12,
        output_stride: int = 8,
        rates: tuple[int, ...] = (2, 4, 6),
    ):
        super().__init__()
        if output_stride not in (32, 16, 8):
            raise ValueError(f"output_stride={output_stride} is unknown; a PanopticDeepLab has 32, 16 or 8.")
        self.config = {
            "num_classes": num_classes, "in_channels": in_channels, "width": width, "output_stride": output_stride,
            "rates": list(rates),
        }  # fmt: skip
        self.output_stride = output_stride
        self.normalise = Normalise(in_channels)
        self.trunk = atrous_stages(in_channels, width, output_stride)
        self.classes = Branch(width, 4 * width, rates)
        self.objects = Branch(width, 2 * width, rates)
        self.score = nn.Conv2d(2 * width, num_classes, 1)
        self.centre = nn.Sequential(convolution(width, width), nn.Conv2d(width, 1, 1))
        self.offset = nn.Sequential(convolution(width, width), nn.Conv2d(width, 2, 1))

    def forward(self, image: torch.Tensor) -> PanopticOutput:
        stages, size = stage_maps(self.trunk, self.normalise(image), self.output_stride)
        classes, objects = self.classes(stages), self.objects(stages)
        # The branch counts in places of its map, so that what it learns is of the size of its weights.
        maps = self.score(classes), self.centre(objects), FINE * self.offset(objects)
        return PanopticOutput(*(enlarged(m, size)[..., : image.shape[-2], : image.shape[-1]] for m in maps))


class Branch(nn.Module):
    """The maps of a trunk of this width → features (N, channels / 2, h, w), as large as the first stage's map."""

    def __init__(self, width: int, channels: int, rates: tuple[int, ...]):
        super().__init__()
        self.look = PooledBranches(8 * width, channels, list(rates))
        self.finer = Decoder(channels, 2 * width, 3 * channels // 4)
        self.finest = Decoder(3 * channels // 4, width, channels // 2)

    def forward(self, stages: list[torch.Tensor]) -> torch.Tensor:
        x = self.finer(self.look(stages[-1]), stages[1])
        return self.finest(x, stages[0])
