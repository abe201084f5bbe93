"""Scores as areas: IoU as two shapes, one class of a confusion matrix, bands along borders."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from segedu.diagrams.canvas import GREY, INK, LABEL, WIDTH, box, picture, sheet, words
from segedu.ids import class_ids
from segedu.labels import STREET, LabelTable
from segedu.masks.check import as_bytes
from segedu.metrics import ConfusionMatrix, border_band
from segedu.pictures import picture_tensor
from segedu.plotting import ORANGE

Mask = np.ndarray | torch.Tensor
ONLY_A, ONLY_B, BOTH = "#9CC9E8", "#F6C995", "#4A4A4A"


def iou(a: Mask, b: Mask, *, names: tuple[str, str] = ("truth", "prediction"), title: str | None = None) -> Figure:
    """A figure of two masks on their pixel grid, the pixels of both and of either counted. Lesson 02.

    Args:
        a: (H, W) booleans, or 0 and 1; sides up to 64.
        b: the same of the other mask.
        names: what the masks are called.
        title: the figure's.

    Raises:
        ValueError: For masks of different sizes, too large ones, and two without a pixel.

    Example:
        >>> cup = np.zeros((8, 8), bool)
        >>> cup[2:6, 2:6] = True
        >>> figure = iou(cup, np.roll(cup, 1, axis=1))
    """
    a, b = (np.asarray(mask).astype(bool) for mask in (a, b))
    if a.shape != b.shape or a.ndim != 2 or max(a.shape) > 64:
        raise ValueError(f"The masks are {a.shape} and {b.shape}; give two of one size (H, W), up to 64 × 64.")
    both, either = int((a & b).sum()), int((a | b).sum())
    if not either:
        raise ValueError("Neither mask has a pixel, so their IoU is 0 / 0; the course leaves such a class out.")
    height, width = a.shape
    side = min(300 / height, 400 / width)
    figure, axis = sheet(max(52 + height * side, 250), title or "Intersection over union", width=width * side + 284)
    left, top = 4, 40
    for row, column in np.ndindex(height, width):
        kind = (a[row, column], b[row, column])
        face = {(True, True): BOTH, (True, False): ONLY_A, (False, True): ONLY_B}.get(kind, "white")
        box(axis, left + column * side, top + row * side, side, side, face=face, edge="#D8D8D8", line=0.4)
    outline(axis, a, left, top, side, colour=INK)
    outline(axis, b, left, top, side, colour=ORANGE, dashed=True)
    x, y = left + width * side + 40, top + height * side / 2 - 78
    for number, (name, colour, dashed) in enumerate(((names[0], INK, False), (names[1], ORANGE, True))):
        line = y + 20 * number
        axis.plot([x, x + 26], [line, line], color=colour, linewidth=1.8, linestyle=(0, (3, 2)) if dashed else "-")
        words(axis, x + 34, line, f"{name}: {int((a, b)[number].sum())} pixels", size=LABEL, ha="left")
    y += 52
    swatches(axis, x, y, [BOTH])
    words(axis, x + 34, y, f"both: {both} pixels", size=LABEL, ha="left")
    swatches(axis, x, y + 22, [ONLY_A, BOTH, ONLY_B])
    words(axis, x + 68, y + 22, f"either: {either} pixels", size=LABEL, ha="left")
    y += 62
    words(axis, x, y, "IoU  =", size=11, ha="left")
    words(axis, x + 84, y - 12, f"{both}", size=11)
    axis.plot([x + 60, x + 108], [y, y], color=INK, linewidth=1)
    words(axis, x + 84, y + 12, f"{either}", size=11)
    words(axis, x + 118, y, f"=  {both / either:.2f}", size=11, ha="left")
    return figure


def swatches(axis: Axes, x: float, y: float, colours: Sequence[str]) -> None:
    """Small squares of these colours in a row."""
    for number, colour in enumerate(colours):
        box(axis, x + 18 * number, y - 8, 16, 16, face=colour, edge="none")


def outline(axis: Axes, mask: np.ndarray, left: float, top: float, side: float, *, colour: str, dashed: bool = False):
    """The edges between a mask's pixels and others, each straight piece one line."""
    padded = np.pad(mask, 1)
    level, upright = padded[1:, 1:-1] != padded[:-1, 1:-1], (padded[1:-1, 1:] != padded[1:-1, :-1]).T
    look = {"color": colour, "linewidth": 1.8, "linestyle": (0, (3, 2)) if dashed else "-", "zorder": 5}
    for edges, is_level in ((level, True), (upright, False)):
        for line, first, last in runs(edges):
            along, across = [first * side, last * side], [line * side] * 2
            x, y = (along, across) if is_level else (across, along)
            axis.plot([left + value for value in x], [top + value for value in y], **look)


