"""The network of the first lessons: two steps down, four looks around, one up. Lesson 04."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from segedu.models.layers import Normalise, SegmentationModel, conv_bn_relu, whole


class SmallNet(SegmentationModel):
    """Logits (N, num_classes, H, W) for pictures (N, in_channels, H, W) in 0…1, any H, W ≥ 32.

    Two strided convolutions bring the picture to a quarter of its height and width; dilated
    convolutions see ever wider without shrinking it further; a 1×1 convolution scores each place,
    and the scores are upsampled bilinearly. Lesson 04.

    Args:
        num_classes: Scores of each pixel.
        in_channels: Of the pictures.
        width: Channels at a quarter of the size, ≥ 2.

    Raises:
        ValueError: For a size that is no whole number, or too small or too large.

    Example:
        >>> SmallNet(11)(torch.rand(1, 3, 60, 80)).shape
        torch.Size([1, 11, 60, 80])
    """

    def __init__(self, num_classes: int, *, in_channels: int = 3, width: int = 32):
        num_classes, in_channels = whole(num_classes=num_classes, in_channels=in_channels)
        (width,) = whole(2, width=width)
        super().__init__(num_classes=num_classes, in_channels=in_channels, width=width)
        self.normalise = Normalise(in_channels)
        self.down = nn.Sequential(
            conv_bn_relu(in_channels, width // 2, stride=2),
            conv_bn_relu(width // 2, width, stride=2),
        )
        self.look_around = nn.ModuleList(conv_bn_relu(width, width, dilation=rate) for rate in (1, 2, 4, 8))
        self.score = nn.Conv2d(width, num_classes, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, H, W) in 0…1 → logits (N, num_classes, H, W)."""
        x = self.down(self.normalise(image))  # (N, width, H/4, W/4)
        for look in self.look_around:
            x = x + look(x)  # (N, width, H/4, W/4)
        scores = self.score(x)  # (N, num_classes, H/4, W/4)
        return F.interpolate(scores, size=image.shape[-2:], mode="bilinear", align_corners=False)  # (N, …, H, W)
