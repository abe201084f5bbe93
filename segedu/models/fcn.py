"""Fully convolutional networks (Long, Shelhamer, Darrell; arXiv 1411.4038). Built in lesson 05.

A classifier whose every layer is a convolution scores all places of a picture at once, coarsely:
one score for 32×32 pixels (FCN-32s). Scores of earlier, finer layers are added on the way back up
(FCN-16s, FCN-8s). `FCN` is the course's slim one, `FCN.paper` the original.
"""

from __future__ import annotations

import torch
from torch import nn

from segedu.models.layers import (
    Backbone,
    FixedBilinear,
    Normalise,
    SegmentationModel,
    bilinear_kernel,
    conv_bn_relu,
    crop,
    whole,
    zero_score,
)
from segedu.models.papers import PaperFCN, checked_fcn_stride, transplanted


class FCN(SegmentationModel):
    """Logits (N, num_classes, H, W) for pictures (N, in_channels, H, W) in 0…1, any H, W ≥ 32.

    A narrow VGG with batch normalisation as backbone; a head of two convolutions where VGG has its
    fully connected layers; a 1×1 convolution that scores each place. FCN-32s upsamples these scores
    32 times at once; FCN-16s first doubles them and adds scores of the fourth stage; FCN-8s adds
    those of the third stage, too. Lesson 05.

    As in the paper all score layers start at zero, doubling starts as bilinear interpolation and is
    learnt, and the last upsampling stays bilinear. Unlike in the paper, no layer shifts the
    picture: poolings round up, and what is upsampled beyond the finer map, or beyond the picture,
    is cut off on the right and below.

    Args:
        num_classes: Scores of each pixel.
        in_channels: Of the pictures.
        width: Channels of the first stage; the others have 2, 4, 8 and 8 times as many, as in VGG.
        stride: 32, 16 or 8: how many pixels lie between two places of the finest scores.

    Raises:
        ValueError: For another stride, and for a size that is no whole number ≥ 1.

    Source:
        arXiv 1411.4038, sections 3 and 4.

    Example:
        >>> FCN(11, stride=8)(torch.rand(1, 3, 120, 160)).shape
        torch.Size([1, 11, 120, 160])
    """

    def __init__(self, num_classes: int, *, in_channels: int = 3, width: int = 12, stride: int = 8):
        stride = checked_fcn_stride(stride)
        num_classes, in_channels, width = whole(num_classes=num_classes, in_channels=in_channels, width=width)
        super().__init__(num_classes=num_classes, in_channels=in_channels, width=width, stride=stride)
        self.stride = stride
        self.normalise = Normalise(in_channels)
        self.backbone = vgg_backbone(in_channels, width)
        self.head = nn.Sequential(conv_bn_relu(8 * width, 16 * width), conv_bn_relu(16 * width, 16 * width, kernel=1))
        self.score = zero_score(16 * width, num_classes)
        if stride <= 16:
            self.up_score = doubling(num_classes)
            self.score_pool4 = zero_score(8 * width, num_classes)
        if stride <= 8:
            self.up_pool4 = doubling(num_classes)
            self.score_pool3 = zero_score(4 * width, num_classes)
        self.up_last = FixedBilinear(num_classes, stride, padding=stride // 2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, H, W) in 0…1 → logits (N, num_classes, H, W)."""
        features = self.backbone(self.normalise(image))  # the last one: (N, 8·width, H/32, W/32)
        scores = self.score(self.head(features[4]))  # (N, num_classes, H/32, W/32)
        if self.stride <= 16:
            skip = self.score_pool4(features[3])  # (N, num_classes, H/16, W/16)
            scores = crop(self.up_score(scores), skip) + skip  # (N, num_classes, H/16, W/16)
        if self.stride <= 8:
            skip = self.score_pool3(features[2])  # (N, num_classes, H/8, W/8)
            scores = crop(self.up_pool4(scores), skip) + skip  # (N, num_classes, H/8, W/8)
        return crop(self.up_last(scores), image)  # (N, num_classes, H, W)

    @staticmethod
    def paper(num_classes: int = 21, *, stride: int = 8, pretrained: bool = False) -> PaperFCN:
        """The original network: see PaperFCN.

        Args:
            num_classes: scores of each pixel.
            stride: 32, 16 or 8.
            pretrained: True starts from torchvision's VGG-16, which is fetched (528 MB).
        """
        if not pretrained:
            return PaperFCN(num_classes, stride=stride)
        from torchvision.models import VGG16_Weights, vgg16

        return transplanted(vgg16(weights=VGG16_Weights.IMAGENET1K_V1), num_classes, stride=stride)

    @staticmethod
    def grown_from(coarser: FCN | PaperFCN) -> FCN | PaperFCN:
        """A network of half the stride with all weights of `coarser`; the new skip adds zero.

        So the paper trains 16s from 32s, and 8s from 16s (section 4.2). Its output is that of
        `coarser` but for the way up: ×2 and then ×16 is not ×32.

        Args:
            coarser: of stride 32 or 16.
        """
        finer = type(coarser)(**coarser.config | {"stride": coarser.stride // 2})
        finer.load_state_dict(coarser.state_dict(), strict=False)  # the new skip is what the coarser one lacks
        return finer.train(coarser.training)


def vgg_backbone(in_channels: int, width: int) -> Backbone:
    """Five stages as in VGG-16, with fewer convolutions: one in the first, two in the others."""

    def stage(*channels: int) -> nn.Sequential:
        return nn.Sequential(*map(conv_bn_relu, channels[:-1], channels[1:]), nn.MaxPool2d(2, ceil_mode=True))

    return Backbone([
        stage(in_channels, width),  # (N, width, H/2, W/2), rounded up
        stage(width, 2 * width, 2 * width),  # (N, 2·width, H/4, W/4)
        stage(2 * width, 4 * width, 4 * width),  # (N, 4·width, H/8, W/8)
        stage(4 * width, 8 * width, 8 * width),  # (N, 8·width, H/16, W/16)
        stage(8 * width, 8 * width, 8 * width),  # (N, 8·width, H/32, W/32)
    ])  # fmt: skip


def doubling(channels: int) -> nn.ConvTranspose2d:
    """A transposed convolution to twice the size: bilinear at first, and learnt."""
    layer = nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(channels)[:, :, None, None] * bilinear_kernel(2))
    return layer
