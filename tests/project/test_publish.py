"""The address and the released wheel: written everywhere and nowhere else, and the same bytes for everybody."""

import ast
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tools import publish
from tools.cells import NOTEBOOKS, ROOT, set_up

SOURCE = (ROOT / "tools" / "publish.py").read_text(encoding="utf-8")
ADA = "https://github.com/3d-ada/seg.edu"
SHA = "0e7b" * 16
WHEEL = f"{ADA}/releases/download/v0.1.0/segedu-0.1.0-py3-none-any.whl#sha256={SHA}"


def texts(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_bytes().decode() for path in files(folder)}


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of what names the address, as it is before the first release; `publish` works on it."""
    copy = tmp_path / "copy"
    (copy / "tools").mkdir(parents=True)
    for name in ("start.py", "tools/publish.py", "pyproject.toml", "README.md", "README.ko.md", "CITATION.cff"):
        shutil.copy(ROOT / name, copy / name)
    shutil.copytree(ROOT / "notebooks", copy / "notebooks", ignore=shutil.ignore_patterns(".*"))
    monkeypatch.setattr(publish, "ROOT", copy)
    publish.write(publish.PLACEHOLDER, "")
    return copy


def start(copy, *words):
    """start.py as a reader calls it, by the Python outside of this environment, which has no packages of ours."""
    python = getattr(sys, "_base_executable", sys.executable)
    return subprocess.run([python, "start.py", *words], cwd=copy, capture_output=True, text=True)


def test_everything_is_as_the_commands_write_it():
    wanted = publish.rewritten(publish.repository(), publish.wheel())
    assert [path.name for path, text in wanted.items() if path.read_bytes().decode() != text] == []
    assert wanted.keys() >= {*NOTEBOOKS}
    link = publish.wheel().partition("/releases/download/")[0]
    assert link == (publish.repository() if publish.wheel() else ""), "another repository's wheel"


def test_it_needs_only_the_standard_library():
    nodes = [*ast.walk(ast.parse(SOURCE))]
    modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in modules} <= sys.stdlib_module_names


def test_the_address_is_changed_and_nothing_else(copy):
    (copy / "my_lessons").mkdir()
    shutil.copy(NOTEBOOKS[0], copy / "my_lessons")
    for path, old, new in [  # as other programs store them
        (copy / "notebooks" / NOTEBOOKS[1].name, "\n", "\r\n"),
        (copy / "notebooks" / NOTEBOOKS[2].name, "\n ", "\n    "),
        (copy / "notebooks" / NOTEBOOKS[3].name, "·", "\\u00b7"),
        (copy / "README.md", "\n", "\r\n"),
        (copy / "README.ko.md", "\n", "\r\n"),
    ]:
        path.write_bytes(path.read_bytes().decode().replace(old, new).encode())
    before = texts(copy)
    notes = {name: note.replace("\n", "\r\n") for name, note in publish.NOTES.items()}
    assert all(before[name].count(note) == 1 for name, note in notes.items())

    assert start(copy, "address", f" {ADA}.git/ ").returncode == 0
    after = texts(copy)
    assert after == {
        name: text
        if name.startswith(("my_lessons/", "tools/"))
        else text.replace(notes.get(name, "\0"), "").replace("your_account/segedu", "3d-ada/seg.edu")
        for name, text in before.items()
    }
    assert all(ADA.removeprefix("https://") in after[name] for name in ("pyproject.toml", *notes, "CITATION.cff"))
    again = start(copy, "address", ADA)
    assert "0 files changed" in again.stdout and texts(copy) == after
    assert start(copy, "address", publish.PLACEHOLDER).returncode == 0
    assert texts(copy) == before and not (copy / ".venv").exists()


def test_without_an_address_it_says_which_it_is(copy):
    said = start(copy, "address")
    assert said.returncode == 1 and publish.PLACEHOLDER in said.stderr and len(said.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        "ada", "github.com/ada/segedu", "http://github.com/ada/segedu", "git@github.com:ada/segedu.git", "",
        "https://gitlab.com/ada/segedu", "https://github.com/ada", "https://github.com/ada/segedu/tree/main",
        "https://github.com/-ada/segedu", "https://github.com/ada-/segedu", "https://github.com/a--da/segedu",
        "https://github.com/ada_l/segedu", "https://github.com/your_account/other", "https://github.com/ada/..",
        f"https://github.com/{'a' * 40}/segedu", "https://github.com/ada/se gedu", "https://github.com/adä/segedu",
        'https://github.com/ada/segedu"', "https://github.com/ada/segedu\n%pip",
    ],
)  # fmt: skip
def test_no_other_address_is_taken(wrong):
    with pytest.raises(SystemExit, match=r"is not the address of a repository: give one like https://\S+\.$"):
        publish.checked(wrong)


@pytest.mark.parametrize("login", ["a", "Ada", "a-1-b", "3d", "a" * 39])
def test_every_legal_login_is_taken(login):
    assert publish.checked(f"https://github.com/{login}/segedu.git/") == f"https://github.com/{login}/segedu"


def test_a_wheel_is_written_and_goes_with_its_address(copy, capsys):
    before = texts(copy)
    publish.write(ADA, WHEEL)
    assert publish.wheel() == WHEEL
    stored = {path.name: path.read_text(encoding="utf-8") for path in (copy / "notebooks").glob("*.ipynb")}
    line = '"    %pip install -q \\"' + WHEEL + '\\"\\n",\n'
    assert all(text.count(line) == 1 and "ModuleNotFound" not in text for text in stored.values())
    assert line.strip()[1:-4].replace('\\"', '"') in set_up(WHEEL).splitlines()
    publish.change_address(ADA)
    assert publish.wheel() == WHEEL
    publish.change_address(publish.PLACEHOLDER)
    assert texts(copy) == before and "python start.py release" in capsys.readouterr().out


def test_a_lesson_without_its_set_up_cell_stops_everything(copy):
    path = copy / "notebooks" / NOTEBOOKS[-1].name
    path.write_text(path.read_text(encoding="utf-8").replace("find_spec", "found"), encoding="utf-8")
    before = texts(copy)
    with pytest.raises(SystemExit, match=rf"{path.name}: the set-up cell, .*notebooks {path.stem}.* is 0 times"):
        publish.change_address(ADA)
    assert texts(copy) == before


# The release, of a clone


def git(clone, *words):
    subprocess.run(["git", "-c", "user.name=ada", "-c", "user.email=a@d.a", *words], cwd=clone, check=True)


@pytest.fixture
def clones(tmp_path):
    """Two clones of this one in different folders, the second under a strict umask and at another time."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone")
    clones = tmp_path / "a", tmp_path / "other" / "b"
    for clone, umask in zip(clones, (0o022, 0o077), strict=True):
        before = os.umask(umask)
        try:
            subprocess.run(["git", "clone", "-q", ROOT, clone], check=True)
        finally:
            os.umask(before)
    for path in files(clones[1]):
        os.utime(path, (10**9, 10**9))
    return clones


