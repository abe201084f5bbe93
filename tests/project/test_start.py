"""start.py sets up once, never touches what a reader wrote, and says in one sentence what it lacks."""

import ast
import json
import os
import platform
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import pytest

from tools.cells import ROOT

SOURCE = (ROOT / "start.py").read_text(encoding="utf-8")


@pytest.fixture
def start(tmp_path):
    """start.py's names, run in a project of its own with one lesson."""
    (tmp_path / "start.py").write_text(SOURCE, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "tools").mkdir()
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
def computer(start, monkeypatch, tmp_path, capsys):
    """A computer on which start.py's commands are only noted, but making an environment, which makes the file python.

    Set before: `programs` it has; `fails`, words whose commands end with 1, or with the status that is given for them.
    Read after: `calls`, the commands; `said`, what start.py had printed before each; `threads`, OMP_NUM_THREADS.
    """

    class Computer(types.SimpleNamespace):
        def called(self, word: str) -> list[list[str]]:
            return [call for call in self.calls if word in call]

    computer = Computer(programs={}, fails={}, calls=[], said=[], threads=[], card=False)

    class Process:
        def __init__(self, command, env=None, **options):
            command = [str(word) for word in command]
            computer.calls.append(command)
            computer.said.append(capsys.readouterr().out)
            computer.threads.append((env or {}).get("OMP_NUM_THREADS"))
            if "venv" in command:
                python = Path(command[-1], start["SCRIPTS"], "python.exe" if os.name == "nt" else "python")
                python.parent.mkdir(parents=True)
                python.touch()
            self.returncode = next((status for word, status in computer.fails.items() if word in command), 0)
            self.stdout = [f"{command[0]}: a line\n", "its last words\n"]

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def wait(self):
            return self.returncode

    exists = Path.exists
    monkeypatch.setattr(subprocess, "Popen", Process)
    monkeypatch.setattr(subprocess, "call", lambda command: Process(command).returncode)
    monkeypatch.setattr(shutil, "which", lambda program, path=None: computer.programs.get(program))
    monkeypatch.setattr(
        Path, "exists", lambda path: computer.card if str(path) == "/proc/driver/nvidia" else exists(path)
    )
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return computer


def test_it_is_short_and_needs_only_the_standard_library():
    assert len(SOURCE.splitlines()) < 245
    nodes = [*ast.walk(ast.parse(SOURCE))]
    modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {"hashlib", "pathlib"} <= modules <= sys.stdlib_module_names


def test_an_old_python_gets_one_sentence(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 4, "final", 0))
    with pytest.raises(SystemExit, match=r"^segedu needs Python 3\.11 or newer, and this is 3\.10: [^\n]*\.$"):
        runpy.run_path(str(ROOT / "start.py"))


def test_an_old_python_can_read_it():
    ast.parse(SOURCE, feature_version=(3, 6))


def test_it_installs_what_is_asked_once_and_again_when_the_project_changes(start, computer, tmp_path):
    for extras in (["lab"], ["lab"], ["lab", "test"], ["test"], ["lab"]):
        start["install"](*extras)
    assert ["venv" in call for call in computer.calls] == [True, False, False]
    assert [call[-2:] for call in computer.calls[1:]] == [["-e", ".[lab]"], ["-e", ".[test]"]]
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    start["install"]("lab")
    start["install"]("lab", "test")
    assert [call[-1] for call in computer.calls[3:]] == [".[lab]", ".[test]"]


def test_a_reader_installs_less_than_a_tester(start, computer):
    for name, wanted in {"lab": [".[lab]"], "fast": [".[test]"]}.items():
        computer.calls.clear()
        with pytest.raises(SystemExit):
            start["main"](name)
        assert [call[-1] for call in computer.called("pip")] == wanted


def test_an_installation_that_succeeds_says_its_size_and_no_more(start, computer, capsys):
    computer.programs["nvidia-smi"] = "/usr/bin/nvidia-smi"
    start["install"]("lab")
    (said,) = filter(None, computer.said)
    assert re.fullmatch(r"Installing into \.venv, once: .* GB .* minutes.*\n", said)
    assert capsys.readouterr().out == ""


