"""DeepLab (Chen et al.): a large field of view on a fine map. Built in lesson 08.

Where other networks go on shrinking, DeepLab keeps its map and dilates its kernels instead ("à
trous", with holes). A head then looks at that map with kernels of several rates at once.
`DeepLab` is the course's slim one, with a head of one of the papers, V2, V3 or V3Plus, each of
which adds something; `DeepLab.paper` is the original on VGG-16.
"""

from __future__ import annotations

import reprlib

import torch
from torch import nn

from segedu.models.layers import (
    Backbone,
    Normalise,
    SegmentationModel,
    conv_bn_relu,
    crop,
    pad_to_stride,
    upsample,
    whole,
)
from segedu.models.papers import PAPER_RATES, PaperDeepLab

# 1706.05587, section 3.3: 6, 12, 18 at stride 16, doubled at 8.
RATES = PAPER_RATES | {"v3": (12, 24, 36), "v3+": (12, 24, 36)}
STRIDES = (32, 16, 8, 4)
MOST_BRANCHES = 64  # of one head; the papers have four


class DeepLab(SegmentationModel):
    """Logits (N, num_classes, H, W) for pictures (N, in_channels, H, W) in 0…1, any H, W ≥ 32.

    A narrow VGG with batch normalisation whose later stages keep the map's size
    (`atrous_backbone`); a head with a large field of view that scores; bilinear upsampling.
    Pictures are padded, by repeating the last column and row, to n · stride + 1 pixels (the papers'
    321 and 513 are such numbers), and the logits cropped back. Lesson 08.

    Departures from the papers: DeepLab v3 and v3+ stand on ResNet and Xception, with separable
    convolutions in v3+; and what is pooled over the whole map is batch-normalised in v3. Here it is
    not, so that one picture, which has no variance to divide by, is enough for a batch.

    Args:
        num_classes: Scores of each pixel.
        in_channels: Of the pictures.
        width: Channels of the first stage; the others have 2, 4, 8 and 8 times as many, as in VGG.
        head: "largefov", "aspp-s" or "aspp-l": V2 with one rate, small ones or large ones. "v3":
            V3. "v3+": V3Plus.
        output_stride: 32, 16, 8 or 4 pixels between two places of the map; half as many make four
            times as many places.
        rates: How far apart the weights of the head's 3×3 kernels lie, in places of the map, one
            rate a branch. None: the papers' (RATES), fitted to output_stride. Those are meant for
            pictures of 321 to 513 pixels: on a map that is smaller than the rate only the kernel's
            middle meets anything, so give small pictures smaller rates (lesson 08). Rate 0 lets all
            nine weights meet one place: that branch is a 1×1 convolution.

    Raises:
        ValueError: For an unknown head or stride, for rates that are no whole numbers ≥ 0, and for
            other sizes that are no whole numbers ≥ 1.

    Source:
        arXiv 1412.7062, 1606.00915, 1706.05587, 1802.02611, section 3 of each.

    Example:
        >>> DeepLab(11, head="v3+", rates=(4, 8, 12))(torch.rand(1, 3, 120, 160)).shape
        torch.Size([1, 11, 120, 160])
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 3,
        width: int = 12,
        head: str = "v3+",
        output_stride: int = 8,
        rates: tuple[int, ...] | None = None,
    ):
        num_classes, in_channels, width = whole(num_classes=num_classes, in_channels=in_channels, width=width)
        if head not in tuple(RATES):
            raise ValueError(f"head={head!r} is unknown; choose one of {', '.join(map(repr, RATES))}.")
        (output_stride,) = whole(output_stride=output_stride)
        if output_stride not in STRIDES:
            raise ValueError(f"output_stride={output_stride} is unknown; a DeepLab has 32, 16, 8 or 4.")
        if rates is None:
            rates = [max(1, 8 * rate // output_stride) for rate in RATES[head]]
        rates = checked_rates(rates, RATES[head])
        super().__init__(
            num_classes=num_classes, in_channels=in_channels, width=width, head=head, output_stride=output_stride,
            rates=rates,
        )  # fmt: skip
        self.output_stride = output_stride
        self.normalise = Normalise(in_channels)
        self.backbone = atrous_backbone(in_channels, width, output_stride)
        self.head = {"v3": V3, "v3+": V3Plus}.get(head, V2)(num_classes, width, rates)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, H, W) in 0…1 → logits (N, num_classes, H, W)."""
        x = pad_to_stride(self.normalise(image), self.output_stride)  # (N, in_channels, H, W), n · stride + 1 each
        # The channels of a pixel side by side in memory: faster on a CPU, where channels are few.
        features = self.backbone(x.contiguous(memory_format=torch.channels_last))  # the last: (N, 8·width, h, w)
        scores = self.head(features)  # (N, num_classes, h, w), h = (H − 1)/stride + 1; v3+: stride 4
        return crop(upsample(scores, x.shape[-2:]), image)  # (N, num_classes, H, W) of the picture

    @staticmethod
    def paper(num_classes: int = 21, *, head: str = "aspp-l") -> PaperDeepLab:
        """The original network on VGG-16: see PaperDeepLab.

        Args:
            num_classes: scores of each pixel.
            head: "largefov", "aspp-s" or "aspp-l".
        """
        return PaperDeepLab(num_classes, head=head)


def checked_rates(rates: tuple[int, ...], example: tuple[int, ...]) -> list[int]:
    """The rates as Python's whole numbers.

    Raises:
        ValueError: Unless there is one at least, each ≥ 0.
    """
    try:
        if 1 <= len(rates) <= MOST_BRANCHES:
            return [number for rate in rates for number in whole(0, rate=rate)]
    except (TypeError, ValueError):
        pass  # no row of numbers, or not of such: the sentence below
    raise ValueError(f"rates={reprlib.repr(rates)} should be whole numbers ≥ 0, one a branch, such as {example}.")


