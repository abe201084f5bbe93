"""Korean lessons have the code and outputs of their originals, lose nothing, and use the glossary's words."""

import copy
import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests.project.test_glossary import ROWS
from tools import publish, translations
from tools.cells import NOTEBOOKS, ROOT, TRANSLATIONS, badge, prose

PAIRS = {
    path.stem: (nbformat.read(translations.original(path), as_version=4), nbformat.read(path, as_version=4), path)
    for path in TRANSLATIONS
}


def test_there_are_translations():
    assert {"00_a_cup_from_a_few_strokes", "04_training"} <= PAIRS.keys()


@pytest.mark.parametrize("rule", translations.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("name", PAIRS)
def test_a_translation_has_what_its_lesson_has(name, rule):
    assert rule(*PAIRS[name]) == []


@pytest.mark.parametrize("name", PAIRS)
def test_lessons_that_are_named_are_there(name):
    known = {path.stem.partition("_")[0] for path in NOTEBOOKS}
    named = re.findall(r"(\d\d[ab]?)강", prose(PAIRS[name][1].cells))
    assert named and {one for one in named if not any(number.startswith(one) for number in known)} == set()


@pytest.mark.parametrize("name", PAIRS)
def test_the_words_are_the_glossarys(name):
    ours = {word for row in ROWS for word in re.findall("[가-힣]+(?: [가-힣]+)*", row[1])}
    others = {word.strip(): row[1] for row in ROWS for word in re.split("[,()]", row[2]) if re.search("[가-힣]", word)}
    text = prose(PAIRS[name][1].cells)
    used = {word: right for word, right in others.items() if word in text and not any(word in one for one in ours)}
    assert "합성곱" in ours and "컨볼루션" in others and used == {}


@pytest.mark.parametrize("name", PAIRS)
def test_its_first_cell_leads_to_all_that_is_in_korean(name):
    _, made, path = PAIRS[name]
    readme = f"{publish.repository()}/blob/main/README.ko.md"  # by its address: a copy of the lessons is without it
    wanted = {readme, "../GLOSSARY.md", *(other.name for other in TRANSLATIONS if other != path)}
    assert wanted - {*re.findall(r"\]\(([^)\s]+)\)", made.cells[0].source)} == set()


SO = "**그래서** *이것*(*this*)과 *저것*(*that*)도 그렇습니다."


def pair():
    """A lesson of three cells, and its translation."""
    words = "# 99 · Words\n\nSee [one](00_a_cup_from_a_few_strokes.ipynb), [the end](#End): 0.5 of `x`.\n\n## End"
    code = new_code_cell("x = 1", id="b", outputs=[new_output("stream", name="stdout", text="1\n")])
    lesson = new_notebook(cells=[new_markdown_cell(words, id="a"), code, new_markdown_cell("*So.*", id="c")])
    made = copy.deepcopy(lesson)
    link = "[첫 강](00_a_cup_from_a_few_strokes.ipynb)"
    made.cells[0].source = f"# 99 · 말\n\n{badge('ko/99')}\n\n{link}과 [끝](#끝-부분): `x`의 0.5.\n\n## 끝 부분"
    made.cells[2].source = SO
    return lesson, made, ROOT / "notebooks" / "ko" / "99.ipynb"


def test_a_sound_translation_has_no_complaints():
    assert translations.all_complaints(*pair()) == []


FAULTS = [
    (0, "0.5", "0,5", "cell a lacks the number 0.5"),
    (0, "`x`", "x", "lacks the code `x`"),
    (0, "00_a", "../01_a", "nothing is at ../01_a"),
    (0, "00_a", "../01_a", "lacks a link to"),
    (0, "## 끝 부분", "## 끝", "no heading is called 끝-부분"),
    (0, "ko/99", "99", "no badge"),
    (1, "x = 1", "x = 2", "cells ['b'] differ"),
    (2, SO, "*So.*", "cell c is not in Korean"),
    (2, "**그래서**", "**그래(서)**는", "**그래(서)**는 stands before a letter"),
    (2, "*this*)", "*this!*과)", "*this!*과 stands before a letter"),
]


@pytest.mark.parametrize(("number", "old", "new", "words"), FAULTS)
def test_each_fault_is_named(number, old, new, words):
    lesson, made, path = pair()
    made.cells[number].source = made.cells[number].source.replace(old, new)
    said = translations.all_complaints(lesson, made, path)
    assert any(words in complaint for complaint in said), said


@pytest.mark.parametrize(
    "change",
    [
        lambda cells: cells[1].outputs[0].update(text="2\n"),
        lambda cells: cells[1].metadata.update(tags=["proof"]),
        lambda cells: cells[1].update(execution_count=7),
        lambda cells: cells[2].update(id="d"),
        lambda cells: cells.pop(),
        lambda cells: cells.reverse(),
    ],
)
def test_other_outputs_tags_or_cells_are_seen(change):
    lesson, made, path = pair()
    change(made.cells)
    assert "tools.translations" in " ".join(translations.same_cells(lesson, made, path))


def test_a_translation_follows_its_lesson(tmp_path, monkeypatch):
    lesson, made, _ = pair()
    path = tmp_path / "ko" / "99.ipynb"
    path.parent.mkdir()
    nbformat.write(made, path)
    lesson.cells[1].source = "x = 3"
    lesson.cells[1].outputs[0].text = "3\n"
    lesson.cells.insert(1, new_markdown_cell("New, with 7.", id="n"))
    nbformat.write(lesson, tmp_path / "99.ipynb")
    monkeypatch.setattr(translations, "TRANSLATIONS", [path])
    said = translations.follow(tmp_path / "99.ipynb")
    assert "cell n is not in Korean" in said and not any("differ" in complaint for complaint in said)
    stored = nbformat.read(path, as_version=4)
    assert [cell.source for cell in stored.cells[1:3]] == ["New, with 7.", "x = 3"]
    assert stored.cells[0] == made.cells[0] and stored.cells[3] == made.cells[2]
    assert translations.follow(tmp_path / "98.ipynb") == []
