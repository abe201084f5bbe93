"""The runner stores what a reader should see, all of it or nothing."""

import importlib.util
import json
import os
import sys
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from segedu import runtime
from tools import store_notebooks as runner
from tools.cells import METADATA, SETUP, WIDGET, badge, set_up


def stream(text: str, name: str = "stdout"):
    return new_output("stream", name=name, text=text)


def test_prepare_puts_badge_and_set_up_cell_once():
    notebook = new_notebook(cells=[new_markdown_cell("# 04 Training\n\nWords."), new_code_cell("x = 1")])
    for _ in range(2):
        runner.prepare(notebook, "04_training")
        assert notebook.cells[0].source == f"# 04 Training\n\n{badge('04_training')}\n\nWords."
        assert [cell.source for cell in notebook.cells[1:]] == [SETUP, "x = 1"]
        assert notebook.cells[1].metadata.tags == ["setup"]
    notebook.cells[1].source = "an old set-up"
    runner.prepare(notebook, "04_training")
    assert notebook.cells[1].source == SETUP and len(notebook.cells) == 3


def test_clean_leaves_what_a_reader_should_see():
    outputs = [
        stream("  0%\r 50%\r100%\nloss 0.5  \n\n"),
        stream("3it/s", "stderr"),
        stream("\n"),
        new_output("display_data", data={WIDGET: {"model_id": "1"}, "text/plain": "HBox()"}),
        new_output("display_data", data={"image/png": "iVBORw0=", "text/plain": "<Figure size 640x480 with 1 Axes>"}),
        new_output("execute_result", data={"text/plain": "<Net>"}),
        new_output("error", ename="MaskError", evalue="too many classes", traceback=["File /home/ada/x.py", "…"]),
    ]
    cells = [
        new_code_cell("x", outputs=outputs, metadata={"scrolled": True, "tags": ["raises-exception"], "execution": {}}),
        new_code_cell("check.guess(guess, 3)"),
        new_code_cell("assert x", metadata={"tags": ["proof"]}),
    ]
    language = {"name": "python", "version": "3.11.7"}
    notebook = new_notebook(cells=cells, metadata={"widgets": {}, "language_info": language})
    runner.clean(notebook)
    first, answer, proof = notebook.cells
    assert notebook.metadata == METADATA and nbformat.validate(notebook) is None
    assert first.metadata == {"tags": ["raises-exception"]}
    assert answer.metadata == {"collapsed": True, "jupyter": {"outputs_hidden": True}}
    folded = {"jupyter": {"source_hidden": True}, "cellView": "form", "_kg_hide-input": True}
    assert proof.metadata == {"tags": ["proof", "hide-input"], **folded}
    text, picture, result, error = first.outputs
    assert text.text == "100%\nloss 0.5\n"
    assert picture.data == {"image/png": "iVBORw0="} and result.data == {"text/plain": "<Net>"}
    assert error.traceback == ["MaskError: too many classes"]


@pytest.fixture
def lesson(tmp_path, monkeypatch):
    """store() on a lesson of one given cell: whether it was stored, and the file. The set-up cell is a short one."""
    monkeypatch.setattr(runner, "SETUP", "import os, sys")

    def store(source: str, *tags: str):
        path = tmp_path / "99_lesson.ipynb"
        cells = [new_markdown_cell("# 99"), new_code_cell(source, metadata={"tags": [*tags]})]
        nbformat.write(new_notebook(cells=cells), path)
        before = path.read_bytes()
        stored = runner.store(path)
        assert stored or path.read_bytes() == before
        return stored, json.loads(path.read_text())

    return store


def test_a_lesson_that_ran_is_stored(lesson, capsys):
    stored, notebook = lesson("print(2 + 2, file=sys.stderr)\n2 + 3")
    assert stored
    code = notebook["cells"][2]
    assert code["execution_count"] == 2 and code["metadata"] == {}
    assert [output["data"] for output in code["outputs"]] == [{"text/plain": ["5"]}]
    assert "slowest cell" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import warnings\nwarnings.warn('old')", "UserWarning: old"),
        ("print('real data: camvid 367/101')", "real data"),
    ],
)
def test_a_lesson_that_fails_warns_or_met_real_data_is_not_stored(lesson, capsys, source, said):
    stored, _ = lesson(source, *(["real-data"] if "real" in source else []))
    printed = capsys.readouterr().out
    assert not stored and "NOT stored" in printed and said in printed


def test_kernels_see_weights_and_no_pictures(tmp_path, monkeypatch):
    data = tmp_path / "shared"
    for name in ("weights", "camvid"):
        (data / name).mkdir(parents=True)
        (data / name / "file").touch()
    monkeypatch.setattr(os, "environ", {"SEGEDU_DATA": str(data)})
    (tmp_path / "scratch").mkdir()
    runner.be_a_plain_machine(tmp_path / "scratch", avx2=False)
    seen = Path(os.environ["SEGEDU_DATA"])
    assert sorted(path.relative_to(seen).as_posix() for path in seen.rglob("*")) == ["weights", "weights/file"]
    assert (
        os.environ["OMP_NUM_THREADS"] == "2" and os.environ["SEGEDU_STRICT"] and "ONEDNN_MAX_CPU_ISA" not in os.environ
    )


# The set-up cell

WHEEL = "https://github.com/3d-ada/segedu/releases/download/v0.1.0/segedu-0.1.0-py3-none-any.whl#sha256=" + "0e7b" * 16


@pytest.fixture
def cell(tmp_path, monkeypatch):
    """Run a set-up cell in the folder tmp_path/clone/notebooks; the pip commands that it gave."""
    folder = tmp_path / "clone" / "notebooks"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [*sys.path])
    commands = []

    class Shell:
        def run_line_magic(self, *words):
            commands.append(" ".join(words))

    def run(source):
        with runtime.preserved_rng():
            exec(TransformerManager().transform_cell(source), {"get_ipython": Shell})
        return commands

    return run


both = pytest.mark.parametrize("wheel", [WHEEL, ""], ids=["released", "not released"])


@both
def test_set_up_cell_is_short(wheel):
    assert len([line for line in set_up(wheel).splitlines() if line]) <= 12


@both
def test_set_up_in_a_clone_takes_its_package(cell, wheel, tmp_path, capsys):
    (tmp_path / "clone" / "segedu").mkdir()
    (tmp_path / "clone" / "segedu" / "__init__.py").touch()
    assert cell(set_up(wheel)) == []
    assert sys.path[0] == str(tmp_path / "clone")
    assert capsys.readouterr().out.startswith("torch ")


@both
def test_set_up_where_segedu_is_installed_leaves_the_path_alone(cell, wheel):
    before = [*sys.path]
    assert cell(set_up(wheel)) == [] and sys.path == before


def test_set_up_on_colab_installs_the_released_wheel_and_no_other(cell, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert cell(set_up(WHEEL)) == [f'pip install -q "{WHEEL}"']


def test_set_up_on_colab_says_what_to_do_before_there_is_a_wheel(cell, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"^segedu is not here, .*`python start\.py release"):
        cell(set_up(""))
    assert cell("") == []
