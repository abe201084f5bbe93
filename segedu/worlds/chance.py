"""Chance and smooth noise that are the same on every machine and in every version of numpy."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from itertools import chain

import numpy as np

Colour = tuple[float, float, float]  # red, green, blue, each 0…255


class Chance:
    """Decisions out of uniform random numbers: those are the same in all versions of numpy."""

    def __init__(self, rng: np.random.Generator):
        blocks = iter(lambda: rng.random(256).tolist(), None)  # the same numbers as one by one, at a fifth of the time
        self._next = chain.from_iterable(blocks).__next__

    def between(self, low: float, high: float) -> float:
        """A number from low to high."""
        return low + (high - low) * self._next()

    def whole(self, low: int, high: int) -> int:
        """One of low … high − 1."""
        return low + int((high - low) * self._next())

    def happens(self, probability: float) -> bool:
        """Whether it happens, with this probability."""
        return self._next() < probability

    def pick(self, options: Sequence):
        """One of the options, each as likely."""
        return options[int(len(options) * self._next())]

    def count(self, mean: float) -> int:
        """A whole number with this mean: its lower or its upper neighbour, give or take as much again."""
        return int(mean * 2 * self._next() + self._next())

    def near(self, colour: Colour, spread: float = 0.2) -> Colour:
        """A colour like this one: other brightness, and slightly other hue."""
        gain, (red, green, blue), chance = 1 - spread + 2 * spread * self._next(), colour, self._next
        return (
            min(255.0, red * gain * (0.95 + 0.1 * chance())),
            min(255.0, green * gain * (0.95 + 0.1 * chance())),
            min(255.0, blue * gain * (0.95 + 0.1 * chance())),
        )


@functools.cache
def noise(seed: int, coarsest: int, size: int = 256) -> np.ndarray:
    """(size, size) int32 in about −64 … 64: cloudy noise without seams, its largest spots size / coarsest wide."""
    rng = np.random.default_rng([seed, coarsest])
    total, cells, weight = np.zeros((size, size), np.int32), coarsest, 64
    while cells <= size and weight > 0:
        grid = rng.integers(-weight, weight + 1, (cells, cells), dtype=np.int32)
        step = size // cells
        ramp = np.arange(step, dtype=np.int32)
        rows = (grid[:, None] * (step - ramp)[:, None] + np.roll(grid, -1, 0)[:, None] * ramp[:, None]).reshape(
            size, cells
        )
        both = rows[:, :, None] * (step - ramp) + np.roll(rows, -1, 1)[:, :, None] * ramp
        total += both.reshape(size, size) // (step * step)
        cells, weight = cells * 2, weight // 2
    return total
