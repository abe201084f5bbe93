"""Panoptic quality by hand, under other names, with void on either side, and against torchmetrics."""

import math

import numpy as np
import pytest
import torch
from torchmetrics.functional.detection import panoptic_quality as reference

from segedu.labels import LabelTable
from segedu.metrics import panoptic_quality
from tests.scenes import many_squares, random_pair, renamed

# two kinds of stuff, two kinds of things
LABELS = LabelTable(("sky", "road", "car", "dog"), ((0, 0, 0), (1, 0, 0), (2, 0, 0), (3, 0, 0)), ("car", "dog"))
SKY, ROAD, CAR, DOG, VOID = 0, 1, 2, 3, 255


def row(*runs) -> tuple[np.ndarray, np.ndarray]:
    """(mask, instances) of one row of pixels from (class, id, length) runs."""
    mask, ids = (np.concatenate([np.full(run[2], run[part]) for run in runs])[None] for part in (0, 1))
    return mask, ids


def counts(quality) -> dict[int, tuple]:
    parts = torch.stack([quality.iou, quality.matched, quality.false_alarms, quality.missed]).T.tolist()
    return {class_id: tuple(values) for class_id, values in enumerate(parts) if any(values)}


def test_by_hand():
    truth = row((SKY, 0, 10), (CAR, 1, 6), (CAR, 2, 6), (ROAD, 0, 8))
    found = row((SKY, 0, 10), (CAR, 9, 5), (ROAD, 0, 1), (CAR, 5, 3), (ROAD, 0, 11))
    quality = panoptic_quality([found], [truth], LABELS)
    # car 1: 5/6; car 2: 3/6 is no match, which costs a false alarm and a miss; road: 8/12
    assert counts(quality) == {SKY: (1, 1, 0, 0), ROAD: (pytest.approx(8 / 12), 1, 0, 0), CAR: (5 / 6, 1, 1, 1)}
    assert quality.sq()[:3].tolist() == pytest.approx([1, 8 / 12, 5 / 6])
    assert quality.rq()[:3].tolist() == pytest.approx([1, 1, 1 / 2])
    assert quality.pq()[CAR].item() == pytest.approx(5 / 12) and quality.pq()[DOG].isnan()
    assert quality.mean_pq() == pytest.approx((1 + 8 / 12 + 5 / 12) / 3)


def test_the_right_place_and_the_wrong_class_is_no_match():
    quality = panoptic_quality([row((DOG, 1, 4), (SKY, 0, 4))], [row((CAR, 1, 4), (SKY, 0, 4))], LABELS)
    assert counts(quality) == {SKY: (1, 1, 0, 0), CAR: (0, 0, 0, 1), DOG: (0, 0, 1, 0)}
    assert quality.pq().nan_to_num(-1).tolist() == [1, -1, 0, 0]


def test_true_void_takes_pixels_out_and_excuses_what_lies_in_it():
    truth = row((CAR, 1, 4), (VOID, 0, 6), (CAR, 0, 4), (SKY, 0, 2))
    for invented, alarms in ((4, 0), (5, 0), (6, 0)):
        found = row((CAR, 1, 8), (DOG, 3, invented), (SKY, 0, 8 - invented))
        assert counts(panoptic_quality([found], [truth], LABELS))[CAR] == (1, 1, 0, 0), "IoU 4/4, not 4/8"
        assert counts(panoptic_quality([found], [truth], LABELS)).get(DOG, (0, 0, 0, 0))[2] == alarms
    half_void = row((CAR, 1, 8), (SKY, 0, 4), (DOG, 3, 4))
    assert counts(panoptic_quality([half_void], [truth], LABELS))[DOG] == (0, 0, 1, 0), "half is not more than half"


def test_unclaimed_pixels_of_a_prediction_excuse_nothing():
    truth = row((CAR, 1, 8), (SKY, 0, 4))
    for unclaimed in ((VOID, 0), (CAR, 0), (VOID, 7)):
        quality = panoptic_quality([row((CAR, 1, 5), (*unclaimed, 7))], [truth], LABELS)
        assert counts(quality) == {CAR: (5 / 8, 1, 0, 0), SKY: (0, 0, 0, 1)}


def test_ids_of_stuff_do_not_matter_and_those_of_things_hold_in_one_picture():
    truth = [row((SKY, 0, 4), (CAR, 1, 4)), row((SKY, 3, 4), (CAR, 1, 4))]
    found = [row((SKY, 1, 2), (SKY, 2, 2), (CAR, 1, 4)), row((SKY, 0, 4), (CAR, 8, 4))]
    assert counts(panoptic_quality(found, truth, LABELS)) == {SKY: (2, 2, 0, 0), CAR: (2, 2, 0, 0)}


