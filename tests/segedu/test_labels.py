"""Class tables: sound, and drawn in colours that every kind of colour vision tells apart."""

import numpy as np
import pytest
from skimage.color import rgb2lab

from segedu.labels import CELLS, IGNORE_COLOUR, IGNORE_INDEX, PHOTOGRAPHS, STREET, LabelTable


def test_the_palette_gives_every_value_a_colour():
    palette = STREET.palette
    assert palette.shape == (256, 3) and palette.dtype == np.uint8
    assert [tuple(c) for c in palette[: len(STREET)].tolist()] == list(STREET.colours)
    assert tuple(palette[IGNORE_INDEX].tolist()) == IGNORE_COLOUR


def test_a_class_is_found_by_name_or_the_names_are_listed():
    assert STREET.names[STREET.index("car")] == "car"
    with pytest.raises(KeyError, match="no class 'bus'.*pedestrian"):
        STREET.index("bus")


@pytest.mark.parametrize(
    ("names", "colours", "things", "words"),
    [
        (("a", "b"), ((0, 0, 0),), (), "2 names and 1 colours"),
        (("a", "a"), ((0, 0, 0), (1, 1, 1)), (), "name 'a' stands twice"),
        (("a", "b"), ((0, 0, 0), (0, 0, 0)), (), "colour .* stands twice"),
        (("a",), ((0, 0, 0),), ("c",), "'c' is among the things"),
        (("a",), ((0.5, 0, 1),), (), "of parts in 0…1"),
        (("a",), ((256, 0, 0),), (), "whole numbers 0…255"),
        (("a",), ((0, 0, 0, 0),), (), "no .red, green, blue."),
        (("a", "b"), ((0, 0, 0), (1, 1, 1)), "a", "things='a' is one text"),
    ],
)
def test_unsound_tables_are_refused(names, colours, things, words):
    with pytest.raises(ValueError, match=words):
        LabelTable(names, colours, things)


# Machado, Oliveira, Fernandes 2009, severity 1, on linear RGB: normal, protanopia, deuteranopia, tritanopia.
VISIONS = [
    [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
]


@pytest.mark.parametrize("vision", VISIONS, ids=["normal", "protanopia", "deuteranopia", "tritanopia"])
@pytest.mark.parametrize("labels", [STREET, PHOTOGRAPHS, CELLS], ids=["STREET", "PHOTOGRAPHS", "CELLS"])
def test_colours_are_told_apart_by_every_eye(labels, vision):
    encoded = np.array([*labels.colours, IGNORE_COLOUR]) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    seen = (linear @ np.transpose(vision)).clip(0, 1)
    seen = np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)
    lab = rgb2lab(seen)
    distances = np.linalg.norm(lab[:, None] - lab[None], axis=-1) + 1000 * np.eye(len(lab))
    assert distances[:-1, :-1].min() > 25, "two classes look alike"
    assert distances[-1].min() > 15, "a class looks like the grey of ignored pixels"


def test_a_table_may_come_from_lists():
    table = LabelTable(["a", "b"], [[0, 0, 0], np.uint8([1, 1, 1])], ["b"])
    assert table == LabelTable(("a", "b"), ((0, 0, 0), (1, 1, 1)), ("b",))
