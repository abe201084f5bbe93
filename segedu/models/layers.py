"""What the architectures share: a network's contract, its first step, and layers."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.ops import Conv2dNormActivation

from segedu.inputs import whole_number

# Mean and standard deviation of ImageNet's pictures (red, green, blue in 0…1), as torchvision's models use them.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
MOST = 65536  # channels, classes, places: more is a slip, or a file that wants the whole memory


class SegmentationModel(nn.Module):
    """A network's contract: all that fitting, predicting, saving and loading ask of it. Lesson 04.

    - It is built by keywords, and keeps them, with all defaults, as `config`, in values that JSON
      can hold: `type(model)(**model.config)` is the same network, untrained. `segedu.load` finds
      the class by its name in `segedu.models`.
    - It takes pictures (N, in_channels, H, W), floats in 0…1, of any H, W ≥ 32. `in_channels` is in
      `config`, unless it is 3. Normalisation is its own first step, with numbers that are buffers.
    - It gives logits (N, num_classes, H, W); a network that gives more returns a named tuple whose
      field `logits` they are.
    - Fewer logits than pixels come out of one that pads nothing: it overrides `output_size`.
    - `labels` is the LabelTable of what it has learnt, or None: `load` sets it from the file.

    Args:
        **config: The keywords of the network that is built.
    """

    labels = None

    def __init__(self, **config):
        super().__init__()
        self.config = config

    def output_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """The (height, width) of the logits for a picture of (height, width) `size`.

        Raises:
            ValueError: Only from a network that pads nothing: for a size that does not fit.
        """
        return tuple(size)


def whole(least: int = 1, most: int = MOST, **sizes) -> tuple[int, ...]:
    """The sizes, given by their names, as Python's whole numbers, whatever library they are of.

    Raises:
        ValueError: Names the first that is no whole number (True is none), or not in least … most.
    """
    return tuple(whole_number(size, name, least, most, floats=False) for name, size in sizes.items())


def unwrapped(model: nn.Module) -> nn.Module:
    """The model itself, out of (Distributed)DataParallel and torch.compile, also one in another."""
    while True:
        if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            model = model.module
        elif isinstance(getattr(model, "_orig_mod", None), nn.Module):  # torch.compile's
            model = model._orig_mod
        else:
            return model


class Normalise(nn.Module):
    """(N, in_channels, H, W) in 0…1 → the same, shifted and scaled channel by channel. Lesson 04.

    Args:
        in_channels: 3 take ImageNet's numbers; any other count takes 0.5 and 0.25. They are
            buffers: saved, never trained.
    """

    def __init__(self, in_channels: int):
        super().__init__()
        mean, std = (IMAGENET_MEAN, IMAGENET_STD) if in_channels == 3 else ((0.5,) * in_channels, (0.25,) * in_channels)
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, H, W) in 0…1 → (N, in_channels, H, W), about −2…3."""
        if image.ndim != 4 or image.shape[1] != self.mean.shape[1]:
            way_out = "one picture (C, H, W) becomes a batch of one with image[None]."
            if image.ndim == 4:
                way_out = f"for {image.shape[1]} channels build it with in_channels={image.shape[1]}."
            raise ValueError(
                f"This model takes pictures (N, {self.mean.shape[1]}, H, W), got shape {tuple(image.shape)}; {way_out}"
            )
        return (image - self.mean) / self.std


def conv_bn_relu(
    in_channels: int,
    out_channels: int,
    *,
    kernel: int = 3,
    stride: int = 1,
    dilation: int = 1,
    padding: bool = True,
    batch_norm: bool = True,
) -> nn.Sequential:
    """A convolution, batch normalisation and ReLU, one after the other. Lesson 04.

    Args:
        in_channels: Of the map that comes in.
        out_channels: Of the map that goes out.
        kernel: Its side, odd; 3 is the usual 3×3.
        stride: Height and width are divided by it, rounded up.
        dilation: How far apart the kernel's weights lie.
        padding: False loses the places at the edges.
        batch_norm: False has a bias instead.

    Example:
        >>> conv_bn_relu(3, 16, stride=2)(torch.rand(1, 3, 45, 60)).shape
        torch.Size([1, 16, 23, 30])
    """
    norm, pad = nn.BatchNorm2d if batch_norm else None, None if padding else 0  # None: as much as keeps the size
    return Conv2dNormActivation(in_channels, out_channels, kernel, stride, pad, norm_layer=norm, dilation=dilation)


class Backbone(nn.ModuleList):
    """Stages in a row: a picture → its features, a list of the map that each stage gives."""

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """(N, C, H, W) → one map (N, C', h, w) a stage, the finest first."""
        features = []
        for stage in self:
            x = stage(x)
            features.append(x)
        return features


class FixedBilinear(nn.Module):
    """Bilinear upsampling by a transposed convolution that is never trained. Lesson 05.

    (N, channels, h, w) → height (h + 1) · factor − 2 · padding, width alike. At the border it fades
    to zero, where interpolation would repeat the last place.

    Args:
        channels: Of the map.
        factor: Even: how many times as many rows and columns come out.
        padding: factor // 2 gives factor · h rows, each place spread around its own pixels.
    """

    def __init__(self, channels: int, factor: int, *, padding: int = 0):
        super().__init__()
        self.channels, self.factor, self.padding = channels, factor, padding
        self.register_buffer("kernel", bilinear_kernel(factor).expand(channels, 1, -1, -1), persistent=False)

    def forward(self, scores: torch.Tensor) -> torch.Tensor:
        """(N, channels, h, w) → (N, channels, (h + 1) · factor − 2 · padding, …)."""
        return F.conv_transpose2d(scores, self.kernel, stride=self.factor, padding=self.padding, groups=self.channels)


def bilinear_kernel(factor: int) -> torch.Tensor:
    """(2 · factor, 2 · factor) weights of bilinear upsampling: a pyramid whose sum is factor²."""
    distance = (torch.arange(2 * factor) - (factor - 0.5)).abs()
    tent = 1 - distance / factor
    return tent[:, None] * tent[None, :]


def zero_score(in_channels: int, num_classes: int) -> nn.Conv2d:
    """A 1×1 convolution to one score a class that starts at zero: every class is as likely."""
    layer = nn.Conv2d(in_channels, num_classes, 1)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def crop(maps: torch.Tensor, like: torch.Tensor, offset: int = 0) -> torch.Tensor:
    """The part of `maps` as high and wide as `like`, from row and column `offset` on."""
    height, width = like.shape[-2:]
    return maps[..., offset : offset + height, offset : offset + width]


def pad_to_stride(x: torch.Tensor, stride: int, mode: str = "replicate") -> torch.Tensor:
    """(N, C, H, W) with rows below and columns on the right, up to multiples of `stride` plus 1.

    Places of a map of this stride then lie on the first pixel, the last, and every stride-th
    between. Lesson 08.
    """
    height, width = x.shape[-2:]
    return F.pad(x, (0, (1 - width) % stride, 0, (1 - height) % stride), mode=mode)


def upsample(maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Bilinear upsampling to (height, width) `size`: corner places lie on corner pixels."""
    return F.interpolate(maps, size=tuple(size), mode="bilinear", align_corners=True)
