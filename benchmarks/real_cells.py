"""Real cells after three minutes: our U-Net beside the one that people install. data/results/real_cells.json.

    python -m benchmarks.real_cells [--seconds 180] [--seeds 0 1] [--only NAME …] [--dry]

Membranes: slices 0 … 18 are learnt from, 19 … 23 scored. Nuclei: the folder `train` is learnt from, `test` scored.
Every arm trains from scratch, on two threads, for the same seconds, on the same pieces of pictures, with the same loss
(cells parted by a line of background, border weights; an arm's name says where it differs), optimiser and schedule.
Each has the learning rate that suits it in learning_per_minute.py. Its last weights are scored: connected parts are
cells, unless they are smaller than all but one in a hundred of the cells that are learnt from.
Seconds are those of learning_per_minute.py: computing time of the thread that leads the two.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from scipy import ndimage
from torch import nn
from torch.utils.data import ConcatDataset, Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

import segedu
from benchmarks.learning_per_minute import Peer, fit_for
from benchmarks.scoring import CellScores, Scores, without_small
from benchmarks.storing import RESULTS, command_line, known, refuse_other_code, store, stored_rows, with_row
from benchmarks.weighing import border_weighted
from segedu import metrics, runtime, transforms
from segedu.datasets import Membranes, Nuclei
from segedu.inference import evaluation_mode
from segedu.labels import LabelTable
from segedu.models import QuickUNet
from segedu.models.layers import Normalise

STORED = RESULTS / "real_cells.json"
QUESTION = "What does a network learn of real cells in three minutes?"


def stretched(image, *masks):
    """The picture with its largest value at 1: exposures differ by a factor of ten."""
    return tv_tensors.wrap(image / image.max().clamp(min=1 / 255), like=image), *masks


def pieces(side: int) -> v2.Compose:
    """Pieces of side × side pixels, bent, turned over, zoomed, brighter or darker."""
    return v2.Compose(
        [
            stretched,
            transforms.augment((side, side), scale=(0.7, 1.4)),
            v2.RandomVerticalFlip(),
            transforms.ElasticGrid(),
        ]
    )


class Named(ConcatDataset):
    """Several parts of a data set as one."""

    @property
    def labels(self) -> LabelTable:
        """The labels that all parts have."""
        return self.datasets[0].labels


@dataclass
class Task:
    """train, test: data sets of (image, mask, instances). sigma: of the border weights, in pixels. batch: of pieces."""

    train: Dataset
    test: Dataset
    batch: int
    sigma: float
    class_weights: tuple[float, float]  # of background and cells, about 1 / √share
    min_size: int  # pixels: one in a hundred of the cells that are learnt from has fewer


def membranes() -> Task:
    """Cells between membranes, in electron micrographs."""
    options = {"instances": True, "transform": pieces(192)}
    test = Membranes("val", instances=True, transform=stretched)
    return Task(Membranes("train", **options), test, batch=4, sigma=5, class_weights=(2.1, 1.1), min_size=8)


def nuclei() -> Task:
    """Nuclei in photographs through a microscope."""
    parts = [Nuclei(split, instances=True, transform=pieces(128)) for split in ("train", "val")]
    test = Nuclei("test", instances=True, transform=stretched)
    return Task(Named(parts), test, batch=8, sigma=3, class_weights=(1.1, 2.5), min_size=21)


def smp_unet() -> Peer:
    """The U-Net that people install, for grey pictures, from scratch."""
    import segmentation_models_pytorch

    peer = Peer(segmentation_models_pytorch.Unet("resnet18", encoder_weights=None, in_channels=1, classes=2))
    peer.normalise = Normalise(1)
    return peer


@dataclass
class Arm:
    """build: the network. rate: of AdamW; None: it is scored as it is, and learns nothing.

    w0, cut: the border weights, and whether touching cells part.
    """

    build: Callable[[], nn.Module]
    rate: float | None
    w0: float = 10.0
    cut: bool = True


def our_unet() -> QuickUNet:
    """Our U-Net at half the picture's size."""
    return QuickUNet(2, in_channels=1, width=16, stride=2)


