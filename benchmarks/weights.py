"""Train the weights that ship with the course: data/weights/NAME.safetensors.

    python -m benchmarks.weights NAME …

Every row of WEIGHTS is a network and how long it learns; all see rendered pictures only, from one seed. Weights are
rounded to float16 to be small, and scored after that, on pictures that were neither learnt from nor used for a choice.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torchvision.transforms import v2

import segedu
from benchmarks.lesson_12 import begun, by_arrows, panoptic_scores
from benchmarks.storing import known
from benchmarks.weighing import border_weighted, class_weights, weighted_loss
from segedu import transforms
from segedu.datasets import ToyCells, ToyStreet
from segedu.losses import panoptic_loss
from segedu.models import FCN, DeepLab, QuickUNet

FOLDER = Path(__file__).resolve().parents[1] / "data" / "weights"
SEED = 0


@dataclass
class Recipe:
    """build: the untrained network.   train, val: what it learns from, and where it is scored.

    loss: None for cross-entropy with class weights.
    panoptic: the loss is panoptic_loss with class weights, and objects are scored, too.
    """

    build: Callable[[], nn.Module]
    train: Callable
    val: Callable
    steps: int
    loss: Callable[..., torch.Tensor] | None = None
    learning_rate: float = 3e-3
    batch_size: int = 8
    panoptic: bool = False


streets = {
    "train": partial(ToyStreet, "train", transform=transforms.augment(scale=(0.7, 1.6))),
    "val": partial(ToyStreet, "val"),
}
bent = v2.Compose([transforms.ElasticGrid(), transforms.augment(scale=(0.5, 2.0)), v2.RandomVerticalFlip()])
cells = {
    "train": partial(ToyCells, "train", instances=True, transform=bent),
    "val": partial(ToyCells, "val"),
}
objects = {name: partial(make, instances=True) for name, make in streets.items()}
parted = partial(border_weighted, sigma=3, class_weights=(1, 3))
unet = partial(QuickUNet, width=16, depth=3, stride=2)
WEIGHTS = {
    "fcn32s_toystreet": Recipe(partial(FCN, 11, stride=32), **streets, steps=500),
    "fcn8s_toystreet": Recipe(partial(FCN, 11, stride=8), **streets, steps=500),
    "unet_toystreet": Recipe(partial(unet, 11), **streets, steps=500),
    "unet_no_skips_toystreet": Recipe(partial(unet, 11, skips=False), **streets, steps=500),
    "unet_toycells": Recipe(partial(unet, 2, in_channels=1), **cells, steps=600, loss=parted),
    "deeplab_largefov_toystreet": Recipe(partial(DeepLab, 11, head="largefov", rates=(6,)), **streets, steps=500),
    "deeplab_v3plus_toystreet": Recipe(partial(DeepLab, 11, head="v3+", rates=(4, 8, 12)), **streets, steps=500),
    "panoptic_toystreet": Recipe(begun, **objects, steps=3000, panoptic=True),
}


def train(name: str) -> Path:
    """The file of the weights `name`, trained, scored and written."""
    recipe = WEIGHTS[name]
    train, val = recipe.train(), recipe.val()
    plain = recipe.train(transform=None)
    if recipe.panoptic:
        loss = partial(panoptic_loss, class_weights=class_weights(plain))
    else:
        loss = recipe.loss or weighted_loss(plain)
    torch.manual_seed(SEED)
    model = recipe.build()
    budget = {"steps": recipe.steps, "learning_rate": recipe.learning_rate, "batch_size": recipe.batch_size}
    segedu.fit(model, train, loss=loss, seed=SEED, **budget)
    model.half().float()
    model.labels = train.labels
    notes = {
        "command": f"python -m benchmarks.weights {name}",
        "seed": SEED,
        **budget,
        **scores(model, val, panoptic=recipe.panoptic),
    }
    print(name, notes, flush=True)
    return segedu.save(FOLDER / f"{name}.safetensors", model.half(), labels=train.labels, notes=notes)


def scores(model: nn.Module, val, *, panoptic: bool) -> dict[str, float]:
    """What the notes say of a model on `val`, in 0…1; with `panoptic` also of its objects."""
    matrix = segedu.evaluate(model, val)
    found = {"mean_iou": matrix.mean_iou(), "pixel_accuracy": matrix.pixel_accuracy()}
    if panoptic:
        found |= panoptic_scores(partial(by_arrows, model), val)
    return {f"val_{name}": round(value, 4) for name, value in found.items()}


def main() -> None:
    """Train, score and write each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(WEIGHTS)}; all if none")
    options = parser.parse_args()
    for name in known(options.names, WEIGHTS):
        train(name)


if __name__ == "__main__":
    sys.exit(main())
