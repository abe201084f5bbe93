"""Pictures and class maps: image, truth, prediction, error, in that order; pictures under their names; overlays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from segedu.ids import class_ids, map_list
from segedu.labels import IGNORE_COLOUR, IGNORE_INDEX, LabelTable
from segedu.masks.check import as_bytes
from segedu.pictures import picture_tensor
from segedu.plotting.look import CSS, FONT_LABEL, WRONG, framed, grid_of


def panels(
    image: Any,
    truth: Any = None,
    prediction: Any = None,
    *,
    labels: LabelTable,
    error: bool = True,
    titles: Sequence[str] | None = None,
    legend: bool = True,
    columns: int | None = None,
    width: float | None = None,
) -> Figure:
    """A figure of image, truth, prediction and error, in this order, for one picture or several.

    The error is the picture in pale grey: where it is wrong, red lies on it; void is mid-grey.
    Lesson 02.

    Args:
        image: one picture or a list of pictures, each (3, H, W) or (1, H, W) in 0…1, or (H, W, 3)
            uint8.
        truth: class maps (H, W), one or a list as `image`; None draws neither truth nor error.
        prediction: class maps as `truth`. A dict {"name": maps, …} draws a panel for each, each
            followed by its error.
        labels: the classes' names and colours.
        error: draw where prediction and truth differ.
        titles: one for each kind of panel, in place of "Image", "Truth", ….
        legend: name the classes that occur, and void, below the figure.
        columns: panels in a row. None takes 2 or 3, so that what is beside another is as large as
            can be, and each prediction stands beside its error.
        width: CSS pixels of one panel at most; None: 480, 370 or 245 for 1, 2 or 3 columns.

    Raises:
        MaskError: If a map holds no class ids.
        ValueError: If there are not as many maps as pictures, or they differ in size.

    Example:
        >>> figure = plotting.panels(image, truth, {"32s": prediction, "8s": truth}, labels=STREET)
    """
    rows = _rows(image)
    kinds: list[tuple[str, list]] = [("Image", [_image(picture) for picture in rows])]
    truths = None if truth is None else _maps(truth, "truth", len(rows))
    drawn_maps = list(truths or [])
    if truths is not None:
        kinds.append(("Truth", [labels.palette[mask] for mask in truths]))
    several = isinstance(prediction, dict)
    named = prediction if several else {} if prediction is None else {"Prediction": prediction}
    with_errors = truths is not None and error and bool(named)
    for name, maps in named.items():
        maps = _maps(maps, name, len(rows))
        drawn_maps += maps
        kinds.append((name, [labels.palette[mask] for mask in maps]))
        if with_errors:
            wrong = [_error_picture(*three) for three in zip(kinds[0][1], maps, truths, strict=True)]
            kinds.append((f"Error of {name}" if several else "Error", wrong))
    names = list(titles) if titles is not None else [name for name, _ in kinds]
    if len(names) != len(kinds):
        raise ValueError(f"There are {len(kinds)} kinds of panels, but {len(names)} titles: {names}.")
    columns = columns or (2 if with_errors and len(kinds) > 3 else _columns(len(kinds)))
    columns = min(columns, len(kinds))
    cells = []
    for row in range(len(rows)):
        block = [(name, drawn[row]) for name, (_, drawn) in zip(names, kinds, strict=True)]
        if row and columns == len(kinds):
            block = [("", drawn) for _, drawn in block]  # the first row's titles are these rows', too
        cells += [block[start : start + columns] for start in range(0, len(block), columns)]
    figure = _drawn(cells, width)
    if legend:
        add_legend(figure, labels, drawn_maps)
    return figure


def pictures(named: Mapping, *, columns: int | None = None, width: float | None = None) -> Figure:
    """A figure of pictures, each below its name, in rows. Lesson 00.

    Args:
        named: {"name": picture, …}; a picture is (3, H, W) or (1, H, W) in 0…1, (H, W, 3) uint8,
            or (H, W) for grey.
        columns: pictures in a row; None: all up to 3, four as 2 × 2, more in rows of 3. Never more
            than there are pictures.
        width: CSS pixels of one picture at most; None: 480, 370 or 245 for 1, 2 or 3 columns. A
            picture of up to half as many pixels is enlarged by a whole factor that fits.

    Raises:
        ValueError: If there is no picture, or one has another form.

    Example:
        >>> figure = plotting.pictures({"Image": image, "Darker": image / 2}, width=320)
    """
    if not named:
        raise ValueError("There is no picture to draw: give {name: picture, …}.")
    columns = columns or _columns(len(named))
    cells = [(name, _image(picture)) for name, picture in named.items()]
    return _drawn([cells[start : start + columns] for start in range(0, len(cells), columns)], width)


def overlay(image: Any, mask: Any, labels: LabelTable, *, opacity: float = 0.5, axis: Axes | None = None) -> Figure:
    """A figure of the picture with the class map over it, classes and void named below. Lesson 01a.

    Args:
        image: (3, H, W) or (1, H, W) in 0…1, or (H, W, 3) uint8.
        mask: (H, W) class ids.
        labels: the classes' names and colours.
        opacity: of the map, 0…1.
        axis: where to draw, in a figure of your own; None: in a figure of 480 CSS pixels.

    Raises:
        MaskError: If the map holds no class ids.
        ValueError: If the map is of another size than the picture.
    """
    picture = _image(image)
    mask = _fitting(mask, picture.shape[:2])
    if axis is None:
        axis = grid_of([[("", picture.shape[:2])]], None)[1][0]
    framed(axis)
    draw_picture(axis, picture)
    axis.imshow(labels.palette[mask], alpha=opacity, interpolation="nearest")
    add_legend(axis.figure, labels, [mask])
    return axis.figure


def add_legend(figure: Figure, labels: LabelTable, maps: Sequence) -> None:
    """Name below the figure the classes that occur in the maps, and "void" if it occurs. Lesson 01a.

    Args:
        figure: any figure.
        labels: the classes' names and colours.
        maps: class maps (H, W); without any, nothing is drawn.
    """
    present = np.unique(np.concatenate([np.unique(class_ids(m)) for m in maps])) if maps else []
    named = [(labels.names[i], labels.colours[i]) for i in present if i < len(labels)]
    if IGNORE_INDEX in present:
        named.append(("void", IGNORE_COLOUR))
    patches = [
        Patch(facecolor=np.array(colour) / 255, edgecolor="#555555", linewidth=0.5, label=name)
        for name, colour in named
    ]
    legend_below(figure, patches)


def legend_below(figure: Figure, handles: Sequence) -> None:
    """A legend of these handles below the figure; nothing without handles."""
    if not handles:
        return
    look = {"handles": handles, "fontsize": FONT_LABEL, "frameon": False, "handlelength": 1.4, "columnspacing": 1.4}
    ncols = min(len(handles), max(2, int(figure.get_size_inches()[0] * CSS // 118)))
    if figure.get_layout_engine() is None:  # below what is drawn; show crops to what there is
        figure.legend(loc="upper left", bbox_to_anchor=(0, 0), ncols=ncols, borderaxespad=0, borderpad=0, **look)
    else:
        figure.legend(loc="outside lower center", ncols=ncols, **look)


def draw_picture(axis: Axes, picture: np.ndarray) -> None:
    """Draw (H, W, 3): pixels as squares where they are enlarged by two or more, and maps, uint8, always."""
    scale = axis.get_window_extent().width / axis.figure.dpi * 2 * CSS / picture.shape[1]
    squares = scale > 1.99 or picture.dtype == np.uint8
    axis.imshow(picture, interpolation="nearest" if squares else "antialiased")  # matplotlib 3.10 calls it "auto"


def _columns(count: int) -> int:
    """How many of so many panels stand in a row."""
    return count if count <= 3 else 2 if count == 4 else 3


def _drawn(rows: Sequence[Sequence[tuple[str, np.ndarray]]], width: float | None) -> Figure:
    """A figure of (title, (H, W, 3)) in these rows."""
    figure, axes = grid_of([[(name, picture.shape[:2]) for name, picture in row] for row in rows], width)
    for axis, (_, picture) in zip(axes, (cell for row in rows for cell in row), strict=True):
        draw_picture(axis, picture)
    return figure


def _image(picture) -> np.ndarray:
    """(H, W, 3) float32 in 0…1 of a picture in any form."""
    return picture_tensor(picture).permute(1, 2, 0).numpy()


def _error_picture(picture: np.ndarray, prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(H, W, 3) float32: the picture in pale grey, red where the prediction is wrong, mid-grey where the truth is void.

    A picture of another size than its maps is left out: then right is white.
    """
    wrong = _error(prediction, truth)
    drawn = pale(picture) if picture.shape[:2] == truth.shape else np.ones((*truth.shape, 3), np.float32)
    drawn[wrong == 1] = to_rgb(WRONG)
    drawn[wrong == IGNORE_INDEX] = np.float32(IGNORE_COLOUR) / 255
    return drawn


def pale(picture: np.ndarray) -> np.ndarray:
    """(H, W, 3) float32: the picture's brightness in light greys, 0.65…1, below what is to be seen on it."""
    grey = picture @ np.float32([0.299, 0.587, 0.114])
    return np.repeat(0.65 + 0.35 * grey[..., None], 3, axis=2)


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
    """(H, W): 0 right, 1 wrong, 255 void."""
    if prediction.shape != truth.shape:
        raise ValueError(f"The prediction is {prediction.shape}, the truth {truth.shape}; they must be one size.")
    return np.where(truth == IGNORE_INDEX, IGNORE_INDEX, prediction != truth)
