"""Train what a lesson is too short to train, and store the numbers: data/results/NAME.json.

    python -m benchmarks.results 04_leak [--seeds 0 1 2] [--dry]

Every file holds the command, the machine, and for each arm one list a score with one number a seed. The lessons draw
their figures from these files; tests/benchmarks/test_results.py trains one entry anew. --dry prints without storing.
Arms are run seed by seed and stored after each, so that a run that is stopped early has as many seeds of each.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch.utils.data import Subset

import segedu
from benchmarks import lesson_04, lesson_05, lesson_06, lesson_07, lesson_08, lesson_09, lesson_11, lesson_12, lesson_13
from benchmarks.lesson_04 import mean_loss
from benchmarks.storing import store
from benchmarks.weighing import weighted_loss
from segedu import losses, transforms
from segedu.datasets import CamVid, ToyStreet
from segedu.metrics import ConfusionMatrix
from segedu.models import SmallNet

RESULTS = Path(__file__).resolve().parents[1] / "data" / "results"
SIZE = (120, 160)
RECIPE = {"batch_size": 8, "learning_rate": 5e-3, "progress": False}
Scores = dict[str, float]


def trained(seed: int, train, steps: int, **options) -> SmallNet:
    """Lesson 04's network after `steps` steps from this seed."""
    torch.manual_seed(seed)
    network = SmallNet(11)
    segedu.fit(network, train, steps=steps, seed=seed, **RECIPE | options)
    return network


def scores(matrix: ConfusionMatrix, prefix: str = "") -> Scores:
    """The numbers that the lessons show, in 0…1."""
    named = {
        "mean_iou": matrix.mean_iou(),
        "pixel_accuracy": matrix.pixel_accuracy(),
        "mean_accuracy": matrix.mean_accuracy(),
    }
    return {prefix + name: value for name, value in named.items()}


# The experiments: each gives {arm: function of a seed → scores}


def contest_on_camvid() -> dict[str, Callable[[int], Scores]]:
    """Lesson 02's contestants on CamVid val; the network has seen rendered streets only."""
    seen = torch.stack([mask for _, mask in CamVid("train", size=SIZE)])
    val = CamVid("val", size=SIZE)
    truths = torch.stack([mask for _, mask in val])
    votes = torch.stack([(seen == k).sum(0) for k in range(11)])
    rendered = ToyStreet("train", length=300)
    weighted = weighted_loss(rendered)

    def network(seed: int) -> Scores:
        return scores(segedu.evaluate(trained(seed, rendered, 150, loss=weighted), val))

    def constant(prediction: torch.Tensor, seed: int) -> Scores:
        return scores(ConfusionMatrix(11).update(prediction.expand_as(truths), truths))

    return {
        "all road": partial(constant, torch.full(SIZE, 3)),
        "average street": partial(constant, votes.argmax(0)),
        "network": network,
    }


def two_worlds() -> dict[str, Callable[[int], Scores]]:
    """Lesson 04's network and loss for 400 steps on rendered streets, or on CamVid's drives; scored on both."""
    sets = {
        "by_drive_": CamVid("test", protocol="by-drive", size=SIZE),
        "val_": CamVid("val", size=SIZE),
        "toystreet_": ToyStreet("val"),
    }

    def arm(train, loss, seed: int) -> Scores:
        network = trained(seed, train, steps=400, loss=loss)
        rows = [scores(segedu.evaluate(network, data), prefix) for prefix, data in sets.items()]
        return {name: value for row in rows for name, value in row.items()}

    vary = transforms.augment(scale=(0.7, 1.6))
    drives = {"protocol": "by-drive", "size": SIZE}
    return {
        "ToyStreet": partial(arm, ToyStreet("train", transform=vary), weighted_loss(ToyStreet("train"))),
        "CamVid": partial(arm, CamVid("train", transform=vary, **drives), weighted_loss(CamVid("train", **drives))),
    }


def camvid_leak() -> dict[str, Callable[[int], Scores]]:
    """CamVid's val is one clip; what happens to the scores when the 37 training frames around it are left out?"""
    train = CamVid("train", protocol="by-drive", size=SIZE, transform=transforms.augment(scale=(0.7, 1.6)))
    val, elsewhere = CamVid("val", size=SIZE), CamVid("test", protocol="by-drive", size=SIZE)
    clip = (frame(val.names[0]) + frame(val.names[-1])) / 2
    same_drive = [i for i, drive in enumerate(train.drives) if drive == val.drives[0]]
    nearest = sorted(same_drive, key=lambda i: abs(frame(train.names[i]) - clip))[:37]

    def arm(left_out: list[int], seed: int) -> Scores:
        kept = Subset(train, [i for i in range(len(train)) if i not in left_out])
        network = trained(seed, kept, steps=300)
        return scores(segedu.evaluate(network, val), "val_") | scores(segedu.evaluate(network, elsewhere), "elsewhere_")

    return {
        "all frames": partial(arm, []),
        "without the 37 nearest": partial(arm, nearest),
    }


