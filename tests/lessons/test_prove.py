"""`make prove`: what it notes of an assert, how it judges it, and that another machine's training is another one."""

import ast
import math
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
from tools import another_machine, prove


def said_by(code, **names):
    """What the asserts of a cell with this code write down."""
    lines = []
    claims = another_machine.Claims(lines.append)
    claims.next_cell(SimpleNamespace(store_history=True))
    tree = claims.visit(ast.parse(code))
    exec(compile(tree, "cell", "exec"), {claims.NAME: claims, **names})
    return lines


@pytest.mark.parametrize(
    ("code", "held", "distances"),
    [
        ("assert 1 < 3", True, [2]),
        ("assert 1 < 3 < 3.5", True, [2, 0.5]),
        ("assert 0.5 <= 0.25", False, [-0.25]),
        ("assert 2 > 1 and 5 >= 1", True, [1, 4]),
        ("assert all(x < 9 for x in [2, 8, 4])", True, [1]),
        ("import torch\nassert (torch.tensor([3, 5]) > 1).all()", True, [2]),
        ("assert 2 == 2", True, []),
        ("assert {1} < {1, 2}", True, []),
        ("assert 'a' in 'abc' or 3 > 4", True, []),
        ("for n in (1, 2):\n    assert n < 2", False, [0]),
    ],
)
def test_an_assert_tells_how_far_it_was_from_failing(code, held, distances):
    line = said_by(code)[-1]
    assert line["held"] == held and list(line["margins"].values()) == distances
    assert line["cell"] == 0 and line["source"] in ast.unparse(ast.parse(code))


def test_what_an_assert_raises_is_noted_and_the_rest_of_the_cell_runs():
    first, second = said_by("assert nothing < 3\nassert True")
    assert not first["held"] and "NameError" in first["error"] and second["held"]


def lines_of(*values, held=True, cell=2, source="a < b"):
    return [[{"cell": cell, "source": source, "held": held, "error": None, "margins": {"a < b #1": v}}] for v in values]


def test_the_distance_is_that_of_the_nearest_run_in_standard_deviations():
    (claim,) = prove.judged(lines_of(3.0, 5.0, 4.0))
    assert claim == {"cell": 2, "claim": "a < b", "fails": 0, "of": 3, "distance": 3.0, "error": None}
    assert prove.is_sound(claim) and not prove.is_sound(prove.judged(lines_of(1.5, 3.5, 2.5))[0])


def test_runs_that_agree_have_room_and_a_run_that_fails_has_none():
    assert prove.judged(lines_of(0.1, 0.1))[0]["distance"] == math.inf
    failing = prove.judged([*lines_of(0.1), *lines_of(0.1, held=False)])[0]
    assert failing["fails"] == 1 and not prove.is_sound(failing)


def test_an_assert_in_a_loop_is_as_near_as_its_nearest_turn():
    runs = [near + far for near, far in zip(lines_of(1.0, 3.0), lines_of(10.0, 12.0), strict=True)]
    assert prove.judged(runs)[0]["distance"] == pytest.approx(1 / math.sqrt(2))


def test_a_cell_that_stops_is_a_failure():
    runs = [[], [{"cell": 5, "error": "ValueError: no"}]]
    assert [(c["cell"], c["fails"], c["error"]) for c in prove.judged(runs)] == [(5, 1, "ValueError: no")]


def test_machines_differ_in_threads_and_instructions():
    kinds = {(m["threads"], m["avx2"]) for m in map(prove.machine, range(prove.KINDS))}
    assert kinds == {(1, False), (2, False), (1, True), (2, True)}


LESSON = """\
import torch

def trained(seed):
    torch.manual_seed(seed)
    layer = torch.nn.Linear(3, 1)
    before = layer.weight.detach().clone()
    torch.optim.SGD(layer.parameters(), lr=1.0)
    return before, layer.weight

before, after = trained(0)
assert 0 < (after / before - 1).abs().max() < 1e-5
assert torch.equal(after, trained(0)[1])
assert torch.get_num_threads() == 1
assert after.sum() < before.sum()"""


@pytest.mark.slow
def test_a_lesson_on_other_machines(tmp_path):
    """The noise is small, like networks get the same, and a claim that rests on a rounding is found out."""
    path = tmp_path / "lesson.ipynb"
    cells = [nbformat.v4.new_code_cell(LESSON), nbformat.v4.new_code_cell("1 / 0")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    claims = {claim["claim"]: claim for claim in prove.judged(prove.all_runs(path, 6))}
    assert len(claims) == 5 and all(claim["of"] == 6 for claim in claims.values())
    small, same, threads, rounding, stops = claims.values()
    assert small["fails"] == same["fails"] == 0
    assert threads["fails"] == 3
    assert 0 < rounding["fails"] < 6
    assert stops["fails"] == 6 and "ZeroDivisionError" in stops["error"]
