"""A network as blocks and arrows, from what it does to one picture."""

from __future__ import annotations

import math
import os

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import nn

from segedu.diagrams.canvas import (
    AMBER,
    GREY,
    INK,
    RED,
    ROLES,
    WIDTH,
    arrow,
    box,
    elbow,
    picture,
    sheet,
    side_text,
    words,
)
from segedu.diagrams.layout import Block, Line, layout
from segedu.diagrams.trace import measured
from segedu.labels import CELLS, STREET, LabelTable
from segedu.models.outputs import class_logits, input_channels
from segedu.pictures import picture_tensor
from segedu.plotting import GREEN

COLOURS = {"plain": GREY, "conv": INK, "down": RED, "up": GREEN, "skip": AMBER, "loop": AMBER}
MEANINGS = {"conv": "convolution", "down": "halve", "up": "enlarge", "skip": "copy", "loop": "copy and add"}
LANE = 28  # CSS pixels from one parallel path to the next
NOTED, PLAIN = 2.0, 1.0  # how much wider a column of such paths is, in columns, with notes and without


def network(
    model: nn.Module,
    image: str | os.PathLike | Image.Image | np.ndarray | torch.Tensor,
    *,
    labels: LabelTable | None = None,
    title: str | None = None,
) -> Figure:
    """A figure of a network as blocks and arrows, measured on one picture. Lessons 04 to 08.

    Each block is the map behind one convolution: as high as its side, as wide as the logarithm of
    its channels. The picture stands at the left, what the network makes of it at the right; one row
    a size. Shapes and arrows are measured, so they also hold for a network of your own.

    Args:
        model: any model of segedu.models, or a module that turns (1, C, H, W) in 0…1 into logits.
            Its mode, gradients and weights stay as they are.
        image: the picture, in any form that `pictures.picture_tensor` takes.
        labels: the class table whose colours the output has. None: the model's own, or that of
            the streets for 11 classes and of the cells for 2; shades of grey for others.
        title: the figure's; None for the model's name and how many parameters it has.

    Raises:
        ValueError: For a model whose logits no convolution leads to, and for one too long to be
            drawn at a notebook's width.

    Example:
        >>> figure = network(segedu.models.UNet(11), image)
    """
    image = picture_tensor(image, channels=input_channels(model))
    steps, logits = measured(model, image)
    blocks, lines = layout(steps)
    columns = blocks[-1].col - 1
    wider = [extra(blocks, col) for col in range(columns + 2)]
    spread = columns + sum(wider)
    side = min(170, max(86, (WIDTH - 30 * spread) / 2 - 30))
    step = min(58, (WIDTH - 2 * side - 60) / max(1, spread))
    if step < 17:
        raise ValueError(
            f"{columns} convolutions in a row are too many for a notebook's width; draw a part of the network alone."
        )
    height, width = image.shape[1:]
    scale = side / max(width, height)
    place = Places(blocks, wider, scale, side if width >= height else scale * width, step)
    count = sum(weight.numel() for weight in model.parameters())
    figure, axis = sheet(place.bottom + 30, title or f"{type(model).__name__}: {count:,} parameters")
    for block in blocks[1:-1]:
        draw_block(axis, place, block)
    for line in lines:
        draw_line(axis, place, line, blocks)
    draw_notes(axis, place, blocks)
    picture(axis, image, *place.box(blocks[0]))
    picture(axis, colours(model, logits, labels), *place.box(blocks[-1]))
    draw_labels(axis, place, blocks)
    legend(axis, [line.kind for line in lines], place.bottom + 16)
    return figure


def extra(blocks: list[Block], col: int) -> float:
    """How much wider than others a column is, in columns: parallel paths need room for their notes and bends."""
    parallel = [block for block in blocks if block.col == col and block.lane is not None]
    return 0.0 if not parallel else NOTED if any(block.note for block in parallel) else PLAIN


class Places:
    """Where on the sheet blocks stand."""

    def __init__(self, blocks: list[Block], wider: list[float], scale: float, picture_width: float, step: float):
        self.scale, self.blocks, self.y = scale, blocks, {}
        self.x = [
            4 + picture_width + 24 + step * (col - 0.5 + sum(wider[:col]) + wider[col] / 2) for col in range(len(wider))
        ]
        top = 40.0
        for row in range(1 + max(block.row for block in blocks)):
            inside = [block for block in blocks if block.row == row]
            lanes = 1 + 2 * max((abs(block.lane or 0) for block in inside), default=0)
            tall = max([scale * block.shape[1] for block in inside] + [LANE * lanes if lanes > 1 else 0])
            self.y[row] = top + tall / 2
            top += tall + 52
        self.bottom = top - 20

    def box(self, block: Block) -> tuple[float, float, float, float]:
        """Left, top, width and height."""
        height = max(2.0, self.scale * block.shape[1])
        y = self.y[block.row] + LANE * (block.lane or 0) - height / 2
        if block.role == "picture":
            width = self.scale * block.shape[2]
            return (4 if block is self.blocks[0] else WIDTH - 4 - width), y, width, height
        width = 1.6 * math.log2(block.shape[0]) + 2.5
        if block.beside:
            left = self.box(block.beside)[0]
            return left - width - (16 if block.sign else 2), y, width, height
        return self.x[block.col] - width / 2, y, width, height


