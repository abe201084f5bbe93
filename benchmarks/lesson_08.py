"""Lesson 08's stored runs: DeepLab's heads, one step at a time, beside 1×1 branches; its recipe. Run by results.py."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

import segedu
from benchmarks.scoring import Arms, Scores, street_scores
from benchmarks.weighing import weighted_loss
from segedu.datasets import CamVid, ToyStreet
from segedu.labels import STREET
from segedu.models import DeepLab
from segedu.training.batches import SeededBatchSampler, SeededDataset

SIZE, LARGE_SIZE = (120, 160), (240, 320)
WIDTH = 8
STEPS, BATCH, RATE = 100, 4, 5e-3
REACH = 8  # pixels around a car in which a prediction is its own
# A map of 16×21 places is half as wide as that of the papers' 321 pixels (41), and a third of that of their 513 (65):
# so the rates of the heads of 2016 are halved, and those of v3 divided by three.
LARGEFOV, SMALL, LARGE, V3 = (6,), (1, 2, 4, 6), (3, 6, 9, 12), (4, 8, 12)


def network(head: str, rates: tuple[int, ...], seed: int, output_stride: int = 8) -> DeepLab:
    """A DeepLab for streets with this head, and the first weights of this seed."""
    torch.manual_seed(seed)
    return DeepLab(len(STREET), width=WIDTH, head=head, rates=rates, output_stride=output_stride)


@cache
def streets(size: tuple[int, int] = SIZE) -> tuple[ToyStreet, ToyStreet]:
    """Streets to learn from, and fifty to be scored on."""
    return ToyStreet("train", size=size), ToyStreet("val", length=50, size=size, instances=True)


def learn(net: nn.Module, train: Dataset, loss: Callable, seed: int) -> nn.Module:
    """The same network after STEPS steps."""
    budget = {"steps": STEPS, "batch_size": BATCH, "learning_rate": RATE}
    segedu.fit(net, train, loss=loss, seed=seed, progress=False, **budget)
    return net


# The experiments: each gives {arm: function of a seed → scores}


def head_arm(head: str, rates: tuple[int, ...], size: tuple[int, int] = SIZE) -> Callable[[int], Scores]:
    """A function of the seed: 100 steps on rendered streets with this head."""
    train, val = streets(size)
    loss = weighted_loss(train)
    return lambda seed: street_scores(learn(network(head, rates, seed), train, loss, seed), val, reach=REACH)


def heads() -> Arms:
    """100 steps on rendered streets: what does each head bring, one step at a time, beside as many 1×1 branches?"""
    return {
        "four 1×1": head_arm("aspp-l", (0, 0, 0, 0)),
        "LargeFOV": head_arm("largefov", LARGEFOV),
        "ASPP-S": head_arm("aspp-s", SMALL),
        "ASPP-L": head_arm("aspp-l", LARGE),
        "v3": head_arm("v3", V3),
        "v3+": head_arm("v3+", V3),
    }


def heads_on_large_pictures() -> Arms:
    """08_heads at 240×320, where the map is as wide as the papers' and has their rates: do they beat 1×1 branches?"""
    return {
        "four 1×1": head_arm("aspp-l", (0, 0, 0, 0), LARGE_SIZE),
        "ASPP-L": head_arm("aspp-l", (6, 12, 18, 24), LARGE_SIZE),
    }


def strides() -> Arms:
    """100 steps on rendered streets with LargeFOV: what does a finer map bring, if the rate spans as many pixels?"""
    train, val = streets()
    loss = weighted_loss(train)

    def arm(stride: int, seed: int) -> Scores:
        rate = round(8 * LARGEFOV[0] / stride)
        return street_scores(learn(network("largefov", (rate,), seed, stride), train, loss, seed), val, reach=REACH)

    return {f"stride {stride}": partial(arm, stride) for stride in (32, 16, 8, 4)}


class ManyScales(nn.Module):
    """One network on the picture at several sizes; each pixel takes each class's largest logit (1606.00915, 4.1)."""

    def __init__(self, network: nn.Module, scales: tuple[float, ...] = (0.5, 0.75, 1)):
        super().__init__()
        self.network, self.scales = network, scales

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, num_classes, H, W) logits of pictures (N, 3, H, W)."""
        size, answers = image.shape[-2:], []
        for scale in self.scales:
            small = [round(scale * side) for side in size]
            smaller = F.interpolate(image, size=small, mode="bilinear", antialias=True)
            answers.append(F.interpolate(self.network(smaller), size=size, mode="bilinear"))
        return torch.stack(answers).amax(0)


def learn_in_steps(net: nn.Module, train: Dataset, loss: Callable, seed: int) -> nn.Module:
    """`fit`'s loop with the schedule of 1412.7062, section 4.1: after each third the rate falls to a tenth."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.1 ** (3 * step // STEPS))
    net.train()
    batches = SeededBatchSampler(len(train), BATCH, seed, first_step=0, steps=STEPS)
    for images, masks in DataLoader(SeededDataset(train), batch_sampler=batches):
        optimizer.zero_grad()
        loss(net(images), masks).backward()
        optimizer.step()
        schedule.step()
    return net


def recipe() -> Arms:
    """100 steps on rendered streets with LargeFOV: poly against a rate in steps, and the picture at three sizes."""
    train, val = streets()
    loss = weighted_loss(train)

    def in_steps(seed: int) -> Scores:
        return street_scores(learn_in_steps(network("largefov", LARGEFOV, seed), train, loss, seed), val, reach=REACH)

    def at_scales(seed: int) -> Scores:
        net = learn(ManyScales(network("largefov", LARGEFOV, seed)), train, loss, seed)
        return street_scores(net, val, reach=REACH)

    return {"poly": head_arm("largefov", LARGEFOV), "steps": in_steps, "poly, three sizes": at_scales}


def heads_on_camvid() -> Arms:
    """100 steps on CamVid's drives: LargeFOV and v3+, on the third drive and on the released val."""
    train = CamVid("train", protocol="by-drive", size=SIZE)
    sets = {"by_drive_": CamVid("test", protocol="by-drive", size=SIZE), "val_": CamVid("val", size=SIZE)}
    loss = weighted_loss(train)

    def arm(head: str, rates: tuple[int, ...], seed: int) -> Scores:
        net = learn(network(head, rates, seed), train, loss, seed)
        return {f"{prefix}mean_iou": segedu.evaluate(net, data).mean_iou() for prefix, data in sets.items()}

    return {"LargeFOV": partial(arm, "largefov", LARGEFOV), "v3+": partial(arm, "v3+", V3)}


EXPERIMENTS = {
    "08_heads": heads,
    "08_large": heads_on_large_pictures,
    "08_strides": strides,
    "08_recipe": recipe,
    "08_camvid": heads_on_camvid,
}