def frame(name: str) -> int:
    """The number in a CamVid file name: 0016E5_07959 → 7959."""
    return int("".join(c for c in name.split("_")[1] if c.isdigit()))


def augmentation() -> dict[str, Callable[[int], Scores]]:
    """Forty rendered pictures for 300 steps: what do zoom, mirror and colour change?

    For 300 pictures see 04_losses.
    """
    learnt, val = ToyStreet("train", length=40), ToyStreet("val")

    def arm(transform, seed: int) -> Scores:
        network = trained(seed, ToyStreet("train", length=40, transform=transform), steps=300)
        rows = [
            scores(segedu.evaluate(network, data), prefix) | {f"{prefix}loss": mean_loss(network, data)}
            for prefix, data in (("train_", learnt), ("val_", val))
        ]
        return rows[0] | rows[1]

    return {
        "40 pictures": partial(arm, None),
        "40 pictures, augmented": partial(arm, transforms.augment(scale=(0.7, 1.6))),
    }


def losses_for_imbalance() -> dict[str, Callable[[int], Scores]]:
    """Losses on the same 300 rendered pictures, 200 steps: which helps the rare classes, and what does it cost?"""
    train, val = ToyStreet("train", length=300), ToyStreet("val")

    def cross_entropy_and_dice(logits, target):
        return losses.cross_entropy(logits, target) + losses.dice_loss(logits, target)

    def arm(loss, seed: int) -> Scores:
        matrix = segedu.evaluate(trained(seed, train, steps=200, loss=loss), val)
        names = [f"iou_{name}" for name in val.labels.names]
        return scores(matrix) | dict(zip(names, matrix.iou().tolist(), strict=True))

    arms = {
        "cross-entropy": losses.cross_entropy,
        "weighted": weighted_loss(train),
        "focal": losses.focal_loss,
        "Dice": losses.dice_loss,
        "Lovász": losses.lovasz_softmax,
        "cross-entropy + Dice": cross_entropy_and_dice,
    }
    return {name: partial(arm, loss) for name, loss in arms.items()}


EXPERIMENTS = {
    "02_contest": contest_on_camvid,
    "04_worlds": two_worlds,
    "04_leak": camvid_leak,
    "04_augmentation": augmentation,
    "04_losses": losses_for_imbalance,
    **lesson_04.EXPERIMENTS,
    **lesson_08.EXPERIMENTS,
    **lesson_05.EXPERIMENTS,
    **lesson_07.EXPERIMENTS,
    **lesson_09.EXPERIMENTS,
    **lesson_11.EXPERIMENTS,
    **lesson_12.EXPERIMENTS,
    **lesson_06.EXPERIMENTS,
    **lesson_13.EXPERIMENTS,
}


def run(name: str, seeds: list[int]) -> Iterator[dict]:
    """After each seed, all that is known of one experiment; in it the arms: {arm: {score: [one number a seed]}}."""
    arms = EXPERIMENTS[name]()
    table: dict[str, dict[str, list[float]]] = {arm: {} for arm in arms}
    for done, seed in enumerate(seeds, start=1):
        for arm, of_seed in arms.items():
            for score, value in of_seed(seed).items():
                table[arm].setdefault(score, []).append(round(value, 4))
            print(name, f"seed {seed}", arm, {score: values[-1] for score, values in table[arm].items()}, flush=True)
        yield {
            "question": EXPERIMENTS[name].__doc__,
            "command": f"python -m benchmarks.results {name} --seeds {' '.join(map(str, seeds[:done]))}",
            "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, float32, torch {torch.__version__}",
            "seeds": seeds[:done],
            "arms": table,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(EXPERIMENTS)}; all if none")
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(10)))
    parser.add_argument("--dry", action="store_true", help="print, and store nothing")
    options = parser.parse_args()
    if unknown := set(options.names) - set(EXPERIMENTS):
        parser.error(f"there is no experiment {', '.join(sorted(unknown))}; there are {', '.join(EXPERIMENTS)}")
    for name in options.names or EXPERIMENTS:
        for result in run(name, options.seeds):
            if not options.dry:
                store(RESULTS / f"{name}.json", result)


if __name__ == "__main__":
    sys.exit(main())
