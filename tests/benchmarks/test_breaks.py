"""Lesson 14's runs on trainings of lesson 10: what a condition shows, what a repair sees, who answers together."""

import pytest
import torch
from torch import nn

from benchmarks import lesson_14_breaks as breaks
from segedu.corruptions import CORRUPTIONS, occluded_window
from segedu.datasets import ToyStreet
from segedu.metrics import expected_calibration_error


@pytest.fixture(scope="module")
def streets():
    return list(ToyStreet("test", length=3))


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Conv2d(3, breaks.CLASSES, 3, padding=1)


def test_each_condition_shows_the_same_streets_and_only_an_occluder_makes_void(streets):
    seen = breaks.conditions(streets)
    assert len(seen) == 1 + 5 * (len(CORRUPTIONS) + 1)
    clean, truth = seen["clean"]
    for name, (images, masks) in seen.items():
        assert torch.equal(images, clean) == (name == "clean"), name
        assert torch.equal(masks, truth) == (not name.startswith("occlusion")), name
    hidden = seen["occlusion 5"][1] != truth
    for place, part in enumerate(hidden):
        window = torch.zeros_like(part)
        window[occluded_window(part.shape, 5, seed=place)] = True
        assert not part[~window].any()


def test_the_last_street_gets_the_first_ones_sky_and_road(streets):
    for (image, mask), (seen, same), (other, other_mask) in zip(
        streets, breaks.with_other_background(streets, 5), [streets[1], streets[2], streets[0]], strict=True
    ):
        both = (mask == other_mask) & torch.isin(mask, torch.tensor(breaks.BACKGROUND))
        assert 0.1 < both.float().mean() < 0.9 and torch.equal(mask, same)
        assert torch.equal(seen[:, both], other[:, both]) and torch.equal(seen[:, ~both], image[:, ~both])


def test_a_repair_at_test_time_is_that_of_the_lesson(streets, net):
    images, masks = map(torch.stack, zip(*streets, strict=True))
    found = breaks.repaired(net, "clean", images, masks)
    assert list(found) == ["clean, flip", "clean, scales", "clean, blur first"]
    with torch.inference_mode():
        mean = (net(images).softmax(1) + net(images.flip(-1)).softmax(1).flip(-1)) / 2
    assert found["clean, flip"] == pytest.approx(breaks.mean_iou(mean.argmax(1), masks))


def test_five_answer_by_their_mean_and_one_is_the_mean_of_five_scores():
    answers = torch.rand(5, 2, breaks.CLASSES, 8, 8, generator=torch.Generator().manual_seed(0)).softmax(2)
    masks = torch.randint(0, breaks.CLASSES, (2, 8, 8), generator=torch.Generator().manual_seed(1))
    errors = [expected_calibration_error(answer, masks) for answer in answers]
    assert breaks.alone(answers, masks, "clean")["clean, calibration_error"] == pytest.approx(sum(errors) / 5)
    mean = expected_calibration_error(answers.mean(0), masks)
    assert breaks.together(answers, masks, "clean")["clean, calibration_error"] == pytest.approx(mean)
    same = answers[:1].expand(5, -1, -1, -1, -1)
    assert breaks.alone(same, masks, "clean") == pytest.approx(breaks.together(same, masks, "clean"), abs=1e-4)


def test_no_training_is_in_two_ensembles(monkeypatch, net):
    asked = []
    monkeypatch.setattr(breaks, "STREETS", 1)
    monkeypatch.setattr(breaks, "trained", lambda name, train, seed: asked.append(seed) or net)
    arms = breaks.ensemble()
    for seed in range(2):
        for arm in arms.values():
            assert all(0 <= value <= 1 for value in arm(seed).values())
    assert asked == list(range(10))
