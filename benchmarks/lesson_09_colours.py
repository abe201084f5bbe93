"""Lesson 09's stored runs on the sigma of colours, from far below the release's to above it. Run by results.py."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from benchmarks import lesson_08
from benchmarks.lesson_05 import network, one_round
from benchmarks.lesson_08 import LARGEFOV, SMALL
from benchmarks.lesson_09 import RELEASE, mean_iou, parts, sharpened
from benchmarks.scoring import Arms, Scores
from benchmarks.weighing import weighted_loss
from segedu.datasets import ToyStreet

COLOURS = (2, 3, 4, 5, 7)  # DeepLab searched 3 to 6; 09_crf only 5 and 10


def colours() -> Arms:
    """Is the release's sigma of colours, 5, too wide? FCN-8s and two heads of DeepLab, 100 steps on rendered streets.

    The sigma of places stays a third of the release's. Ten validation pictures choose the sigma of colours for each
    network; sixteen test pictures score the network, the release's settings and the chosen one.
    """
    train = ToyStreet("train", length=400)
    loss = weighted_loss(train)
    choose, report = ToyStreet("val", length=10), ToyStreet("test", length=16)
    xy, usual = RELEASE

    def arm(make: Callable[[int], nn.Module], seed: int) -> Scores:
        net = one_round(make(seed), train, loss, seed)
        *given, masks = parts(net, choose)
        search = {rgb: mean_iou(sharpened(*given, xy, rgb), masks) for rgb in COLOURS}
        found = {"search_before": mean_iou(given[0], masks)}
        found |= {f"search_{rgb}": value for rgb, value in search.items()}
        *given, masks = parts(net, report)
        answers = {"before": given[0], "release": sharpened(*given, *RELEASE)}
        chosen = max(search, key=search.get)
        answers["chosen"] = answers["release"] if chosen == usual else sharpened(*given, xy, chosen)
        return found | {f"{name}_mean_iou": mean_iou(answer, masks) for name, answer in answers.items()}

    makers = {
        "LargeFOV": partial(lesson_08.network, "largefov", LARGEFOV),
        "ASPP-S": partial(lesson_08.network, "aspp-s", SMALL),
        "FCN-8s": partial(network, 8),
    }
    return {name: partial(arm, make) for name, make in makers.items()}


EXPERIMENTS = {"09_colours": colours}
