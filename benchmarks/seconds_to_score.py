"""How soon does a network know as much as the peer after a minute? data/results/seconds_to_score.json; lesson 10.

    python -m benchmarks.seconds_to_score [--seconds 180] [--seeds 0 1 2] [--only NAME …] [--dry]

The same streets, recipes and clock as in learning_per_minute.py. In our recipe the learning rate falls to 0 at the end
of the budget, so every point of a curve is a training of its own; as documented the rate is constant, and one training
is scored on its way, while the clock stands still. A network that was trained on rendered streets before has its scores
at 0 seconds, too. Budgets beyond --seconds are left out. Arms are run seed by seed, so that slow minutes of the machine
meet all of them. Rows that are stored already for other seeds or names are kept.

The table names the best peer of its kind after PEERS_SECONDS, the seconds at which our curve first reaches that score
(straight between two points, the seconds on a logarithmic scale), and how many times sooner that is.
"""

from __future__ import annotations

import math
import statistics
import sys
from itertools import pairwise

import torch
from torch import nn

import segedu
from benchmarks.learning_per_minute import (
    ARMS,
    BATCH,
    CLASSES,
    Arm,
    Street,
    compete,
    fit_for,
    interval,
    learn_as_documented,
)
from benchmarks.scoring import Scores
from benchmarks.storing import RESULTS
from segedu import resources
from segedu.models import QuickUNet

STORED = RESULTS / "seconds_to_score.json"
QUESTION = "How soon does a network know as much as the peer after a minute?"
OURS = "U-Net, strided stem"
FROM_TOYSTREET = "U-Net of lesson 06, from ToyStreet"
PEERS_SECONDS = 60


def lesson_06() -> nn.Module:
    """The network of lesson 06's shipped weights, with new ones."""
    return QuickUNet(CLASSES, width=16, depth=3)


def from_toystreet() -> nn.Module:
    """The same with the shipped weights: its classes are those of CamVid, in their order."""
    return segedu.load(resources.data_path("weights", "unet_toystreet.safetensors"))


ALL_ARMS = ARMS | {
    "U-Net of lesson 06": Arm(lesson_06, rate=3e-3),
    FROM_TOYSTREET: Arm(from_toystreet, rate=1e-3),
}
LONG, SHORT, ON_ITS_WAY = (3, 5, 8, 12, 20, 30, 60, 180), (5, 10, 20, 60), (5, 10, 20, 30, 60, 120, 180)
BUDGETS = {
    OURS: LONG,
    "U-Net of lesson 06": SHORT,
    FROM_TOYSTREET: (0, *SHORT),
    "smp Unet resnet18, as documented": ON_ITS_WAY,
    "smp DeepLabV3Plus resnet18, as documented": ON_ITS_WAY,
    "smp Unet resnet18, our recipe": (20, 60),
    "smp DeepLabV3Plus resnet18, our recipe": (20, 60),
}


def scores(model: nn.Module, street: Street, seconds: int) -> Scores:
    """{"by_drive, 20 s": mean IoU, "val, 20 s": …} of the model as it is after these seconds."""
    return {
        f"{name}, {seconds} s": round(segedu.evaluate(model, data).mean_iou(), 4)
        for name, data in street.scored.items()
    }


def run(arm: Arm, street: Street, budgets: tuple[int, ...], seed: int) -> Scores:
    """The curve of one arm from one seed: its scores after each of these seconds, which rise."""
    curve: Scores = {}

    def new() -> nn.Module:
        torch.manual_seed(seed)
        return arm.build()

    if arm.rate is None:
        model = new()
        learning = learn_as_documented(model, street, seed)
        for seconds in budgets:
            pictures = next(pictures for spent, pictures in learning if spent >= seconds)
            curve |= scores(model, street, seconds)
    else:
        recipe = {"loss": street.loss, "rate": arm.rate, "batch": BATCH, "seed": seed}
        for seconds in budgets:
            model = new()
            pictures = fit_for(seconds, model, street.train, **recipe).pictures if seconds else 0
            curve |= scores(model, street, seconds)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return {"parameters": parameters, "pictures_per_second": round(pictures / budgets[-1], 1), **curve}


