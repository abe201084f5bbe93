"""FCN and DeepLab as published, on VGG-16: the papers' sizes and inputs. Lessons 05 and 08.

`FCN.paper` and `DeepLab.paper` are the doors. U-Net as published is `PaperUNet`, in unet.py: no
backbone is under it.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
from torch import nn
from torchvision.models.vgg import cfgs, make_layers

from segedu.models.layers import (
    FixedBilinear,
    Normalise,
    SegmentationModel,
    crop,
    pad_to_stride,
    upsample,
    whole,
    zero_score,
)

# How far apart the weights of each head's 3×3 kernels lie, in places of a map of stride 8 (1606.00915, section 4.1.2).
PAPER_RATES = {"largefov": (12,), "aspp-s": (2, 4, 8, 12), "aspp-l": (6, 12, 18, 24)}


class CaffeInput(nn.Module):
    """(N, 3, H, W) red-green-blue in 0…1 → blue-green-red in 0…255 minus the mean of each."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor((104.00699, 116.66877, 122.67892)).view(1, 3, 1, 1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) in 0…1 → (N, 3, H, W), about −123…151."""
        return 255 * image.flip(1) - self.mean


INPUTS = {"caffe": CaffeInput, "torchvision": partial(Normalise, 3)}


def vgg16_backbone() -> nn.Sequential:
    """VGG-16's thirteen convolutions and five poolings, in a row, as torchvision builds them."""
    return make_layers(cfgs["D"], batch_norm=False)


class PaperFCN(SegmentationModel):
    """The paper's FCN: logits (N, num_classes, H, W) for pictures (N, 3, H, W) in 0…1. Lesson 05.

    As released with the paper: the first convolution pads 100, so that the 7×7 layer, which pads
    nothing, finds a place in any picture; poolings round up; score layers start at zero; all
    upsampling is bilinear and fixed (the conference paper learns all but the last). What the maps
    have shifted is cropped by offsets that follow from strides and pads. Convolutions start by He's
    rule. Parameters for 21 classes: 134,346,581 (32s), 134,357,354 (16s), 134,362,751 (8s).

    Args:
        num_classes: Scores of each pixel.
        stride: 32, 16 or 8, as in FCN.
        inputs: What the first layer is given: "caffe", the paper's convention, blue-green-red in
            0…255 minus the mean of each, or "torchvision", that of torchvision's weights. Both are
            done in here, so that from outside a picture is red-green-blue in 0…1 as everywhere.

    Raises:
        ValueError: For another stride, other inputs, and num_classes that are no whole number ≥ 1.

    Source:
        arXiv 1411.4038, sections 3 and 4; the released `voc-fcn32s`, `voc-fcn16s`, `voc-fcn8s`.
    """

    def __init__(self, num_classes: int = 21, *, stride: int = 8, inputs: str = "caffe"):
        stride = checked_fcn_stride(stride)
        (num_classes,) = whole(num_classes=num_classes)
        if inputs not in tuple(INPUTS):
            raise ValueError(f"inputs={inputs!r} is unknown; the paper's FCN takes {', '.join(map(repr, INPUTS))}.")
        super().__init__(num_classes=num_classes, stride=stride, inputs=inputs)
        self.stride = stride
        self.normalise = INPUTS[inputs]()
        self.backbone = vgg16_backbone()
        self.backbone[0].padding = (100, 100)
        for layer in self.backbone:
            if isinstance(layer, nn.MaxPool2d):
                layer.ceil_mode = True
        self.head = nn.Sequential(
            nn.Conv2d(512, 4096, 7), nn.ReLU(inplace=True), nn.Dropout(),
            nn.Conv2d(4096, 4096, 1), nn.ReLU(inplace=True), nn.Dropout(),
        )  # fmt: skip
        self.apply(_start_by_he)
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
        """(N, 3, H, W) in 0…1 → logits (N, num_classes, H, W)."""
        x, pools = self.normalise(image), []  # (N, 3, H, W)
        for layer in self.backbone:
            x = layer(x)  # at the end (N, 512, (H + 198)/32, (W + 198)/32)
            if isinstance(layer, nn.MaxPool2d):
                pools.append(x)
        scores = self.score(self.head(x))  # (N, num_classes, (H + 6)/32, (W + 6)/32)
        if self.stride <= 16:
            scores = self.up_score(scores)  # about (N, num_classes, H/16, W/16)
            scores = scores + crop(self.score_pool4(pools[3]), scores, self.offsets["pool4"])
        if self.stride <= 8:
            scores = self.up_pool4(scores)  # about (N, num_classes, H/8, W/8)
            scores = scores + crop(self.score_pool3(pools[2]), scores, self.offsets["pool3"])
        return crop(self.up_last(scores), image, self.offsets["image"])  # (N, num_classes, H, W)


def checked_fcn_stride(stride: int) -> int:
    """The stride; ValueError for one that no FCN has."""
    (stride,) = whole(stride=stride)
    if stride not in (32, 16, 8):
        raise ValueError(f"stride={stride} is unknown; an FCN has stride 32, 16 or 8.")
    return stride


