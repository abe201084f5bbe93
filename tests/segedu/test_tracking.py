"""Objects keep their names: small clips by hand, with and without motion; the scores by hand and against motmetrics."""

import math
import warnings

import numpy as np
import pytest
import torch

from segedu.inference import track
from segedu.inference.tracking import _dilated
from segedu.masks import MaskError
from segedu.metrics import id_metrics, temporal_consistency
from segedu.metrics.video import IdMetrics
from tests.scenes import many_squares, random_pair, renamed

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import motmetrics


def clip(*objects, length: int, size=(24, 60)) -> np.ndarray:
    """(T, H, W) of squares: each object is its path, time → (row, column[, side = 8]) or None; ids 1, 2, …"""
    maps = np.zeros((length, *size), np.int32)
    for time in range(length):
        for number, path in enumerate(objects, start=1):
            if place := path(time):
                y, x, side = (*place, 8)[:3]
                maps[time, max(y, 0) : max(y + side, 0), max(x, 0) : max(x + side, 0)] = number
    return maps


def without_names(maps, seed=0) -> list[np.ndarray]:
    """The same objects under other names in each picture."""
    return [renamed(ids, seed + time)[0] for time, ids in enumerate(maps)]


def names_of(lasting, truth) -> dict[int, set]:
    """{true id: all the names that it got}."""
    return {i: set(lasting[truth == i].tolist()) for i in np.unique(truth[truth > 0]).tolist()}


def test_names_last_whatever_the_names_were():
    truth = clip(lambda t: (2, 2 * t), lambda t: (12, 40 - 3 * t), length=10)
    lasting = track(without_names(truth))
    assert lasting.dtype == np.int32 and np.array_equal(lasting > 0, truth > 0)
    names = names_of(lasting, truth)
    assert all(len(found) == 1 for found in names.values()) and set.union(*names.values()) == {1, 2}
    assert np.array_equal(track([torch.from_numpy(ids) for ids in without_names(truth)]), lasting)


def crossing(length=16) -> np.ndarray:
    """Two that meet and pass; the second is larger and before the first, which is partly, then wholly hidden."""
    return clip(lambda t: (8, 2 + 3 * t), lambda t: (6, 48 - 3 * t, 11), length=length)


def test_two_cross_and_keep_their_names_by_motion_only():
    truth = crossing()
    with_motion, without = (names_of(track(without_names(truth), motion=on), truth) for on in (True, False))
    assert [len(found) for found in with_motion.values()] == [1, 1]
    assert sum(len(found) for found in without.values()) > 2


def fast(length=8) -> np.ndarray:
    """After a slow start it moves so far in a picture that its masks no longer meet, not even spread by a pixel."""
    start = [2, 4, 8, 14, 21]
    return clip(lambda t: (6, start[t] if t < 5 else 21 + 9 * (t - 4)), length=length)


def test_motion_follows_what_moves_farther_than_it_is_wide():
    truth = fast()
    assert names_of(track(truth), truth) == {1: {1}}
    assert len(names_of(track(truth, motion=False), truth)[1]) > 1


@pytest.mark.parametrize("motion", [True, False])
def test_thin_things_keep_their_names_while_the_camera_turns_to_and_fro(motion):
    """Poles one pixel wide overlap none of their own pixels, in any picture where they moved by a whole pixel."""
    truth = np.zeros((24, 20, 40), np.int32)
    for time in range(24):
        turned = round(6 * np.sin(time / 4))  # at most two pixels a picture, often none
        for number, column in enumerate((10, 17, 25, 30), start=1):
            truth[time, 4:16, column + turned] = number
    assert set(np.abs(np.diff(truth.argmax(2)[:, 8])).tolist()) == {0, 1, 2}
    assert [len(found) for found in names_of(track(without_names(truth), motion=motion), truth).values()] == [1] * 4


@pytest.mark.parametrize("motion", [True, False])
@pytest.mark.parametrize(("missing", "lasts"), [(1, True), (3, True), (4, False)])
def test_vanish_and_come_back(missing, lasts, motion):
    truth = clip(lambda t: None if 4 <= t < 4 + missing else (8, 20), lambda t: (0, 50), length=12)
    names = names_of(track(without_names(truth), patience=3, motion=motion), truth)
    assert (len(names[1]) == (1 if lasts else 2) and names[2] == {1}) or names[2] == {2}


def test_motion_goes_on_behind_what_hides():
    truth = clip(lambda t: None if 4 <= t < 8 else (8, 4 * t), length=13)
    assert names_of(track(truth), truth) == {1: {1}}
    assert names_of(track(truth, motion=False), truth) == {1: {1, 2}}


