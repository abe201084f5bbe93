"""Scores against hand calculation, torchmetrics, pairs counted one by one, and the four mean IoUs of two masks."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from torchmetrics.classification import MulticlassJaccardIndex
from torchmetrics.functional.classification import multiclass_f1_score

from segedu.metrics import (
    ConfusionMatrix,
    border_band,
    boundary_iou,
    rand_error,
    size_stratified_iou,
    trimap_curve,
)


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
def test_rand_error_counts_pairs(seed):
    random = np.random.default_rng(seed)
    blocks = random.integers(0, 9, (2, 5, 6)).repeat(7, 1).repeat(5, 2)
    prediction, target = np.roll(blocks[0], 2, 1), np.where(random.random(blocks[0].shape) < 0.7, *blocks)
    pairs = np.triu_indices(np.count_nonzero(target), 1)
    found, true = (ids[target > 0][pairs[0]] == ids[target > 0][pairs[1]] for ids in (prediction, target))
    precision, recall = (found & true).sum() / found.sum(), (found & true).sum() / true.sum()
    expected = 1 - 2 * precision * recall / (precision + recall)
    assert rand_error(prediction, target) == pytest.approx(expected)
    far_apart = rand_error(prediction.astype(np.int32) * 10**8, torch.from_numpy(target.astype(np.uint16)))
    assert far_apart == pytest.approx(expected)


def test_rand_error_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="one shape"):
        rand_error([[1, 2]], [[1, 2, 3]])
    with pytest.raises(TypeError, match="float32"):
        rand_error(torch.zeros(2, 2), torch.zeros(2, 2, dtype=torch.int64))


def test_trimap_curve_by_hand():
    """A border between columns 3 and 4 of eight; one mistake beside it, one far away, void at the end of the row."""
    target = torch.tensor([[0, 0, 0, 0, 1, 1, 1, 255]])
    prediction = torch.tensor([[1, 0, 0, 1, 1, 1, 1, 9]])
    curve = trimap_curve(prediction, target, 2, widths=(1, 2, 4))
    assert list(curve) == [1, 2, 4]
    # width 1: columns 3, 4 and, beside void, 6; width 2: 2 … 6; width 4: 0 … 6
    assert [matrix.counts.tolist() for matrix in curve.values()] == [
        [[0, 1], [0, 2]],
        [[1, 1], [0, 3]],
        [[2, 2], [0, 3]],
    ]
    assert curve[2].pixel_accuracy() == 4 / 5 and curve[2].mean_iou() == pytest.approx((1 / 2 + 3 / 4) / 2)


@pytest.mark.parametrize("seed", range(3))
def test_trimap_curve_against_distances_and_at_its_end_the_whole(seed):
    """SciPy's chess-board distance from the truth's borders; a band as wide as the picture is all of it."""
    random = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(random.normal(size=(3, 40, 50)), (0, 4, 4))
    target = np.digitize(smooth, [-0.04, 0.04])
    target[1, :6], target[2] = 255, 1  # the third picture has no border, and is in no band
    prediction = np.where(random.random(target.shape) < 0.7, target % 255, random.integers(0, 3, target.shape))
    curve = trimap_curve(prediction, target, 3, widths=(1, 3, 50))
    for width in (1, 3):
        matrix = ConfusionMatrix(3)
        for found, true in zip(prediction, target, strict=True):
            inside = [true == value for value in np.unique(true)]  # of each value, and how far to the nearest other
            apart = sum(one * ndimage.distance_transform_cdt(one, "chessboard") for one in inside if not one.all())
            apart = apart if len(inside) > 1 else np.full(true.shape, np.inf)
            matrix.update(found, np.where(apart <= width, true, 255))
        assert torch.equal(curve[width].counts, matrix.counts)
    assert torch.equal(curve[50].counts, ConfusionMatrix(3).update(prediction[:2], target[:2]).counts)


def test_trimap_curve_sees_a_shift_at_the_border_only():
    target = torch.zeros(60, 60, dtype=torch.int64)
    target[:, 30:] = 1
    curve = trimap_curve(target.roll(1, 1).index_fill(1, torch.tensor([0]), 0), target, 2, widths=(1, 5, 10))
    assert [matrix.pixel_accuracy() for matrix in curve.values()] == pytest.approx([1 / 2, 9 / 10, 19 / 20])


def test_trimap_curve_refuses_what_does_not_fit():
    ids = torch.zeros(4, 4, dtype=torch.int64)
    with pytest.raises(ValueError, match="at least 1"):
        trimap_curve(ids, ids, 2, widths=(0, 1))
    with pytest.raises(ValueError, match="prediction holds 2"):
        trimap_curve(ids + 2, ids.index_fill(0, torch.tensor([0]), 1), 2)
    with pytest.raises(ValueError, match=r"\(16,\)"):
        trimap_curve(ids.flatten(), ids.flatten(), 2)


def street_row(cars):
    """(1, 40) of class ids and of object ids: cars {first column: pixels} of class 1 on road."""
    target, instances = torch.zeros(2, 1, 40, dtype=torch.int64)
    for number, (column, pixels) in enumerate(cars.items(), start=1):
        target[0, column : column + pixels], instances[0, column : column + pixels] = 1, number
    return target, instances


def test_size_stratified_iou_by_hand():
    """Cars of 2 and of 6 pixels in one row; the small is found with two pixels too many, of the large a half."""
    target, instances = street_row({5: 2, 20: 6})
    prediction = torch.zeros_like(target)
    prediction[0, 4:8] = 1  # the small car, a pixel before it and one behind
    prediction[0, 20:23] = 1
    prediction[0, 34:36] = 1  # a false alarm, nine pixels behind the large car
    found = size_stratified_iou(prediction, target, instances, 1, sizes=(3, 10))
    assert found.tolist()[:2] == [2 / 4, 3 / 6] and found[2].isnan()
    assert size_stratified_iou(prediction, target, instances, 1, sizes=(3,), reach=10).tolist() == [2 / 4, 3 / 8]
    assert size_stratified_iou(prediction, target, instances, 1, sizes=(3,), reach=0).tolist() == [1, 3 / 6]
    assert size_stratified_iou(prediction, target, instances, 1, sizes=(2, 6))[1:].tolist() == [2 / 4, 3 / 6]
    target[0, 7], target[0, 25] = 255, 255  # the pixel behind the small car, and one of the six
    found = size_stratified_iou(prediction, target, instances, 1, sizes=(3,))
    assert found.tolist() == [2 / 3, 3 / 5]


def test_another_object_of_the_class_is_no_false_alarm():
    target, instances = street_row({5: 2, 9: 9})
    assert size_stratified_iou(target, target, instances, 1, sizes=(3,)).tolist() == [1, 1]
    instances[instances == 2] = 0  # pixels of the class that belong to no object
    assert size_stratified_iou(target, target, instances, 1, sizes=(3,))[0] == 1


@pytest.mark.parametrize("reach", [0, 2, 8])
def test_size_stratified_iou_against_sets_of_pixels(reach):
    random = np.random.default_rng(reach)
    instances = np.zeros((3, 30, 40), np.int64)
    for n, number in np.ndindex(3, 9):
        y, x, h, w = random.integers(0, 25), random.integers(0, 32), *random.integers(2, 9, 2)
        instances[n, y : y + h, x : x + w] = number + 1
    target = np.where(instances % 3 == 1, 2, np.where(instances % 3 == 2, 1, 0))
    target[random.random(target.shape) < 0.05] = 255
    prediction = np.where(random.random(target.shape) < 0.7, target % 255, random.integers(0, 3, target.shape))
    found, joined = [0, 0, 0], [0, 0, 0]
    for p, t, ids in zip(prediction, target, instances, strict=True):
        for number in set(ids[t == 2]):
            own = set(zip(*np.nonzero((ids == number) & (t == 2)), strict=True))
            near = {
                (y + dy, x + dx) for y, x in own for dy in range(-reach, reach + 1) for dx in range(-reach, reach + 1)
            }
            near = {(y, x) for y, x in near if 0 <= y < 30 and 0 <= x < 40 and t[y, x] != 255}
            alarm = {place for place in near if p[place] == 2 and (t[place] != 2 or place in own)}
            size = (len(own) >= 15) + (len(own) >= 40)
            found[size], joined[size] = found[size] + len(alarm & own), joined[size] + len(alarm | own)
    expected = [f / j for f, j in zip(found, joined, strict=True)]
    assert size_stratified_iou(prediction, target, instances, 2, sizes=(15, 40), reach=reach).tolist() == expected


def test_size_stratified_iou_refuses_what_does_not_fit():
    ids = torch.zeros(4, 4, dtype=torch.int64)
    assert size_stratified_iou(ids, ids, ids, 1).isnan().all()
    with pytest.raises(ValueError, match="Target and instances"):
        size_stratified_iou(ids, ids, ids[:2], 1)
    with pytest.raises(TypeError, match="instances must hold ids"):
        size_stratified_iou(ids, ids, ids.float(), 1)
    with pytest.raises(ValueError, match="must grow"):
        size_stratified_iou(ids, ids, ids, 1, sizes=(400, 100))
    with pytest.raises(ValueError, match="at least 0"):
        size_stratified_iou(ids, ids, ids, 1, reach=-1)


def test_a_width_beyond_the_picture_costs_no_time():
    ids = torch.eye(4).long()
    assert boundary_iou(ids, ids, 2, width=10**6).tolist() == [1, 1]
