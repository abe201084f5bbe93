"""A convolution as numbers in squares; each number is what torch computes."""

from __future__ import annotations

from collections.abc import Sequence

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
    number,
    sheet,
    squares,
    words,
)
from segedu.plotting import BLUE

TINT, HIT = TINTS[:2]  # a kernel's place on its input, and where its result goes


def convolution(
    image: torch.Tensor,
    kernel: torch.Tensor,
    *,
    at: tuple[int, int] = (0, 0),
    bias: float = 0.0,
    title: str | None = None,
) -> Figure:
    """A figure of one place of a convolution: numbers, products, and their sum. Lesson 03.

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
    side = min(34.0, (WIDTH - 150) / (width + 2 * k + result.shape[1]))
    pitch = max(height, k + 1) * side + 20
    tall = channels * pitch - 20
    figure, axis = sheet(60 + tall + 18, title or "One place of a convolution")
    x_kernel, x_product = 4 + width * side + 34, 4 + (width + k) * side + 68
    x_result = x_product + k * side + 70
    headings = {"input": (4, width), "kernel": (x_kernel, k), "products": (x_product, k)}
    for name, (x, count) in headings.items():
        words(axis, x + count * side / 2, 44, name, size=LABEL, colour=GREY)
    inside = np.full((height, width), "white", object)
    inside[row : row + k, column : column + k] = TINT
    sums = []
    for channel in range(channels):
        top = 60 + channel * pitch
        middle = top + height * side / 2
        products = image[channel, row : row + k, column : column + k] * kernel[channel]
        sums.append(number(products.sum().item()))
        squares(axis, image[channel], 4, top, side, faces=inside)
        box(axis, 4 + column * side, top + row * side, k * side, k * side, edge=BLUE, line=1.8, zorder=4)
        squares(axis, kernel[channel], x_kernel, middle - k * side / 2, side, faces=PALE)
        squares(axis, products, x_product, middle - k * side / 2, side, faces=TINT)
        words(axis, x_kernel - 17, middle, "×", size=TITLE)
        words(axis, x_product - 17, middle, "=", size=TITLE)
        words(axis, x_product + k * side / 2, middle + k * side / 2 + 12, f"sum {sums[-1]}")
        aim = 60 + tall / 2 + 10 * (channel - (channels - 1) / 2)
        arrow(axis, (x_product + k * side + 10, middle), (x_result - 12, aim))
    top = 60 + tall / 2 - len(result) * side / 2
    words(axis, x_result + result.shape[1] * side / 2, top - 16, "output", size=LABEL, colour=GREY)
    faces = np.full(tuple(result.shape), "white", object)
    faces[row, column] = HIT
    squares(axis, result, x_result, top, side, faces=faces)
    box(axis, x_result + column * side, top + row * side, side, side, edge=AMBER, line=1.8, zorder=4)
    parts = sums + ([number(bias)] if bias else [])
    if len(parts) > 1:
        text = " + ".join(parts).replace("+ −", "− ") + f" = {number(result[row, column].item())}"
        words(axis, x_result, top + len(result) * side + 16, text, size=LABEL, ha="left")
        if bias:
            note = f"(the last, {parts[-1]}, is the bias)"
            words(axis, x_result, top + len(result) * side + 33, note, ha="left", colour=GREY)
    return figure


def dilation(rates: Sequence[int] = (1, 2, 4), *, kernel: int = 3, title: str | None = None) -> Figure:
    """A figure of the places that a kernel meets at several rates. Lesson 03.

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
    for panel_number, (rate, one) in enumerate(zip(rates, seen, strict=True)):
        left, top = 4 + panel_number * (panel + gap), 56
        words(axis, left, 44, f"rate {rate}", size=LABEL, ha="left")
        for row, column in np.ndindex(places, places):
            box(axis, left + column * side, top + row * side, side, side, edge="#D0D0D0", line=0.5)
        inset = (places - len(one)) // 2 * side
        for row, column in np.argwhere(one):
            x, y = left + inset + column * side, top + inset + row * side
            box(axis, x, y, side, side, face=BLUE, edge="white", line=0.5)
        wide = len(one) * side
        box(axis, left + inset, top + inset, wide, wide, line=1.4, zorder=4)
        text = f"{one.sum()} weights in {len(one)}×{len(one)} places"
        words(axis, left + panel / 2, top + panel + 14, text, colour=GREY)
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
