"""Fully convolutional networks (Long, Shelhamer, Darrell 2015; arXiv 1411.4038). Built in lesson 05.

A classifier whose every layer is a convolution scores all places of a picture at once, coarsely: one score for 32×32
pixels (FCN-32s). Scores of earlier, finer layers are added on the way back up (FCN-16s, FCN-8s). `FCN` is the course's
slim one, `FCN.paper` the original.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from segedu.models.layers import Normalise, convolution


class FCN(nn.Module):
    """Logits (N, num_classes, H, W) for pictures (N, in_channels, H, W) in 0…1, any H, W ≥ 32.

    A narrow VGG with batch normalisation: five stages, each ending in a 2×2 pooling; a head of two convolutions where
    VGG has its fully connected layers; a 1×1 convolution that scores each place. stride=32 enlarges these scores 32
    times at once; stride=16 first doubles them and adds scores of the fourth stage; stride=8 adds those of the third
    stage, too.

    width: channels of the first stage; the others have 2, 4, 8 and 8 times as many, as in VGG.
    stride: 32, 16 or 8: how many pixels lie between two places of the finest scores.

    As in the paper all score layers start at zero, doubling starts as bilinear interpolation and is learnt, and the
    last enlargement stays bilinear. Unlike in the paper, no layer shifts the picture: poolings round up, and what is
    enlarged beyond the finer map, or beyond the picture, is cut off on the right and below.
    Raises ValueError for another stride.
    """

    def __init__(self, num_classes: int, *, in_channels: int = 3, width: int = 12, stride: int = 8):
        super().__init__()
        _check_stride(stride)
        self.config = {"num_classes": num_classes, "in_channels": in_channels, "width": width, "stride": stride}
        self.stride = stride
        self.normalise = Normalise(in_channels)
        self.trunk = vgg_stages(in_channels, width)
        self.head = nn.Sequential(convolution(8 * width, 16 * width), convolution(16 * width, 16 * width, kernel=1))
        self.score = zero_score(16 * width, num_classes)
        if stride <= 16:
            self.up_score = doubling(num_classes)
            self.score_pool4 = zero_score(8 * width, num_classes)
        if stride <= 8:
            self.up_pool4 = doubling(num_classes)
            self.score_pool3 = zero_score(4 * width, num_classes)
        self.up_last = FixedBilinear(num_classes, stride, padding=stride // 2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        pools = pool_maps(self.trunk, self.normalise(image))
        scores = self.score(self.head(pools[4]))
        if self.stride <= 16:
            finer = self.score_pool4(pools[3])
            scores = crop(self.up_score(scores), finer) + finer
        if self.stride <= 8:
            finer = self.score_pool3(pools[2])
            scores = crop(self.up_pool4(scores), finer) + finer
        return crop(self.up_last(scores), image)

    @staticmethod
    def paper(num_classes: int = 21, *, stride: int = 8, pretrained: bool = False) -> PaperFCN:
        """The original network on VGG-16: see PaperFCN. pretrained=True fetches torchvision's weights (528 MB)."""
        if not pretrained:
            return PaperFCN(num_classes, stride=stride)
        from torchvision.models import VGG16_Weights, vgg16

        return transplanted(vgg16(weights=VGG16_Weights.IMAGENET1K_V1), num_classes, stride=stride)

    @staticmethod
    def grown_from(coarser: FCN | PaperFCN) -> FCN | PaperFCN:
        """A network of half the stride with all weights of `coarser`; its new skip adds zero until it is trained.

        So the paper trains 16s from 32s, and 8s from 16s (section 4.2). Its output is that of `coarser` but for the
        way up: ×2 and then ×16 is not ×32.
        """
        finer = type(coarser)(**coarser.config | {"stride": coarser.stride // 2})
        finer.load_state_dict(coarser.state_dict(), strict=False)  # the new skip is what the coarser one lacks
        return finer.train(coarser.training)


def vgg_stages(in_channels: int, width: int) -> nn.ModuleList:
    """Five stages as in VGG-16, with fewer convolutions: one in the first, where maps are large, two in the others."""
    stages, before = nn.ModuleList(), in_channels
    for channels, depth in ((width, 1), (2 * width, 2), (4 * width, 2), (8 * width, 2), (8 * width, 2)):
        layers = [convolution(before if i == 0 else channels, channels) for i in range(depth)]
        stages.append(nn.Sequential(*layers, nn.MaxPool2d(2, ceil_mode=True)))
        before = channels
    return stages


class PaperFCN(nn.Module):
    """The paper's FCN on VGG-16: logits (N, num_classes, H, W) for pictures (N, 3, H, W), red-green-blue in 0…1.

    As released with the paper: the first convolution pads 100, so that the 7×7 layer, which pads nothing, finds a place
    in any picture; poolings round up; score layers start at zero; all enlargement is bilinear and fixed (the conference
    paper learns all but the last). What the maps have shifted is cropped by offsets that follow from strides and pads.

    inputs: what the first layer is given. "caffe", the paper's convention: blue-green-red in 0…255 minus the mean of
        each; "torchvision", that of torchvision's weights: red-green-blue in 0…1, normalised. Both are done in here,
        so that from outside a picture is red-green-blue in 0…1 as everywhere in the course.
    Parameters for 21 classes: 134,346,581 (32s), 134,357,354 (16s), 134,362,751 (8s). Convolutions start by He's rule.
    Source: arXiv 1411.4038, sections 3 and 4, and the released `voc-fcn32s`, `voc-fcn16s`, `voc-fcn8s`.
    """

    def __init__(self, num_classes: int = 21, *, stride: int = 8, inputs: str = "caffe"):
        super().__init__()
        _check_stride(stride)
        if inputs not in INPUTS:
            raise ValueError(f"inputs={inputs!r} is unknown; the paper's FCN takes {', '.join(map(repr, INPUTS))}.")
        self.config = {"num_classes": num_classes, "stride": stride, "inputs": inputs}
        self.stride = stride
        self.normalise = INPUTS[inputs]()
        self.trunk = vgg16_stages()
        self.head = nn.Sequential(
            nn.Conv2d(512, 4096, 7), nn.ReLU(inplace=True), nn.Dropout(),
            nn.Conv2d(4096, 4096, 1), nn.ReLU(inplace=True), nn.Dropout(),
        )  # fmt: skip
        for layer in [*self.trunk.modules(), *self.head]:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)
        self.score = zero_score(4096, num_classes)
        if stride <= 16:
            self.up_score = FixedBilinear(num_classes, 2)
            self.score_pool4 = zero_score(512, num_classes)
        if stride <= 8:
            self.up_pool4 = FixedBilinear(num_classes, 2)
            self.score_pool3 = zero_score(256, num_classes)
        self.up_last = FixedBilinear(num_classes, stride)
        self.offsets = crop_offsets(stride)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        pools = pool_maps(self.trunk, self.normalise(image))
        scores = self.score(self.head(pools[4]))
        if self.stride <= 16:
            scores = self.up_score(scores)
            scores = scores + crop(self.score_pool4(pools[3]), scores, self.offsets["pool4"])
        if self.stride <= 8:
            scores = self.up_pool4(scores)
            scores = scores + crop(self.score_pool3(pools[2]), scores, self.offsets["pool3"])
        return crop(self.up_last(scores), image, self.offsets["image"])


def vgg16_stages() -> nn.ModuleList:
    """VGG-16's thirteen convolutions in five stages; the first pads 100, the others 1. Poolings round up."""
    stages, before = nn.ModuleList(), 3
    for channels, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        layers = []
        for _ in range(depth):
            layers += [nn.Conv2d(before, channels, 3, padding=1 if layers or stages else 100), nn.ReLU(inplace=True)]
            before = channels
        stages.append(nn.Sequential(*layers, nn.MaxPool2d(2, ceil_mode=True)))
    return stages


class CaffeInput(nn.Module):
    """(N, 3, H, W) red-green-blue in 0…1 → blue-green-red in 0…255 minus the training pictures' mean of each."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor((104.00699, 116.66877, 122.67892)).view(1, 3, 1, 1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return 255 * image.flip(1) - self.mean


INPUTS = {"caffe": CaffeInput, "torchvision": partial(Normalise, 3)}


def transplanted(vgg: nn.Module, num_classes: int = 21, *, stride: int = 8) -> PaperFCN:
    """The paper's FCN with all layers of a torchvision VGG-16 but its last, which scores other classes.

    A fully connected layer is a convolution whose kernel is as large as its input: the first, on 512 maps of 7×7, is a
    7×7 convolution, the second a 1×1. torchvision's weights expect torchvision's normalisation, so the net has that.
    """
    net = PaperFCN(num_classes, stride=stride, inputs="torchvision")
    ours = [layer for layer in [*net.trunk.modules(), *net.head] if isinstance(layer, nn.Conv2d)]
    theirs = [layer for layer in vgg.modules() if isinstance(layer, nn.Conv2d | nn.Linear)][:-1]
    with torch.no_grad():
        for mine, other in zip(ours, theirs, strict=True):
            mine.weight.copy_(other.weight.view_as(mine.weight))
            mine.bias.copy_(other.bias)
    return net


# What both networks share


def pool_maps(trunk: nn.ModuleList, x: torch.Tensor) -> list[torch.Tensor]:
    """What comes out of each of the trunk's stages, one after the other: the maps pool1 … pool5."""
    maps = []
    for stage in trunk:
        x = stage(x)
        maps.append(x)
    return maps


class FixedBilinear(nn.Module):
    """Bilinear enlargement `factor` times, channel by channel: a transposed convolution that is never trained.

    (N, channels, h, w) → height (h + 1) · factor − 2 · padding, width alike. padding=factor // 2 gives factor · h, each
    place spread around its own pixels. At the border it fades to zero, where interpolation would repeat the last place.
    """

    def __init__(self, channels: int, factor: int, *, padding: int = 0):
        super().__init__()
        self.channels, self.factor, self.padding = channels, factor, padding
        self.register_buffer("kernel", bilinear_kernel(factor).expand(channels, 1, -1, -1), persistent=False)

    def forward(self, scores: torch.Tensor) -> torch.Tensor:
        return F.conv_transpose2d(scores, self.kernel, stride=self.factor, padding=self.padding, groups=self.channels)


def bilinear_kernel(factor: int) -> torch.Tensor:
    """(2 · factor, 2 · factor) weights of bilinear enlargement by an even factor: a pyramid whose sum is factor²."""
    distance = (torch.arange(2 * factor) - (factor - 0.5)).abs()
    tent = 1 - distance / factor
    return tent[:, None] * tent[None, :]


def doubling(channels: int) -> nn.ConvTranspose2d:
    """A transposed convolution to twice the height and width that starts as bilinear enlargement, and is learnt."""
    layer = nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(channels)[:, :, None, None] * bilinear_kernel(2))
    return layer


