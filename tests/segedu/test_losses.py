"""Losses against literal sums, torch and torchvision; ignored pixels; errors that say the way out."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torchvision.ops import sigmoid_focal_loss

from segedu.losses import cross_entropy, dice_loss, focal_loss, lovasz_softmax, panoptic_loss
from segedu.metrics import ConfusionMatrix

LOSSES = (cross_entropy, dice_loss, focal_loss, lovasz_softmax)


def batch(classes=4, seed=0, ignored=0.2):
    random = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, classes, 6, 7, generator=random, dtype=torch.float64)
    target = torch.randint(0, classes, (2, 6, 7), generator=random)
    target[torch.rand(target.shape, generator=random) < ignored] = 255
    return logits, target


def sure(prediction: torch.Tensor, classes: int) -> torch.Tensor:
    """Logits whose softmax is 0 or 1."""
    return 200.0 * F.one_hot(prediction, classes).movedim(-1, 1).double()


def test_cross_entropy_by_hand_on_one_pixel():
    logits = torch.tensor([1.0, 2.0, 0.5]).view(1, 3, 1, 1)
    expected = -math.log(math.exp(2) / (math.exp(1) + math.exp(2) + math.exp(0.5)))
    assert cross_entropy(logits, torch.tensor([[[1]]])).item() == pytest.approx(expected)


def test_cross_entropy_equals_torch_with_ignore_and_class_weights():
    logits, target = batch()
    weights = torch.tensor([0.5, 2.0, 1.0, 0.0], dtype=torch.float64)
    assert torch.allclose(cross_entropy(logits, target), F.cross_entropy(logits, target, ignore_index=255))
    reference = F.cross_entropy(logits, target, weight=weights, ignore_index=255)
    assert torch.allclose(cross_entropy(logits, target, class_weights=weights), reference)


def test_pixel_weights_count_a_pixel_as_often_as_it_weighs():
    logits, target = batch(ignored=0)
    weights = torch.zeros(2, 6, 7)
    weights[0, 2, 3], weights[1, 0, 0] = 1, 3
    each = F.cross_entropy(logits, target, reduction="none")
    expected = (each[0, 2, 3] + 3 * each[1, 0, 0]) / 4
    assert torch.allclose(cross_entropy(logits, target, pixel_weights=weights), expected)


@pytest.mark.parametrize("loss", LOSSES)
def test_all_ignored_is_zero_with_a_gradient_of_zeros(loss):
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    value = loss(logits, torch.full((1, 4, 4), 255))
    value.backward()
    assert value.item() == 0 and torch.equal(logits.grad, torch.zeros_like(logits))


@pytest.mark.parametrize("loss", LOSSES)
def test_ignored_pixels_change_neither_value_nor_gradient(loss):
    logits, target = batch()
    changed = torch.where((target == 255)[:, None], logits + 7, logits)
    a, b = logits.clone().requires_grad_(), changed.clone().requires_grad_()
    loss(a, target).backward()
    loss(b, target).backward()
    assert torch.allclose(loss(a, target), loss(b, target)) and torch.allclose(a.grad, b.grad)
    assert (a.grad * (target == 255)[:, None]).abs().max() == 0


@pytest.mark.parametrize("loss", LOSSES)
def test_finite_gradients_where_the_network_is_sure(loss):
    _, target = batch(ignored=0)
    for prediction in (target, (target + 1) % 4):
        logits = sure(prediction, 4).requires_grad_()
        loss(logits, target).backward()
        assert logits.grad.isfinite().all()


@pytest.mark.parametrize("loss", LOSSES)
def test_gradient_equals_finite_differences(loss):
    logits, target = batch(classes=3)
    small, truth = logits[:1, :, :3, :3].clone().requires_grad_(), target[:1, :3, :3]
    assert torch.autograd.gradcheck(lambda x: loss(x, truth), small)


@pytest.mark.parametrize("seed", range(5))
def test_dice_of_sure_predictions_is_the_score_of_the_confusion_matrix(seed):
    random = torch.Generator().manual_seed(seed)
    prediction, target = torch.randint(0, 3, (2, 2, 9, 9), generator=random)
    matrix = ConfusionMatrix(3).update(prediction, target)
    assert dice_loss(sure(prediction, 3), target).item() == pytest.approx(1 - matrix.dice().mean().item(), abs=1e-6)


def test_dice_literally():
    logits, target = batch()
    p = logits.softmax(1).numpy()
    scores = []
    for k in range(4):
        g = (target == k).numpy()
        counted = (target != 255).numpy()
        scores.append(2 * (p[:, k] * g).sum() / (p[:, k][counted].sum() + g.sum()))
    assert dice_loss(logits, target).item() == pytest.approx(1 - np.mean(scores), abs=1e-6)


def test_focal_is_cross_entropy_at_zero_and_torchvisions_for_two_classes():
    logits, target = batch(classes=2, ignored=0)
    assert torch.allclose(focal_loss(logits, target, gamma=0), cross_entropy(logits, target))
    single = logits[:, 1] - logits[:, 0]  # two softmax channels are one sigmoid of their difference
    reference = sigmoid_focal_loss(single, target.double(), alpha=-1, gamma=2, reduction="mean")
    assert torch.allclose(focal_loss(logits, target), reference)


@pytest.mark.parametrize("seed", range(5))
def test_lovasz_of_sure_predictions_is_one_minus_mean_iou(seed):
    random = torch.Generator().manual_seed(seed)
    prediction, target = torch.randint(0, 3, (2, 2, 9, 9), generator=random)
    matrix = ConfusionMatrix(3).update(prediction, target)
    assert lovasz_softmax(sure(prediction, 3), target).item() == pytest.approx(1 - matrix.mean_iou(), abs=1e-6)


def test_lovasz_literally():
    """The extension's definition: errors in falling order, each times what its pixel adds to the Jaccard loss."""
    logits, target = batch()
    p, counted = logits.softmax(1), target != 255
    losses = []
    for k in range(4):
        g = (target == k)[counted].numpy()
        errors = np.abs(g - p[:, k][counted].numpy())
        wrong, before, total = np.zeros(len(g), bool), 0.0, 0.0
        for i in np.argsort(-errors):
            wrong[i] = True
            jaccard = 1 - (g & ~wrong).sum() / (g | wrong).sum()
            total += errors[i] * (jaccard - before)
            before = jaccard
        losses.append(total)
    assert lovasz_softmax(logits, target).item() == pytest.approx(np.mean(losses), abs=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    ("target", "error", "words"),
    [
        (torch.zeros(1, 1, 4, 4, dtype=torch.int64), ValueError, r"squeeze\(1\)"),
        (torch.zeros(1, 3, 4, 4, dtype=torch.int64), ValueError, r"one-hot: target.argmax\(1\)"),
        (torch.zeros(1, 4, 4, dtype=torch.uint8), TypeError, r"target.long\(\)"),
        (torch.full((1, 4, 4), 3), ValueError, "holds 3 at 16 pixels"),
        (torch.full((1, 4, 4), -1), ValueError, "holds -1"),
    ],
)
def test_wrong_targets_are_named_with_the_way_out(loss, target, error, words):
    with pytest.raises(error, match=words):
        loss(torch.zeros(1, 3, 4, 4), target)


