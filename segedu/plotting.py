"""A few drawings that every lesson needs. One look everywhere: image, truth, prediction, error, in that order."""

from __future__ import annotations

import io
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown, display
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from PIL import Image

from segedu.ids import class_ids, map_list
from segedu.labels import IGNORE_COLOUR, IGNORE_INDEX, LabelTable
from segedu.masks.checking import as_bytes
from segedu.pictures import picture_tensor

# Okabe and Ito's colours that every kind of colour vision tells apart; curves also differ by their dashes.
BLUE, ORANGE, GREEN, PURPLE, SKY, YELLOW, BLACK = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#F0E442", "#000000",
)  # fmt: skip
_DASHES = ("-", "--", ":", "-.")
_INCHES_WIDE = 9.5  # a notebook column
_DPI = 96


def show(figure: Figure, caption: str) -> None:
    """Show a figure with one sentence below it that says what is to be seen; the sentence is its alternative text, too.

    The figure becomes a PNG of at most 256 colours, which keeps a notebook small, and is closed.
    Raises ValueError for an empty caption: a figure that says nothing to those who cannot see it is half a figure.
    """
    if not caption.strip():
        raise ValueError("A figure needs a caption: one sentence that says in words what is to be seen.")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, bbox_inches="tight", facecolor="white")
    plt.close(figure)
    smaller = io.BytesIO()
    # an octree keeps rare colours, such as a small class's; Pillow's default, median cut, merges them into others
    few_colours = Image.open(buffer).convert("RGB").quantize(256, method=Image.Quantize.FASTOCTREE)
    few_colours.save(smaller, format="png", optimize=True)
    metadata = {"image/png": {"alt": caption}}
    display({"image/png": smaller.getvalue(), "text/plain": caption}, raw=True, metadata=metadata)
    display(Markdown(f"*{caption}*"))


def panels(
    image,
    truth=None,
    prediction=None,
    *,
    labels: LabelTable,
    error: bool = True,
    titles: Sequence[str] | None = None,
    legend: bool = True,
) -> Figure:
    """A figure of image, truth, prediction and error, in this order; rows for several pictures.

    image: one picture or a list of pictures, each (3, H, W) or (1, H, W) in 0…1, or (H, W, 3) uint8.
    truth, prediction: class maps (H, W), one or a list as `image`; either may be left out, and then the error is, too.
        A dict {"name": maps, …} as prediction draws one column for each, each followed by its error.
    error: draw where prediction and truth differ: right white, wrong dark, ignored hatched grey.
    titles: one a column, in place of "image", "truth", ….   legend: name the classes that occur, below the figure.
    Raises MaskError for maps that hold no class ids, ValueError where there are not as many maps as pictures.
    """
    rows = _rows(image)
    columns: list[tuple[str, str, list]] = [("image", "image", rows)]
    truths = None if truth is None else _maps(truth, "truth", len(rows))
    if truths is not None:
        columns.append(("truth", "map", truths))
    several = isinstance(prediction, dict)
    named = prediction if several else {} if prediction is None else {"prediction": prediction}
    for name, maps in named.items():
        maps = _maps(maps, name, len(rows))
        columns.append((name, "map", maps))
        if truths is not None and error:
            wrong = [_error(p, t) for p, t in zip(maps, truths, strict=True)]
            columns.append((f"error of {name}" if several else "error", "error", wrong))
    names = titles or [name for name, _, _ in columns]
    height, width = columns[-1][2][0].shape if len(columns) > 1 else picture_tensor(rows[0]).shape[1:]
    inches = min(_INCHES_WIDE / len(columns), 4.5)
    below = 0.5 if legend else 0.0
    figure, axes = plt.subplots(
        len(rows), len(columns), squeeze=False, layout="constrained",
        figsize=(inches * len(columns), inches * len(rows) * height / width + 0.25 + below),
    )  # fmt: skip
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.02)
    for (_, kind, pictures), column, name in zip(columns, axes.T, names, strict=True):
        column[0].set_title(name, fontsize=10)
        for axis, picture in zip(column, pictures, strict=True):
            axis.set_axis_off()
            _DRAW[kind](axis, picture, labels)
    if legend:
        maps = [picture for _, kind, pictures in columns if kind == "map" for picture in pictures]
        add_legend(figure, labels, maps)
    return figure


