"""Training as pictures: one weight that descends, and a data set cut into batches."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice, pairwise

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch.utils.data import DataLoader

from segedu.diagrams.canvas import GREY, INK, LABEL, RED, SMALL, STRONG_TINTS, WIDTH, box, number, sheet, words
from segedu.plotting import BLUE


def descent(
    loss: Callable[[torch.Tensor], torch.Tensor],
    *,
    start: float,
    rate: float,
    steps: int = 5,
    span: tuple[float, float] | None = None,
    title: str | None = None,
) -> Figure:
    """A figure of a loss over one weight, and gradient descent on it, step by step. Lesson 04.

    Args:
        loss: takes a tensor of one weight, or of many, and gives the loss of each; torch
            differentiates it.
        start: the first weight.
        rate: the learning rate: weight ← weight − rate · slope.
        steps: how many, up to 20.
        span: the smallest and largest weight that are drawn; None for what the steps reach.
        title: the figure's.

    Raises:
        ValueError: For steps outside 1 … 20, and where a step leads to no finite loss.

    Example:
        >>> figure = descent(lambda w: (w - 2) ** 2, start=-1, rate=0.2)
    """
    if not 1 <= steps <= 20:
        raise ValueError(f"steps={steps} should be 1 to 20.")
    weights, losses, slopes = descend(loss, start, rate, steps)
    low, high = span or (min(weights), max(weights))
    room = 0 if span else 0.3 * (high - low) + 1e-6
    grid = torch.linspace(low - room, high + room, 400)
    with torch.no_grad():
        curve = loss(grid).numpy()
    figure, axis = plot(300, title or f"Gradient descent, learning rate {rate:g}")
    axis.plot(grid, curve, color=GREY, linewidth=1.2)
    step = {"arrowstyle": "-|>", "color": RED, "linewidth": 1.2, "shrinkA": 3, "shrinkB": 3}
    points = list(zip(weights, losses, strict=True))
    for before, after in pairwise(points):
        axis.annotate("", after, before, arrowprops=step)
    axis.plot(weights, losses, "o", color=INK, markersize=5, zorder=4)
    reach = 0.08 * (grid[-1] - grid[0]).item()
    tangent = [(start + way, losses[0] + way * slopes[0]) for way in (-reach, reach)]
    axis.plot(*zip(*tangent, strict=True), color=BLUE, linewidth=1.6)
    falls = slopes[0] < 0  # the lower end of the tangent lies on the right then
    axis.annotate(f"slope {number(slopes[0])}", tangent[falls], (-6 if falls else 6, -2), textcoords="offset points",
                  fontsize=LABEL, color=BLUE, ha="right" if falls else "left", va="top")  # fmt: skip
    axis.text(1, 1, f"after {steps} step{'s' * (steps > 1)}: loss {losses[-1]:.3g}", transform=axis.transAxes,
              fontsize=LABEL, color=INK, ha="right", va="bottom")  # fmt: skip
    axis.set_xlabel("weight", fontsize=LABEL)
    axis.set_ylabel("loss", fontsize=LABEL)
    low, high = min(curve.min(), min(losses)), max(curve.max(), max(losses))
    axis.set(xlim=(grid[0], grid[-1]), ylim=(low - 0.08 * (high - low), high + 0.04 * (high - low)))
    return figure


def descend(loss: Callable, start: float, rate: float, steps: int) -> tuple[list[float], list[float], list[float]]:
    """Weights and losses, the first and after each step, and the slope at each."""
    weights, losses, slopes = [float(start)], [], []
    for _ in range(steps + 1):
        weight = torch.tensor(weights[-1], requires_grad=True)
        with torch.enable_grad():
            value = loss(weight)
            (slope,) = torch.autograd.grad(value, weight)
        losses.append(value.item())
        slopes.append(slope.item())
        weights.append(weights[-1] - rate * slope.item())
        if not np.isfinite([losses[-1], weights[-1]]).all():
            raise ValueError(f"After {len(losses) - 1} steps the loss is {losses[-1]}; take fewer, or a smaller rate.")
    return weights[:-1], losses, slopes


def plot(height: float, title: str) -> tuple[Figure, Axes]:
    """A sheet with one plot on it, in the diagrams' sizes, without a box."""
    figure, _ = sheet(height, title, width=520)
    axis = figure.add_axes((0.1, 0.15, 0.87, 0.72))
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=SMALL, colors=GREY)
    return figure, axis


def batch(loader: DataLoader, *, batches: int = 3, title: str | None = None) -> Figure:
    """A figure of a data set in its order, and of the samples each batch takes. Lesson 04.

    Chance is put back: the loader gives the same batches afterwards as it would have without.

    Args:
        loader: with at most 48 samples, and batches of at most 12.
        batches: how many are shown, up to 4.
        title: the figure's.

    Raises:
        ValueError: For more samples than can be drawn.

    Example:
        >>> streets = segedu.datasets.ToyStreet("train", length=12)
        >>> figure = batch(torch.utils.data.DataLoader(streets, batch_size=4, shuffle=True))
    """
    count, generator = len(loader.dataset), loader.generator
    state = None if generator is None else generator.get_state()
    # the same loader of bare numbers: it draws from chance what the loader itself would draw
    numbers = DataLoader(range(count), batch_sampler=loader.batch_sampler, generator=generator, collate_fn=list)
    with torch.random.fork_rng(devices=[]):
        taken = list(islice(numbers, batches))
        shapes = [tuple(loader.collate_fn([loader.dataset[index] for index in indices])[0].shape) for indices in taken]
    if state is not None:
        generator.set_state(state)
    if count > 48 or not 1 <= len(taken) <= 4 or max(map(len, taken)) > 12:
        raise ValueError(f"{count} samples in batches of {max(map(len, taken), default=0)} are too many to be drawn.")
    owner = {index: place for place, indices in enumerate(taken) for index in indices}
    side = min(30.0, (WIDTH - 90) / min(count, 24))
    rows = -(-count // 24)
    figure, axis = sheet(60 + rows * side + 30 + len(taken) * 42, title or "From a data set to batches")
    words(axis, 4, 44 + side / 2, "data set", size=LABEL, ha="left")
    for index in range(count):
        face = STRONG_TINTS[owner[index]] if index in owner else "white"
        x, y = 82 + index % 24 * side, 44 + index // 24 * side
        box(axis, x, y, side, side, face=face, edge=GREY, line=0.6)
        words(axis, x + side / 2, y + side / 2, f"{index}")
    top = 44 + rows * side + 30
    for place, (indices, shape) in enumerate(zip(taken, shapes, strict=True)):
        y = top + 42 * place
        words(axis, 4, y + side / 2, f"batch {place}", size=LABEL, ha="left")
        for column, index in enumerate(indices):
            box(axis, 82 + column * side, y, side, side, face=STRONG_TINTS[place], edge=GREY, line=0.6)
            words(axis, 82 + (column + 0.5) * side, y + side / 2, f"{index}")
        text = " × ".join(map(str, shape))
        words(axis, 82 + len(indices) * side + 18, y + side / 2, text, ha="left", size=LABEL, colour=GREY)
    return figure
