"""Checks that rest on stored numbers alone are told from those that rest on what runs."""

import pytest
from nbformat.v4 import new_code_cell

from tools.recorded import recorded_cells

BEFORE = """
import math
import torch
import segedu
from segedu.datasets import ToyStreet
from segedu.labels import STREET
runs = segedu.resources.stored_runs("02_contest", scale=100)
network = segedu.models.SmallNet(11)
row = runs["network"]["mean_iou"]
best, others = max(runs), [runs[arm] for arm in runs]

def lead(arm):
    return runs[arm]["mean_iou"].mean() - 2

def answer(image):
    return network(image)

table = {}
for arm in runs:
    table[arm] = runs[arm]["mean_iou"].mean()
mixed = {}
mixed["network"] = row
mixed.update(live=answer(ToyStreet("val")[0]))
row_now = row + answer(1)
"""
RECORDED = [
    "assert row.mean() > 2 * math.sqrt(3)",
    "assert all(value.std() < 3 for value in row)",
    "for arm in runs:\n    assert runs[arm]['mean_iou'][STREET.index('road')] > 1",
    "assert lead(best) > 2",
    "assert table['network'] > 1",
    "torch.testing.assert_close(table['network'], row.mean())",
    "gain = table['network'] - lead('all road')\nif len(others) > 1:\n    assert gain > 1",
    "assert segedu.resources.stored_runs('04_leak')['all frames'] and row[0] > 1",
    "from segedu.statistics import paired_difference\nassert paired_difference(row, row).settled",
]
LIVE = [
    "assert answer(row).mean() > 1",
    "assert row.mean() > 1 and answer(1) > 2",
    "assert row.mean() > 1\nassert network is not None",
    "assert mixed['network'].mean() > 1",
    "assert row_now > 1",
    "assert 2 > 1",
    "assert torch.ones(3).sum() == 3",
    "for image, _ in ToyStreet('val'):\n    assert image.mean() > row.min()",
    "assert len(segedu.models.SmallNet(11)(row)) == 1",
    "assert unknown > row.mean()",
]


@pytest.mark.parametrize("source", RECORDED)
def test_recorded(source):
    assert recorded_cells([new_code_cell(BEFORE), new_code_cell(source)]) == [None, True]


@pytest.mark.parametrize("source", LIVE)
def test_not_recorded(source):
    assert recorded_cells([new_code_cell(BEFORE), new_code_cell(source)]) == [None, False]


def test_a_name_is_what_it_was_last_and_magic_is_no_python():
    again = new_code_cell("%matplotlib inline\nrow = network(1)")
    check = new_code_cell("assert row > 1")
    assert recorded_cells([new_code_cell(BEFORE), check, again, check]) == [None, True, None, False]
