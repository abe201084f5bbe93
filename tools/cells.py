"""A lesson's parts: the cells that are the same everywhere, and what rules and the runner ask of a cell."""

from __future__ import annotations

from pathlib import Path

import nbformat

from tools import publish
from tools.publish import GITHUB, ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SOLUTIONS = sorted((ROOT / "notebooks" / "solutions").glob("*.ipynb"))
EXERCISES = sorted((ROOT / "notebooks" / "exercises").glob("*.ipynb"))
TRANSLATIONS = sorted((ROOT / "notebooks" / "ko").glob("*.ipynb"))
REPOSITORY = publish.repository()


def set_up(wheel: str) -> str:
    """The set-up cell, for the released wheel's address and checksum, or for none ("")."""
    return f"""\
# Set-up, the same in every lesson: segedu from this clone, or as installed, or (on Colab) as released.
import importlib.util
import sys
from pathlib import Path

import torch

sys.path[:0] = [str(folder) for folder in Path.cwd().parents if (folder / "segedu" / "__init__.py").is_file()]
{publish.ABSENT}
{publish.getting(wheel)}
from segedu import claims, runtime

claims.keep_going()
runtime.seed_everything(0)
print(f"torch {{torch.__version__}} on {{runtime.device()}}")"""


SETUP = set_up(publish.wheel())


def badge(name: str) -> str:
    """The line of Markdown that opens `name` (in notebooks/, without .ipynb) on Colab: without answers, as released."""
    place = REPOSITORY.removeprefix(GITHUB)
    branch = "main" if name.startswith("solutions/") else publish.BRANCH  # which has no solutions
    link = f"https://colab.research.google.com/github/{place}/blob/{branch}/notebooks/{name}.ipynb"
    return f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({link})"


def with_badge(opening: str, name: str) -> str:
    """The Markdown of an opening cell with the badge of `name` under its title, and no other."""
    title, _, rest = opening.partition("\n")
    rest = "\n".join(line for line in rest.splitlines() if "colab-badge" not in line).strip("\n")
    return f"{title}\n\n{badge(name)}\n\n{rest}".rstrip("\n")


METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
WIDGET = "application/vnd.jupyter.widget-view+json"

# What rules and the runner ask of a cell

CHECKS = {"proof", "recorded"}  # cells that assert what the text says: by what runs here, or by stored numbers alone
FOLDED = {*CHECKS, "setup", "checker", "hide-input"}  # cells whose source a reader need not see


def tags(cell) -> list[str]:
    """The tags of a cell."""
    return cell["metadata"].get("tags", [])


def asks(cell) -> bool:
    """Whether this code cell answers a prediction of the reader's."""
    return cell["cell_type"] == "code" and "check.guess(" in cell["source"]


def metadata(cell) -> dict:
    """What a stored cell has beside its source: its tags, and what folds it. README says in which places.

    hide-input folds on the site, source_hidden in JupyterLab and Notebook 7, cellView on Colab, and _kg_hide-input on
    Kaggle. VS Code folds by none of them.
    """
    kept, own = {}, tags(cell)
    if FOLDED & {*own}:
        own = [*(tag for tag in own if tag != "hide-input"), "hide-input"]
        kept |= {"jupyter": {"source_hidden": True}, "cellView": "form", "_kg_hide-input": True}
    elif asks(cell):
        kept |= {"jupyter": {"outputs_hidden": True}, "collapsed": True}
    return kept | ({"tags": own} if own else {})


def write_notebook(notebook, path: Path) -> None:
    """Store a notebook with the same bytes on all systems: nbformat's own way ends lines as Windows does, there."""
    path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8", newline="\n")


def code(notebook) -> list:
    """The code cells."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def prose(cells) -> str:
    """All Markdown of these cells, as one text."""
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def lines(cell) -> int:
    """The number of lines that are neither blank nor comments."""
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in cell.source.splitlines())


def has_image(output) -> bool:
    """Whether an output shows a picture."""
    return any(kind.startswith("image/") for kind in output.get("data", {}))


def text_of(output) -> str:
    """What the output says in words, whatever its kind."""
    if output.output_type == "error":
        return "\n".join(output.traceback)
    if output.output_type == "stream":
        return output.text
    return "\n".join(str(value) for kind, value in output.data.items() if kind.startswith("text/"))
