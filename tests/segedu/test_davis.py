"""DAVIS: a tiny made-up one for what must always hold, and the real one where SEGEDU_DATA is set."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from segedu import download
from segedu.datasets import Davis
from segedu.inference import track
from segedu.masks import MaskError
from segedu.metrics import id_metrics

REAL = bool(os.environ.get("SEGEDU_DATA")) and download.find_data("davis") is not None
real = pytest.mark.skipif(not REAL, reason="SEGEDU_DATA names no folder that holds davis")
SIZE = (10, 14)


def outlines(clip, frame):
    """A square that moves one column a frame; in "two" a second one below, with an id of its own."""
    ids = np.zeros(SIZE, np.uint8)
    ids[1:4, frame : frame + 4] = 1
    if clip == "two":
        ids[6:9, 9 - frame : 12 - frame] = 2
    return ids


@pytest.fixture(params=["480p", "240p"])
def tiny(request, stored):
    """The folder of a made-up DAVIS: "one" in the form of 2016, "two" in that of 2017; the only one to be found."""
    folder = stored("davis")
    random = np.random.default_rng(0)
    for clip in ("one", "two"):
        for part, suffix in (("JPEGImages", "jpg"), ("Annotations", "png")):
            (folder / part / request.param / clip).mkdir(parents=True)
            for frame in range(5):
                if part == "JPEGImages":
                    image = Image.fromarray(random.integers(0, 256, (*SIZE, 3), dtype=np.uint8))
                elif clip == "one":
                    image = Image.fromarray(255 * outlines(clip, frame)).convert("1" if frame % 2 else "L")
                else:
                    image = Image.fromarray(outlines(clip, frame)).convert("P")
                    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
                image.save(folder / part / request.param / clip / f"{frame:05}.{suffix}")
    return folder


def test_frames_in_time_with_ids_that_last(tiny):
    assert Davis.clips() == ["one", "two"]
    for clip in ("one", "two"):
        dataset = Davis(clip, instances=True)
        assert len(dataset) == 5 and dataset.names == [f"{frame:05}" for frame in range(5)]
        for frame, (image, mask, instances) in enumerate(dataset):
            stored = np.array(Image.open(next(tiny.glob(f"JPEGImages/*/{clip}/{frame:05}.jpg"))))
            assert np.array_equal((image * 255).round().permute(1, 2, 0), stored)
            assert np.array_equal(instances, outlines(clip, frame)) and torch.equal(mask, (instances > 0).long())
        assert dataset.labels.things == ("object",)


def test_the_480p_pictures_are_taken_where_there_are_several(tiny):
    for part in ("JPEGImages", "Annotations"):
        (tiny / part / "1080p").mkdir()
        (tiny / part / "1080p" / "two").mkdir()
    if (tiny / "JPEGImages" / "480p").is_dir():
        assert len(Davis("two")) == 5
    else:
        with pytest.raises(download.DataMissing, match="lacks all pictures"):
            Davis("two")


def test_size_keeps_ids(tiny):
    image, _, instances = Davis("two", size=(20, 28), instances=True)[2]
    assert image.shape == (3, 20, 28) and instances.unique().tolist() == [0, 1, 2]
    assert np.array_equal(instances, outlines("two", 2).repeat(2, 0).repeat(2, 1))


def test_missing_and_damaged_data_say_what_to_do(tiny, tmp_path):
    with pytest.raises(download.DataMissing, match="segedu data fetch davis .*download=True.*833 MB.*CC BY"):
        Davis("one", root=tmp_path / "elsewhere")
    assert Davis.clips(tmp_path / "elsewhere") == []
    with pytest.raises(download.DataMissing, match="no clip 'three'; it has one, two"):
        Davis("three")
    image, mask = next(tiny.glob("JPEGImages/*/one/00001.jpg")), next(tiny.glob("Annotations/*/two/00003.png"))
    image.write_bytes(image.read_bytes()[:40])
    with pytest.raises(OSError, match=r"00001.jpg cannot be read.*segedu data fetch davis --root"):
        Davis("one")[1]
    Image.new("L", (14, 9)).save(mask)
    with pytest.raises(MaskError, match=r"00003.png has 9×14 pixels, its picture 10×14"):
        Davis("two")[3]
    mask.unlink()
    with pytest.raises(download.DataMissing, match="lacks 1 of 5 outlines, first 00003"):
        Davis("two")
    with pytest.raises(ValueError, match=r"size=\(0, 5\)"):
        Davis("one", size=(0, 5))


def test_the_manifest_is_one_archive():
    from segedu.datasets.davis import DAVIS

    (path, sha256), *more = download.manifest(DAVIS).items()
    assert path == "DAVIS-2017-trainval-480p.zip" and len(sha256) == 64 and not more


@real
def test_the_real_clips_can_be_followed():
    clips = Davis.clips()
    assert "blackswan" in clips
    dataset = Davis("blackswan", instances=True)
    assert len(dataset) == 50
    image, mask, _ = dataset[0]
    assert image.shape[0] == 3 and image.shape[1:] == mask.shape and 0.02 < mask.double().mean() < 0.5
    truth = [instances.numpy() for _, _, instances in (dataset[i] for i in range(10))]
    assert id_metrics(track(truth), truth).idf1() == 1
