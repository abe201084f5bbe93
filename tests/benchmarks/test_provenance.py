"""Stored results say where they come from, and of which modules: a change of what these compute is seen."""

import re
from pathlib import Path

import nbformat
import pytest

from benchmarks import checking, provenance, storing
from benchmarks.provenance import digest
from segedu import resources

FILES = checking.files()


# What is stored


@pytest.mark.parametrize("name", FILES)
def test_every_stored_file_says_where_it_comes_from(name):
    stored = storing.read(FILES[name])
    assert re.fullmatch(r"20\d\d-[01]\d-[0-3]\d", stored["date"])
    assert re.fullmatch(r"[0-9a-f]{7,12}( and changes)?", stored["commit"])
    assert checking.module_of(name) in stored["modules"]
    assert all(re.fullmatch("[0-9a-f]{12}", one) for one in stored["modules"].values())
    for entry in stored.get("shown_equal", []):
        assert entry.keys() == {"date", "commit", "modules", "why"} and stored["date"] <= entry["date"]


@pytest.mark.parametrize("name", FILES)
def test_the_modules_of_a_stored_file_compute_what_they_did(name):
    assert not (sentence := checking.stale(name, storing.read(FILES[name]))), sentence


def test_all_files_are_looked_at():
    of_tools = {"claims", "costs"}  # prove.py: what lessons assert; costs.py: what they take on one day's machine
    assert {path.stem for path in storing.RESULTS.glob("*.json")} == {*of_tools, *FILES}


# What lessons print


NOTEBOOKS = sorted((provenance.ROOT / "notebooks").glob("*.ipynb"))
READS = re.compile(r'(?:stored_runs\(|data_path\("results", )"(\w+?)(?:\.json)?"')


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_cell_that_reads_stored_numbers_prints_when_they_were_recorded(path):
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    for cell, following in zip(cells, [*cells[1:], None], strict=True):
        for name in READS.findall(cell.source):
            words = f'resources.recorded("{name}")'  # there, or under the figure that comes right after
            saying = cell if words in cell.source or following is None else following
            assert words in saying.source
            said = "".join(output.get("text", "") for output in saying.outputs)
            assert resources.recorded(name) in said, (
                f"run the lesson again: python -m tools.store_notebooks {path.stem}"
            )


# Digests


SOURCE = '''
"""A module."""
def double(x: int, *, raise_it=False) -> int:
    """Twice x."""
    if raise_it:
        raise ValueError(f"{x} is too much")
    return 2 * x  # not x + x
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("A module.", "One function."),
        ('    """Twice x."""\n', ""),
        ("  # not x + x", ""),
        ("2 * x", "(2\n        * x)"),
        ("x: int, *, raise_it=False) -> int", "x: float, *, raise_it: bool = False) -> float"),
        ('f"{x} is too much"', '"Take less."'),
    ],
)
def test_words_layout_and_types_do_not_count(old, new):
    assert old in SOURCE and digest(SOURCE.replace(old, new)) == digest(SOURCE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2 * x", "2.0 * x"),
        ("2 * x", "3 * x"),
        ("2 * x", "x * 2"),
        ("raise_it=False", "raise_it=True"),
        ("raise_it=False", "raise_it=None"),
        ("*, raise_it", "raise_it"),
        ("ValueError(", "KeyError("),
        ("    return 2 * x", "    x = x\n    return 2 * x"),
        ("return 2 * x", "return"),
    ],
)
def test_what_is_computed_counts(old, new):
    assert old in SOURCE and digest(SOURCE.replace(old, new)) != digest(SOURCE)


def test_a_digest_is_the_same_in_every_version_of_python():
    """3.12 gave functions type_params, 3.13 leaves empty fields out of ast.dump: neither may change a digest."""
    assert digest(SOURCE) == "8682f297ebbf"


# Which modules


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A small segedu and benchmarks; `tree(path, source)` writes one more module."""

    def write(path: str, source: str) -> Path:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        return (tmp_path / path).write_text(source, encoding="utf-8")

    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    provenance._next.cache_clear()
    write("segedu/__init__.py", "from segedu import models\nfrom segedu.loop import fit\n__version__ = '1'\n")
    write("segedu/loop.py", "def fit(): ...\n")
    write("segedu/models/__init__.py", "from segedu.models.fcn import FCN\nfrom segedu.models.unet import UNet\n")
    write("segedu/models/fcn.py", "from segedu.models.layers import block\nclass FCN: ...\n")
    write("segedu/models/unet.py", "class UNet: ...\n")
    write("segedu/models/layers.py", "def block(): ...\n")
    yield write
    provenance._next.cache_clear()


@pytest.mark.parametrize(
    ("source", "others"),
    [
        ("import torch", set()),
        ("from segedu.models import UNet", {"segedu.models.unet"}),
        ("from segedu.models import FCN as Net", {"segedu.models.fcn", "segedu.models.layers"}),
        ("import segedu\nsegedu.fit(1)", {"segedu.loop"}),
        ("import segedu.models.layers\nsegedu.fit(1)", {"segedu.loop", "segedu.models.layers"}),
        ("import segedu\nsegedu.models.UNet()", {"segedu.models.unet"}),
        ("def f():\n    from segedu import models\n    return models.UNet", {"segedu.models.unet"}),
        ("import segedu.models.layers as la\nla.block()", {"segedu.models.layers"}),
        ("from segedu import models\nvars(models)", {"segedu.models.fcn", "segedu.models.layers",
                                                     "segedu.models", "segedu.models.unet"}),
        ("from benchmarks.storing import store", set()),
    ],
)  # fmt: skip
def test_names_lead_to_the_modules_that_define_them(tree, source, others):
    tree("benchmarks/lesson.py", source)
    tree("benchmarks/storing.py", "from segedu import models\nmodels\n")
    assert provenance.used_by("benchmarks.lesson") == {"benchmarks.lesson"} | others


def test_changed_new_and_dropped_modules_are_named(tree):
    tree("benchmarks/lesson.py", "from segedu.models import FCN")
    recorded = provenance.digests("benchmarks.lesson")
    assert provenance.changes(recorded, "benchmarks.lesson") == []
    tree("segedu/models/fcn.py", "from segedu.loop import fit\nclass FCN: ...\n")
    provenance._next.cache_clear()
    changed = provenance.changes(recorded, "benchmarks.lesson")
    assert changed == ["segedu.loop", "segedu.models.fcn", "segedu.models.layers"]


def test_real_experiments_name_what_they_run_and_not_the_rest():
    streets, heads = provenance.used_by("benchmarks.lesson_05"), provenance.used_by("benchmarks.lesson_08")
    common = {"segedu.training.loop", "segedu.datasets.toystreet", "segedu.worlds.street.scene", "segedu.losses"}
    assert common <= streets and common <= heads
    assert "segedu.models.fcn" in streets and "segedu.models.fcn" not in heads
    assert "segedu.models.deeplab" in heads and "segedu.models.deeplab" not in streets
    drawing = {"segedu.plotting", "segedu.widgets.figures", "segedu.check", "segedu.cli", "segedu.strokes"}
    assert not drawing & streets and not drawing & provenance.used_by("benchmarks.lesson_13")


def test_the_commit_tells_changes_that_are_not_in_it():
    assert re.fullmatch(r"[0-9a-f]{7,12}( and changes)?|unknown, no git", provenance.commit())