def points(row: dict, score: str = "by_drive") -> dict[int, dict[str, float]]:
    """{seconds: {seed: score in %}} of a stored row, in rising order."""
    told = {int(at.removesuffix(" s")): key for key in row for name, _, at in [key.partition(", ")] if name == score}
    return {at: {seed: 100 * value for seed, value in row[told[at]].items()} for at in sorted(told)}


def means(row: dict) -> dict[int, float]:
    """{seconds: the mean over the seeds, by drive, in %} of a stored row."""
    return {at: statistics.mean(values.values()) for at, values in points(row).items()}


def seconds_to(score: float, curve: dict[int, float]) -> float:
    """When this curve {seconds: score} first reaches the score: straight between points over log(seconds); else inf.

    A curve that is there at its first point may have been so before: the seconds of that point are an upper bound.
    """
    curve = {seconds: value for seconds, value in curve.items() if seconds > 0}
    first = min(curve)
    if curve[first] >= score:
        return first
    for (before, low), (after, high) in pairwise(sorted(curve.items())):
        if high >= score:
            part = (score - low) / (high - low)
            return math.exp((1 - part) * math.log(before) + part * math.log(after))
    return math.inf


def factors(stored: dict, kind: str, ours: str = OURS) -> dict:
    """How many times sooner our network knows what the best peer of a kind knows after PEERS_SECONDS.

    Args:
        stored: the table.
        kind: the end of the peers' names, "as documented" or "our recipe".
        ours: the name of our network.

    Returns:
        {"peer": its name, "score": its mean over the seeds in %, "seconds": when our mean curve reaches that, "factor":
        PEERS_SECONDS over these, "each": the factors of peer and network seed by seed}
    """
    at_its_end = {name: means(row)[PEERS_SECONDS] for name, row in stored["arms"].items() if name.endswith(kind)}
    peer = max(at_its_end, key=at_its_end.get)
    seconds = seconds_to(at_its_end[peer], means(stored["arms"][ours]))
    curve = points(stored["arms"][ours])
    each = [
        PEERS_SECONDS / seconds_to(score, {at: values[seed] for at, values in curve.items()})
        for seed, score in points(stored["arms"][peer])[PEERS_SECONDS].items()
        if all(seed in values for values in curve.values())
    ]
    return {
        "peer": peer, "score": at_its_end[peer], "seconds": seconds, "factor": PEERS_SECONDS / seconds, "each": each,
    }  # fmt: skip


def table(stored: dict) -> str:
    """The stored curves for people, and the factors: means with the 95 % interval of the mean over the seeds."""
    lines = [f"mean IoU by drive in %, ± the 95 % interval of the mean over the seeds; {stored['machine']}"]
    for name, row in stored["arms"].items():
        speed = statistics.mean(row["pictures_per_second"].values())
        lines.append(f"{name} ({row['parameters']:,} parameters, {speed:.1f} pictures/s)")
        lines.append("   " + "; ".join(f"{at} s {interval([*values.values()])}" for at, values in points(row).items()))
    for kind in ("as documented", "our recipe"):
        peers = [row for name, row in stored["arms"].items() if name.endswith(kind)]
        if OURS in stored["arms"] and peers and all(PEERS_SECONDS in points(row) for row in peers):
            found = factors(stored, kind)
            each = ", ".join(f"{factor:.1f}" for factor in found["each"])
            lines.append(
                f"{found['peer']} has {found['score']:.1f} after {PEERS_SECONDS} s; {OURS} after "
                f"{found['seconds']:.1f} s, {found['factor']:.1f} times sooner (seed by seed {each})"
            )
    return "\n".join(lines)


def run_named(name: str, street: Street, seconds: int, seed: int) -> Scores:
    """The curve of the arm of this name, but for budgets beyond these seconds."""
    return run(ALL_ARMS[name], street, tuple(budget for budget in BUDGETS[name] if budget <= seconds), seed)


def main() -> None:
    """The curve of each arm."""
    compete(STORED, QUESTION, 180, BUDGETS, run_named, table)


if __name__ == "__main__":
    sys.exit(main())
