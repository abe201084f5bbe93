"""U-Net (Ronneberger, Fischer, Brox; arXiv 1505.04597): down to see widely, up to see finely. Built in lesson 06."""

from __future__ import annotations

import math
from itertools import count, pairwise

import torch
from torch import nn
from torch.nn import functional as F

from segedu.models.layers import Normalise, conv_bn_relu


class UNet(nn.Module):
    """Logits (N, num_classes, H, W) for pictures (N, in_channels, H, W) in 0…1.

    `depth` times two convolutions and a 2×2 max pool lead down, and each time the channels double; two convolutions
    work at the bottom; `depth` times a 2×2 transposed convolution doubles height and width and halves the channels,
    what was seen at this size on the way down is put beside it (the skip), and two convolutions join both.

    width:   channels at full size.     depth: how often height and width are halved, ≥ 1.
    padding: True: 3×3 convolutions keep the size, and any H, W will do: the picture is continued at its right and lower
             edge, by repeating the last column and row, to multiples of stride · 2^depth, and the logits are cut back
             to (H, W). False, as in the paper: each 3×3 convolution loses a pixel at every edge, so the logits belong
             to the middle of the picture; `output_size` says how many there are, and which sizes do not work.
    stride:  1 works at the picture's full size, as in the paper. 2 works at half of it, about three times as fast at
             the same width: the pixels of each 2×2 square go in as the channels of one place, and each place gives the
             scores of its four pixels (as Shi et al., arXiv 1609.05158, section 3.2). 4 and 8 likewise.
    stem:    how the picture gets to half or a quarter of its size. "shuffle": see stride. "strided": by 3×3
             convolutions with stride 2, whose channels double up to `width`; with padding only.
    upsampling: how maps and scores are enlarged. "shuffle": by weights that each pixel has of its own, in transposed
             convolutions and in the scores of a place's pixels, so lines one pixel wide can be drawn. "bilinear":
             bilinearly, maps after a 1×1 convolution that halves their channels, scores from one a place and class.
    convolutions: how many 3×3 convolutions work at each size, 2 as in the paper or 1.
    batch_norm: batch normalisation between convolution and ReLU; the paper has none.
    residual:   each pair of convolutions adds to its input (through a 1×1 convolution) instead of replacing it.
    skips:      False leaves the skips away. Enlarging then keeps its channels instead of halving them, so that the
                convolutions after it are as wide as with skips, and there are more parameters, not fewer.
    dropout:    the probability at the end of the contracting path: in the last map before the last pool, and at the
                bottom.
    All weights start Gaussian with standard deviation √(2/N), N the connections into one unit (section 3 of the paper).
    Raises ValueError for another stride, stem or upsampling, a depth or convolutions under 1, and for a picture whose
    size `output_size` refuses.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 3,
        width: int = 8,
        depth: int = 4,
        padding: bool = True,
        stride: int = 1,
        stem: str = "shuffle",
        upsampling: str = "shuffle",
        convolutions: int = 2,
        batch_norm: bool = True,
        residual: bool = False,
        skips: bool = True,
        dropout: float = 0.0,
    ):
        super().__init__()
        if depth < 1:
            raise ValueError(f"depth={depth} should be at least 1: so often a U-Net halves the height and width.")
        if stride not in (1, 2, 4, 8):
            raise ValueError(f"stride={stride} should be 1, 2, 4 or 8: it works at such a part of the size.")
        if convolutions < 1:
            raise ValueError(f"convolutions={convolutions} should be at least 1: so many work at each size.")
        if upsampling not in ("shuffle", "bilinear"):
            raise ValueError(f"upsampling={upsampling!r} is unknown; a U-Net has 'shuffle' and 'bilinear'.")
        if stem not in ("shuffle", "strided") or (stem == "strided" and not padding):
            raise ValueError(f"stem={stem!r} is unknown here; a U-Net has 'shuffle' and, with padding, 'strided'.")
        self.config = {
            "num_classes": num_classes, "in_channels": in_channels, "width": width, "depth": depth, "padding": padding,
            "stride": stride, "stem": stem, "upsampling": upsampling, "convolutions": convolutions,
            "batch_norm": batch_norm, "residual": residual, "skips": skips, "dropout": dropout,
        }  # fmt: skip
        self.depth, self.padding, self.stride, self.skips = depth, padding, stride, skips
        self.lost = 0 if padding else 2 * convolutions  # rows that the convolutions of one size take away
        self.bilinear = upsampling == "bilinear"
        channels = [width * 2**level for level in range(depth + 1)]

        def block(inputs: int, outputs: int) -> nn.Module:
            layers = chained([inputs] + [outputs] * convolutions, padding=padding, batch_norm=batch_norm)
            return Residual(layers, inputs, outputs) if residual else layers

        def twice(inputs: int, outputs: int) -> nn.Module:
            if not self.bilinear:
                return nn.ConvTranspose2d(inputs, outputs, 2, stride=2)
            return nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.Upsample(scale_factor=2, mode="bilinear"))

        self.normalise = Normalise(in_channels)
        if stem == "shuffle":
            first, self.stem = in_channels * stride**2, nn.PixelUnshuffle(stride)
        else:  # the channels double with each halving, up to width
            halving = [in_channels] + [width * 2**step // stride for step in range(1, stride.bit_length())]
            first, self.stem = halving[-1], chained(halving, stride=2, batch_norm=batch_norm)
        self.down = nn.ModuleList(block(i, o) for i, o in pairwise([first, *channels[:-1]]))
        self.bottom = block(channels[-2], channels[-1])
        self.dropout = nn.Dropout(dropout)
        self.enlarge = nn.ModuleList(twice(2 * c, c if skips else 2 * c) for c in reversed(channels[:-1]))
        self.up = nn.ModuleList(block(2 * c, c) for c in reversed(channels[:-1]))
        self.score = nn.Conv2d(width, num_classes if self.bilinear else num_classes * stride**2, 1)
        self.apply(start_gaussian)

    @classmethod
    def paper(cls, num_classes: int = 2, in_channels: int = 1) -> UNet:
        """U-Net as published: (N, in_channels, 572, 572) in 0…1 → logits (N, num_classes, 388, 388).

        23 convolutions without padding, 64 … 1024 channels, ReLU, no batch normalisation, dropout ½: 31,030,658
        parameters with one channel in and two classes. Other sizes: see `output_size`.
        The paper does not say how grey values come in; (grey − ½)/¼ gives them about the unit variance that its
        initial weights are meant to keep. The authors' release differs from the paper's figure in one more ReLU, after
        each transposed convolution; this is the figure.
        """
        return cls(num_classes, in_channels=in_channels, width=64, padding=False, batch_norm=False, dropout=0.5)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.normalise(image)
        height, width = self.output_size(image.shape[-2:])
        if self.padding:
            multiple = self.stride * 2**self.depth
            x = F.pad(x, (0, -width % multiple, 0, -height % multiple), mode="replicate")
        # The channels of a pixel side by side in memory: a quarter faster on a CPU, where channels are few.
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        seen = []
        for level, convolutions in enumerate(self.down, start=1):
            x = convolutions(x)
            if level == self.depth:
                x = self.dropout(x)
            seen.append(x)
            x = F.max_pool2d(x, 2)
        x = self.dropout(self.bottom(x))
        for enlarge, convolutions in zip(self.enlarge, self.up, strict=True):
            x, skip = enlarge(x), seen.pop()
            if self.skips:
                x = torch.cat([crop(skip, x), x], dim=1)
            x = convolutions(x)
        scores = self.score(x)
        if self.bilinear:
            scores = F.interpolate(scores, scale_factor=self.stride, mode="bilinear")
        else:
            scores = F.pixel_shuffle(scores, self.stride)
        return scores[..., :height, :width]

    def output_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """The (height, width) of the logits for a picture of (height, width) `size`.

        With padding it is `size`. Without, it is the middle of the picture: 572 → 388, a picture 184 pixels larger than
        the logits at depth 4; every pool must see an even size, and something must be left.
        Raises ValueError that names the next size that works.
        """
        if self.padding:
            return tuple(size)
        form = self.depth, self.stride, self.lost
        output = tuple(unpadded(side, *form) for side in size)
        if None in output:
            works = tuple(next(n for n in count(side) if unpadded(n, *form)) for side in size)
            raise ValueError(
                f"A picture of {size[0]} × {size[1]} pixels does not fit an unpadded U-Net of depth {self.depth}: each "
                f"pool must see an even size, and something must be left. The next size that fits is {works[0]} × "
                f"{works[1]}; mirror the borders to reach it, or use padding=True."
            )
        return output


class Residual(nn.Module):
    """Convolutions whose result is added to what went in (He et al., arXiv 1512.03385, section 3.2)."""

    def __init__(self, convolutions: nn.Sequential, in_channels: int, out_channels: int):
        super().__init__()
        self.convolutions = convolutions[:-1]  # the last ReLU comes after the sum
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        change = self.convolutions(x)
        return F.relu(crop(self.shortcut(x), change) + change)


def chained(channels: list[int], **form) -> nn.Sequential:
    """The layers of 3×3 convolutions from each of `channels` to the next, in one row; form: see `conv_bn_relu`."""
    return nn.Sequential(*(layer for i, o in pairwise(channels) for layer in conv_bn_relu(i, o, **form)))


def crop(larger: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """The middle of (N, C, H, W) `larger`, as high and wide as `like`; all of it where both have one size."""
    top, left = ((a - b) // 2 for a, b in zip(larger.shape[-2:], like.shape[-2:], strict=True))
    return larger[..., top : top + like.shape[-2], left : left + like.shape[-1]]


def unpadded(side: int, depth: int, stride: int = 1, lost: int = 4) -> int | None:
    """How many pixels of `side` come out of an unpadded U-Net; None where a pool meets an odd size or nothing is left.

    lost: how many the convolutions of one size take away; two 3×3 convolutions take 4.
    """
    if side % stride:
        return None
    side //= stride
    for _ in range(depth):
        side -= lost
        if side % 2:
            return None
        side //= 2
    side -= lost
    for _ in range(depth):
        side = 2 * side - lost
    return stride * side if side > 0 else None


def start_gaussian(layer: nn.Module) -> None:
    """Weights of a convolution from a Gaussian of standard deviation √(2/N), biases zero (paper, section 3)."""
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