def test_births_and_deaths():
    truth = clip(lambda t: (0, 0) if t < 3 else None, lambda t: (0, 20) if t >= 2 else None, length=12)
    again = np.where((np.arange(12) >= 10)[:, None, None] & (np.indices(truth.shape)[2] < 8), 3, truth)
    names = names_of(track(without_names(again), patience=5), again)
    assert [len(found) for found in names.values()] == [1, 1, 1], "who is gone for seven pictures comes back as another"
    assert len(set.union(*names.values())) == 3


def test_what_merges_goes_on_under_the_larger_ones_name_and_splits_again():
    maps = np.zeros((9, 20, 40), np.int32)
    maps[:, 4:16, 4:20], maps[:, 4:16, 24:32] = 1, 2
    maps[3:6, 4:16, 20:24], maps[3:6][maps[3:6] > 0] = 1, 1  # a bridge: one region
    lasting = track(maps)
    assert {int(i) for i in np.unique(lasting)} == {0, 1, 2}
    assert (lasting[:, 8, 8] == lasting[0, 8, 8]).all(), "the larger part has the larger overlap"
    assert lasting[7, 8, 28] == lasting[0, 8, 28] != lasting[0, 8, 8]


@pytest.mark.parametrize("speed", [1, 2, 3, 5, -3])
def test_entering_and_leaving_over_the_edge(speed):
    truth = clip(lambda t: (8, (-7 if speed > 0 else 59) + speed * t), length=30)
    assert names_of(track(truth), truth) == {1: {1}}


def test_the_assignment_is_the_best_of_all_not_the_first_come():
    """1 overlaps both; taking its better one would leave 2 with nothing, and the sum would be smaller."""
    first, second = np.zeros((2, 1, 30), np.int32)
    first[0, 0:10], first[0, 10:14] = 1, 2
    second[0, 0:5], second[0, 5:14] = 7, 8
    table = {(1, 7): 5 / 10, (1, 8): 5 / 14, (2, 8): 4 / 9}
    assert table[1, 7] + table[2, 8] > table[1, 8]
    lasting = track([first, second])
    assert lasting[1, 0, 0] == 1 and lasting[1, 0, 13] == 2


@pytest.mark.parametrize("seed", range(5))
def test_dilated_masks_have_their_pixels_and_their_eight_neighbours(seed):
    """Masks of scattered pixels, some of them partly or wholly outside of the picture, one pixel after the other."""
    random, size = np.random.default_rng(seed), (7, 11)
    masks = [np.unique(random.integers(0, size, (n, 2)), axis=0) + random.integers(-9, 9, 2) for n in (1, 3, 20)]
    for row, pixels in zip(_dilated(masks, size).toarray(), masks, strict=True):
        expected = np.zeros(size, int)
        for y, x in (pixels[:, None] + np.argwhere(np.ones((3, 3))) - 1).reshape(-1, 2):
            if 0 <= y < 7 and 0 <= x < 11:
                expected[y, x] = 1
        assert np.array_equal(row.reshape(size), expected)


@pytest.mark.parametrize(("step", "one"), [(26, True), (27, False)])
def test_overlaps_under_a_tenth_do_not_count(step, one):
    """A bar, 32 long once it is spread: moved by 26 pixels it shares 6 of 58 columns with itself, by 27 5 of 59."""
    maps = np.zeros((2, 5, 60), np.int32)
    maps[0, 2, 1:31] = maps[1, 2, 1 + step : 31 + step] = 1
    lasting = track(maps, motion=False)
    assert (lasting[0].max() == lasting[1].max()) == one


def test_empty_clips_one_picture_and_a_thousand_objects():
    assert track([]).shape == (0, 0, 0)
    assert not track(np.zeros((3, 5, 6), np.uint8)).any()
    squares = many_squares()
    lasting = track(without_names(np.stack([squares] * 3)))
    assert lasting[0].max() == 1024 and (lasting == lasting[0]).all()


@pytest.mark.parametrize(
    ("maps", "options", "error", "says"),
    [
        ([np.zeros((3, 4), int)], {"patience": -1}, ValueError, "patience=-1"),
        ([np.zeros((3, 4), int), np.zeros((4, 3), int)], {}, MaskError, "Map 1 is .4, 3., the first one .3, 4."),
        ([np.full((3, 4), -2)], {}, MaskError, "Map 0 holds -2"),
        ([np.full((3, 4), 0.5)], {}, MaskError, "Map 0 holds float64"),
    ],
)
def test_what_is_no_clip_is_refused(maps, options, error, says):
    with pytest.raises(error, match=says):
        track(maps, **options)


