"""Random pictures of objects for the tests of scores and trackers: a truth, and a prediction that resembles it."""

import numpy as np


def random_pair(seed: int, *, size=(60, 80), count=12) -> tuple[np.ndarray, np.ndarray]:
    """(truth, prediction): maps of ids with gaps between the numbers; objects moved, merged, split, lost, invented."""
    random = np.random.default_rng(seed)
    truth, prediction = np.zeros((2, *size), np.int32)
    for number in range(1, count + 1):
        (top, left), (height, width) = random.integers(-4, size), random.integers(6, 22, 2)
        shift = random.integers(-1, 2, 2)
        for ids, (y, x) in ((truth, (top, left)), (prediction, (top + shift[0], left + shift[1]))):
            if random.random() < 0.85:
                name = 7 * number if random.random() < 0.9 else 7
                ids[max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)] = name
    return truth, prediction


def renamed(ids: np.ndarray, seed: int) -> tuple[np.ndarray, dict[int, int]]:
    """The same map under other names, and {old name: new name}."""
    old = np.unique(ids[ids > 0])
    new = 1 + np.random.default_rng(seed).permutation(10 * len(old))[: len(old)]
    table = np.zeros(ids.max(initial=0) + 1, np.int64)
    table[old] = new
    return table[ids], dict(zip(old.tolist(), new.tolist(), strict=True))


def many_squares(side: int = 32) -> np.ndarray:
    """side² objects of 2×2 pixels that touch, the outer ones at the picture's edge."""
    return np.arange(1, side**2 + 1, dtype=np.int32).reshape(side, side).repeat(2, 0).repeat(2, 1)