def transplanted(vgg: nn.Module, num_classes: int = 21, *, stride: int = 8) -> PaperFCN:
    """The paper's FCN with all layers of a torchvision VGG-16 but the last, which scores.

    A fully connected layer is a convolution whose kernel is as large as its input: the first, on
    512 maps of 7×7, is a 7×7 convolution, the second a 1×1. The net normalises pictures as
    torchvision does.
    """
    net = PaperFCN(num_classes, stride=stride, inputs="torchvision")
    net.backbone.load_state_dict(vgg.features.state_dict())
    for number in (0, 3):
        mine, connected = net.head[number], vgg.classifier[number]
        mine.load_state_dict({"weight": connected.weight.view_as(mine.weight), "bias": connected.bias})
    return net


class Grid(NamedTuple):
    """Where the places of a map lie: place i is centred on the picture's pixel first + i · step."""

    step: float = 1
    first: float = 0

    def convolved(self, kernel: int, *, stride: int = 1, padding: int = 0) -> Grid:
        """The grid of a convolution's or a pooling's output."""
        return Grid(self.step * stride, self.first + self.step * ((kernel - 1) / 2 - padding))

    def upsampled(self, factor: int) -> Grid:
        """The grid behind FixedBilinear(factor): a kernel of 2 · factor rows, nothing padded."""
        step = self.step / factor
        return Grid(step, self.first - step * (2 * factor - 1) / 2)


def crop_offsets(stride: int) -> dict[str, int]:
    """How many rows and columns to leave out of each map: {"pool4": 5, "image": 27} for FCN-16s.

    The release computes them in the same way, from the strides, kernels and pads of the layers
    between.
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
            grid = grid.upsampled(2)
            offsets[name] = round((grid.first - finer.first) / finer.step)
    offsets["image"] = round(image.first - grid.upsampled(stride).first)
    return offsets


class PaperDeepLab(SegmentationModel):
    """The paper's DeepLab: logits (N, num_classes, H, W) for pictures (N, 3, H, W) in 0…1.

    As released: poolings are 3×3 and pad 1, of stride 2, 2, 2, 1, 1; the three convolutions of the
    fifth stage have dilation 2; each path is an atrous 3×3 and a 1×1 of 1024 channels, each with
    ReLU and dropout ½, and a 1×1 that scores; scores are summed. (The first release also has a 3×3
    mean pooling before its atrous 3×3; the second has none.) The input is "caffe" as in PaperFCN.
    Pictures are padded by its mean (zeros) to 8n + 1 rows and columns, and the scores upsampled
    bilinearly, as the release does for its results; for training it shrinks the *labels* by 8
    instead, see `scores`. Convolutions start by He's rule (the release starts from a classifier),
    those that score from a Gaussian of 0.01. 20,505,429 parameters for LargeFOV with 21 classes,
    37,877,652 for ASPP. Lesson 08.

    Args:
        num_classes: Scores of each pixel.
        head: "largefov", "aspp-s" or "aspp-l", with the rates of PAPER_RATES.

    Raises:
        ValueError: For another head, and num_classes that are no whole number ≥ 1.

    Source:
        arXiv 1412.7062, sections 3.1 and 3.2; 1606.00915, section 4.1; the released networks.
    """

    def __init__(self, num_classes: int = 21, *, head: str = "aspp-l"):
        (num_classes,) = whole(num_classes=num_classes)
        if head not in tuple(PAPER_RATES):
            raise ValueError(
                f"head={head!r} is unknown in the paper's form; v3 and v3+ stand on ResNet and Xception; "
                f"choose one of {', '.join(map(repr, PAPER_RATES))}."
            )
        super().__init__(num_classes=num_classes, head=head)
        self.normalise = CaffeInput()
        self.backbone = vgg16_backbone()
        pools = [layer for layer in self.backbone if isinstance(layer, nn.MaxPool2d)]
        for pool, stride in zip(pools, (2, 2, 2, 1, 1), strict=True):
            pool.kernel_size, pool.stride, pool.padding = 3, stride, 1
        for convolution in self.backbone[24:30:2]:
            convolution.dilation = convolution.padding = (2, 2)
        self.paths = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(512, 1024, 3, padding=rate, dilation=rate), nn.ReLU(inplace=True), nn.Dropout(),
                nn.Conv2d(1024, 1024, 1), nn.ReLU(inplace=True), nn.Dropout(),
                nn.Conv2d(1024, num_classes, 1),
            )
            for rate in PAPER_RATES[head]
        )  # fmt: skip
        self.apply(_start_by_he)
        for path in self.paths:
            nn.init.normal_(path[-1].weight, std=0.01)

    def scores(self, image: torch.Tensor) -> torch.Tensor:
        """(N, num_classes, h, w): scores of places on every eighth pixel. Lesson 08.

        Args:
            image: (N, 3, H, W) in 0…1; h = ⌈(H − 1)/8⌉ + 1, w alike, from the first pixel on.
        """
        x = pad_to_stride(self.normalise(image), 8, mode="constant")  # (N, 3, 8h − 7, 8w − 7)
        x = self.backbone(x)  # (N, 512, h, w)
        return torch.stack([path(x) for path in self.paths]).sum(0)  # (N, num_classes, h, w)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) in 0…1 → logits (N, num_classes, H, W)."""
        scores = self.scores(image)  # (N, num_classes, h, w)
        size = [8 * (side - 1) + 1 for side in scores.shape[-2:]]
        return crop(upsample(scores, size), image)  # (N, num_classes, H, W)


def _start_by_he(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
