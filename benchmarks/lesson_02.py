"""Lesson 02's stored runs: what is scored there, on photographs. Run by results.py."""

from __future__ import annotations

from functools import partial

import torch

import segedu
from benchmarks.lesson_04 import SIZE, trained
from benchmarks.scoring import Arms, Scores, matrix_scores
from benchmarks.weighing import weighted_loss
from segedu.datasets import CamVid, ToyStreet
from segedu.metrics import ConfusionMatrix


def contest_on_camvid() -> Arms:
    """Lesson 02's contestants on CamVid val; the network has seen rendered streets only."""
    seen = torch.stack([mask for _, mask in CamVid("train", size=SIZE)])
    val = CamVid("val", size=SIZE)
    truths = torch.stack([mask for _, mask in val])
    votes = torch.stack([(seen == k).sum(0) for k in range(11)])
    rendered = ToyStreet("train", length=300)
    weighted = weighted_loss(rendered)

    def network(seed: int) -> Scores:
        return matrix_scores(segedu.evaluate(trained(seed, rendered, 150, loss=weighted), val))

    def constant(prediction: torch.Tensor, seed: int) -> Scores:
        return matrix_scores(ConfusionMatrix(11).update(prediction.expand_as(truths), truths))

    return {
        "all road": partial(constant, torch.full(SIZE, 3)),
        "average street": partial(constant, votes.argmax(0)),
        "network": network,
    }


EXPERIMENTS = {"02_contest": contest_on_camvid}
