"""download: where data is found, and fetching from a small server on this machine."""

import hashlib
import random
import socket
import sys
from pathlib import Path

import pytest

from segedu import download, resources
from tests.file_server import serving

CONTENT = random.Random(0).randbytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
DAMAGED = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])


@pytest.fixture(autouse=True)
def no_data_of_this_machine(tmp_path, monkeypatch):
    monkeypatch.delenv("SEGEDU_DATA", raising=False)
    monkeypatch.setattr(download, "cache_folder", lambda: tmp_path / "cache")


@pytest.fixture
def closed_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    return f"http://127.0.0.1:{port}"


# find_data


def test_find_data_order_is_variable_then_cache(tmp_path, monkeypatch):
    assert download.find_data("camvid") is None
    in_cache = tmp_path / "cache" / "camvid"
    in_cache.mkdir(parents=True)
    assert download.find_data("camvid") == in_cache
    shared = tmp_path / "shared"
    shared.mkdir()
    monkeypatch.setenv("SEGEDU_DATA", str(shared))
    assert download.find_data("camvid") == in_cache  # a set that SEGEDU_DATA lacks is simply missing there
    (shared / "CamVid").mkdir()
    assert download.find_data("camvid") == shared / "CamVid"


def test_find_data_in_root_looks_nowhere_else(tmp_path):
    (tmp_path / "cache" / "camvid").mkdir(parents=True)
    root = tmp_path / "root"
    assert download.find_data("camvid", root) is None  # not there yet: a place to fetch into
    root.mkdir()
    assert download.find_data("camvid", root) is None
    (root / "camvid").mkdir()
    assert download.find_data("camvid", root) == download.find_data("camvid", root / "camvid") == root / "camvid"


def test_find_data_passes_over_a_folder_without_the_wanted_parts(tmp_path, monkeypatch):
    (tmp_path / "shared" / "camvid" / "train").mkdir(parents=True)
    (tmp_path / "cache" / "camvid" / "test").mkdir(parents=True)
    monkeypatch.setenv("SEGEDU_DATA", str(tmp_path / "shared"))
    assert download.find_data("camvid", holding=["train"]) == tmp_path / "shared" / "camvid"
    assert download.find_data("camvid", holding=["test"]) == tmp_path / "cache" / "camvid"
    assert download.find_data("camvid", holding=["train", "test"]) is None


def test_find_data_takes_a_root_of_any_name_that_holds_the_parts(tmp_path):
    (tmp_path / "my copy" / "train").mkdir(parents=True)
    assert download.find_data("camvid", tmp_path / "my copy", ["train"]) == tmp_path / "my copy"


def test_a_relative_variable_is_an_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here" / "camvid").mkdir(parents=True)
    monkeypatch.setenv("SEGEDU_DATA", "here")
    with pytest.raises(ValueError, match="'here', a relative path") as caught:
        download.find_data("camvid")
    assert str(tmp_path / "here") in str(caught.value)


def test_a_variable_that_names_no_folder_is_an_error_not_a_skip(tmp_path, monkeypatch):
    (tmp_path / "cache" / "camvid").mkdir(parents=True)
    monkeypatch.setenv("SEGEDU_DATA", str(tmp_path / "gone"))
    with pytest.raises(NotADirectoryError, match="gone"):
        download.find_data("camvid")


def test_an_empty_variable_counts_as_not_set(monkeypatch):
    monkeypatch.setenv("SEGEDU_DATA", "")
    assert download.find_data("camvid") is None


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {}, "~/.cache/segedu"),
        ("linux", {"XDG_CACHE_HOME": "/var/cache/me"}, "/var/cache/me/segedu"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "~/.cache/segedu"),
        ("darwin", {"XDG_CACHE_HOME": "/var/cache/me"}, "~/Library/Caches/segedu"),
        ("win32", {"LOCALAPPDATA": "/Local"}, "/Local/segedu"),
        ("win32", {}, "~/AppData/Local/segedu"),
    ],
)
def test_cache_folder_of_each_platform(platform, variables, expected, tmp_path, monkeypatch):
    monkeypatch.undo()  # the fixture's cache_folder
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setattr(sys, "platform", platform)
    assert download.cache_folder() == Path(expected.replace("~", str(tmp_path)))
    assert not download.cache_folder().exists()


