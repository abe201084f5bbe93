"""A network as blocks and arrows, from what it does to one picture."""

from __future__ import annotations

import math

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import nn

from segedu.diagrams.canvas import (
    AMBER,
    GREEN,
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

COLOURS = {"conv": INK, "down": RED, "up": GREEN, "skip": AMBER, "loop": AMBER}
MEANINGS = {"conv": "convolution", "down": "halve", "up": "enlarge", "skip": "copy", "loop": "copy and add"}
LANE = 30  # CSS pixels from one parallel path to the next


def network(model: nn.Module, image, *, labels: LabelTable | None = None, title: str | None = None) -> Figure:
    """A figure of the network as blocks and arrows, measured while it looks at one picture. Lessons 04 to 08.

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
        >>> figure = network(UNet(11), image)
    """
    image = picture_tensor(image, channels=input_channels(model))
    steps, logits = measured(model, image)
    blocks, lines = layout(steps)
    columns = blocks[-1].col - 1
    side = min(190, max(86, (WIDTH - 28 * columns) / 2 - 26))
    step = min(64, (WIDTH - 2 * side - 64) / columns) if columns else 0
    if step < 17:
        raise ValueError(
            f"{columns} convolutions in a row are too many for a notebook's width; draw a part of the network alone."
        )
    height, width = image.shape[1:]
    scale = side / max(width, height)
    place = Places(blocks, scale, side if width >= height else scale * width, step)
    count = sum(weight.numel() for weight in model.parameters())
    figure, axis = sheet(place.bottom + 30, title or f"{type(model).__name__}: {count:,} parameters")
    for block in blocks[1:-1]:
        draw_block(axis, place, block)
    for line in lines:
        draw_line(axis, place, line, blocks)
    picture(axis, image, *place.box(blocks[0]), cmap=None)
    picture(axis, colours(model, logits, labels), *place.box(blocks[-1]))
    for block in blocks:
        if block.label:
            draw_label(axis, place, block)
    legend(axis, [line.kind for line in lines], place.bottom + 16)
    return figure


class Places:
    """Where on the sheet blocks stand."""

    def __init__(self, blocks: list[Block], scale: float, picture_width: float, step: float):
        self.scale, self.picture_width, self.step = scale, picture_width, step
        self.blocks, self.y = blocks, {}
        top = 40.0
        for row in range(1 + max(block.row for block in blocks)):
            inside = [block for block in blocks if block.row == row]
            lanes = 1 + 2 * max((abs(block.lane) for block in inside), default=0)
            tall = max([scale * block.shape[1] for block in inside] + [LANE * lanes if lanes > 1 else 0])
            self.y[row] = top + tall / 2
            top += tall + 52
        self.bottom = top - 20

    def box(self, block: Block) -> tuple[float, float, float, float]:
        """Left, top, width and height."""
        height = max(2.0, self.scale * block.shape[1])
        y = self.y[block.row] + LANE * block.lane - height / 2
        if block.role == "picture":
            width = self.scale * block.shape[2]
            return (4 if block is self.blocks[0] else WIDTH - 4 - width), y, width, height
        width = 2 * math.log2(block.shape[0]) + 2
        if block.beside:
            left = self.box(block.beside)[0]
            return left - width - (16 if block.sign else 0), y, width, height
        middle = 4 + self.picture_width + 24 + self.step * (block.col - 0.5)
        return middle - width / 2, y, width, height


def draw_block(axis: Axes, place: Places, block: Block) -> None:
    left, top, width, height = place.box(block)
    copied = block.role == "skip"
    box(axis, left, top, width, height, face="white" if copied else ROLES[block.role], edge=AMBER if copied else "white",
        line=1.2 if copied else 0.5)  # fmt: skip
    if block.sign:
        words(axis, left + width + 8, top + height / 2, block.sign, size=11)
    if block.frame:
        tall = place.scale * block.frame
        box(axis, left, top + (height - tall) / 2, width, tall, edge=AMBER, line=1.2, linestyle=(0, (2, 1)), zorder=4)
    if block.note:
        words(axis, left + width / 2, top - 8, block.note, colour=GREY)


def draw_label(axis: Axes, place: Places, block: Block) -> None:
    left, top, width, height = place.box(block)
    channels, *size = block.label
    size = side_text(*size)
    if block.role == "picture":
        words(axis, left + width / 2, top + height + 11, f"{channels} × {size}")
    else:
        words(axis, left + width / 2, top + height + 4, f"{channels}\n{size}", va="top", linespacing=1.1)


def draw_line(axis: Axes, place: Places, line: Line, blocks: list[Block]) -> None:
    left, top, width, height = place.box(line.start)
    x, y, wide, high = place.box(line.end)
    colour = COLOURS[line.kind]
    look = {"colour": colour, "dashed": line.kind in ("skip", "loop"), "line": 0.9 if line.kind == "conv" else 1.3}
    start = (left + width + 1, top + height / 2)
    under = 30 if line.start.label else 3
    if line.kind == "loop":
        over = top - 9
        elbow(axis, [(left + width + 4, start[1]), (left + width + 4, over), (x + wide + 4, over),
                     (x + wide + 4, y + high / 2 - 1)], **look)  # fmt: skip
    elif line.kind == "skip":
        between = [b for b in blocks if b.row == line.start.row and line.start.col < b.col < line.end.col]
        if between:
            over = min(place.box(b)[1] for b in [*between, line.start, line.end]) - 9
            elbow(axis, [(left + width - 2, top), (left + width - 2, over), (x + wide / 2, over), (x + wide / 2, y - 1)],
                  **look)  # fmt: skip
        else:
            arrow(axis, start, (x - 1, y + high / 2), **look)
    elif line.end.row == line.start.row:
        arrow(axis, start, (x - 1, y + high / 2), **look)
    elif line.end.col == line.start.col and line.kind == "down":
        arrow(axis, (left + width / 2, top + height + under), (x + wide / 2, y - 2), **look)
    elif line.end.col == line.start.col:
        arrow(axis, (left + width / 2, top - 2), (x + wide / 2, y + high + (30 if line.end.label else 3)), **look)
    elif line.kind == "down":
        elbow(axis, [start, (x + wide / 2, start[1]), (x + wide / 2, y - 2)], **look)
    else:
        elbow(axis, [start, (x + wide / 2, start[1]), (x + wide / 2, y + high + 20)], **look)


def legend(axis: Axes, kinds: list[str], y: float) -> None:
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
