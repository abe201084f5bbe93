"""A module imports only from lower floors, so that every file can be read after those below it, and none is long."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "segedu"
FLOORS = {
    "labels": 1, "ids": 1, "inputs": 1, "runtime": 1, "resources": 1, "pages": 1,
    "statistics": 1,
    "download": 2, "pictures": 2, "distributed": 2,
    "masks": 2, "transforms": 2, "corruptions": 2, "models": 2, "centres": 2, "metrics": 2, "crf": 2, "worlds": 2,
    "losses": 3, "datasets": 3, "inference": 3,
    "training": 4, "plotting": 4, "strokes": 4,
    "labelling": 5, "check": 5, "claims": 5, "scoreboard": 5, "diagrams": 5, "exporting": 5,
    "widgets": 6, "commands": 6,
    "cli": 7,
}  # fmt: skip
DOORS = {PACKAGE / "__init__.py", PACKAGE / "__main__.py"}
MODULES = sorted(set(PACKAGE.rglob("*.py")) - DOORS)
NAMES = {path.stem for path in PACKAGE.glob("*.py")} | {path.parent.name for path in PACKAGE.glob("*/*.py")}


def imported(source: str) -> set[str]:
    """The names right below `segedu` that the source imports, wherever in it: {"masks", "datasets"}."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written in full: from segedu import …"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.split(".")[1] for name in found if name.startswith("segedu.")}


def too_high(home: str, source: str) -> list[str]:
    """What the module or sub-package `home` imports although it does not stand below it."""
    return [name for name in sorted(imported(source)) if name != home and FLOORS[name] >= FLOORS[home]]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_stands_on_lower_floors_and_is_short(path):
    source = path.read_text(encoding="utf-8")
    home = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert home in FLOORS, f"give {home} a floor here"
    assert imported(source) <= FLOORS.keys(), "import the module that has the name, not segedu itself"
    assert not too_high(home, source)
    assert len(source.splitlines()) <= 400


def test_every_floor_has_its_module():
    assert FLOORS.keys() <= NAMES


def test_the_walk_sees_each_way_to_import():
    assert imported("import segedu.masks") == {"masks"}
    assert imported("from segedu import masks, download as d") == {"masks", "download"}
    assert imported("def f():\n    from segedu.datasets.base import SegmentationDataset") == {"datasets"}
    assert imported("import torch\nfrom pathlib import Path") == set()
    assert too_high("masks", "from segedu import labels, losses, datasets") == ["datasets", "losses"]
    assert too_high("datasets", "from segedu.datasets.base import SegmentationDataset") == []
