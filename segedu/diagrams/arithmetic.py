"""Convolution, pooling and upsampling as numbers in squares; each number is what torch computes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from torch.nn import functional as F

from segedu.diagrams.canvas import (
    AMBER,
    GREEN,
    GREY,
    INK,
    LABEL,
    PALE,
    WIDTH,
    arrow,
    box,
    number,
    sheet,
    side_text,
    squares,
    words,
)
from segedu.plotting import BLUE, PURPLE

TINT, HIT = "#D6EAF8", "#FBE3C4"  # a kernel's place on its input, and where its result goes
TINTS = (TINT, HIT, "#DDF1E4", "#F3DFEC")
STRONG = (BLUE, AMBER, GREEN, PURPLE)


def convolution(
    image: torch.Tensor,
    kernel: torch.Tensor,
    *,
    at: tuple[int, int] = (0, 0),
    bias: float = 0.0,
    title: str | None = None,
) -> Figure:
    """A figure of one place of a convolution: the numbers it meets, its products, their sum. Lesson 03.

    Several channels stand one below the other, each with its own layer of the kernel; all their
    products go into one sum.

    Args:
        image: (H, W), or (C, H, W) for up to 3 channels, H and W up to 8; nothing is padded.
        kernel: (k, k) or (C, k, k), k up to 4.
        at: (row, column) of the result that is worked out.
        bias: what is added to the sum.
        title: the figure's.

    Raises:
        ValueError: Where the channels differ, the numbers are too many to be read, or `at` lies
            outside the result.

    Example:
        >>> figure = convolution(torch.arange(25).view(5, 5), torch.ones(3, 3))
    """
    image, kernel = (as_stack(values, name) for values, name in ((image, "image"), (kernel, "kernel")))
    channels, height, width = image.shape
    k = kernel.shape[-1]
    if (
        kernel.shape != (channels, k, k)
        or channels > 3
        or max(height, width) > 8
        or not 1 <= k <= min(4, height, width)
    ):
        raise ValueError(
            f"A picture {tuple(image.shape)} and a kernel {tuple(kernel.shape)} cannot be drawn; both need the same 1 "
            "to 3 channels, the picture at most 8 rows and columns, the kernel at most 4 and no more than the picture."
        )
    result = F.conv2d(image[None], kernel[None], torch.tensor([float(bias)]))[0, 0]
    row, column = at
    if not (0 <= row < len(result) and 0 <= column < result.shape[1]):
        raise ValueError(f"at={at} lies outside the result of {result.shape[0]} × {result.shape[1]} places.")
    side = min(26.0, (WIDTH - 150) / (width + 2 * k + result.shape[1]))
    size = 9 if side >= 22 else 8
    pitch = max(height, k + 1) * side + 26
    figure, axis = sheet(40 + 22 + channels * pitch + 30, title or "One place of a convolution")
    x_kernel, x_product = 4 + width * side + 30, 4 + (width + k) * side + 60
    x_result = x_product + k * side + 56
    tall = channels * pitch - 26
    names = (
        ("input", 4, width),
        ("kernel", x_kernel, k),
        ("products", x_product, k),
        ("output", x_result, result.shape[1]),
    )
    for name, x, count in names:
        words(axis, x + count * side / 2, 44, name, size=LABEL, colour=GREY)
    for channel in range(channels):
        top = 60 + channel * pitch
        inside = np.full((height, width), "white", object)
        inside[row : row + k, column : column + k] = TINT
        squares(axis, image[channel], 4, top, side, faces=inside, size=size)
        box(axis, 4 + column * side, top + row * side, k * side, k * side, edge=BLUE, line=1.8, zorder=4)
        middle = top + height * side / 2
        squares(axis, kernel[channel], x_kernel, middle - k * side / 2, side, faces=PALE, size=size)
        products = image[channel, row : row + k, column : column + k] * kernel[channel]
        squares(axis, products, x_product, middle - k * side / 2, side, faces=TINT, size=size)
        words(axis, x_kernel - 15, middle, "×", size=11)
        words(axis, x_product - 15, middle, "=", size=11)
        words(axis, x_product + k * side / 2, middle + k * side / 2 + 12, f"sum {number(products.sum().item())}")
        arrow(axis, (x_product + k * side + 8, middle), (x_result - 10, 60 + tall / 2 + 8 * (channel - channels / 2 + 0.5)),
              colour=INK)  # fmt: skip
    faces = np.full(tuple(result.shape), "white", object)
    faces[row, column] = HIT
    top = 60 + tall / 2 - len(result) * side / 2
    squares(axis, result, x_result, top, side, faces=faces, size=size)
    box(axis, x_result + column * side, top + row * side, side, side, edge=AMBER, line=1.8, zorder=4)
    sums = [(image[c, row : row + k, column : column + k] * kernel[c]).sum().item() for c in range(channels)]
    parts = [number(value) for value in sums] + ([f"bias {number(bias)}"] if bias else [])
    if len(parts) > 1:
        text = " + ".join(parts) + f" = {number(result[row, column].item())}"
        words(axis, x_result + result.shape[1] * side / 2, top + len(result) * side + 16, text, size=LABEL)
    return figure


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
            inner = np.unravel_index(int(square.argmax()), (size, size))
            box(axis, 4 + (column * size + inner[1]) * side + 3, 48 + (row * size + inner[0]) * side + 3, side - 6, side - 6,
                edge=INK, line=1.2, zorder=4)  # fmt: skip
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
        >>> figure = transposed_convolution(torch.tensor([[1, 2], [3, 4]]), bilinear_kernel(2))
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
    return (stamped_row if line else stamped_map)(values, kernel, steps, pads, whole, result, title)


def stamped_row(values, kernel, steps, pads, whole, result, title) -> Figure:
    """One stamp a line below its number, and their sum below all."""
    count, k, stride, cut = values.shape[1], kernel.shape[1], steps[1], pads[1]
    side = min(34.0, (WIDTH - 150) / whole.shape[1])
    figure, axis = sheet(70 + (count + 2.4) * (side + 4) + 16, title or f"Transposed convolution, stride {stride}")
    words(axis, 4, 44 + side / 2, "input × kernel", size=LABEL, ha="left", colour=GREY)
    left = 150.0
    for place in range(count):
        top = 44 + place * (side + 6)
        squares(axis, values[:, place : place + 1], left - side - 14 + 0, top, side, faces=TINTS[place % 4], size=9)
        stamp = values[0, place] * kernel
        squares(axis, stamp, left + place * stride * side, top, side, faces=TINTS[place % 4], size=9)
    top = 44 + count * (side + 6) + 14
    words(axis, 4, top + side / 2, "sum", size=LABEL, ha="left", colour=GREY)
    squares(axis, whole, left, top, side, size=9)
    if cut:
        for x in (left, left + (whole.shape[1] - cut) * side):
            box(axis, x, top, cut * side, side, face="white", edge="none", alpha=0.75, zorder=5)
        box(axis, left + cut * side, top, result.shape[1] * side, side, line=1.8, zorder=6)
    length = f"({count} − 1) · {stride} + {k}" + (f" − 2 · {cut}" if cut else "") + f" = {result.shape[1]} places"
    words(axis, left, top + side + 14, length, ha="left")
    return figure


def stamped_map(values, kernel, steps, pads, whole, result, title) -> Figure:
    """The numbers, the kernel, and the sum of all stamps with each stamp's frame."""
    (height, width), k, stride, cut = values.shape, len(kernel), steps[0], pads[0]
    side = min(34.0, (WIDTH - 140) / (width + k + whole.shape[1]))
    figure, axis = sheet(84 + len(whole) * side, title or f"Transposed convolution, stride {stride}")
    x_kernel, x_sum = 4 + width * side + 36, 4 + (width + k) * side + 36 + 64
    for name, x, count in (("input", 4, width), ("kernel", x_kernel, k), ("sum of the stamps", x_sum, whole.shape[1])):
        words(axis, x + count * side / 2, 44, name, size=LABEL, colour=GREY)
    middle = 58 + len(whole) * side / 2
    tints = [[TINTS[(row * width + column) % 4] for column in range(width)] for row in range(height)]
    squares(axis, values, 4, middle - height * side / 2, side, faces=tints, size=9)
    words(axis, x_kernel - 18, middle, "×", size=11)
    squares(axis, kernel, x_kernel, middle - k * side / 2, side, faces=PALE, size=8)
    arrow(axis, (x_kernel + k * side + 12, middle), (x_sum - 12, middle), colour=GREEN, line=1.3)
    squares(axis, whole, x_sum, 58, side, size=8)
    for number_, (row, column) in enumerate(np.ndindex(height, width)):
        inset = 2.5 + 2.5 * (number_ % 2)
        box(axis, x_sum + column * stride * side + inset, 58 + row * stride * side + inset, k * side - 2 * inset,
            k * side - 2 * inset, edge=STRONG[number_ % 4], line=1.6, zorder=4)  # fmt: skip
    if cut:
        box(
            axis,
            x_sum + cut * side,
            58 + cut * side,
            result.shape[1] * side,
            result.shape[0] * side,
            line=2.2,
            zorder=6,
        )
    words(axis, x_sum + whole.shape[1] * side / 2, 58 + len(whole) * side + 14,
          f"({height} − 1) · {stride} + {k}" + (f" − 2 · {cut}" if cut else "") + f" = {len(result)} rows")  # fmt: skip
    return figure