def zero_score(in_channels: int, num_classes: int) -> nn.Conv2d:
    """A 1×1 convolution to one score a class that starts at zero: every class is as likely, and a skip adds nothing."""
    layer = nn.Conv2d(in_channels, num_classes, 1)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def crop(maps: torch.Tensor, like: torch.Tensor, offset: int = 0) -> torch.Tensor:
    """The part of `maps` that has the height and width of `like`, from row and column `offset` on."""
    height, width = like.shape[-2:]
    return maps[..., offset : offset + height, offset : offset + width]


class Grid(NamedTuple):
    """Where the places of a map lie in the picture: place i is centred on pixel first + i · step."""

    step: float = 1
    first: float = 0

    def convolved(self, kernel: int, *, stride: int = 1, padding: int = 0) -> Grid:
        """The grid of a convolution's or a pooling's output."""
        return Grid(self.step * stride, self.first + self.step * ((kernel - 1) / 2 - padding))

    def enlarged(self, factor: int) -> Grid:
        """The grid behind FixedBilinear(factor): its kernel has 2 · factor rows, and nothing is padded."""
        step = self.step / factor
        return Grid(step, self.first - step * (2 * factor - 1) / 2)


def crop_offsets(stride: int) -> dict[str, int]:
    """How many rows and columns to leave out of each map of PaperFCN so that places meet: {"pool4": 5, "image": 27}.

    The release computes them in the same way, from the strides, kernels and pads of the layers between.
    """
    image = Grid()
    grid = image.convolved(3, padding=100)  # all later 3×3 convolutions pad 1 and shift nothing
    pools = []
    for _ in range(5):
        grid = grid.convolved(2, stride=2)
        pools.append(grid)
    grid = grid.convolved(7)
    offsets = {}
    for name, finer in (("pool4", pools[3]), ("pool3", pools[2])):
        if finer.step >= stride:
            grid = grid.enlarged(2)
            offsets[name] = round((grid.first - finer.first) / finer.step)
    offsets["image"] = round(image.first - grid.enlarged(stride).first)
    return offsets


def _check_stride(stride: int) -> None:
    if stride not in (32, 16, 8):
        raise ValueError(f"stride={stride} is unknown; an FCN has stride 32, 16 or 8.")