def test_id_metrics_by_hand():
    """One object through six pictures: found under name 5, 5, not at all, 9, 9, 9; a false alarm in the last."""
    truth = clip(lambda t: (8, 8), length=6)
    found = np.where(truth > 0, np.array([5, 5, 0, 9, 9, 9])[:, None, None], 0)
    found[5, :4, 50:] = 5
    score = id_metrics(found, truth)
    assert score == IdMetrics(true=6, found=6, matched=5, same_name=3, switches=1)
    assert score.idf1() == pytest.approx(2 * 3 / 12) and score.mota() == pytest.approx(1 - (1 + 1 + 1) / 6)
    perfect = id_metrics(renamed(truth, 3)[0], truth)
    assert perfect.idf1() == perfect.mota() == 1
    both = score + perfect
    assert both == IdMetrics(12, 12, 11, 9, 1) and sum([score, perfect], IdMetrics()) == both


def test_a_high_mota_does_not_keep_names():
    truth = clip(lambda t: (8, 8), length=10)
    found = np.where(truth > 0, 1 + (np.arange(10) >= 5)[:, None, None], 0)
    score = id_metrics(found, truth)
    assert score.mota() == pytest.approx(0.9) and score.idf1() == pytest.approx(0.5)


def test_half_an_overlap_is_no_match_and_empty_clips_have_no_score():
    half, whole = np.zeros((1, 1, 8), int), np.ones((1, 1, 8), int)
    half[..., :4] = 1
    assert id_metrics(half, whole) == IdMetrics(1, 1, 0, 0, 0)
    assert math.isnan(id_metrics([], []).idf1()) and math.isnan(id_metrics(0 * half, 0 * half).mota())
    assert id_metrics(half, 0 * half).idf1() == 0
    with pytest.raises(ValueError, match="1|one"):
        id_metrics([half[0]], [])


def random_clip(seed: int, length: int = 12) -> tuple[list, list]:
    """(found, true): random objects, each side with names that last, but for some exchanged ones in what is found."""
    random = np.random.default_rng(seed)
    truth = random_pair(seed, count=10)[0]
    found, true = [], []
    name = np.arange(1000)
    for _ in range(length):
        if random.random() < 0.3:
            one, other = 7 * random.integers(1, 11, 2)
            name[[one, other]] = name[[other, one]]
        shift = random.integers(-1, 2)
        true.append(np.where(np.isin(truth, 7 * random.integers(1, 11, 2)), 0, truth))
        found.append(np.roll(np.where(np.isin(truth, 7 * random.integers(1, 11)), 0, name[truth]), shift, 1))
    return found, true


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(8))
def test_id_metrics_equal_motmetrics_over_random_clips(seed):
    found, true = random_clip(seed)
    events = motmetrics.MOTAccumulator(auto_id=True)
    for ours, theirs in zip(found, true, strict=True):
        things, names = (np.unique(ids[ids > 0]) for ids in (theirs, ours))
        iou = np.array(
            [[((theirs == i) & (ours == k)).sum() / ((theirs == i) | (ours == k)).sum() for k in names] for i in things]
        )
        events.update(things, names, np.where(iou > 0.5, 1 - iou, np.nan))
    wanted = ["idf1", "idtp", "num_switches", "mota", "num_matches", "num_objects", "num_predictions"]
    expected = motmetrics.metrics.create().compute(events, metrics=wanted, return_dataframe=False)
    ours = id_metrics(found, true)
    assert ours.idf1() == pytest.approx(expected["idf1"]) and ours.mota() == pytest.approx(expected["mota"])
    assert (ours.same_name, ours.switches) == (expected["idtp"], expected["num_switches"])
    assert (ours.true, ours.found) == (expected["num_objects"], expected["num_predictions"])
    assert ours.switches > 0 and 0 < ours.idf1() < 1
    again = id_metrics([renamed(np.stack(found), seed)[0][t] for t in range(len(found))], [ids * 3 for ids in true])
    assert again == ours, "names do not matter"


def test_temporal_consistency_by_hand():
    truth = np.array([[[0, 0, 1, 1, 255, 2]], [[0, 1, 1, 1, 2, 2]], [[0, 1, 1, 0, 2, 255]]])
    found = np.array([[[0, 0, 1, 1, 0, 0]], [[1, 0, 1, 1, 1, 0]], [[1, 2, 2, 1, 1, 1]]])
    # from 0 to 1: pixels 0, 2, 3, 5 stay in the truth, 0 changes; from 1 to 2: 0, 1, 2, 4 stay, 1 and 2 change
    assert temporal_consistency(found, truth) == pytest.approx(5 / 8)
    assert temporal_consistency(torch.from_numpy(truth), truth) == 1 and temporal_consistency(0 * found, truth) == 1
    assert math.isnan(temporal_consistency(found[:1], truth[:1]))
    with pytest.raises(ValueError, match="one size"):
        temporal_consistency([truth[0], truth[0, :, :3]], [truth[0], truth[0, :, :3]])
