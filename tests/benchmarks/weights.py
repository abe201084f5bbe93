"""Train the weights that ship with the course: data/weights/NAME.safetensors.

    python tests/benchmarks/weights.py NAME …

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
from _weighing import border_weighted, weighted_loss
from torch import nn
from torchvision.transforms import v2

import segedu
from segedu import transforms
from segedu.datasets import ToyCells, ToyStreet
from segedu.models import FCN, DeepLab, UNet

FOLDER = Path(__file__).resolve().parents[2] / "data" / "weights"
SEED = 0


@dataclass
class Recipe:
    """build: the untrained network.   train, val: what it learns from, and where it is scored.

    loss: None for cross-entropy with class weights.
    """

    build: Callable[[], nn.Module]
    train: Callable
    val: Callable
    steps: int
    loss: Callable[..., torch.Tensor] | None = None
    learning_rate: float = 3e-3
    batch_size: int = 8


streets = {
    "train": partial(ToyStreet, "train", transform=transforms.augment(scale=(0.7, 1.6))),
    "val": partial(ToyStreet, "val"),
}
bent = v2.Compose([transforms.ElasticGrid(), transforms.augment(scale=(0.5, 2.0)), v2.RandomVerticalFlip()])
cells = {
    "train": partial(ToyCells, "train", instances=True, transform=bent),
    "val": partial(ToyCells, "val"),
}
parted = partial(border_weighted, sigma=3, class_weights=(1, 3))
unet = partial(UNet, width=16, depth=3, stride=2)
WEIGHTS = {
    "fcn32s_toystreet": Recipe(partial(FCN, 11, stride=32), **streets, steps=500),
    "fcn8s_toystreet": Recipe(partial(FCN, 11, stride=8), **streets, steps=500),
    "unet_toystreet": Recipe(partial(unet, 11), **streets, steps=500),
    "unet_no_skips_toystreet": Recipe(partial(unet, 11, skips=False), **streets, steps=500),
    "unet_toycells": Recipe(partial(unet, 2, in_channels=1), **cells, steps=600, loss=parted),
    "deeplab_largefov_toystreet": Recipe(partial(DeepLab, 11, head="largefov", rates=(6,)), **streets, steps=500),
    "deeplab_v3plus_toystreet": Recipe(partial(DeepLab, 11, head="v3+", rates=(4, 8, 12)), **streets, steps=500),
}


def train(name: str) -> Path:
    """The file of the weights `name`, trained, scored and written."""
    recipe = WEIGHTS[name]
    train, val = recipe.train(), recipe.val()
    loss = recipe.loss or weighted_loss(recipe.train(transform=None))
    torch.manual_seed(SEED)
    model = recipe.build()
    budget = {"steps": recipe.steps, "learning_rate": recipe.learning_rate, "batch_size": recipe.batch_size}
    segedu.fit(model, train, loss=loss, seed=SEED, **budget)
    matrix = segedu.evaluate(model.half().float(), val)
    notes = {
        "command": f"python tests/benchmarks/weights.py {name}",
        "seed": SEED,
        **budget,
        "val_mean_iou": round(matrix.mean_iou(), 4),
        "val_pixel_accuracy": round(matrix.pixel_accuracy(), 4),
    }
    print(name, notes, flush=True)
    return segedu.save(FOLDER / f"{name}.safetensors", model.half(), labels=train.labels, notes=notes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(WEIGHTS)}; all if none")
    options = parser.parse_args()
    if unknown := set(options.names) - set(WEIGHTS):
        parser.error(f"there are no weights {', '.join(sorted(unknown))}; there are {', '.join(WEIGHTS)}")
    for name in options.names or WEIGHTS:
        train(name)


if __name__ == "__main__":
    sys.exit(main())
