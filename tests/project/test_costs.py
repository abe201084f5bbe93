"""What each lesson takes, as README and TEACHING tell it."""

import re
import sys

import nbformat
import pytest

from tools import costs
from tools.cells import NOTEBOOKS, ROOT

MADE = {"seconds": 75.0, "cores": 1.52, "megabytes": 1849}
ROW = "| [04 · Training](notebooks/04_training.ipynb) | one weight, 2 | 1.0 | a loop |\n"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_a_lesson_that_computes_and_holds_memory_is_seen_to(tmp_path):
    cell = "import time\nheld = bytearray(300_000_000)\nwhile time.process_time() < 3:\n    pass"
    path = tmp_path / "99_burns.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)]), path)
    cost = costs.run(path)
    assert cost["seconds"] > 3 and 300 < cost["megabytes"] < 600
    assert 2.7 < cost["cores"] * cost["seconds"] < 9  # both are rounded; the kernel's start computes, too


def test_minutes_change_in_their_column_only():
    other = ROW.replace("04", "05")
    for row in (ROW, ROW.replace("notebooks/", "notebooks/ko/")):
        assert costs.with_minutes(row + other, {"04_training": MADE}) == row.replace("1.0", "1.2") + other


def test_the_table_of_memory_is_made_anew_and_nothing_else_changes():
    text = "Before.\n\n| lesson | peak memory |\n| --- | ---: |\n| old | 1.0 GB |\n\nAfter | all.\n"
    changed = costs.with_memory(text, {"04_training": MADE})
    assert "| [04](04_training.ipynb) | 1.8 GB | 1.5 |\n\nAfter | all." in changed and "old" not in changed
    assert costs.with_memory(changed, {"04_training": MADE}) == changed


@pytest.mark.skipif(not costs.RESULTS.exists(), reason="nothing is stored yet")
def test_the_tables_tell_every_lesson_as_it_is_stored():
    lessons = costs.stored()
    assert set(lessons) == {path.stem for path in NOTEBOOKS}
    for path in costs.READMES:
        readme = path.read_text(encoding="utf-8")
        assert costs.with_minutes(readme, lessons) == readme, f"python -m tools.costs --write would change {path.name}"
        rows = re.findall(
            r"^\| \[[^\]]*\]\(notebooks/(?:ko/)?(\w+)\.ipynb\) \| [^|]* \| [\d.]+ \|", readme, re.MULTILINE
        )
        assert rows == [path.stem for path in NOTEBOOKS]
    teaching = (ROOT / "notebooks" / "TEACHING.md").read_text(encoding="utf-8")
    assert costs.with_memory(teaching, lessons) == teaching and all(f"({stem}.ipynb) |" in teaching for stem in lessons)
