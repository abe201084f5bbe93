"""start.py sets up once, never touches what a reader wrote, and says in one sentence what it lacks."""

import ast
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from notebook_form import ROOT

SOURCE = (ROOT / "start.py").read_text(encoding="utf-8")


@pytest.fixture
def start(tmp_path):
    """start.py's names, run in a project of its own with one lesson."""
    (tmp_path / "start.py").write_text(SOURCE, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    lesson(tmp_path / "notebooks" / "00_cup.ipynb", "guess = 1")
    return runpy.run_path(str(tmp_path / "start.py"))


def lesson(path: Path, source: str) -> None:
    answer = {
        "cell_type": "code", "source": source, "execution_count": 3,
        "outputs": [{"output_type": "stream", "name": "stdout", "text": "größer"}],
        "metadata": {"tags": ["x"], "collapsed": True, "jupyter": {"outputs_hidden": True, "source_hidden": True}},
    }  # fmt: skip
    words = {"cell_type": "markdown", "source": "# Größe", "metadata": {}}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"cells": [words, answer], "metadata": {}, "nbformat": 4}), encoding="utf-8")


@pytest.fixture
def calls(start, monkeypatch):
    """The commands that start.py gives, none of which is carried out; `calls.fail` names a word that fails."""

    class Calls(list):
        fail = None

        def __call__(self, command, **options):
            self.append([str(word) for word in command])
            if "venv" in self[-1]:
                start["PYTHON"].parent.mkdir(parents=True)
                start["PYTHON"].touch()
            return int(self.fail in self[-1])

    calls = Calls()
    monkeypatch.setattr(subprocess, "call", calls)
    return calls


def test_it_is_short_and_needs_only_the_standard_library():
    assert len(SOURCE.splitlines()) < 90
    nodes = [*ast.walk(ast.parse(SOURCE))]
    modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {"hashlib", "pathlib"} <= modules <= sys.stdlib_module_names


def test_an_old_python_gets_one_sentence(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 4, "final", 0))
    with pytest.raises(SystemExit, match=r"^segedu needs Python 3\.11 or newer, and this is 3\.10: [^\n]*\.$"):
        runpy.run_path(str(ROOT / "start.py"))


def test_it_installs_once_and_again_when_the_project_changes(start, calls, tmp_path):
    start["install"]()
    assert [("venv" in call, "pip" in call) for call in calls] == [(True, False), (False, True)]
    assert calls[1][-2:] == ["-e", ".[lab,test]"]
    start["install"]()
    assert len(calls) == 2
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    start["install"]()
    assert len(calls) == 3 and "pip" in calls[2]


def test_a_failed_installation_is_tried_again(start, calls):
    calls.fail = "pip"
    for _ in range(2):
        with pytest.raises(SystemExit, match="installation failed"):
            start["install"]()
    assert [("pip" in call) for call in calls] == [False, True, True]


def test_a_failed_environment_leaves_nothing(start, calls, tmp_path):
    calls.fail = "venv"
    with pytest.raises(SystemExit, match=r"\.venv"):
        start["install"]()
    assert not (tmp_path / ".venv").exists()


def test_the_working_copy_has_no_outputs_and_unfolded_answers(start, tmp_path):
    start["refresh_working_copy"](False)
    words, answer = json.loads((tmp_path / "my_lessons" / "00_cup.ipynb").read_text(encoding="utf-8"))["cells"]
    assert words["source"] == "# Größe" and answer["source"] == "guess = 1"
    assert answer["outputs"] == [] and answer["execution_count"] is None
    assert answer["metadata"] == {"tags": ["x"], "jupyter": {"source_hidden": True}}
    stored = json.loads((tmp_path / "notebooks" / "00_cup.ipynb").read_text(encoding="utf-8"))
    assert stored["cells"][1]["outputs"][0]["text"] == "größer"


def test_the_readers_lesson_stays_and_a_new_one_comes(start, tmp_path):
    start["refresh_working_copy"](False)
    mine = tmp_path / "my_lessons" / "00_cup.ipynb"
    mine.write_text("my work")
    lesson(tmp_path / "notebooks" / "01_masks.ipynb", "x")
    lesson(tmp_path / "notebooks" / ".ipynb_checkpoints" / "01_masks-checkpoint.ipynb", "x")
    start["refresh_working_copy"](False)
    assert mine.read_text() == "my work"
    assert sorted(path.name for path in (tmp_path / "my_lessons").iterdir()) == ["00_cup.ipynb", "01_masks.ipynb"]


def test_a_fresh_copy_keeps_the_old_one(start, tmp_path):
    start["refresh_working_copy"](True)
    (tmp_path / "my_lessons" / "00_cup.ipynb").write_text("my work")
    start["refresh_working_copy"](True)
    (old,) = tmp_path.glob("my_lessons-*")
    assert (old / "00_cup.ipynb").read_text() == "my work"
    assert (tmp_path / "my_lessons" / "00_cup.ipynb").read_text() != "my work"


@pytest.mark.parametrize("command", [[], ["lesson"]])
def test_an_unknown_command_is_answered_with_the_known_ones(command):
    done = subprocess.run([sys.executable, ROOT / "start.py", *command], capture_output=True, text=True)
    assert done.returncode == 1 and "lab" in done.stderr and "notebooks" in done.stderr


def test_address_needs_no_environment(start, calls):
    with pytest.raises(SystemExit) as left:
        start["main"]("address", "https://github.com/ada/segedu")
    assert left.value.code == 0 and [call[0] for call in calls] == [sys.executable]
    assert calls[0][-2:] == ["address", "https://github.com/ada/segedu"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no make")
def test_make_calls_start():
    inherited = ("ARGS", "FRESH", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")  # from the `make test` that runs this
    outside = {name: value for name, value in os.environ.items() if name not in inherited}

    def said(*arguments):
        return subprocess.check_output(["make", "-n", *arguments], cwd=ROOT, env=outside, text=True).strip()

    assert said("lab", "FRESH=1", "ARGS=--no-browser") == "python3 start.py lab --fresh --no-browser"
    assert said("test-fast").split() == ["python3", "start.py", "fast"]
    for target in ("lab", "test", "notebooks", "lint", "bench"):
        assert said(target).split() == ["python3", "start.py", target]
