"""From classes to objects: by two routes, by hand; tiles, scores, classes; the targets of centres."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import nn

import segedu
from segedu.centres import centre_targets, find_centres, group_pixels
from segedu.inference.instances import instance_segmentation, objects_by_watershed, split_by_distance
from segedu.labels import LabelTable
from segedu.masks import border_classes, separate
from tests.scenes import many_squares, random_pair

LABELS = LabelTable(("road", "car", "dog"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)), ("car", "dog"))
BORDERED = LabelTable(("road", "car", "border"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)), ("car",))


class Painted(nn.Module):
    """Class c where the picture's channel c is brightest, with certainty by its brightness."""

    def forward(self, image):
        return 5 * image


class PaintedCentres(nn.Module):
    """Red is the class, green the heat map, blue the offsets: 16 · (rows + 8) + columns + 8."""

    def forward(self, image):
        red, green, blue = (image * 255).round().split(1, dim=1)
        logits = 3 * torch.cat([red == 0, red == 1, red == 2], 1).float()
        offsets = torch.cat([blue // 16 - 8, blue % 16 - 8], 1)
        return SimpleNamespace(logits=logits, centres=green / 255, offsets=offsets)


def painted(classes: np.ndarray, strength: float | np.ndarray = 1.0) -> np.ndarray:
    """(H, W, 3) picture that `Painted` reads as these classes."""
    return np.eye(3)[classes] * np.asarray(strength)[..., None]


def discs(shape, *places) -> np.ndarray:
    """(H, W) boolean: discs of (row, column, radius)."""
    y, x = np.indices(shape)
    return np.any([(y - row) ** 2 + (x - column) ** 2 <= radius**2 for row, column, radius in places], axis=0)


def same_objects(first, second) -> bool:
    """Whether two maps show the same objects under whatever names."""
    pairs = np.unique(np.stack([np.ravel(first), np.ravel(second)]), axis=1)
    return all(len(np.unique(side)) == pairs.shape[1] for side in pairs) and np.array_equal(
        np.asarray(first) > 0, np.asarray(second) > 0
    )


@pytest.mark.parametrize("radius", [5, 12, 40])
@pytest.mark.parametrize("apart", [1.5, 1.7])
def test_two_touching_discs_of_any_size_are_cut_between_them(radius, apart):
    far = round(apart * radius)
    both = discs(
        (3 * radius, 3 * radius + far), (1.5 * radius, 1.4 * radius, radius), (1.5 * radius, 1.4 * radius + far, radius)
    )
    ids = split_by_distance(both)
    assert ids.max() == 2 and np.array_equal(ids > 0, both)
    middle = 1.4 * radius + far / 2
    columns = np.indices(both.shape)[1]
    assert (
        (columns < middle - 1) & both == (ids == ids[round(1.5 * radius), round(1.4 * radius)]) & (columns < middle - 1)
    ).all()


def test_a_smaller_neck_splits_where_a_larger_does_not():
    waist = discs((40, 70), (20, 20, 14), (20, 40, 14)).astype(int)  # the waist is 30 % thinner than the discs
    for min_dip, count in ((0.02, 2), (0.6, 1)):
        assert segedu.instance_segmentation(Painted(), painted(waist), labels=LABELS, min_dip=min_dip).max() == count


def test_one_object_stays_one():
    bar, disc = np.zeros((30, 90), bool), discs((40, 40), (20, 20, 15))
    bar[10:18, 3:80] = True
    for shape in (bar, disc, disc[:, 20:], np.ones((9, 9), bool), np.zeros((9, 9), bool)):
        assert split_by_distance(shape).max() == shape.any()
    single = np.zeros((5, 5), bool)
    single[2, 2] = True
    assert split_by_distance(single).sum() == 1


def test_classes_that_touch_are_two_objects_and_keep_their_class():
    classes = np.zeros((40, 60), int)
    classes[10:20, 5:20], classes[10:20, 20:35], classes[30:, 50:] = 1, 2, 1
    found = segedu.instance_segmentation(Painted(), painted(classes), labels=LABELS, return_scores=True)
    assert found.ids.dtype == np.int32 and found.ids.max() == 3
    assert same_objects(found.ids, np.where(classes > 0, classes + 10 * (np.indices(classes.shape)[0] > 25), 0))
    assert {i: found.classes[i] for i in (found.ids[12, 8], found.ids[12, 22], found.ids[35, 55])} == found.classes
    assert found.classes[found.ids[12, 22]] == 2 and np.array_equal(found.mask, classes)
    assert np.array_equal(segedu.instance_segmentation(Painted(), painted(classes), labels=LABELS), found.ids)


def test_the_score_is_the_mean_probability_of_the_class():
    classes, strength = np.zeros((40, 40), int), np.ones((40, 40))
    classes[5:15, 5:15], classes[25:35, 25:35] = 1, 1
    strength[25:30, 25:35], strength[30:35, 25:35] = 0.2, 0.4
    found = segedu.instance_segmentation(Painted(), painted(classes, strength), labels=LABELS, return_scores=True)
    sure, half, third = (np.exp(5 * s) / (np.exp(5 * s) + 2) for s in (1, 0.2, 0.4))
    assert found.scores[found.ids[6, 6]] == pytest.approx(sure, rel=1e-4)
    assert found.scores[found.ids[26, 26]] == pytest.approx((half + third) / 2, rel=1e-4)


def test_a_network_with_two_classes_needs_no_table():
    class Two(nn.Module):
        def forward(self, image):
            return torch.cat([1 - image[:, :1], image[:, :1]], 1)

    picture = np.zeros((40, 40))
    picture[3:9, 3:9] = 1
    assert segedu.instance_segmentation(Two(), picture).max() == 1
    model = Painted()
    model.labels = LABELS
    assert segedu.instance_segmentation(model, painted(np.ones((40, 40), int))).all(), "one object fills the picture"


@pytest.mark.parametrize("seed", range(4))
def test_borders_of_a_class_of_their_own_are_shared_out_again(seed):
    """A pavement of touching stones, one in four of them missing."""
    y, x = np.indices((84, 124))
    truth = 1 + y // 14 + 10 * ((x + 6 * (y // 14 % 3)) // 17)
    truth[np.isin(truth, np.random.default_rng(seed).permutation(200)[:50])] = 0
    found = segedu.instance_segmentation(Painted(), painted(border_classes(truth)), labels=BORDERED)
    assert found.max() > 30 and same_objects(found, truth)


def test_what_is_shared_out_goes_to_the_nearest_object():
    """Straight and slanting ways are compared by their length: three pixels down and three across are 4.2, not 3."""
    classes = np.full((40, 40), 2)
    for row, column in ((2, 2), (2, 34), (30, 18), (36, 36)):
        classes[row : row + 3, column : column + 2] = 1
    ids = objects_by_watershed(classes, [1], border=2)
    objects = [np.where(classes == 1, ids, 0) == one for one in range(1, 5)]
    distances = np.stack([ndimage.distance_transform_edt(~one) for one in objects])
    own = np.take_along_axis(distances, ids[None] - 1, axis=0)[0]
    assert (own - distances.min(0)).max() < 1, "a pixel between two may go to either"


def test_gaps_are_given_back():
    truth = np.zeros((40, 40), int)
    truth[:20, 10:30], truth[20:, 10:30] = 1, 2  # both at the picture's edge
    cut = (separate(truth) > 0).astype(int)
    assert (segedu.instance_segmentation(Painted(), painted(cut), labels=LABELS) > 0).sum() == (cut > 0).sum()
    assert same_objects(segedu.instance_segmentation(Painted(), painted(cut), labels=LABELS, border_width=2), truth)


def test_small_parts_go_to_what_they_touch_or_vanish():
    classes = np.zeros((40, 40), int)
    classes[5:25, 5:25] = 1
    classes[10:15, 10:15], classes[12:14, 11:14] = 2, 1  # a speck of 6 inside a ring of border
    classes[35, 30:35] = 1  # a speck of 5 by itself
    options = {"labels": BORDERED, "return_scores": True}
    assert len(segedu.instance_segmentation(Painted(), painted(classes), min_size=5, **options).scores) == 3
    found = segedu.instance_segmentation(Painted(), painted(classes), min_size=7, **options)
    whole = np.zeros((40, 40), int)
    whole[5:25, 5:25] = 1
    assert np.array_equal(found.ids, whole) and list(found.scores) == [1] and found.classes == {1: 1}
    assert (found.mask[35, 30:35] == 1).all()
    touching = np.zeros((40, 40), int)
    touching[5:20, 5:20], touching[8:10, 20:22] = 1, 2  # two classes side by side
    assert segedu.instance_segmentation(Painted(), painted(touching), labels=LABELS, min_size=5).max() == 1


def test_nothing_one_and_a_thousand_objects():
    nothing = segedu.instance_segmentation(
        Painted(), painted(np.zeros((35, 50), int)), labels=LABELS, return_scores=True
    )
    assert nothing.ids.shape == (35, 50) and not nothing.ids.any() and nothing.scores == nothing.classes == {}
    squares = many_squares().repeat(3, 0).repeat(3, 1)
    assert same_objects(objects_by_watershed(border_classes(squares), [1], border=2), squares)
    tiny = segedu.instance_segmentation(Painted(), painted(np.ones((1, 1), int)), labels=LABELS)
    assert tiny.tolist() == [[1]]


def test_an_object_that_lies_across_tiles_stays_one():
    classes = np.zeros((150, 200), int)
    classes[40:100, 30:170], classes[100:140, 60:70], classes[5:20, 5:20] = 1, 2, 1
    whole = segedu.instance_segmentation(Painted(), painted(classes), labels=LABELS, return_scores=True)
    tiled = segedu.instance_segmentation(Painted(), painted(classes), labels=LABELS, tile=64, return_scores=True)
    assert whole.ids.max() == 3 and np.array_equal(whole.ids, tiled.ids) and whole.scores == tiled.scores


def painted_centres(classes, instances):
    heat, offsets = (part[0].numpy() for part in centre_targets(torch.from_numpy(instances)[None], sigma=1.0))
    blue = 16 * (offsets[0].round() + 8) + offsets[1].round() + 8
    return np.stack([classes, (heat[0] * 255).round(), blue], -1).astype(np.uint8)


def cars_and_a_dog():
    """(classes, instances): two cars that touch, a dog with a car's ear, all within 7 pixels of their centres."""
    classes, instances = np.zeros((70, 130), int), np.zeros((70, 130), int)
    for name, (top, left), class_id in ((4, (0, 0), 1), (9, (0, 11), 1), (2, (56, 60), 2), (7, (30, 110), 1)):
        classes[top : top + 13, left : left + 11], instances[top : top + 13, left : left + 11] = class_id, name
    classes[57:60, 61:66] = 1
    return classes, instances


@pytest.mark.parametrize("tile", [None, 64])
def test_centres_group_what_touches_and_the_majority_gives_the_class(tile):
    classes, instances = cars_and_a_dog()
    picture = painted_centres(classes, instances)
    found = segedu.instance_segmentation(
        PaintedCentres(), picture, method="centres", labels=LABELS, tile=tile, return_scores=True
    )
    assert same_objects(found.ids, instances)
    dog = found.ids[60, 65]
    assert found.classes[dog] == 2 and sorted(found.classes.values()) == [1, 1, 1, 2]
    assert (found.mask[instances == 2] == 2).all() and np.array_equal(
        found.mask[instances != 2], classes[instances != 2]
    )
    sure = np.exp(3) / (np.exp(3) + 2)
    assert found.scores[found.ids[5, 5]] == pytest.approx(sure, rel=1e-4)
    assert found.scores[dog] == pytest.approx(sure * (1 - 15 / 143), rel=1e-4)


def test_a_low_peak_lowers_the_score_and_no_peak_leaves_things_without_id():
    classes, instances = cars_and_a_dog()
    picture = painted_centres(classes, instances)
    picture[30:43, 110:121, 1] //= 2
    options = {"method": "centres", "labels": LABELS, "return_scores": True}
    found = segedu.instance_segmentation(PaintedCentres(), picture, **options)
    assert found.scores[found.ids[35, 115]] == pytest.approx(found.scores[found.ids[5, 5]] * 127 / 255, rel=1e-4)
    picture[..., 1] = 0
    nothing = segedu.instance_segmentation(PaintedCentres(), picture, **options)
    assert not nothing.ids.any() and nothing.scores == {} and np.array_equal(nothing.mask, classes)


def test_centre_targets_by_hand():
    ids = torch.zeros(2, 6, 8, dtype=torch.int64)
    ids[0, 1:4, 2:5], ids[0, 5, 6:] = 7, 3
    heat, offsets = centre_targets(ids, sigma=1.5)
    assert heat.shape == (2, 1, 6, 8) and offsets.shape == (2, 2, 6, 8) and heat.dtype == offsets.dtype == torch.float32
    assert offsets[0, :, 1, 2].tolist() == [1, 1] and offsets[0, :, 5, 6].tolist() == [0, 0.5]
    assert not heat[1].any() and not offsets[1].any() and not offsets[:, :, ids[0] == 0][0].any()
    for y, x in ((2, 3), (3, 3), (0, 7), (4, 6)):
        squared = [(y - 2) ** 2 + (x - 3) ** 2, (y - 5) ** 2 + (x - 6.5) ** 2]
        assert heat[0, 0, y, x].item() == pytest.approx(np.exp(-min(squared) / (2 * 1.5**2)), rel=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_targets_give_their_objects_back_exactly(seed):
    truth = random_pair(seed, size=(80, 100), count=25)[0]
    heat, offsets = (part[0].numpy() for part in centre_targets(torch.from_numpy(truth)[None], sigma=0.5))
    centres = find_centres(heat[0], window=3)
    assert same_objects(group_pixels(centres, offsets, truth > 0), truth)
    shifted = centre_targets(torch.from_numpy(truth * 17 % 1009)[None], sigma=0.5)  # other names, the same targets
    assert np.array_equal(shifted[0][0], heat) and np.array_equal(shifted[1][0], offsets)


def test_a_thousand_centres():
    squares = many_squares().repeat(3, 0).repeat(3, 1)
    heat, offsets = (part[0].numpy() for part in centre_targets(torch.from_numpy(squares)[None], sigma=1.0))
    centres = find_centres(heat[0], window=5)
    assert len(centres) == 1024 and same_objects(group_pixels(centres, offsets, squares > 0), squares)


def test_peaks_highest_first_and_equal_neighbours_are_one():
    heat = np.zeros((20, 20))
    heat[3:5, 3:5] = 0.5  # a centre between four pixels
    heat[10, 10], heat[10, 12], heat[19, 0], heat[0, 19] = 0.9, 0.8, 0.1, 0.099
    assert find_centres(heat).tolist() == [[10, 10], [3, 3], [19, 0]]
    assert find_centres(heat, window=3).tolist() == [[10, 10], [10, 12], [3, 3], [19, 0]]
    assert find_centres(0 * heat).shape == (0, 2)


HEAT, ARROWS, THINGS = np.zeros((8, 9)), np.zeros((2, 8, 9)), np.ones((8, 9), bool)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: find_centres(HEAT[None]), ValueError, r"\(H, W\), got the shape \(1, 8, 9\). Of a batch take one"),
        (
            lambda: find_centres(np.where(HEAT == 0, np.nan, 0)),
            ValueError,
            "map should be finite; 72 .* nan first",
        ),
        (lambda: find_centres("heat"), TypeError, "of numbers, got str"),
        (lambda: find_centres(HEAT, threshold=float("nan")), ValueError, "threshold=nan should be a number"),
        (lambda: find_centres(HEAT, window=4), ValueError, "window=4 should be an odd number"),
        (lambda: group_pixels(HEAT, ARROWS, THINGS), ValueError, r"\(K, 2\) .* got \(8, 9\)"),
        (
            lambda: group_pixels([[1, 2]], ARROWS[:, :5], THINGS),
            ValueError,
            r"as large as the foreground; got .*\(2, 5, 9\)",
        ),
        (lambda: group_pixels([[1, 2]], ARROWS[None], THINGS), ValueError, "Of a batch take one picture"),
        (
            lambda: group_pixels([[1, np.inf]], ARROWS, THINGS),
            ValueError,
            "centres should be finite; 1 of .* inf first",
        ),
        (lambda: group_pixels([[1, 2]], ARROWS + np.nan, THINGS), ValueError, "offsets should be finite"),
        (lambda: group_pixels([[1, 2]], ARROWS, THINGS * 0.5), ValueError, "foreground holds float64"),
    ],
)
def test_centres_and_arrows_of_another_form_are_named(call, error, says):
    with pytest.raises(error, match=says):
        call()