def atrous_backbone(in_channels: int, width: int, output_stride: int) -> Backbone:
    """Five stages as in VGG-16, each with a 3×3 pooling of stride 2 up to `output_stride`.

    From there on poolings have stride 1, and all later kernels twice the dilation, so that their
    weights meet what they would have met: every second place of this map is the map that
    the stride would have given, with the same weights.
    """
    stages, before, stride, dilation = Backbone(), in_channels, 1, 1
    for channels, depth in ((width, 1), (2 * width, 2), (4 * width, 2), (8 * width, 2), (8 * width, 2)):
        layers = [conv_bn_relu(before if i == 0 else channels, channels, dilation=dilation) for i in range(depth)]
        if stride < output_stride:
            layers.append(nn.MaxPool2d(3, stride=2, padding=1))
            stride *= 2
        else:
            # After a ReLU nothing is below zero, so zeros around the map never are the largest.
            layers += [nn.ZeroPad2d(dilation), nn.MaxPool2d(3, stride=1, dilation=dilation)]
            dilation *= 2
        stages.append(nn.Sequential(*layers))  # (N, channels, H/stride, W/stride)
        before = channels
    return stages


class V2(nn.Module):
    """Scores are the sum of one path a rate: LargeFOV with one, ASPP with four.

    Source:
        arXiv 1412.7062, section 3.2 (LargeFOV: a 3×3 of a high rate and two 1×1); 1606.00915,
        section 3.2 (ASPP).
    """

    def __init__(self, num_classes: int, width: int, rates: list[int]):
        super().__init__()
        self.paths = nn.ModuleList(
            nn.Sequential(
                atrous_conv(8 * width, 8 * width, rate),
                conv_bn_relu(8 * width, 8 * width, kernel=1),
                nn.Conv2d(8 * width, num_classes, 1),
            )
            for rate in rates
        )

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Features, the last (N, 8·width, h, w) → scores (N, num_classes, h, w)."""
        return torch.stack([path(features[-1]) for path in self.paths]).sum(0)  # (N, num_classes, h, w)


class V3(nn.Module):
    """Adds the mean of the whole map, and mixes the branches before it scores.

    Source:
        arXiv 1706.05587, section 3.3.
    """

    def __init__(self, num_classes: int, width: int, rates: list[int]):
        super().__init__()
        self.aspp = ASPP(8 * width, 4 * width, rates)
        self.score = nn.Conv2d(4 * width, num_classes, 1)

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Features, the last (N, 8·width, h, w) → scores (N, num_classes, h, w)."""
        x = self.aspp(features[-1])  # (N, 4·width, h, w)
        return self.score(x)  # (N, num_classes, h, w)


class V3Plus(nn.Module):
    """Adds a decoder: the finer map of the second stage beside what v3's ASPP gives.

    Source:
        arXiv 1802.02611, section 3.1.
    """

    def __init__(self, num_classes: int, width: int, rates: list[int]):
        super().__init__()
        self.aspp = ASPP(8 * width, 4 * width, rates)
        self.decoder = Decoder(4 * width, 2 * width, 3 * width)
        self.score = nn.Conv2d(3 * width, num_classes, 1)

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Features, the last (N, 8·width, h, w) → scores (N, num_classes, H/4, W/4)."""
        x = self.aspp(features[-1])  # (N, 4·width, h, w)
        x = self.decoder(x, features[1])  # (N, 3·width, H/4, W/4)
        return self.score(x)  # (N, num_classes, H/4, W/4)


def atrous_conv(in_channels: int, out_channels: int, rate: int) -> nn.Sequential:
    """A 3×3 convolution whose weights lie `rate` places apart; rate 0 is a 1×1 convolution."""
    return conv_bn_relu(in_channels, out_channels, kernel=3 if rate else 1, dilation=max(1, rate))


class ASPP(nn.Module):
    """A map → features: a 1×1, an atrous 3×3 a rate and the mean of all places, mixed by a 1×1."""

    def __init__(self, in_channels: int, channels: int, rates: list[int]):
        super().__init__()
        self.branches = nn.ModuleList(atrous_conv(in_channels, channels, rate) for rate in (0, *rates))
        self.pooled = nn.Sequential(nn.Conv2d(in_channels, channels, 1), nn.ReLU())
        self.mix = conv_bn_relu((len(rates) + 2) * channels, channels, kernel=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, h, w) → (N, channels, h, w)."""
        image_level = self.pooled(x.mean((2, 3), keepdim=True)).expand(-1, -1, *x.shape[-2:])  # (N, channels, h, w)
        features = [*(branch(x) for branch in self.branches), image_level]  # each (N, channels, h, w)
        return self.mix(torch.cat(features, dim=1))  # (N, channels, h, w)


class Decoder(nn.Module):
    """Features, upsampled to a finer map of the backbone and joined with it, mixed by a 3×3.

    The finer map is halved in channels first, so that it does not outweigh the features
    (1802.02611, section 3.1).
    """

    def __init__(self, channels: int, fine_channels: int, out_channels: int):
        super().__init__()
        self.reduce = conv_bn_relu(fine_channels, fine_channels // 2, kernel=1)
        self.mix = conv_bn_relu(channels + fine_channels // 2, out_channels)

    def forward(self, x: torch.Tensor, fine: torch.Tensor) -> torch.Tensor:
        """(N, channels, h, w), (N, fine_channels, h', w') → (N, out_channels, h', w')."""
        x = upsample(x, fine.shape[-2:])  # (N, channels, h, w), h and w those of the finer map
        return self.mix(torch.cat([x, self.reduce(fine)], dim=1))  # (N, out_channels, h, w)
