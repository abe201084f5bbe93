"""Scores against hand calculation, torchmetrics, scikit-image, and the four mean IoUs of one pair of masks."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.metrics import adapted_rand_error
from torchmetrics.classification import MulticlassJaccardIndex
from torchmetrics.functional.classification import multiclass_f1_score

from segedu.metrics import ConfusionMatrix, border_band, boundary_iou, rand_error


def square(column: int) -> torch.Tensor:
    mask = torch.zeros(8, 8, dtype=torch.int64)
    mask[2:6, column : column + 4] = 1
    return mask


def test_by_hand_on_four_pixels():
    matrix = ConfusionMatrix(3).update(torch.tensor([[0, 1], [1, 2]]), torch.tensor([[0, 0], [1, 255]]))
    assert matrix.counts.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert matrix.pixel_accuracy() == pytest.approx(2 / 3)
    assert matrix.mean_accuracy() == pytest.approx((1 / 2 + 1) / 2)
    assert matrix.iou()[:2].tolist() == [1 / 2, 1 / 2] and matrix.iou()[2].isnan()
    assert matrix.dice()[:2].tolist() == pytest.approx([2 / 3, 2 / 3]) and matrix.dice()[2].isnan()
    assert matrix.mean_iou() == 1 / 2
    assert matrix.frequency_weighted_iou() == pytest.approx(1 / 2)


def test_the_absent_class_is_left_out_and_a_false_alarm_counts():
    prediction, target = square(3), square(2)
    assert ConfusionMatrix(3).update(prediction, target).mean_iou() == pytest.approx(0.72, abs=0.005)
    prediction[0, 0] = 2
    assert ConfusionMatrix(3).update(prediction, target).mean_iou() == pytest.approx(0.48, abs=0.005)


@pytest.mark.parametrize("seed", range(20))
def test_equal_to_torchmetrics_over_random_masks(seed):
    random = torch.Generator().manual_seed(seed)
    classes = int(torch.randint(2, 12, (), generator=random))
    prediction = torch.randint(0, classes, (4, 17, 23), generator=random)
    target = torch.randint(0, classes, (4, 17, 23), generator=random)
    target = torch.where(torch.rand(target.shape, generator=random) < 0.6, prediction, target)
    target[torch.rand(target.shape, generator=random) < 0.2] = 255
    target[target == classes - 1] = 255  # so that a class may be absent from the truth
    ours = ConfusionMatrix(classes)
    for one_prediction, one_target in zip(prediction, target, strict=True):
        ours.update(one_prediction, one_target)
    reference = MulticlassJaccardIndex(classes, ignore_index=255, average="none")
    reference.update(prediction, target)
    assert torch.equal(ours.counts, reference.confmat.long())
    present = ~ours.iou().isnan()
    assert torch.allclose(ours.iou()[present].float(), reference.compute()[present])
    f1 = multiclass_f1_score(prediction, target, classes, ignore_index=255, average="none")
    assert torch.allclose(ours.dice()[present].float(), f1[present])


def test_permuting_the_classes_permutes_the_scores():
    random = np.random.default_rng(0)
    prediction, target, order = random.integers(0, 5, (9, 9)), random.integers(0, 5, (9, 9)), random.permutation(5)
    plain = ConfusionMatrix(5).update(prediction, target)
    permuted = ConfusionMatrix(5).update(order[prediction], order[target])
    assert torch.equal(permuted.iou()[order], plain.iou())
    assert permuted.mean_iou() == pytest.approx(plain.mean_iou())


def test_nothing_counted_is_nan_not_zero():
    matrix = ConfusionMatrix(2).update(np.zeros((2, 2), np.uint8), np.full((2, 2), 255, np.uint8))
    scores = (matrix.mean_iou(), matrix.pixel_accuracy(), matrix.mean_accuracy(), matrix.frequency_weighted_iou())
    assert all(math.isnan(score) for score in scores)


@pytest.mark.parametrize(
    ("prediction", "target", "error", "words"),
    [
        ([[2]], [[0]], ValueError, "prediction holds 2"),
        ([[255]], [[0]], ValueError, "prediction holds 255"),
        ([[-1]], [[0]], ValueError, "prediction holds -1"),
        ([[0]], [[7]], ValueError, "target holds 7"),
        ([[0, 1]], [[0]], ValueError, "one shape"),
        ([[0.3]], [[0]], TypeError, r"argmax\(1\)"),
    ],
)
def test_bad_input_raises_and_counts_nothing(prediction, target, error, words):
    matrix = ConfusionMatrix(2)
    with pytest.raises(error, match=words):
        matrix.update(torch.tensor(prediction), torch.tensor(target))
    assert matrix.counts.sum() == 0


def test_an_ignored_pixel_may_be_predicted_as_anything():
    assert ConfusionMatrix(2).update(torch.tensor([9, 1]), torch.tensor([255, 1])).counts.tolist() == [[0, 0], [0, 1]]


def test_border_band_by_hand_and_by_distance():
    mask = torch.zeros(1, 7, dtype=torch.int64)
    mask[:, 3:] = 1
    assert border_band(mask, 1).tolist() == [[False, False, True, True, False, False, False]]
    assert border_band(mask, 2).sum() == 4
    random = torch.Generator().manual_seed(0)
    mask = (torch.rand(2, 20, 30, generator=random) < 0.03).long()
    literal = torch.zeros_like(mask, dtype=torch.bool)
    for n, y, x in torch.cartesian_prod(torch.arange(2), torch.arange(20), torch.arange(30)).tolist():
        window = mask[n, max(0, y - 2) : y + 3, max(0, x - 2) : x + 3]
        literal[n, y, x] = (window != mask[n, y, x]).any()
    # a pixel whose neighbours differ only from each other cannot exist with two values, so both definitions agree
    assert torch.equal(border_band(mask, 2), literal)
    assert not border_band(torch.zeros(5, 5, dtype=torch.int64), 3).any()
    with pytest.raises(ValueError, match="at least 1"):
        border_band(mask, 0)


def test_boundary_iou_by_hand():
    """A 6×6 square moved by one column: its ring of width 1 has 20 pixels, of which 10 are shared."""
    true, found = torch.zeros(2, 12, 12, dtype=torch.int64)
    true[3:9, 3:9], found[3:9, 4:10] = 1, 1
    # the upper and lower edge share 5 pixels each; left and right edges do not meet
    assert boundary_iou(found, true, 2, width=1)[1].item() == pytest.approx(10 / 30)
    assert boundary_iou(found, true, 2, width=3)[1].item() == pytest.approx(30 / 42), "all of the square: plain IoU"
    matrix = ConfusionMatrix(2).update(found, true)
    assert torch.allclose(boundary_iou(found, true, 2, width=12), matrix.iou())
    assert boundary_iou(true, true, 3, width=1).tolist()[:2] == [1, 1] and boundary_iou(true, true, 3)[2].isnan()


def test_boundary_iou_takes_two_per_cent_of_the_diagonal():
    """140 × 180 pixels have a diagonal of 228; 2 % are 4.56, rounded 5."""
    true, found = torch.zeros(2, 140, 180, dtype=torch.int64)
    true[20:120, 30:150], found[20:120, 31:151] = 1, 1
    default, five, four = (boundary_iou(found, true, 2, width=width)[1] for width in (None, 5, 4))
    assert default == five != four


def test_boundary_iou_counts_the_pictures_edge_as_contour():
    full, hole = torch.ones(2, 7, 9, dtype=torch.int64)
    hole[3, 4] = 0
    # width 2: the picture's rim has 63 − 15 pixels; the hole's square 5×5 without the hole leaves only 15 − 15 inside
    assert boundary_iou(full, full, 2, width=2)[1] == 1
    assert boundary_iou(full, hole, 2, width=2)[1].item() == pytest.approx(48 / 62)
    assert boundary_iou(full, hole, 2, width=2)[0] == 0


@pytest.mark.parametrize("width", [None, 1, 3])
def test_boundary_iou_against_erosion(width):
    random = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(random.normal(size=(2, 2, 40, 60)), (0, 0, 3, 3))
    prediction, target = np.digitize(smooth, [-0.05, 0.05])
    target[:, 5:9, 30:] = 255
    expected = []
    d = width or max(1, round(0.02 * math.sqrt(40**2 + 60**2)))
    for value in range(3):
        bands = []
        for ids in (np.where(target == 255, 255, prediction), target):
            inside = [ndimage.binary_erosion(one == value, np.ones((3, 3)), d) for one in ids]
            bands.append((ids == value) & ~np.stack(inside))
        expected.append((bands[0] & bands[1]).sum() / (bands[0] | bands[1]).sum())
    assert boundary_iou(prediction, target, 3, width=width).tolist() == pytest.approx(expected)
    swapped = boundary_iou(np.where(target == 255, 0, target), np.where(target == 255, 255, prediction), 3, width=width)
    assert swapped.tolist() == pytest.approx(expected), "truth and prediction may change places"


def test_boundary_iou_refuses_what_does_not_fit():
    ids = torch.zeros(4, 4, dtype=torch.int64)
    with pytest.raises(ValueError, match="at least 1"):
        boundary_iou(ids, ids, 2, width=0)
    with pytest.raises(ValueError, match="prediction holds 2"):
        boundary_iou(ids + 2, ids, 2)
    with pytest.raises(ValueError, match=r"\(16,\)"):
        boundary_iou(ids.flatten(), ids.flatten(), 2)
    with pytest.raises(TypeError, match="float32"):
        boundary_iou(ids.float(), ids, 2)


def test_rand_error_by_hand():
    true = np.array([[1, 1, 0, 2, 2, 2]])
    merged, split = np.array([[5, 5, 5, 5, 5, 5]]), np.array([[5, 6, 5, 7, 7, 8]])
    # truth: 1 + 3 pairs. Merged: all 10 pairs of the five pixels, 4 of them right.
    assert rand_error(merged, true) == pytest.approx(1 - 2 * 4 / (10 + 4))
    # split: one pair, which is right
    assert rand_error(split, true) == pytest.approx(1 - 2 * 1 / (1 + 4))
    assert rand_error(true * 10 + 3, true) == 0, "names do not matter, nor what lies on the membrane"
    assert math.isnan(rand_error(merged, 0 * true)) and math.isnan(rand_error([[1, 2]], [[1, 2]]))


@pytest.mark.parametrize("seed", range(10))
def test_rand_error_equals_scikit_image(seed):
    random = np.random.default_rng(seed)
    blocks = random.integers(0, 9, (2, 5, 6)).repeat(7, 1).repeat(5, 2)
    prediction, target = np.roll(blocks[0], 2, 1), np.where(random.random(blocks[0].shape) < 0.7, *blocks)
    expected = adapted_rand_error(target, prediction)[0]
    assert rand_error(prediction, target) == pytest.approx(expected)
    far_apart = rand_error(prediction.astype(np.int32) * 10**8, torch.from_numpy(target.astype(np.uint16)))
    assert far_apart == pytest.approx(expected)


def test_rand_error_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="one shape"):
        rand_error([[1, 2]], [[1, 2, 3]])
    with pytest.raises(TypeError, match="float32"):
        rand_error(torch.zeros(2, 2), torch.zeros(2, 2, dtype=torch.int64))