@pytest.mark.parametrize("form", [np.float16, np.float64, torch.from_numpy, lambda x: torch.from_numpy(x).bfloat16()])
def test_centres_and_arrows_come_in_every_form(form):
    heat = np.zeros((8, 9), np.float32)
    heat[2, 2], heat[5, 7] = 1, 0.5
    assert find_centres(form(heat), window=3).tolist() == [[2, 2], [5, 7]]
    ids = group_pixels(form(np.float32([[2, 2], [5, 7]])), form(ARROWS.astype(np.float32)), torch.from_numpy(THINGS))
    assert ids.dtype == np.int32 and ids[0, 0] == 1 and ids[7, 8] == 2
    assert not group_pixels(np.zeros((0, 2)), ARROWS, THINGS).any()


@pytest.mark.parametrize(
    ("model", "options", "says"),
    [
        (Painted(), {"method": "guess"}, "'guess' is unknown"),
        (Painted(), {"method": "centres", "labels": LABELS}, "PanopticDeepLab"),
        (Painted(), {}, "3 classes and no label table"),
        (Painted(), {"labels": segedu.labels.CELLS}, r"a table of 2 classes with things \('cell',\)"),
        (Painted(), {"labels": LabelTable(LABELS.names, LABELS.colours)}, r"things \(\)"),
    ],
)
def test_what_does_not_fit_is_refused(model, options, says):
    with pytest.raises(ValueError, match=says):
        segedu.instance_segmentation(model, painted(np.zeros((40, 40), int)), **options)