@pytest.mark.slow
def test_the_wheel_is_the_same_bytes_wherever_it_is_made(clones, tmp_path, monkeypatch):
    plain, other = clones
    first = publish.build(plain, tmp_path / "first")
    checksum = hashlib.sha256(first.read_bytes()).hexdigest()

    for name in ("data/junk.txt", "segedu/old.py", "build/lib/segedu/old.py"):  # no part of the commit
        (other / name).parent.mkdir(parents=True, exist_ok=True)
        (other / name).touch()
    monkeypatch.setattr(publish, "ROOT", other)
    publish.write(publish.repository(), WHEEL.replace(ADA, publish.repository()))
    git(other, "commit", "-qam", "released")  # a wheel does not hold its own checksum
    before = os.umask(0o077)
    try:
        second = publish.build(other, tmp_path / "second")
    finally:
        os.umask(before)
    assert hashlib.sha256(second.read_bytes()).hexdigest() == checksum

    (plain / "segedu" / "labels.py").open("a").write("# one more\n")
    git(plain, "commit", "-qam", "another package")
    assert publish.build(plain, tmp_path / "third").read_bytes() != first.read_bytes()

    with zipfile.ZipFile(first) as wheel:
        names = {name for name in wheel.namelist() if not name.startswith("segedu-")}
    shipped = {name for folder in ("segedu", "data") for name in _committed(folder)}
    assert names == {name.replace("data/", "segedu/_data/", 1) if name[0] == "d" else name for name in shipped}

    def install(checksum):
        link = f"{first.as_uri()}#sha256={checksum}"
        options = ["-q", "--no-deps", "--no-index", "--target", tmp_path / checksum]
        return subprocess.run([sys.executable, "-m", "pip", "install", *options, link], capture_output=True, text=True)

    assert install(checksum).returncode == 0
    refused = install(SHA)
    assert refused.returncode and "DO NOT MATCH THE HASHES" in refused.stderr


def _committed(folder: str) -> list[str]:
    return subprocess.check_output(["git", "ls-files", "-z", folder], cwd=ROOT, text=True).split("\0")[:-1]


@pytest.mark.slow
def test_a_release_is_of_a_commit_with_an_address_and_once(clones, monkeypatch, capsys):
    clone, _ = clones
    monkeypatch.setattr(publish, "ROOT", clone)
    publish.write(publish.PLACEHOLDER, "")
    git(clone, "commit", "-qam", "as before the first release", "--allow-empty")

    def refused(words):
        with pytest.raises(SystemExit, match=words):
            publish.release()
        assert publish.wheel() == recorded

    recorded = ""
    refused("no address yet")
    publish.change_address(ADA)
    refused(r"have changed since:\n(.|\n)*pyproject.toml")
    git(clone, "commit", "-qam", "our address")
    publish.release()
    recorded = publish.wheel()
    (made,) = (clone / "dist").glob("*.whl")
    version, checksum = publish._project()["project"]["version"], hashlib.sha256(made.read_bytes()).hexdigest()
    assert recorded == f"{ADA}/releases/download/v{version}/segedu-{version}-py3-none-any.whl#sha256={checksum}"
    said = capsys.readouterr().out
    assert checksum in said and f"{made.stat().st_size:,} bytes" in said
    lesson = (clone / "notebooks" / NOTEBOOKS[0].name).read_text(encoding="utf-8")
    assert recorded in lesson

    git(clone, "commit", "-qam", "released")
    publish.release()  # the same once more
    assert publish.wheel() == recorded and "0 files changed" in capsys.readouterr().out
    (clone / "segedu" / "labels.py").open("a").write("# one more\n")
    git(clone, "commit", "-qam", "another package")
    refused("with other bytes")
