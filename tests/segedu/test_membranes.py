"""Membranes: a tiny made-up one for what must always hold, and the real one where SEGEDU_DATA is set."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from segedu import download
from segedu.datasets import Membranes, membranes
from segedu.masks import MaskError
from tests.file_server import serving

REAL = bool(os.environ.get("SEGEDU_DATA")) and download.find_data("membranes") is not None
real = pytest.mark.skipif(not REAL, reason="SEGEDU_DATA names no folder that holds membranes")
SIZE = (6, 8)


@pytest.fixture
def tiny(stored):
    """The folder of a made-up Membranes, complete, 6×8 pixels: two cells with a membrane between; the only one."""
    folder = stored("membranes")
    random = np.random.default_rng(0)
    for part in ("image", "label"):
        (folder / "train" / part).mkdir(parents=True)
    for number in range(30):
        pixels = random.integers(0, 256, SIZE, dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "train" / "image" / f"{number}.png")
        label = np.full(SIZE, 255, np.uint8)
        label[:, 2 + number % 4] = 0
        Image.fromarray(label).save(folder / "train" / "label" / f"{number}.png")
    stored.list_files(folder, "data/membrane")
    return folder


def test_splits_are_blocks_of_consecutive_slices(tiny):
    numbers = [int(name) for split in ("train", "val", "test") for name in Membranes(split).names]
    assert numbers == list(range(30))
    assert [len(Membranes(split)) for split in ("train", "val", "test")] == [19, 5, 6]


def test_a_sample_is_what_the_files_hold(tiny):
    for index in (0, 2, 11):  # slice 2 is not the third file by name: "10.png" comes before "2.png"
        image, mask, instances = Membranes("train", instances=True)[index]
        stored = np.array(Image.open(tiny / "train" / "image" / f"{index}.png"))
        assert image.shape == (1, *SIZE) and np.array_equal((image[0] * 255).round(), stored)
        membrane = 2 + index % 4
        assert (mask[:, membrane] == 0).all() and mask.sum() == 6 * 7
        assert (instances[:, :membrane] == 1).all() and (instances[:, membrane + 1 :] == 2).all()
        assert (instances[:, membrane] == 0).all() and mask.dtype == instances.dtype == torch.int64


@pytest.mark.parametrize("kind", ["tiff", "one bit"])
def test_other_ways_to_store_the_same(tiny, kind):
    expected = list(Membranes("val", instances=True))
    for path in sorted(tiny.rglob("*.png")):
        picture = Image.open(path)
        if kind == "tiff":
            picture.save(path.with_suffix(".tif"))
            path.unlink()
        elif path.parent.name == "label":
            picture.convert("1").save(path)
    for sample, same in zip(Membranes("val", instances=True), expected, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(sample, same, strict=True))


def test_size_averages_pictures_and_samples_labels(tiny):
    stripes = np.zeros(SIZE, np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(tiny / "train" / "image" / "0.png")
    image, mask = Membranes("train", size=(3, 2))[0]
    assert image.shape == (1, 3, 2) and (image - 0.5).abs().max() < 0.1
    assert np.array_equal(mask, [[0, 1]] * 3)  # columns 2, which is membrane, and 6


def test_a_label_with_other_values_names_file_and_value(tiny):
    path = tiny / "train" / "label" / "20.png"
    label = np.array(Image.open(path))
    label[0, 0] = 77
    Image.fromarray(label).save(path)
    Membranes("val")[0]
    with pytest.raises(MaskError, match=r"20\.png holds the values \[0, 77, 255\]"):
        Membranes("val")[1]


def test_a_label_of_another_size_is_refused(tiny):
    Image.new("L", (8, 5)).save(tiny / "train" / "label" / "19.png")
    with pytest.raises(MaskError, match=r"19\.png has 5×8 pixels, its picture 6×8"):
        Membranes("val")[0]


@pytest.mark.parametrize("part", ["image", "label"])
def test_a_damaged_file_is_named_with_the_cure(tiny, part):
    path = tiny / "train" / part / "24.png"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(OSError, match=r"24\.png cannot be read.*segedu data fetch membranes --root"):
        Membranes("test")[0]


def test_missing_data_says_the_line_to_type_the_size_and_the_licence(tiny, tmp_path):
    with pytest.raises(download.DataMissing, match="segedu data fetch membranes .*download=True.*8 MB.*non-commercial"):
        Membranes("train", root=tmp_path / "elsewhere")
    (tiny / "train" / "label" / "27.png").unlink()
    with pytest.raises(download.DataMissing, match="lacks 1 of the 6 slices of this split, first 27"):
        Membranes("test")
    assert len(Membranes("val")) == 5


def test_unknown_arguments_are_refused(tiny):
    with pytest.raises(ValueError, match="split='all' is unknown"):
        Membranes("all")
    with pytest.raises(ValueError, match=r"size=\(0, 5\)"):
        Membranes(size=(0, 5))


def test_download_fetches_what_is_missing_or_damaged(tiny, tmp_path, monkeypatch, capsys):
    expected = Membranes("train")
    contents = {f"/{path.relative_to(tiny).as_posix()}": path.read_bytes() for path in tiny.rglob("*.png")}
    monkeypatch.setattr(download, "cache_folder", lambda: tmp_path / "new cache")
    with serving(contents) as (address, requests):
        data = download.RealData(**(vars(membranes.MEMBRANES) | {"sources": (address + "/{path}",)}))
        monkeypatch.setattr(Membranes, "data", data)
        dataset = Membranes("train", download=True)
        assert len(requests) == 60
        damaged = tmp_path / "new cache" / "membranes" / "train" / "label" / "3.png"
        damaged.write_bytes(damaged.read_bytes()[:-30])
        download.fetch_data(data)
        assert [path for path, _ in requests[60:]] == ["/train/label/3.png"]
    for sample, same in zip(dataset, expected, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(sample, same, strict=True))
    assert "8 MB" in capsys.readouterr().out


def test_the_manifest_lists_thirty_slices():
    wanted = download.manifest(membranes.MEMBRANES)
    assert set(wanted) == {f"train/{part}/{n}.png" for part in ("image", "label") for n in range(30)}
    assert all(len(sha256) == 64 for sha256 in wanted.values())


@real
@pytest.mark.parametrize(("split", "count"), [("train", 19), ("val", 5)])
def test_real_slices(split, count):
    dataset = Membranes(split, instances=True)
    assert len(dataset) == count
    image, mask, instances = dataset[count - 1]
    assert image.shape == (1, 512, 512) and mask.shape == instances.shape == (512, 512)
    assert 0.7 < mask.float().mean() < 0.85  # mostly inside
    assert image[0][mask == 0].mean() < image[0][mask == 1].mean() - 0.1  # membranes are dark
    assert 50 < instances.max() < 400