@pytest.mark.parametrize("min_dip", [0, 0.15, 0.4, 0.8, 0.9, 0.99, 1])
def test_no_object_is_lost_at_any_neck(min_dip):
    classes = np.zeros((40, 40), np.uint8)
    classes[5, 5] = classes[10:12, 10:12] = classes[20:23, 20:23] = classes[30:38, 28:38] = 1  # far apart
    ids = objects_by_watershed(classes, [1], min_dip=min_dip)
    assert len(np.unique(ids)) == 5 and ((ids > 0) == (classes > 0)).all()


def test_a_neck_of_one_joins_all_that_is_connected():
    rows, columns = np.mgrid[:40, :60]
    two = (np.hypot(rows - 20, columns - 17) < 12) | (np.hypot(rows - 20, columns - 38) < 12)
    assert split_by_distance(two, min_dip=0.15).max() == 2 and split_by_distance(two, min_dip=1).max() == 1


@pytest.mark.parametrize("min_dip", [-0.1, 1.5, 15, float("nan"), float("inf"), "0.1", None])
def test_a_neck_outside_of_its_range_is_refused_at_once(min_dip):
    square = np.pad(np.ones((6, 6), np.uint8), 3)
    for call in (
        lambda: objects_by_watershed(square, [1], min_dip=min_dip),
        lambda: split_by_distance(square, min_dip=min_dip),
        lambda: instance_segmentation(torch.nn.Identity(), np.zeros((8, 8)), min_dip=min_dip),
    ):
        with pytest.raises(ValueError, match="should lie in 0 … 1; it is a share"):
            call()