# fetch


def test_fetch_a_new_file(tmp_path):
    with serving({"/a": CONTENT}) as (address, requests):
        path = download.fetch(tmp_path / "new" / "a.bin", [f"{address}/a"], SHA256)
    assert path.read_bytes() == CONTENT
    assert [entry.name for entry in path.parent.iterdir()] == ["a.bin"]
    assert requests == [("/a", None)]


def test_fetch_keeps_a_sound_file_and_replaces_a_damaged_one(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(CONTENT)
    with serving({"/a": CONTENT}) as (address, requests):
        download.fetch(path, [f"{address}/a"], SHA256)
        assert requests == []
        path.write_bytes(DAMAGED)
        download.fetch(path, [f"{address}/a"], SHA256)
    assert path.read_bytes() == CONTENT


def test_fetch_continues_where_it_was_cut(tmp_path):
    (tmp_path / "a.bin.part").write_bytes(CONTENT[:100_000])
    with serving({"/a": CONTENT}) as (address, requests):
        download.fetch(tmp_path / "a.bin", [f"{address}/a"], SHA256)
    assert requests == [("/a", "bytes=100000-")]
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_fetch_needs_nothing_more_for_a_part_that_is_the_whole(tmp_path):
    (tmp_path / "a.bin.part").write_bytes(CONTENT)
    with serving({"/a": CONTENT}) as (address, _):
        download.fetch(tmp_path / "a.bin", [f"{address}/a"], SHA256)
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("part", [b"something else", CONTENT + b"too long"])
def test_fetch_starts_again_where_the_part_is_of_another_file(part, tmp_path):
    (tmp_path / "a.bin.part").write_bytes(part)
    with serving({"/a": CONTENT}) as (address, requests):
        download.fetch(tmp_path / "a.bin", [f"{address}/a"], SHA256)
    assert requests == [("/a", f"bytes={len(part)}-"), ("/a", None)]
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_fetch_from_a_server_that_cannot_continue(tmp_path):
    (tmp_path / "a.bin.part").write_bytes(CONTENT[:100_000])
    with serving({"/a": CONTENT}, ranges=False) as (address, requests):
        download.fetch(tmp_path / "a.bin", [f"{address}/a"], SHA256)
    assert requests == [("/a", "bytes=100000-")]
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("first", [{}, {"/a": DAMAGED}, {"/a": CONTENT[:-5]}], ids=["404", "damaged", "short"])
def test_fetch_turns_to_the_second_source(first, tmp_path):
    with serving(first) as (one, requests), serving({"/b": CONTENT}) as (two, later_requests):
        download.fetch(tmp_path / "a.bin", [f"{one}/a", f"{two}/b"], SHA256)
    assert requests == [("/a", None)]
    assert later_requests == [("/b", None)]
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("a.bin", CONTENT)]


def test_the_second_source_continues_what_the_first_cut_off(tmp_path):
    with serving({"/a": CONTENT}, cut_after=200_000) as (one, _), serving({"/b": CONTENT}) as (two, requests):
        download.fetch(tmp_path / "a.bin", [f"{one}/a", f"{two}/b"], SHA256)
    assert requests == [("/b", "bytes=200000-")]
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_fetch_names_every_source_that_failed_and_leaves_nothing(tmp_path, closed_port):
    with serving({"/bad": DAMAGED}) as (address, _):
        sources = [f"{address}/none", f"{address}/bad", f"{closed_port}/off"]
        with pytest.raises(download.FetchError) as caught:
            download.fetch(tmp_path / "a.bin", sources, SHA256)
    message = str(caught.value)
    for source, reason in zip(sources, ["404", "damaged", "refused"], strict=True):
        assert any(source in line and reason in line for line in message.splitlines())
    assert "By hand" in message and str(tmp_path / "a.bin") in message
    assert list(tmp_path.iterdir()) == []


def test_a_fetch_that_fails_leaves_the_old_file_and_its_part(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"an older one")
    cut = serving({"/a": CONTENT}, cut_after=1000)
    with cut as (address, _), pytest.raises(download.FetchError, match="too early"):
        download.fetch(tmp_path / "a.bin", [f"{address}/a"], SHA256)
    assert (tmp_path / "a.bin").read_bytes() == b"an older one"
    assert (tmp_path / "a.bin.part").read_bytes() == CONTENT[:1000]


