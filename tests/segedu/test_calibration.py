"""Reliability, ECE, temperature and coverage: by hand, by plain loops, and by properties that must hold."""

import importlib.util
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from segedu import inference
from segedu.metrics import coverage_curve, expected_calibration_error, fit_temperature, reliability_curve
from segedu.models import SmallNet

CHANCE = torch.Generator().manual_seed(0)
LOGITS = 3 * torch.randn(4, 5, 20, 30, generator=CHANCE)
TARGET = torch.where(
    torch.rand(4, 20, 30, generator=CHANCE) < 0.7, LOGITS.argmax(1), torch.randint(5, (4, 20, 30), generator=CHANCE)
)
TARGET[0, :3] = 255


def error_by_loop(probabilities, target, bins):
    """Guo et al., equation 3, pixel by pixel."""
    rows = [[] for _ in range(bins)]
    for picture, truth in zip(probabilities.double().numpy(), target.numpy(), strict=True):
        for row in range(truth.shape[0]):
            for column in range(truth.shape[1]):
                if truth[row, column] != 255:
                    p = picture[:, row, column]
                    rows[min(int(p.max() * bins), bins - 1)].append((p.max(), p.argmax() == truth[row, column]))
    total = sum(map(len, rows))
    return sum(len(r) / total * abs(np.mean([c for c, _ in r]) - np.mean([k for _, k in r])) for r in rows if r)


@pytest.mark.parametrize("bins", [1, 7, 15])
def test_calibration_error_is_that_of_a_plain_loop(bins):
    probabilities = LOGITS.softmax(1)
    expected = error_by_loop(probabilities, TARGET, bins)
    assert abs(expected_calibration_error(probabilities, TARGET, bins=bins) - expected) < 1e-9
    pair = probabilities.argmax(1), probabilities.amax(1)
    assert abs(expected_calibration_error(pair, TARGET, bins=bins) - expected) < 1e-9
    as_arrays = pair[0].numpy().astype(np.uint8), pair[1].numpy()
    assert abs(expected_calibration_error(as_arrays, TARGET.numpy(), bins=bins) - expected) < 1e-9


@pytest.mark.skipif(importlib.util.find_spec("torchmetrics") is None, reason="torchmetrics is not installed")
def test_calibration_error_is_torchmetrics():
    from torchmetrics.functional.classification import multiclass_calibration_error

    probabilities = LOGITS.softmax(1)
    theirs = multiclass_calibration_error(probabilities, TARGET, num_classes=5, n_bins=15, norm="l1", ignore_index=255)
    assert abs(expected_calibration_error(probabilities, TARGET) - theirs) < 1e-4


def test_a_curve_by_hand():
    ids, target = torch.tensor([[0, 0, 0, 0, 1, 1]]), torch.tensor([[0, 0, 0, 1, 1, 255]])
    confidence = torch.tensor([[0.9, 0.8, 1.0, 0.75, 0.3, 0.4]], dtype=torch.float64)
    curve = reliability_curve((ids, confidence), target, bins=2)
    assert curve.count.tolist() == [1, 4]
    assert curve.accuracy.tolist() == [1, 0.75]
    assert np.allclose(curve.confidence, [0.3, 0.8625])
    assert math.isclose(curve.error, (1 * 0.7 + 4 * 0.1125) / 5, rel_tol=1e-6)
    assert math.isclose(curve.mean_gap, (0.9 + 0.8 + 1.0 + 0.75 + 0.3) / 5 - 4 / 5, rel_tol=1e-6)
    empty = reliability_curve((ids, confidence), target, bins=10)
    assert empty.count.tolist() == [0, 0, 0, 1, 0, 0, 0, 1, 1, 2] and empty.accuracy.isnan().sum() == 6


def test_a_network_as_good_as_its_word_has_no_error():
    chance = torch.Generator().manual_seed(1)
    probabilities = (2 * torch.randn(1, 4, 300, 300, generator=chance)).softmax(1)
    rows = probabilities.movedim(1, -1).reshape(-1, 4)
    target = torch.multinomial(rows, 1, generator=chance).view(1, 300, 300)  # each class as often as is promised
    assert expected_calibration_error(probabilities, target) < 0.01
    curve = reliability_curve(probabilities, target)
    assert abs(curve.mean_gap) < 0.005
    surer = reliability_curve((2 * probabilities.log()).softmax(1), target)
    assert surer.error > 0.05 and surer.mean_gap > 0.05


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_the_temperature_that_was_put_in_is_found(temperature):
    chance = torch.Generator().manual_seed(2)
    logits = 2 * torch.randn(1, 4, 300, 300, generator=chance)
    rows = logits.softmax(1).movedim(1, -1).reshape(-1, 4)
    target = torch.multinomial(rows, 1, generator=chance).view(1, 300, 300)
    assert abs(fit_temperature(logits * temperature, target) / temperature - 1) < 0.02


def test_no_other_temperature_is_less_surprised_and_no_class_changes():
    found = fit_temperature(LOGITS, TARGET)
    losses = {t: F.cross_entropy(LOGITS / t, TARGET, ignore_index=255) for t in (found, found * 1.02, found / 1.02)}
    assert min(losses, key=losses.get) == found
    assert torch.equal((LOGITS / found).argmax(1), LOGITS.argmax(1))
    with torch.inference_mode():  # as lessons have their logits
        assert abs(fit_temperature(LOGITS.clone(), TARGET) - found) < 1e-6