def test_a_failed_installation_says_everything_and_is_tried_again(start, computer, capsys):
    computer.fails["pip"] = 1
    for _ in range(2):
        with pytest.raises(SystemExit, match="installation failed"):
            start["install"]("lab")
        assert capsys.readouterr().out.endswith("a line\nits last words\n")
    assert [("pip" in call) for call in computer.calls] == [False, True, True]


def test_a_failed_environment_leaves_nothing(start, computer, tmp_path, monkeypatch):
    computer.fails["venv"] = 1
    with pytest.raises(SystemExit, match=r"\.venv"):
        start["install"]("lab")
    assert not (tmp_path / ".venv").exists()

    def stopped(command):
        Path(command[-1]).mkdir()
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "call", stopped)
    with pytest.raises(KeyboardInterrupt):
        start["install"]("lab")
    assert not (tmp_path / ".venv").exists()


def test_uv_is_used_where_it_is_and_pip_where_uv_fails(start, computer, tmp_path):
    computer.programs["uv"] = "/opt/uv"
    python = str(start["install"]("lab"))
    assert computer.calls == [
        ["/opt/uv", "venv", "--quiet", "--seed", "--python", sys.executable, str(tmp_path / ".venv")],
        ["/opt/uv", "pip", "install", "--python", python, "--torch-backend=auto", "-e", ".[lab]"],
    ]
    computer.fails["/opt/uv"] = 2
    start["install"]("test")
    assert computer.calls[2][0] == "/opt/uv"
    assert computer.calls[3] == [python, "-m", "pip", "install", "--progress-bar=off", "-e", ".[test]"]
    assert "/opt/uv: a line\nits last words" in computer.said[3]


@pytest.mark.skipif(os.name == "nt", reason="uv.exe there")
def test_uv_is_found_in_the_environment_where_the_advice_puts_it(start, computer, monkeypatch, tmp_path):
    start["install"]("test")
    for name in ("python", "uv"):
        (tmp_path / ".venv" / "bin" / name).touch(0o755)
    monkeypatch.undo()
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    tried = []
    monkeypatch.setitem(start["install"].__globals__, "succeeds", lambda command: tried.append(command) or True)
    start["install"]("lab")
    assert tried[0][:3] == [str(tmp_path / ".venv" / "bin" / "uv"), "pip", "install"]


@pytest.mark.parametrize(
    ("changes", "told", "size"),
    [
        ({}, True, "6.3 GB"),
        ({"programs": {"nvidia-smi": "/usr/bin/nvidia-smi"}}, False, "6.3 GB"),
        ({"card": True}, False, "6.3 GB"),
        ({"programs": {"uv": "/opt/uv"}}, False, "1 GB"),  # it takes the PyTorch that fits
        ({"programs": {"uv": "/opt/uv"}, "fails": {"--torch-backend=auto": 2}}, False, "6.3 GB"),  # pip follows
        ({"platform": "darwin"}, False, "1 GB"),
        ({"machine": "aarch64"}, False, "1 GB"),
        ({"torch": True}, False, "0.5 GB"),  # brought by hand, or by an earlier installation
    ],
)
def test_cuda_for_no_card_is_told_before_the_download(start, computer, monkeypatch, tmp_path, changes, told, size):
    vars(computer).update({name: value for name, value in changes.items() if name in vars(computer)})
    monkeypatch.setattr(sys, "platform", changes.get("platform", "linux"))
    monkeypatch.setattr(platform, "machine", lambda: changes.get("machine", "x86_64"))
    if "torch" in changes:
        (tmp_path / ".venv" / "lib" / "python3.11" / "site-packages" / "torch").mkdir(parents=True)
    python = start["install"]("lab")
    before = computer.said[-1]  # before the installer that ended well
    assert size in before and ("no NVIDIA card" in before) == told
    assert (f"{python} -m pip install uv\n" in before) == told


