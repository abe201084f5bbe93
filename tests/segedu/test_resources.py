"""resources: what ships, in a clone and installed; whole-or-nothing writes."""

import importlib.util
import os
import shutil
import stat
import sys
from pathlib import Path

import pytest

from segedu import resources


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


# data_path


def resources_module_in(folder: Path):
    """segedu/resources.py copied into folder/segedu and imported from there."""
    (folder / "segedu").mkdir(parents=True)
    copy = shutil.copy(resources.__file__, folder / "segedu" / "resources.py")
    spec = importlib.util.spec_from_file_location("resources_elsewhere", copy)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_data_path_finds_a_file_of_this_repository():
    assert resources.data_path("cards", "camvid.md").read_text().startswith("# CamVid")


def test_data_path_reads_the_installed_package_where_there_is_no_clone(tmp_path):
    elsewhere = resources_module_in(tmp_path)
    packed = put(tmp_path / "segedu" / "_data" / "cards" / "a.md", "packed")
    put(tmp_path / "data" / "cards" / "a.md", "a folder of somebody else's that happens to be called data")
    assert elsewhere.data_path("cards", "a.md") == packed


def test_stored_runs_are_one_number_a_seed(tmp_path):
    elsewhere = resources_module_in(tmp_path)
    put(tmp_path / "segedu" / "_data" / "results" / "a.json", '{"arms": {"ours": {"mean_iou": [0.25, 0.5]}}}')
    assert elsewhere.stored_runs("a")["ours"]["mean_iou"].tolist() == [0.25, 0.5]
    assert elsewhere.stored_runs("a", scale=100)["ours"]["mean_iou"].tolist() == [25, 50]
    named = '{"arms": {"ours": {"parameters": 7, "val": {"0": 0.25, "2": 0.5}}}}'
    put(tmp_path / "segedu" / "_data" / "results" / "c.json", named)
    assert elsewhere.stored_runs("c")["ours"]["val"].tolist() == [0.25, 0.5]
    assert elsewhere.stored_runs("c")["ours"]["parameters"].item() == 7
    with pytest.raises(FileNotFoundError, match="results/b.json"):
        elsewhere.stored_runs("b")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"date": "2026-11-22", "arms": {"a": {"iou": [0.1, 0.2]}, "b": {"iou": [0.1, 0.2]}}}', ", 2 runs each"),
        ('{"date": "2026-11-22", "arms": {"a": {"parameters": 7, "iou": {"0": 0.1}}, "b": {"iou": {"0": 1, "1": 1}}}}',
         ", 1–2 runs each"),
        ('{"date": "2026-11-22", "arms": {"a": {"seconds": [0.1]}}}', ", one run each"),
        ('{"date": "2026-11-22", "rows": {"tiles": {"megabytes": 3}}}', ""),
    ],
)  # fmt: skip
def test_recorded_tells_the_day_and_the_runs(tmp_path, text, words):
    elsewhere = resources_module_in(tmp_path)
    put(tmp_path / "segedu" / "_data" / "results" / "a.json", text)
    assert elsewhere.recorded("a") == f"recorded 2026-11-22{words}"
    with pytest.raises(FileNotFoundError, match="results/b.json"):
        elsewhere.recorded("b")


def test_data_path_prefers_the_clone(tmp_path):
    elsewhere = resources_module_in(tmp_path)
    put(tmp_path / "pyproject.toml", "")
    put(tmp_path / "segedu" / "_data" / "a.md", "packed")
    only_packed = put(tmp_path / "segedu" / "_data" / "b.md", "packed")
    assert elsewhere.data_path("a.md") == tmp_path / "segedu" / "_data" / "a.md"
    in_clone = put(tmp_path / "data" / "a.md", "clone")
    assert elsewhere.data_path("a.md") == in_clone
    assert elsewhere.data_path("b.md") == only_packed


def test_data_path_says_what_it_lacks():
    with pytest.raises(FileNotFoundError, match="ships no cards/nothing.md"):
        resources.data_path("cards", "nothing.md")


# atomic_write


def test_atomic_write_writes_and_replaces(tmp_path):
    path = tmp_path / "deep" / "net.png"
    for text in ("first", "second"):
        with resources.atomic_write(path) as temporary:
            assert temporary.parent == path.parent and temporary.suffix == ".png"
            temporary.write_text(text)
            assert not path.exists() or path.read_text() == "first"
        assert path.read_text() == text
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_atomic_write_leaves_the_old_file_if_the_writer_fails(error, tmp_path):
    path = tmp_path / "net.bin"
    path.write_text("old")
    with pytest.raises(error), resources.atomic_write(path) as temporary:
        temporary.write_text("half of the n")
        raise error
    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [("net.bin", "old")]


def test_atomic_write_does_not_invent_a_file_that_nobody_wrote(tmp_path):
    with pytest.raises(FileNotFoundError), resources.atomic_write(tmp_path / "net.bin"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such rights")
def test_atomic_write_gives_the_usual_rights(tmp_path):
    usual = put(tmp_path / "usual", "")
    with resources.atomic_write(tmp_path / "whole") as temporary:
        temporary.write_text("")
    assert stat.S_IMODE(os.stat(tmp_path / "whole").st_mode) == stat.S_IMODE(os.stat(usual).st_mode)
