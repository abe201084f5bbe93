"""Panoptic-DeepLab (Cheng et al.; arXiv 1911.10194): classes and objects from one backbone.

Two branches look at the same map. One gives classes as DeepLab does; the other, which knows no
classes, a heat map with a peak in the middle of each object, and for each pixel the way to its
object's middle. Lesson 12.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from segedu.models.deeplab import ASPP, Decoder, atrous_backbone, checked_rates
from segedu.models.layers import Normalise, SegmentationModel, conv_bn_relu, crop, pad_to_stride, upsample, whole

FINE = 2  # pixels between two places of the map on which both branches end


class PanopticOutput(NamedTuple):
    """What PanopticDeepLab gives, all of the picture's height and width. Lesson 12.

    Attributes:
        logits: (N, num_classes, H, W).
        centres: (N, 1, H, W): about 1 in the middle of an object, about 0 away from any; not
            confined to 0…1.
        offsets: (N, 2, H, W): rows and columns, in pixels, from a pixel to its object's middle; of
            no meaning elsewhere.
    """

    logits: torch.Tensor
    centres: torch.Tensor
    offsets: torch.Tensor


class PanopticDeepLab(SegmentationModel):
    """PanopticOutput for pictures (N, in_channels, H, W) in 0…1, any H, W ≥ 32.

    The backbone is DeepLab's, and each branch begins as DeepLab v3+'s head does, with its sizes and
    names, so that one may start with what it has learnt: ASPP, then a decoder to a quarter of the
    picture. Here a second decoder leads to half of it. The branch of the objects is half as wide.
    From it come the centres and the offsets, each by a 3×3 and a 1×1 convolution.
    `losses.panoptic_loss` trains it, `instance_segmentation(…, method="centres")` reads objects
    from it. Lesson 12.

    Departures from the paper: the finer maps are those of stride 4 and 2 where it has 8 and 4, for
    small pictures; no separable convolutions; the backbone is the slim one.

    Args:
        num_classes: Scores of each pixel.
        in_channels: Of the pictures.
        width: As in DeepLab, ≥ 2.
        output_stride: 32, 16 or 8, as in DeepLab.
        rates: As in DeepLab; the default is for pictures of 100 to 200 pixels.

    Raises:
        ValueError: For an unknown stride, and for rates and sizes as in DeepLab.

    Source:
        arXiv 1911.10194, sections 3.1 and 3.2; the widths of the branches as in the authors' code,
        in proportion.
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
        num_classes, in_channels = whole(num_classes=num_classes, in_channels=in_channels)
        (width,) = whole(2, width=width)
        rates = checked_rates(rates, (2, 4, 6))
        (output_stride,) = whole(output_stride=output_stride)
        if output_stride not in (32, 16, 8):
            raise ValueError(f"output_stride={output_stride} is unknown; a PanopticDeepLab has 32, 16 or 8.")
        super().__init__(
            num_classes=num_classes, in_channels=in_channels, width=width, output_stride=output_stride,
            rates=rates,
        )  # fmt: skip
        self.output_stride = output_stride
        self.normalise = Normalise(in_channels)
        self.backbone = atrous_backbone(in_channels, width, output_stride)
        self.classes = Branch(width, 4 * width, rates)
        self.objects = Branch(width, 2 * width, rates)
        self.score = nn.Conv2d(2 * width, num_classes, 1)
        self.centre = nn.Sequential(conv_bn_relu(width, width), nn.Conv2d(width, 1, 1))
        self.offset = nn.Sequential(conv_bn_relu(width, width), nn.Conv2d(width, 2, 1))

    def forward(self, image: torch.Tensor) -> PanopticOutput:
        """(N, in_channels, H, W) in 0…1 → PanopticOutput, each (N, …, H, W)."""
        x = pad_to_stride(self.normalise(image), self.output_stride)  # (N, in_channels, H, W), n · stride + 1 each
        features = self.backbone(x.contiguous(memory_format=torch.channels_last))  # the last: (N, 8·width, h, w)
        classes = self.classes(features)  # (N, 2·width, H/2, W/2)
        objects = self.objects(features)  # (N, width, H/2, W/2)
        # The branch counts in places of its map, so that what it learns is of the size of its weights.
        maps = self.score(classes), self.centre(objects), FINE * self.offset(objects)  # (N, …, H/2, W/2)
        return PanopticOutput(*(crop(upsample(m, x.shape[-2:]), image) for m in maps))  # (N, …, H, W) of the picture


class Branch(nn.Module):
    """The features of a backbone → (N, channels / 2, h, w), as large as the first stage's map."""

    def __init__(self, width: int, channels: int, rates: list[int]):
        super().__init__()
        self.aspp = ASPP(8 * width, channels, rates)
        self.decoder1 = Decoder(channels, 2 * width, 3 * channels // 4)
        self.decoder2 = Decoder(3 * channels // 4, width, channels // 2)

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Features, one a stage → (N, channels / 2, H/2, W/2)."""
        x = self.aspp(features[-1])  # (N, channels, H/stride, W/stride)
        x = self.decoder1(x, features[1])  # (N, 3/4·channels, H/4, W/4)
        return self.decoder2(x, features[0])  # (N, channels/2, H/2, W/2)
