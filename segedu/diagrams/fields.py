"""The window that one output sees, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from torch import nn
from torch.nn import functional as F

from segedu.diagrams.canvas import GREY, LABEL, WIDTH, box, sheet, words
from segedu.plotting import BLUE

MOST_LAYERS, MOST_PIXELS = 10, 200


def receptive_field(layers: Sequence[tuple[int, int, int]] | nn.Module, *, title: str | None = None) -> Figure:
    """A figure of what one output sees, one row of places a layer, down to the picture. Lesson 03.

    Which places are seen is measured: the gradient of the one output says what can change it.

    Args:
        layers: (kernel, stride, dilation) of each layer in its order, or a module whose
            convolutions and poolings follow one another; its branches and skips are left out.
        title: the figure's.

    Raises:
        ValueError: For no layer, more than ten, and a field of more than 200 pixels.

    Example:
        >>> figure = receptive_field([(3, 1, 1), (2, 2, 1), (3, 1, 1)])
    """
    layers = in_a_row(layers) if isinstance(layers, nn.Module) else [tuple(layer) for layer in layers]
    if not 1 <= len(layers) <= MOST_LAYERS:
        raise ValueError(f"There are {len(layers)} layers; 1 to {MOST_LAYERS} can be drawn.")
    fields = [seen(layers[first:]) for first in range(len(layers) + 1)]
    if len(fields[0]) > MOST_PIXELS:
        raise ValueError(f"The receptive field is {len(fields[0])} pixels wide; up to {MOST_PIXELS} can be drawn.")
    left, right, pitch = 130, WIDTH - 70, 44
    pixel = min(20.0, (right - left) / len(fields[0]))  # the width of one of the picture's pixels
    steps = pixel * np.cumprod([1] + [stride for _, stride, _ in layers])
    tall = min(max(pixel, 8.0), 16.0)
    figure, axis = sheet(58 + pitch * len(layers) + tall + 10, title or "What one output sees")
    words(axis, WIDTH - 4, 36, "places", size=LABEL, ha="right", colour=GREY)
    ends = []
    for layer in reversed(range(len(fields))):
        y = 46 + pitch * (len(layers) - layer)
        field, step = fields[layer], steps[layer]
        first = (left + right) / 2 - (len(field) - 1) * step / 2
        for place, hit in enumerate(field):
            box(axis, first + (place - 0.5) * step, y, step, tall, face=BLUE if hit else "white",
                edge="white" if hit else "#BBBBBB", line=min(0.5, pixel / 10))  # fmt: skip
        ends.append((first - step / 2, first + (len(field) - 0.5) * step, y))
        name = "one output" if layer == len(layers) else "the picture" if layer == 0 else ""
        words(axis, 4, y + tall / 2, name, ha="left", size=LABEL)
        words(axis, WIDTH - 4, y + tall / 2, f"{len(field)}", ha="right", size=LABEL)
        if layer:
            words(axis, 4, y + tall / 2 + pitch / 2, in_words(layers[layer - 1]), ha="left", colour=GREY)
    for (a, b, y), (c, d, below) in pairwise(ends):
        corners = [(a, y + tall), (b, y + tall), (d, below), (c, below)]
        axis.add_patch(Polygon(corners, facecolor="#E3EEF6", edgecolor=BLUE, linewidth=0.6, zorder=1))
    return figure


def seen(layers: Sequence[tuple[int, int, int]]) -> np.ndarray:
    """Which places in a row, from the first to the last of them, can change one output of the layers: booleans."""
    size = 1
    for kernel, stride, dilation in reversed(layers):
        size = (size - 1) * stride + (kernel - 1) * dilation + 1
    row = torch.zeros(1, 1, size).requires_grad_()
    with torch.enable_grad():
        out = row * 1
        for kernel, stride, dilation in layers:
            out = F.conv1d(out, torch.ones(1, 1, kernel), stride=stride, dilation=dilation)
        out.sum().backward()
    places = np.flatnonzero(row.grad[0, 0].numpy() > 0)
    return row.grad[0, 0].numpy()[places[0] : places[-1] + 1] > 0


def in_a_row(model: nn.Module) -> list[tuple[int, int, int]]:
    """(kernel, stride, dilation) of each convolution and pooling of a module that looks beyond its place, in order."""
    found = []
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
            layer = tuple(first_of(getattr(module, name, 1)) for name in ("kernel_size", "stride", "dilation"))
            found += [layer] if layer[:2] != (1, 1) else []
    return found


def first_of(size: int | tuple[int, int]) -> int:
    """The first of (rows, columns), or the number itself."""
    return size[0] if isinstance(size, tuple) else size


def in_words(layer: tuple[int, int, int]) -> str:
    """3×3, stride 2, rate 4; a stride and a rate of 1 go without saying."""
    kernel, stride, dilation = layer
    stride, rate = (
        f", {name} {value}" if value > 1 else "" for name, value in (("stride", stride), ("rate", dilation))
    )
    return f"{kernel}×{kernel}{stride}{rate}"
