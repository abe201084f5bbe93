"""Lesson 08's controls: mosaics of textures, where sight must win, and heads of 1×1 convolutions. Run by results.py."""

from __future__ import annotations

from functools import cache, partial

import torch
from torch import nn

import segedu
from benchmarks.lesson_08 import (
    BATCH,
    LARGE,
    LARGEFOV,
    RATE,
    REACH,
    SMALL,
    STEPS,
    V3,
    network,
    streets,
)  # fmt: skip
from benchmarks.scoring import Arms, Scores, classes_of, street_scores
from benchmarks.weighing import weighted_loss
from segedu.datasets import TextureMosaic
from segedu.metrics import ConfusionMatrix
from segedu.models.deeplab import V2, atrous_backbone
from segedu.models.layers import Normalise, crop, pad_to_stride, upsample

MOSAIC_STEPS = 100
REGIONS = (400, 1600)  # pixels: small, middle and large regions part at about 20×20 and 40×40


class ShortSighted(nn.Module):
    """A DeepLab of two stages only: a place of its map, one in four pixels, sees 17 pixels before the head looks.

    The heads are those of DeepLab, 32 channels wide.
    """

    def __init__(self, num_classes: int, rates: tuple[int, ...]):
        super().__init__()
        self.normalise = Normalise(1)
        self.backbone = atrous_backbone(1, 16, 4)[:2]  # 16, then 32 channels
        self.head = V2(num_classes, 4, list(rates))  # 8 · 4 channels

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, 1, H, W) in 0…1 → logits (N, num_classes, H, W)."""
        x = pad_to_stride(self.normalise(image), 4)
        return crop(upsample(self.head(self.backbone(x)), x.shape[-2:]), image)


@cache
def mosaics() -> tuple[TextureMosaic, TextureMosaic]:
    """Mosaics to learn from, and a hundred to be scored on, out of other parts of the photographs."""
    return TextureMosaic("train", length=400), TextureMosaic("val", length=100, instances=True)


def mosaic_scores(net: nn.Module) -> Scores:
    """Mean IoU over all pixels, and over those of small, middle and large regions."""
    images, masks, regions = map(torch.stack, zip(*mosaics()[1], strict=True))
    found = classes_of(net, images)
    area = torch.stack([torch.bincount(ids.flatten())[ids] for ids in regions])
    size = torch.bucketize(area, torch.tensor(REGIONS), right=True)
    scores = {"mean_iou": ConfusionMatrix(3).update(found, masks).mean_iou()}
    for number, name in enumerate(("small", "middle", "large")):
        part = ConfusionMatrix(3).update(found, masks.where(size == number, 255))
        scores |= {f"{name}_mean_iou": part.mean_iou(), f"{name}_accuracy": part.pixel_accuracy()}
    return scores


def mosaic_arm(rates: tuple[int, ...], seed: int) -> Scores:
    """The scores of one head after MOSAIC_STEPS steps."""
    torch.manual_seed(seed)
    net = ShortSighted(3, rates)
    budget = {"steps": MOSAIC_STEPS, "batch_size": BATCH, "learning_rate": RATE}
    segedu.fit(net, mosaics()[0], seed=seed, progress=False, **budget)
    return mosaic_scores(net)


def mosaic() -> Arms:
    """100 steps on mosaics of textures, the head on a short-sighted backbone: does a wide view win where it must?"""
    rates = {
        "one 1×1": (0,), "four 1×1": (0,) * 4, "LargeFOV": LARGEFOV, "LargeFOV, rate 3": (3,), "ASPP-S": SMALL,
    }  # fmt: skip
    return {name: partial(mosaic_arm, one) for name, one in rates.items()}


class Nothing(nn.Module):
    """Zeros in place of the image pooling: the mixing 1×1 gets nothing from it."""

    def __init__(self, channels: int):
        super().__init__()
        self.channels = channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, 1, 1) → (N, channels, 1, 1) of zeros."""
        return x.new_zeros(len(x), self.channels, 1, 1)


def control(head: str, rates: tuple[int, ...], steps: int, seed: int, pooled: bool = True) -> Scores:
    """The scores of a head on streets after so many steps; pooled: whether v3's head knows the mean of the map."""
    net = network(head, rates, seed)
    if not pooled:
        net.head.aspp.pooled = Nothing(4 * net.config["width"])
    train, val = streets()
    budget = {"steps": steps, "batch_size": BATCH, "learning_rate": RATE}
    segedu.fit(net, train, loss=weighted_loss(train), seed=seed, progress=False, **budget)
    return street_scores(net, val, reach=REACH)


def controls() -> Arms:
    """08_heads' missing arms, 100 steps: LargeFOV's own control, and v3 and v3+ with 1×1 convolutions for rates."""
    return {
        "one 1×1": partial(control, "largefov", (0,), STEPS),
        "v3, 1×1 for rates": partial(control, "v3", (0, 0, 0), STEPS),
        "four 1×1 + decoder": partial(control, "v3+", (0, 0, 0), STEPS, pooled=False),
    }


def longer() -> Arms:
    """08_heads for 2,000 steps: does the order of the heads change when they learn twenty times as long?"""
    return {
        "four 1×1": partial(control, "aspp-l", (0,) * 4, 2000),
        "v3+": partial(control, "v3+", V3, 2000),
        "LargeFOV": partial(control, "largefov", LARGEFOV, 2000),
        "v3": partial(control, "v3", V3, 2000),
        "ASPP-S": partial(control, "aspp-s", SMALL, 2000),
        "ASPP-L": partial(control, "aspp-l", LARGE, 2000),
        "four 1×1 + decoder": partial(control, "v3+", (0, 0, 0), 2000, pooled=False),
    }


EXPERIMENTS = {"08_mosaic": mosaic, "08_controls": controls, "08_longer": longer}
