"""Which names change their type, told from the source of a lesson alone."""

import pytest
from nbformat.v4 import new_code_cell

from tools.types_of_names import changes


def found(*sources: str) -> list[str]:
    return [f"{name}: {first}, {then}" for name, first, then, _ in changes([new_code_cell(s) for s in sources])]


@pytest.mark.parametrize(
    ("first", "then", "said"),
    [
        ("row = 3", "row = [3]", "row: a number, a list"),
        ("row = []", "row = torch.stack(row)", "row: a list, a tensor"),
        ("row = f'{x}'", "row = -0.5", "row: a text, a number"),
        ("row = {name: 1 for name in x}", "row = (1, 2)", "row: a dict, a tuple"),
        ("row = sum(x).item()", "def row(x):\n    pass", "row: a number, a function"),
        ("row = lambda x: x", "class row:\n    pass", "row: a function, a class"),
        ("import row", "row = 1", "row: a module, a number"),
        ("row = Network(11)", "row = models.SmallNet(11)", "row: a Network, a SmallNet"),
        ("row, step = 1, []", "for step in range(3):\n    row = 2.5", "step: a list, a number"),
        ("for i, row in enumerate(x):\n    row = 'a'", "with x:\n    row = 2", "row: a text, a number"),
        ("for row in ('a', 'b'):\n    pass", "if x:\n    pass\nelse:\n    row = 1", "row: a text, a number"),
        ("one = 1\nrow = one", "row = 'a' + 'b'", "row: a number, a text"),
        ("row: int = 3", "(row, x), y = ('a', 1), 2", "row: a number, a text"),
        ("%matplotlib inline\nrow = 1", "row = x\nrow = {1}", "row: a number, a set"),
    ],
)
def test_a_change_is_seen(first, then, said):
    assert found(first, then) == [said]


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("row = 3", "row = 2.5"),
        ("row = None", "row = 3"),
        ("guess = ...", "guess = 'swing'"),
        ("row = 3", "row = mean(x)"),  # who knows
        ("row = 3", "def f():\n    row = []"),
        ("row = 3", "x = [row for row in ('a', 'b')]"),
        ("row = [1]", "row += [2]"),
        ("for _ in range(3):\n    pass", "_ = []"),
        ("row, *rest = 1, 2, 3", "rest = [4]"),
        ("row = F.relu(x)", "row = 1"),
    ],
)
def test_what_stays_or_is_unknown_is_left_alone(first, then):
    assert found(first, then) == []
