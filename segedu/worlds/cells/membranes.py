"""Cells as electron microscopy shows them: they fill the plane, dark membranes between them, and much inside."""

from __future__ import annotations

import functools

import numpy as np

from segedu.worlds.cells.field import Ellipse, blur, clouds, direction, grid, hills, photograph, renumbered, uneven
from segedu.worlds.chance import Chance


def draw_membranes(
    chance: Chance, grain: np.random.Generator, size: tuple[int, int], *, noise: float, clutter: float, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Picture (H, W, 1) uint8 and ids of whole cells (H, W) int32: every pixel belongs to one, membranes too."""
    cells = _places(chance, size, scale)
    ids, gap = _partition(chance, cells, size, scale)
    shades = np.array([chance.between(-14, 14) - 26 * chance.happens(0.08) for _ in cells], np.float32)
    light = 168 + shades[ids - 1] + np.float32(chance.between(3, 9)) * clouds(chance, size, 4, 80)
    light += np.float32(chance.between(2, 8)) * clouds(chance, size, 32, 81)
    for number, cell in enumerate(cells, 1):
        _fill(chance, light, ids, gap, number, cell, clutter, scale)
    light -= _membrane(chance, gap, scale)
    _thickenings(chance, light, gap, clutter, scale)
    contrast, level = chance.between(0.75, 1.2), chance.between(-15, 20)
    light = (light - 130) * np.float32(contrast) + np.float32(130 + level)
    light *= uneven(chance, size, 0.3)
    for _ in range(chance.whole(0, 3)):
        light = blur(light)
    picture = photograph(light, np.float32(noise * chance.between(6, 18)), grain)
    return picture, renumbered(ids)


def _places(chance: Chance, size: tuple[int, int], scale: float) -> list[Ellipse]:
    """The cells, from large to small, until the plane is full; also those around the picture that reach into it."""
    largest, smallest = chance.between(18, 38) * scale, chance.between(5.5, 8.5) * scale
    step = 2 * scale  # free places are looked for on a grid of this many pixels
    margin = 0.6 * largest
    shape = tuple(int((side + 2 * margin) / step) + 1 for side in size)
    room = np.full(shape, np.float32(2 * largest))  # the pixels from each place to the nearest cell
    cells = []
    radius, spread = largest, chance.between(0.7, 0.9)
    while radius >= smallest:
        free = np.flatnonzero(room >= 0.95 * radius)
        while len(free):
            # A few of the free places at a time: they may be in each other's way, so each is asked again. Only the
            # smallest cells are many enough to leave no room.
            few = max(1, len(free) // 24) if radius == smallest else max(1, int(len(free) * step * step / 4000))
            for _ in range(few):
                row, column = divmod(int(free[chance.whole(0, len(free))]), shape[1])
                if room[row, column] >= 0.95 * radius:
                    y, x = (row + chance.between(0, 1)) * step, (column + chance.between(0, 1)) * step
                    r = radius * chance.between(0.85, 1)
                    place = Ellipse(y / step - 0.5, x / step - 0.5, r / step)
                    window = place.window(shape, (r + largest) / step)
                    rows, columns = grid(window)
                    rows, columns = rows - np.float32(place.y), columns - np.float32(place.x)
                    distance = np.sqrt(rows * rows + columns * columns) * np.float32(step) - np.float32(r)
                    np.minimum(room[window], distance, out=room[window])
                    stretch = chance.between(1, 1.45)
                    cells.append(Ellipse(y - margin, x - margin, r, stretch, direction(chance)))
            if radius > smallest:
                break
            free = np.flatnonzero(room >= 0.95 * radius)
        radius = smallest if smallest < radius < smallest / spread else radius * spread
    return cells


def _partition(
    chance: Chance, cells: list[Ellipse], size: tuple[int, int], scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """The number of the nearest cell, from 1, and how many pixels farther the second nearest is (0 on the border)."""
    bend = 6 * scale
    rows, columns = grid((slice(0, size[0]), slice(0, size[1])))
    y = rows + np.float32(0.75 * bend) * hills(chance, size, 20 * scale)
    x = columns + np.float32(0.75 * bend) * hills(chance, size, 20 * scale)
    y += np.float32(0.25 * bend) * hills(chance, size, 10 * scale)
    x += np.float32(0.25 * bend) * hills(chance, size, 10 * scale)
    first, second = np.full(size, np.float32(1e6)), np.full(size, np.float32(1e6))
    ids = np.zeros(size, np.int32)
    for number, cell in enumerate(cells, 1):
        # No place is farther than 11 pixels from its nearest two cells, and bending moves it by one bend.
        window = cell.window(size, (cell.radius + 11 * scale) * cell.stretch + bend)
        if window is None:
            continue
        u, v = cell.axes(y[window], x[window])
        u *= u
        v *= v
        u += v
        distance = np.sqrt(u, out=u)
        distance -= 1
        distance *= np.float32(cell.radius)
        here, next_to = first[window], second[window]
        nearer = distance < here
        np.minimum(next_to, np.maximum(here, distance), out=next_to)
        np.copyto(here, distance, where=nearer)
        np.copyto(ids[window], number, where=nearer)
    return ids, second - first


def _membrane(chance: Chance, gap: np.ndarray, scale: float) -> np.ndarray:
    """How much darker membranes are: sharp where they are cut straight, wide and pale where they lie aslant."""
    aslant = np.maximum(hills(chance, gap.shape, 30 * scale) - np.float32(chance.between(0.2, 0.8)), 0)
    width = np.float32(chance.between(2.6, 4.2) * scale) * (1 + 4 * aslant)
    dark = np.maximum(1 - gap / width, 0)
    return np.float32(chance.between(75, 115)) * dark / (1 + np.float32(1.6) * aslant)


def _fill(
    chance: Chance, light: np.ndarray, ids: np.ndarray, gap: np.ndarray, number: int, cell: Ellipse,
    clutter: float, scale: float,
) -> None:  # fmt: skip
    """Draw what is inside a cell: a mitochondrion in some of the larger ones, vesicles in most."""
    r = cell.radius
    if r > 10 * scale and chance.happens(min(0.35 * clutter, 1)):
        off = 0.3 * r
        body = Ellipse(
            cell.y + chance.between(-off, off), cell.x + chance.between(-off, off),
            chance.between(0.32, 0.5) * min(r, 22 * scale), chance.between(1, 1.4), direction(chance),
        )  # fmt: skip
        _mitochondrion(chance, light, ids, gap, number, body, scale)
    crowded = chance.between(0, 1)
    height, width = light.shape
    for _ in range(chance.count(clutter * crowded * crowded * r * r / (18 * scale * scale))):
        y, x = int(cell.y + chance.between(-r, r)), int(cell.x + chance.between(-r, r))
        spot = _vesicle(int(chance.between(1.1, 2.2) * scale * 4), chance.happens(0.7))
        dark, half = chance.between(15, 50), len(spot) // 2
        inside = half <= y < height - half and half <= x < width - half
        if inside and ids[y, x] == number and gap[y, x] > 4 * scale:
            light[y - half : y + half + 1, x - half : x + half + 1] -= np.float32(dark) * spot


@functools.cache
def _vesicle(quarters: int, ring: bool) -> np.ndarray:
    """(2n + 1, 2n + 1) float32: how dark a vesicle is, radius in quarters of a pixel; a ring or a dot."""
    half = quarters // 2 + 1
    away = np.arange(-half, half + 1, dtype=np.float32) * np.float32(4 / quarters)
    distance = np.sqrt(away[:, None] * away[:, None] + away * away)
    fade = 1 - np.abs(distance - 1) * np.float32(1.4) if ring else np.float32(1.2) - distance
    return np.maximum(fade, 0)


def _mitochondrion(
    chance: Chance, light: np.ndarray, ids: np.ndarray, gap: np.ndarray, number: int, body: Ellipse, scale: float
) -> None:
    """Darken an ellipse inside of one cell, with a rim as dark as a membrane and folds across."""
    window = body.window(light.shape, body.radius * body.stretch + 3)
    dark, rim, period = chance.between(18, 45), chance.between(40, 75), chance.between(3, 5) * scale
    if window is None:
        return
    u, v = body.axes(*grid(window))
    inside = (1 - np.sqrt(u * u + v * v)) * np.float32(body.radius)  # about the pixels to the rim
    waves = (u * np.float32(body.radius * body.stretch) + clouds(chance, inside.shape, 8, 85) * np.float32(2)) / (
        np.float32(period)
    )
    folds = np.abs(waves - np.floor(waves) - np.float32(0.5)) * np.float32(4) - 1  # −1 … 1
    shade = np.float32(dark) * np.clip(inside + np.float32(0.5), 0, 1) * (1 + np.float32(0.5) * folds)
    shade += np.float32(rim) * np.maximum(1 - np.abs(inside) / np.float32(1.3 * scale), 0)
    light[window] -= shade * ((ids[window] == number) & (gap[window] > 1.5 * scale))


def _thickenings(chance: Chance, light: np.ndarray, gap: np.ndarray, clutter: float, scale: float) -> None:
    """Darken patches on membranes, as where two cells signal to each other."""
    borders = np.flatnonzero(gap.ravel() < 0.7)
    for _ in range(chance.count(4 * clutter * light.size / (128 * 128)) if len(borders) else 0):
        y, x = divmod(int(borders[chance.whole(0, len(borders))]), light.shape[1])
        spot = Ellipse(y, x, chance.between(3, 7) * scale, chance.between(1, 1.4), direction(chance))
        window = spot.window(light.shape, spot.radius * 2.2)
        u, v = spot.axes(*grid(window))
        fade = np.maximum(1 - (u * u + v * v) / 2, 0)
        light[window] -= np.float32(chance.between(25, 80)) * fade * (1 / (1 + gap[window] * np.float32(0.12)))