def draw_block(axis: Axes, place: Places, block: Block) -> None:
    """One map, framed where a part is cut out of it, with the plus of a sum."""
    left, top, width, height = place.box(block)
    copied = block.role == "skip"
    look = {"face": "white", "edge": AMBER, "line": 1.2} if copied else {"face": ROLES[block.role], "edge": "none"}
    box(axis, left, top, width, height, **look)
    if block.sign:
        words(axis, left + width + 8, top + height / 2, block.sign, size=11)
    if block.frame:
        tall = place.scale * block.frame
        box(axis, left, top + (height - tall) / 2, width, tall, edge=AMBER, line=1.2, linestyle=(0, (2, 1)), zorder=4)


def draw_notes(axis: Axes, place: Places, blocks: list[Block]) -> None:
    """Rates; of neighbours of one rate only the last says it."""
    for block in blocks:
        next_one = (block.row, block.col + 1, block.note, None)
        repeated = any((other.row, other.col, other.note, other.lane) == next_one for other in blocks)
        if not block.note or (repeated and block.lane is None):
            continue
        left, top, width, height = place.box(block)
        below = block.lane is None and block.label is None and block.role == "encoder"
        words(axis, left + width / 2, top + height + 9 if below else top - 8, block.note, colour=GREY)


def draw_labels(axis: Axes, place: Places, blocks: list[Block]) -> None:
    """The shapes; of two neighbours of one size that have no room for both, the second only says its channels."""
    ends: dict[tuple, float] = {}
    for block in sorted((block for block in blocks if block.label), key=lambda block: place.box(block)[0]):
        left, top, width, height = place.box(block)
        channels, *size = block.label
        size = side_text(*size)
        left = min([place.box(other)[0] for other in blocks if other.beside is block] + [left])
        middle = (left + place.box(block)[0] + width) / 2
        if block.role == "picture":
            text = f"{channels} × {size}"
            half = 3.4 * len(text) + 2  # a narrow picture's shape is wider than the picture
            words(axis, min(max(middle, half), WIDTH - half), top + height + 11, text)
            continue
        half = 3.4 * len(size)
        crowded = ends.get((block.row, size), 0) > middle - half
        text = f"{channels}" if crowded else f"{channels}\n{size}"
        words(axis, middle, top + height + 4, text, va="top", linespacing=1.1)
        ends[block.row, size] = middle + half + 4


def draw_line(axis: Axes, place: Places, line: Line, blocks: list[Block]) -> None:
    """One arrow: straight where both ends stand in one row or column, else with a bend."""
    left, top, width, height = place.box(line.start)
    x, y, wide, high = place.box(line.end)
    dashed = line.kind in ("skip", "loop")
    look = {"colour": COLOURS[line.kind], "dashed": dashed, "line": 0.9 if line.kind in ("conv", "plain") else 1.3}
    here, there = (left + width + 1, top + height / 2), (x - 1, y + high / 2)
    middle, below = x + wide / 2, y + high + label_height(line.end) + 2
    if dashed:
        over = [block for block in blocks if block.row == line.start.row and line.start.col < block.col < line.end.col]
        if line.kind == "loop":
            over, middle, there = [*over, line.end], x + wide + 7, (0, y + high / 2 - 1)
        if not over:
            elbow(axis, [here, there], **look)
            return
        bridge = min(place.box(block)[1] for block in [*over, line.start, line.end]) - 9
        elbow(axis, [(here[0] + 4, here[1]), (here[0] + 4, bridge), (middle, bridge),
                     (middle, there[1] if line.kind == "loop" else y - 1)], **look)  # fmt: skip
    elif line.end.row == line.start.row and line.start.lane == line.end.lane:
        elbow(axis, [here, there], **look)
    elif line.end.row == line.start.row:  # to or from one of several paths, by a bend close to the one
        bend = place.x[line.start.col] + 25 if line.start.lane is None else place.x[line.end.col] - 27
        elbow(axis, [here, (bend, here[1]), (bend, there[1]), there], **look)
    elif line.end.col == line.start.col and line.kind == "down" and line.start.role != "picture":
        elbow(axis, [(left + width / 2, top + height + label_height(line.start) + 2), (middle, y - 2)], **look)
    elif line.end.col == line.start.col and line.kind == "up":
        elbow(axis, [(left + width / 2, top - 2), (middle, below)], **look)
    else:
        elbow(axis, [here, (middle, here[1]), (middle, y - 2 if line.kind == "down" else below)], **look)


def label_height(block: Block) -> int:
    """How many CSS pixels the shape below a block takes."""
    return 0 if block.label is None else 18 if block.role == "picture" else 28


def legend(axis: Axes, kinds: list[str], y: float) -> None:
    """What each kind of arrow that occurs means."""
    x = 4
    for kind, meaning in MEANINGS.items():
        if kind in kinds:
            arrow(axis, (x, y), (x + 22, y), colour=COLOURS[kind], dashed=kind in ("skip", "loop"),
                  line=0.9 if kind == "conv" else 1.3)  # fmt: skip
            words(axis, x + 27, y, meaning, ha="left", colour=GREY)
            x += 27 + 6.3 * len(meaning) + 18
    words(axis, WIDTH - 4, y, "height: side · width: channels (log)", ha="right", colour=GREY)


def colours(model: nn.Module, logits: torch.Tensor, labels: LabelTable | None) -> np.ndarray:
    """(H, W, 3) uint8: the likeliest class of each pixel in its colour."""
    scores = class_logits(logits)[0]
    found = scores.argmax(0).cpu().numpy()
    labels = labels or getattr(model, "labels", None)
    labels = labels or {len(STREET): STREET, len(CELLS): CELLS}.get(len(scores))
    if labels:
        return labels.palette[found]
    shades = np.linspace(255, 0, len(scores)).astype(np.uint8)
    return np.repeat(shades[found][..., None], 3, axis=2)