def test_jupyterlab_shows_no_news_and_still_knows_the_settings(start, computer, tmp_path):
    start["install"]("lab")
    (file,) = (tmp_path / ".venv").rglob("overrides.json")
    assert file.parent == tmp_path / ".venv" / "share" / "jupyter" / "lab" / "settings"
    ((name, values),) = json.loads(file.read_text()).items()
    jupyterlab = pytest.importorskip("jupyterlab.commands")
    plugin, _, schema = name.partition(":")
    known = json.loads(Path(jupyterlab.get_app_dir(), "schemas", plugin, f"{schema}.json").read_text())["properties"]
    # JupyterLab 4.0 lists the choices, later ones describe them
    choices = known["fetchNews"].get("enum") or [choice["const"] for choice in known["fetchNews"]["oneOf"]]
    assert values == {"fetchNews": "false"} and "false" in choices


@pytest.mark.parametrize("failing", [{}, {"not slow": 1}, {"--nbval-lax": 1}])
def test_the_fast_tests_also_run_with_one_thread(start, computer, capsys, failing):
    start["install"]("lab", "test", "site")
    computer.fails |= failing
    del computer.calls[:], computer.threads[:]
    with pytest.raises(SystemExit) as end:
        start["main"]("test")
    one_thread, everything = computer.calls
    assert one_thread[1:] == ["-m", "pytest", "tests", "-m", "not slow"] and "--nbval-lax" in everything
    assert computer.threads == ["1", None]
    assert bool(end.value.code) == bool(failing)
    assert ("fail with one thread" in capsys.readouterr().out) == ("not slow" in failing)


def test_ctrl_c_in_the_first_run_ends_both(start, computer):
    start["install"]("lab", "test", "site")
    computer.fails["not slow"] = 2
    with pytest.raises(SystemExit, match="2"):
        start["main"]("test")
    assert not computer.called("--nbval-lax")


def test_arguments_for_pytest_run_only_what_they_say(start, computer):
    with pytest.raises(SystemExit):
        start["main"]("test", "tests/test_masks.py", "-x")
    ((*_, path, option),) = computer.called("pytest")
    assert (path, option) == ("tests/test_masks.py", "-x")


@pytest.mark.parametrize("here", [(3, 11), (3, 13)])
def test_lowest_takes_exactly_the_lower_bounds(start, computer, monkeypatch, tmp_path, here):
    (tmp_path / "pyproject.toml").write_text(
        "[project]\nrequires-python = '>=3.11'\ndependencies = ['torch>=2.6', 'numpy>=1.26']\n"
        "[project.optional-dependencies]\nlab = ['jupyterlab>=4.0']\ntest = ['pytest>=8']\n"
    )
    monkeypatch.setattr(sys, "version_info", (*here, 1))
    if here != (3, 11):
        with pytest.raises(SystemExit, match=r"need Python 3\.11, which is not here"):
            start["main"]("lowest")
        computer.programs["python3.11"] = "/opt/python3.11"
    with pytest.raises(SystemExit):
        start["main"]("lowest", "-x")
    make, install, run = computer.calls
    base = sys.executable if here == (3, 11) else "/opt/python3.11"
    assert make == [base, "-m", "venv", str(tmp_path / ".venv-lowest")]
    assert install[-5:] == ["-e", ".[lab,test]", "torch==2.6", "numpy==1.26", "jupyterlab==4.0"]
    assert Path(run[0]).parents[1] == tmp_path / ".venv-lowest" and "--nbval-lax" in run and run[-1] == "-x"


def test_lowest_can_read_every_bound_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    bounds = [project["requires-python"], *project["dependencies"], *project["optional-dependencies"]["lab"]]
    assert [bound for bound in bounds if not re.fullmatch(r"[a-z-]*>=[\d.]+", bound)] == []