def test_empty_pictures_and_a_thousand_objects():
    void = row((VOID, 0, 8))
    assert math.isnan(panoptic_quality([void], [void], LABELS).mean_pq())
    assert math.isnan(panoptic_quality([], [], LABELS).mean_pq())
    assert panoptic_quality([row((CAR, 1, 8))], [row((SKY, 0, 8))], LABELS).mean_pq() == 0
    squares = many_squares()
    cars = np.full_like(squares, CAR)
    quality = panoptic_quality([(cars, renamed(squares, 0)[0])], [(cars, squares)], LABELS)
    assert counts(quality) == {CAR: (1024, 1024, 0, 0)}


def random_sides(seed: int):
    """(prediction, truth): pairs of mask and instances of two pictures, void in the truth only."""
    random = np.random.default_rng(seed)
    sides = [], []
    for number in range(2):
        truth, found = random_pair(2 * seed + number)
        stuff = random.integers(0, 2, (6, 8)).repeat(10, 0).repeat(10, 1)
        kind = 2 + random.integers(0, 2, 1000)
        for side, ids in ((sides[0], found), (sides[1], truth)):
            mask = np.where(ids > 0, kind[ids], np.where(random.random(stuff.shape) < 0.9, stuff, 0))
            side.append((mask, ids))
        sides[1][-1][0][random.random(stuff.shape) < 0.05] = VOID
        sides[1][-1][0][10:30, 20:45] = VOID
    return sides


@pytest.mark.parametrize("seed", range(8))
def test_equal_to_torchmetrics_over_random_pictures(seed):
    found, truth = random_sides(seed)
    ours = panoptic_quality(found, truth, LABELS)
    ready = (torch.from_numpy(np.stack([np.stack(pair, -1) for pair in side])).long() for side in (found, truth))
    parts = reference(
        *ready, things={CAR, DOG}, stuffs={SKY, ROAD}, allow_unknown_preds_category=True,
        return_sq_and_rq=True, return_per_class=True,
    )  # fmt: skip
    order = [2, 3, 0, 1]  # torchmetrics has the things first
    for place, scores in enumerate((ours.pq(), ours.sq(), ours.rq())):
        assert scores.nan_to_num(0).tolist() == pytest.approx(parts[order, place].tolist())
    assert 0.02 < ours.mean_pq() < 0.98 and (ours.false_alarms.sum() > 0) and (ours.missed.sum() > 0)


@pytest.mark.parametrize("seed", range(3))
def test_names_do_not_matter(seed):
    found, truth = random_sides(seed)
    other = [(torch.from_numpy(mask), renamed(ids, seed)[0]) for mask, ids in found]
    again, plain = (panoptic_quality(side, truth, LABELS) for side in (other, found))
    assert torch.equal(again.matched, plain.matched) and torch.allclose(again.pq(), plain.pq(), rtol=1e-12)
    assert torch.equal(again.missed, plain.missed) and torch.equal(again.false_alarms, plain.false_alarms)


@pytest.mark.parametrize(
    ("found", "error", "says"),
    [
        ([row((4, 0, 4))], ValueError, "holds 4; the classes are 0 … 3"),
        ([row((CAR, -1, 4))], ValueError, "holds -1"),
        ([row((CAR, 1, 3))], ValueError, "one shape"),
        ([], ValueError, "0 predictions for 1"),
        ([(np.ones((1, 4)), np.ones((1, 4), int))], TypeError, "integers"),
    ],
)
def test_what_does_not_fit_is_refused(found, error, says):
    with pytest.raises(error, match=says):
        panoptic_quality(found, [row((CAR, 1, 4))], LABELS)


def test_an_error_says_which_of_the_four_maps_it_means():
    mask, ids = row((CAR, 1, 4))
    for place, name in enumerate(("mask", "instances")):
        wrong = (mask.astype(float), ids) if place == 0 else (mask, ids.astype(float))
        with pytest.raises(TypeError, match=f"^The predicted {name} must hold ids"):
            panoptic_quality([wrong], [(mask, ids)], LABELS)
        with pytest.raises(TypeError, match=f"^The true {name} must hold ids"):
            panoptic_quality([(mask, ids)], [wrong], LABELS)
    with pytest.raises(ValueError, match="^True mask and true instances must have one shape"):
        panoptic_quality([(mask, ids)], [(mask, ids[:, :2])], LABELS)
