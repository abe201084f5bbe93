"""A pack for laptops without network: wheels for each kind of laptop, and the learner edition.

    python start.py pack DIR [--platforms linux,windows,macos] [--python 3.12,3.13] [-- OPTIONS OF PIP]

Without --python for the version that runs this. Everybody copies DIR/segedu from the stick or the share, and there
says `python start.py lab --from DIR`. An interrupted download goes on when the same command is given again. PyTorch's
Linux wheels bring CUDA; who knows an index with those for the CPU names it: -- --extra-index-url ADDRESS. Needs pip,
and else nothing but the standard library.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import start
from tools import learner
from tools.publish import ROOT

# What `platform` says there; the markers of requirements; wheels that fit; GB of all wheels, measured in November 2026.
PLATFORMS = {
    "linux": (
        "Linux x86_64",
        {"os_name": "posix", "sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"},
        [*(f"manylinux_2_{minor}_x86_64" for minor in range(28, 4, -1)), "manylinux2014_x86_64", "linux_x86_64"],
        3.2,
    ),
    "windows": (
        "Windows AMD64",
        {"os_name": "nt", "sys_platform": "win32", "platform_system": "Windows", "platform_machine": "AMD64"},
        ["win_amd64"],
        0.3,
    ),
    "macos": (  # no Mac with Intel: PyTorch has made no wheel for them since 2.2
        "Darwin arm64",
        {"os_name": "posix", "sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64"},
        ["macosx_14_0_arm64"],  # pip takes those of older systems, too
        0.3,
    ),
}
# pip asks the computer that it runs on whether `; sys_platform == "win32"` holds, whatever its --platform says
# (pypa/pip issue 11664): so that it asks the other one, its markers are told of that one.
PIP = """\
import json, sys
import pip
from pip._vendor.packaging import markers
there = json.loads(sys.argv.pop(1))
here = markers.default_environment
markers.default_environment = lambda: {**here(), **there}
if not all(markers.Marker(f'{name} == "{value}"').evaluate() for name, value in there.items()):
    sys.exit(f"pip {pip.__version__} cannot be told of another computer: python -m pip install --upgrade pip")
from pip._internal.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
README = """\
segedu {version}, without network, for {computers}.

1. Copy the folder segedu from here to your own disk (12 MB).
2. Open a terminal in that copy, and type, with this folder's path for PACK:
       python start.py lab --from PACK
   The first time takes 2 to 10 minutes; from then on `python start.py lab` is enough, and this folder is not needed.

Python must be there, in the version named above.
"""


def requirements() -> list[str]:
    """What `python start.py lab` installs, and what builds the package there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    own = project["project"]
    return [*project["build-system"]["requires"], *own["dependencies"], *own["optional-dependencies"]["lab"]]


def computers(platforms: list[str], pythons: list[str]) -> list[str]:
    """These computers, as start.py names the one that it runs on."""
    return [f"{PLATFORMS[name][0]}, Python {version}" for name in platforms for version in pythons]


def download(wheels: Path, platform: str, python: str, wanted: list[str], options: list[str]) -> bool:
    """Bring the wheels of all that is wanted, for one kind of computer, into a folder; whether that went well."""
    _, markers, tags, _ = PLATFORMS[platform]
    there = markers | {"python_version": python, "python_full_version": f"{python}.0"}
    places = [word for tag in tags for word in ("--platform", tag)]
    fixed = ["--only-binary=:all:", "--python-version", python, "--dest", wheels, "--progress-bar=off"]
    command = [sys.executable, "-c", PIP, json.dumps(there), "download", *fixed, *places, *wanted, *options]
    return start.succeeds(command)


def announce(folder: Path, platforms: list[str], pythons: list[str]) -> None:
    """Say the sizes before the download. Ends the program where the disk has no room for them."""
    sizes = {name: PLATFORMS[name][3] for name in platforms}
    total = sum(sizes.values()) * len(pythons) - sum(map(_size, folder.glob("wheels/*"))) / 1e9
    parts = ", ".join(f"{name} {size:.1f}" for name, size in sizes.items())
    print(f"Packing for Python {' and '.join(pythons)}; GB of wheels, for each: {parts}.", flush=True)
    if "linux" in sizes:
        print("Most of linux is CUDA, which PyTorch's wheels for it bring: --platforms windows,macos leaves it out.")
    free = shutil.disk_usage(folder).free / 1e9
    if free < total:
        sys.exit(f"{folder} has {free:.1f} GB free, and {total:.1f} are needed: name a folder on another disk.")


def _size(path: Path) -> int:
    return path.stat().st_size


def make(folder: Path, platforms: list[str], pythons: list[str], options: list[str]) -> None:
    """Write the pack into this folder, which is new, empty or an earlier pack."""
    if folder.exists() and not (folder.is_dir() and (not any(folder.iterdir()) or (folder / "wheels").is_dir())):
        sys.exit(f"{folder} has something in it that is no pack: name a folder that is new or empty.")
    (folder / "wheels").mkdir(parents=True, exist_ok=True)
    (folder / "pack.json").unlink(missing_ok=True)  # half a pack is none
    announce(folder, platforms, pythons)
    for platform in platforms:
        for python in pythons:
            print(f"  {platform}, Python {python} ...", flush=True)
            if not download(folder / "wheels", platform, python, requirements(), options):
                sys.exit(f"No wheels for {platform} with Python {python}: see pip's message above.")
    shutil.rmtree(folder / "segedu", ignore_errors=True)
    learner.make(folder / "segedu")
    made_for = computers(platforms, pythons)
    words = {"version": learner.publish.version(), "computers": "; ".join(made_for)}
    (folder / "README.txt").write_text(README.format(**words), encoding="utf-8")
    (folder / "pack.json").write_text(json.dumps({"for": made_for}), encoding="utf-8")
    size = sum(_size(path) for path in folder.rglob("*") if path.is_file()) / 1e9
    print(f"The pack is in {folder}, {size:.1f} GB: its README.txt says how to use it.")


def main(words: list[str]) -> None:
    """Read the command line, and make the pack."""
    at = words.index("--") if "--" in words else len(words)
    own, options = words[:at], words[at + 1 :]
    parser = argparse.ArgumentParser(prog="python start.py pack", description=__doc__.splitlines()[0])
    parser.add_argument("folder", metavar="DIR", type=Path)
    parser.add_argument("--platforms", default=",".join(PLATFORMS), help="of linux, windows, macos; all if not named")
    parser.add_argument(
        "--python", default=".".join(map(str, sys.version_info[:2])), help="versions: 3.12 or 3.12,3.13"
    )
    asked = parser.parse_args(own)
    platforms, pythons = asked.platforms.split(","), asked.python.split(",")
    if unknown := [name for name in platforms if name not in PLATFORMS]:
        parser.error(f"no platform {', '.join(unknown)}: there are {', '.join(PLATFORMS)}")
    lowest = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"]
    for python in pythons:
        if not re.fullmatch(r"3\.\d+", python) or int(python[2:]) < int(lowest.rpartition(".")[2]):
            parser.error(f"no Python {python}: name 3.12, or several with commas between, {lowest}")
    if subprocess.call(
        [sys.executable, "-m", "pip", "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ):
        parser.error(f"{sys.executable} has no pip: call start.py with a Python that has one, as that in .venv")
    make(asked.folder.resolve(), platforms, pythons, options)


if __name__ == "__main__":
    main(sys.argv[1:])
