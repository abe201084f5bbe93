"""U-Net (Ronneberger, Fischer, Brox; arXiv 1505.04597): down and up again. Built in lesson 06.

`PaperUNet` is the paper's figure 1, line by line. `UNet` is the same network with a choice of
width, depth and parts.
"""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from segedu.inputs import number_within
from segedu.models.layers import Normalise, SegmentationModel, conv_bn_relu, whole

DEEPEST = 16  # halvings, or convolutions at each size; after 16 halvings a picture of 65,536 pixels is one place


class PaperUNet(SegmentationModel):
    """U-Net as published: (N, in_channels, 572, 572) in 0…1 → logits (N, num_classes, 388, 388).

    23 convolutions without padding, ReLU, no batch normalisation, dropout at the end of the way
    down: 31,030,658 parameters with one channel in and two classes. Other sizes: see `output_size`.
    The paper does not say how grey values come in; (grey − ½)/¼ gives them about the unit variance
    that its initial weights are meant to keep. Nor does it say how much is dropped: ½ is the
    authors' release's, which differs from the figure in one more ReLU, after each transposed
    convolution. Lesson 06.

    Args:
        num_classes: Scores of each pixel.
        in_channels: Of the pictures.

    Raises:
        ValueError: For a picture whose size `output_size` refuses.

    Source:
        arXiv 1505.04597, section 2, figure 1; initial weights and dropout: section 3.
    """

    def __init__(self, num_classes: int = 2, *, in_channels: int = 1):
        num_classes, in_channels = whole(num_classes=num_classes, in_channels=in_channels)
        super().__init__(num_classes=num_classes, in_channels=in_channels)
        pair = partial(two_convolutions, padding=False, batch_norm=False)
        self.normalise = Normalise(in_channels)
        self.down1 = pair(in_channels, 64)
        self.down2 = pair(64, 128)
        self.down3 = pair(128, 256)
        self.down4 = pair(256, 512)
        self.bottom = pair(512, 1024)
        self.dropout = nn.Dropout(0.5)
        self.upsample4 = nn.ConvTranspose2d(1024, 512, 2, stride=2)
        self.upsample3 = nn.ConvTranspose2d(512, 256, 2, stride=2)
        self.upsample2 = nn.ConvTranspose2d(256, 128, 2, stride=2)
        self.upsample1 = nn.ConvTranspose2d(128, 64, 2, stride=2)
        self.up4 = pair(1024, 512)
        self.up3 = pair(512, 256)
        self.up2 = pair(256, 128)
        self.up1 = pair(128, 64)
        self.score = nn.Conv2d(64, num_classes, 1)
        self.apply(start_gaussian)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, 572, 572) in 0…1 → logits (N, num_classes, 388, 388)."""
        x = self.normalise(image)  # (N, in_channels, 572, 572)
        self.output_size(image.shape[-2:])
        # The channels of a pixel side by side in memory: faster on a CPU.
        x1 = self.down1(x.contiguous(memory_format=torch.channels_last))  # (N, 64, 568, 568)
        x2 = self.down2(F.max_pool2d(x1, 2))  # (N, 128, 280, 280)
        x3 = self.down3(F.max_pool2d(x2, 2))  # (N, 256, 136, 136)
        x4 = self.dropout(self.down4(F.max_pool2d(x3, 2)))  # (N, 512, 64, 64)
        x = self.dropout(self.bottom(F.max_pool2d(x4, 2)))  # (N, 1024, 28, 28)
        x = self.up4(concat_skip(x4, self.upsample4(x)))  # (N, 512 + 512, 56, 56) → (N, 512, 52, 52)
        x = self.up3(concat_skip(x3, self.upsample3(x)))  # (N, 256 + 256, 104, 104) → (N, 256, 100, 100)
        x = self.up2(concat_skip(x2, self.upsample2(x)))  # (N, 128 + 128, 200, 200) → (N, 128, 196, 196)
        x = self.up1(concat_skip(x1, self.upsample1(x)))  # (N, 64 + 64, 392, 392) → (N, 64, 388, 388)
        return self.score(x)  # (N, num_classes, 388, 388)

    def output_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """The (height, width) of the logits, 572 → 388. Lesson 06.

        Args:
            size: (height, width) of the picture.

        Raises:
            ValueError: for a size that does not fit; it names the next that does.
        """
        return unpadded_size(size, depth=4)


class UNet(SegmentationModel):
    """Logits (N, num_classes, H, W) for pictures (N, in_channels, H, W) in 0…1.

    `depth` times two convolutions and a 2×2 max pool lead down, and each time the channels double;
    two convolutions work at the bottom; `depth` times a 2×2 transposed convolution doubles height
    and width and halves the channels, the map of this size from the way down is concatenated to it
    (the skip connection), and two convolutions join both. Weights start as the paper says, see
    `start_gaussian`. Lesson 06.

    Args:
        num_classes: Scores of each pixel.
        in_channels: Of the pictures.
        width: Channels at full size.
        depth: How often height and width are halved, ≥ 1.
        padding: True: 3×3 convolutions keep the size, and any H, W will do: the last column and row
            are repeated up to multiples of 2^depth, and the logits cut back. False, as in the
            paper: each loses a pixel at every edge, so the logits belong to the middle of the
            picture; `output_size` says how many there are, and which sizes do not work.
        batch_norm: Batch normalisation between convolution and ReLU; the paper has none.
        residual: Each pair of convolutions adds to its input instead of replacing it.
        skips: False leaves the skips away. Upsampling then keeps its channels, so that the
            convolutions after it are as wide as with skips: there are more parameters, not fewer.
        dropout: The probability at the end of the way down: in the last map before the last pool,
            and at the bottom.

    Raises:
        ValueError: For a depth outside 1 … 16, another size that is no whole number ≥ 1, a switch
            that is neither True nor False, and for a picture whose size `output_size` refuses.

    Source:
        arXiv 1505.04597, sections 2 and 3; batch normalisation: 1502.03167.

    Example:
        >>> UNet(11, width=8, depth=4)(torch.rand(1, 3, 120, 160)).shape
        torch.Size([1, 11, 120, 160])
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 3,
        width: int = 8,
        depth: int = 4,
        padding: bool = True,
        batch_norm: bool = True,
        residual: bool = False,
        skips: bool = True,
        dropout: float = 0.0,
    ):
        num_classes, in_channels, width = whole(num_classes=num_classes, in_channels=in_channels, width=width)
        (depth,) = whole(1, DEEPEST, depth=depth)
        check_switches(padding=padding, batch_norm=batch_norm, residual=residual, skips=skips)
        dropout = number_within(dropout, "dropout", 0, 1)  # nn.Dropout takes NaN, and stops in training
        super().__init__(
            num_classes=num_classes, in_channels=in_channels, width=width, depth=depth, padding=padding,
            batch_norm=batch_norm, residual=residual, skips=skips, dropout=dropout,
        )  # fmt: skip
        self.depth, self.padding, self.skips = depth, padding, skips
        pair = partial(two_convolutions, padding=padding, batch_norm=batch_norm, residual=residual)
        channels = [width * 2**level for level in range(depth)]
        bottom = width * 2**depth
        self.normalise = Normalise(in_channels)
        self.down = nn.ModuleList(pair(i, o) for i, o in pairwise([in_channels, *channels]))
        self.bottom = pair(channels[-1], bottom)
        self.dropout = nn.Dropout(dropout)
        self.upsample = nn.ModuleList(
            nn.ConvTranspose2d(2 * c, c if skips else 2 * c, 2, stride=2) for c in reversed(channels)
        )
        self.up = nn.ModuleList(pair(2 * c, c) for c in reversed(channels))
        self.score = nn.Conv2d(width, num_classes, 1)
        self.apply(start_gaussian)

    @staticmethod
    def paper(num_classes: int = 2, in_channels: int = 1) -> PaperUNet:
        """U-Net as published: see PaperUNet.

        Args:
            num_classes: scores of each pixel.
            in_channels: of the pictures.
        """
        return PaperUNet(num_classes, in_channels=in_channels)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, H, W) in 0…1 → logits (N, num_classes, H, W), fewer unpadded."""
        x = self.normalise(image)  # (N, in_channels, H, W)
        height, width = self.output_size(image.shape[-2:])
        if self.padding:
            x = pad_to_multiple(x, 2**self.depth)  # H and W are those multiples from here on
        # The channels of a pixel side by side in memory: a quarter faster on a CPU, where channels are few.
        x, skips = x.contiguous(memory_format=torch.channels_last), []
        for level, convolutions in enumerate(self.down, start=1):
            x = convolutions(x)  # (N, width, H, W), (N, 2·width, H/2, W/2), …
            if level == self.depth:
                x = self.dropout(x)
            skips.append(x)
            x = F.max_pool2d(x, 2)  # (N, width, H/2, W/2), (N, 2·width, H/4, W/4), …
        x = self.dropout(self.bottom(x))  # (N, 2^depth·width, H/2^depth, W/2^depth)
        for upsample, convolutions, skip in zip(self.upsample, self.up, reversed(skips), strict=True):
            x = upsample(x)  # …, (N, 2·width, H/2, W/2), (N, width, H, W); without skips twice as many channels
            x = convolutions(concat_skip(skip, x) if self.skips else x)  # …, (N, 2·width, H/2, W/2), (N, width, H, W)
        return self.score(x)[..., :height, :width]  # (N, num_classes, H, W), H and W those of the picture

    def output_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """The (height, width) of the logits: `size` with padding, less without. Lesson 06.

        Args:
            size: (height, width) of the picture.

        Raises:
            ValueError: without padding, for a size that does not fit; it names the next that does.
        """
        return tuple(size) if self.padding else unpadded_size(size, self.depth)


class Residual(nn.Module):
    """Convolutions whose result is added to what went in.

    Source:
        He et al., arXiv 1512.03385, section 3.2.
    """

    def __init__(self, convolutions: nn.Sequential, in_channels: int, out_channels: int):
        super().__init__()
        self.convolutions = convolutions[:-1]  # the last ReLU comes after the sum
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, h, w) → (N, out_channels, h, w), h and w as after convolutions."""
        change = self.convolutions(x)  # (N, out_channels, h, w)
        return F.relu(centre_crop(self.shortcut(x), change) + change)  # (N, out_channels, h, w)


