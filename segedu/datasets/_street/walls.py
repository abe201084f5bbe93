"""Walls: where each is seen, column by column of the picture, and its painting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segedu.datasets._street import looks
from segedu.datasets._street.canvas import NEAR, Canvas, whole
from segedu.datasets._street.looks import OWN, TILE, code
from segedu.datasets._street.scene import Wall


@dataclass(slots=True)
class Outline:
    """A wall as it is seen: rows of its edges, texels and air, one of each a column from `first` on."""

    first: int
    upper: np.ndarray
    lower: np.ndarray
    start: np.ndarray  # texels up the wall at row 0, and how many fewer a row
    slope: np.ndarray
    texel: np.ndarray  # along the wall
    air: np.ndarray


def outlines(canvas: Canvas, walls: list[Wall]) -> list[Outline | None]:
    """How the walls are seen, None for what is beside the picture. Computed for all at once, in (walls, columns)."""
    numbers = [(*w.start, *w.end, w.top, w.bottom, w.bays, len(w.parts[0]), len(w.parts)) for w in walls]
    x0, z0, x1, z1, top, bottom, bays, tiles, storeys = np.array(numbers, float).reshape(-1, 9).T[:, :, None]
    # Beside a wall, the numbers of a column mean nothing, and are not looked at.
    with np.errstate(divide="ignore", invalid="ignore"):
        begin = np.where(z0 < NEAR, (NEAR - z0) / (z1 - z0), 0.0)  # the part of the wall that is behind the camera
        x0, z0 = x0 + begin * (x1 - x0), np.maximum(z0, NEAR)
        a, b = canvas.across(x0, z0), canvas.across(x1, z1)
        ray = (np.arange(canvas.width) + (0.5 - canvas.middle)) / canvas.focal
        along = (ray * z0 - a) / ((b - a + 1e-9) - ray * (z1 - z0))
    along = np.minimum(np.maximum(along, 0), 0.9999)
    z = z0 + along * (z1 - z0)
    upper = canvas.horizon + canvas.focal * (canvas.camera.height - top) / z
    lower = canvas.horizon + canvas.focal * (canvas.camera.height - bottom) / z
    texel = ((begin + along * (1 - begin)) * (bays * TILE)).astype(np.int32) % (tiles * TILE).astype(np.int32)
    slope = (storeys * TILE / (lower - upper)).astype(np.float32)
    start = lower.astype(np.float32) * slope + 1
    air = ((128 << 8) + canvas.hazy(z)).astype(np.uint16)
    ends = np.hstack([canvas.middle + canvas.focal * a / z0, canvas.middle + canvas.focal * b / z1]).tolist()
    seen = []
    for k, (u0, u1) in enumerate(ends):
        first, last = max(0, whole(min(u0, u1))), min(canvas.width, whole(max(u0, u1)))
        columns = np.s_[k, first:last]
        parts = (plane[columns] for plane in (upper, lower, start, slope, texel, air))
        seen.append(Outline(first, *parts) if first < last else None)
    return seen


def paint_wall(canvas: Canvas, wall: Wall, seen: Outline | None) -> None:
    if seen:
        _paint_front(canvas, wall, seen)
    if wall.roof:
        _paint_roof(canvas, wall)


def _paint_front(canvas: Canvas, wall: Wall, seen: Outline) -> None:
    """The texture covers the height of a wall once and is repeated along it."""
    upper, lower = seen.upper[[0, -1]].min(), seen.lower[[0, -1]].max()
    box = canvas.visible(int(upper), int(lower) + 1, seen.first, seen.first + len(seen.upper))
    if not box:
        return
    y0, y1, x0, x1 = box
    columns = slice(x0 - seen.first, x1 - seen.first)
    texture = looks.texture(wall.parts)  # an empty row below and above
    rows = (np.arange(y0, y1, dtype=np.float32) + np.float32(0.5))[:, None]
    up = seen.start[columns] - rows * seen.slope[columns]
    np.maximum(up, 0, out=up)
    np.minimum(up, texture.shape[0] - 1, out=up)
    at = up.astype(np.int32)
    at *= texture.shape[1]
    at += seen.texel[columns]
    number = canvas.add(wall.label, wall.colours, wall.gain)
    veiled = wall.parts[0][0][0] in looks.VEILED
    canvas.stamp(texture.ravel().take(at), y0, x0, number, seen.air[columns], veiled)


def _paint_roof(canvas: Canvas, wall: Wall) -> None:
    (x0, z0), (x1, z1), (rise, behind, colour) = wall.start, wall.end, wall.roof
    z0 = max(z0, NEAR)
    eaves = [canvas.project(x0, wall.top, z0), canvas.project(x1, wall.top, z1)]
    if behind:
        back = behind if x0 > 0 else -behind
        ridge = [canvas.project(x1 + back, wall.top + rise, z1), canvas.project(x0 + back, wall.top + rise, z0)]
    else:  # the pointed end of a house
        ridge = [canvas.project((x0 + x1) / 2, wall.top + rise, z0)]
    outline = np.array(eaves + ridge)
    number = canvas.add(wall.label, {OWN: colour}, wall.gain)
    canvas.polygons([(code(OWN, 15), 0, len(outline))], outline, number, z1, grain=True)


def in_view(canvas: Canvas, wall: Wall) -> bool:
    """Whether any of a wall may be in the picture: quick, and rather too often True."""
    (x0, _), (x1, z1) = wall.start, wall.end
    aside = canvas.width / 2 / canvas.focal * z1 + 20
    return z1 > NEAR and not (
        (x0 > 0) == (x1 > 0) and abs(canvas.across(x0, z1)) > aside and abs(canvas.across(x1, z1)) > aside
    )
