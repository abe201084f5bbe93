"""Lesson 05's stored runs: the ladder 32s, 16s, 8s, its chain and its controls. Run by results.py."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import lru_cache, partial

import torch
from torch import nn
from torch.utils.data import Dataset

import segedu
from benchmarks.scoring import Arms, Scores, street_scores
from benchmarks.weighing import weighted_loss
from segedu.datasets import CamVid, ToyStreet
from segedu.labels import STREET
from segedu.models import FCN
from segedu.models.layers import FixedBilinear, conv_bn_relu, crop

SIZE = (120, 160)
STEPS, ROUNDS = 100, 3
RECIPE = {"steps": STEPS, "batch_size": 8, "learning_rate": 5e-3, "progress": False}
WIDTH = 8


def network(stride: int, seed: int) -> FCN:
    """An FCN for streets with the first weights of this seed."""
    torch.manual_seed(seed)
    return FCN(len(STREET), width=WIDTH, stride=stride)


def one_round(net: nn.Module, train: Dataset, loss: Callable, seed: int) -> nn.Module:
    """The same network after STEPS more steps."""
    segedu.fit(net, train, loss=loss, seed=seed, **RECIPE)
    return net


# The experiments: each gives {arm: function of a seed → scores}


def ladder() -> Arms:
    """FCN-32s, 16s and 8s from scratch, and the paper's chain 32s → 16s → 8s: how much of its gain is time?

    Three rounds of 100 steps on rendered streets, each with its own schedule; scored after every round. In the chain
    a round begins with a network of half the stride that holds all weights of the coarser one.
    """
    train, val = ToyStreet("train"), ToyStreet("val", instances=True)
    loss = weighted_loss(train)

    @lru_cache(maxsize=1)
    def first_round_of_32s(seed: int) -> FCN:
        return one_round(network(32, seed), train, loss, seed)

    def arm(stride: int, rounds: int, seed: int, grows: bool = False) -> Scores:
        found = {}
        for number in range(1, rounds + 1):
            if number == 1:
                net = copy.deepcopy(first_round_of_32s(seed)) if stride == 32 else None
                net = net or one_round(network(stride, seed), train, loss, seed)
            else:
                net = one_round(FCN.grown_from(net) if grows else net, train, loss, seed + 1000 * number)
            found |= street_scores(net, val, reach=0, prefix=f"round{number}_")
        return found

    return {
        "32s": partial(arm, 32, ROUNDS),
        "chain": partial(arm, 32, ROUNDS, grows=True),
        "16s": partial(arm, 16, 1),
        "8s": partial(arm, 8, ROUNDS),
    }


class Concatenated(FCN):
    """FCN-8s whose skips are not added as scores: features and scores are laid side by side and mixed by a 3×3."""

    def __init__(self, num_classes: int, *, width: int):
        super().__init__(num_classes, width=width, stride=8)
        del self.score_pool4, self.score_pool3
        self.mix_pool4, self.mix_pool3 = (
            nn.Sequential(conv_bn_relu(num_classes + channels, 4 * width), nn.Conv2d(4 * width, num_classes, 1))
            for channels in (8 * width, 4 * width)
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, num_classes, H, W) logits of pictures (N, 3, H, W)."""
        pools = self.backbone(self.normalise(image))
        scores = self.score(self.head(pools[4]))
        scores = self.mix_pool4(torch.cat([crop(self.up_score(scores), pools[3]), pools[3]], dim=1))
        scores = self.mix_pool3(torch.cat([crop(self.up_pool4(scores), pools[2]), pools[2]], dim=1))
        return crop(self.up_last(scores), image)


def learnt_enlargement(channels: int, factor: int) -> nn.ConvTranspose2d:
    """A transposed convolution that starts as FixedBilinear(channels, factor, padding=factor // 2), and is learnt."""
    layer = nn.ConvTranspose2d(channels, channels, 2 * factor, stride=factor, padding=factor // 2, bias=False)
    kernel = FixedBilinear(1, factor).kernel[0, 0]
    with torch.no_grad():
        layer.weight.copy_(torch.eye(channels)[:, :, None, None] * kernel)
    return layer


def fusion() -> Arms:
    """100 steps on rendered streets: what do learnt enlargement, skips, and skips by concatenation bring?"""
    train, val = ToyStreet("train"), ToyStreet("val", instances=True)
    loss = weighted_loss(train)

    def fixed_8s(seed: int) -> FCN:
        net = network(8, seed)
        net.up_score, net.up_pool4 = (FixedBilinear(len(STREET), 2, padding=1) for _ in range(2))
        return net

    def learnt_32s(seed: int) -> FCN:
        net = network(32, seed)
        net.up_last = learnt_enlargement(len(STREET), 32)
        return net

    def concatenated(seed: int) -> FCN:
        torch.manual_seed(seed)
        return Concatenated(len(STREET), width=WIDTH)

    def arm(make: Callable[[int], FCN], seed: int) -> Scores:
        return street_scores(one_round(make(seed), train, loss, seed), val, reach=0)

    return {
        "32s, fixed": partial(arm, partial(network, 32)),
        "32s, learnt": partial(arm, learnt_32s),
        "8s, fixed": partial(arm, fixed_8s),
        "8s, doubling learnt": partial(arm, partial(network, 8)),
        "8s, concatenated": partial(arm, concatenated),
    }


def ladder_on_camvid() -> Arms:
    """FCN-32s, 16s and 8s on CamVid's drives, 100 steps: scored on the third drive, and on the released val."""
    train = CamVid("train", protocol="by-drive", size=SIZE)
    sets = {"by_drive_": CamVid("test", protocol="by-drive", size=SIZE), "val_": CamVid("val", size=SIZE)}
    loss = weighted_loss(train)

    def arm(stride: int, seed: int) -> Scores:
        net = one_round(network(stride, seed), train, loss, seed)
        matrices = {prefix: segedu.evaluate(net, data) for prefix, data in sets.items()}
        found = {f"{prefix}mean_iou": matrix.mean_iou() for prefix, matrix in matrices.items()}
        return found | {f"{prefix}pixel_accuracy": matrix.pixel_accuracy() for prefix, matrix in matrices.items()}

    return {f"{stride}s": partial(arm, stride) for stride in (32, 16, 8)}


EXPERIMENTS = {"05_ladder": ladder, "05_fusion": fusion, "05_camvid": ladder_on_camvid}
