"""A failed check in a real kernel: it tells the reader and goes on; in the tests it raises, and prove wins."""

import os

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from segedu import claims
from tools import prove

START = "from segedu import claims\nclaims.keep_going()"
DIFFERS = "Your number differs from the text's: "


def said(*sources: str, strict: str = "") -> list[str]:
    """What each cell prints, or the name of its error, in one kernel after the set-up."""
    notebook = new_notebook(cells=[new_code_cell(source) for source in (START, *sources)])
    client = NotebookClient(notebook, timeout=120, kernel_name="python3", allow_errors=True)
    with client.setup_kernel(env=os.environ | {"SEGEDU_STRICT": strict, "PYTHONPATH": str(prove.ROOT)}):
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
    return ["".join(o.get("text", "") or o.get("ename", "") for o in cell.outputs) for cell in notebook.cells[1:]]


CELLS = {
    "share = 0.71\nassert abs(share - 0.81) < 0.02\nprint('on')": "share is 0.71. Text: abs(share - 0.81) < 0.02",
    "assert 0.2 < share < 0.8 and 1.5 * share < 1": "share is 0.71. Text: 0.2 < share < 0.8 and 1.5 * share < 1",
    "assert {'a': 3}['a'] == 4, 'three, not four'": "{'a': 3}['a'] is 3; three, not four. Text: {'a': 3}['a'] == 4",
    "for k in (1, 5):\n    assert k > 2": "k is 1. Text: k > 2",
    "import torch\na, b = torch.zeros(2), torch.tensor(0.5)\nassert a.sum() > b": "a.sum() is 0, b is 0.5. Text:",
    "torch.testing.assert_close(a, a + 1)": "Greatest absolute difference: 1.0 at index (0,) (up to 1e-05 allowed)",
    "assert all(x > 0 for x in a)": "a is tensor([0., 0.]). Text: all((x > 0 for x in a))",
    "left = (3, 1)\nassert all(x < y for x, y in zip([1, 2], left))": "left is (3, 1). Text: all(",
    "it = iter([1])\nassert next(it) > 2": f"{DIFFERS}it does not hold. Text: next(it) > 2",
    "assert a[5] > 0": "IndexError: index 5 is out of bounds",
    "assert lost": "NameError: name 'lost' is not defined. Text: lost",
    "assert list(range(100)) == [1]": "list(range(100)) is [0, 1, 2,",
}


@pytest.fixture(scope="module")
def lenient():
    rest = [START, "assert 1 == 2", "assert 2 > 1", "def f():\n    assert False\nf()", "7"]
    return said(*CELLS, *rest)


@pytest.mark.parametrize("number", range(len(CELLS)))
def test_a_failed_check_tells_what_differs_and_goes_on(lenient, number):
    words = [*CELLS.values()][number]
    assert lenient[number].startswith(DIFFERS) and words in lenient[number], lenient[number]
    assert lenient[number].count(DIFFERS) == 1
    if number == 0:
        assert lenient[0].endswith("\non\n")


def test_registered_twice_it_tells_once_and_the_rest_is_pythons_own(lenient):
    again, constants, holds, in_a_function, _ = lenient[len(CELLS) :]
    assert again == holds == "" and in_a_function == "AssertionError"
    assert constants == f"{DIFFERS}it does not hold. Text: 1 == 2\n"


def test_in_the_tests_a_failed_check_raises():
    assert os.environ["SEGEDU_STRICT"], "conftest.py sets it, for nbval's kernels"
    assert said("assert 1 > 2\nprint('on')", "print('on')", strict="1") == ["AssertionError", "on\n"]


def test_outside_of_a_notebook_nothing_changes(monkeypatch):
    monkeypatch.delenv("SEGEDU_STRICT")
    claims.keep_going()
    with pytest.raises(AssertionError):
        assert [] == [1]


def test_prove_takes_the_asserts(tmp_path, monkeypatch):
    monkeypatch.setenv("SEGEDU_STRICT", "")
    monkeypatch.setenv("PYTHONPATH", str(prove.ROOT))
    lesson = tmp_path / "99.ipynb"
    cells = [
        "x = 3",
        "assert x < 2\nassert x > 1",
        "import torch\ntorch.testing.assert_close(torch.ones(1), torch.zeros(1))",
    ]
    nbformat.write(new_notebook(cells=[new_code_cell(source) for source in (START, *cells)]), lesson)
    lines = prove.run(lesson, 0)
    assert [line.get("held") for line in lines if "source" in line] == [False, True]
    assert any("AssertionError" in line["error"] for line in lines if "source" not in line), "it is not hushed up"