TASKS = {"membranes": membranes, "nuclei": nuclei}
ARMS = {
    "UNet": Arm(our_unet, rate=3e-3),
    "smp Unet resnet18": Arm(smp_unet, rate=1e-3),
    "UNet, w0 = 0": Arm(our_unet, rate=3e-3, w0=0.0),
    "UNet, from drawings only": Arm(partial(segedu.load, "unet_toycells"), rate=None),
}


def scores(model: nn.Module, test: Dataset, min_size: int) -> Scores:
    """mean_iou of the two classes; of connected parts of the cells: CellScores, and the mean Rand error a picture."""
    matrix, table, rand = metrics.ConfusionMatrix(2), CellScores(), []
    with evaluation_mode(model), torch.inference_mode():
        for image, mask, instances in test:
            prediction = model(image[None]).argmax(1)[0]
            parts = without_small(ndimage.label(prediction.numpy())[0], min_size)
            matrix.update(prediction, mask)
            table.update(parts, instances.numpy())
            rand.append(metrics.rand_error(torch.from_numpy(parts), instances))
    named = {"mean_iou": matrix.mean_iou(), **table.scores, "rand_error": float(np.nanmean(rand))}
    return {name: round(value, 4) for name, value in named.items()}


def run(arm: Arm, task: Task, seconds: float, seed: int) -> Scores:
    """Train one arm from one seed, and score it."""
    torch.manual_seed(seed)
    model, pictures = arm.build().to(memory_format=torch.channels_last), 0
    if arm.rate is not None:
        weights = {"sigma": task.sigma, "class_weights": task.class_weights, "w0": arm.w0, "cut": arm.cut}
        loss = partial(border_weighted, **weights)
        recipe = {"loss": loss, "rate": arm.rate, "batch": task.batch, "seed": seed}
        pictures = fit_for(seconds, model, task.train, **recipe).pictures
    parameters = sum(parameter.numel() for parameter in model.parameters())
    told = {"parameters": parameters, "pieces_per_second": round(pictures / seconds, 1)}
    return told | scores(model, task.test, task.min_size)


def table(stored: dict) -> str:
    """The stored rows for people: means over the seeds, in %."""
    names = ("foreground_iou", "mean_iou", "rand_error", "ap50", "found", "merged")
    lines = [f"{'means in %':34s}" + "".join(f"{name:>16s}" for name in names) + "  seeds"]
    for arm, row in stored["arms"].items():
        means = "".join(f"{100 * statistics.mean(row[name].values()):16.1f}" for name in names)
        lines.append(f"{arm:34s}{means}{len(row['ap50']):7d}")
    return "\n".join(lines)


def main() -> None:
    """Train and score the arms seed by seed, store each row, and print the table."""
    parser = command_line(QUESTION, seeds=[0, 1], seconds=180)
    parser.add_argument("--only", nargs="+", metavar="NAME", help=f"tasks or arms of {', '.join([*TASKS, *ARMS])}")
    options = parser.parse_args()
    only = set(known(options.only or [], [*TASKS, *ARMS]))
    torch.set_num_threads(2)
    tasks = {name: make() for name, make in TASKS.items() if name in only or not only & set(TASKS)}
    arms = {name: arm for name, arm in ARMS.items() if name in only or not only & set(ARMS)}
    kept = partial(stored_rows, STORED, QUESTION, options.seconds, runtime.precision())
    rows = kept()
    if not options.dry:
        refuse_other_code(STORED, rows)
    for seed in options.seeds:
        for task_name, task in tasks.items():
            for name, arm in arms.items():
                result = run(arm, task, options.seconds, seed)
                print(f"seed {seed} {task_name}, {name}: {result}", flush=True)
                rows = with_row(rows if options.dry else kept(), f"{task_name}, {name}", seed, result)
                if not options.dry:
                    store(STORED, rows)
    print(table(rows))


if __name__ == "__main__":
    sys.exit(main())