def test_where_there_is_no_temperature_a_sentence_says_so():
    with pytest.raises(ValueError, match="always right"):
        fit_temperature(LOGITS, LOGITS.argmax(1))
    with pytest.raises(ValueError, match="not finite"):
        fit_temperature(LOGITS * float("inf"), TARGET)


def test_coverage_by_hand_and_at_its_end():
    ids, target = torch.tensor([[0, 0, 0, 0]]), torch.tensor([[1, 0, 0, 1]])
    coverage, accuracy = coverage_curve((ids, torch.tensor([[0.1, 0.9, 0.8, 0.7]])), target, points=5)
    assert coverage.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert np.allclose(accuracy, [1, 1, 1, 2 / 3, 1 / 2])
    probabilities = LOGITS.softmax(1)
    counted = TARGET != 255
    right = (LOGITS.argmax(1) == TARGET)[counted].double().mean()
    for answer in (probabilities, (LOGITS.argmax(1), -inference.entropy(probabilities))):
        assert math.isclose(coverage_curve(answer, TARGET)[1][-1], right, rel_tol=1e-9)
    oracle = (LOGITS.argmax(1), (LOGITS.argmax(1) == TARGET).float())  # silent exactly where it is wrong
    coverage, accuracy = coverage_curve(oracle, TARGET)
    assert (accuracy[coverage <= right] == 1).all()


@pytest.mark.parametrize("score", [reliability_curve, expected_calibration_error, coverage_curve])
def test_wrong_answers_are_refused_in_words(score):
    probabilities = LOGITS.softmax(1)
    with pytest.raises(ValueError, match="softmax"):
        score(LOGITS, TARGET)
    with pytest.raises(ValueError, match="wanted are"):
        score(probabilities, TARGET[:2])
    with pytest.raises(ValueError, match="No pixel counts"):
        score(probabilities, torch.full_like(TARGET, 255))
    with pytest.raises(ValueError, match="holds 9"):
        score(probabilities, torch.full_like(TARGET, 9))
    with pytest.raises(ValueError, match="The confidence is"):
        score((TARGET, torch.zeros(4, 20, 31)), TARGET)


# What a network holds probable


def wavy(seed=0):
    torch.manual_seed(seed)
    return SmallNet(4, width=8).eval()


def test_one_view_is_what_semantic_segmentation_is_sure_of():
    model, image = wavy(), torch.rand(3, 70, 90)
    probabilities = inference.class_probabilities(model, image)
    ids, confidence = inference.semantic_segmentation(model, image, return_confidence=True)
    assert probabilities.shape == (4, 70, 90) and probabilities.dtype == torch.float32
    assert np.array_equal(probabilities.argmax(0), ids) and np.allclose(probabilities.amax(0), confidence, atol=1e-6)
    probabilities.requires_grad_()  # no tensor of inference mode


def test_views_are_mirrored_scaled_and_brought_back():
    model, image = wavy(1), torch.rand(3, 64, 96)
    with torch.no_grad():
        plain = model(image[None]).softmax(1)
        mirrored = model(image.flip(-1)[None]).softmax(1).flip(-1)
        half = F.interpolate(image[None], (32, 48), mode="bilinear", antialias=True)
        half = F.interpolate(model(half).softmax(1), (64, 96), mode="bilinear")
    found = inference.class_probabilities(model, image, flip=True)
    assert torch.allclose(found, (plain + mirrored)[0] / 2, atol=1e-5) and (plain - mirrored).abs().max() > 0.01
    found = inference.class_probabilities(model, image, scales=(1, 0.5))
    assert torch.allclose(found, (plain + half)[0] / 2, atol=1e-5)
    assert torch.allclose(found.sum(0), torch.ones(64, 96), atol=1e-4)
    both_ways = inference.class_probabilities(model, image.flip(-1), flip=True).flip(-1)
    assert torch.allclose(both_ways, inference.class_probabilities(model, image, flip=True), atol=1e-5)


def test_tiles_give_the_same_probabilities():
    model = SmallNet(4, width=8).eval()
    image = torch.rand(3, 192, 256)
    whole = inference.class_probabilities(model, image, flip=True, scales=(1, 0.5))
    tiled = inference.class_probabilities(model, image, flip=True, scales=(1, 0.5), tile=64)
    assert (whole - tiled).abs().max() < 1e-4


def test_the_mode_of_the_model_comes_back_and_one_channel_becomes_two():
    model = wavy().train()
    inference.class_probabilities(model, torch.rand(3, 40, 40), flip=True)
    assert model.training

    class OneLogit(nn.Module):
        def forward(self, image):
            return 4 * image[:, :1] - 2

    image = torch.rand(3, 40, 40)
    probabilities = inference.class_probabilities(OneLogit(), image)
    assert torch.allclose(probabilities[1], (4 * image[0] - 2).sigmoid(), atol=1e-6)


def test_scales_that_make_no_picture_are_refused():
    for scales in ((), (0,), (-1,), ("x",), (20,)):
        with pytest.raises(ValueError, match="scale"):
            inference.class_probabilities(wavy(), torch.rand(3, 40, 40), scales=scales)


def test_entropy_by_hand():
    sure, even, halves = torch.tensor([1.0, 0, 0, 0]), torch.full((4,), 0.25), torch.tensor([0.5, 0.5, 0, 0])
    found = inference.entropy(torch.stack([sure, even, halves], 1).view(4, 1, 3))
    assert np.allclose(found, [[0, math.log(4), math.log(2)]], atol=1e-6)
    assert torch.allclose(inference.entropy(LOGITS.softmax(1)), torch.distributions.Categorical(
        logits=LOGITS.movedim(1, -1)).entropy(), atol=1e-5)  # fmt: skip