def two_convolutions(in_channels: int, out_channels: int, *, residual: bool = False, **form) -> nn.Module:
    """Two 3×3 convolutions and their ReLUs; form: `padding`, `batch_norm` of `conv_bn_relu`."""
    layers = chain([in_channels, out_channels, out_channels], **form)
    return Residual(layers, in_channels, out_channels) if residual else layers


def chain(channels: list[int], **form) -> nn.Sequential:
    """3×3 convolutions from each of `channels` to the next, in a row; form: of `conv_bn_relu`."""
    return nn.Sequential(*(layer for i, o in pairwise(channels) for layer in conv_bn_relu(i, o, **form)))


def concat_skip(skip: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """The middle of `skip`, as high and wide as `x`, then `x`: their channels in one map."""
    return torch.cat([centre_crop(skip, x), x], dim=1)


def centre_crop(larger: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """The middle of (N, C, H, W) `larger`, as high and wide as `like`."""
    top, left = ((a - b) // 2 for a, b in zip(larger.shape[-2:], like.shape[-2:], strict=True))
    return larger[..., top : top + like.shape[-2], left : left + like.shape[-1]]


def pad_to_multiple(x: torch.Tensor, multiple: int) -> torch.Tensor:
    """(N, C, H, W) with the last column and row repeated, up to multiples of `multiple`."""
    height, width = x.shape[-2:]
    return F.pad(x, (0, -width % multiple, 0, -height % multiple), mode="replicate")


def unpadded_size(size: tuple[int, int], depth: int) -> tuple[int, int]:
    """The (height, width) of an unpadded U-Net's logits for a picture of (height, width) `size`.

    Two convolutions lose 4 places, each of 2^level pixels, at every level down, at the bottom and
    up again: 4 · (1 + 2 + … + 2^depth + … + 2 + 1) pixels, 184 at depth 4. Every pool must see an
    even size.

    Raises:
        ValueError: For a size that does not fit; it names the next that does.
    """
    step, lost = 2**depth, 12 * 2**depth - 8
    works = [-(-(max(side, lost + 1) + 4) // step) * step - 4 for side in size]  # 4 short of a multiple of step
    if tuple(works) != tuple(size):
        raise ValueError(
            f"A picture of {size[0]} × {size[1]} pixels does not fit an unpadded U-Net of depth {depth}: each "
            f"pool must see an even size, and something must be left. The next size that fits is {works[0]} × "
            f"{works[1]}; mirror the borders to reach it, or take a UNet with padding=True."
        )
    return size[0] - lost, size[1] - lost


def check_switches(**switches) -> None:
    """Check that each switch is True or False.

    Raises:
        ValueError: names the first that is neither.
    """
    for name, switch in switches.items():
        if not isinstance(switch, bool | np.bool_):
            raise ValueError(f"{name}={switch!r} should be True or False.")


def start_gaussian(layer: nn.Module) -> None:
    """Gaussian weights, standard deviation √(2/N), N the connections into one unit; biases zero.

    Source:
        arXiv 1505.04597, section 3.
    """
    if isinstance(layer, nn.Conv2d):
        connections = layer.weight[0].numel()
    elif isinstance(layer, nn.ConvTranspose2d):
        # With stride = kernel no two windows overlap: each output has one weight a channel. torch's kaiming_normal_
        # counts the output channels here, times the whole kernel.
        connections = layer.in_channels
    else:
        return
    nn.init.normal_(layer.weight, std=math.sqrt(2 / connections))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
