"""Average precision by hand, under other names, and against COCO's own code; overlaps and majority classes."""

import contextlib
import io
import math

import numpy as np
import pytest
import torch
from pycocotools import mask as coco_masks
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from segedu.masks import MaskError, border_classes, object_classes, separate
from segedu.metrics import average_precision
from segedu.metrics.objects import COCO_THRESHOLDS, overlap
from tests.scenes import many_squares, random_pair, renamed


def row(*runs) -> np.ndarray:
    """One row of pixels from (id, length) runs."""
    return np.concatenate([np.full(length, number) for number, length in runs])[None]


def test_overlap_by_hand():
    both = overlap(row((0, 2), (5, 3), (9, 2), (0, 1)), row((3, 4), (0, 1), (4, 3)))
    assert both.found.tolist() == [5, 9] and both.true.tolist() == [3, 4]
    assert both.found_area.tolist() == [3, 2] and both.true_area.tolist() == [4, 3]
    assert both.pairs.tolist() == [[0, 0], [1, 1]] and both.shared.tolist() == [2, 2]
    assert both.iou.tolist() == pytest.approx([2 / 5, 2 / 3])


@pytest.mark.parametrize("seed", range(5))
def test_overlap_counts_pixel_by_pixel(seed):
    truth, prediction = random_pair(seed)
    both = overlap(torch.from_numpy(prediction), truth.astype(np.uint16))
    assert both.found.tolist() == sorted(set(prediction.ravel().tolist()) - {0})
    table = {(p, t): ((prediction == p) & (truth == t)).sum() for p in both.found for t in both.true}
    pairs = {(both.found[p], both.true[t]): n for (p, t), n in zip(both.pairs, both.shared, strict=True)}
    assert pairs == {key: count for key, count in table.items() if count}


def test_one_object_at_each_threshold():
    """IoU 8/12: found at 0.5, 0.55, 0.6 and 0.65, so that COCO's mean is 0.4."""
    ap = average_precision([row((1, 10), (0, 4))], [row((0, 2), (4, 10), (0, 2))])
    assert ap.by_class[0].tolist() == pytest.approx([1] * 4 + [0] * 6)
    assert ap.at(0.5) == 1 and ap.at(0.7) == 0 and ap.mean() == pytest.approx(0.4)
    with pytest.raises(ValueError, match="not computed at 0.51"):
        ap.at(0.51)


def test_false_alarms_cost_by_their_score():
    """Two true objects, one found. A false alarm above it halves the precision, one below it costs nothing."""
    truth, found = row((1, 4), (2, 4), (0, 4)), row((7, 4), (0, 4), (8, 4))
    half_the_recalls = 51 / 101  # 0, 0.01 … 0.5
    for score, precision in ((0.9, 1 / 2), (0.1, 1), (0.5, 1 / 2)):
        ap = average_precision([found], [truth], scores=[{7: 0.5, 8: score}])
        assert ap.mean() == pytest.approx(precision * half_the_recalls)


def test_a_split_and_a_merged_object_at_exactly_one_half():
    assert average_precision([row((1, 4), (2, 4))], [row((1, 8))], thresholds=[0.5]).mean() == pytest.approx(0.5)
    merged = average_precision([row((1, 8))], [row((1, 4), (2, 4))], thresholds=[0.5]).mean()
    assert merged == pytest.approx(51 / 101)
    strict = average_precision([row((1, 8))], [row((1, 4), (2, 4))], thresholds=[0.51])
    assert strict.mean() == 0


def test_empty_pictures_and_empty_truths():
    nothing, one = row((0, 8)), row((3, 8))
    assert math.isnan(average_precision([nothing], [nothing]).mean())
    assert math.isnan(average_precision([one], [nothing]).mean())
    assert average_precision([nothing], [one]).mean() == 0
    assert average_precision([one, nothing], [one, nothing]).mean() == 1
    assert average_precision([one, one], [one, nothing]).mean() == pytest.approx(1 / 2), "a false alarm elsewhere"
    assert math.isnan(average_precision([], []).mean())


def test_a_thousand_objects_at_the_edge_of_each_other_and_of_the_picture():
    squares = many_squares()
    assert average_precision([squares], [renamed(squares, 0)[0]]).mean() == 1
    lost = np.where(squares % 2, squares, 0)
    assert average_precision([lost], [squares]).mean() == pytest.approx(51 / 101)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("scored", [True, False])
def test_names_do_not_matter(seed, scored):
    truth, prediction = random_pair(seed)
    random = np.random.default_rng(seed)
    scores = {i: round(random.random(), 1) for i in np.unique(prediction[prediction > 0]).tolist()}  # with ties
    plain = average_precision([prediction], [truth], scores=[scores] if scored else None)
    other, names = renamed(prediction, seed)
    again = average_precision(
        [other], [renamed(truth, seed + 1)[0]], scores=[{names[i]: s for i, s in scores.items()}] if scored else None
    )
    assert torch.equal(again.by_class[0], plain.by_class[0]) and 0 < plain.mean() < 1


