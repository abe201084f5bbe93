"""The command `segedu`, called as a function."""

import hashlib
import importlib.metadata
import subprocess
import sys

import pytest

from segedu import cli, datasets, download, resources
from segedu.datasets.base import StoredDataset
from tests.file_server import serving


@pytest.fixture(autouse=True)
def empty_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.delenv("SEGEDU_DATA", raising=False)


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A data set of two files in place of the real ones; hands out the files a server should hold."""
    contents = {"/train/a.png": b"a", "/train/b.png": b"b"}
    manifest = tmp_path / "small.sha256"
    manifest.write_text("".join(f"{hashlib.sha256(b).hexdigest()}  Up{path}\n" for path, b in contents.items()))
    monkeypatch.setattr(resources, "data_path", lambda *parts: manifest)

    def serve_from(address):
        data = download.RealData("small", "Small", 7, "Licence: all may.", "small.sha256", "Up", (address + "/{path}",))
        monkeypatch.setattr(cli, "REAL_DATA", {"small": data})

    return serve_from, contents


def test_every_loader_of_real_data_is_registered_with_its_manifest_and_its_card():
    loaders = {name for name in datasets.__all__ if issubclass(getattr(datasets, name), StoredDataset)}
    assert {data.title for data in datasets.REAL_DATA.values()} == loaders
    for name, data in datasets.REAL_DATA.items():
        assert download.manifest(data), name
        card = resources.data_path("cards", f"{name}.md").read_text(encoding="utf-8")
        assert card.splitlines()[0].lower() == f"# {name}"


def test_the_installed_command_is_this_one():
    (command,) = importlib.metadata.entry_points(group="console_scripts", name="segedu")
    assert command.load() is cli.main


def test_version(capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"segedu {importlib.metadata.version('segedu')}\n"


def test_list_says_what_is_missing_and_how_to_get_it(capsys):
    assert cli.main(["data", "list"]) == 0
    printed = capsys.readouterr().out
    for part in ("camvid: about 180 MB", "non-commercial", "camvid.md", "missing", "segedu data fetch camvid"):
        assert part in printed


def test_list_counts_the_files_of_what_is_there(tmp_path, small, capsys):
    serve_from, _ = small
    serve_from("")
    (tmp_path / "cache" / "small" / "train").mkdir(parents=True)
    (tmp_path / "cache" / "small" / "train" / "a.jpg").write_bytes(b"")
    assert cli.main(["data", "list"]) == 0
    assert f"{tmp_path / 'cache' / 'small'} (1 of 2 files)" in capsys.readouterr().out
    assert cli.main(["data", "list", "--root", str(tmp_path / "other")]) == 0
    assert "missing" in capsys.readouterr().out


def test_fetch_then_list(tmp_path, small, capsys):
    serve_from, contents = small
    with serving(contents) as (address, _):
        serve_from(address)
        assert cli.main(["data", "fetch", "small", "--root", str(tmp_path / "root")]) == 0
    assert (tmp_path / "root" / "small" / "train" / "b.png").read_bytes() == b"b"
    printed = capsys.readouterr().out
    assert printed.index("about 7 MB") < printed.index("Small is complete")
    cli.main(["data", "list", "--root", str(tmp_path / "root")])
    assert "(2 of 2 files)" in capsys.readouterr().out


def test_a_failed_fetch_is_told_in_words_with_exit_code_2(small, capsys):
    serve_from, _ = small
    with serving({}) as (address, _):
        serve_from(address)
        assert cli.main(["data", "fetch", "small"]) == 2
    printed = capsys.readouterr()
    assert "segedu: a.png could not be fetched" in printed.err and f"{address}/train/a.png" in printed.err
    assert "Traceback" not in printed.err and "is complete" not in printed.out


def test_a_wrong_variable_is_told_in_words_with_exit_code_2(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SEGEDU_DATA", str(tmp_path / "gone"))
    assert cli.main(["data", "list"]) == 2
    assert capsys.readouterr().err.startswith("segedu: SEGEDU_DATA is ")


@pytest.mark.parametrize("words", [[], ["data"], ["data", "fetch"], ["data", "fetch", "nothing"], ["nothing"]])
def test_a_command_that_does_not_exist_has_exit_code_2(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(words)
    assert stopped.value.code == 2
    assert "usage: segedu" in capsys.readouterr().err


def test_ctrl_c_ends_without_a_traceback(monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "fetch_data", interrupted)
    assert cli.main(["data", "fetch", "camvid"]) == 130
    assert "stopped" in capsys.readouterr().err


def test_python_m_segedu_is_the_command():
    said = subprocess.run([sys.executable, "-m", "segedu", "--help"], capture_output=True, text=True, check=True).stdout
    assert said.startswith("usage: segedu")