def test_the_lessons_can_be_copied_without_installing(start, computer, monkeypatch, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for arguments in (["mine"], ["mine"], []):
        with pytest.raises(SystemExit) as end:
            start["main"]("copy", *arguments)
        assert not end.value.code
    for copy in (tmp_path / "elsewhere" / "mine", tmp_path / "my_lessons"):
        assert json.loads((copy / "00_cup.ipynb").read_text(encoding="utf-8"))["cells"][1]["outputs"] == []
    assert computer.calls == []


def test_exercises_and_solutions_come_with_the_lessons(start, tmp_path):
    for folder in ("exercises", "solutions"):
        (tmp_path / "notebooks" / folder).mkdir()
        shutil.copy(tmp_path / "notebooks" / "00_cup.ipynb", tmp_path / "notebooks" / folder / "00.ipynb")
    start["refresh_working_copy"](False)
    for folder in ("exercises", "solutions"):
        copy = json.loads((tmp_path / "my_lessons" / folder / "00.ipynb").read_text(encoding="utf-8"))
        assert copy["cells"][1]["outputs"] == []


@pytest.mark.parametrize("folder", ["pyproject.toml", "notebooks", "notebooks/mine", "--help"])
def test_a_copy_never_goes_among_the_lessons_or_onto_a_file(start, tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="name a folder, new or old|Set up and start"):
        start["main"]("copy", folder)
    assert [path.name for path in tmp_path.rglob("*.ipynb")] == ["00_cup.ipynb"]


def test_address_needs_no_environment(start, computer):
    with pytest.raises(SystemExit) as left:
        start["main"]("address", "https://github.com/ada/segedu")
    assert left.value.code == 0 and [call[0] for call in computer.calls] == [sys.executable]
    assert computer.calls[0][-2:] == ["address", "https://github.com/ada/segedu"]


def test_lab_opens_the_copy_and_passes_what_is_jupyters(start, computer, tmp_path):
    with pytest.raises(SystemExit):
        start["main"]("lab", "--fresh", "--no-browser")
    assert computer.calls[-1][1:] == ["-m", "jupyterlab", str(tmp_path / "my_lessons"), "--no-browser"]


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


def test_translations_and_the_glossary_come_too_and_the_readers_notes_in_it_stay(start, tmp_path):
    lesson(tmp_path / "notebooks" / "ko" / "00_cup.ipynb", "guess = 1")
    (tmp_path / "notebooks" / "GLOSSARY.md").write_text("| mask | 마스크 |", encoding="utf-8")
    (tmp_path / "notebooks" / "TEACHING.md").write_text("They guess 3. Say: 4.")
    start["refresh_working_copy"](False)
    copy = tmp_path / "my_lessons"
    assert json.loads((copy / "ko" / "00_cup.ipynb").read_text(encoding="utf-8"))["cells"][1]["outputs"] == []
    assert (copy / "GLOSSARY.md").read_text(encoding="utf-8") == "| mask | 마스크 |"
    assert not (copy / "TEACHING.md").exists()
    (copy / "GLOSSARY.md").write_text("my notes")
    start["refresh_working_copy"](False)
    assert (copy / "GLOSSARY.md").read_text() == "my notes"


def test_a_fresh_copy_keeps_the_old_one(start, tmp_path):
    start["refresh_working_copy"](True)
    (tmp_path / "my_lessons" / "00_cup.ipynb").write_text("my work")
    start["refresh_working_copy"](True)
    (old,) = tmp_path.glob("my_lessons-*")
    assert (old / "00_cup.ipynb").read_text() == "my work"
    assert (tmp_path / "my_lessons" / "00_cup.ipynb").read_text() != "my work"


def packed(folder: Path, *computers: str) -> Path:
    """A folder that says of itself that it is a pack for these computers."""
    (folder / "wheels").mkdir(parents=True)
    (folder / "pack.json").write_text(json.dumps({"for": computers}))
    return folder


HERE = f"Linux x86_64, Python {sys.version_info[0]}.{sys.version_info[1]}"


def test_from_a_pack_pip_installs_without_network(start, computer, monkeypatch, tmp_path):
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    computer.programs["uv"] = "/opt/uv"  # which would ask the network
    pack = packed(tmp_path / "stick", HERE, "Windows AMD64, Python 3.12")
    with pytest.raises(SystemExit):
        start["main"]("lab", "--from", str(pack), "--no-browser")
    make, install, lab = computer.calls
    assert make == [sys.executable, "-m", "venv", str(tmp_path / ".venv")]
    assert install[-5:] == ["--no-index", "--find-links", str(pack / "wheels"), "-e", ".[lab]"]
    assert "GB" not in computer.said[1] and str(pack) in computer.said[1]
    assert lab[1:] == ["-m", "jupyterlab", str(tmp_path / "my_lessons"), "--no-browser"]
    with pytest.raises(SystemExit):
        start["main"]("lab", "--no-browser")
    assert computer.calls[3:] == [lab]  # from then on without the pack


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from"], "It is no pack: name the folder"),
        (["--from", "nowhere"], "nowhere is no pack: name the folder"),
        (["--from", "half"], "half is no pack: name the folder"),
        (["--from", "stick"], r"stick is a pack for Windows AMD64, Python 3\.12\. This is Linux x86_64, Python 3"),
    ],
)
def test_another_computers_pack_is_refused_before_anything_is_made(start, computer, monkeypatch, tmp_path, words, said):
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.chdir(tmp_path)
    packed(tmp_path / "stick", "Windows AMD64, Python 3.12")
    (packed(tmp_path / "half") / "pack.json").write_text("")
    with pytest.raises(SystemExit, match=said):
        start["main"]("lab", *words)
    assert computer.calls == [] and not (tmp_path / "my_lessons").exists()


