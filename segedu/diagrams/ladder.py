"""FCN's ladder: five poolings down, and the three ways up, measured on one picture."""

from __future__ import annotations

import os

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from PIL import Image
from torch import nn

from segedu.diagrams.canvas import AMBER, GREY, INK, RED, arrow, elbow, picture, sheet, side_text, words
from segedu.inference.semantic import evaluation_mode
from segedu.labels import STREET, LabelTable
from segedu.models.layers import FixedBilinear, crop
from segedu.pictures import picture_tensor
from segedu.plotting import BLUE, GREEN, PURPLE

SIDE, GAP, TOP = 100, 28, 36  # CSS pixels: a map's width, the way to the next one, the first row
BRANCHES = ("FCN-32s", "FCN-16s", "FCN-8s")


def ladder(
    model: nn.Module,
    image: str | os.PathLike | Image.Image | np.ndarray | torch.Tensor,
    *,
    labels: LabelTable = STREET,
    title: str | None = None,
) -> Figure:
    """A figure of FCN-8s as a ladder: five poolings, the scores, both skips, three ways up. Lesson 05.

    All maps are drawn equally wide, so that their squares show how coarse they are. A map in blue
    is the mean over the channels of what the stage gives; one in class colours is the largest score
    of each place. The last row is what each sum gives when it is upsampled to the picture's size at
    once: the first is the output of FCN-32s, the second of FCN-16s, the third of FCN-8s, all with
    the weights of this one model.

    Args:
        model: segedu.models.FCN of stride 8, or a network of your own whose parts have the same
            names. Its mode, gradients and weights stay as they are.
        image: the picture, in any form that `pictures.picture_tensor` takes.
        labels: the class table whose colours the maps have.
        title: the figure's; None for a fitting one.

    Raises:
        ValueError: For a model without the parts of FCN-8s.

    Example:
        >>> figure = ladder(segedu.models.FCN(11, stride=8), image)
    """
    image = picture_tensor(image)
    pools, sums, ends = climbed(model, image)
    tall = SIDE * image.shape[1] / image.shape[2]
    rows = [TOP + row * (tall + 66) for row in range(3)]
    columns = [4 + column * (SIDE + GAP) for column in range(6)]
    figure, axis = sheet(rows[2] + tall + 40, title or "FCN: five poolings down, three ways up")
    ramp = LinearSegmentedColormap.from_list("", ["white", BLUE], N=48)  # few shades: the figure stays small
    maps = [thumbnail(image), *(pool.mean(0).numpy() for pool in pools)]
    for number, drawn in enumerate(maps):
        shape = (image if number == 0 else pools[number - 1]).shape
        place(axis, drawn, columns[number], rows[0], tall, ramp if number else None)
        caption(axis, f"pool{number}" if number else "picture", shape, columns[number], rows[0] + tall)
        if number:
            arrow(axis, (columns[number] - GAP + 2, rows[0] + tall / 2), (columns[number] - 2, rows[0] + tall / 2),
                  colour=RED, line=1.3)  # fmt: skip
    for branch, (summed, end, factor) in enumerate(zip(sums, ends, (32, 16, 8), strict=True)):
        x, middle = columns[5 - branch], columns[5 - branch] + SIDE / 2
        place(axis, coloured(summed, labels), x, rows[1], tall)
        place(axis, coloured(end, labels), x, rows[2], tall)
        caption(axis, "scores" if branch == 0 else "sum", summed.shape, x, rows[1] + tall)
        caption(axis, BRANCHES[branch], end.shape, x, rows[2] + tall)
        down = [(middle, rows[0] + tall + 28), (middle, rows[1] - 2)]
        look = {"colour": AMBER, "dashed": True, "line": 1.3} if branch else {"colour": PURPLE, "line": 1.3}
        arrow(axis, *down, **look)
        words(axis, middle + 6, rows[1] - 16, "1×1, added" if branch else "head, 1×1", ha="left", colour=look["colour"])
        arrow(axis, (middle, rows[1] + tall + 28), (middle, rows[2] - 2), colour=GREEN, line=1.3)
        words(axis, middle + 6, rows[2] - 16, f"× {factor}", ha="left", colour=GREEN)
        if branch:
            elbow(axis, [(x + SIDE + GAP - 2, rows[1] + tall / 2), (x + SIDE + 2, rows[1] + tall / 2)],
                  colour=GREEN, line=1.3)  # fmt: skip
            words(axis, x + SIDE + GAP / 2, rows[1] + tall / 2 - 9, "× 2", colour=GREEN)
    legend(axis, rows[1] + 8)
    return figure


def climbed(model: nn.Module, image: torch.Tensor) -> tuple[list, list, list]:
    """The pools, the scores after each sum, and each upsampled at once; all (C, h, w), coarsest sum first."""
    parts = ("backbone", "head", "score", "up_score", "score_pool4", "up_pool4", "score_pool3", "up_last")
    if missing := [name for name in parts if not hasattr(model, name)]:
        raise ValueError(f"The ladder is that of FCN-8s: this model has no {', '.join(missing)}.")
    with evaluation_mode(model), torch.inference_mode():
        x, pools = model.normalise(image[None]), []
        for stage in model.backbone:
            x = stage(x)
            pools.append(x)
        sums = [model.score(model.head(x))]
        for enlarge, score, pool in ((model.up_score, model.score_pool4, pools[3]),
                                     (model.up_pool4, model.score_pool3, pools[2])):  # fmt: skip
            sums.append(crop(enlarge(sums[-1]), pool) + score(pool))
        upsample = [FixedBilinear(sums[0].shape[1], factor, padding=factor // 2).to(x) for factor in (32, 16, 8)]
        ends = [crop(up(scores), image) for up, scores in zip(upsample, sums, strict=True)]
    return tuple([maps[0].cpu() for maps in row] for row in (pools, sums, ends))


def coloured(scores: torch.Tensor, labels: LabelTable) -> np.ndarray:
    """(H, W, 3) uint8: the class of the largest score in its colour."""
    return labels.palette[scores.argmax(0).numpy()]


def thumbnail(image: torch.Tensor) -> np.ndarray:
    """(H, W, 3) uint8: the picture in 64 colours: so the figure is stored with a palette, a third as large."""
    pixels = (255 * image).round().byte().permute(1, 2, 0).numpy()
    return np.asarray(Image.fromarray(pixels).quantize(64, method=Image.Quantize.MAXCOVERAGE).convert("RGB"))


def place(axis: Axes, drawn, x: float, y: float, tall: float, ramp=None) -> None:
    """One map in its frame."""
    picture(axis, drawn, x, y, SIDE, tall, cmap=ramp)


def caption(axis: Axes, name: str, shape: tuple[int, ...], x: float, y: float) -> None:
    """Its name and its shape, below it."""
    words(axis, x + SIDE / 2, y + 4, f"{name}\n{shape[0]} × {side_text(*shape[1:])}", va="top", linespacing=1.1)


def legend(axis: Axes, y: float) -> None:
    """What the arrows mean, in the free corner on the left."""
    meanings = (("pool: half the size", RED, False), ("head and score: what", PURPLE, False),
                ("skip: where", AMBER, True), ("upsample", GREEN, False))  # fmt: skip
    for row, (meaning, colour, dashed) in enumerate(meanings):
        line = y + 18 * row
        arrow(axis, (8, line), (34, line), colour=colour, dashed=dashed, line=1.3)
        words(axis, 42, line, meaning, ha="left", colour=INK)
    words(axis, 8, y + 18 * len(meanings) + 4, "blue: mean of the channels", ha="left", colour=GREY)
