"""Strokes become exactly the pixels that a round brush covers."""

import numpy as np
import pytest

from segedu.labels import IGNORE_INDEX, LabelTable
from segedu.strokes import draw_strokes

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
        dots = np.concatenate(
            [a + (b - a) * np.linspace(0, 1, 500)[:, None] for a, b in zip(points, points[1:], strict=False)]
        )
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
        ([], 0, ValueError, "at least 1, got 0"),
        ([], float("nan"), ValueError, "at least 1, got nan"),
    ],
)
def test_errors_are_sentences(strokes, brush, error, words):
    with pytest.raises(error, match=words):
        draw_strokes(strokes, LABELS, (30, 40), brush)
