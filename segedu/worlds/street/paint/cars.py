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


def _faces(style: str) -> list[tuple[int, tuple, list]]:
    """[(code, outward normal, corners), …] in the order of painting; axes: ahead, to the right, up (metres)."""
    outline, width, _ = CARS[style]
    (nose, low), (tail, _) = outline[0], outline[-1]
    belt, top = outline[WINDSCREEN][1], max(y for _, y in outline)
    faces = []

    def face(fill: int, normal: tuple, corners: list) -> None:
        placed = []
        for t, side, y in corners:  # side: −1 … 1, from the left to the right flank; cabins narrow towards the roof
            cabin = min(1, max(0, (y - belt) / 0.35))
            placed.append((t, side * width / 2 * (1 - cabin * (0.05 if top > 2 else 0.16)), y))
        faces.append((fill, normal, placed))

    def across(fill: int, normal: tuple, start: tuple, end: tuple, side: float) -> None:
        (t0, y0), (t1, y1) = start, end
        face(fill, normal, [(t0, -side, y0), (t0, side, y0), (t1, side, y1), (t1, -side, y1)])

    for t, normal in ((nose, (1, 0, 0)), (tail, (-1, 0, 0))):  # the dark below the bumpers
        across(code(Material.DARK, 5), normal, (t, 0.08), (t, low), 0.9)
    for k, ((t0, y0), (t1, y1)) in enumerate(itertools.pairwise(outline)):  # bonnet, windscreen, roof, …
        normal = (y1 - y0, 0, t0 - t1)
        flat = abs(y1 - y0) < 0.35 * abs(t1 - t0)
        across(code(Material.OWN, 23 if flat else 15), normal, (t0, y0), (t1, y1), 1)
        if k in (WINDSCREEN, REAR_WINDOW):
            a, b = 0.1, 0.9 if k == WINDSCREEN else 0.75
            start, end = (t0 + a * (t1 - t0), y0 + a * (y1 - y0)), (t0 + b * (t1 - t0), y0 + b * (y1 - y0))
            across(code(Material.GLASS, 9), normal, start, end, 0.85)
    for side in (-1, 1):
        _flank(lambda fill, points, s=side: face(fill, (0, s, 0), [(t, s, y) for t, y in points]), outline, belt, top)
    ends = (
        (nose, outline[1][1], code(Material.LIGHT, 17), code(Material.LIGHT, 14)),
        (tail, outline[-2][1], code(Material.EXTRA, 18), code(Material.ACCENT)),
    )
    for t, shoulder, lamp, plate in ends:
        boxes = [(code(Material.DARK, 14), -1, 1, low, low + 0.13), (plate, -0.3, 0.3, low + 0.16, low + 0.29)]
        if t > 0:
            boxes.append((code(Material.DARK, 12), -0.5, 0.5, shoulder - 0.22, shoulder - 0.1))  # the grille
        for side in (-1, 1):
            boxes.append((code(Material.DARK, 5), side * 0.95, side * 0.68, 0.0, low))  # a tyre
            boxes.append((lamp, side * 0.97, side * 0.66, shoulder - 0.26, shoulder - 0.06))
        for fill, left, right, bottom, high in boxes:
            corners = [(t, left, bottom), (t, right, bottom), (t, right, high), (t, left, high)]
            face(fill, (t, 0, 0), corners)
    return faces


def _flank(paint, outline: list, belt: float, top: float) -> None:
    """One side of a car: body, sill, windows, wheels."""
    (nose, low), (tail, _) = outline[0], outline[-1]
    paint(code(Material.DARK, 6), [(nose * 0.92, 0.06), (nose, low), (tail, low), (tail * 0.92, 0.06)])
    paint(code(Material.OWN, 13), outline)
    paint(code(Material.OWN, 9), [(nose, low), (nose, low + 0.12), (tail, low + 0.12), (tail, low)])
    front, roof = outline[WINDSCREEN], outline[WINDSCREEN + 1]
    rear_top, rear = outline[REAR_WINDOW], outline[REAR_WINDOW + 1]
    panes = [(front[0] - 0.15, belt + 0.02), (roof[0] - 0.1, roof[1] - 0.1)]
    if 2 < top < 2.5:  # a van has windows at the front only
        panes += [(roof[0] - 1, roof[1] - 0.1), (roof[0] - 1, belt + 0.02)]
    else:
        panes += [(rear_top[0] + 0.12, rear_top[1] - 0.1), (rear[0] + 0.35, max(rear[1], belt) + 0.02)]
    paint(code(Material.GLASS, 7), panes)
    for t in range(-4, 5, 2) if top > 2.5 else (0,) if top < 2 else ():  # the posts between windows
        paint(code(Material.OWN, 11), [(t - 0.1, belt), (t, belt), (t, top - 0.08), (t - 0.1, top - 0.08)])
    radius = 0.32 if top < 2 else 0.4
    for t in (nose * 0.64, tail * 0.62):
        for part, fill in ((1.2, code(Material.DARK, 5)), (1, code(Material.DARK, 11)), (0.6, code(Material.LIGHT, 9))):
            paint(fill, [(t + radius * part * x, radius + radius * part * y) for x, y in CIRCLE])


class Body(NamedTuple):
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
