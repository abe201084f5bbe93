"""Make notebooks/exercises/NN.ipynb of notebooks/solutions/NN.ipynb, which alone is written by hand.

    python -m tools.exercises

Cells tagged `solution` are left out, and so are all outputs. In code, `# --- solution` and `# --- end`, and the lines
between them, become `...`; a line `guess = 0.6  # --- solution` becomes `guess = ...`. Cells tagged `checker` hold what
is right, and are folded.
"""

from __future__ import annotations

import ast
import copy
import re
import sys
from pathlib import Path

import nbformat

from tools import notebook_form as form
from tools.cells import SOLUTIONS, badge, code, prose, tags, text_of, write_notebook
from tools.publish import BRANCH

_SOLUTION = re.compile(r"^( *)# --- solution\n(?:.*\n)*?\1# --- end$", re.MULTILINE)
_ANSWER = re.compile(r"^( *\w+ = ).*# --- solution$", re.MULTILINE)
_SIZES = ("one minute", "ten minutes", "open")


def place(solution: Path) -> Path:
    """Where the exercises of this file stand."""
    return solution.parents[1] / "exercises" / solution.name


def emptied(source: str) -> str:
    """The code without its solutions."""
    return _ANSWER.sub(r"\1...", _SOLUTION.sub(r"\1...", source))


def exercises(solutions):
    """The notebook of exercises that belongs to a notebook of solutions, which stays as it is."""
    notebook = copy.deepcopy(solutions)
    notebook.cells = [cell for cell in notebook.cells if "solution" not in tags(cell)]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = emptied(cell.source)
            cell.outputs, cell.execution_count = [], None
        cell.source = cell.source.replace("/main/notebooks/solutions/", f"/{BRANCH}/notebooks/exercises/")  # the badge
    return notebook


def write(solution: Path) -> Path:
    """Make the exercises of one file."""
    path = place(solution)
    path.parent.mkdir(exist_ok=True)
    write_notebook(exercises(nbformat.read(solution, as_version=4)), path)
    return path


# Rules for solutions; those of lessons that ask for figures, predictions and a closing do not apply


def opening(notebook, name):
    """A title and the badge."""
    first = notebook.cells[0].source
    complaints = [] if re.match("# .*exercises", first) else ["no title `# NN · …: exercises`"]
    return complaints + ([] if badge(name) in first else ["no badge that opens it on Colab: python -m tools.retag"])


def tasks(notebook, name):
    """Three tasks or more, one of each size."""
    headings = re.findall("^## .*", prose(notebook.cells), re.MULTILINE)
    complaints = [f"no heading `## … · {size}`" for size in _SIZES if not any(h.endswith(size) for h in headings)]
    return complaints + ([] if len(headings) >= 3 else [f"{len(headings)} tasks, at least 3 are wanted"])


def parts(notebook, name):
    """Something is left out, and whole."""
    complaints, removed = [], 0
    for cell in code(notebook):
        left = emptied(cell.source)
        removed += left != cell.source
        if "# --- solution" in left or "# --- end" in left:
            complaints.append(f"in {form._start(cell)} a `# --- solution` lacks its `# --- end`, equally indented")
    words = [cell for cell in notebook.cells if cell.cell_type == "markdown" and "solution" in tags(cell)]
    if not removed:
        complaints.append("nothing is left to write: no `# --- solution`")
    return complaints + ([] if words else ["no solution in words: a Markdown cell tagged solution"])


def checkers(notebook, name):
    """What checks an answer is folded, and knows the usual mistakes."""
    complaints = []
    for cell in code(notebook):
        calls = [n for n in ast.walk(ast.parse(cell.source)) if isinstance(n, ast.Call)]
        called = {ast.unparse(call.func): call for call in calls}
        if not {"check.guess", "check.function"} & called.keys():
            continue
        if "checker" not in tags(cell):
            complaints.append(f"{form._start(cell)} holds an answer, and is not tagged checker")
        if not re.search(r"\b[Rr]ight\b", "".join(map(text_of, cell.outputs))):
            complaints.append(f"the stored answer of {form._start(cell)} is not right")
        if "check.function" in called:
            given = {word.arg: word.value for word in called["check.function"].keywords}.get("mistakes")
            if not isinstance(given, ast.Dict) or len(given.keys) < 3:
                complaints.append(f"{form._start(cell)} is not tried with three mistakes, mistakes={{…}}")
    return complaints


RULES = [
    form.executed_in_order, form.plain_metadata, form.no_widgets, form.errors_only_where_intended,
    form.nothing_of_the_machine, form.set_up_cell, form.folds, form.folded_words, opening, tasks, parts, checkers,
]  # fmt: skip


def all_complaints(notebook, name: str) -> list[str]:
    """What all rules have against solutions `name`."""
    return [complaint for rule in RULES for complaint in rule(notebook, name)]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(__doc__)
    for solution in SOLUTIONS:
        print(write(solution).name)
