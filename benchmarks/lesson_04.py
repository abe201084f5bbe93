"""Lesson 04's stored runs: losses, augmentation, learning by heart, two worlds, and a leak. Run by results.py."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from torch.utils.data import DataLoader, Dataset, Subset

import segedu
from benchmarks.scoring import Arms, Scores, class_ious, joined, matrix_scores
from benchmarks.weighing import weighted_loss
from segedu import losses, transforms
from segedu.datasets import CamVid, ToyStreet
from segedu.inference import evaluation_mode
from segedu.models import SmallNet
from segedu.training.batches import same_size_batches

SIZE = (120, 160)
LONG = 1000  # steps
LOOKS = (25, 50, 100, 150, 200, 300, 400, 500, 600, 800, 1000)  # after how many of them the network is scored
RECIPE = {"batch_size": 8, "learning_rate": 5e-3, "progress": False}


def trained(seed: int, train: Dataset, steps: int, **options) -> SmallNet:
    """Lesson 04's network after `steps` steps from this seed."""
    torch.manual_seed(seed)
    network = SmallNet(11)
    segedu.fit(network, train, steps=steps, seed=seed, **RECIPE | options)
    return network


# The experiments


def two_worlds() -> Arms:
    """Lesson 04's network and loss for 400 steps on rendered streets, or on CamVid's drives; scored on both."""
    sets = {
        "by_drive_": CamVid("test", protocol="by-drive", size=SIZE),
        "val_": CamVid("val", size=SIZE),
        "toystreet_": ToyStreet("val"),
    }

    def arm(train, loss, seed: int) -> Scores:
        network = trained(seed, train, steps=400, loss=loss)
        return joined(matrix_scores(segedu.evaluate(network, data), prefix) for prefix, data in sets.items())

    vary = transforms.augment(scale=(0.7, 1.6))
    drives = {"protocol": "by-drive", "size": SIZE}
    return {
        "ToyStreet": partial(arm, ToyStreet("train", transform=vary), weighted_loss(ToyStreet("train"))),
        "CamVid": partial(arm, CamVid("train", transform=vary, **drives), weighted_loss(CamVid("train", **drives))),
    }


def camvid_leak() -> Arms:
    """CamVid's val is one clip; what happens to the scores when the 37 training frames around it are left out?"""
    train = CamVid("train", protocol="by-drive", size=SIZE, transform=transforms.augment(scale=(0.7, 1.6)))
    val, elsewhere = CamVid("val", size=SIZE), CamVid("test", protocol="by-drive", size=SIZE)
    clip = (frame(val.names[0]) + frame(val.names[-1])) / 2
    same_drive = [i for i, drive in enumerate(train.drives) if drive == val.drives[0]]
    nearest = sorted(same_drive, key=lambda i: abs(frame(train.names[i]) - clip))[:37]

    def arm(left_out: list[int], seed: int) -> Scores:
        kept = Subset(train, [i for i in range(len(train)) if i not in left_out])
        network = trained(seed, kept, steps=300)
        places = {"val_": val, "elsewhere_": elsewhere}
        return joined(matrix_scores(segedu.evaluate(network, data), prefix) for prefix, data in places.items())

    return {
        "all frames": partial(arm, []),
        "without the 37 nearest": partial(arm, nearest),
    }


def frame(name: str) -> int:
    """The number in a CamVid file name: 0016E5_07959 → 7959."""
    return int("".join(c for c in name.split("_")[1] if c.isdigit()))


def augmentation() -> Arms:
    """Forty rendered pictures for 300 steps: what do zoom, mirror and colour change?

    For 300 pictures see 04_losses.
    """
    learnt, val = ToyStreet("train", length=40), ToyStreet("val")

    def arm(transform, seed: int) -> Scores:
        network = trained(seed, ToyStreet("train", length=40, transform=transform), steps=300)
        return joined(
            matrix_scores(segedu.evaluate(network, data), prefix) | {f"{prefix}loss": mean_loss(network, data)}
            for prefix, data in (("train_", learnt), ("val_", val))
        )

    return {
        "40 pictures": partial(arm, None),
        "40 pictures, augmented": partial(arm, transforms.augment(scale=(0.7, 1.6))),
    }


def mean_loss(network: SmallNet, dataset: Dataset) -> float:
    """The cross-entropy over all counted pixels of a data set whose pictures have one size."""
    total = pixels = 0
    with evaluation_mode(network), torch.inference_mode():
        for images, masks in same_size_batches(dataset, batch_size=10):
            counted = (masks != 255).sum().item()
            total += losses.cross_entropy(network(images), masks).item() * counted
            pixels += counted
    return total / pixels


def by_heart() -> Arms:
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


def snapshots(train: Dataset, seed: int) -> Iterator[tuple[int, SmallNet]]:
    """Yields (step, SmallNet) after each of LOOKS: one training, looked at on its way."""
    torch.manual_seed(seed)
    network, step = SmallNet(len(ToyStreet.labels)), 0
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=LONG, power=0.9)
    loader = DataLoader(train, batch_size=8, shuffle=True)
    while step < LONG:
        for images, masks in loader:
            optimizer.zero_grad()
            losses.cross_entropy(network.train()(images), masks).backward()
            optimizer.step()
            schedule.step()
            step += 1
            if step in LOOKS:
                yield step, network
            if step == LONG:
                return


def losses_for_imbalance() -> Arms:
    """Losses on the same 300 rendered pictures, 200 steps: which helps the rare classes, and what does it cost?"""
    train, val = ToyStreet("train", length=300), ToyStreet("val")

    def cross_entropy_and_dice(logits, target):
        return losses.cross_entropy(logits, target) + losses.dice_loss(logits, target)

    def arm(loss, seed: int) -> Scores:
        matrix = segedu.evaluate(trained(seed, train, steps=200, loss=loss), val)
        return matrix_scores(matrix) | class_ious(matrix, val.labels)

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
    "04_worlds": two_worlds,
    "04_leak": camvid_leak,
    "04_augmentation": augmentation,
    "04_by_heart": by_heart,
    "04_losses": losses_for_imbalance,
}