def runs(edges: np.ndarray) -> list[tuple[int, int, int]]:
    """(row, first column, column behind the last) of each run of True in a row."""
    changes = np.diff(np.pad(edges, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    return [
        (int(r), int(a), int(b))
        for (r, a), (_, b) in zip(np.argwhere(changes == 1), np.argwhere(changes == -1), strict=True)
    ]


def matrix(
    counts: ConfusionMatrix | Mask | Sequence[Sequence[int]],
    of: str,
    *,
    labels: LabelTable | Sequence[str] = STREET,
    title: str | None = None,
) -> Figure:
    """A figure of a confusion matrix, one class's row, column and crossing coloured. Lesson 02.

    Below it precision, recall and IoU of this class, as fractions of these cells.

    Args:
        counts: a ConfusionMatrix, or (classes, classes) whole numbers; each row is a true class.
        of: the class's name.
        labels: the class table, or the names.
        title: the figure's.

    Raises:
        ValueError: For an unknown name, and for counts of another size than the names.

    Example:
        >>> figure = matrix([[50, 3], [7, 40]], "cup", labels=("background", "cup"))
    """
    names = list(getattr(labels, "names", labels))
    counts = np.asarray(getattr(counts, "counts", counts))
    if counts.shape != (len(names), len(names)) or of not in names:
        raise ValueError(f"The counts are {counts.shape}, the class is {of!r}; the names are {', '.join(names)}.")
    here, size = names.index(of), len(names)
    longest = 6.6 * max(len(name) for name in names)
    left = 36 + longest
    wide = min(84.0, (WIDTH - 220 - left) / size)
    tall = min(wide, 34.0)
    slanted = longest > wide - 6
    top = 64 + (0.8 * longest if slanted else 0)
    scores_top = max(60.0, top + size * tall / 2 - 72)
    title = title or f"One class in the matrix: {of}"
    figure, axis = sheet(max(top + size * tall + 10, scores_top + 178), title, width=left + size * wide + 216)
    words(axis, left + size * wide / 2, 38, "predicted", size=LABEL, colour=GREY)
    words(axis, 10, top + size * tall / 2, "true", size=LABEL, colour=GREY, rotation=90)
    for row, column in np.ndindex(size, size):
        face = BOTH if row == column == here else ONLY_A if row == here else ONLY_B if column == here else "white"
        x, y = left + column * wide, top + row * tall
        box(axis, x, y, wide, tall, face=face, edge="#BBBBBB", line=0.6)
        colour = "white" if face == BOTH else INK
        words(axis, x + wide / 2, y + tall / 2, short(int(counts[row, column]), wide), colour=colour)
    for number, name in enumerate(names):
        words(axis, left - 8, top + (number + 0.5) * tall, name, ha="right")
        if slanted:
            words(axis, left + (number + 0.5) * wide, top - 6, name, rotation=60, ha="left", va="bottom",
                  rotation_mode="anchor")  # fmt: skip
        else:
            words(axis, left + (number + 0.5) * wide, top - 9, name)
    hit, row_sum, column_sum = int(counts[here, here]), int(counts[here].sum()), int(counts[:, here].sum())
    x, y = left + size * wide + 36, scores_top + 10
    score(axis, x, y, "recall", hit, row_sum, "right, of the whole row")
    score(axis, x, y + 64, "precision", hit, column_sum, "right, of the whole column")
    score(axis, x, y + 128, "IoU", hit, row_sum + column_sum - hit, "right, of all coloured")
    return figure


def score(axis: Axes, x: float, y: float, name: str, part: int, whole: int, meaning: str) -> None:
    """A score's name, its fraction and value, and in words what is divided."""
    value = f"= {part / whole:.2f}" if whole else "undefined"
    words(axis, x, y, name, size=LABEL, ha="left")
    words(axis, x + 96, y - 9, short(part), size=LABEL)
    axis.plot([x + 70, x + 122], [y, y], color=INK, linewidth=0.9)
    words(axis, x + 96, y + 9, short(whole), size=LABEL)
    words(axis, x + 130, y, value, size=LABEL, ha="left")
    words(axis, x, y + 26, meaning, ha="left", colour=GREY)


def short(count: int, room: float = 60) -> str:
    """56,789 where it fits into as many CSS pixels, else 57k; 1,234,567 or 1.2M."""
    text = f"{count:,}"
    if 6.8 * len(text) < room:
        return text
    return f"{count / 1000:.0f}k" if count < 1_000_000 else f"{count / 1e6:.1f}M"


def band(
    mask: Mask,
    widths: Sequence[int] = (1, 4, 16),
    *,
    image: Mask | None = None,
    labels: LabelTable = STREET,
    title: str | None = None,
) -> Figure:
    """A figure of the pixels near borders, a panel a width; those outside are faded. Lesson 02.

    Args:
        mask: (H, W) class ids.
        widths: in pixels, as in metrics.border_band, up to three.
        image: the picture, shown inside the band; None shows the classes.
        labels: the class table, for the classes' colours.
        title: the figure's.

    Raises:
        ValueError: For no width, more than three, and those that border_band refuses.

    Example:
        >>> figure = band(mask, (1, 4, 16))
    """
    if not 1 <= len(widths) <= 3:
        raise ValueError(f"widths={tuple(widths)} should be one to three numbers of pixels.")
    ids = as_bytes(class_ids(mask), "The mask")
    inside = (
        labels.palette[ids]
        if image is None
        else (255 * picture_tensor(image).permute(1, 2, 0).numpy()).astype(np.uint8)
    )
    height, width = ids.shape
    wide = min(360.0, (WIDTH - 8 - 12 * (len(widths) - 1)) / len(widths))
    tall = wide * height / width
    figure, axis = sheet(
        62 + tall + 8, title or "The band along borders grows", width=8 + (wide + 12) * len(widths) - 12
    )
    for number, band_width in enumerate(widths):
        near = border_band(torch.from_numpy(ids.astype(np.int64)), band_width).numpy()
        faded = np.where(near[..., None], inside, 255 - (255 - inside) // 8)
        left = 4 + number * (wide + 12)
        text = f"{band_width} pixel{'s' * (band_width > 1)}: {near.mean():.0%} of the picture"
        words(axis, left, 42, text, size=LABEL, ha="left")
        picture(axis, faded, left, 54, wide, tall)
    return figure
