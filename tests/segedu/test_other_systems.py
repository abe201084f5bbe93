"""What Windows and macOS do otherwise, on any system: letters, names, open files, new processes."""

import errno
import io
import os
import pickle
import signal
import subprocess
import sys
import unicodedata
from pathlib import Path, PosixPath

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

import segedu
from segedu import cli, datasets, resources, transforms
from segedu.commands import predict
from segedu.datasets import PictureFolder
from segedu.datasets.legends import read_legend
from segedu.ids import MaskError
from segedu.training import checkpoints

ROOT = Path(__file__).resolve().parents[2]
LEAF = "잎 Ä"  # Korean Windows has no Ä, English Windows no 잎
COMPOSED, APART = (unicodedata.normalize(form, "Zürich 1") for form in ("NFC", "NFD"))


def folder(home: Path, names=("a", "b"), masks="masks") -> Path:
    """Pictures with masks of black and white."""
    for number, name in enumerate(names):
        for place, values in (("images", np.full((32, 32), 40 * number)), (masks, 255 * np.eye(32))):
            (home / place).mkdir(parents=True, exist_ok=True)
            Image.fromarray(values.astype(np.uint8)).save(home / place / f"{name}.png")
    return home


# Letters


@pytest.mark.parametrize("letters", ["cp949", "cp1252", "ascii"])
def test_what_is_printed_into_a_file_survives_the_letters_of_windows(tmp_path, monkeypatch, letters):
    """As PYTHONIOENCODING does it for a new process: what goes into a file or a pipe is strict there."""
    home, written = folder(tmp_path / LEAF), io.BytesIO()
    (home / "labels.txt").write_text(f"background\n{LEAF}\n", encoding="utf-8")
    out = io.TextIOWrapper(written, encoding=letters, errors="strict")
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", out)
        code = cli.main(["check", str(home)])
        out.flush()
    said = written.getvalue().decode(letters)
    assert code == 0 and "2 pictures with masks" in said
    assert LEAF.encode(letters, "backslashreplace").decode(letters) in said


@pytest.mark.parametrize("letters", ["utf-8", "utf-8-sig", "utf-16"])  # Linux, Windows' editor, PowerShell
def test_legends_and_lists_may_be_of_any_unicode(tmp_path, letters):
    home = folder(tmp_path)
    (home / "labels.txt").write_bytes(f"background\r\n{LEAF}\r\n".encode(letters))
    for split, name in (("train", "a.png"), ("val", "images\\b.png")):
        (home / f"{split}.txt").write_bytes(f"{name}\r\n".encode(letters))
    own = PictureFolder(home)
    assert own.labels.names == ("background", LEAF)
    assert [own.part(split).names for split in ("train", "val")] == [["a"], ["b"]]


def test_letters_of_one_country_are_no_class_and_no_name(tmp_path):
    home = folder(tmp_path)
    for name in ("labels.txt", "train.txt"):
        (home / name).write_bytes("a\n잎\n".encode("cp949"))
        with pytest.raises(MaskError, match=rf"{name}, line 2: .* is not UTF-8. Save the file again"):
            read_legend(home / name) if name == "labels.txt" else PictureFolder(home, split="train")
        (home / name).unlink()


# Names


def test_names_of_macos_are_those_of_all_others(tmp_path):
    home = folder(tmp_path, [APART, "b"])
    (home / "train.txt").write_text(f"{APART}\n", encoding="utf-8")
    assert PictureFolder(home, split="train").names == [COMPOSED]
    (home / "train.txt").write_text(f"{COMPOSED}.png\n", encoding="utf-8")
    assert PictureFolder(home, split="train").names == [COMPOSED]
    for name in ("background", APART):  # a folder a class
        folder(tmp_path / "classes", ["a", "b"], f"masks/{name}")
    assert COMPOSED in PictureFolder(tmp_path / "classes", strict=False).labels.names


def test_pictures_and_classes_have_one_order_everywhere(tmp_path, monkeypatch):
    for name in ("Zebra", "apple", "Moth"):
        folder(tmp_path, ["B", "a"], f"masks/{name}")
    monkeypatch.setattr(PosixPath if os.name == "posix" else type(tmp_path), "__lt__", as_on_windows, raising=False)
    assert sorted([tmp_path / "B", tmp_path / "a"])[0].name == "a"
    assert PictureFolder(tmp_path, strict=False).labels.names == ("background", "Moth", "Zebra", "apple")
    assert list(segedu.download.pictures_in(tmp_path / "images")) == ["B", "a"]
    assert [path.name for path in predict.found([str(tmp_path / "images")])] == ["B.png", "a.png"]


def as_on_windows(one: Path, other: Path) -> bool:
    return str(one).lower() < str(other).lower()


def test_results_that_differ_in_capitals_alone_are_refused(tmp_path):
    one, other = folder(tmp_path / "1", ["A"]), folder(tmp_path / "2", ["a"])
    files = predict.found([str(one / "images"), str(other / "images")])
    with pytest.raises(ValueError, match=r"A\.png and .*a\.png would both become a\.png"):
        predict._names(files, tmp_path / "out")
    assert [*predict._names(files[:1], tmp_path / "out")] == ["A"]


