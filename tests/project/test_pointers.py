"""Every pointer leads somewhere: to a lesson, a section, a heading, a cell, a file, a command, or a name of the code.

All of the lessons, exercises, solutions, pages and cards is walked, and of the code what a reader sees of it.
What is numbered here are lessons and their sections; cells, figures, tables and exercises are not, so that a "figure 3"
must be a paper's. What TEACHING.md quotes, test_teaching.py compares; whether badges lead to the learner edition,
test_learner.py.
"""

import inspect
import re

import pytest

from tests import pointers, pointers_of_code
from tests.pointers import BOOKS, CODE, LESSONS, PAGES, ROOT, Piece, cells, pieces
from tests.project.test_docstrings import offered
from tools.cells import REPOSITORY, SOLUTIONS

RULES = [
    pointers.lessons, pointers.sections, pointers.quoted_headings, pointers.without_numbers, pointers.near,
    pointers.links, pointers.files, pointers_of_code.commands, pointers_of_code.names,
]  # fmt: skip


def complaints(piece: Piece) -> list[str]:
    """What is wrong with the pointers of a piece, each with its file, cell and line."""
    return [
        f"{piece.path.relative_to(ROOT)}: {piece.place}line {piece.text.count(chr(10), 0, at) + 1}: {pointer}: {why}"
        for rule in RULES
        for at, pointer, why in rule(piece)
    ]


