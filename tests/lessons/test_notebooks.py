"""Every stored lesson has the form that readers, GitHub and Colab need; that it runs, nbval tests."""

import re

import nbformat
import pytest

from tools.cells import NOTEBOOKS, ROOT, SOLUTIONS
from tools.notebook_form import RULES


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_form(path, rule):
    complaints = rule(nbformat.read(path, as_version=4), path.stem)
    assert not complaints, "\n".join([path.name, *complaints])


NUMBERS = {path.stem.partition("_")[0] for path in NOTEBOOKS}
SPOKEN = re.compile(r"[Ll]essons? (\d\d[ab]?)(?:(?:,| and| to) (\d\d[ab]?))?")


def unknown(text: str) -> set[str]:
    """The numbers of lessons that a text names and no file has."""
    return {number for pair in SPOKEN.findall(text) for number in pair if number} - NUMBERS


@pytest.mark.parametrize("path", [*NOTEBOOKS, *SOLUTIONS], ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_lesson_that_is_named_is_there(path):
    assert not unknown("\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells))


def test_docstrings_and_pages_name_lessons_that_are_there():
    pages = [*(ROOT / "segedu").rglob("*.py"), *(ROOT / "data").rglob("*.md"), ROOT / "README.md"]
    assert {page.name: names for page in pages if (names := unknown(page.read_text(encoding="utf-8")))} == {}


def test_a_lesson_that_is_not_there_is_seen():
    assert unknown("see lesson 01a, lessons 02 and 99, or lesson 01") == {"99", "01"}