def test_a_folder_of_pictures_is_known_in_other_capitals(tmp_path, monkeypatch):
    pictures = folder(tmp_path) / "images"
    try:
        (tmp_path / "Images").symlink_to(pictures)  # one folder under two names, which resolve does not tell on macOS
    except FileExistsError:  # on such a system
        pass
    except OSError as error:
        pytest.skip(f"no links here: {error}")
    monkeypatch.setattr(PosixPath if os.name == "posix" else type(tmp_path), "resolve", Path.absolute)
    with pytest.raises(ValueError, match="whose picture would be lost"):
        predict._names(predict.found([str(pictures)]), tmp_path / "Images")


def test_every_file_can_be_checked_out_on_windows_and_macos():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, encoding="utf-8")
    if listed.returncode:
        pytest.skip("no git, or no clone")
    names = listed.stdout.split("\0")[:-1]
    assert len(names) > 300 and unfit(names) == []
    assert unfit(["a/Mask.png", "a/mask.png"]) == ["a/mask.png"] and unfit([f"{APART}.png"]) == [f"{APART}.png"]
    bad = ["data/con.txt", "a/NUL", "a./b", "a /b", "what?.png", "a\\b", "x" * 161]
    assert unfit(["console.py", ".gitignore", *bad]) == bad


def unfit(names: list[str]) -> list[str]:
    """Those that another system cannot hold, takes for one of the others, or stores under another name."""
    found, seen = [], set()
    for name in names:
        reserved = any(part.split(".")[0].lower() in RESERVED or part[-1] in ". " for part in name.split("/"))
        same = name.casefold() in seen or unicodedata.normalize("NFC", name) != name
        if reserved or same or {*name} & {*'<>:"|?*\\'} or len(name) > 160:  # Windows: 260 with the folder of the clone
            found.append(name)
        seen.add(name.casefold())
    return found


RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))}


# Open files


class Locked:
    """os.replace while another program has the file open on Windows: it fails some times."""

    def __init__(self, times: int):
        self.left, self.replace = times, os.replace

    def __call__(self, temporary, path):
        if self.left:
            self.left -= 1
            raise PermissionError(errno.EACCES, "Access is denied", str(temporary), 5, str(path))
        self.replace(temporary, path)


def test_a_file_that_is_looked_at_for_a_moment_is_replaced(tmp_path, monkeypatch):
    path, waited = tmp_path / "a.txt", []
    path.write_text("old", encoding="utf-8")
    monkeypatch.setattr(resources.time, "sleep", waited.append)
    for system, times in (("win32", 3), ("linux", 0)):
        monkeypatch.setattr(sys, "platform", system)
        monkeypatch.setattr(os, "replace", Locked(times))
        with resources.atomic_write(path) as temporary:
            temporary.write_text(system, encoding="utf-8")
        assert path.read_text(encoding="utf-8") == system
    assert len(waited) == 3 and sum(waited) < 1


@pytest.mark.parametrize(("system", "waits"), [("win32", True), ("linux", False)])
def test_a_file_that_stays_open_is_told(tmp_path, monkeypatch, system, waits):
    path, waited = tmp_path / "a.txt", []
    path.write_text("old", encoding="utf-8")
    monkeypatch.setattr(resources.time, "sleep", waited.append)
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(os, "replace", Locked(99))
    way_out = "Close the program that has it open" if waits else "Nothing may be written there"
    says = rf"a\.txt could not be written .*{way_out}.*stands there still"
    with pytest.raises(PermissionError, match=says), resources.atomic_write(path) as temporary:
        temporary.write_text("new", encoding="utf-8")
    assert path.read_text(encoding="utf-8") == "old" and bool(waited) is waits
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which files lie in memory")
def test_no_checkpoint_that_is_taken_up_stays_open(tmp_path):
    """On Windows the next checkpoint could not take its place."""
    path, mapped, maps = tmp_path / "run.safetensors", [], Path("/proc/self/maps")
    samples = [(torch.rand(3, 32, 32), torch.randint(0, 2, (32, 32)))] * 2

    class Watched(torch.nn.Conv2d):
        def forward(self, images):
            mapped.append(str(path) in maps.read_text(encoding="utf-8"))
            if torch.is_grad_enabled() and not path.exists():
                signal.raise_signal(signal.SIGINT)  # stop after the first step
            return super().forward(images)

    def learn(resume):
        mapped.clear()
        return segedu.fit(
            Watched(3, 2, 1), samples, samples, steps=4, batch_size=2, checkpoint=path, resume=resume, progress=False
        )

    assert learn(False).interrupted
    kept = checkpoints.read(path)[0]
    assert str(path) in maps.read_text(encoding="utf-8") and kept, "else this sees nothing"
    del kept
    assert len(learn(True).loss) == 4 and mapped and not any(mapped)


# New processes, which know nothing of this one


def test_data_sets_can_be_sent_to_workers(tmp_path):
    augmented = transforms.augment((32, 32))
    for made in (
        datasets.ToyStreet("train", transform=augmented, length=1),
        datasets.ToyCells("train", transform=augmented, length=1),
        datasets.Photographs(transform=augmented),
        PictureFolder(folder(tmp_path), transform=augmented),
    ):
        again = pickle.loads(pickle.dumps(made))
        assert len(again) == len(made) and again.labels == made.labels


@pytest.mark.slow
def test_workers_that_are_spawned_read_the_same_pictures(tmp_path):
    own = PictureFolder(folder(tmp_path))
    loader = DataLoader(own, batch_size=2, num_workers=1, multiprocessing_context="spawn")
    (images, masks), expected = next(iter(loader)), next(iter(DataLoader(own, batch_size=2)))
    assert torch.equal(images, expected[0]) and torch.equal(masks, expected[1])
