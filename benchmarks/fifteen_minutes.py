"""How far does a laptop get? Fifteen minutes of two cores, CamVid at 480×360: data/results/fifteen_minutes.json.

    python -m benchmarks.fifteen_minutes [--seconds 900] [--seeds 0] [--only NAME …] [--dry]

Our network and the best peer start from scratch, a third from ImageNet. All learn from the same two drives of CamVid
with lesson 04's recipe, ours a second time with as many rendered streets of ToyStreet among them. The last weights are
scored at 480×360, with one answer a picture: "by_drive" on 51 pictures of a third drive, "val" on CamVid's val, which
is a clip out of a drive that is trained on. Where camvid/test is in SEGEDU_DATA, a last row learns from all of CamVid's
train, as published numbers do, and is scored on val and on the released test part. Network, size, rate and augmentation
were chosen by fifteen_minutes_choices.py on other pictures. Each of the seconds of a curve is a training of its own,
whose learning rate falls to 0 at its end.

A second is one of computing, as in learning_per_minute.py; on a machine at rest it is a second of the clock.
"""

from __future__ import annotations

import statistics
import sys
from functools import cache

from benchmarks.fifteen_minutes_choices import CANDIDATES, LargeStreet, learn
from benchmarks.learning_per_minute import compete, row
from benchmarks.scoring import Scores
from benchmarks.storing import RESULTS
from segedu.datasets import CamVid
from segedu.download import DataMissing

STORED = RESULTS / "fifteen_minutes.json"
QUESTION = "How far does a laptop get in fifteen minutes?"
OURS, PEER, PRETRAINED = "U-Net at a quarter, wider", "smp Unet resnet18", "SqueezeNet, pretrained, 240×320"
WITH_RENDERED = f"{OURS}, and rendered streets"
RELEASED = f"{OURS}, all of train"
BUDGETS = {OURS: (60, 240, 900), WITH_RENDERED: (900,), PEER: (900,), PRETRAINED: (900,), RELEASED: (900,)}


def by_drive() -> LargeStreet:
    """Two drives to learn from, half of a third to be scored on, and val."""
    return LargeStreet("by-drive", by_drive=CamVid("test", protocol="by-drive"), val=CamVid("val"))


@cache
def as_released() -> LargeStreet:
    """All of train, val and test."""
    return LargeStreet("released", val=CamVid("val"), test=CamVid("test"))


def names() -> list[str]:
    """The arms that can be run here: the released test part is not everywhere."""
    try:
        CamVid("test")
    except DataMissing:
        print("camvid/test is not here: no row for the released test part.", flush=True)
        return [name for name in BUDGETS if name != RELEASED]
    return [*BUDGETS]


def run(name: str, street: LargeStreet, seconds: int, seed: int) -> Scores:
    """The curve of one arm from one seed, but for budgets beyond these seconds: {"by_drive, 60 s": mean IoU, …}."""
    street = as_released() if name == RELEASED else street
    curve: Scores = {}
    for budget in BUDGETS[name]:
        if budget <= seconds:
            model, pictures = learn(CANDIDATES[OURS if name == RELEASED else name], street, budget, seed)
            found = row(model, street, pictures / budget)
            curve |= {f"{key}, {budget} s" if key in street.scored else key: value for key, value in found.items()}
    return curve


def table(stored: dict) -> str:
    """The stored curves for people: means over the seeds, in %."""
    lines = []
    for name, found in stored["arms"].items():
        scores = {key: statistics.mean(found[key].values()) for key in found if key != "parameters"}
        speed = scores.pop("pictures_per_second")
        told = "; ".join(f"{key} {100 * score:.1f}" for key, score in scores.items())
        lines.append(f"{name} ({found['parameters']:,} parameters, {speed:.1f} pictures/s): {told}")
    return "\n".join([*lines, f"mean IoU in %; {stored['machine']}"])


def main() -> None:
    """The curve of each arm."""
    compete(STORED, QUESTION, 900, names(), run, table, seeds=(0,), make_street=by_drive)


if __name__ == "__main__":
    sys.exit(main())
