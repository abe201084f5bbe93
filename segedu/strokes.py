"""Strokes: the few lines that a person paints over a picture, and the mask that they make."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from segedu.labels import IGNORE_INDEX, LabelTable


def draw_strokes(strokes: Sequence, labels: LabelTable, size: tuple[int, int], brush: float = 5) -> np.ndarray:
    """The mask of the strokes: (H, W) uint8 class ids, 255 (ignored) where nothing was painted; later ones lie on top.

    strokes: pairs (class, [(x, y), …]); class is a name in `labels` or its id. x is the column and y the row of a
        pixel, so (0, 0) is the *middle* of the upper left pixel (in a polygon it is its corner: masks.from_polygons).
        The points are joined by straight lines; one point makes a dot.
    size: (height, width). brush: diameter of the round brush in pixels, at least 1: painted is every pixel whose middle
        is at most brush / 2 away from the line.
    Raises ValueError for a stroke of another form, a point outside the picture and a brush under 1,
    KeyError for a class that `labels` does not have.
    """
    height, width = size
    if not 1 <= brush < np.inf:
        raise ValueError(f"The brush is a diameter in pixels, at least 1, got {brush}.")
    mask = np.full((height, width), IGNORE_INDEX, np.uint8)
    for number, stroke in enumerate(strokes):
        name, points = check_stroke(stroke, labels, size, number)
        for start, end in zip(points, points[1:] or points, strict=False):
            _paint_line(mask, labels.index(name), brush / 2, start, end)
    return mask


def check_stroke(stroke, labels: LabelTable, size: tuple[int, int], number: int) -> tuple[str, list[tuple]]:
    """(class name, [(x, y), …]) of a stroke in any form that draw_strokes takes; raises what draw_strokes raises.

    number: the stroke's place in its list, for the message.
    """
    form = 'a stroke is (class, [(x, y), …]), such as ("cup", [(120, 60), (140, 62)])'
    if not isinstance(stroke, Sequence) or isinstance(stroke, str) or len(stroke) != 2:
        raise ValueError(f"strokes[{number}] is {stroke!r}; {form}.")
    name, points = stroke
    if isinstance(name, str):
        labels.index(name)
    elif isinstance(name, bool) or not isinstance(name, int | np.integer) or not 0 <= name < len(labels):
        raise KeyError(f"strokes[{number}] is of class {name!r}; the ids are 0…{len(labels) - 1}, or take a name.")
    else:
        name = labels.names[name]
    try:
        # Python's own numbers: they can be sent to the browser, and they read well when printed.
        points = [tuple(value.item() if isinstance(value, np.generic) else value for value in p) for p in points]
        array = np.array(points, float)
    except (TypeError, ValueError):
        array = np.empty(0)
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(f"strokes[{number}] ({name}) has the points {points!r}; {form}.")
    height, width = size
    outside = ~((array >= 0) & (array <= (width - 1, height - 1))).all(1)
    if outside.any():
        raise ValueError(
            f"strokes[{number}] ({name}) has the point {points[outside.argmax()]} outside the picture, whose columns "
            f"are x = 0…{width - 1} and rows y = 0…{height - 1}. A point is (x, y): first the column, then the row."
        )
    return name, points


def _paint_line(mask: np.ndarray, class_id: int, radius: float, start: tuple, end: tuple) -> None:
    """Paints one straight piece in place. paintLine in static/widgets.js has the same rule: one sees this mask."""
    (ax, ay), (bx, by) = start, end
    dx, dy = bx - ax, by - ay
    height, width = mask.shape
    top, bottom = max(int(np.ceil(min(ay, by) - radius)), 0), min(int(max(ay, by) + radius), height - 1)
    left, right = max(int(np.ceil(min(ax, bx) - radius)), 0), min(int(max(ax, bx) + radius), width - 1)
    y, x = np.ogrid[top : bottom + 1, left : right + 1]
    length2 = dx * dx + dy * dy
    along = np.clip(((x - ax) * dx + (y - ay) * dy) / length2, 0, 1) if length2 else 0
    gap_x, gap_y = x - (ax + along * dx), y - (ay + along * dy)
    window = mask[top : bottom + 1, left : right + 1]
    window[gap_x * gap_x + gap_y * gap_y <= radius * radius] = class_id