def by_coco(predictions, targets, scores, classes, target_classes) -> np.ndarray:
    """(T, K) average precision as pycocotools computes it, −1 for a class without true objects."""

    def encoded(mask):
        return coco_masks.encode(np.asfortranarray(mask.astype(np.uint8)))

    kinds = sorted({k for table in (*classes, *target_classes) for k in table.values()})
    truths = [
        {
            "id": 1000 * (picture + 1) + i, "image_id": picture, "category_id": kind, "iscrowd": 0,
            "segmentation": encoded(ids == i), "area": int((ids == i).sum()), "bbox": [0, 0, 1, 1],
        }
        for picture, (ids, table) in enumerate(zip(targets, target_classes, strict=True)) for i, kind in table.items()
    ]  # fmt: skip
    found = [
        {"image_id": p, "category_id": table[i], "segmentation": encoded(ids == i), "score": score[i]}
        for p, (ids, table, score) in enumerate(zip(predictions, classes, scores, strict=True))
        for i in table
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        images = [{"id": picture, "height": 60, "width": 80} for picture in range(len(targets))]
        coco.dataset = {"info": {}, "images": images, "annotations": truths, "categories": [{"id": k} for k in kinds]}
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(found), "segm")
        evaluation.params.maxDets = [1, 10, 10000]
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, -1]  # thresholds, recalls, classes
    return precision.mean(1), kinds


@pytest.mark.parametrize("seed", range(6))
def test_equal_to_pycocotools_over_random_pictures(seed):
    random = np.random.default_rng(seed)
    targets, predictions = zip(*(random_pair(10 * seed + n) for n in range(6)), strict=True)
    classes, target_classes = (
        [{i: int(i % 3 if random.random() < 0.9 else 3) for i in np.unique(ids[ids > 0]).tolist()} for ids in maps]
        for maps in (predictions, targets)
    )
    scores = [{i: random.random() for i in table} for table in classes]
    expected, kinds = by_coco(predictions, targets, scores, classes, target_classes)
    ours = average_precision(predictions, targets, scores=scores, classes=classes, target_classes=target_classes)
    assert ours.thresholds == COCO_THRESHOLDS and sorted(ours.by_class) == kinds
    for place, kind in enumerate(kinds):
        column = np.where(expected[:, place] < 0, np.nan, expected[:, place])
        assert ours.by_class[kind].numpy() == pytest.approx(column, nan_ok=True, abs=1e-12)
    assert ours.mean() == pytest.approx(expected[expected >= 0].mean()) and 0.05 < ours.mean() < 0.95


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"thresholds": (0.4, 0.5)}, ValueError, r"0.5 … 1, got \(0.4, 0.5\)"),
        ({"thresholds": ()}, ValueError, r"0.5 … 1"),
        ({"scores": [{}]}, KeyError, "Object 4 has no score"),
        ({"classes": [{4: 0}]}, ValueError, "both sides"),
        ({"scores": []}, ValueError, "1 true maps.*'scores': 0"),
        ({"predictions": []}, ValueError, "1 true maps.*'predictions': 0"),
        ({"predictions": [row((4, 3))]}, ValueError, "one shape"),
        ({"predictions": [row((-4, 4))]}, ValueError, "holds -4"),
        ({"predictions": [row((4, 4)) / 2]}, TypeError, "integers"),
    ],
)
def test_what_does_not_fit_is_refused(changes, error, says):
    sides = {"predictions": [row((4, 4))], "targets": [row((1, 4))]}
    with pytest.raises(error, match=says):
        average_precision(**sides | changes)


def test_the_class_of_an_object_is_that_of_most_of_its_pixels():
    mask, ids = row((3, 3), (1, 2), (255, 5), (2, 2), (0, 2)), row((0, 1), (8, 8), (9, 1), (300, 4))
    # 8: 2 × class 3, 2 × class 1, 4 × void; 9: void alone; 300: 2 × class 2, 2 × class 0
    assert object_classes(mask, ids) == {8: 1, 300: 0}
    assert object_classes(torch.from_numpy(mask.astype(np.uint8)), ids.astype(np.int32)) == {8: 1, 300: 0}
    assert object_classes(mask, 0 * ids) == {}
    with pytest.raises(MaskError, match="one size"):
        object_classes(mask[:, 1:], ids)


def test_border_classes_are_the_line_that_is_cut():
    ids = np.zeros((12, 20), np.int64)
    ids[2:8, 3:9], ids[2:8, 9:15], ids[9:12, 0:4] = 1, 300, 5
    classes = border_classes(ids)
    assert np.argwhere(classes == 2)[:, 1].tolist() == [8, 9] * 6 and ((classes > 0) == (ids > 0)).all()
    assert np.array_equal(classes == 1, separate(ids) > 0)
    assert border_classes(ids, 4)[3].tolist() == [0] * 3 + [1] * 4 + [2] * 4 + [1] * 4 + [0] * 5


def test_thresholds_may_be_an_array_and_scores_no_nan():
    ids = np.eye(4, dtype=int)
    assert average_precision(ids, ids, thresholds=np.array([0.5, 0.75])).thresholds == (0.5, 0.75)
    with pytest.raises(ValueError, match="score NaN"):
        average_precision(ids, ids, scores={1: float("nan")})
    with pytest.raises(ValueError, match=r"0\.5 … 1"):
        average_precision(ids, ids, thresholds=[float("nan")])
    with pytest.raises(ValueError, match="class of an object='car'"):
        average_precision(ids, ids, classes={1: "car"}, target_classes={1: "car"})
