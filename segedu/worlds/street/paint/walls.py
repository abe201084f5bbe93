"""The fronts of all walls at once: first column by column of the picture, then pixel by pixel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from segedu.worlds.street.paint import textures
from segedu.worlds.street.paint.canvas import NEAR, Canvas, runs
from segedu.worlds.street.paint.codes import OPAQUE
from segedu.worlds.street.paint.textures import TILE
from segedu.worlds.street.scene import Wall


def in_view(canvas: Canvas, wall: Wall) -> bool:
    """Whether any of a wall may be in the picture: quick, and rather too often True."""
    (x0, _), (x1, z1) = wall.start, wall.end
    aside = canvas.width / 2 / canvas.focal * z1 + 20
    return z1 > NEAR and not (
        (x0 > 0) == (x1 > 0) and abs(canvas.across(x0, z1)) > aside and abs(canvas.across(x1, z1)) > aside
    )


class Columns(NamedTuple):
    """Where walls are seen, one number for each column of each wall. Walls are counted from far to near."""

    wall: np.ndarray
    column: np.ndarray
    begin: np.ndarray  # rows, from begin to end − 1
    end: np.ndarray
    start: np.ndarray  # texels up the wall at row 0, and how many fewer a row
    slope: np.ndarray
    texel: np.ndarray  # along the wall
    z: np.ndarray


def paint_fronts(canvas: Canvas, numbered: list[tuple[Wall, int]]) -> None:
    """Paint the fronts of walls over sky and ground; numbered: (wall, its number), from far to near."""
    if not numbered:
        return
    walls, numbers = [wall for wall, _ in numbered], np.array([number for _, number in numbered], np.int32)
    seen = _columns(canvas, walls)
    canvas.wall_z = numbers[seen.wall], seen.column, seen.z
    _paint(canvas, walls, numbers, seen)


def _columns(canvas: Canvas, walls: list[Wall]) -> Columns:
    shape = [(*w.start, *w.end, w.top, w.bottom, w.bays * TILE, len(w.parts[0]) * TILE, len(w.parts)) for w in walls]
    x0, z0, x1, z1, top, bottom, length, repeat, storeys = np.array(shape, float).T
    with np.errstate(divide="ignore", invalid="ignore"):  # where both ends are as far, the other number is taken
        begin = np.where(z0 < NEAR, (NEAR - z0) / (z1 - z0), 0.0)  # the part of the wall that is behind the camera
    x0, z0 = x0 + begin * (x1 - x0), np.maximum(z0, NEAR)
    a, b = canvas.across(x0, z0), canvas.across(x1, z1)
    ends = np.sort([canvas.middle + canvas.focal * a / z0, canvas.middle + canvas.focal * b / z1], 0)
    first, last = (np.clip(ends, 0, canvas.width) + 0.5).astype(np.int32)
    count = np.maximum(last - first, 0)
    wall, column = np.repeat(np.arange(len(walls)), count), runs(first, count)
    # From here on, one number a column of each wall.
    high, low = canvas.focal * (canvas.camera.height - top), canvas.focal * (canvas.camera.height - bottom)
    each = np.stack([z0, z1 - z0, a, b - a + 1e-9, high, low, begin, 1 - begin, length, repeat, storeys * TILE])
    z0, deep, a, wide, high, low, begin, rest, length, repeat, texels = each.take(wall, 1)
    ray = (column + (0.5 - canvas.middle)) / canvas.focal
    along = np.clip((ray * z0 - a) / (wide - ray * deep), 0, 0.9999)
    z = z0 + along * deep
    upper, lower = canvas.horizon + high / z, canvas.horizon + low / z
    texel = ((begin + along * rest) * length).astype(np.int32) % repeat.astype(np.int32)
    slope = (texels / (lower - upper)).astype(np.float32)
    start = lower.astype(np.float32) * slope + 1
    begin = np.maximum(upper, 0).astype(np.int32)
    end = np.clip(lower + 1, 0, canvas.height).astype(np.int32)
    solid = textures.atlas()[2]
    hides = np.array([w.bottom == 0 and w.parts[0][0][0] in solid for w in walls]).take(wall)
    return Columns(wall, column, begin, _cull(canvas, hides, wall, column, begin, end), start, slope, texel, z)


def _cull(canvas: Canvas, hides: np.ndarray, wall: np.ndarray, column: np.ndarray, begin: np.ndarray, end: np.ndarray):
    """Where each column of a wall ends, less what nearer walls surely hide.

    hides: whether a wall stands on the ground and has no holes. Only what reaches over the horizon is looked at: in a
    column, what such walls hide is one piece.
    """
    hides = np.flatnonzero(hides & (begin < int(canvas.horizon)) & (end > int(canvas.horizon) + 1))
    place = wall[hides], column[hides]
    shape = wall.max(initial=0) + 2, canvas.width
    upper, lower = np.full(shape, canvas.height, np.int32), np.zeros(shape, np.int32)
    upper[place], lower[place] = begin[hides] + 1, end[hides] - 1
    nearer = wall + 1, column
    upper = np.minimum.accumulate(upper[::-1])[::-1][nearer]
    lower = np.maximum.accumulate(lower[::-1])[::-1][nearer]
    return np.where(end <= lower, np.minimum(end, upper), end)


def _paint(canvas: Canvas, walls: list[Wall], numbers: np.ndarray, seen: Columns) -> None:
    """A wall's tiles cover its height once and are repeated along it."""
    tiles, places, _ = textures.atlas()
    table, first, bays, texels = [], [], [], []  # where tiles start, storey by storey, above and below an empty one
    for wall in walls:
        first.append(len(table))
        bays.append(len(wall.parts[0]))
        texels.append(len(wall.parts) * TILE)
        table += [0] * bays[-1]
        for storey in wall.parts:
            table += map(places.__getitem__, storey)
        table += [0] * bays[-1]
    count = np.maximum(seen.end - seen.begin, 0)

    def each(values) -> np.ndarray:  # for each column → for each pixel
        return np.repeat(values, count)

    def of(values, dtype=np.int32) -> np.ndarray:  # for each wall → for each pixel
        return each(np.array(values, dtype).take(seen.wall))

    row = runs(seen.begin, count)
    up = each(seen.start)
    up -= (row.astype(np.float32) + np.float32(0.5)) * each(seen.slope)
    texel = np.clip(up, 0, of(texels, np.float32) + 1).astype(np.int32)
    texel += TILE - 1  # so that the empty storey below is the first
    tile = texel // TILE
    tile *= of(bays)
    tile += each(np.array(first).take(seen.wall) + seen.texel // TILE)
    texel &= TILE - 1
    texel *= TILE
    texel += each(seen.texel & TILE - 1)
    texel += np.array(table, np.int32).take(tile, mode="clip")  # no check of the range: faster
    values = tiles.take(texel, mode="clip").astype(np.int32)
    opaque, veiled = np.flatnonzero(values >= OPAQUE), np.flatnonzero((values > 0) & (values < OPAQUE))
    values += of(numbers * 256)
    row *= canvas.width
    row += each(seen.column)
    # Of several values for one pixel, numpy keeps the last: that of the nearest wall.
    canvas.what.ravel()[row.take(opaque)] = values.take(opaque)
    canvas.veil.ravel()[row.take(veiled)] = values.take(veiled) >> 8
