"""Lesson 15's stored runs: which pictures an arm learns from, what it starts with, and what of it learns."""

from itertools import pairwise

import pytest
import torch
from torch import nn
from torchvision.models import squeezenet1_0

import segedu
from benchmarks import lesson_05_transfer, lesson_15
from segedu.datasets import ToyStreet
from segedu.labels import STREET
from segedu.models import backbone_unet


@pytest.mark.parametrize("count", [10, 50, 266])
def test_pictures_are_spread_over_the_whole_row_and_another_seed_takes_others(count):
    taken = [lesson_15.spread(count, 266, seed) for seed in range(10)]
    for places in taken:
        gaps = {after - before for before, after in pairwise(places)}
        assert len(set(places)) == count and 0 <= places[0] and places[-1] < 266
        assert max(gaps) - min(gaps) <= 1 and places[-1] - places[0] >= 266 - 266 / count - 1
    assert count == 266 or len({tuple(places) for places in taken}) > 5


def test_a_clip_is_one_run_of_pictures():
    for seed in range(10):
        places = lesson_15.clip(10, 266, seed)
        assert len(set(places)) == 10 and all((b - a) % 266 == 1 for a, b in pairwise(places))


def test_weights_know_what_void_is_and_do_not_explode_for_a_class_that_is_not_there():
    mask = torch.full((10, 10), 255)
    mask[:4], mask[4, :1] = STREET.index("road"), STREET.index("car")
    weights = lesson_15.weighted([(None, mask)]).keywords["class_weights"]
    assert weights[STREET.index("road")] == pytest.approx((40 / 41) ** -0.5)
    assert weights[STREET.index("tree")] == pytest.approx(1000**0.5) and weights.isfinite().all()


@pytest.fixture
def no_file(monkeypatch):
    """SqueezeNet's weights, by chance, for the networks on it."""
    torch.manual_seed(3)
    weights = squeezenet1_0().state_dict()
    monkeypatch.setattr(lesson_15, "imagenet_weights", lambda: weights)
    monkeypatch.setattr(backbone_unet, "_load_imagenet", lambda network, name: network.load_state_dict(weights))
    monkeypatch.setattr(lesson_05_transfer, "imagenet_weights", lambda: weights)


@pytest.mark.parametrize(
    ("start", "moves"), [("ImageNet", False), ("ImageNet, decoder", True), ("bare SqueezeNet", True)]
)
def test_what_stands_on_squeezenet_learns_as_its_arm_says(no_file, start, moves):
    net, streets = lesson_15.network(start, seed=0), ToyStreet("train", length=4)
    first = next(layer for layer in net.backbone.modules() if isinstance(layer, nn.Conv2d)).weight
    before = first.detach().clone()
    lesson_15.learn(net, start, streets, segedu.losses.cross_entropy, seed=0, steps=4)
    assert torch.equal(before, first) == (not moves)


def test_two_networks_of_one_seed_are_equal_and_the_shipped_one_is_the_shipped_one():
    one, other, third = (lesson_15.network("scratch", seed).score.weight for seed in (1, 1, 2))
    assert torch.equal(one, other) and not torch.equal(one, third)
    shipped, ours = segedu.load("unet_toystreet").state_dict(), lesson_15.network("ToyStreet", 0).state_dict()
    assert all(torch.equal(shipped[name], ours[name]) for name in shipped)
    assert shipped.keys() == lesson_15.network("scratch", 0).state_dict().keys()
