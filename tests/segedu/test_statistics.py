"""Intervals of a few seeds are Student's, as scipy has them; and the words are those of the numbers."""

import numpy as np
import pytest
import torch
from scipy import stats

from segedu.resources import stored_runs
from segedu.statistics import mean_interval, paired_difference

A = [46.1, 44.8, 47.0, 45.2, 46.6]
B = [44.0, 44.9, 44.1, 43.7, 45.0]


def test_the_difference_is_scipys_paired_t_test():
    ours, theirs = paired_difference(A, B), stats.ttest_rel(A, B)
    interval = theirs.confidence_interval(0.95)
    assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high), rel=1e-12)
    assert ours.mean == pytest.approx(np.mean(A) - np.mean(B)) and (ours.same_sign, ours.seeds) == (4, 5)
    assert ours.settled == (theirs.pvalue < 0.05) and ours.settled


@pytest.mark.parametrize("seed", range(40))
def test_settled_is_what_the_test_at_five_percent_says(seed):
    a, b = np.random.default_rng(seed).normal([[0.8], [0]], 1, (2, 6))
    assert paired_difference(a, b).settled == (stats.ttest_rel(a, b).pvalue < 0.05)


def test_settled_either_way_and_not():
    assert paired_difference(A, B).settled and paired_difference(B, A).settled
    assert not paired_difference([1.0, 2.0, 3.0], [2.0, 1.0, 3.5]).settled
    assert not paired_difference(A, A).settled, "two equal arms differ by nothing"
    assert paired_difference(A, A).same_sign == 0


def test_the_mean_of_one_arm_is_scipys():
    ours = mean_interval(A)
    theirs = stats.t.interval(0.95, 4, loc=np.mean(A), scale=stats.sem(A))
    assert (ours.low, ours.high) == pytest.approx(theirs, rel=1e-12) and ours.seeds == 5


def test_intervals_hold_what_they_promise():
    chance = np.random.default_rng(0)
    pairs = [chance.normal([[2.0], [0.0]], 1, (2, 8)) for _ in range(2000)]
    new = chance.normal(2, np.sqrt(2), 2000)
    found = [paired_difference(a, b) for a, b in pairs]
    assert np.mean([d.low < 2 < d.high for d in found]) == pytest.approx(0.95, abs=0.015)
    one = [d.one_training for d in found]
    assert np.mean([low < value < high for (low, high), value in zip(one, new, strict=True)]) == pytest.approx(
        0.95, abs=0.015
    ), "the difference of one more training"


def test_the_words():
    difference = paired_difference(A, B)
    assert str(difference) == "+1.6 [+0.2, +3.0], 4 of 5 seeds" == f"{difference}"
    assert f"{difference:.2f}" == "+1.60 [+0.23, +2.97], 4 of 5 seeds"
    assert str(paired_difference(B, A)) == "-1.6 [-3.0, -0.2], 4 of 5 seeds"
    assert str(mean_interval(A)) == "45.9 [44.8, 47.1], 5 seeds"


def test_clear_effects_of_the_stored_runs_are_settled():
    heads = stored_runs("08_heads", scale=100)
    arms = {name: row["mean_iou"] for name, row in heads.items()}
    assert any(paired_difference(arms[a], arms[b]).settled for a in arms for b in arms if a != b)


def test_tensors_arrays_and_lists_are_alike():
    b = torch.tensor(B, dtype=torch.float64, requires_grad=True)
    assert paired_difference(np.array(A), b) == paired_difference(A, [torch.tensor(v, dtype=torch.float64) for v in B])


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ([1.0, 2.0], [1.0, 2.0, 3.0], "has 2 seeds and the second 3"),
        ([1.0], [2.0], r"two seeds or more; got shape \(1,\)"),
        ([[1.0, 2.0]], [1.0, 2.0], r"got shape \(1, 2\)"),
        ([1.0, 2.0], [1.0, float("nan")], "The second arm has nan at seed 1"),
    ],
)
def test_what_cannot_be_compared_is_refused(a, b, said):
    with pytest.raises(ValueError, match=said):
        paired_difference(a, b)
