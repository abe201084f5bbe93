"""CamVid: a tiny made-up one for what must always hold, and the real one where SEGEDU_DATA is set."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from segedu import download
from segedu.datasets import CamVid, camvid
from segedu.masks import MaskError
from tests.file_server import serving

REAL = bool(os.environ.get("SEGEDU_DATA")) and download.find_data("camvid") is not None
real = pytest.mark.skipif(not REAL, reason="SEGEDU_DATA names no folder that holds camvid")

TINY = {
    "train": ["0001TP_006690", "0001TP_006720", "0006R0_f00930", "0006R0_f00960", "0006R0_f00990", "0016E5_00390"],
    "val": ["0016E5_07959", "0016E5_07961"],
    "test": ["Seq05VD_f00000"],
}
HEIGHT, WIDTH = 6, 8


@pytest.fixture
def tiny(stored):
    """The folder of a made-up CamVid, complete, 6×8 pixels; the only one that can be found."""
    folder = stored("camvid")
    random = np.random.default_rng(0)
    for split, names in TINY.items():
        for part in (split, f"{split}annot"):
            (folder / part).mkdir(parents=True)
        for name in names:
            pixels = random.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / split / f"{name}.png")
            ids = random.integers(0, 12, (HEIGHT, WIDTH), dtype=np.uint8)
            ids[0, :2] = 11, 0
            Image.fromarray(ids).save(folder / f"{split}annot" / f"{name}.png")
    stored.list_files(folder, "CamVid")
    return folder


def as_stored(path):
    return np.array(Image.open(path))


def test_a_sample_is_what_the_files_hold_with_void_ignored(tiny):
    dataset = CamVid("train")
    assert dataset.names == TINY["train"]
    for index, name in enumerate(dataset.names):
        image, mask = dataset[index]
        assert image.shape == (3, HEIGHT, WIDTH) and image.dtype == torch.float32
        assert np.array_equal((image * 255).round().permute(1, 2, 0), as_stored(tiny / "train" / f"{name}.png"))
        stored = as_stored(tiny / "trainannot" / f"{name}.png").astype(int)
        assert mask.dtype == torch.int64 and mask[0, 0] == 255
        assert np.array_equal(mask, np.where(stored == 11, 255, stored))


def test_photographs_may_be_jpeg(tiny):
    expected = list(CamVid("val"))
    for path in sorted((tiny / "val").glob("*.png")):
        Image.open(path).save(path.with_suffix(".jpg"), quality=100, subsampling=0)
        path.unlink()
    dataset = CamVid("val")
    assert dataset.names == TINY["val"]
    for (image, mask), (lossless, same) in zip(dataset, expected, strict=True):
        assert torch.equal(mask, same)
        assert 0 < (image - lossless).abs().mean() < 0.02


@pytest.mark.parametrize("root", [".", ".."])
def test_root_is_the_folder_or_the_one_above(root, tiny, monkeypatch):
    monkeypatch.setattr(download, "cache_folder", lambda: tiny / "nothing here")
    assert len(CamVid("train", root=tiny / root)) == 6
    with pytest.raises(download.DataMissing):
        CamVid("train")


def test_size_samples_masks_and_averages_pictures(tiny):
    name = TINY["train"][0]
    stripes = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(tiny / "train" / f"{name}.png")
    image, mask = CamVid("train", size=(3, 2))[0]
    assert image.shape == (3, 3, 2) and mask.shape == (3, 2)
    # Four columns become one. Without antialiasing each would be the black or white of one stripe or two.
    assert (image - 0.5).abs().max() < 0.1
    # Each pixel of the small mask is the one at its centre: rows 1, 3, 5 and columns 2, 6.
    stored = as_stored(tiny / "trainannot" / f"{name}.png").astype(int)[1::2, 2::4]
    assert np.array_equal(mask, np.where(stored == 11, 255, stored))


def test_size_may_enlarge_and_is_height_first(tiny):
    image, mask = CamVid("test", size=(20, 30))[0]
    assert image.shape == (3, 20, 30) and mask.shape == (20, 30)
    assert set(mask.unique().tolist()) <= {*range(11), 255}


def test_by_drive_uses_released_train_only(tiny):
    splits = {split: CamVid(split, protocol="by-drive").names for split in ("train", "val", "test")}
    assert splits == {
        "train": ["0001TP_006690", "0001TP_006720", "0016E5_00390"],
        "val": ["0006R0_f00930"],
        "test": ["0006R0_f00960", "0006R0_f00990"],
    }
    assert CamVid("train", protocol="by-drive").drives == ["0001TP", "0001TP", "0016E5"]
    image, _ = CamVid("test", protocol="by-drive")[0]
    assert np.array_equal((image * 255).round().permute(1, 2, 0), as_stored(tiny / "train" / "0006R0_f00960.png"))


def test_an_extra_file_changes_nothing(tiny):
    Image.new("RGB", (8, 6)).save(tiny / "train" / "0001TP_000000.png")
    assert CamVid("train").names == TINY["train"]


def test_an_unknown_value_names_file_and_value(tiny):
    path = tiny / "valannot" / f"{TINY['val'][1]}.png"
    ids = as_stored(path)
    ids[2, 3] = 12
    Image.fromarray(ids).save(path)
    dataset = CamVid("val", size=(2, 2))
    dataset[0]
    with pytest.raises(MaskError, match=r"(?s)0016E5_07961\.png.*12"):
        dataset[1]


def test_a_mask_of_another_size_is_refused(tiny):
    path = tiny / "valannot" / f"{TINY['val'][0]}.png"
    Image.fromarray(as_stored(path)[:-1]).save(path)
    with pytest.raises(MaskError, match=r"0016E5_07959\.png"):
        CamVid("val", size=(3, 4))[0]


def test_a_damaged_picture_names_the_file_and_the_cure(tiny):
    path = tiny / "test" / f"{TINY['test'][0]}.png"
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(OSError, match=r"Seq05VD_f00000\.png cannot be read.*segedu data fetch camvid --root"):
        CamVid("test")[0]


def test_missing_data_says_the_line_to_type_the_size_and_the_licence(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "cache_folder", lambda: tmp_path / "nowhere")
    with pytest.raises(download.DataMissing, match="segedu data fetch camvid .*download=True.*180 MB.*non-commercial"):
        CamVid("train")
    with pytest.raises(download.DataMissing, match="is not in .*elsewhere"):
        CamVid("train", root=tmp_path / "elsewhere")


def test_a_missing_split_is_told_from_missing_data(tiny):
    (tiny / "test").rename(tiny / "other")
    with pytest.raises(download.DataMissing, match="lacks the test pictures of CamVid .the folders test and testannot"):
        CamVid("test")
    assert len(CamVid("val")) == 2


def test_an_incomplete_split_is_not_taken_for_the_whole(tiny):
    (tiny / "train" / "0001TP_006720.png").unlink()
    (tiny / "trainannot" / "0016E5_00390.png").unlink()
    with pytest.raises(download.DataMissing, match="incomplete: it lacks 2 of 6 .* first 0001TP_006720"):
        CamVid("train")
    assert len(CamVid("val", protocol="by-drive")) == 1  # whose files are all there


def test_unknown_arguments_are_refused(tiny):
    with pytest.raises(ValueError, match="split='validation' is unknown"):
        CamVid("validation")
    with pytest.raises(ValueError, match="protocol='drive' is unknown"):
        CamVid("train", protocol="drive")
    with pytest.raises(ValueError, match=r"size=\(0, 5\)"):
        CamVid("train", size=(0, 5))


def test_download_fetches_what_is_missing_or_damaged(tiny, tmp_path, monkeypatch, capsys):
    expected = CamVid("train")
    contents = {f"/{path.relative_to(tiny).as_posix()}": path.read_bytes() for path in tiny.rglob("*.png")}
    monkeypatch.setattr(download, "cache_folder", lambda: tmp_path / "new cache")
    with serving(contents) as (address, requests):
        data = download.RealData(**(vars(camvid.CAMVID) | {"sources": (address + "/{path}",)}))
        monkeypatch.setattr(CamVid, "data", data)
        dataset = CamVid("train", download=True)
        assert len(requests) == len(contents)
        CamVid("test", download=True)
        assert len(requests) == len(contents)  # already there
        damaged = tmp_path / "new cache" / "camvid" / "train" / f"{TINY['train'][0]}.png"
        damaged.write_bytes(damaged.read_bytes()[:-60])
        download.fetch_data(data)
        assert [path for path, _ in requests[len(contents) :]] == [f"/train/{TINY['train'][0]}.png"]
        assert len(CamVid("val", root=tmp_path / "a new root", download=True)) == 2
        assert (tmp_path / "a new root" / "camvid" / "val").is_dir()
    for sample, same in zip(dataset, expected, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(sample, same, strict=True))
    assert "180 MB" in capsys.readouterr().out


def test_the_manifest_lists_the_released_splits():
    wanted = download.manifest(camvid.CAMVID)
    for split, count in {"train": 367, "val": 101, "test": 233}.items():
        for part in (split, f"{split}annot"):
            assert sum(path.startswith(f"{part}/") for path in wanted) == count
    assert all(len(sha256) == 64 for sha256 in wanted.values())


@real
@pytest.mark.parametrize(("split", "count"), [("train", 367), ("val", 101)])
def test_real_pictures_and_masks(split, count):
    dataset = CamVid(split)
    assert len(dataset) == len(set(dataset.names)) == count
    seen = set()
    for index in range(0, count, 25):
        image, mask = dataset[index]
        assert image.shape == (3, 360, 480) and mask.shape == (360, 480)
        assert 0 <= image.min() < 0.1 and 0.6 < image.max() <= 1
        seen |= set(mask.unique().tolist())
    assert {0, 1, 3, 255} <= seen <= {*range(11), 255}


@real
def test_real_masks_are_the_right_way_round():
    rows = torch.arange(120.0)[:, None].expand(120, 160)
    dataset = CamVid("train", size=(120, 160))
    height_of = {name: [] for name in ("sky", "building", "road")}
    for index in range(0, len(dataset), 30):
        _, mask = dataset[index]
        for name, heights in height_of.items():
            heights.append(rows[mask == dataset.labels.index(name)].mean())
    sky, building, road = (torch.stack(heights).nanmean() for heights in height_of.values())
    assert sky < building < road


@real
def test_real_by_drive_splits_share_no_frame_and_no_drive():
    by_drive = {split: CamVid(split, protocol="by-drive") for split in ("train", "val", "test")}
    assert {split: len(dataset) for split, dataset in by_drive.items()} == {"train": 266, "val": 50, "test": 51}
    names = [name for dataset in by_drive.values() for name in dataset.names]
    assert sorted(names) == sorted(CamVid("train").names) and not set(names) & set(CamVid("val").names)
    assert set(by_drive["train"].drives) == {"0001TP", "0016E5"}
    assert set(by_drive["val"].drives) == set(by_drive["test"].drives) == {"0006R0"}
    assert max(by_drive["val"].names) < min(by_drive["test"].names)  # in time: the frame numbers have equal length