def test_logits_of_one_picture_without_a_batch_are_refused():
    with pytest.raises(ValueError, match=r"\(N, C, H, W\)"):
        cross_entropy(torch.zeros(3, 4, 4), torch.zeros(4, 4, dtype=torch.int64))


@pytest.mark.parametrize("kind", [list, tuple, np.array, lambda values: np.array(values[::-1])[::-1], torch.tensor])
def test_class_weights_come_in_every_form(kind):
    logits, target = torch.randn(1, 2, 4, 4), torch.randint(0, 2, (1, 4, 4))
    expected = cross_entropy(logits, target, class_weights=torch.tensor([1.0, 2.0]))
    assert cross_entropy(logits, target, class_weights=kind([1.0, 2.0])) == expected


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ({"class_weights": [1]}, r"class_weights must be of shape \(2,\), got \(1,\)"),
        ({"class_weights": [1, -2]}, "hold -2"),
        ({"class_weights": [1, float("nan")]}, "hold nan"),
        ({"class_weights": [1, float("inf")]}, "hold inf"),
        ({"pixel_weights": torch.ones(1, 1, 4, 4)}, r"pixel_weights must be of shape \(1, 4, 4\)"),
        ({"pixel_weights": -torch.ones(1, 4, 4)}, "hold -1"),
    ],
)
def test_weights_that_are_none_are_named(weights, says):
    with pytest.raises(ValueError, match=says):
        cross_entropy(torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4, dtype=torch.int64), **weights)


@pytest.mark.parametrize("loss", LOSSES)
def test_none_ignores_nothing_a_class_may_be_ignored_and_a_list_is_refused(loss):
    logits, target = torch.randn(1, 3, 4, 4), torch.randint(0, 3, (1, 4, 4))
    assert loss(logits, target, ignore_index=None) == loss(logits, target, ignore_index=255)
    without = torch.where(target == 0, 255, target)
    assert loss(logits, target, ignore_index=0) == loss(logits, without)
    with pytest.raises(ValueError, match="holds 255.*nothing is ignored"):
        loss(logits, without.fill_(255), ignore_index=None)
    with pytest.raises(TypeError, match="one whole number, or None"):
        loss(logits, target, ignore_index=[0, 255])


def test_a_negative_gamma_is_refused():
    with pytest.raises(ValueError, match="gamma=-1"):
        focal_loss(torch.zeros(1, 3, 4, 4), torch.zeros(1, 4, 4, dtype=torch.int64), gamma=-1)


def test_float16_over_many_pixels_is_summed_in_float32():
    torch.manual_seed(0)
    logits, target = torch.randn(1, 3, 300, 300), torch.randint(0, 3, (1, 300, 300))
    for loss in (cross_entropy, dice_loss, focal_loss, lovasz_softmax):
        assert loss(logits.half(), target).item() == pytest.approx(loss(logits, target).item(), abs=1e-3)
        for wrong in ({"out": logits}, logits.numpy(), logits.long()):
            with pytest.raises(TypeError, match="Logits must be a tensor of floats"):
                loss(wrong, target)


def test_maps_of_objects_for_another_batch_are_not_stretched():
    output = SimpleNamespace(
        logits=torch.zeros(2, 2, 4, 4), centres=torch.zeros(2, 1, 4, 4), offsets=torch.zeros(2, 2, 4, 4)
    )
    target = torch.zeros(2, 4, 4).long()
    with pytest.raises(ValueError, match="one shape"):
        panoptic_loss(output, target, target[:1])
    with pytest.raises(ValueError, match="sigma=0"):
        panoptic_loss(output, target, target, sigma=0)
    with pytest.raises(TypeError, match="whole numbers"):
        panoptic_loss(output, target, target.float())
