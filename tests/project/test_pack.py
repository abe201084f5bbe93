"""A pack has the wheels that other computers need, and is enough to start there without a network."""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import types
import zipfile
from pathlib import Path

import pytest

from tools import pack
from tools.cells import ROOT


def wheel(
    folder: Path, name: str, *requires: str, tag: str = "py3-none-any", files: dict[str, str] | None = None
) -> None:
    """Write a wheel, version 1, that requires these."""
    folder.mkdir(exist_ok=True)
    metadata = "".join(
        [f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n", *(f"Requires-Dist: {r}\n" for r in requires)]
    )
    info = f"{name.replace('-', '_')}-1.dist-info"
    with zipfile.ZipFile(folder / f"{name.replace('-', '_')}-1-{tag}.whl", "w") as archive:
        for file, text in (files or {}).items():
            archive.writestr(file, text)
        archive.writestr(f"{info}/METADATA", metadata)
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n")
        archive.writestr(f"{info}/RECORD", "")


@pytest.fixture(scope="module")
def index(tmp_path_factory) -> Path:
    """A folder of wheels, some of them for some computers only."""
    folder = tmp_path_factory.mktemp("index")
    wheel(
        folder, "course",
        'only-windows; sys_platform == "win32" and os_name == "nt"',
        'only-mac; platform_system == "Darwin" and platform_machine == "arm64"',
        'only-linux; sys_platform == "linux" and platform_machine == "x86_64"',
        'only-old; python_version < "3.12" and python_full_version < "3.11.4"',
        "compiled",
    )  # fmt: skip
    for name in ("only-windows", "only-mac", "only-linux", "only-old"):
        wheel(folder, name)
    for tag in (
        "manylinux_2_28_x86_64",
        "manylinux_2_17_x86_64",
        "win_amd64",
        "macosx_11_0_arm64",
        "macosx_14_0_x86_64",
    ):
        wheel(folder, "compiled", tag=f"cp312-cp312-{tag}")
        wheel(folder, "compiled", tag=f"cp311-cp311-{tag}")
    return folder


@pytest.mark.parametrize(
    ("system", "python", "wanted"),
    [
        ("linux", "3.12", {"only_linux-1-py3-none-any", "compiled-1-cp312-cp312-manylinux_2_28_x86_64"}),
        ("windows", "3.12", {"only_windows-1-py3-none-any", "compiled-1-cp312-cp312-win_amd64"}),
        ("macos", "3.12", {"only_mac-1-py3-none-any", "compiled-1-cp312-cp312-macosx_11_0_arm64"}),
        (
            "macos",
            "3.11",
            {"only_mac-1-py3-none-any", "only_old-1-py3-none-any", "compiled-1-cp311-cp311-macosx_11_0_arm64"},
        ),
    ],
)
def test_each_computer_gets_what_its_own_markers_and_tags_ask_for(index, tmp_path, system, python, wanted):
    """Not what those of the computer ask for on which the pack is made, as pip alone would."""
    assert pack.download(tmp_path, system, python, ["course"], ["--no-index", "--find-links", str(index)])
    assert {path.stem for path in tmp_path.iterdir()} == wanted | {"course-1-py3-none-any"}


def test_what_there_is_no_wheel_for_is_said(index, tmp_path, capsys):
    assert not pack.download(tmp_path, "windows", "3.13", ["course"], ["--no-index", "--find-links", str(index)])
    assert "compiled" in capsys.readouterr().out


def test_a_pip_that_cannot_be_told_of_another_computer_says_so():
    deaf = pack.PIP.replace("markers.default_environment = lambda", "ignored = lambda")
    assert deaf != pack.PIP
    there = json.dumps(pack.PLATFORMS["windows" if os.name != "nt" else "linux"][1])
    done = subprocess.run([sys.executable, "-c", deaf, there, "--version"], capture_output=True, text=True)
    assert done.returncode == 1 and "cannot be told of another computer" in done.stderr


def test_it_wants_what_the_reader_installs_and_what_builds_the_package():
    names = {line.partition(">=")[0] for line in pack.requirements()}
    assert {"torch", "jupyterlab", "setuptools"} <= names and "pytest" not in names


@pytest.fixture
def quick(monkeypatch):
    """Downloads that write one wheel each; `broken` names a platform that fails."""
    quick = types.SimpleNamespace(asked=[], broken="")

    def download(wheels, system, python, wanted, options):
        quick.asked.append((system, python, options))
        (wheels / f"{system}-{python}.whl").write_text("wheel")
        return system != quick.broken

    monkeypatch.setattr(pack, "download", download)
    return quick


def test_the_pack_is_wheels_edition_and_who_it_is_for(quick, tmp_path, capsys):
    folder = tmp_path / "stick"
    pack.main([str(folder), "--platforms", "windows,macos", "--python", "3.12,3.13", "--", "--pre"])
    assert quick.asked == [(s, p, ["--pre"]) for s in ("windows", "macos") for p in ("3.12", "3.13")]
    said = capsys.readouterr().out
    assert said.index("windows 0.3, macos 0.3") < said.index("windows, Python 3.12 ...") and "CUDA" not in said
    made_for = json.loads((folder / "pack.json").read_text())["for"]
    assert made_for == [f"{c}, Python {p}" for c in ("Windows AMD64", "Darwin arm64") for p in ("3.12", "3.13")]
    assert all(computer in (folder / "README.txt").read_text() for computer in made_for)
    assert (folder / "segedu" / "start.py").is_file() and (folder / "segedu" / "notebooks" / "exercises").is_dir()

    quick.broken = "linux"
    with pytest.raises(SystemExit, match="No wheels for linux with Python 3"):
        pack.main([str(folder)])
    assert "Most of linux is CUDA" in capsys.readouterr().out
    assert not (folder / "pack.json").exists(), "half a pack is none"
    quick.broken = ""
    pack.main([str(folder)])  # on top of what is there
    assert len(json.loads((folder / "pack.json").read_text())["for"]) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--platforms", "linux,amiga"], "no platform amiga: there are linux, windows, macos"),
        (["--python", "3.9"], "no Python 3.9"),
        (["--python", "3"], "no Python 3:"),
    ],
)
def test_a_slip_in_the_command_makes_nothing(quick, tmp_path, capsys, words, said):
    with pytest.raises(SystemExit):
        pack.main([str(tmp_path / "stick"), *words])
    assert said in capsys.readouterr().err and not (tmp_path / "stick").exists() and not quick.asked


