"""What every architecture shares: how a picture comes in, a convolution, sizes that make sense, wrappers taken off."""

from __future__ import annotations

import operator
import reprlib

import numpy as np
import torch
from torch import nn

# Mean and standard deviation of ImageNet's pictures (red, green, blue in 0…1), as torchvision's models use them.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
MOST = 65536  # channels, classes, places: more is a slip, or a file that wants the whole memory


def whole(least: int = 1, most: int = MOST, **sizes) -> tuple[int, ...]:
    """The sizes, given by their names, as Python's whole numbers; numpy's come out as such, too.

    Raises ValueError that names the first which is no whole number (True is none) or not in least … most.
    """
    for name, size in sizes.items():
        try:
            number = None if isinstance(size, bool | np.bool_) else operator.index(size)
        except TypeError:
            number = None
        if number is None or not least <= number <= most:
            raise ValueError(f"{name}={reprlib.repr(size)} should be a whole number from {least} to {most}.")
    return tuple(operator.index(size) for size in sizes.values())


def unwrapped(model: nn.Module) -> nn.Module:
    """The model itself, out of DataParallel, DistributedDataParallel and torch.compile, also one in another."""
    while True:
        if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            model = model.module
        elif isinstance(getattr(model, "_orig_mod", None), nn.Module):  # torch.compile's
            model = model._orig_mod
        else:
            return model


class Normalise(nn.Module):
    """(N, in_channels, H, W) in 0…1 → the same, shifted and scaled channel by channel.

    Three channels take ImageNet's numbers; any other count takes 0.5 and 0.25. They are buffers: saved, never trained.
    """

    def __init__(self, in_channels: int):
        super().__init__()
        mean, std = (IMAGENET_MEAN, IMAGENET_STD) if in_channels == 3 else ((0.5,) * in_channels, (0.25,) * in_channels)
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        if image.ndim != 4 or image.shape[1] != self.mean.shape[1]:
            way_out = "one picture (C, H, W) becomes a batch of one with image[None]."
            if image.ndim == 4:
                way_out = f"for {image.shape[1]} channels build it with in_channels={image.shape[1]}."
            raise ValueError(
                f"This model takes pictures (N, {self.mean.shape[1]}, H, W), got shape {tuple(image.shape)}; {way_out}"
            )
        return (image - self.mean) / self.std


def convolution(
    in_channels: int,
    out_channels: int,
    *,
    kernel: int = 3,
    stride: int = 1,
    dilation: int = 1,
    padding: bool = True,
    batch_norm: bool = True,
) -> nn.Sequential:
    """A convolution that keeps the size (or divides it by `stride`, rounding up), batch normalisation, ReLU.

    kernel: odd; 3 is the usual 3×3. padding=False loses the places at the edges; batch_norm=False has a bias instead.
    """
    pad = dilation * (kernel // 2) if padding else 0
    bias = not batch_norm
    layers = [nn.Conv2d(in_channels, out_channels, kernel, stride, padding=pad, dilation=dilation, bias=bias)]
    if batch_norm:
        layers.append(nn.BatchNorm2d(out_channels))
    return nn.Sequential(*layers, nn.ReLU(inplace=True))