def test_a_silent_server_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/a"
        with pytest.raises(download.FetchError, match="timed out"):
            download.fetch(tmp_path / "a.bin", [address], SHA256)


# fetch_data


@pytest.fixture
def small_set(monkeypatch, tmp_path):
    """A data set of 20 files, with what a server holds of it."""
    contents = {f"train/{i}.bin": f"file {i}".encode() for i in range(19)} | {"list.txt": b"names"}
    lines = [f"{hashlib.sha256(content).hexdigest()}  Up/{path}" for path, content in contents.items()]
    manifest = tmp_path / "shipped" / "small.sha256"
    manifest.parent.mkdir()
    manifest.write_text("\n".join(lines) + "\n")
    monkeypatch.setattr(resources, "data_path", lambda *parts: manifest)

    def small(address):
        sources = (address + "/at/{path}",)
        return download.RealData("small", "Small", 7, "Licence: all may.", "small.sha256", "Up", sources)

    return small, {f"/at/{path}": content for path, content in contents.items()}


def test_fetch_data_brings_every_file_and_says_size_and_licence_first(small_set, tmp_path, capsys):
    small, contents = small_set
    with serving(contents) as (address, requests):
        folder = download.fetch_data(small(address))
        assert len(requests) == 20
        assert download.fetch_data(small(address)) == folder == tmp_path / "cache" / "small"
        assert len(requests) == 20  # nothing twice
        (folder / "train" / "3.bin").write_bytes(b"broken")
        (folder / "list.txt").unlink()
        download.fetch_data(small(address))
        assert sorted(path for path, _ in requests[20:]) == ["/at/list.txt", "/at/train/3.bin"]
    for path, content in contents.items():
        assert (folder / path.removeprefix("/at/")).read_bytes() == content
    printed = capsys.readouterr().out
    assert "20 files, about 7 MB" in printed and "Licence: all may." in printed and str(folder) in printed


def test_fetch_data_stops_at_a_file_that_nobody_has_and_continues_later(small_set, tmp_path):
    small, contents = small_set
    incomplete = serving({path: content for path, content in contents.items() if "/10." not in path})
    with incomplete as (address, requests), pytest.raises(download.FetchError, match="10.bin"):
        download.fetch_data(small(address), tmp_path / "new root")
    before = len(requests)
    with serving(contents) as (address, requests):
        folder = download.fetch_data(small(address), tmp_path / "new root")
    assert folder == tmp_path / "new root" / "small"
    assert before + len(requests) == 21  # what had come was kept
    assert len(list(folder.rglob("*.bin"))) == 19


@pytest.mark.parametrize(("existing", "expected"), [("Small", "Small"), ("train", "."), (None, "small")])
def test_fetch_data_goes_where_the_data_set_already_is(existing, expected, small_set, tmp_path):
    small, contents = small_set
    root = tmp_path / "root"
    if existing:
        (root / existing).mkdir(parents=True)
    with serving(contents) as (address, _):
        assert download.fetch_data(small(address), root) == root / expected
    assert (root / expected / "train" / "0.bin").exists()


def test_sources_may_ask_by_checksum(small_set, tmp_path):
    small, contents = small_set
    by_checksum = {f"/{hashlib.sha256(content).hexdigest()}": content for content in contents.values()}
    with serving(by_checksum) as (address, _):
        data = small(address)
        data = download.RealData(**(vars(data) | {"sources": (*data.sources, address + "/{sha256}")}))
        folder = download.fetch_data(data)
    assert (folder / "train" / "7.bin").read_bytes() == b"file 7"


# find_picture


def test_find_picture_takes_the_named_file_before_another_format(tmp_path):
    assert download.find_picture(tmp_path, "train/a.png") is None
    (tmp_path / "train").mkdir()
    jpeg, png = tmp_path / "train" / "a.jpg", tmp_path / "train" / "a.png"
    jpeg.touch()
    assert download.find_picture(tmp_path, "train/a.png") == jpeg
    png.touch()
    assert download.find_picture(tmp_path, "train/a.png") == png
