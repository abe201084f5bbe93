"""`segedu evaluate MODEL FOLDER`: how good a network is on pictures with masks, class by class."""

from __future__ import annotations

import argparse
import json
import sys
import warnings

import numpy as np
import torch

from segedu import distributed
from segedu.commands.saved import named_model, side_of
from segedu.datasets import PictureFolder
from segedu.metrics import ConfusionMatrix
from segedu.training import evaluate

DRAWS = 1000  # of as many pictures as there are, with repetition
_HELP = """
A table of IoU and Dice, class by class. The interval is of the pictures: in 95 of 100 such
samples of pictures the score would lie in it (1,000 draws with repetition). Pictures that the
network learnt from make every score too good: --split val, or another folder.
"""


def add_to(commands) -> None:
    """The options of this command."""
    command = commands.add_parser(
        "evaluate", help="score a network on pictures with masks", description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    command.add_argument(
        "model", metavar="MODEL", help="a file that segedu train or segedu.save wrote, or a shipped name"
    )
    command.add_argument("folder", metavar="FOLDER", help="as for segedu train")
    command.add_argument("--split", choices=("train", "val", "test"), help="a part of the folder; default: all of it")
    command.add_argument("--group", metavar="REGEX", help="as in training, so that val is the same")
    command.add_argument("--side", type=int, help="longer side of the pictures; default: as in training")
    command.add_argument("--json", action="store_true", help="print the numbers as JSON")
    command.set_defaults(run=run)


@distributed.told_once()
def run(options: argparse.Namespace) -> int:
    """Print the table. 0."""
    model = named_model(options.model)
    side = options.side or side_of(options.model)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        data = PictureFolder(
            options.folder, labels=model.labels, max_side=side, split=options.split, group=options.group
        )
    for sentence in dict.fromkeys(str(warning.message) for warning in told) if distributed.is_first() else ():
        print(sentence, file=sys.stderr)  # --json leaves nothing but JSON on stdout
    mine = distributed.share(range(len(data)))
    with distributed.apart():  # picture by picture, each process its share
        counts = [evaluate(model, [data[index]]).counts for index in mine]
    of_picture = torch.stack(distributed.all_items(counts))
    scores = table(of_picture, model.labels.names)
    if options.json:
        print(json.dumps({"pictures": len(data), **scores}, indent=1))
        return 0
    print(f"{len(data)} pictures" + (f", at most {side} pixels a side" if side else ""))
    print(f"{'':24}{'IoU':>6}   {'95 % interval':>13}{'Dice':>8}{'of the pixels':>15}")
    for name, row in {**scores["classes"], "mean": scores["mean"]}.items():
        if row["iou"] is None:
            print(f"{name:24}{'none':>6}")
            continue
        interval = "{:.0f} … {:.0f}".format(*(100 * end for end in row["interval"]))
        share = f"{row['share']:15.1%}" if "share" in row else ""
        print(f"{name:24}{100 * row['iou']:6.1f}   {interval:>13}{100 * row['dice']:8.1f}{share}")
    return 0


def table(of_picture: torch.Tensor, names: tuple[str, ...]) -> dict:
    """{"classes": {name: {iou, interval, dice, share}}, "mean": …}, shares in 0…1, None for absent classes.

    of_picture: (pictures, K, K) confusion matrices.
    """
    whole = _matrix(of_picture.sum(0))
    chance = np.random.default_rng(0)
    draws = torch.from_numpy(chance.integers(0, len(of_picture), (DRAWS, len(of_picture))))
    drawn = [_matrix(of_picture[draw].sum(0)) for draw in draws]
    ious = torch.stack([matrix.iou() for matrix in drawn]).numpy()  # (DRAWS, K)
    classes = {}
    shares = of_picture.sum((0, 2)) / max(1, int(of_picture.sum()))
    for number, name in enumerate(names):
        classes[name] = _row(whole.iou()[number].item(), whole.dice()[number].item(), ious[:, number])
        classes[name]["share"] = shares[number].item()
    means = np.array([matrix.mean_iou() for matrix in drawn])
    return {"classes": classes, "mean": _row(whole.mean_iou(), whole.dice().nanmean().item(), means)}


def _row(iou: float, dice: float, ious: np.ndarray) -> dict:
    if np.isnan(iou):
        return {"iou": None, "interval": None, "dice": None}
    return {"iou": iou, "interval": np.nanpercentile(ious, (2.5, 97.5)).tolist(), "dice": dice}


def _matrix(counts: torch.Tensor) -> ConfusionMatrix:
    matrix = ConfusionMatrix(len(counts))
    matrix.counts = counts
    return matrix
