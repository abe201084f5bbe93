"""The bodies of cars, vans and buses, as faces in space."""

from __future__ import annotations

import functools
import itertools
from typing import NamedTuple

import numpy as np

from segedu.worlds.street.paint.codes import code
from segedu.worlds.street.scene import CARS, Material

WINDSCREEN, REAR_WINDOW = 2, 4
ARC = [(1, 0), (0.87, 0.5), (0.5, 0.87), (0, 1), (-0.5, 0.87), (-0.87, 0.5)]
CIRCLE = ARC + [(-x, -y) for x, y in ARC]


Outline = list[tuple[float, float]]  # (ahead, up)
Face = tuple[int, tuple, list]  # code, outward normal, corners; axes: ahead, to the right, up


def _faces(style: str) -> list[Face]:
    """All faces of a car, in metres, in the order of painting."""
    outline, width, _ = CARS[style]
    belt, top = _belt_and_top(outline)

    def placed(t: float, side: float, y: float) -> tuple[float, float, float]:
        cabin = min(1, max(0, (y - belt) / 0.35))  # cabins narrow towards the roof
        return t, side * width / 2 * (1 - cabin * (0.05 if top > 2 else 0.16)), y

    flanks = [
        (fill, (0, side, 0), [(t, side, y) for t, y in points]) for side in (-1, 1) for fill, points in _flank(outline)
    ]
    faces = _upper(outline) + flanks + _front(outline) + _rear(outline)
    return [(fill, normal, [placed(*corner) for corner in corners]) for fill, normal, corners in faces]


# In what follows, the second number of a corner is −1 … 1: from the left flank to the right one.
def _belt_and_top(outline: Outline) -> tuple[float, float]:
    return outline[WINDSCREEN][1], max(y for _, y in outline)


def _across(fill: int, normal: tuple, start: tuple, end: tuple, side: float) -> Face:
    """A face from the left to the right, between two places (ahead, up)."""
    (t0, y0), (t1, y1) = start, end
    return fill, normal, [(t0, -side, y0), (t0, side, y0), (t1, side, y1), (t1, -side, y1)]


def _upper(outline: Outline) -> list[Face]:
    """The dark below both bumpers, then bonnet, windscreen, roof and what follows along the outline."""
    (nose, low), (tail, _) = outline[0], outline[-1]
    dark = code(Material.DARK, 5)
    faces = [_across(dark, (sign, 0, 0), (t, 0.08), (t, low), 0.9) for sign, t in ((1, nose), (-1, tail))]
    for k, ((t0, y0), (t1, y1)) in enumerate(itertools.pairwise(outline)):
        normal = (y1 - y0, 0, t0 - t1)
        flat = abs(y1 - y0) < 0.35 * abs(t1 - t0)
        faces.append(_across(code(Material.OWN, 23 if flat else 15), normal, (t0, y0), (t1, y1), 1))
        if k in (WINDSCREEN, REAR_WINDOW):
            a, b = 0.1, 0.9 if k == WINDSCREEN else 0.75
            start, end = (t0 + a * (t1 - t0), y0 + a * (y1 - y0)), (t0 + b * (t1 - t0), y0 + b * (y1 - y0))
            faces.append(_across(code(Material.GLASS, 9), normal, start, end, 0.85))
    return faces


def _front(outline: Outline) -> list[Face]:
    (nose, low), shoulder = outline[0], outline[1][1]
    grille = (code(Material.DARK, 12), -0.5, 0.5, shoulder - 0.22, shoulder - 0.1)
    return _end(nose, low, shoulder, code(Material.LIGHT, 17), code(Material.LIGHT, 14), [grille])


def _rear(outline: Outline) -> list[Face]:
    (tail, low), shoulder = outline[-1], outline[-2][1]
    return _end(tail, low, shoulder, code(Material.EXTRA, 18), code(Material.ACCENT), [])


def _end(t: float, low: float, shoulder: float, lamp: int, plate: int, more: list[tuple]) -> list[Face]:
    """What is seen of a car from ahead or from behind: bumper, number plate, tyres, lamps."""
    boxes = [(code(Material.DARK, 14), -1, 1, low, low + 0.13), (plate, -0.3, 0.3, low + 0.16, low + 0.29), *more]
    for side in (-1, 1):
        boxes.append((code(Material.DARK, 5), side * 0.95, side * 0.68, 0.0, low))
        boxes.append((lamp, side * 0.97, side * 0.66, shoulder - 0.26, shoulder - 0.06))
    return [
        (fill, (t, 0, 0), [(t, left, bottom), (t, right, bottom), (t, right, high), (t, left, high)])
        for fill, left, right, bottom, high in boxes
    ]


def _flank(outline: Outline) -> list[tuple[int, Outline]]:
    """One side of a car: body, sill, windows, wheels, each (code, corners)."""
    (nose, low), (tail, _) = outline[0], outline[-1]
    belt, top = _belt_and_top(outline)
    front, roof = outline[WINDSCREEN], outline[WINDSCREEN + 1]
    rear_top, rear = outline[REAR_WINDOW], outline[REAR_WINDOW + 1]
    panes = [(front[0] - 0.15, belt + 0.02), (roof[0] - 0.1, roof[1] - 0.1)]
    if 2 < top < 2.5:  # a van has windows at the front only
        panes += [(roof[0] - 1, roof[1] - 0.1), (roof[0] - 1, belt + 0.02)]
    else:
        panes += [(rear_top[0] + 0.12, rear_top[1] - 0.1), (rear[0] + 0.35, max(rear[1], belt) + 0.02)]
    faces = [
        (code(Material.DARK, 6), [(nose * 0.92, 0.06), (nose, low), (tail, low), (tail * 0.92, 0.06)]),
        (code(Material.OWN, 13), outline),
        (code(Material.OWN, 9), [(nose, low), (nose, low + 0.12), (tail, low + 0.12), (tail, low)]),
        (code(Material.GLASS, 7), panes),
    ]
    for t in range(-4, 5, 2) if top > 2.5 else (0,) if top < 2 else ():  # the posts between windows
        post = [(t - 0.1, belt), (t, belt), (t, top - 0.08), (t - 0.1, top - 0.08)]
        faces.append((code(Material.OWN, 11), post))
    radius = 0.32 if top < 2 else 0.4
    for t in (nose * 0.64, tail * 0.62):
        for part, fill in ((1.2, code(Material.DARK, 5)), (1, code(Material.DARK, 11)), (0.6, code(Material.LIGHT, 9))):
            faces.append((fill, [(t + radius * part * x, radius + radius * part * y) for x, y in CIRCLE]))
    return faces


class Body(NamedTuple):
    """The faces of one style of car."""

    faces: list[tuple[int, int, int]]  # code, first corner, last corner + 1, in the order of painting
    corners: np.ndarray  # (corners, 3) metres: ahead of the middle, to the right, up
    centres: np.ndarray  # (faces, 3) metres
    normals: np.ndarray  # (faces, 3), outward


@functools.cache
def cars() -> dict[str, Body]:
    """Style → its body, as faces in space."""
    made = {}
    for style in CARS:
        faces = _faces(style)
        starts = [0]
        for _, _, corners in faces:
            starts.append(starts[-1] + len(corners))
        centres = np.array(
            [[sum(axis) / len(corners) for axis in zip(*corners, strict=True)] for _, _, corners in faces]
        )
        corners = np.array([corner for face in faces for corner in face[2]], float)
        fills, normals = [face[0] for face in faces], np.array([face[1] for face in faces], float)
        made[style] = Body(list(zip(fills, starts, starts[1:], strict=False)), corners, centres, normals)
    return made
