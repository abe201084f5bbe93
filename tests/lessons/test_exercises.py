"""Exercises are made of solutions and of nothing else; solutions have what a reader needs to check herself."""

import copy

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools import exercises
from tools.cells import EXERCISES, METADATA, SETUP, SOLUTIONS, badge, code, metadata, tags
from tools.store_notebooks import name_of


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_making_the_exercises_again_changes_nothing(path):
    made = exercises.exercises(nbformat.read(path, as_version=4))
    stored = exercises.place(path).read_text(encoding="utf-8")
    assert stored == nbformat.writes(made) + "\n", "python -m tools.exercises"


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_solutions_have_their_form(path):
    assert exercises.all_complaints(nbformat.read(path, as_version=4), name_of(path)) == []


def test_every_exercise_has_its_solutions_and_its_lesson():
    assert [exercises.place(path) for path in SOLUTIONS] == EXERCISES and EXERCISES
    lessons = [path.name.split("_")[0] for path in EXERCISES[0].parents[1].glob("*.ipynb")]
    assert {path.stem for path in EXERCISES} <= {*lessons}


@pytest.mark.parametrize("path", EXERCISES, ids=lambda path: path.stem)
def test_exercises_hold_no_solution_and_no_output(path):
    notebook = nbformat.read(path, as_version=4)
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code(notebook))
    assert not any("solution" in tags(cell) or "# ---" in cell.source for cell in notebook.cells)
    assert any("..." in cell.source for cell in code(notebook)) and code(notebook)[0].source == SETUP


def cell(source: str, *tags: str, said: str = ""):
    outputs = [new_output("stream", name="stdout", text=said)] if said else []
    made = new_code_cell(source, metadata={"tags": [*tags]} if tags else {}, outputs=outputs)
    made.metadata = nbformat.from_dict(metadata(made))
    return made


WRITTEN = """def f(x):
    y = 2
    # --- solution
    if x:
        y = x
    return y
    # --- end
z = f(1)"""


def sound():
    check = 'check.function(f, g, [1], mistakes={"A.": a, "B.": b, "C.": c})'
    cells = [
        new_markdown_cell(f"# 99 · Words: exercises\n\n{badge('solutions/99')}"),
        cell(SETUP, "setup"),
        new_markdown_cell("## This · one minute"),
        cell("guess = 3 + 4  # --- solution"),
        cell("check.guess(guess, 7)", "checker", said="You said 7, it is 7: right.\n"),
        new_markdown_cell("## That · ten minutes"),
        cell(WRITTEN),
        cell(check, "checker", said="Right in all 2 cases.\n"),
        new_markdown_cell("It returns.", metadata={"tags": ["solution"]}),
        new_markdown_cell("## What now? · open"),
    ]
    notebook = new_notebook(cells=cells, metadata=copy.deepcopy(METADATA))
    for count, one in enumerate(code(notebook), 1):
        one.execution_count = count
    return notebook


def test_what_is_left_of_sound_solutions():
    notebook = sound()
    assert exercises.all_complaints(notebook, "solutions/99") == []
    left = exercises.exercises(notebook)
    assert notebook == {**sound(), "cells": notebook.cells}, "the solutions stay as they are"
    assert [c.source for c in code(left)][1:4:2] == ["guess = ...", "def f(x):\n    y = 2\n    ...\nz = f(1)"]
    assert badge("exercises/99") in left.cells[0].source and "It returns." not in [c.source for c in left.cells]


FAULTS = [
    (0, "# 99 · Words", "no title"),
    (0, "# 99 · Words: exercises", "no badge"),
    (2, "## This", "one minute"),
    (5, "That · ten minutes", "2 tasks"),
    (6, WRITTEN.replace("    # --- end\n", ""), "lacks its `# --- end`"),
    (7, 'check.function(f, g, [1], mistakes={"A.": a, "B.": b})', "three mistakes"),
    (7, "check.function(f, g, [1])", "three mistakes"),
]


@pytest.mark.parametrize(("number", "source", "words"), FAULTS)
def test_each_fault_of_a_text_is_named(number, source, words):
    notebook = sound()
    notebook.cells[number].source = source
    said = exercises.all_complaints(notebook, "solutions/99")
    assert any(words in complaint for complaint in said), said


def test_each_fault_of_a_cell_is_named():
    def said(change):
        notebook = sound()
        change(notebook.cells)
        return " ".join(exercises.all_complaints(notebook, "solutions/99"))

    assert "not tagged checker" in said(lambda cells: cells[4].metadata.clear())
    assert "is not right" in said(lambda cells: cells[7].outputs[0].update(text="Not answered yet: write …"))
    assert "is not right" in said(lambda cells: cells[4].outputs.clear())
    assert "no solution in words" in said(lambda cells: cells.pop(8))
    assert "nothing is left to write" in said(lambda cells: [cells.pop(6), cells.pop(3)])
    assert "not folded" in said(lambda cells: cells[4].metadata.pop("cellView"))
