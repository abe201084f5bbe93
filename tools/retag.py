"""Write into the stored lessons what needs no running: badge, set-up cell, and the tags by which cells are folded.

    python -m tools.retag [NAME ...]

A check that rests on stored numbers alone (tools/recorded.py) is tagged recorded, any other proof. Outputs stay.
"""

from __future__ import annotations

import sys

import nbformat

from tools import translations
from tools.cells import CHECKS, NOTEBOOKS, SOLUTIONS, code, metadata, tags, write_notebook
from tools.recorded import recorded_cells
from tools.store_notebooks import name_of, prepare


def retag(notebook) -> None:
    """Change the tags of the notebook's checks in place, and every cell's other metadata to what its tags ask for."""
    for cell, is_recorded in zip(code(notebook), recorded_cells(code(notebook)), strict=True):
        if CHECKS & {*tags(cell)} and is_recorded is not None:
            own = [tag for tag in tags(cell) if tag not in CHECKS]
            cell.metadata["tags"] = ["recorded" if is_recorded else "proof", *own]
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict(metadata(cell))


def main(names: list[str]) -> None:
    """Tag and fold the cells of these lessons, or of all."""
    for path in [*NOTEBOOKS, *SOLUTIONS]:
        if not path.name.startswith(tuple(names or [""])):
            continue
        notebook = nbformat.read(path, as_version=4)
        before = nbformat.writes(notebook)
        prepare(notebook, name_of(path))
        retag(notebook)
        if nbformat.writes(notebook) != before:
            write_notebook(notebook, path)
            print(path.name, *translations.follow(path), sep="\n  ")


if __name__ == "__main__":
    main(sys.argv[1:])
