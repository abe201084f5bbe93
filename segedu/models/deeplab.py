"""DeepLab (Chen et al.; arXiv 1412.7062, 1606.00915, 1706.05587, 1802.02611): wide sight on a fine map. Lesson 08.

Where other networks go on shrinking, DeepLab keeps its map and spreads its kernels instead ("à trous", with holes:
dilation). A head then looks at that map with kernels of several spreads at once. `DeepLab` is the course's slim one,
with the heads of all four papers; `DeepLab.paper` is the original on VGG-16.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from segedu.models.fcn import CaffeInput, pool_maps
from segedu.models.layers import Normalise, convolution

# How far apart the weights of each head's 3×3 kernels lie, in places of a map of stride 8 (1606.00915, section 4.1.2;
# 1706.05587, section 3.3: 6, 12, 18 at stride 16, doubled at 8).
RATES = {
    "largefov": (12,),
    "aspp-s": (2, 4, 8, 12),
    "aspp-l": (6, 12, 18, 24),
    "v3": (12, 24, 36),
    "v3+": (12, 24, 36),
}
PAPER_HEADS = ("largefov", "aspp-s", "aspp-l")
STRIDES = (32, 16, 8, 4)


class DeepLab(nn.Module):
    """Logits (N, num_classes, H, W) for pictures (N, in_channels, H, W) in 0…1, any H, W ≥ 32.

    A narrow VGG with batch normalisation: five stages, each ending in a 3×3 pooling of stride 2, until a place of the
    map stands for `output_stride` pixels. From there on poolings keep their stride off, and all later kernels are
    spread twice as far, so that their weights meet what they would have met: every second place of this map is the map
    that the stride would have given, with the same weights.

    width: channels of the first stage; the others have 2, 4, 8 and 8 times as many, as in VGG.
    output_stride: 32, 16, 8 or 4 pixels between two places of the map; half as many make four times as many places.
    head: "largefov": a 3×3 convolution of a high rate and two 1×1 (1412.7062, section 3.2).
          "aspp-s", "aspp-l": four of these with small or large rates, their scores summed (1606.00915, section 3.2).
          "v3": a 1×1, three 3×3 and the mean of the whole map, side by side, mixed by a 1×1 (1706.05587, section 3.3).
          "v3+": the same, enlarged, beside the finer map of the second stage, mixed by a 3×3 (1802.02611, section 3.1).
    rates: how far apart the weights of the head's 3×3 kernels lie, in places of the map, one rate a branch. None: the
        papers' (RATES), fitted to output_stride. Those are meant for pictures of 321 to 513 pixels: on a map that is
        smaller than the rate only the kernel's middle meets anything, so give small pictures smaller rates (lesson 08).
        Rate 0 lets all nine weights meet one place: that branch is a 1×1 convolution.

    Pictures are continued, by repeating the last column and row, to n · stride + 1 pixels (the papers' 321 and 513 are
    such numbers): places then lie on the first pixel, the last, and every stride-th between. Logits are cut back.
    One picture is enough for a batch: what is pooled over the whole map is not batch-normalised, as it is in v3, where
    one picture has no variance to divide by. The papers' other departures: DeepLab v3 and v3+ stand on ResNet and
    Xception, with separable convolutions in v3+.
    Raises ValueError for an unknown head or stride, and for rates that are no whole numbers ≥ 0.
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
        super().__init__()
        _check_head(head, tuple(RATES))
        if output_stride not in STRIDES:
            raise ValueError(f"output_stride={output_stride} is unknown; a DeepLab has 32, 16, 8 or 4.")
        if rates is None:
            rates = [max(1, 8 * rate // output_stride) for rate in RATES[head]]
        if not rates or not all(isinstance(rate, int) and rate >= 0 for rate in rates):
            raise ValueError(f"rates={rates} should be whole numbers ≥ 0, one a branch, such as {RATES[head]}.")
        self.config = {
            "num_classes": num_classes, "in_channels": in_channels, "width": width, "head": head,
            "output_stride": output_stride, "rates": list(rates),
        }  # fmt: skip
        self.output_stride = output_stride
        self.normalise = Normalise(in_channels)
        self.trunk = atrous_stages(in_channels, width, output_stride)
        if head in PAPER_HEADS:
            self.head = SummedBranches(8 * width, 8 * width, num_classes, rates)
            self.decoder, self.score = None, nn.Identity()
        else:
            self.head = PooledBranches(8 * width, 4 * width, rates)
            self.decoder = Decoder(4 * width, 2 * width, 3 * width) if head == "v3+" else None
            self.score = nn.Conv2d(3 * width if head == "v3+" else 4 * width, num_classes, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        maps, size = stage_maps(self.trunk, self.normalise(image), self.output_stride)
        x = self.head(maps[-1])
        if self.decoder is not None:
            x = self.decoder(x, maps[1])
        return enlarged(self.score(x), size)[..., : image.shape[-2], : image.shape[-1]]

    @staticmethod
    def paper(num_classes: int = 21, *, head: str = "aspp-l") -> PaperDeepLab:
        """The original network on VGG-16: see PaperDeepLab."""
        return PaperDeepLab(num_classes, head=head)


def atrous_stages(in_channels: int, width: int, output_stride: int) -> nn.ModuleList:
    """Five stages of convolutions and a pooling; those behind `output_stride` are spread instead of shrinking."""
    stages, before, stride, dilation = nn.ModuleList(), in_channels, 1, 1
    for channels, depth in ((width, 1), (2 * width, 2), (4 * width, 2), (8 * width, 2), (8 * width, 2)):
        layers = [convolution(before if i == 0 else channels, channels, dilation=dilation) for i in range(depth)]
        if stride < output_stride:
            layers.append(nn.MaxPool2d(3, stride=2, padding=1))
            stride *= 2
        else:
            # After a ReLU nothing is below zero, so zeros around the map never are the largest.
            layers += [nn.ZeroPad2d(dilation), nn.MaxPool2d(3, stride=1, dilation=dilation)]
            dilation *= 2
        stages.append(nn.Sequential(*layers))
        before = channels
    return stages


def stage_maps(trunk: nn.ModuleList, x: torch.Tensor, stride: int) -> tuple[list[torch.Tensor], torch.Size]:
    """The map of each of the trunk's stages, and the height and width of the picture as continued."""
    x = continued(x, stride)
    # The channels of a pixel side by side in memory: faster on a CPU, where channels are few.
    return pool_maps(trunk, x.contiguous(memory_format=torch.channels_last)), x.shape[-2:]


def branch(in_channels: int, out_channels: int, rate: int) -> nn.Sequential:
    """A 3×3 convolution whose weights lie `rate` places apart; rate 0 is a 1×1 convolution."""
    if rate == 0:
        return convolution(in_channels, out_channels, kernel=1)
    return convolution(in_channels, out_channels, dilation=rate)


class SummedBranches(nn.Module):
    """A map → scores, the sum of one path a rate: a spread 3×3 and a 1×1 convolution, then a 1×1 that scores."""

    def __init__(self, in_channels: int, channels: int, num_classes: int, rates: list[int]):
        super().__init__()
        self.paths = nn.ModuleList(
            nn.Sequential(
                branch(in_channels, channels, rate),
                convolution(channels, channels, kernel=1),
                nn.Conv2d(channels, num_classes, 1),
            )
            for rate in rates
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([path(x) for path in self.paths]).sum(0)


class PooledBranches(nn.Module):
    """A map → features: a 1×1, a spread 3×3 a rate and the mean of all places, side by side, mixed by a 1×1."""

    def __init__(self, in_channels: int, channels: int, rates: list[int]):
        super().__init__()
        self.branches = nn.ModuleList(branch(in_channels, channels, rate) for rate in (0, *rates))
        self.pooled = nn.Sequential(nn.Conv2d(in_channels, channels, 1), nn.ReLU())
        self.mix = convolution((len(rates) + 2) * channels, channels, kernel=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        everywhere = self.pooled(x.mean((2, 3), keepdim=True)).expand(-1, -1, *x.shape[-2:])
        return self.mix(torch.cat([*(branch(x) for branch in self.branches), everywhere], dim=1))


class Decoder(nn.Module):
    """Features, enlarged to a finer map of the trunk and laid beside it, mixed by a 3×3 convolution.

    The finer map is halved in channels first, so that it does not outweigh the features (1802.02611, section 3.1).
    """

    def __init__(self, channels: int, fine_channels: int, out_channels: int):
        super().__init__()
        self.reduce = convolution(fine_channels, fine_channels // 2, kernel=1)
        self.mix = convolution(channels + fine_channels // 2, out_channels)

    def forward(self, x: torch.Tensor, fine: torch.Tensor) -> torch.Tensor:
        return self.mix(torch.cat([enlarged(x, fine.shape[-2:]), self.reduce(fine)], dim=1))


class PaperDeepLab(nn.Module):
    """The paper's DeepLab on VGG-16: logits (N, num_classes, H, W) for pictures (N, 3, H, W) in 0…1.

    head: "largefov", "aspp-s" or "aspp-l", with the rates of RATES. 20,505,429 parameters for LargeFOV with 21 classes,
        37,877,652 for ASPP.
    As released: poolings are 3×3 and pad 1, of stride 2, 2, 2, 1, 1; the three convolutions of the fifth stage have
    dilation 2; each path is a spread 3×3 and a 1×1 of 1024 channels, each with ReLU and dropout ½, and a 1×1 that
    scores; scores are summed. (The first release also has a 3×3 mean pooling before its spread 3×3; the second has
    none.) The input is "caffe" as in PaperFCN: blue-green-red in 0…255 minus the mean of each.
    Pictures are continued by that mean (zeros) to 8n + 1 rows and columns, and the scores enlarged bilinearly, as the
    release does for its results. For training it shrinks the *labels* by 8 instead: `scores` gives the scores before
    they are enlarged. Convolutions start by He's rule (the release starts from a classifier), those that score from a
    Gaussian of 0.01.
    Source: arXiv 1412.7062, sections 3.1 and 3.2; 1606.00915, section 4.1; the released networks.
    """

    def __init__(self, num_classes: int = 21, *, head: str = "aspp-l"):
        super().__init__()
        _check_head(head, PAPER_HEADS, " in the paper's form; v3 and v3+ stand on ResNet and Xception")
        self.config = {"num_classes": num_classes, "head": head}
        self.normalise = CaffeInput()
        self.trunk = vgg16_atrous()
        self.paths = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(512, 1024, 3, padding=rate, dilation=rate), nn.ReLU(inplace=True), nn.Dropout(),
                nn.Conv2d(1024, 1024, 1), nn.ReLU(inplace=True), nn.Dropout(),
                nn.Conv2d(1024, num_classes, 1),
            )
            for rate in RATES[head]
        )  # fmt: skip
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)
        for path in self.paths:
            nn.init.normal_(path[-1].weight, std=0.01)

    def scores(self, image: torch.Tensor) -> torch.Tensor:
        """(N, num_classes, h, w): scores of the places, which lie on every eighth pixel, the first included."""
        x = self.trunk(continued(self.normalise(image), 8, mode="constant"))
        return torch.stack([path(x) for path in self.paths]).sum(0)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        scores = self.scores(image)
        height, width = (8 * (side - 1) + 1 for side in scores.shape[-2:])
        return enlarged(scores, (height, width))[..., : image.shape[-2], : image.shape[-1]]


def vgg16_atrous() -> nn.Sequential:
    """VGG-16's thirteen convolutions with DeepLab's poolings: the last two do not shrink, and stage five is spread."""
    layers, before = [], 3
    for number, (channels, depth) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), start=1):
        dilation = 2 if number == 5 else 1
        for _ in range(depth):
            layers += [nn.Conv2d(before, channels, 3, padding=dilation, dilation=dilation), nn.ReLU(inplace=True)]
            before = channels
        layers.append(nn.MaxPool2d(3, stride=2 if number <= 3 else 1, padding=1))
    return nn.Sequential(*layers)


# What both networks share


def continued(x: torch.Tensor, stride: int, mode: str = "replicate") -> torch.Tensor:
    """(N, C, H, W) with rows below and columns on the right, so that H and W are multiples of `stride` plus 1."""
    height, width = x.shape[-2:]
    return F.pad(x, (0, (1 - width) % stride, 0, (1 - height) % stride), mode=mode)


def enlarged(maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Bilinear enlargement to (height, width) `size`; the first and last places lie on the first and last pixels."""
    return F.interpolate(maps, size=tuple(size), mode="bilinear", align_corners=True)


def _check_head(head: str, known: tuple[str, ...], where: str = "") -> None:
    if head not in known:
        raise ValueError(f"head={head!r} is unknown{where}; choose one of {', '.join(map(repr, known))}.")
