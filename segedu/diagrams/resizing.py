"""Pooling and the transposed convolution as numbers in squares; each number is what torch computes."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.figure import Figure
from torch.nn import functional as F

from segedu.diagrams.canvas import (
    AMBER,
    GREY,
    LABEL,
    PALE,
    TINTS,
    TITLE,
    WIDTH,
    arrow,
    box,
    sheet,
    squares,
    words,
)
from segedu.diagrams.convolutions import as_stack
from segedu.plotting import BLUE, GREEN, PURPLE

STAMPS = (BLUE, AMBER, GREEN, PURPLE)


def pooling(values: torch.Tensor, *, size: int = 2, kind: str = "max", title: str | None = None) -> Figure:
    """A figure of pooling: each size × size square of numbers, and the one that is left. Lesson 03.

    Args:
        values: (H, W), H and W whole multiples of size, up to 8.
        size: the square's side, which is the stride, too.
        kind: "max" or "mean".
        title: the figure's.

    Raises:
        ValueError: For another kind, and for values that do not divide into such squares.

    Example:
        >>> figure = pooling(torch.arange(16).view(4, 4))
    """
    values = as_stack(values, "values")
    if kind not in ("max", "mean"):
        raise ValueError(f"kind={kind!r} is unknown; pooling takes the 'max' or the 'mean'.")
    if len(values) != 1 or max(values.shape) > 8 or values.shape[1] % size or values.shape[2] % size:
        raise ValueError(f"Values {tuple(values.shape)} do not divide into squares of {size}; give (H, W) up to 8 × 8.")
    pooled = (F.max_pool2d if kind == "max" else F.avg_pool2d)(values, size)[0]
    values, side = values[0], 30.0
    height, width = values.shape
    faces = [[TINTS[2 * (row // size % 2) + column // size % 2] for column in range(width)] for row in range(height)]
    small = [[TINTS[2 * (row % 2) + column % 2] for column in range(width // size)] for row in range(height // size)]
    figure, axis = sheet(60 + height * side + 14, title or f"{kind.capitalize()} pooling, {size}×{size}, stride {size}",
                         width=2 * 4 + (width + width // size) * side + 70)  # fmt: skip
    squares(axis, values, 4, 48, side, faces=faces, size=9)
    for row, column in np.ndindex(height // size, width // size):
        box(axis, 4 + column * size * side, 48 + row * size * side, size * side, size * side, line=1.4, zorder=4)
        if kind == "max":
            square = values[row * size : (row + 1) * size, column * size : (column + 1) * size]
            down, across = np.unravel_index(int(square.argmax()), (size, size))
            x, y = 4 + (column * size + across) * side + 3, 48 + (row * size + down) * side + 3
            box(axis, x, y, side - 6, side - 6, line=1.2, zorder=4)
    left, top = 4 + width * side + 60, 48 + (height - height // size) * side / 2
    arrow(axis, (left - 46, 48 + height * side / 2), (left - 12, 48 + height * side / 2))
    squares(axis, pooled, left, top, side, faces=small, size=9)
    return figure


def transposed_convolution(
    values: torch.Tensor, kernel: torch.Tensor, *, stride: int = 2, padding: int = 0, title: str | None = None
) -> Figure:
    """A figure of a transposed convolution: each number stamps the kernel, stamps add up. Lesson 03.

    `layers.bilinear_kernel(2)` as kernel is bilinear enlarging.

    Args:
        values: (H, W) or a row (W,), up to 3 × 3.
        kernel: (k, k), k up to 4; for a row (k,).
        stride: how many places lie between two stamps.
        padding: how many rows and columns are cut off at each edge of the result.
        title: the figure's.

    Raises:
        ValueError: For values and kernels of other sizes.

    Example:
        >>> figure = transposed_convolution(torch.tensor([1, 2, 4]), torch.tensor([0.5, 1, 0.5]))
    """
    values, kernel = torch.as_tensor(values).float(), torch.as_tensor(kernel).float()
    line = values.ndim == kernel.ndim == 1
    values, kernel = (values[None], kernel[None]) if line else (values, kernel)
    if values.ndim != 2 or kernel.ndim != 2 or max(values.shape) > (6 if line else 3) or max(kernel.shape) > 4:
        raise ValueError(
            f"Values {tuple(values.shape)} and a kernel {tuple(kernel.shape)} cannot be drawn; give values up to 3 × 3 "
            "and a kernel up to 4 × 4, or a row of each."
        )
    pads = (0, padding) if line else (padding, padding)
    steps = (1, stride) if line else (stride, stride)
    whole = F.conv_transpose2d(values[None, None], kernel[None, None], stride=steps)[0, 0]
    result = F.conv_transpose2d(values[None, None], kernel[None, None], stride=steps, padding=pads)[0, 0]
    return (stamped_row if line else stamped_map)(values, kernel, stride, padding, whole, result, title)


def stamped_row(values, kernel, stride: int, cut: int, whole, result, title: str | None) -> Figure:
    """One stamp a line behind its number, and their sum below all."""
    count, k, left = values.shape[1], kernel.shape[1], 170.0
    side = min(36.0, (WIDTH - 4 - left) / whole.shape[1])
    pitch = side + 6
    figure, axis = sheet(64 + (count + 1) * pitch + 44, title or f"Transposed convolution, stride {stride}")
    words(axis, left - side / 2 - 16, 44, "input", size=LABEL, colour=GREY)
    words(axis, left, 44, "times the kernel", size=LABEL, colour=GREY, ha="left")
    for place in range(count):
        top = 58 + place * pitch
        squares(axis, values[:, place : place + 1], left - side - 16, top, side, faces=TINTS[place % 4])
        stamp = values[0, place] * kernel
        squares(axis, stamp, left + place * stride * side, top, side, faces=TINTS[place % 4])
    top = 58 + count * pitch + 10
    words(axis, left - 16, top + side / 2, "sum", size=LABEL, ha="right", colour=GREY)
    squares(axis, whole, left, top, side)
    if cut:
        for x in (left, left + (whole.shape[1] - cut) * side):
            box(axis, x, top, cut * side, side, face="white", edge="none", alpha=0.75, zorder=5)
        box(axis, left + cut * side, top, result.shape[1] * side, side, line=1.8, zorder=6)
    words(
        axis, left + cut * side, top + side + 14, length(count, stride, k, cut, result.shape[1]), ha="left", size=LABEL
    )
    return figure


def stamped_map(values, kernel, stride: int, cut: int, whole, result, title: str | None) -> Figure:
    """The numbers, the kernel, and the sum of all stamps with each stamp's frame."""
    (height, width), k = values.shape, len(kernel)
    side = min(38.0, (WIDTH - 150) / (width + kernel.shape[1] + whole.shape[1]))
    figure, axis = sheet(84 + len(whole) * side, title or f"Transposed convolution, stride {stride}")
    x_kernel, x_sum = 4 + width * side + 40, 4 + (width + kernel.shape[1]) * side + 110
    middle = 58 + len(whole) * side / 2
    for name, x, count, rows in (("input", 4, width, height), ("kernel", x_kernel, kernel.shape[1], k)):
        words(axis, x + count * side / 2, middle - rows * side / 2 - 14, name, size=LABEL, colour=GREY)
    words(axis, x_sum + whole.shape[1] * side / 2, 44, "sum of the stamps", size=LABEL, colour=GREY)
    tints = [[TINTS[(row * width + column) % 4] for column in range(width)] for row in range(height)]
    squares(axis, values, 4, middle - height * side / 2, side, faces=tints)
    words(axis, x_kernel - 20, middle, "×", size=TITLE)
    squares(axis, kernel, x_kernel, middle - k * side / 2, side, faces=PALE)
    arrow(axis, (x_sum - 58, middle), (x_sum - 12, middle), colour=GREEN, line=1.3)
    squares(axis, whole, x_sum, 58, side)
    for place, (row, column) in enumerate(np.ndindex(height, width)):
        inset = 1.5 + 1.2 * (place % 4)
        x, y = x_sum + column * stride * side + inset, 58 + row * stride * side + inset
        wide, tall = kernel.shape[1] * side - 2 * inset, k * side - 2 * inset
        box(axis, x, y, wide, tall, edge=STAMPS[place % 4], line=1.6, zorder=4)
    if cut:
        wide, tall = result.shape[1] * side, len(result) * side
        box(axis, x_sum + cut * side, 58 + cut * side, wide, tall, line=2.4, zorder=6)
    text = length(height, stride, k, cut, len(result))
    words(axis, x_sum + whole.shape[1] * side / 2, 58 + len(whole) * side + 14, text, size=LABEL)
    return figure


def length(count: int, stride: int, k: int, cut: int, found: int) -> str:
    """(3 − 1) · 2 + 4 − 2 · 1 = 6 places."""
    return f"({count} − 1) · {stride} + {k}" + (f" − 2 · {cut}" if cut else "") + f" = {found} places"
