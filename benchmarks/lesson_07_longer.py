"""Lesson 07: do thirty pictures do the work of three hundred when the network learns longer? Run by results.py."""

from __future__ import annotations

from functools import lru_cache, partial

import segedu
from benchmarks.lesson_07 import AUGMENTED, RECIPE, SIZE, Weighted, network, samples, weighted_loss
from benchmarks.lesson_07_weights import scores
from benchmarks.scoring import Arms, Scores
from segedu.datasets import ToyCells

STEPS = 1000


def longer() -> Arms:
    """30 or 300 pictures, augmented, five times as long as 07_pictures: 1000 steps. Another seed, other pictures."""
    val = ToyCells("val", size=SIZE, instances=True)

    @lru_cache(maxsize=1)
    def of_seed(seed: int) -> list:
        return samples(ToyCells("train", length=300, seed=seed, size=SIZE, instances=True))

    def arm(pictures: int, seed: int) -> Scores:
        net = network(seed)
        train = Weighted(of_seed(seed)[:pictures], AUGMENTED)
        segedu.fit(net, train, loss=weighted_loss, seed=seed, **RECIPE | {"steps": STEPS})
        return scores(net, val)

    return {f"{pictures} pictures, augmented": partial(arm, pictures) for pictures in (30, 300)}


EXPERIMENTS = {"07_longer": longer}
