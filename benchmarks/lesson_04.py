"""Lesson 04's long question: what does a training on few pictures do after the steps that a lesson has time for?"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch.utils.data import DataLoader, Dataset

import segedu
from segedu import losses, transforms
from segedu.datasets import ToyStreet
from segedu.inference import evaluation_mode
from segedu.models import SmallNet
from segedu.training.batches import same_size_batches

STEPS = 1000
LOOKS = (25, 50, 100, 150, 200, 300, 400, 500, 600, 800, 1000)  # after how many steps the network is scored
Scores = dict[str, float]


def by_heart() -> dict[str, Callable[[int], Scores]]:
    """Forty rendered pictures for 1000 steps, scored on the way: when does learning by heart begin, and does it stop?

    Batch 8, AdamW from 5e-3 by the poly schedule, plain cross-entropy; augmented: zoom 0.7 … 1.6, mirror, colours.
    """
    learnt, val = ToyStreet("train", length=40), ToyStreet("val")
    augmented = ToyStreet("train", length=40, transform=transforms.augment(scale=(0.7, 1.6)))

    def arm(train: Dataset, seed: int) -> Scores:
        found = {}
        for step, network in snapshots(train, seed):
            for prefix, data in (("train", learnt), ("val", val)):
                found[f"{prefix}_{step}_loss"] = mean_loss(network, data)
            found[f"val_{step}_mean_iou"] = segedu.evaluate(network, val).mean_iou()
        return found

    return {"40 pictures": partial(arm, learnt), "40 pictures, augmented": partial(arm, augmented)}


def snapshots(train: Dataset, seed: int):
    """Yields (step, SmallNet) after each of LOOKS: one training, looked at on its way."""
    torch.manual_seed(seed)
    network, step = SmallNet(len(ToyStreet.labels)), 0
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=STEPS, power=0.9)
    loader = DataLoader(train, batch_size=8, shuffle=True)
    while step < STEPS:
        for images, masks in loader:
            optimizer.zero_grad()
            losses.cross_entropy(network.train()(images), masks).backward()
            optimizer.step()
            schedule.step()
            step += 1
            if step in LOOKS:
                yield step, network
            if step == STEPS:
                return


def mean_loss(network: SmallNet, dataset: Dataset) -> float:
    """The cross-entropy over all counted pixels of a data set whose pictures have one size."""
    total = pixels = 0
    with evaluation_mode(network), torch.inference_mode():
        for images, masks in same_size_batches(dataset, batch_size=10):
            counted = (masks != 255).sum().item()
            total += losses.cross_entropy(network(images), masks).item() * counted
            pixels += counted
    return total / pixels


EXPERIMENTS = {"04_by_heart": by_heart}