@pytest.mark.parametrize("given", [np.asfortranarray, np.ndarray.tolist, torch.from_numpy])
def test_maps_of_classes_come_in_every_form(given):
    square = np.pad(np.ones((6, 6), np.uint8), 3)
    assert np.array_equal(objects_by_watershed(given(square), [1]), square)
    with pytest.raises(ValueError, match="border_width=-2"):
        objects_by_watershed(square, [1], border_width=-2)


def test_labels_of_other_libraries_are_no_table_and_names_no_ids():
    square = np.pad(np.ones((6, 6), np.uint8), 3)
    model = Painted()
    model.labels = ["road", "car", "dog"]
    with pytest.raises(ValueError, match="no label table"):
        instance_segmentation(model, painted(square))
    for labels in (["road", "car", "dog"], 3, {0: "road"}):
        with pytest.raises(TypeError, match="LabelTable"):
            instance_segmentation(model, painted(square), labels=labels)
    with pytest.raises(ValueError, match="things='car'"):
        objects_by_watershed(square, ["car"])
    with pytest.raises(ValueError, match="min_size=2.5"):
        objects_by_watershed(square, [1], min_size=2.5)


def test_centres_of_what_is_no_batch_of_ids():
    for wrong, says in (
        (torch.ones(4, 4, dtype=int), r"instances\[None\]"),
        (-torch.ones(1, 4, 4, dtype=int), "holds -1"),
    ):
        with pytest.raises(ValueError, match=says):
            centre_targets(wrong)
    with pytest.raises(ValueError, match="window=4 should be an odd"):
        find_centres(np.zeros((8, 8)), window=4)


def test_things_are_ids_in_any_collection():
    classes = np.eye(6, dtype=int)
    for things in ({1}, (one for one in [1]), torch.tensor([1]), np.array([1])):
        assert objects_by_watershed(classes, things, min_dip=1).max() == 1
    for wrong, error in ((["car"], ValueError), ("car", TypeError), (1, TypeError)):
        with pytest.raises(error, match="things="):
            objects_by_watershed(classes, wrong)
    with pytest.raises(ValueError, match="border="):
        objects_by_watershed(classes, [1], border="border")
    with pytest.raises(ValueError, match="min_size="):
        objects_by_watershed(classes, [1], min_size=float("nan"))