def pictures(named: dict, *, columns: int | None = None) -> Figure:
    """A figure of pictures, each below its name; all in one row, or in rows of `columns`.

    named: {"name": picture, …}; a picture is (3, H, W) or (1, H, W) in 0…1, (H, W, 3) uint8, or (H, W) for grey.
    """
    columns = columns or len(named)
    rows = -(-len(named) // columns)
    height, width = picture_tensor(next(iter(named.values()))).shape[1:]
    inches = min(_INCHES_WIDE / columns, 4.5)
    figure, axes = plt.subplots(
        rows, columns, squeeze=False, layout="constrained",
        figsize=(inches * columns, rows * (inches * height / width + 0.3)),
    )  # fmt: skip
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, (name, picture) in zip(axes.flat, named.items(), strict=False):
        axis.set_title(name, fontsize=10)
        _draw_image(axis, picture, None)
    return figure


def overlay(image, mask, labels: LabelTable, *, opacity: float = 0.5, axis: plt.Axes | None = None) -> Figure:
    """A figure of the picture with the class map over it; ignored pixels hatched, classes named below.

    Raises MaskError for a map that holds no class ids, ValueError for one of another size than the picture.
    """
    mask = _fitting(mask, picture_tensor(image).shape[1:])
    figure = axis.figure if axis else plt.figure(layout="constrained", figsize=(5.5, 4.5))
    axis = axis or figure.add_subplot()
    axis.set_axis_off()
    _draw_image(axis, image, labels)
    _draw_map(axis, mask, labels, opacity=opacity)
    add_legend(figure, labels, [mask])
    return figure


def add_legend(figure: Figure, labels: LabelTable, maps: Sequence) -> None:
    """Name below the figure the classes that occur in the class maps, and "ignored" if it occurs."""
    present = np.unique(np.concatenate([np.unique(class_ids(m)) for m in maps])) if maps else []
    patches = [
        Patch(facecolor=np.array(labels.colours[i]) / 255, edgecolor="black", linewidth=0.4, label=labels.names[i])
        for i in present
        if i < len(labels)
    ]
    if IGNORE_INDEX in present:
        patches.append(Patch(facecolor=np.array(IGNORE_COLOUR) / 255, hatch="////", edgecolor="white", label="ignored"))
    if patches:
        figure.legend(
            handles=patches, loc="outside lower center", ncols=min(len(patches), 6), fontsize=9, frameon=False
        )


def learning_curves(histories: dict, *, smooth: int = 10) -> Figure:
    """A figure of the loss over the steps, and of the validations' mean IoU where there are any.

    histories: {"name": History, …}; smooth: each point of the loss is the mean of the last `smooth` steps.
    """
    scored = any(history.validations for history in histories.values())
    figure, axes = plt.subplots(1, 1 + scored, squeeze=False, layout="constrained", figsize=(4.5 * (1 + scored), 2.9))
    for number, (name, history) in enumerate(histories.items()):
        style = {
            "label": name,
            "linestyle": _DASHES[number % 4],
            "color": (BLUE, ORANGE, GREEN, PURPLE, BLACK)[number % 5],
        }
        loss = (
            np.convolve(history.loss, np.ones(smooth) / smooth, mode="valid")
            if len(history.loss) >= smooth
            else history.loss
        )
        axes[0, 0].plot(np.arange(len(loss)) + len(history.loss) - len(loss) + 1, loss, **style)
        if scored:
            scores = [(v["step"], 100 * v["mean_iou"]) for v in history.validations]
            axes[0, 1].plot(*zip(*scores, strict=True), marker="o", markersize=3, **style)
    axes[0, 0].set(xlabel="step", ylabel="training loss (nats)", ylim=(0, None))
    if scored:
        axes[0, 1].set(xlabel="step", ylabel="validation mean IoU (%)", ylim=(0, None))
    axes[0, -1].legend(fontsize=9, frameon=False)
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
    return figure


def confusion(matrix, labels: LabelTable) -> Figure:
    """A figure of a ConfusionMatrix: each row is a true class, and says in percent where its pixels went.

    A class without a true pixel has an empty row.
    """
    counts = matrix.counts.double().numpy()
    with np.errstate(invalid="ignore"):
        share = 100 * counts / counts.sum(1, keepdims=True)
    size = 1.6 + 0.42 * len(labels)
    figure, axis = plt.subplots(layout="constrained", figsize=(size + 0.8, size))
    axis.imshow(share, cmap="Blues", vmin=0, vmax=100)
    axis.set_xticks(range(len(labels)), labels.names, rotation=60, ha="right", rotation_mode="anchor", fontsize=9)
    axis.set_yticks(range(len(labels)), labels.names, fontsize=9)
    axis.set(xlabel="predicted class", ylabel="true class")
    for (row, column), value in np.ndenumerate(share):
        if value >= 0.5:
            colour = "white" if value > 55 else "black"
            axis.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=8, color=colour)
    return figure