def test_neither_a_full_disk_nor_anothers_folder_is_written(quick, tmp_path, monkeypatch):
    (tmp_path / "mine").write_text("my work")
    with pytest.raises(SystemExit, match="no pack: name a folder that is new or empty"):
        pack.main([str(tmp_path)])
    monkeypatch.setattr(shutil, "disk_usage", lambda path: types.SimpleNamespace(free=10**8))
    with pytest.raises(SystemExit, match=r"0\.1 GB free, and 0\.3 are needed"):
        pack.main([str(tmp_path / "stick"), "--platforms", "windows"])
    assert not quick.asked and (tmp_path / "mine").read_text() == "my work"


def test_start_knows_the_computers_by_the_names_that_the_pack_gives_them():
    names = {name: [platform_name.split()[0]] for name, (platform_name, *_) in pack.PLATFORMS.items()}
    assert names == {"linux": ["Linux"], "windows": ["Windows"], "macos": ["Darwin"]}  # what platform.system() returns
    for name, markers, *_ in pack.PLATFORMS.values():
        assert name == f"{markers['platform_system']} {markers['platform_machine']}"


BACKEND = """\
import pathlib, zipfile
def build_editable(folder, config_settings=None, metadata_directory=None):
    info = "tiny-1.dist-info"
    with zipfile.ZipFile(pathlib.Path(folder, "tiny-1-py3-none-any.whl"), "w") as archive:
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: tiny\\nVersion: 1\\n"
                         "Provides-Extra: lab\\nRequires-Dist: jupyterlab; extra == 'lab'\\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nTag: py3-none-any\\n")
        archive.writestr(f"{info}/RECORD", "")
    return "tiny-1-py3-none-any.whl"
def get_requires_for_build_editable(config_settings=None):
    return ["builder"]
"""


@pytest.mark.slow
def test_a_laptop_starts_from_the_pack_alone(tmp_path):
    """start.py's whole way, in truth: an environment, pip, and a `jupyterlab` that only says how it was called."""
    laptop, stick = tmp_path / "laptop", tmp_path / "a stick"
    (laptop / "notebooks").mkdir(parents=True)
    (laptop / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["builder"]\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (laptop / "backend.py").write_text(BACKEND)
    shutil.copy(ROOT / "start.py", laptop)
    stick.mkdir()
    here = f"{platform.system()} {platform.machine()}, Python {sys.version_info[0]}.{sys.version_info[1]}"
    (stick / "pack.json").write_text(json.dumps({"for": [here]}))
    wheel(stick / "wheels", "builder")
    wheel(stick / "wheels", "jupyterlab", files={"jupyterlab/__main__.py": "import sys\nprint('lab', sys.argv[2:])\n"})
    no_network = {"PIP_INDEX_URL": "http://127.0.0.1:9", "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": ""}
    no_network |= dict.fromkeys(("http_proxy", "https_proxy", "HTTPS_PROXY", "HTTP_PROXY"), "http://127.0.0.1:9")
    command = [sys.executable, "start.py", "lab", "--from", stick, "--no-browser"]
    done = subprocess.run(command, cwd=laptop, env=os.environ | no_network, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "lab ['--no-browser']" in done.stdout and f"from {stick}, once and without network" in done.stdout
    stamp = (laptop / ".venv" / "installed-lab").read_text()
    assert stamp == hashlib.sha256((laptop / "pyproject.toml").read_bytes()).hexdigest()
    shutil.rmtree(stick)
    again = subprocess.run([*command[:3], "--no-browser"], cwd=laptop, env=os.environ | no_network, capture_output=True)
    assert again.returncode == 0 and again.stdout == b"lab ['--no-browser']\n"
