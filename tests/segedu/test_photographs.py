"""Photographs: the outlines are sound, lie on the edges that the pictures show, and agree with independent routes."""

import json

import numpy as np
import pytest
import skimage.data
import torch
from scipy import ndimage
from skimage.filters import threshold_otsu

from segedu import resources
from segedu.datasets import Photographs, photographs
from segedu.labels import PHOTOGRAPHS

NAMES = Photographs.names
# Those whose own border is the steepest change for six pixels around: not fur, not the clock that moved, and not the
# saucer or the tripod, whose bright glaze and metal change more steeply just inside their border.
SHARP = [
    ("coffee", "cup"), ("coffee", "spoon"), ("astronaut", "person"), ("astronaut", "helmet"), ("rocket", "rocket"),
    ("camera", "person"), ("camera", "camera"), ("coins", "coin"), ("cell", "cell"),
]  # fmt: skip


def outlines_of(name):
    return json.loads(resources.data_path("photographs", f"{name}.json").read_text(encoding="utf-8"))


def rings_of(outlines):
    parts = [ring for part in outlines["objects"] for ring in [part["polygon"], *part.get("holes", [])]]
    return [np.array(ring) for ring in parts + outlines.get("void", [])]


def area(ring):
    x, y = ring.T
    return abs(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2


def crosses_itself(ring):
    """Whether two edges of the closed polygon that are not neighbours properly cross."""
    start, end = ring, np.roll(ring, -1, axis=0)

    def side(a, b, c):  # on which side of the line a → b lies c
        return np.sign((b - a)[..., 0] * (c - a)[..., 1] - (b - a)[..., 1] * (c - a)[..., 0])

    a, b, c, d = start[:, None], end[:, None], start[None], end[None]
    return bool(((side(a, b, c) * side(a, b, d) < 0) & (side(c, d, a) * side(c, d, b) < 0)).any())


@pytest.fixture(scope="module")
def samples():
    """All eight: name → image (H, W, 3) in 0…1, mask, instances."""
    dataset = Photographs(instances=True)
    return {name: tuple(part.numpy() for part in dataset[name]) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_the_outlines_are_simple_polygons_inside_their_picture(name):
    outlines = outlines_of(name)
    height, width = outlines["size"]
    for ring in rings_of(outlines):
        assert len(ring) >= 3 and area(ring) > 4
        assert (ring >= 0).all() and (ring <= [width, height]).all()
        assert not (ring == np.roll(ring, 1, axis=0)).all(axis=1).any(), "a vertex stands twice in a row"
        assert not crosses_itself(ring)
    assert outlines["image"] == name
    assert {part["class"] for part in outlines["objects"]} <= set(PHOTOGRAPHS.things)
    assert all(part["border"] > 0 for part in outlines["objects"])


def test_a_polygon_that_crosses_itself_is_seen():
    assert crosses_itself(np.array([[0, 0], [2, 2], [2, 0], [0, 2]]))
    assert not crosses_itself(np.array([[0, 0], [2, 0], [2, 2], [0, 2]]))


@pytest.mark.parametrize("name", NAMES)
def test_an_id_is_one_object_of_one_class(name, samples):
    parts = outlines_of(name)["objects"]
    classes = {part["id"]: part["class"] for part in parts}
    assert all(classes[part["id"]] == part["class"] for part in parts)
    assert sorted(classes) == list(range(1, len(classes) + 1))
    _, mask, instances = samples[name]
    assert set(np.unique(instances)) == {0, *classes}, "every object shows in the picture"
    known = mask != 255
    ids = np.array([0] + [PHOTOGRAPHS.index(classes[i]) for i in sorted(classes)])
    assert (mask[known] == ids[instances[known]]).all()


@pytest.mark.parametrize("name", NAMES)
def test_little_is_void(name, samples):
    assert 0.001 < (samples[name][1] == 255).mean() < 0.06


def test_what_is_where(samples):
    def at(name, x, y):
        value = samples[name][1][y, x]
        return "void" if value == 255 else PHOTOGRAPHS.names[value]

    assert [at("coffee", *p) for p in [(290, 150), (280, 220), (210, 280), (120, 200), (360, 280), (410, 80)]] == [
        "cup", "cup", "cup", "saucer", "spoon", "spoon",
    ]  # fmt: skip
    assert at("coffee", 550, 50) == at("coffee", 20, 20) == "background"
    assert [at("camera", *p) for p in [(100, 300), (290, 160), (293, 280), (279, 250), (110, 500), (450, 100)]] == [
        "person", "camera", "tripod", "background", "background", "background",
    ]  # fmt: skip
    assert [at("astronaut", *p) for p in [(230, 60), (100, 300), (400, 450), (20, 250)]] == [
        "person", "person", "helmet", "background",
    ]  # fmt: skip
    assert [at("rocket", *p) for p in [(322, 300), (60, 200), (250, 200)]] == ["rocket", "tower", "background"]
    assert [at("chelsea", *p) for p in [(200, 150), (420, 40), (340, 260)]] == ["cat", "background", "void"]
    assert [at("clock", *p) for p in [(214, 154), (153, 154), (50, 50)]] == ["clock", "void", "background"]


def test_the_spoon_is_one_object_though_the_cup_hides_its_middle(samples):
    _, mask, instances = samples["coffee"]
    assert len(np.unique(instances[mask == PHOTOGRAPHS.index("spoon")])) == 1


def distances_to_the_edge(name, wanted, samples, move=(0, 0), reach=6):
    """Pixels along the normal from points of an outline to the steepest change of colour within `reach` pixels.

    One point a pixel of every visible border of the class `wanted`, all of them moved by `move` = (x, y).
    """
    image, mask, _ = samples[name]
    height, width = mask.shape
    slopes = [[ndimage.gaussian_filter(channel, 1, order=order) for order in [(0, 1), (1, 0)]] for channel in image]
    offsets = np.arange(-reach, reach + 0.25, 0.25)
    points, normals = [], []
    for ring in [np.array(part["polygon"]) for part in outlines_of(name)["objects"] if part["class"] == wanted]:
        for start, end in zip(ring, np.roll(ring, -1, axis=0), strict=True):
            length = np.hypot(*(end - start))
            points.append(start + np.arange(0.5, length)[:, None] / length * (end - start))
            normals.append(np.broadcast_to([end[1] - start[1], start[0] - end[0]] / length, points[-1].shape))
    points, normals = np.concatenate(points), np.concatenate(normals)
    column, row = points.clip(0, [width - 1, height - 1]).astype(int).T
    # Behind a later object there is no void band; near the frame the search would leave the picture.
    seen = (mask[row, column] == 255) & ((points > 7) & (points < [width - 7, height - 7])).all(axis=1)
    points, normals = points[seen], normals[seen]
    x, y = ((points + move)[:, None] + normals[:, None] * offsets[:, None] - 0.5).transpose(2, 0, 1)
    steepness = 0
    for slope in slopes:
        at_x, at_y = (ndimage.map_coordinates(along, [y, x], order=1) for along in slope)
        steepness += (normals[:, :1] * at_x + normals[:, 1:] * at_y) ** 2
    return np.abs(offsets[steepness.argmax(axis=1)])


@pytest.mark.parametrize(("name", "wanted"), SHARP)
def test_the_outlines_lie_on_the_edges_that_the_picture_shows(name, wanted, samples):
    share = (distances_to_the_edge(name, wanted, samples) <= 1.5).mean()
    moves = [(6, 0), (-6, 0), (0, 6), (0, -6)]
    moved = [(distances_to_the_edge(name, wanted, samples, move) <= 1.5).mean() for move in moves]
    assert share > 0.65
    assert share > 1.8 * np.mean(moved), "outlines moved by six pixels fit the picture as well"


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


def test_coins_are_those_that_a_threshold_finds(samples):
    image, _, instances = samples["coins"]
    assert len(np.unique(instances)) == 25, "24 coins and the background"
    pixels = np.uint8(image[0] * 255)
    found, _ = ndimage.label(ndimage.binary_fill_holes(pixels > threshold_otsu(pixels)))
    scores = []
    for coin in range(1, 25):
        own = instances == coin
        blob = np.bincount(found[own & (found > 0)]).argmax()
        scores.append(iou(own, found == blob))
    # The upper left of the background is as bright as a coin: there the threshold swallows coins, the outlines do not.
    assert np.sum(np.array(scores) > 0.8) >= 15
    assert (np.bincount(instances.ravel())[1:] > 900).all()


def test_coins_are_round():
    # A tab at an outline (there were two once) turns it by 85 degrees at a point; round coins turn by 33 at most.
    for coin in outlines_of("coins")["objects"]:
        ring = np.array(coin["polygon"])
        sides = np.roll(ring, -1, axis=0) - ring
        directions = np.arctan2(sides[:, 1], sides[:, 0])
        turns = np.degrees(np.abs((np.roll(directions, -1) - directions + np.pi) % (2 * np.pi) - np.pi))
        assert turns.max() < 45, f"coin {coin['id']}"


def test_the_cell_is_what_a_threshold_finds(samples):
    image, _, instances = samples["cell"]
    blurred = ndimage.gaussian_filter(image[0], 2)
    found, _ = ndimage.label(blurred > (blurred[instances == 1].mean() + np.median(blurred)) / 2)
    assert iou(instances == 1, found == found[374, 427]) > 0.9


def test_the_white_inside_of_the_cup_is_cup(samples):
    image, mask, _ = samples["coffee"]
    found, _ = ndimage.label(image.min(axis=0) > 0.75)
    rim = found == found[25, 280]
    assert rim.sum() > 3000
    assert (mask[rim] == PHOTOGRAPHS.index("cup")).mean() > 0.98


def test_images_are_the_photographs_and_grey_ones_have_three_equal_channels(samples):
    for name in NAMES:
        image = samples[name][0]
        truth = getattr(skimage.data, name)()
        truth = truth[..., None].repeat(3, axis=2) if truth.ndim == 2 else truth
        assert (np.round(image * 255) == truth.transpose(2, 0, 1)).all()
        assert list(image.shape[1:]) == outlines_of(name)["size"]
    assert sum((samples[name][0][0] == samples[name][0][2]).all() for name in NAMES) == 4


def test_a_picture_is_found_by_its_name_or_its_number():
    dataset = Photographs()
    assert len(dataset) == 8
    for by_name, by_number in zip(dataset["cell"], dataset[NAMES.index("cell")], strict=True):
        assert torch.equal(by_name, by_number)
    with pytest.raises(KeyError, match="no photograph 'dog'; the photographs are chelsea, coffee"):
        dataset["dog"]
    with pytest.raises(ValueError, match="no split 'train'; its eight pictures are one split"):
        Photographs("train")


def test_the_transform_and_instances_work_by_name_too():
    doubled = Photographs(transform=lambda image, mask, instances: (image, mask, 2 * instances), instances=True)
    assert set(doubled["coffee"][2].unique().tolist()) == {0, 2, 4, 6}


def test_at_another_size_each_pixel_has_the_class_at_its_centre():
    (image, mask), (full, truth) = Photographs(size=(160, 240))["coffee"], Photographs()["coffee"]
    assert image.shape == (3, 160, 240) and mask.shape == (160, 240)
    # 400×600 → 160×240 is a step of 2.5: the centre of pixel i is the point 2.5 i + 1.25, in pixel ⌊2.5 i + 1.25⌋.
    rows, columns = (np.floor(2.5 * np.arange(n) + 1.25).astype(int) for n in (160, 240))
    near = truth[rows][:, columns]
    known = (near != 255) & (mask != 255)
    assert known.float().mean() > 0.95 and torch.equal(mask[known], near[known])
    boxes = torch.nn.functional.interpolate(full[None], (160, 240), mode="area")[0]
    assert (image - boxes).abs().mean() < 0.01, "averaged over what a pixel covers, not one pixel picked"


def test_the_void_band_is_as_wide_as_asked_and_not_along_the_frame():
    square = [[0, 4], [10, 4], [10, 14], [0, 14]]
    part = {"class": "cup", "id": 1, "polygon": square, "border": 4}
    mask, instances = photographs.draw({"size": [20, 20], "objects": [part]}, (20, 20))
    assert (mask[9] == [1] * 8 + [255] * 4 + [0] * 8).all()
    assert (mask[:, 3] == [0] * 2 + [255] * 4 + [1] * 6 + [255] * 4 + [0] * 4).all()
    assert instances.sum() == 100, "instance maps know no void"
    small, _ = photographs.draw({"size": [20, 20], "objects": [{**part, "border": 1}]}, (10, 10))
    assert (small == 255).any(), "no thinner than a pixel, however small the picture"


def test_width_and_height_are_scaled_each_by_its_own_factor():
    part = {"class": "cup", "id": 1, "polygon": [[0, 5], [10, 5], [10, 15], [0, 15]], "border": 1}
    _, instances = photographs.draw({"size": [20, 20], "objects": [part]}, (40, 20))
    rows, columns = np.nonzero(instances)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (10, 29, 0, 9)


def test_parts_of_one_object_meet_without_a_border_and_holes_show_what_is_behind():
    left = {"class": "cup", "id": 1, "polygon": [[2, 2], [10, 2], [10, 18], [2, 18]], "border": 2}
    right = {**left, "polygon": [[8, 2], [18, 2], [18, 18], [8, 18]], "holes": [[[12, 6], [16, 6], [16, 14], [12, 14]]]}
    mask, instances = photographs.draw({"size": [20, 20], "objects": [left, right]}, (20, 20))
    assert (mask[4:16, 4:11] == 1).all()
    assert mask[10, 14] == 0 and instances[10, 14] == 0
    assert (mask[10, [11, 12, 15, 16]] == 255).all()
    other, _ = photographs.draw({"size": [20, 20], "objects": [left, {**right, "id": 2}]}, (20, 20))
    assert (other[4:16, [7, 8]] == 255).all(), "another object does have a border"


def test_a_picture_of_another_size_is_refused(monkeypatch):
    monkeypatch.setattr(skimage.data, "coffee", lambda: np.zeros((200, 300, 3), np.uint8))
    with pytest.raises(ValueError, match="coffee of the installed scikit-image is 200×300 pixels.*drawn on 400×600"):
        Photographs()["coffee"]


def test_the_card_tells_every_picture_and_class():
    card = resources.data_path("cards", "photographs.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in card for name in NAMES)
    assert all(name in card for name in PHOTOGRAPHS.names)
