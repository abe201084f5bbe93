"""What both looks of ToyCells share: windows of a picture, smooth noise, where cells lie, and the camera."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from segedu.worlds.chance import Chance, noise


@dataclass(frozen=True)
class Ellipse:
    """An ellipse in a picture: centre and mean radius in pixels; `along` (cosine, sine) points along its longer axis.

    stretch: by how much the longer axis exceeds the mean, and the mean the shorter one.
    """

    y: float
    x: float
    radius: float
    stretch: float = 1.0
    along: tuple[float, float] = (1.0, 0.0)

    def window(self, shape: tuple[int, int], reach: float) -> tuple[slice, slice] | None:
        """Rows and columns around the centre, `reach` pixels each way; None if they lie outside of the picture."""
        top, left = max(int(self.y - reach), 0), max(int(self.x - reach), 0)
        bottom, right = min(int(self.y + reach) + 2, shape[0]), min(int(self.x + reach) + 2, shape[1])
        return (slice(top, bottom), slice(left, right)) if top < bottom and left < right else None

    def axes(self, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where rows y and columns x lie along the longer and the shorter axis, the ellipse being the unit circle."""
        y, x = y - np.float32(self.y), x - np.float32(self.x)
        (cos, sin), long, short = self.along, self.radius * self.stretch, self.radius / self.stretch
        u = x * np.float32(cos / long) + y * np.float32(sin / long)
        return u, y * np.float32(cos / short) - x * np.float32(sin / short)


def grid(window: tuple[slice, slice]) -> tuple[np.ndarray, np.ndarray]:
    """The rows (h, 1) and columns (1, w) of a window, as float32."""
    rows, columns = window
    return (
        np.arange(rows.start, rows.stop, dtype=np.float32)[:, None],
        np.arange(columns.start, columns.stop, dtype=np.float32)[None],
    )


def direction(chance: Chance) -> tuple[float, float]:
    """A random (cosine, sine): a point in the unit disc, brought to its rim."""
    while True:
        x, y = chance.between(-1, 1), chance.between(-1, 1)
        length = math.sqrt(x * x + y * y)
        if 0.1 < length <= 1:
            return x / length, y / length


class Crowd:
    """Discs that keep their distance, found again by their place: fast for a picture of any size."""

    def __init__(self, largest: float):
        self.cell = 2 * largest
        self.discs: list[tuple[float, float, float]] = []
        self._boxes: dict[tuple[int, int], list[int]] = {}

    def add(self, y: float, x: float, radius: float, closeness: float) -> bool:
        """Whether the disc was added: not if another's centre is nearer than closeness · (sum of both radii)."""
        row, column = math.floor(y / self.cell), math.floor(x / self.cell)
        for i in (row - 1, row, row + 1):
            for j in (column - 1, column, column + 1):
                for number in self._boxes.get((i, j), ()):
                    other_y, other_x, other = self.discs[number]
                    reach = closeness * (radius + other)
                    if (y - other_y) * (y - other_y) + (x - other_x) * (x - other_x) < reach * reach:
                        return False
        self._boxes.setdefault((row, column), []).append(len(self.discs))
        self.discs.append((y, x, radius))
        return True


def clouds(chance: Chance, shape: tuple[int, int], spots: int, seed: int) -> np.ndarray:
    """(H, W) float32 in about −1 … 1: smooth noise whose spots are about `spots` pixels (a power of two) wide."""
    tile = noise(seed, 256 // spots)
    rows = (np.arange(shape[0]) + chance.whole(0, 256)) & 255
    columns = (np.arange(shape[1]) + chance.whole(0, 256)) & 255
    return tile[rows[:, None], columns].astype(np.float32) / np.float32(64)


def hills(chance: Chance, shape: tuple[int, int], spacing: float) -> np.ndarray:
    """(H, W) float32 in −1 … 1, without fine grain: random heights `spacing` pixels apart, with slopes between them."""
    counts = [int(side / spacing) + 2 for side in shape]
    heights = [chance.between(-1, 1) for _ in range(counts[0] * counts[1])]
    field = np.array(heights, np.float32).reshape(counts)
    for axis, side in enumerate(shape):
        place = (np.arange(side, dtype=np.float32) / np.float32(spacing)).reshape((-1, 1) if axis == 0 else (1, -1))
        before = place.astype(np.int32)
        lower, upper = field.take(before.ravel(), axis), field.take(before.ravel() + 1, axis)
        field = lower + (upper - lower) * (place - before.astype(np.float32))
    return field


def uneven(chance: Chance, shape: tuple[int, int], strength: float) -> np.ndarray:
    """(H, W) float32 around 1: light that falls off to one side and towards the corners."""
    y = np.arange(shape[0], dtype=np.float32)[:, None] / np.float32(shape[0]) - np.float32(0.5)
    x = np.arange(shape[1], dtype=np.float32)[None] / np.float32(shape[1]) - np.float32(0.5)
    slope_y, slope_x = chance.between(-strength, strength), chance.between(-strength, strength)
    corners = chance.between(0, strength)
    return 1 + np.float32(slope_y) * y + np.float32(slope_x) * x - np.float32(corners) * (y * y + x * x)


def blur(picture: np.ndarray) -> np.ndarray:
    """(H, W) float32 with each pixel mixed with its neighbours, ¼ ½ ¼ each way; the border is repeated."""
    for axis in (0, 1):
        padded = np.pad(picture, [(1, 1) if axis == k else (0, 0) for k in (0, 1)], mode="edge")
        before, after = (padded[:-2], padded[2:]) if axis == 0 else (padded[:, :-2], padded[:, 2:])
        picture = picture * np.float32(0.5) + (before + after) * np.float32(0.25)
    return picture


def photograph(light: np.ndarray, sigma: np.ndarray | float, rng: np.random.Generator) -> np.ndarray:
    """(H, W, 1) uint8: light in grey levels, with a camera's noise of standard deviation sigma (grey levels)."""
    # The sum of four uniform bytes is close to a normal number and, unlike one, the same on every machine.
    grains = np.frombuffer(rng.bytes(light.size * 4), np.uint8).reshape(4, *light.shape)
    grain = grains.astype(np.int16).sum(0, dtype=np.int16).astype(np.float32) - np.float32(510)
    value = light + grain * (sigma / np.float32(148)) + np.float32(0.5)
    return np.clip(value, 0, 255).astype(np.uint8)[..., None]


def renumbered(ids: np.ndarray) -> np.ndarray:
    """The same ids without gaps: 1 … number of cells that can be seen."""
    there = np.zeros(int(ids.max()) + 1, bool)
    there[ids] = True
    there[0] = False
    return (np.cumsum(there, dtype=np.int32) * there)[ids]
