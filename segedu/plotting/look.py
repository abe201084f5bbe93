"""One look: colours that mean things, three sizes of type, and where things stand."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from segedu.labels import IGNORE_COLOUR

# Okabe and Ito's colours that every kind of colour vision tells apart; curves also differ by their dashes.
BLUE, ORANGE, GREEN, PURPLE, SKY, YELLOW, BLACK = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#F0E442", "#000000",
)  # fmt: skip
GREY = "#6E6E6E"  # what stands back: rivals, baselines, frames
LIGHT = "#A9CBE6"  # a blue that stands back: rivals beside ours
AMBER = "#E69F00"  # Okabe and Ito's own orange; theirs of ORANGE is vermilion
# What a colour means, the same in every figure and diagram of the course.
ENCODER, DECODER, SKIP, HEAD, IN_OUT = BLUE, GREEN, AMBER, PURPLE, GREY
WRONG = ORANGE
VOID = "#{:02x}{:02x}{:02x}".format(*IGNORE_COLOUR)

FONT_TITLE, FONT_LABEL, FONT_SMALL = 11, 9, 8  # points
CSS = 96  # a browser's pixels an inch
COLUMN = 760  # the width of a notebook's column on a laptop, in these pixels
WIDE = COLUMN / CSS  # the same in inches: plt.subplots(figsize=(plotting.WIDE, 3))
DASHES = ("-", "--", ":", "-.")
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, BLACK)

# Also for the figures that a lesson draws by itself: whoever imports segedu.plotting draws in its look.
plt.rcParams.update({
    "font.size": FONT_LABEL, "axes.titlesize": FONT_TITLE, "axes.titlelocation": "left", "axes.labelsize": FONT_LABEL,
    "xtick.labelsize": FONT_SMALL, "ytick.labelsize": FONT_SMALL, "legend.fontsize": FONT_LABEL,
    "legend.frameon": False, "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": GREY,
    "xtick.color": GREY, "ytick.color": GREY, "xtick.labelcolor": "black", "ytick.labelcolor": "black",
    "figure.facecolor": "white", "savefig.facecolor": "white",
})  # fmt: skip


def baseline(axis: Axes, value: float, name: str, *, vertical: bool = False, level: int = 0) -> None:
    """Draw a dashed grey line across a plot at `value`, with its name on it. Lesson 02.

    Args:
        axis: of a plot whose limits are set already: the name stands at its end.
        value: in the axis's unit.
        name: what would score this, such as "all road".
        vertical: a line upwards, for horizontal bars and strips, named above the plot.
        level: of a vertical line's name: by how many lines of type it stands higher.
    """
    if vertical:
        axis.axvline(value, color=GREY, linestyle=(0, (4, 3)), linewidth=1, zorder=1)
        axis.annotate(
            name, (value, 1), (0, 2 + 1.3 * FONT_SMALL * level), xycoords=axis.get_xaxis_transform(),
            textcoords="offset points", ha="center", va="bottom", fontsize=FONT_SMALL, color="#555555",
        )  # fmt: skip
    else:
        axis.axhline(value, color=GREY, linestyle=(0, (4, 3)), linewidth=1, zorder=1)
        axis.annotate(
            name, (1, value), (-2, 2), xycoords=axis.get_yaxis_transform(), textcoords="offset points",
            ha="right", va="bottom", fontsize=FONT_SMALL, color="#555555",
        )  # fmt: skip


def framed(axis: Axes) -> None:
    """A whole thin frame without ticks: what every picture stands in."""
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set(visible=True, color="#999999", linewidth=0.75)


def grid_of(rows: Sequence[Sequence[tuple[str, tuple]]], width: float | None) -> tuple[Figure, list[Axes]]:
    """A figure with a framed axis for each (title, (height, width) of its picture), row by row; rows may be short.

    Small pictures are enlarged by whole factors of the stored pixels (two a CSS pixel), so that their squares are
    squares; width: the most CSS pixels for one.
    """
    gap, line = 10, 18
    columns = max(len(row) for row in rows)
    width = width or {1: 480, 2: 370, 3: 245}.get(columns, (COLUMN + gap) // columns - gap)
    sizes = [[_fitted(*shape, width) for _, shape in row] for row in rows]
    wide = [max(row[column][0] for row in sizes if column < len(row)) for column in range(columns)]
    lefts = np.cumsum([0, *(w + gap for w in wide)])
    lines = [max(len(_in_lines(name, width)) for name, _ in row) for row in rows]
    heights = [max(high for _, high in row) + line * n + gap for row, n in zip(sizes, lines, strict=True)]
    whole, tall = lefts[-1] - gap, sum(heights)
    figure, axes, top = plt.figure(figsize=(whole / CSS, tall / CSS)), [], tall
    for row, row_sizes, n, height in zip(rows, sizes, lines, heights, strict=True):
        for left, (name, _), (w, h) in zip(lefts, row, row_sizes, strict=False):
            axis = figure.add_axes((left / whole, (top - line * n - h) / tall, w / whole, h / tall))
            framed(axis)
            axis.set_title("\n".join(_in_lines(name, width)), loc="left", fontsize=FONT_TITLE, pad=4)
            axes.append(axis)
        top -= height
    return figure, axes


def _in_lines(name: str, width: float) -> list[str]:
    return textwrap.wrap(name, max(int(width / 8), 8))


def _fitted(height: int, length: int, width: float) -> tuple[float, float]:
    """Width and height in CSS pixels that a picture gets within `width`, which is also the most for its height."""
    room = min(width / length, width / height)
    factor = int(2 * room)  # of two stored pixels a CSS pixel
    scale = factor / 2 if factor >= 2 else room
    return round(2 * scale * length) / 2, round(2 * scale * height) / 2


def columns_of(values: Mapping, titles: Mapping[str, str] | None) -> dict[str, tuple[str, dict]]:
    """{score: (title, {arm: value})} of {arm: value}, or of {arm: {score: value}} with titles {score: title}."""
    if not values:
        raise ValueError("There is nothing to draw: give {name: value, …}.")
    nested = [name for name, value in values.items() if isinstance(value, Mapping)]
    if not nested:
        if titles is not None:
            raise ValueError(f"columns={dict(titles)} names scores, but the values are plain: {{name: value}}.")
        return {"": ("", dict(values))}
    titles = titles or {score: score for score in values[nested[0]]}
    for score in titles:
        without = [name for name, value in values.items() if not isinstance(value, Mapping) or score not in value]
        if without:
            raise ValueError(f"{without[0]!r} has no score {score!r}; columns= chooses what all of them have.")
    return {score: (title, {name: row[score] for name, row in values.items()}) for score, title in titles.items()}
