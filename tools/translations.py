"""Lessons in Korean: notebooks/ko/NAME.ipynb says in Korean what notebooks/NAME.ipynb says, around the same code.

    python -m tools.translations

writes what is equal in both into each translation: code, outputs, tags and ids of the cells, badge, set-up cell. Its
Markdown stays; what this lacks is told. `make notebooks`, which runs and stores lessons, does the same after each.
"""

from __future__ import annotations

import copy
import os
import re
import sys
from collections import Counter
from pathlib import Path

import nbformat

from tools.cells import ROOT, TRANSLATIONS, badge, with_badge, write_notebook

LESSONS = ROOT / "notebooks"
_LINK = re.compile(r"!?\[(?:[^][]|\[[^]]*\]\([^)]*\))*\]\(([^)\s]+)\)")
_BOLD = re.compile(r"(?<!\*)(\*\*|\*)(?![*\s])([^*]*[^*\s])\1(\w?)")


def original(translation: Path) -> Path:
    """The lesson that this file translates."""
    return translation.parents[1] / translation.name


def followed(lesson, translation):
    """The lesson with the translation's Markdown, by the ids of the cells; a cell that it lacks stays as it is."""
    made = copy.deepcopy(lesson)
    words = {cell.id: cell.source for cell in translation.cells if cell.cell_type == "markdown"}
    for cell in made.cells:
        if cell.cell_type == "markdown":
            cell.source = words.get(cell.id, cell.source)
    return made


def write(translation: Path) -> list[str]:
    """Bring what is equal into one translation; what its Markdown lacks."""
    lesson = nbformat.read(original(translation), as_version=4)
    made = followed(lesson, nbformat.read(translation, as_version=4))
    made.cells[0].source = with_badge(made.cells[0].source, f"{translation.parent.name}/{translation.stem}")
    write_notebook(made, translation)
    return all_complaints(lesson, made, translation)


def follow(lesson: Path) -> list[str]:
    """The same for the translation of a lesson, if it has one."""
    return [complaint for path in TRANSLATIONS if original(path) == lesson for complaint in write(path)]


def links(text: str, folder: Path) -> Counter:
    """Where the links of a Markdown cell lead: addresses, and files of `folder`, a translation's as its original's."""
    text = "\n".join(line for line in text.splitlines() if "colab-badge" not in line)
    where = [re.sub("#.*", "#", target) for target in _LINK.findall(text)]
    files = [target if re.match("https?:|#", target) else os.path.normpath(folder / target) for target in where]
    return Counter(str(file).replace("/notebooks/ko/", "/notebooks/") for file in files)


# The rules: what a translation has of its lesson


def same_cells(lesson, made, path):
    """Kinds and ids of the cells, code, outputs and tags are the lesson's."""
    if [(cell.cell_type, cell.id) for cell in lesson.cells] != [(cell.cell_type, cell.id) for cell in made.cells]:
        return ["other cells than the lesson's: python -m tools.translations"]
    pairs = zip(lesson.cells, made.cells, strict=True)
    differ = [one.id for one, other in pairs if {**one, "source": 0} != {**other, "source": 0}]
    code = [
        one.id
        for one, other in zip(lesson.cells, made.cells, strict=True)
        if one.cell_type == "code" and one.source != other.source
    ]
    return [f"cells {sorted({*differ, *code})} differ: python -m tools.translations"] if differ or code else []


def in_korean(lesson, made, path):
    """Every Markdown cell is translated."""
    cells = [cell for cell in made.cells if cell.cell_type == "markdown"]
    return [f"cell {cell.id} is not in Korean" for cell in cells if not re.search("[가-힣]", cell.source)]


def nothing_lost(lesson, made, path):
    """Every number, piece of code and link of the lesson's text is in the translation's."""
    complaints, words = [], {cell.id: cell.source for cell in made.cells}
    for cell in lesson.cells:
        if cell.cell_type != "markdown" or cell.id not in words:
            continue
        for what, pattern in {"number": r"\d+(?:[.,]\d+)*", "code": r"`[^`]+`"}.items():
            theirs, ours = (re.findall(pattern, _LINK.sub("", text)) for text in (cell.source, words[cell.id]))
            complaints += [f"cell {cell.id} lacks the {what} {one}" for one in sorted({*theirs} - {*ours})]
        lost = links(cell.source, LESSONS) - links(words[cell.id], LESSONS / "ko")
        complaints += [f"cell {cell.id} lacks a link to {where}" for where in lost]
    return complaints


def links_lead_somewhere(lesson, made, path):
    """Files that are linked are there, and so are headings of the lesson itself."""
    complaints, text = [], "\n".join(cell.source for cell in made.cells if cell.cell_type == "markdown")
    headings = {re.sub(r"\s", "-", title) for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}
    for target in _LINK.findall(text):
        file, _, heading = target.partition("#")
        if not re.match("https?:", target) and not (path.parent / file).exists():
            complaints.append(f"nothing is at {target}")
        elif not file and heading not in headings:
            complaints.append(f"no heading is called {heading}")
    return complaints + ([] if badge(f"ko/{path.stem}") in text else ["no badge that opens it: tools.translations"])


def emphasis_ends(lesson, made, path):
    """Emphasis that ends in a sign, with a particle right behind it, is no emphasis: Markdown shows the asterisks."""
    texts = [re.sub("`[^`]*`", "`", cell.source) for cell in made.cells if cell.cell_type == "markdown"]
    pairs = [found for text in texts for found in _BOLD.finditer(text)]
    ends = [found[0] for found in pairs if found[3] and not found[2][-1].isalnum()]
    return [f"{end} stands before a letter: let it end in one, too" for end in ends]


RULES = [same_cells, in_korean, nothing_lost, links_lead_somewhere, emphasis_ends]


def all_complaints(lesson, made, path: Path) -> list[str]:
    """What all rules have against the translation `made` of `lesson`, whose file is `path`."""
    return [complaint for rule in RULES for complaint in rule(lesson, made, path)]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(__doc__)
    for translation in TRANSLATIONS:
        print(translation.name, *write(translation), sep="\n  ")
