"""A U-Net that works at a part of the picture's size, to learn within a minute on a CPU. Lesson 06.

Nothing in here is the paper's; data/results/learning_per_minute.json and 06_quarter.json say what
each part is worth.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from segedu.models.layers import Normalise, SegmentationModel, whole
from segedu.models.unet import DEEPEST, chain, check_switches, concat_skip, pad_to_multiple, start_gaussian


class QuickUNet(SegmentationModel):
    """Logits (N, num_classes, H, W) for pictures (N, in_channels, H, W) in 0…1, any H, W ≥ 32.

    A U-Net, padded and with batch normalisation, that works at 1/stride of the picture's size: at
    half the size it is about three times as fast as at the whole, with the same width. Lessons 06
    and 07.

    Args:
        num_classes: Scores of each pixel.
        in_channels: Of the pictures.
        width: Channels at the largest size at which it works.
        depth: How often this size is halved, ≥ 1.
        stride: 1, 2, 4 or 8.
        stem: How the picture gets to that size. "shuffle": the pixels of each stride × stride
            square go in as the channels of one place. "strided": by 3×3 convolutions with stride 2,
            whose channels double up to `width`.
        upsampling: How maps and scores grow. "shuffle": by weights that each pixel has of its own,
            in transposed convolutions and in the scores of a place's pixels, so lines one pixel
            wide can be drawn. "bilinear": bilinearly, maps after a 1×1 convolution that halves
            their channels, scores from one a place and class.
        convolutions: How many 3×3 convolutions work at each size: 2 as in the paper, or 1.
        skips: As in UNet.

    Raises:
        ValueError: For another stride, stem or upsampling, depth or convolutions outside 1 … 16,
            and another size that is no whole number ≥ 1, or too small.

    Source:
        the shuffle as in Shi et al., arXiv 1609.05158, section 3.2.

    Example:
        >>> QuickUNet(2, in_channels=1, stride=2)(torch.rand(1, 1, 100, 100)).shape
        torch.Size([1, 2, 100, 100])
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 3,
        width: int = 8,
        depth: int = 4,
        stride: int = 2,
        stem: str = "shuffle",
        upsampling: str = "shuffle",
        convolutions: int = 2,
        skips: bool = True,
    ):
        num_classes, in_channels, width = whole(num_classes=num_classes, in_channels=in_channels, width=width)
        depth, convolutions = whole(1, DEEPEST, depth=depth, convolutions=convolutions)
        check_switches(skips=skips)
        (stride,) = whole(stride=stride)
        if stride not in (1, 2, 4, 8):
            raise ValueError(f"stride={stride} should be 1, 2, 4 or 8: it works at such a part of the size.")
        if stem not in ("shuffle", "strided"):
            raise ValueError(f"stem={stem!r} is unknown; a QuickUNet has 'shuffle' and 'strided'.")
        if upsampling not in ("shuffle", "bilinear"):
            raise ValueError(f"upsampling={upsampling!r} is unknown; a QuickUNet has 'shuffle' and 'bilinear'.")
        super().__init__(
            num_classes=num_classes, in_channels=in_channels, width=width, depth=depth, stride=stride, stem=stem,
            upsampling=upsampling, convolutions=convolutions, skips=skips,
        )  # fmt: skip
        self.depth, self.stride, self.skips, self.bilinear = depth, stride, skips, upsampling == "bilinear"
        channels = [width * 2**level for level in range(depth)]

        def block(i: int, o: int) -> nn.Sequential:
            return chain([i] + [o] * convolutions)

        def doubled(i: int, o: int) -> nn.Module:
            if self.bilinear:
                return nn.Sequential(nn.Conv2d(i, o, 1), nn.Upsample(scale_factor=2, mode="bilinear"))
            return nn.ConvTranspose2d(i, o, 2, stride=2)

        self.normalise = Normalise(in_channels)
        if stem == "shuffle":
            first, self.stem = in_channels * stride**2, nn.PixelUnshuffle(stride)
        else:
            halving = [in_channels] + [width * 2**step // stride for step in range(1, stride.bit_length())]
            if 0 in halving:
                raise ValueError(
                    f"width={width} is too small for a strided stem of stride {stride}: {stride // 2} or more."
                )
            first, self.stem = halving[-1], chain(halving, stride=2)
        self.down = nn.ModuleList(block(i, o) for i, o in pairwise([first, *channels]))
        self.bottom = block(channels[-1], 2 * channels[-1])
        self.upsample = nn.ModuleList(doubled(2 * c, c if skips else 2 * c) for c in reversed(channels))
        self.up = nn.ModuleList(block(2 * c, c) for c in reversed(channels))
        self.score = nn.Conv2d(width, num_classes if self.bilinear else num_classes * stride**2, 1)
        self.apply(start_gaussian)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, H, W) in 0…1 → logits (N, num_classes, H, W)."""
        x = pad_to_multiple(self.normalise(image), self.stride * 2**self.depth)  # (N, in_channels, H, W)
        # The channels of a pixel side by side in memory: a quarter faster on a CPU, where channels are few.
        x = self.stem(x.contiguous(memory_format=torch.channels_last))  # (N, …, h, w), h = H/stride, w = W/stride
        skips = []
        for convolutions in self.down:
            skips.append(convolutions(x))  # (N, width, h, w), (N, 2·width, h/2, w/2), …
            x = F.max_pool2d(skips[-1], 2)  # (N, width, h/2, w/2), (N, 2·width, h/4, w/4), …
        x = self.bottom(x)  # (N, 2^depth·width, h/2^depth, w/2^depth)
        for upsample, convolutions, skip in zip(self.upsample, self.up, reversed(skips), strict=True):
            x = upsample(x)  # …, (N, 2·width, h/2, w/2), (N, width, h, w); without skips twice as many channels
            x = convolutions(concat_skip(skip, x) if self.skips else x)  # …, (N, 2·width, h/2, w/2), (N, width, h, w)
        scores = self.score(x)  # (N, num_classes, h, w), or (N, stride²·num_classes, h, w)
        if self.bilinear:
            scores = F.interpolate(scores, scale_factor=self.stride, mode="bilinear")  # (N, num_classes, H, W)
        else:
            scores = F.pixel_shuffle(scores, self.stride)  # (N, num_classes, H, W)
        return scores[..., : image.shape[-2], : image.shape[-1]]
