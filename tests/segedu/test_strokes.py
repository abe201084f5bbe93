"""Strokes become exactly the pixels that a round brush covers."""

import itertools

import numpy as np
import pytest
import torch

from segedu.ids import MaskError
from segedu.inference import semantic_segmentation
from segedu.labels import IGNORE_INDEX, LabelTable
from segedu.strokes import cut_out, draw_strokes, example, learn_from_strokes, painted_over, small_network

LABELS = LabelTable(("cup", "table"), ((0, 114, 178), (230, 159, 0)))


def painted(strokes, size, brush):
    mask = draw_strokes(strokes, LABELS, size, brush)
    return "\n".join("".join("ct."[min(value, 2)] for value in row) for row in mask)


def test_nothing_painted_is_ignored():
    mask = draw_strokes([], LABELS, (2, 3))
    assert mask.dtype == np.uint8 and mask.shape == (2, 3) and (mask == IGNORE_INDEX).all()


def test_by_hand():
    assert painted([("cup", [(1, 1)])], (3, 5), 1) == ".....\n.c...\n....."
    assert painted([("cup", [(1, 1)])], (3, 5), 2) == ".c...\nccc..\n.c..."
    assert painted([("table", [(1, 0), (4, 0), (4, 2)])], (3, 5), 1) == ".tttt\n....t\n....t"
    assert painted([("cup", [(0, 0), (2, 2)])], (3, 5), 1) == "c....\n.c...\n..c.."


def test_the_later_stroke_lies_on_top():
    across, down = ("cup", [(0, 1), (2, 1)]), ("table", [(1, 0), (1, 2)])
    assert painted([across, down], (3, 3), 1) == ".t.\nctc\n.t."
    assert painted([down, across], (3, 3), 1) == ".t.\nccc\n.t."


def test_names_and_ids_say_the_same():
    points = [(2, 3), (9, 5)]
    assert (draw_strokes([("table", points)], LABELS, (9, 12)) == draw_strokes([(1, points)], LABELS, (9, 12))).all()


@pytest.mark.parametrize("brush", [1, 2.5, 5, 12])
def test_agrees_with_a_line_of_many_dots(brush):
    random = np.random.default_rng(0)
    y, x = np.mgrid[:30, :40]
    for _ in range(10):
        points = random.uniform((0, 0), (39, 29), (4, 2))
        mask = draw_strokes([("cup", points.tolist())], LABELS, (30, 40), brush)
        dots = np.concatenate([a + (b - a) * np.linspace(0, 1, 500)[:, None] for a, b in itertools.pairwise(points)])
        distance = np.hypot(x[..., None] - dots[:, 0], y[..., None] - dots[:, 1]).min(-1)
        assert (mask[distance < brush / 2 - 0.05] == 0).all()
        assert (mask[distance > brush / 2] == IGNORE_INDEX).all()


def test_a_line_of_one_pixel_has_no_gap():
    for end in [(39, 0), (39, 7), (39, 22), (20, 29), (0, 29)]:
        mask = draw_strokes([("cup", [(0, 0), end])], LABELS, (30, 40), 1)
        longer = 0 if end[0] >= end[1] else 1
        assert (mask == 0).any(axis=longer)[: max(end) + 1].all()


@pytest.mark.parametrize(
    ("strokes", "brush", "error", "words"),
    [
        ([("cup", [(40, 2)])], 5, ValueError, r"strokes\[0\] \(cup\) .* \(40, 2\) outside .* x = 0…39 .* y = 0…29"),
        ([("cup", [(2, 2)]), ("table", [(2, -1)])], 5, ValueError, r"strokes\[1\] \(table\) .*\(2, -1\)"),
        ([("cup", [(2, float("nan"))])], 5, ValueError, "outside the picture"),
        ([("mug", [(2, 2)])], 5, KeyError, "no class 'mug'; the classes are cup, table"),
        ([(2, [(2, 2)])], 5, KeyError, r"strokes\[0\] is of class 2; the ids are 0…1"),
        ([(True, [(2, 2)])], 5, KeyError, "of class True"),
        ([("cup", [2, 2])], 5, ValueError, r"\(cup\) has the points \[2, 2\]; a stroke is \(class,"),
        ([("cup", [])], 5, ValueError, r"has the points \[\]"),
        ([("cup", [(1, 2, 3)])], 5, ValueError, "a stroke is"),
        (["cup"], 5, ValueError, r"strokes\[0\] is 'cup'; a stroke is"),
        (("cup", [(2, 2)]), 5, ValueError, r"strokes\[0\] is 'cup'"),
        ([("cup",)], 5, ValueError, r"strokes\[0\] is \('cup',\); a stroke is"),
        ([("cup", [(2, 2)], 5)], 5, ValueError, r"strokes\[0\] is \('cup', \[\(2, 2\)\], 5\); a stroke is"),
        ([], 0, ValueError, "at least 1, got 0"),
        ([], float("nan"), ValueError, "at least 1, got nan"),
    ],
)
def test_errors_are_sentences(strokes, brush, error, words):
    with pytest.raises(error, match=words):
        draw_strokes(strokes, LABELS, (30, 40), brush)