@pytest.mark.parametrize("path", [*BOOKS, *PAGES, *CODE], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_pointer_leads_somewhere(path):
    found = [complaint for piece in pieces(path) for complaint in complaints(piece)]
    assert not found, "\n".join(found)


def test_the_first_lesson_leads_to_every_other():
    text = "".join(piece.text for piece in pieces(LESSONS["00"]))
    assert [path.name for number, path in LESSONS.items() if number != "00" and f"]({path.name})" not in text] == []


def test_the_lesson_of_a_docstring_has_the_name():
    """Of names that some lesson calls; many others only serve what a lesson is about."""
    words, calls, wrong = dict.fromkeys(LESSONS, frozenset()), dict.fromkeys(LESSONS, frozenset()), {}
    for number, path in [*LESSONS.items(), *((path.stem, path) for path in SOLUTIONS)]:
        code = "\n".join(cell["source"] for cell in cells(path) if cell["cell_type"] == "code")
        imported = re.findall(r"^from segedu[.\w]* import (.+)", code, re.MULTILINE)
        calls[number] |= {*re.findall(r"\w+\.\w+", code), *re.findall(r"\w+", " ".join(imported))}
        words[number] |= {*re.findall(r"\w+", " ".join(cell["source"] for cell in cells(path)))}
    for name, item in offered().items():
        room, short = name.split(".")[-2:]
        users = [number for number, called in calls.items() if {short, f"{room}.{short}"} & called]
        spoken = " ".join(found[1] for found in pointers.SPOKEN.finditer(inspect.getdoc(item)))
        told = [number for number in LESSONS if re.search(rf"\b{number}\b", spoken)]
        if told and users and not any(short in words[number] for number in told):
            wrong[name] = f"says {told}, and is called in {users}"
    assert wrong == {}


LESSON, PAGE, MODULE = LESSONS["08"], ROOT / "README.md", ROOT / "segedu" / "labels.py"
SOUND = [  # (where it stands, text): each holds a pointer of one kind that is right
    (LESSON, "lessons 04, 05 and 11a to 12"),
    (LESSON, "[05](05_fcn.ipynb), [lesson 11b](11b_judging_objects.ipynb)"),
    (LESSON, "see sections 3, 7 and 8, or section 10 of lesson 04"),
    (LESSON, "(FCN, § 4.2), figure 3 of the paper; table 4 (1606.00915)"),
    (LESSON, "see *Start* in the README, the README's section *Beyond the notebooks*; skip *Recap*"),
    (PAGE, "lesson 04, section 7; the longest, section 10"),
    (PAGE, "lesson 04, section 7, and section 3.2 of the paper"),
    (PAGE, "[start](#start), [t](notebooks/TEACHING.md#schedules), [c](data/cards), <img src=\"data/readme/00.jpg\">"),
    (PAGE, f"[s]({REPOSITORY}/blob/main/segedu/cli.py) [elsewhere](https://example.org/x)"),
    (PAGE, "`segedu/training/loop.py`, `nuclei.py`, data/cards/NAME.md, tests/segedu/test_NAME.py, `data/results`"),
    (PAGE, "`make site`, `make prove ARGS=\"NN --runs 20\"`, `python start.py pack DIR`, `python -m tools.gallery`"),
    (PAGE, "```\nsegedu train leaves --minutes 5 --out x\ntorchrun --n=2 -m segedu evaluate x y --split val\n```"),
    (PAGE, "`segedu data fetch NAME`, `segedu --version`"),
    (PAGE, "`segedu.fit`, `metrics.panoptic_quality(truth, found)`, `fit(model, train, steps=3)`, `PictureFolder`"),
    (MODULE, "VOC.labels is `VOC.labels`, and `labels.names` a variable's; see `segedu.crf.lattice`"),
]  # fmt: skip
FAULTS = [  # (where it stands, text, the pointer that leads nowhere, what is said)
    (LESSON, "lessons 04, 05 and 11", "04, 05 and 11", "no lesson has this number"),
    (LESSON, "as in Lesson 17", "17", "no lesson has this number"),
    (MODULE, "What it is. Lesson\n    # 99.", "99", "no lesson has this number"),
    (PAGE, "| after 11 | a table |", "11", "no lesson has this number"),
    (LESSON, "[05](06_unet.ipynb)", "06_unet", "leads to another lesson"),
    (LESSON, "see section 99", "section 99", "lesson 08 has no such section"),
    (LESSON, "see sections 3 and 99", "sections 3 and 99", "lesson 08 has no such section"),
    (LESSON, "see section 99 of lesson 04", "section 99", "lesson 04 has no such section"),
    (PAGE, "lesson 04, section 99", "section 99", "lesson 04 has no section 99"),
    (PAGE, "as section 3 says", "section 3", "say of which paper"),
    (PAGE, "see *Begin* in the README", "*Begin*", "README has no such heading"),
    (PAGE, "the README's section *Begin*", "*Begin*", "README has no such heading"),
    (LESSON, "With less time, skip *Recap* and *The poles*.", "The poles", "lesson 08 has no such heading"),
    (LESSON, "as figure 3 shows", "figure 3", "ours have no numbers"),
    (LESSON, "do exercise 2", "exercise 2", "ours have no numbers"),
    (LESSON, "as cell 12 shows", "cell 12", "cells have no numbers"),
    (PAGE, "[a](notebooks/99_new.ipynb)", "99_new", "no such file"),
    (PAGE, "<img src=\"data/readme/99.jpg\">", "99.jpg", "no such file"),
    (PAGE, f"[s]({REPOSITORY}/blob/main/segedu/none.py)", "none.py", "no such file"),
    (PAGE, "[start](#begin)", "#begin", "no such heading"),
    (LESSON, "[test](00_a_cup_from_a_few_strokes.ipynb#Before-lesson-02)", "#Before", "no such heading"),
    (MODULE, "see segedu/training/none.py", "none.py", "no such file"),
    (MODULE, "as in `none.py`", "none.py", "no such file"),
    (MODULE, "in data/none/NAME.json", "data/none", "no such file"),
    (PAGE, "say `make sites`", "make sites", "no such target"),
    (PAGE, "```\nmake prove ARGS=\"04 --laps 20\"\n```", "make prove", "--laps"),
    (PAGE, "`python start.py labs`", "labs", "no such command"),
    (MODULE, "    python -m tools.none [--dry]", "tools.none", "no such module"),
    (MODULE, "`python -m benchmarks.results NAME --wet`", "--wet", "--wet"),
    (PAGE, "`segedu learn leaves`", "segedu learn", "no command learn"),
    (PAGE, "```\nsegedu train leaves --hours 5\n```", "--hours", "--hours"),
    (PAGE, "```\ntorchrun --n=2 \\\n    -m segedu train leaves --hours 5\n```", "--hours", "--hours"),
    (LESSON, "call `segedu.fits`", "segedu.fits", "segedu.fits is not there"),
    (LESSON, "call `metrics.dense_crf`", "metrics.dense_crf", "metrics.dense_crf is not there"),
    (LESSON, "call `ToyStreet.fit`", "ToyStreet.fit", "ToyStreet.fit is not there"),
    (LESSON, "call `fit(model, train, laps=3)`", "laps=3", "fit takes no laps"),
    (MODULE, "see `nothing_such`", "nothing_such", "nothing is called nothing_such"),
]  # fmt: skip


def piece(path, text: str) -> Piece:
    return Piece(path, text, "cell 0, " if path == LESSON else "", "code" if path == MODULE else "markdown")


@pytest.mark.parametrize(("path", "text"), SOUND, ids=lambda value: str(value)[-40:])
def test_a_pointer_that_leads_somewhere_is_left_alone(path, text):
    assert complaints(piece(path, text)) == []


@pytest.mark.parametrize(("path", "text", "pointer", "words"), FAULTS, ids=lambda value: str(value)[-40:])
def test_each_fault_is_named(path, text, pointer, words):
    (said,) = complaints(piece(path, text))
    assert pointer in said and words in said and said.startswith(path.relative_to(ROOT).as_posix())


@pytest.mark.parametrize("text", ["The next cell draws it.", "as the figure below shows", "run the cells below"])
def test_what_stands_nowhere_near_is_seen(text):
    last = Piece(LESSON, text, f"cell {len(cells(LESSON)) - 1}, ")
    assert len(complaints(last)) == 1 and complaints(piece(LESSON, text.replace("next cell", "cells below"))) == []