def _fitting(mask, size) -> np.ndarray:
    """The class ids (H, W) uint8 of a mask, which must be of this size."""
    ids = _ids(mask)
    if ids.shape != tuple(size):
        raise ValueError(f"The mask is {ids.shape}, its picture {tuple(size)} (height, width); they must be one size.")
    return ids


def _ids(mask) -> np.ndarray:
    return as_bytes(class_ids(mask), "The mask")


def _rows(pictures) -> list:
    """One picture or many, as a list."""
    if isinstance(pictures, (list, tuple)):
        return list(pictures)
    return list(pictures) if getattr(pictures, "ndim", None) == 4 else [pictures]


def _maps(maps, name: str, count: int) -> list[np.ndarray]:
    """One class map or many, as a list of uint8 arrays, as many as there are pictures."""
    maps = [_ids(mask) for mask in map_list(maps, f"The maps of {name!r}")]
    if len(maps) != count:
        raise ValueError(f"There are {count} pictures, but {len(maps)} maps of {name!r}; each picture needs one.")
    return maps


def _error(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(H, W): 0 right, 1 wrong, 255 ignored."""
    if prediction.shape != truth.shape:
        raise ValueError(f"The prediction is {prediction.shape}, the truth {truth.shape}; they must be one size.")
    return np.where(truth == IGNORE_INDEX, IGNORE_INDEX, prediction != truth)


def _draw_image(axis, image, labels) -> None:
    axis.imshow(picture_tensor(image).permute(1, 2, 0).numpy(), interpolation="nearest")


def _draw_map(axis, mask: np.ndarray, labels: LabelTable, opacity: float = 1.0) -> None:
    axis.imshow(labels.palette[mask], alpha=opacity, interpolation="nearest")
    _hatch_ignored(axis, mask)


def _draw_error(axis, wrong, labels) -> None:
    colours = np.full((256, 3), 255, np.uint8)
    colours[1] = (30, 30, 30)
    colours[IGNORE_INDEX] = IGNORE_COLOUR
    axis.imshow(colours[wrong], interpolation="nearest")
    _hatch_ignored(axis, wrong)
    axis.add_patch(plt.Rectangle((-0.5, -0.5), wrong.shape[1], wrong.shape[0], fill=False, linewidth=0.8))


def _hatch_ignored(axis, mask: np.ndarray) -> None:
    """White stripes over the ignored pixels: no class is striped, so nobody takes them for one."""
    if (mask == IGNORE_INDEX).any():
        rows, columns = np.indices(mask.shape)
        period = max(4, min(mask.shape) // 24)
        stripes = (mask == IGNORE_INDEX) & ((rows + columns) % period < period / 2)
        axis.imshow(np.where(stripes[..., None], np.uint8([255, 255, 255, 255]), np.uint8(0)), interpolation="nearest")


_DRAW = {"image": _draw_image, "map": _draw_map, "error": _draw_error}
