"""The report at the end of a test run: seconds a lesson, a limit that counts, and lessons that must find real data."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tests import conftest


def test_only_three_times_its_limit_fails_a_lesson():
    notebook, cell = 3 * conftest.NOTEBOOK_LIMIT, 3 * conftest.CELL_LIMIT
    assert not conftest.too_slow([cell, cell, notebook - 2 * cell])
    assert conftest.too_slow([cell + 0.1, 0])
    assert conftest.too_slow([cell, cell, notebook - 2 * cell, 0.1])


@pytest.mark.parametrize("line", ["real data: camvid 367/101", "x\nreal data: camvid 24 \n", "real data: voc not here"])
def test_what_a_lesson_may_say_of_real_data(line, tmp_path):
    (tmp_path / "camvid").mkdir()
    conftest.complain_about_real_data(line, str(tmp_path))


@pytest.mark.parametrize("line", ["", "camvid 367/101", "real data: camvid not here", "real data: camvid 0 found"])
def test_what_a_lesson_may_not_say_of_real_data(line, tmp_path):
    (tmp_path / "camvid").mkdir()
    with pytest.raises(AssertionError, match="real data"):
        conftest.complain_about_real_data(line, str(tmp_path))


def report(folder: Path, *cells, limit: int, data: Path) -> tuple[int, str]:
    """Exit status and words of pytest on a lesson with these cells, in a project with this limit a lesson."""
    (folder / "tests").mkdir()
    (folder / "notebooks").mkdir()
    shutil.copy(conftest.__file__, folder / "tests")
    nbformat.write(new_notebook(cells=[*cells]), folder / "notebooks" / "99_lesson.ipynb")
    plugin = f"import conftest\nconftest.NOTEBOOK_LIMIT = {limit}\ndef test_nothing(): pass\n"
    (folder / "tests" / "test_nothing.py").write_text(plugin)
    arguments = ["-m", "pytest", "--nbval-lax", "--nbval-current-env", "tests", "notebooks"]
    environment = os.environ | {"SEGEDU_DATA": str(data)}
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("limit", [90, 0])
def test_a_slow_lesson_fails_the_run(tmp_path, limit):
    status, words = report(tmp_path, new_code_cell("import time; time.sleep(0.5)"), limit=limit, data=tmp_path)
    assert "2 passed" in words and "notebooks/99_lesson.ipynb (slowest 0." in words
    assert status == (0 if limit else 1)
    assert ("slower than" in words) == (not limit)


@pytest.mark.slow
@pytest.mark.parametrize("count", ["367/101", "nowhere"])
def test_a_lesson_that_misses_the_real_data_fails(tmp_path, count):
    (tmp_path / "camvid").mkdir()
    cell = new_code_cell(f"print('real data: camvid {count}')", metadata={"tags": ["real-data"]})
    status, words = report(tmp_path, cell, limit=90, data=tmp_path)
    assert status == (0 if "/" in count else 1)
    assert ("has camvid, but the cell printed" in words) == ("/" not in count)
