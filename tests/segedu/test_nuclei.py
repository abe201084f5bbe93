"""Nuclei: a tiny made-up one for what must always hold, and the real one where SEGEDU_DATA is set."""

import hashlib
import io
import os
import shutil
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from segedu import download, resources
from segedu.datasets import Nuclei, nuclei
from segedu.masks import MaskError
from tests.file_server import serving

REAL = bool(os.environ.get("SEGEDU_DATA")) and download.find_data("nuclei") is not None
real = pytest.mark.skipif(not REAL, reason="SEGEDU_DATA names no folder that holds nuclei")
NAMES = {"train": [f"{number:02}aa" for number in range(40)], "test": ["beef", "cafe"]}


def pixels(name):
    random = np.random.default_rng(int(name[:2], 16))
    ids = np.zeros((12, 20), np.uint16)
    ids[2:8, 3:9], ids[2:8, 9:15] = 1, 300  # two that touch; an id that no byte holds
    return random.integers(0, 256, (12, 20), dtype=np.uint8), ids


@pytest.fixture(params=["png", "tif"])
def tiny(request, stored):
    """The folder of a made-up Nuclei, 12×20 pixels, as PNG or TIFF; the only one that can be found."""
    folder = stored("nuclei")
    for part, names in NAMES.items():
        for kind, which in (("images", 0), ("masks", 1)):
            (folder / part / kind).mkdir(parents=True)
            for name in names:
                Image.fromarray(pixels(name)[which]).save(folder / part / kind / f"{name}.{request.param}")
    return folder


def test_a_sample_is_what_the_files_hold_with_the_line_cut(tiny):
    dataset = Nuclei("test", instances=True)
    assert dataset.names == NAMES["test"]
    for name, (image, mask, instances) in zip(dataset.names, dataset, strict=True):
        stored, ids = pixels(name)
        assert image.shape == (1, 12, 20) and np.array_equal((image[0] * 255).round(), stored)
        assert np.array_equal(instances, ids.astype(int))
        expected = ids > 0
        expected[:, 8:10] = False  # a pixel of each
        assert np.array_equal(mask, expected)


def test_val_is_cut_from_train_by_name_alone(tiny):
    train, val = Nuclei("train").names, Nuclei("val").names
    assert sorted(train + val) == NAMES["train"] and 0 < len(val) < 12
    assert all(nuclei.held_out(name) for name in val) and not any(map(nuclei.held_out, train))
    for path in tiny.glob(f"train/*/{train[0]}.*"):
        path.unlink()
    assert Nuclei("val").names == val and Nuclei("train").names == train[1:]


def test_the_longer_names_of_the_release_are_divided_alike():
    assert nuclei.held_out("00071198d059ba7f") == nuclei.held_out("00071198d059ba7f5914a526d124d28e")
    share = np.mean([nuclei.held_out(f"{number:016x}") for number in range(5000)])
    assert 0.08 < share < 0.12


def test_sixteen_bits_and_colours_become_eight_and_grey(tiny):
    for path in list((tiny / "test" / "images").iterdir()):
        path.unlink()
    deep = np.linspace(0, 65535, 240).astype(np.uint16).reshape(12, 20)
    Image.fromarray(deep).save(tiny / "test" / "images" / "beef.png")
    Image.new("RGB", (20, 12), (90, 90, 90)).save(tiny / "test" / "images" / "cafe.png")
    beef, cafe = (image for image, _ in Nuclei("test"))
    assert np.array_equal((beef[0] * 255).round(), deep >> 8)
    assert ((cafe * 255).round() == 90).all()


def test_size_keeps_ids_and_cuts_the_line_afterwards(tiny):
    image, mask, instances = Nuclei("test", size=(24, 40), instances=True)[0]
    assert image.shape == (1, 24, 40) and set(instances.unique().tolist()) == {0, 1, 300}
    line = (instances > 0) & (mask == 0)
    assert line.any(0).nonzero().flatten().tolist() == [17, 18]  # two pixels, not four


def test_damaged_and_unfitting_files_are_named(tiny):
    image, mask = sorted((tiny / "test" / "images").iterdir())[1], sorted((tiny / "test" / "masks").iterdir())[0]
    image.write_bytes(image.read_bytes()[:40])
    with pytest.raises(OSError, match=r"cafe\.\w+ cannot be read.*segedu data fetch nuclei --root"):
        Nuclei("test")[1]
    Image.new("L", (20, 11)).save(mask)
    with pytest.raises(MaskError, match=r"beef\.\w+ has 11×20 pixels, its picture 12×20"):
        Nuclei("test")[0]
    Image.new("RGB", (20, 12)).save(mask)
    with pytest.raises(MaskError, match="mode 'RGB'"):
        Nuclei("test")[0]


