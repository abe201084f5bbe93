"""What every architecture shares: the way a picture comes in and the way a model can be built again."""

from __future__ import annotations

import torch
from torch import nn

# Mean and standard deviation of ImageNet's pictures (red, green, blue in 0…1), as torchvision's models use them.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


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
            raise ValueError(
                f"This model takes pictures (N, {self.mean.shape[1]}, H, W), got shape {tuple(image.shape)}; "
                "one picture (C, H, W) becomes a batch of one with image[None]."
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
