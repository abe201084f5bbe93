"""A transformer in SegFormer's shape: every place looks at the whole picture, 1×1 convolutions on top. Lesson 16."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models.convnext import LayerNorm2d

from segedu.models.layers import Backbone, Normalise, SegmentationModel, conv_bn_relu, whole

REDUCTIONS = (8, 4, 2, 1)  # of each stage: places on a side that share a key, so that all keys stand at 1/32


class SegFormer(SegmentationModel):
    """Logits (N, num_classes, H, W) for pictures (N, in_channels, H, W) in 0…1, any H, W ≥ 32.

    Four stages at 1/4, 1/8, 1/16 and 1/32 of the picture's size. In each, overlapping patches
    become places, every place takes in what it chooses from the whole map (Attention), and each
    works on its own. Then the four maps, brought to a quarter, are scored by 1×1 convolutions
    alone, and the scores upsampled bilinearly. Lesson 16.

    Args:
        num_classes: Scores of each pixel.
        in_channels: Of the pictures.
        width: Channels at a quarter of the size; 2, 4 and 8 times as many further down, and one
            head for each `width` channels.
        depth: Blocks in each stage, 1 … 16.

    Raises:
        ValueError: For a size that is no whole number, or too small or too large.

    Source:
        Xie et al., arXiv 2105.15203, section 3; width 32 and depth 2 are near its MiT-B0.

    Example:
        >>> SegFormer(11)(torch.rand(1, 3, 60, 80)).shape
        torch.Size([1, 11, 60, 80])
    """

    def __init__(self, num_classes: int, *, in_channels: int = 3, width: int = 16, depth: int = 1):
        num_classes, in_channels, width = whole(num_classes=num_classes, in_channels=in_channels, width=width)
        (depth,) = whole(1, 16, depth=depth)
        super().__init__(num_classes=num_classes, in_channels=in_channels, width=width, depth=depth)
        channels = [in_channels, *(width * 2**stage for stage in range(4))]
        self.normalise = Normalise(in_channels)
        self.backbone = Backbone()
        for stage, (i, o) in enumerate(pairwise(channels)):
            kernel, stride = (3, 2) if stage else (7, 4)
            patches = nn.Conv2d(i, o, kernel, stride=stride, padding=kernel // 2)
            blocks = [Block(o, heads=2**stage, reduction=REDUCTIONS[stage]) for _ in range(depth)]
            self.backbone.append(nn.Sequential(patches, LayerNorm2d(o), *blocks, LayerNorm2d(o)))
        self.level = nn.ModuleList(nn.Conv2d(c, 4 * width, 1) for c in channels[1:])
        self.fuse = conv_bn_relu(16 * width, 4 * width, kernel=1)
        self.score = nn.Conv2d(4 * width, num_classes, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, H, W) in 0…1 → logits (N, num_classes, H, W)."""
        features = self.backbone(self.normalise(image))  # (N, width, H/4, W/4) … (N, 8·width, H/32, W/32)
        size = features[0].shape[-2:]
        maps = [enlarged(level(x), size) for level, x in zip(self.level, features, strict=True)]
        scores = self.score(self.fuse(torch.cat(maps, 1)))  # (N, num_classes, H/4, W/4)
        return enlarged(scores, image.shape[-2:])  # (N, num_classes, H, W)


class Block(nn.Module):
    """(N, C, h, w) → the same: attention, then work at each place; each adds to what was there. Lesson 16.

    Args:
        channels: C.
        heads: As in Attention.
        reduction: As in Attention.
    """

    def __init__(self, channels: int, *, heads: int, reduction: int):
        super().__init__()
        self.norm1, self.norm2 = LayerNorm2d(channels), LayerNorm2d(channels)
        self.attention = Attention(channels, heads=heads, reduction=reduction)
        self.work = nn.Sequential(
            nn.Conv2d(channels, 4 * channels, 1),
            nn.Conv2d(4 * channels, 4 * channels, 3, padding=1, groups=4 * channels),  # each channel by itself
            nn.GELU(),
            nn.Conv2d(4 * channels, channels, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, h, w) → (N, C, h, w)."""
        x = x + self.attention(self.norm1(x))
        return x + self.work(self.norm2(x))


class Attention(nn.Module):
    """(N, C, h, w) → the same: at each place a mean of the whole map, by weights of its own. Lesson 16.

    Args:
        channels: C.
        heads: How many means, each of C / heads channels.
        reduction: Side of the square of places that share one key and one value.
    """

    def __init__(self, channels: int, *, heads: int, reduction: int):
        super().__init__()
        self.heads, self.reduction = heads, reduction
        self.query = nn.Conv2d(channels, channels, 1)
        self.reduce = nn.Identity()
        if reduction > 1:
            shared = nn.Conv2d(channels, channels, reduction, stride=reduction)
            self.reduce = nn.Sequential(shared, LayerNorm2d(channels))
        self.key, self.value = nn.Conv2d(channels, channels, 1), nn.Conv2d(channels, channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)

    def in_heads(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, h, w) → (N, heads, h·w, C / heads)."""
        return x.flatten(2).unflatten(1, (self.heads, -1)).mT

    def shared(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, h, w) → (N, C, h/reduction, w/reduction), rounded up: what keys and values are made of."""
        r = self.reduction  # -side % r would be shorter, but of it torch.export finds no bounds
        down, right = ((side + r - 1) // r * r - side for side in x.shape[-2:])
        return self.reduce(F.pad(x, (0, right, 0, down), mode="replicate"))

    def weights(self, x: torch.Tensor, shared: torch.Tensor) -> torch.Tensor:
        """(N, C, h, w), and what is shared → (N, heads, h·w, keys): a place's shares of the keys, sum 1."""
        query, key = self.in_heads(self.query(x)), self.in_heads(self.key(shared))
        return (query @ key.mT / query.shape[-1] ** 0.5).softmax(-1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, h, w) → (N, C, h, w)."""
        shared = self.shared(x)
        means = self.weights(x, shared) @ self.in_heads(self.value(shared))  # (N, heads, h·w, C / heads)
        return self.out(means.mT.flatten(1, 2).unflatten(2, x.shape[-2:]))


def enlarged(maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Maps (N, C, h, w) bilinearly upsampled to (height, width) `size`."""
    return F.interpolate(maps, size=tuple(size), mode="bilinear", align_corners=False)
