"""Training and data as pictures: one weight that descends, a pipeline, a split, batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import nn
from torch.utils.data import DataLoader

from segedu.diagrams.canvas import (
    AMBER,
    GREY,
    INK,
    LABEL,
    PALE,
    RED,
    SMALL,
    WIDTH,
    arrow,
    box,
    number,
    picture,
    sheet,
    side_text,
    words,
)
from segedu.labels import STREET, LabelTable
from segedu.plotting import BLUE, GREEN, PURPLE, SKY

PARTS = {"train": BLUE, "val": AMBER, "validation": AMBER, "test": PURPLE}
OTHERS = (GREEN, SKY, GREY)


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
    room = 0.12 * (high - low) + 1e-6 if span is None else 0
    grid = torch.linspace(low - room, high + room, 400)
    with torch.no_grad():
        curve = loss(grid).numpy()
    figure, axis = plot(300, title or f"Gradient descent, learning rate {rate:g}")
    axis.plot(grid, curve, color=GREY, linewidth=1.2)
    for here in range(steps):
        axis.annotate("", (weights[here + 1], losses[here + 1]), (weights[here], losses[here]),
                      arrowprops={"arrowstyle": "-|>", "color": RED, "linewidth": 1.2, "shrinkA": 3, "shrinkB": 3})  # fmt: skip
    axis.plot(weights, losses, "o", color=INK, markersize=5, zorder=4)
    reach = 0.09 * (grid[-1] - grid[0]).item()
    axis.plot([start - reach, start + reach], [losses[0] - reach * slopes[0], losses[0] + reach * slopes[0]], color=BLUE,
              linewidth=1.6)  # fmt: skip
    side = 1 if slopes[0] < 0 else -1
    axis.annotate(f"slope {number(slopes[0], '{:.2g}')}", (start, losses[0]), (10 * side, 8), textcoords="offset points",
                  fontsize=SMALL, color=BLUE, ha="left" if side > 0 else "right")  # fmt: skip
    axis.annotate(f"after {steps} steps: loss {losses[-1]:.3g}", (weights[-1], losses[-1]), (0, -16),
                  textcoords="offset points", fontsize=SMALL, color=INK, ha="center")  # fmt: skip
    axis.set_xlabel("weight", fontsize=LABEL)
    axis.set_ylabel("loss", fontsize=LABEL)
    low, high = curve.min(), max(curve.max(), max(losses))
    axis.set(xlim=(grid[0], grid[-1]), ylim=(low - 0.16 * (high - low), high + 0.06 * (high - low)))
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
    figure, paper = sheet(height, title, width=520)
    axis = figure.add_axes((0.1, 0.15, 0.87, 0.74))
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=SMALL, colors=GREY)
    return figure, axis


def pipeline(steps: Mapping[str, object], *, labels: LabelTable = STREET, title: str | None = None) -> Figure:
    """A figure of boxes and arrows from left to right, each with its picture and shape. Lessons 00 to 04.

    Args:
        steps: {name: content}, up to six. A content is a picture, (3, H, W) in 0…1 or (H, W, 3)
            uint8; maps of other channels, (C, H, W); a map (H, W), of whole numbers in the classes'
            colours, of others in grey; a network; or a text, which stands in a box of its own.
        labels: the class table of the class maps.
        title: the figure's.

    Raises:
        ValueError: For no step, more than six, and contents of other forms.

    Example:
        >>> figure = pipeline({"image": image, "SmallNet": model, "logits": logits, "argmax": "the largest",
        ...                    "mask": mask})
    """
    if not 1 <= len(steps) <= 6:
        raise ValueError(f"There are {len(steps)} steps; one to six can be drawn.")
    drawn = {name: "box" if isinstance(value, str | nn.Module) else "picture" for name, value in steps.items()}
    boxes = sum(kind == "box" for kind in drawn.values())
    small, gap = 92.0, 30.0
    wide = (WIDTH - 8 - gap * (len(steps) - 1) - small * boxes) / max(1, len(steps) - boxes)
    wide = min(wide, 230.0)
    shapes = {name: value_shape(name, value) for name, value in steps.items() if drawn[name] == "picture"}
    tall = max([wide * shape[-2] / shape[-1] for shape in shapes.values()] + [60])
    figure, axis = sheet(
        40 + tall + 44, title, width=min(WIDTH, 8 + wide * len(shapes) + small * boxes + gap * (len(steps) - 1))
    )
    x, middle = 4.0, (40 if title else 14) + tall / 2
    for place, (name, value) in enumerate(steps.items()):
        width = small if drawn[name] == "box" else wide
        if place:
            arrow(axis, (x - gap + 5, middle), (x - 5, middle), line=1.2)
        if drawn[name] == "box":
            count = (
                f"{sum(weight.numel() for weight in value.parameters()):,}\nparameters"
                if isinstance(value, nn.Module)
                else value
            )
            box(axis, x, middle - 32, width, 64, face=PALE, edge="none")
            words(axis, x + width / 2, middle - 14, name, size=LABEL)
            words(axis, x + width / 2, middle + 10, count, colour=GREY)
        else:
            shape = shapes[name]
            high = width * shape[-2] / shape[-1]
            draw_content(axis, value, x, middle - high / 2, width, high, labels)
            words(axis, x + width / 2, middle + tall / 2 + 14, name, size=LABEL)
            text = side_text(*shape[-2:])
            words(
                axis,
                x + width / 2,
                middle + tall / 2 + 30,
                f"{shape[0]} × {text}" if len(shape) == 3 else text,
                colour=GREY,
            )
        x += width + gap
    return figure


def value_shape(name: str, value) -> tuple[int, ...]:
    """(C, H, W) or (H, W) of a content."""
    shape = tuple(getattr(value, "shape", ()))
    if len(shape) not in (2, 3):
        raise ValueError(
            f"{name!r} has shape {shape}; give a picture, maps (C, H, W), a map (H, W), a network or a text."
        )
    return (shape[2], *shape[:2]) if isinstance(value, np.ndarray) and len(shape) == 3 and shape[2] in (3, 4) else shape


def draw_content(axis: Axes, value, x: float, y: float, width: float, height: float, labels: LabelTable) -> None:
    shape = value_shape("", value)
    values = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
    if (
        len(shape) == 3
        and shape[0] in (1, 3, 4)
        and (values.dtype == np.uint8 or 0 <= values.min() <= values.max() <= 1)
    ):
        picture(axis, value, x, y, width, height)
    elif len(shape) == 2 and values.dtype.kind in "bui":
        picture(axis, labels.palette[values.astype(np.uint8)], x, y, width, height)
    else:
        maps = values[None] if len(shape) == 2 else values[: min(4, len(values))]
        step = 7.0
        inner = width - step * (len(maps) - 1)
        high = inner * height / width
        for place in reversed(range(len(maps))):
            one = maps[place]
            scaled = (one - one.min()) / max(float(one.max() - one.min()), 1e-9)
            shown = picture(axis, scaled, x + step * place, y + (height - high) / 2 - step * (place - (len(maps) - 1) / 2), inner,
                            high, cmap="gray")  # fmt: skip
            shown.set_zorder(3 - 0.1 * place)
            axis.patches[-1].set_zorder(3.01 - 0.1 * place)


def split(
    groups: Mapping[str, Sequence[tuple[str, int, int]]], *, unit: str = "frame", title: str | None = None
) -> Figure:
    """A figure of a data split: a line a group (a drive, a patient), blocks for its parts, gaps as gaps. Lesson 01.

    Args:
        groups: {name: [(part, first, behind the last), …]}: {"drive 1": [("train", 0, 300),
            ("val", 330, 400)]}. "train", "val" and "test" have their colours.
        unit: what is counted, in the singular.
        title: the figure's.

    Raises:
        ValueError: For no group, and for parts that overlap or are empty.

    Example:
        >>> figure = split({"drive 1": [("train", 0, 300), ("test", 330, 400)], "drive 2": [("test", 0, 80)]})
    """
    if not groups:
        raise ValueError("There is no group; give {name: [(part, first, behind the last), …]}.")
    for name, parts in groups.items():
        ends = 0
        for part, first, last in sorted(parts, key=lambda one: one[1]):
            if first < ends or last <= first:
                raise ValueError(f"In {name!r} the part {part!r}, {first} to {last}, is empty or overlaps another.")
            ends = last
    counts: dict[str, int] = {}
    for _, (part, first, last) in ((name, one) for name, parts in groups.items() for one in parts):
        counts[part] = counts.get(part, 0) + last - first
    rest = iter(OTHERS * len(counts))
    colours = {part: PARTS.get(part) or next(rest) for part in counts}
    left = 20 + 6.6 * max(len(name) for name in groups)
    scale = (WIDTH - left - 8) / max(last for parts in groups.values() for _, _, last in parts)
    tall, pitch = 22.0, 40.0
    figure, axis = sheet(46 + pitch * len(groups) + 42, title or "Who sees what")
    for row, (name, parts) in enumerate(groups.items()):
        y = 42 + pitch * row
        words(axis, 4, y + tall / 2, name, size=LABEL, ha="left")
        end = max(last for _, _, last in parts)
        axis.plot([left, left + scale * end], [y + tall / 2] * 2, color="#C8C8C8", linewidth=1, zorder=1)
        for part, first, last in parts:
            wide = scale * (last - first)
            box(axis, left + scale * first, y, wide, tall, face=colours[part], edge="white", line=0.8)
            if wide > 7.5 * len(str(last - first)):
                words(axis, left + scale * (first + last) / 2, y + tall / 2, f"{last - first}", colour="white")
    x, y = left, 42 + pitch * len(groups) + 16
    for part, count in counts.items():
        box(axis, x, y - 7, 14, 14, face=colours[part], edge="none")
        text = f"{part}: {count:,} {unit}{'s' * (count != 1)}"
        words(axis, x + 20, y, text, ha="left", size=LABEL)
        x += 20 + 7.4 * len(text) + 16
    return figure


def batch(loader: DataLoader, *, batches: int = 3, title: str | None = None) -> Figure:
    """A figure of what a DataLoader does: a data set in its order, and which samples each batch takes. Lesson 04.

    Chance is put back: the loader gives the same batches afterwards as it would have without.

    Args:
        loader: with at most 48 samples, and batches of at most 12.
        batches: how many are shown, up to 4.
        title: the figure's.

    Raises:
        ValueError: For more samples than can be drawn.

    Example:
        >>> figure = batch(DataLoader(data, batch_size=4, shuffle=True))
    """
    count = len(loader.dataset)
    generator = loader.generator
    state = None if generator is None else generator.get_state()
    with torch.random.fork_rng(devices=[]):
        taken = [indices for indices, _ in zip(loader.batch_sampler, range(batches), strict=False)]
        shapes = [tuple(loader.collate_fn([loader.dataset[index] for index in indices])[0].shape) for indices in taken]
    if state is not None:
        generator.set_state(state)
    if count > 48 or not 1 <= len(taken) <= 4 or max(map(len, taken)) > 12:
        raise ValueError(f"{count} samples in batches of {max(map(len, taken), default=0)} are too many to be drawn.")
    colours = ("#9CC9E8", "#F6C995", "#A9DEC9", "#E8C4D8")
    owner = {index: place for place, indices in enumerate(taken) for index in indices}
    side = min(30.0, (WIDTH - 118) / min(count, 24))
    rows = -(-count // 24)
    figure, axis = sheet(60 + rows * side + 30 + len(taken) * 42, title or "From a data set to batches")
    words(axis, 4, 44 + side / 2, "data set", size=LABEL, ha="left")
    for index in range(count):
        face = colours[owner[index]] if index in owner else "white"
        x, y = 110 + index % 24 * side, 44 + index // 24 * side
        box(axis, x, y, side, side, face=face, edge=GREY, line=0.6)
        words(axis, x + side / 2, y + side / 2, f"{index}")
    top = 44 + rows * side + 30
    for place, (indices, shape) in enumerate(zip(taken, shapes, strict=True)):
        y = top + 42 * place
        words(axis, 4, y + side / 2, f"batch {place}", size=LABEL, ha="left")
        for column, index in enumerate(indices):
            box(axis, 110 + column * side, y, side, side, face=colours[place], edge=GREY, line=0.6)
            words(axis, 110 + (column + 0.5) * side, y + side / 2, f"{index}")
        text = " × ".join(map(str, shape))
        words(axis, 110 + len(indices) * side + 18, y + side / 2, text, ha="left", size=LABEL, colour=GREY)
    return figure