def two_colours():
    """A picture whose left is dark and whose right is bright, with noise, and what it shows: (H, W) 0 left, 1 right."""
    truth = (np.arange(40) >= 20)[None].repeat(32, 0)
    noise = np.random.default_rng(0).normal(0, 0.05, (32, 40, 3))
    return np.clip(np.where(truth[..., None], 0.7, 0.3) + noise, 0, 1).astype(np.float32), truth


ONE_LINE_EACH = [("cup", [(4, 4), (16, 26)]), ("table", [(35, 4), (23, 26)])]


def test_a_network_learns_from_two_lines_what_the_whole_picture_shows():
    image, truth = two_colours()
    network = learn_from_strokes(image, ONE_LINE_EACH, LABELS)
    assert not network.training
    assert (semantic_segmentation(network, image) == truth).mean() > 0.95
    untrained = learn_from_strokes(image, ONE_LINE_EACH, LABELS, steps=0)
    assert (semantic_segmentation(untrained, image) == truth).mean() < 0.95


def test_what_is_painted_decides_not_the_picture():
    image, truth = two_colours()
    swapped = [("table", ONE_LINE_EACH[0][1]), ("cup", ONE_LINE_EACH[1][1])]
    assert (semantic_segmentation(learn_from_strokes(image, swapped, LABELS), image) == ~truth).mean() > 0.95


def test_the_seed_decides_and_the_callers_chance_is_left_alone():
    image, _ = two_colours()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, again, other = (learn_from_strokes(image, ONE_LINE_EACH, LABELS, steps=2, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(first[0].weight, again[0].weight) and not torch.equal(first[0].weight, other[0].weight)


@pytest.mark.parametrize("layers", [0, 1, 2, 3])
def test_each_layer_makes_the_window_three_times_as_wide(layers):
    parts = [part for part in small_network(4, layers=layers) if not isinstance(part, torch.nn.InstanceNorm2d)]
    image = torch.rand(1, 3, 61, 61, requires_grad=True)
    scores = torch.nn.Sequential(*parts)(image)
    assert scores.shape == (1, 4, 61, 61)
    scores[0, :, 30, 30].sum().backward()
    seen = image.grad[0].abs().sum(0) > 0
    half = 3**layers // 2
    assert seen.any(0).nonzero().flatten().tolist() == list(range(30 - half, 31 + half))


def test_the_paint_lies_over_the_picture():
    image = np.full((4, 5, 3), 9, np.uint8)
    over = painted_over(image, draw_strokes([("cup", [(1, 2)])], LABELS, (4, 5), 1), LABELS)
    assert over.dtype == np.uint8 and tuple(over[2, 1]) == LABELS.colours[0] and (over == 9).all(-1).sum() == 19


@pytest.mark.parametrize(
    ("painted", "words"), [([], "paint none; the classes are cup, table"), (ONE_LINE_EACH[:1], "paint cup;")]
)
def test_one_class_alone_cannot_be_learnt(painted, words):
    with pytest.raises(ValueError, match=words):
        learn_from_strokes(two_colours()[0], painted, LABELS)


def test_the_example_is_a_picture_with_strokes_of_two_classes():
    image, strokes, labels = example("coffee")
    assert image.shape == (3, 160, 240) and image.dtype == torch.float32 and type(image) is torch.Tensor
    assert [name for name, _ in strokes] == ["cup"] * 8 + ["table"] * 6
    mask = draw_strokes(strokes, labels, (160, 240), 3)
    assert mask[18, 145] == labels.index("cup") and mask[8, 6] == labels.index("table")
    with pytest.raises(FileNotFoundError, match=r"strokes/tea\.json"):
        example("tea")


def test_a_cut_out_is_the_picture_inside_and_the_background_outside():
    image = torch.rand(3, 2, 3)
    mask = np.array([[True, False, False], [False, True, True]])
    cut, behind = cut_out(image, mask), torch.rand(3, 2, 3)
    assert (cut[:, mask] == image[:, mask]).all() and (cut[:, ~mask] == 1).all()
    assert (cut_out(image, torch.from_numpy(mask), behind)[:, ~mask] == behind[:, ~mask]).all()


@pytest.mark.parametrize(
    ("mask", "background", "error", "words"),
    [
        (np.zeros((2, 3), np.uint8), 1.0, MaskError, r"\(2, 3\) torch\.uint8.*booleans"),
        (np.zeros((3, 2), bool), 1.0, MaskError, r"\(3, 2\) .* \(2, 3\) pixels"),
        (np.zeros((2, 3), bool), torch.rand(3, 4, 3), ValueError, r"\(3, 4, 3\), its picture \(3, 2, 3\)"),
    ],
)
def test_what_cannot_be_cut_out_is_refused(mask, background, error, words):
    with pytest.raises(error, match=words):
        cut_out(torch.rand(3, 2, 3), mask, background)
