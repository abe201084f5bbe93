"""The package travels: from a clone, as a wheel, on Colab, under conda; and importing it is quick and quiet."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from tools.cells import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RUN_TIME = [Requirement(line) for line in PROJECT["project"]["dependencies"]]
COLAB = json.loads((ROOT / "tests" / "colab_packages.json").read_text(encoding="utf-8"))

QUIET_IMPORT = """
import socket, sys

def no_network(*arguments, **options):
    raise AssertionError("import segedu asked the network")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = no_network
import segedu
heavy = {"matplotlib", "ipywidgets", "scipy", "skimage"} & sys.modules.keys()
assert not heavy, f"import segedu imports {sorted(heavy)}"
from segedu import resources
manifest = resources.data_path("manifests", "camvid.sha256")
print(segedu.__file__, manifest, len(manifest.read_bytes()), sep="\\n")
"""

# as a notebook's kernel does it: where tqdm sees one, it takes ipywidgets
IMPORT_IN_A_KERNEL = """
import sys
from ipykernel.zmqshell import ZMQInteractiveShell
from traitlets.config import Config

ZMQInteractiveShell.instance(config=Config({"IPKernelApp": {}}))
import segedu
heavy = {"matplotlib", "ipywidgets", "tqdm.notebook", "scipy", "skimage"} & sys.modules.keys()
assert not heavy, f"import segedu imports {sorted(heavy)}"
import tqdm.auto
print("tqdm.notebook" in sys.modules)
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of what is built, because setuptools writes beside it."""
    tree = tmp_path_factory.mktemp("tree")
    for name in ("segedu", "data"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    return tree


@pytest.fixture(scope="module")
def installed(tree, tmp_path_factory):
    """A folder into which the wheel was installed, and nothing else."""
    wheels, folder = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("installed")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", wheels, tree)
    pip("install", "--no-deps", "--no-index", "--target", folder, *wheels.glob("segedu-*.whl"))
    return folder


def pip(*arguments):
    subprocess.run([sys.executable, "-m", "pip", "-q", *map(str, arguments)], check=True)


def run_quietly(tmp_path, code, **environment) -> list[str]:
    """The lines that the code prints, run in another folder by a user whose home is empty, and who writes nothing."""
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    elsewhere.mkdir()
    kept = {key: value for key, value in os.environ.items() if key in ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH")}
    for name in ("HOME", "USERPROFILE", "LOCALAPPDATA", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        kept[name] = str(home)
    printed = subprocess.check_output(
        [sys.executable, "-B", "-c", code], cwd=elsewhere, env=kept | environment, text=True
    )
    assert not [*home.iterdir(), *elsewhere.iterdir()], "import segedu wrote something"
    return printed.splitlines()


@pytest.mark.slow
def test_the_wheel_imports_quietly_and_finds_its_data(installed, tmp_path):
    module, shipped, size = run_quietly(tmp_path, QUIET_IMPORT, PYTHONPATH=str(installed))
    assert Path(module) == installed / "segedu" / "__init__.py"
    assert Path(shipped) == installed / "segedu" / "_data" / "manifests" / "camvid.sha256"
    assert int(size) == (ROOT / "data" / "manifests" / "camvid.sha256").stat().st_size


def test_the_clone_imports_quietly_and_finds_its_data_beside_itself(tmp_path):
    module, shipped, _ = run_quietly(tmp_path, QUIET_IMPORT)
    assert Path(module) == ROOT / "segedu" / "__init__.py"
    assert Path(shipped) == ROOT / "data" / "manifests" / "camvid.sha256"


def test_the_clone_imports_quietly_in_a_kernel(tmp_path):
    environment = {"IPYTHONDIR": str(tmp_path / "ipython"), "JUPYTER_PLATFORM_DIRS": "1"}
    if run_quietly(tmp_path, IMPORT_IN_A_KERNEL, **environment) != ["True"]:
        pytest.skip("these versions of tqdm and ipywidgets do not take this for a kernel, so nothing was tested")


@pytest.mark.slow
def test_the_wheel_has_every_module_and_every_file_of_data(tree, installed):
    def files(folder):
        return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}

    assert files(installed / "segedu" / "_data") == files(tree / "data")
    assert {path for path in files(installed / "segedu") if path.parts[0] != "_data"} == files(tree / "segedu")


def test_what_ships_is_small():
    assert sum(path.stat().st_size for path in (ROOT / "data").rglob("*")) <= 12e6


@pytest.mark.parametrize("requirement", RUN_TIME, ids=lambda requirement: requirement.name)
def test_colab_has_what_is_needed_at_run_time(requirement):
    assert requirement.name in COLAB["packages"], "Colab does not have it: a lesson there would have to install it"
    assert [bound.operator for bound in requirement.specifier] == [">="], "one lower bound each, and no upper one"
    version = COLAB["packages"][requirement.name]
    assert version is None or Version(version) in requirement.specifier, "Colab's is older: it would be upgraded there"


def test_python_is_old_enough_for_colab():
    assert PROJECT["project"]["requires-python"] == ">=3.11"
    assert Version(COLAB["python"]) in SpecifierSet(PROJECT["project"]["requires-python"])


def test_conda_gets_what_pip_gets():
    """conda-forge's names are pip's but for two; the bounds are the same; pip is left only segedu itself."""
    names = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
    extras = {name: map(Requirement, lines) for name, lines in PROJECT["project"]["optional-dependencies"].items()}
    to_test = [requirement for requirement in extras["test"] if requirement.name in ("pytest", "nbval")]
    to_build = map(Requirement, PROJECT["build-system"]["requires"])
    wanted = {
        names.get(requirement.name, requirement.name): requirement.specifier
        for requirement in (*RUN_TIME, *extras["lab"], *to_test, *to_build)
    }
    wanted["python"] = SpecifierSet(PROJECT["project"]["requires-python"])
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    environment = yaml.safe_load(text)
    found = {requirement.name: requirement.specifier for requirement in map(Requirement, environment["dependencies"])}
    assert found.pop("pip")
    assert found == wanted and environment["channels"] == ["conda-forge"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all("pip install --no-deps --no-build-isolation -e ." in words for words in (text, readme))


def test_modules_are_found_where_they_stood_before_they_had_rooms():
    from segedu.checkpoints import CheckpointError
    from segedu.instances import objects_by_watershed
    from segedu.sampling import Batches
    from segedu.tiling import needed_margin
    from segedu.tracking import track

    from segedu.inference import instances, picture_tensor, tiles, tracking
    from segedu.training import batches, checkpoints

    assert (objects_by_watershed, track, needed_margin) == (
        instances.objects_by_watershed,
        tracking.track,
        tiles.needed_margin,
    )
    assert (Batches, CheckpointError) == (batches.Batches, checkpoints.CheckpointError) and callable(picture_tensor)