def dilation(rates: Sequence[int] = (1, 2, 4), *, kernel: int = 3, title: str | None = None) -> Figure:
    """A figure of the places that a kernel meets at several rates, on the grid of its input. Lesson 03.

    Args:
        rates: how far apart the weights lie, up to four rates, each 1 to 8.
        kernel: the kernel's side, odd.
        title: the figure's.

    Raises:
        ValueError: For more rates, or others.

    Example:
        >>> figure = dilation((1, 2, 4))
    """
    rates = list(rates)
    if not 1 <= len(rates) <= 4 or not all(1 <= rate <= 8 for rate in rates) or kernel % 2 == 0:
        raise ValueError(f"rates={rates} and kernel={kernel}: give one to four rates from 1 to 8, and an odd kernel.")
    seen = [met(kernel, rate) for rate in rates]
    places = max(len(one) for one in seen) + 2
    gap = 24
    panel = min(235.0, (WIDTH - 8 - gap * (len(rates) - 1)) / len(rates))
    side = panel / places
    figure, axis = sheet(92 + panel, title or f"One {kernel}×{kernel} kernel, spread")
    for number_, (rate, one) in enumerate(zip(rates, seen, strict=True)):
        left, top, start = 4 + number_ * (panel + gap), 56, (places - len(one)) // 2
        words(axis, left, 44, f"rate {rate}", size=LABEL, ha="left")
        for row, column in np.ndindex(places, places):
            box(axis, left + column * side, top + row * side, side, side, edge="#D0D0D0", line=0.5)
        for row, column in np.argwhere(one):
            box(
                axis,
                left + (start + column) * side,
                top + (start + row) * side,
                side,
                side,
                face=BLUE,
                edge="white",
                line=0.5,
            )
        box(
            axis,
            left + start * side,
            top + start * side,
            len(one) * side,
            len(one) * side,
            edge=INK,
            line=1.4,
            zorder=4,
        )
        words(axis, left + panel / 2, top + panel + 14, f"{one.sum()} weights, {side_text(len(one), len(one))} places wide",
              colour=GREY)  # fmt: skip
    return figure


def met(kernel: int, rate: int) -> np.ndarray:
    """(size, size) booleans: the places that change a dilated convolution's one output, by its gradient."""
    size = (kernel - 1) * rate + 1
    image = torch.zeros(1, 1, size, size, requires_grad=True)
    with torch.enable_grad():
        F.conv2d(image, torch.ones(1, 1, kernel, kernel), dilation=rate).sum().backward()
    return image.grad[0, 0].numpy() > 0


def as_stack(values, name: str) -> torch.Tensor:
    """(C, H, W) floats of (H, W) or (C, H, W)."""
    values = torch.as_tensor(values).detach().float()
    values = values[None] if values.ndim == 2 else values
    if values.ndim != 3 or 0 in values.shape:
        raise ValueError(f"{name} should be (H, W) or (C, H, W), got shape {tuple(values.shape)}.")
    return values
