"""Lesson 13's stored runs on the camera's turn, taken out before objects are tracked. Run by results.py."""

from __future__ import annotations

from functools import lru_cache, partial
from itertools import pairwise

import numpy as np

from benchmarks.lesson_13 import Maps, filmed
from benchmarks.scoring import Arms, Scores
from segedu.inference import track
from segedu.metrics import id_metrics


@lru_cache(maxsize=2)
def steadied(index: int, rate: int) -> Maps:
    """The objects of one clip as a camera that does not turn would see them, on wider maps.

    How far each picture has moved since the one before is read from their brightness alone (phase correlation, whole
    pixels).
    """
    from skimage.registration import phase_cross_correlation

    images, _, objects = filmed(index, rate)
    grey = [image.mean(0).numpy() for image in images]
    moved = [phase_cross_correlation(now, before)[0] for before, now in pairwise(grey)]
    turned = np.cumsum([(0, 0), *moved], axis=0).astype(int)
    margin = int(np.abs(turned).max())
    return [np.roll(np.pad(ids, margin), -turn, axis=(0, 1)) for ids, turn in zip(objects, turned, strict=True)]


def camera() -> Arms:
    """Do objects keep their names longer if the camera's turn is taken out first, and is motion still needed then?

    True masks of all objects of ten clips of 60 pictures, at 10 and at 5 pictures a second. A seed is a clip: nothing
    is trained or random.
    """

    def arm(rate: int, still: bool, motion: bool, index: int) -> Scores:
        objects = steadied(index, rate) if still else filmed(index, rate)[2]
        score = id_metrics(track(objects, motion=motion), objects)
        return {"idf1": score.idf1(), "switches_per_object": score.switches / score.true}

    ways = {
        "overlap": (False, False),
        "motion": (False, True),
        "camera taken out": (True, False),
        "camera taken out, motion": (True, True),
    }
    return {f"{rate} a second, {way}": partial(arm, rate, *kind) for rate in (10, 5) for way, kind in ways.items()}


EXPERIMENTS = {"13_camera": camera}
