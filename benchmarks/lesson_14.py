"""Lesson 14's stored run: what a trained network learns from noise and blur, and what it pays. Run by results.py."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

import torch
from torch import nn

import segedu
from benchmarks.scoring import Arms, Scores, logits_of
from benchmarks.weighing import weighted_loss
from segedu import corruptions, transforms
from segedu.corruptions import CORRUPTIONS
from segedu.datasets import ToyStreet
from segedu.labels import IGNORE_INDEX, STREET
from segedu.metrics import ConfusionMatrix, reliability_curve

RECIPE = {"steps": 30, "batch_size": 8, "learning_rate": 1e-3, "progress": False}
LEARNT = ("noise", "blur")  # all other corruptions come as news

Samples = list[tuple[torch.Tensor, torch.Tensor]]


class MetOnTheWay:
    """A transform: zoom, mirror and colours; then half of the pictures meet a corruption of severity 1 to 4.

    Its chance is its own, so that both arms see the same windows of the same pictures.
    """

    def __init__(self, names: tuple[str, ...], seed: int):
        self.names, self.chance = names, random.Random(seed)
        self.usual = transforms.augment(scale=(0.7, 1.6))

    def __call__(self, image: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The picture, perhaps corrupted, and its mask."""
        image, mask = self.usual(image, mask)
        if not self.names or self.chance.random() < 0.5:
            return image, mask
        corrupt, severity = CORRUPTIONS[self.chance.choice(self.names)], self.chance.randint(1, 4)
        return corrupt(image, severity, seed=self.chance.randrange(2**31)), mask


def corrupted(samples: Samples, name: str, severity: int) -> Samples:
    """The same pictures under one corruption; what something hides is void."""
    found = []
    for place, (image, mask) in enumerate(samples):
        if name == "occlusion":
            mask = mask.clone()
            mask[corruptions.occluded_window(mask.shape, severity, seed=place)] = IGNORE_INDEX
        found.append((CORRUPTIONS[name](image, severity, seed=place), mask))
    return found


def scores(net: nn.Module, samples: Samples, prefix: str) -> Scores:
    """Mean IoU, pixel accuracy, mean confidence and calibration error."""
    images, masks = map(torch.stack, zip(*samples, strict=True))
    confidence, ids = logits_of(net, images).softmax(1).max(1)
    matrix = ConfusionMatrix(len(STREET)).update(ids, masks)
    found = {
        "mean_iou": matrix.mean_iou(),
        "accuracy": matrix.pixel_accuracy(),
        "confidence": confidence[masks != IGNORE_INDEX].mean().item(),
        "calibration_error": reliability_curve((ids, confidence), masks).error,
    }
    return {f"{prefix}_{name}": value for name, value in found.items()}


def trained() -> Arms:
    """The shipped FCN-8s learns for 30 further steps, with noise and blur or without: what does it gain, what pay?

    Batches of 8 of 300 rendered streets, zoom, mirror and colours, AdamW from 1e-3, cross-entropy with class weights;
    in the second arm half of the pictures have noise or blur of severity 1 to 4. Scored on 16 test streets, clean and
    under six corruptions of severity 3.
    """
    train = ToyStreet("train", length=300)
    loss = weighted_loss(train)
    clean = [(image, mask) for image, mask in ToyStreet("test", length=16)]
    states = {"clean": clean} | {name: corrupted(clean, name, 3) for name in CORRUPTIONS}

    def arm(learnt: tuple[str, ...], seed: int) -> Scores:
        net = segedu.load("fcn8s_toystreet")
        train.transform = MetOnTheWay(learnt, seed)
        segedu.fit(net, train, loss=loss, seed=seed, **RECIPE)
        return {key: value for state, seen in states.items() for key, value in scores(net, seen, state).items()}

    arms: dict[str, Callable[[int], Scores]] = {"usual": partial(arm, ()), "noise and blur": partial(arm, LEARNT)}
    return arms


EXPERIMENTS = {"14_trained": trained}
