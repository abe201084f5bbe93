"""Lesson 16's stored runs: a transformer beside lesson 10's three networks, and what its attention is worth."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

import segedu
from benchmarks.by_shape import REACH
from benchmarks.lesson_10 import CLASSES, RECIPE, Clock, on_streets, streets, weighting
from benchmarks.scoring import Arms, Scores, classes_of, street_scores
from segedu.models import SegFormer
from segedu.models.segformer import Attention, Block

# 456,491 parameters: within 5 % of the 480,000 of 10_parameters, so one network serves both comparisons.
MAKE = partial(SegFormer, CLASSES, width=16)
# As many steps as fit into the time of 10_time. On one thread, side by side, a step took 0.9 times as long as one of
# DeepLab v3+ (180 steps there), 1.2 times as long as one of FCN-8s (235), and 0.45 times as long as one of U-Net (100).
STEPS = 200
EQUAL_STEPS = 100  # of 10_parameters
RATE = 2e-3  # a look at 0.002, 0.005 and 0.01, one training each on other streets, had this one in front


class Everywhere(Attention):
    """Attention that does not choose: every place takes the mean of all places."""

    def weights(self, x: torch.Tensor, shared: torch.Tensor) -> torch.Tensor:
        """(N, C, h, w), and what is shared → (N, heads, h·w, keys), all 1 / keys."""
        places, keys = (maps.flatten(2).shape[2] for maps in (x, shared))
        return x.new_full((len(x), self.heads, places, keys), 1 / keys)


class Nowhere(Attention):
    """Attention that takes nothing from any place."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, h, w) → zeros of this shape."""
        return torch.zeros_like(x)


def with_attention(kind: type[Attention]) -> SegFormer:
    """The network, started alike, but that its attention is of this kind."""
    net = MAKE()
    for block in net.modules():
        if isinstance(block, Block):
            block.attention.__class__ = kind
    return net


def at_own_rate(make: Callable[[], nn.Module], seed: int) -> Scores:
    """Scores of 10_time after its steps, at a rate that was looked for."""
    train, val, judge = streets()
    torch.manual_seed(seed)
    net, loss = make(), weighting(train)
    clock = Clock()
    segedu.fit(net, train, loss=loss, steps=STEPS, seed=seed, **RECIPE | {"learning_rate": RATE})
    noted = {"minutes": clock.minutes()}
    return street_scores(net, val, reach=REACH) | judge.scores(classes_of(net, judge.images)) | noted


# The experiment: {arm: function of a seed → scores}


def transformer() -> Arms:
    """What does a transformer know after the time, and after the steps, of lesson 10's networks, and by what?

    "as lesson 10" has the recipe of 10_time, "100 steps" that of 10_parameters; the others a rate of their own.
    """
    return {
        "as lesson 10": partial(on_streets, MAKE, STEPS, curve=True),
        "own rate": partial(at_own_rate, MAKE),
        "the mean of all places": partial(at_own_rate, partial(with_attention, Everywhere)),
        "no attention": partial(at_own_rate, partial(with_attention, Nowhere)),
        "100 steps": partial(on_streets, MAKE, EQUAL_STEPS),
    }


EXPERIMENTS = {"16_transformer": transformer}
