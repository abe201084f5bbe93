"""Lesson 08's controls: how far a backbone sees, what is scored by size of region, a head without image pooling."""

import pytest
import torch

from benchmarks import lesson_08_controls as controls
from benchmarks.lesson_08 import network
from segedu.datasets import TextureMosaic


@pytest.mark.parametrize(("rate", "sees"), [(0, 17), (3, 41), (6, 65)])
def test_a_short_sighted_network_sees_as_far_as_its_rate(rate, sees):
    torch.manual_seed(0)
    net = controls.ShortSighted(3, (rate,)).eval()
    image = torch.rand(1, 1, 129, 129, requires_grad=True)
    features = net.backbone(net.normalise(image))
    assert features[-1].shape == (1, 32, 33, 33)
    net.head(features)[0, :, 16, 16].sum().backward()
    rows = image.grad[0, 0].abs().sum(1).nonzero()
    assert 64 - sees // 2 <= rows.min() and rows.max() <= 64 + sees // 2
    assert rows.max() - rows.min() > sees - 17  # a pooling passes one pixel on, so a few at the rim may stay unused


def test_scores_by_size_are_of_the_regions_of_that_size(monkeypatch):
    data = TextureMosaic("val", length=6, instances=True)
    monkeypatch.setattr(controls, "mosaics", lambda: (data, data))

    def answer(net, images):
        masks, regions = (torch.stack([sample[k] for sample in data]) for k in (1, 2))
        area = torch.stack([ids.flatten().bincount()[ids] for ids in regions])
        return masks.where(area >= 400, (masks + 1) % 3)

    monkeypatch.setattr(controls, "classes_of", answer)
    scores = controls.mosaic_scores(torch.nn.Identity())
    assert scores["middle_accuracy"] == scores["large_accuracy"] == scores["large_mean_iou"] == 1
    assert scores["small_accuracy"] == 0 and 0.9 < scores["mean_iou"] < 1


@pytest.mark.parametrize("pooled", [True, False])
def test_without_image_pooling_no_position_knows_of_another(pooled):
    net = network("v3+", (0, 0, 0), seed=0).eval()
    if not pooled:
        net.head.aspp.pooled = controls.Nothing(32)
    features = torch.rand(1, 64, 16, 21)
    other = features.clone()
    other[..., 3, 5] += 1
    with torch.inference_mode():
        changed = (net.head.aspp(features) != net.head.aspp(other)).any(1)[0]
    assert changed[3, 5] and (changed.sum() > 1) == pooled
