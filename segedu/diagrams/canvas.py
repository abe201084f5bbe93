"""The sheet that every diagram is drawn on: its unit is a CSS pixel, and y grows downwards, as in pictures."""

from __future__ import annotations

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from segedu.pictures import picture_tensor
from segedu.plotting import look

WIDTH = look.COLUMN  # CSS pixels: a notebook's column on a laptop
TITLE, LABEL, SMALL = look.FONT_TITLE, look.FONT_LABEL, look.FONT_SMALL  # points
INK, GREY, PALE = "#222222", look.GREY, "#E9E9E9"
RED, AMBER = look.ORANGE, look.AMBER  # Okabe and Ito's vermilion and orange
TINTS = ("#D6EAF8", "#FBE3C4", "#DDF1E4", "#F3DFEC")  # of numbers in squares: BLUE, AMBER, GREEN, PURPLE in pale
STRONG_TINTS = ("#9CC9E8", "#F6C995", "#A9DEC9", "#E8C4D8")
ROLES = {
    "encoder": look.ENCODER, "decoder": look.DECODER, "skip": look.SKIP, "head": look.HEAD, "picture": look.IN_OUT,
}  # fmt: skip


def sheet(height: float, title: str | None = None, *, width: float = WIDTH) -> tuple[Figure, Axes]:
    """A white figure of width × height CSS pixels and its one axis in these units; the title at the top left."""
    figure = plt.figure(figsize=(width / look.CSS, height / look.CSS), facecolor="white")
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
    axis.set_axis_off()
    if title:
        words(axis, 4, 12, title, size=TITLE, ha="left")
    return figure, axis


def words(axis: Axes, x: float, y: float, text: str, *, size: float = SMALL, colour: str = INK, **more):
    """Text whose middle, or whose edge (ha, va), is at (x, y)."""
    return axis.text(x, y, text, **{"fontsize": size, "color": colour, "ha": "center", "va": "center"} | more)


def box(axis: Axes, x: float, y: float, width: float, height: float, *, face="none", edge=INK, line=0.8, **more):
    """A rectangle whose upper left corner is at (x, y)."""
    return axis.add_patch(
        Rectangle((x, y), width, height, facecolor=face, edgecolor=edge, linewidth=line, **{"zorder": 2} | more)
    )


def arrow(axis: Axes, start, end, *, colour=INK, line=1.0, head: bool = True, dashed: bool = False, bend: float = 0):
    """A line from start to end, with its head at the end."""
    return axis.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>,head_length=4,head_width=2" if head else "-", mutation_scale=1.1, color=colour,
            linewidth=line, linestyle=(0, (3, 2)) if dashed else "-", shrinkA=0, shrinkB=0, zorder=3,
            connectionstyle=f"arc3,rad={bend}",
        )
    )  # fmt: skip


def elbow(axis: Axes, points, **look) -> None:
    """An arrow along several points, with its head at the last."""
    points = list(points)
    for start, end in pairwise(points[:-1]):
        arrow(axis, start, end, head=False, **look)
    arrow(axis, points[-2], points[-1], **look)


def picture(axis: Axes, image, x: float, y: float, width: float, height: float, *, frame: bool = True, cmap=None):
    """A picture (anything that `picture_tensor` takes; with cmap an array (H, W)) in a thin frame."""
    pixels = np.asarray(image) if cmap else picture_tensor(image).permute(1, 2, 0).numpy()
    shown = axis.imshow(pixels, extent=(x, x + width, y + height, y), interpolation="nearest", cmap=cmap, zorder=2)
    axis.set(xlim=axis.get_xlim(), ylim=axis.get_ylim())
    if frame:
        box(axis, x, y, width, height, edge=GREY, line=0.6)
    return shown


def squares(axis: Axes, values, x: float, y: float, side: float, *, faces="white", size: float = LABEL) -> None:
    """Numbers (H, W) in squares; faces: one colour, or an array (H, W) of colours."""
    values = np.asarray(values, float)
    faces = np.broadcast_to(np.asarray(faces, object), values.shape)
    for (row, column), value in np.ndenumerate(values):
        left, top = x + column * side, y + row * side
        box(axis, left, top, side, side, face=faces[row, column], edge=GREY, line=0.6)
        text = number(value)
        fits = side - 3 > 7.4 * len(text) or size <= SMALL
        words(axis, left + side / 2, top + side / 2, text, size=size if fits else SMALL)


def number(value: float) -> str:
    """A number as it is printed: two digits behind the point at most, a true minus sign."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text.replace("-", "−")


def side_text(height: int, width: int) -> str:
    """568² for a square, 60×80 otherwise."""
    return f"{height}²" if height == width else f"{height}×{width}"