def test_missing_data_says_the_line_to_type_the_size_and_the_licence(tiny, tmp_path):
    with pytest.raises(download.DataMissing, match="segedu data fetch nuclei .*download=True.*30 MB.*CC0"):
        Nuclei("train", root=tmp_path / "elsewhere")
    next((tiny / "test" / "masks").iterdir()).unlink()
    with pytest.raises(download.DataMissing, match="lacks 1 of 2 masks"):
        Nuclei("test")
    assert len(Nuclei("train")) > 20
    (tiny / "test" / "images").rename(tiny / "test" / "pictures")
    with pytest.raises(download.DataMissing):
        Nuclei("test")


def test_unknown_arguments_are_refused(tiny):
    with pytest.raises(ValueError, match="split='all' is unknown"):
        Nuclei("all")
    with pytest.raises(ValueError, match=r"size=\(0, 5\)"):
        Nuclei(size=(0, 5))


def packed(folder, **more):
    """The bytes of an archive as the release has it: everything in the folder dsb2018."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(folder.rglob("*.*")):
            archive.writestr(f"dsb2018/{path.relative_to(folder).as_posix()}", path.read_bytes())
        archive.writestr("__MACOSX/dsb2018/._x.tif", b"junk")
        for name, content in more.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_download_unpacks_the_archive_and_mends_what_is_damaged(tiny, tmp_path, monkeypatch, capsys):
    expected, archive = Nuclei("test", instances=True), packed(tiny)
    manifest = tmp_path / "nuclei.sha256"
    manifest.write_text(f"{hashlib.sha256(archive).hexdigest()}  dsb2018/dsb2018.zip\n")
    monkeypatch.setattr(resources, "data_path", lambda *parts: manifest)
    monkeypatch.setattr(download, "cache_folder", lambda: tmp_path / "new cache")
    with serving({"/good/dsb2018.zip": archive, "/bad/dsb2018.zip": archive[:-9]}) as (address, requests):
        sources = (address + "/bad/{path}", address + "/good/{path}")
        data = download.RealData(**(vars(nuclei.NUCLEI) | {"sources": sources}))
        monkeypatch.setattr(Nuclei, "data", data)
        dataset = Nuclei("test", download=True, instances=True)
        asked = len(requests)
        damaged = next((tmp_path / "new cache" / "nuclei" / "train" / "images").iterdir())
        whole = damaged.read_bytes()
        damaged.write_bytes(whole[:-1] + b"x")
        download.fetch_data(data)
        assert damaged.read_bytes() == whole and len(requests) == asked  # the archive was there and sound
    for sample, same in zip(dataset, expected, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(sample, same, strict=True))
    assert not list((tmp_path / "new cache").rglob("*MACOSX*")) and "30 MB" in capsys.readouterr().out


def test_an_archive_that_reaches_out_of_its_folder_is_refused(tiny, tmp_path):
    (tmp_path / "evil.zip").write_bytes(packed(tiny, **{"dsb2018/../../evil.txt": b"x"}))
    with pytest.raises(download.FetchError, match="evil.zip holds .* lies outside"):
        download._unpack(tmp_path / "evil.zip", tmp_path / "a" / "b", "dsb2018")
    assert not (tmp_path / "evil.txt").exists()


def test_a_folder_without_the_split_is_told_from_no_data_at_all(tiny):
    shutil.rmtree(tiny / "test")
    with pytest.raises(download.DataMissing, match="lacks the test pictures of Nuclei .the folders test/images and"):
        Nuclei("test")
    assert Nuclei("val").names


@real
def test_real_pictures():
    datasets = {split: Nuclei(split, instances=True) for split in nuclei.SPLITS}
    names = [set(dataset.names) for dataset in datasets.values()]
    assert not (names[0] & names[1] or names[0] & names[2] or names[1] & names[2])
    assert len(names[0]) > 300 and 25 < len(names[1]) < 60 and len(names[2]) >= 48
    for index in range(0, 48, 12):
        image, mask, instances = datasets["test"][index]
        assert image.shape[1:] == mask.shape == instances.shape and image.shape[0] == 1
        assert ((mask == 1) <= (instances > 0)).all() and instances.max() > 1
        assert image[0][mask == 1].mean() > image[0][instances == 0].mean()
