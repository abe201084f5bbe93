"""Data as pictures: what happens to one from step to step, and which of them train or score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import nn

from segedu.diagrams.canvas import AMBER, GREY, INK, LABEL, PALE, WIDTH, arrow, box, picture, sheet, side_text, words
from segedu.labels import STREET, LabelTable
from segedu.plotting import BLUE, GREEN, PURPLE, SKY

PARTS = {"train": BLUE, "val": AMBER, "validation": AMBER, "test": PURPLE, "not used": "#C8C8C8"}
OTHERS = (GREEN, SKY, GREY)
STACK = 7.0  # CSS pixels from one map to the next behind it


def pipeline(steps: Mapping[str, object], *, labels: LabelTable = STREET, title: str | None = None) -> Figure:
    """A figure of steps from left to right, each with its picture and shape. Lessons 00 to 04.

    Args:
        steps: {name: content}, up to six. A content is a picture, (3, H, W) in 0…1 or (H, W, 3)
            uint8; maps of other channels, (C, H, W); a map (H, W), of whole numbers in the classes'
            colours, of others in grey; a network; or a text, which stands in a box of its own.
        labels: the class table of the class maps.
        title: the figure's.

    Raises:
        ValueError: For no step, more than six, and contents of other forms.

    Example:
        >>> steps = {"image": image, "SmallNet": model, "logits": logits, "argmax": "the largest"}
        >>> figure = pipeline(steps | {"mask": logits.argmax(0)})
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
            box(axis, x, middle - 32, width, 64, face=PALE, edge="none")
            words(axis, x + width / 2, middle - 15, name, size=LABEL)
            words(axis, x + width / 2, middle + 9, described(value), colour=GREY)
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


def described(value: str | nn.Module) -> str:
    """What stands in a box: the text, or how many parameters a network has."""
    if isinstance(value, str):
        return value
    return f"{sum(weight.numel() for weight in value.parameters()):,}\nparameters"


def value_shape(name: str, value) -> tuple[int, ...]:
    """(C, H, W) or (H, W) of a content."""
    shape = tuple(getattr(value, "shape", ()))
    if len(shape) not in (2, 3):
        raise ValueError(
            f"{name!r} has shape {shape}; give a picture, maps (C, H, W), a map (H, W), a network or a text."
        )
    last = isinstance(value, np.ndarray) and len(shape) == 3 and shape[2] in (3, 4)
    return (shape[2], *shape[:2]) if last else shape


def draw_content(axis: Axes, value, x: float, y: float, width: float, height: float, labels: LabelTable) -> None:
    """A picture, a class map in its colours, or one map behind the other in grey, up to four."""
    shape = value_shape("", value)
    values = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
    in_range = values.dtype == np.uint8 or (values.dtype.kind == "f" and 0 <= values.min() and values.max() <= 1)
    if len(shape) == 3 and shape[0] in (1, 3, 4) and in_range:
        picture(axis, value, x, y, width, height)
    elif len(shape) == 2 and values.dtype.kind in "bui":
        picture(axis, labels.palette[values.astype(np.uint8)], x, y, width, height)
    else:
        maps = values[None] if len(shape) == 2 else values[:4]
        inner = width - STACK * (len(maps) - 1)
        high = inner * height / width
        for place in reversed(range(len(maps))):
            low, top = float(maps[place].min()), float(maps[place].max())
            grey = (maps[place] - low) / max(top - low, 1e-9)
            down = y + (height - high) / 2 - STACK * (place - (len(maps) - 1) / 2)
            shown = picture(axis, grey, x + STACK * place, down, inner, high, cmap="gray")
            shown.set_zorder(3 - 0.1 * place)
            axis.patches[-1].set_zorder(3.01 - 0.1 * place)


def split(
    groups: Mapping[str, Sequence[tuple[str, int, int]]], *, unit: str = "frame", title: str | None = None
) -> Figure:
    """A figure of a data split: a line a group (a drive), a block a part of it. Lesson 01b.

    Args:
        groups: {name: [(part, first, behind the last), …]}: {"drive 1": [("train", 0, 300),
            ("val", 330, 400)]}. "train", "val", "test" and "not used" have their colours.
        unit: what is counted, in the singular.
        title: the figure's.

    Raises:
        ValueError: For no group, and for parts that overlap or are empty.

    Example:
        >>> drives = {"drive 1": [("train", 0, 300), ("val", 330, 400)], "2": [("test", 0, 80)]}
        >>> figure = split(drives)
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
    for part, first, last in chain(*groups.values()):
        counts[part] = counts.get(part, 0) + last - first
    rest = iter(OTHERS * len(counts))
    colours = {part: PARTS.get(part) or next(rest) for part in counts}
    left = 20 + 6.6 * max(len(name) for name in groups)
    scale = (WIDTH - left - 8) / max(last for parts in groups.values() for _, _, last in parts)
    tall, pitch = 22.0, 40.0
    figure, axis = sheet(46 + pitch * len(groups) + 42, title or f"Which {unit}s go where")
    for row, (name, parts) in enumerate(groups.items()):
        y = 42 + pitch * row
        words(axis, 4, y + tall / 2, name, size=LABEL, ha="left")
        end = max(last for _, _, last in parts)
        axis.plot(
            [left, left + scale * end],
            [y + tall / 2] * 2,
            color="#C8C8C8",
            linewidth=1,
            zorder=1,
            solid_capstyle="butt",
        )
        for part, first, last in parts:
            wide = scale * (last - first)
            box(axis, left + scale * first, y, wide, tall, face=colours[part], edge="white", line=0.8)
            texts = [text for text in (f"{part} {last - first}", f"{last - first}") if 7 * len(text) < wide]
            middle = left + scale * (first + last) / 2
            words(axis, middle, y + tall / 2, [*texts, ""][0], colour="white" if colours[part] == BLUE else INK)
    x, y = left, 42 + pitch * len(groups) + 16
    for part, count in counts.items():
        box(axis, x, y - 7, 14, 14, face=colours[part], edge="none")
        text = f"{part}: {count:,} {unit}{'s' * (count != 1)}"
        words(axis, x + 20, y, text, ha="left", size=LABEL)
        x += 20 + 7.4 * len(text) + 16
    return figure
