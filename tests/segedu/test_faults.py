"""Disks that are full, folders that may not be written to, files that vanish: a sentence, and nothing is lost."""

import contextlib
import errno
import os
import re
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import segedu
from segedu import cli, resources
from segedu.datasets import PictureFolder
from segedu.labels import OBJECTS
from segedu.masks import write_mask
from segedu.models import SmallNet
from segedu.training import checkpoints
from tests.tiny import Boxes

unix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits and rights")


def net(seed=0):
    torch.manual_seed(seed)
    return SmallNet(3, width=8)


def fit(model, **options):
    return segedu.fit(model, Boxes(4), **{"steps": 4, "batch_size": 2, "progress": False} | options)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@contextlib.contextmanager
def files_of_at_most(size):
    """No file may grow beyond this: what a full disk does, done by the system itself."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextlib.contextmanager
def as_nobody():
    """Root may write everywhere, so the rights of a folder are tried as somebody else."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


WRITERS = {
    "weights": ("net.safetensors", lambda path: segedu.save(path, net(1))),
    "a mask": ("mask.png", lambda path: write_mask(path, np.random.default_rng(0).integers(0, 2, (90, 90)), OBJECTS)),
    "windows": (
        "ids.tif",
        lambda path: segedu.inference.segment_by_windows(
            net(), np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8), path, tile=64
        ),
    ),
}


@unix
@pytest.mark.parametrize("kind", WRITERS)
def test_a_file_that_cannot_be_finished_leaves_the_one_before(kind, tmp_path):
    name, write = WRITERS[kind]
    path = tmp_path / name
    path.write_bytes(b"an earlier one")
    with files_of_at_most(400), pytest.raises(OSError, match="stands there still") as caught:
        write(path)
    assert re.match(rf"{re.escape(str(path))} could not be written \(.*\)\. .*another (disk|place)", str(caught.value))
    assert path.read_bytes() == b"an earlier one" and names(tmp_path) == [name]
    write(path)
    assert path.stat().st_size > 400


def full(monkeypatch, after):
    """Path.write_bytes writes so many files, then meets a full disk: half of the next one is there."""
    left, write = [after], Path.write_bytes

    def write_bytes(path, content):
        left[0] -= 1
        if left[0] >= 0:
            return write(path, content)
        write(path, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", write_bytes)


def test_a_disk_that_becomes_full_ends_a_training_that_goes_on_when_there_is_room(tmp_path, monkeypatch):
    path, whole = tmp_path / "run.safetensors", net()
    expected = fit(whole)
    with monkeypatch.context() as patched:
        full(patched, after=1)
        with pytest.raises(
            OSError, match=r"run\.safetensors could not be written \(No space left.*Make room"
        ) as caught:
            fit(net(), checkpoint=path)
    assert caught.value.errno == errno.ENOSPC and names(tmp_path) == ["run.safetensors"]
    assert len(checkpoints.read(path)[1]["notes"]["history"]["loss"]) == 2
    model = net()
    assert fit(model, checkpoint=path, resume=True).loss == expected.loss
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), whole.state_dict().values(), strict=True))


@unix
def test_a_folder_that_may_only_be_read_is_named_before_anything_is_learnt(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "backward", lambda *_, **__: pytest.fail("it should not come to that"))
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o555)
        path = Path(folder, "run.safetensors")
        with as_nobody(), pytest.raises(PermissionError) as caught:
            fit(net(), checkpoint=path)
        assert str(
            caught.value
        ) == f"{path} could not be written (Permission denied). Nothing may be written there; " + (
            "name another folder."
        )
        assert names(Path(folder)) == []
        os.chmod(folder, 0o755)


def test_a_file_where_a_folder_should_be_is_named(tmp_path, capsys):
    (tmp_path / "file").write_text("a file")
    for path in (tmp_path / "file" / "net.safetensors", tmp_path / "file" / "deeper" / "net.safetensors"):
        with pytest.raises(
            OSError, match=r"net.safetensors could not be written .*there is a file; name another folder"
        ):
            segedu.save(path, net())
        with pytest.raises(OSError, match="there is a file"):
            resources.check_writable(path)
    words = ["predict", "fcn8s_toystreet", str(tmp_path), "--out", str(tmp_path / "file")]
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(tmp_path / "a.png")
    assert cli.main(words) == 2
    assert "there is a file; name another folder" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "a file" and names(tmp_path) == ["a.png", "file"]


def test_an_error_of_the_block_itself_keeps_its_words(tmp_path):
    for error in (OSError("scan.tif cannot be read"), FileNotFoundError(errno.ENOENT, "No such file", "elsewhere.png")):
        with pytest.raises(OSError, match=r"scan.tif|elsewhere") as caught, resources.atomic_write(tmp_path / "a"):
            raise error
        assert caught.value is error


def test_what_a_killed_process_left_is_removed_by_the_one_that_goes_on(tmp_path):
    path = tmp_path / "run.safetensors"
    fit(net(), checkpoint=path)
    left = [tmp_path / f".unfinished-0123abcd-{name}" for name in ("run.safetensors", "other.safetensors")]
    for one in left:
        one.write_bytes(b"half")
    fit(net(), checkpoint=path, resume=True)
    assert not left[0].exists() and left[1].exists() and path.exists()


def folder(home):
    for place, values in (("images", 120), ("masks", 1)):
        (home / place).mkdir(parents=True)
        for name in "abcdef":
            picture = np.full((40, 48), values, np.uint8)
            picture[:20] = 0
            Image.fromarray(picture).save(home / place / f"{name}.png")
    return home


def vanish(path):
    path.unlink()


def grow(path):
    Image.fromarray(np.ones((41, 48), np.uint8)).save(path)


def cut(path):
    path.write_bytes(path.read_bytes()[:40])


@pytest.mark.parametrize(
    ("change", "place", "words"),
    [
        (vanish, "images", "images.a.png was there .* and is gone. Bring it back"),
        (vanish, "masks", "masks.a.png was there .* and is gone. Bring it back"),
        (grow, "masks", r"masks.a.png .*41"),
        (grow, "images", r"masks.a.png .*41"),
        (cut, "images", "images.a.png cannot be read as a picture"),
        (cut, "masks", "masks.a.png cannot be read as a picture"),
    ],
)
def test_a_file_that_changes_in_an_epoch_is_named_and_the_training_goes_on_later(change, place, words, tmp_path):
    home, path = folder(tmp_path / "own"), tmp_path / "run.safetensors"
    sound = (home / place / "a.png").read_bytes()

    class Changing(PictureFolder):
        def _read(self, index):
            if index == 0:
                change(home / place / "a.png")
            return super()._read(index)

    def learn(data, **options):
        torch.manual_seed(0)
        model = SmallNet(2, width=4)
        return model, segedu.fit(model, data, steps=4, batch_size=2, progress=False, **options)

    whole, expected = learn(PictureFolder(home))
    with pytest.raises((OSError, ValueError), match=words):
        learn(Changing(home), checkpoint=path)
    (home / place / "a.png").write_bytes(sound)
    model, history = learn(PictureFolder(home), checkpoint=path, resume=True)
    assert history.loss == expected.loss
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), whole.state_dict().values(), strict=True))