@pytest.mark.parametrize("name", ["learner", "pack"])
def test_what_a_teacher_hands_out_needs_no_environment(start, computer, monkeypatch, tmp_path, name):
    (tmp_path / "class").mkdir()
    monkeypatch.chdir(tmp_path / "class")
    with pytest.raises(SystemExit):
        start["main"](name, "out", "--option")
    assert computer.calls == [[sys.executable, "-m", f"tools.{name}", str(tmp_path / "class" / "out"), "--option"]]
    for wrong in ([], ["--option"]):
        with pytest.raises(SystemExit, match="Set up and start"):
            start["main"](name, *wrong)


def test_the_learner_edition_says_what_it_lacks(start, computer, tmp_path):
    (tmp_path / "tools").rmdir()
    for name in ("test", "bench", "pack", "address"):
        with pytest.raises(SystemExit, match=f"learner edition.*`{name}`"):
            start["main"](name)
    with pytest.raises(SystemExit):
        start["main"]("lab")
    assert computer.called("jupyterlab")


@pytest.mark.parametrize("command", [[], ["lesson"]])
def test_an_unknown_command_is_answered_with_the_known_ones(command):
    done = subprocess.run([sys.executable, ROOT / "start.py", *command], capture_output=True, text=True)
    assert done.returncode == 1 and "lab" in done.stderr and "notebooks" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows has no make")
def test_make_calls_start():
    inherited = ("ARGS", "DIR", "FRESH", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")  # from the `make test` that runs this
    outside = {name: value for name, value in os.environ.items() if name not in inherited}

    def said(*arguments):
        return subprocess.check_output(["make", "-n", *arguments], cwd=ROOT, env=outside, text=True).strip()

    assert said("lab", "FRESH=1", "ARGS=--no-browser") == "python3 start.py lab --fresh --no-browser"
    assert said("test-fast").split() == ["python3", "start.py", "fast"]
    assert said("learner", "DIR=../out").split() == ["python3", "start.py", "learner", "../out"]
    assert said("pack", "DIR=../out", "ARGS=--python 3.12") == "python3 start.py pack ../out --python 3.12"
    for target in ("lab", "copy", "test", "lowest", "notebooks", "lint", "bench", "prove"):
        assert said(target).split() == ["python3", "start.py", target]
