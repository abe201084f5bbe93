"""ToyCells: the same bits everywhere, cells that touch and can be told apart, knobs that do what they say."""

import hashlib
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.filters import threshold_otsu
from torchvision import tv_tensors

from segedu.datasets import ToyCells
from segedu.labels import CELLS
from segedu.masks import separate

LOOKS = ("nuclei", "membranes")

# What pictures 0 … 3 of a split are made of: pictures, masks and ids. This freezes the world: whoever
# changes how cells are planned or drawn changes these numbers, and must run every stored result and weight again.
FROZEN = {
    ("nuclei", "train", (128, 128)): "02a8094dabd64fd0",
    ("nuclei", "val", (128, 128)): "1c9704d6f789676a",
    ("nuclei", "test", (90, 250)): "8c5412a692cae811",
    ("membranes", "train", (128, 128)): "4300cc0b24fa81ce",
    ("membranes", "val", (128, 128)): "3f29d467a34f1c28",
    ("membranes", "test", (90, 250)): "3591bdacf12d2c0d",
}


def digest(look, split, size):
    cells = ToyCells(split, size=size, look=look)
    total = hashlib.sha256()
    for index in range(4):
        for part in cells._read(index):
            total.update(np.ascontiguousarray(part).tobytes())
    return total.hexdigest()[:16]


@pytest.fixture(scope="module")
def many():
    """Twenty pictures of each look with their masks and ids, as bytes."""
    return {look: [ToyCells(look=look)._read(index) for index in range(20)] for look in LOOKS}


@pytest.mark.parametrize(("look", "split", "size"), list(FROZEN))
def test_the_world_is_frozen(look, split, size):
    assert digest(look, split, size) == FROZEN[look, split, size]


@pytest.mark.parametrize("look", LOOKS)
def test_order_and_process_do_not_matter(look):
    forwards, backwards = ToyCells("val", length=4, look=look), ToyCells("val", look=look)
    for index in reversed(range(4)):
        backwards[index]
    for index in range(4):
        for a, b in zip(forwards[index], backwards[index], strict=True):
            assert torch.equal(a, b)
    command = f"import hashlib; from segedu.datasets import ToyCells; s = ToyCells('val', look='{look}')._read(3); "
    command += "print(hashlib.sha256(s[0].tobytes() + s[2].tobytes()).hexdigest())"
    elsewhere = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout
    image, _, ids = forwards._read(3)
    assert elsewhere.strip() == hashlib.sha256(image.tobytes() + ids.tobytes()).hexdigest()


@pytest.mark.parametrize("look", LOOKS)
def test_an_item_is_a_grey_picture_a_mask_and_ids(look):
    image, mask, instances = ToyCells(look=look, instances=True)[3]
    assert isinstance(image, tv_tensors.Image) and image.shape == (1, 128, 128) and image.dtype == torch.float32
    assert isinstance(mask, tv_tensors.Mask) and mask.shape == (128, 128) and mask.dtype == torch.int64
    assert isinstance(instances, tv_tensors.Mask) and instances.shape == (128, 128) and instances.dtype == torch.int64
    assert 0 <= image.min() and image.max() <= 1 and image.std() > 0.02
    assert set(mask.unique().tolist()) == {0, 1} and ToyCells.labels is CELLS
    assert len(ToyCells(look=look)[3]) == 2


def test_splits_seeds_and_looks_differ():
    pictures = [
        ToyCells(split, length=2, seed=seed, look=look)[i][0]
        for split in ("train", "val", "test")
        for seed in (0, 1)
        for look in LOOKS
        for i in range(2)
    ]
    for i, picture in enumerate(pictures):
        assert not any(torch.equal(picture, other) for other in pictures[:i])
    assert [len(ToyCells(split)) for split in ("train", "val", "test")] == [400, 50, 100]


@pytest.mark.parametrize("look", LOOKS)
def test_ids_are_whole_cells_that_touch_and_the_mask_has_the_line_cut(look, many):
    touching, cells, broken = 0, 0, 0
    for _, mask, ids in many[look]:
        assert np.array_equal(np.unique(ids[ids > 0]), np.arange(1, ids.max() + 1))
        assert np.array_equal(mask, separate(ids, width=2) > 0)
        right, left = ids[:, 1:], ids[:, :-1]
        touching += ((right != left) & (right > 0) & (left > 0)).sum()
        for one in range(1, ids.max() + 1):
            parts = np.bincount(ndimage.label(ids == one, np.ones((3, 3)))[0].ravel())[1:]
            cells, broken = cells + 1, broken + (parts.max() < 0.9 * parts.sum())
    assert broken <= 0.01 * cells, "cells lie in several pieces"
    assert touching > 100 * len(many[look])


def test_membranes_leave_no_gap_and_nuclei_do(many):
    assert all((ids > 0).all() for _, _, ids in many["membranes"])
    covered = [(ids > 0).mean() for _, _, ids in many["nuclei"]]
    assert min(covered) < 0.3 < np.mean(covered) < max(covered) < 0.8


def cells_in(mask):
    """How many connected parts of more than ten pixels."""
    return (np.bincount(ndimage.label(mask)[0].ravel())[1:] > 10).sum()


def test_a_threshold_merges_most_touching_cells(many):
    """Counted as connected parts: the mask gives about the right number, the best threshold a fraction of it."""
    true = sum((np.bincount(ids.ravel())[1:] > 30).sum() for _, _, ids in many["nuclei"])
    cut = sum(cells_in(mask) for _, mask, _ in many["nuclei"])
    merged = sum(cells_in(image[..., 0] > threshold_otsu(image)) for image, _, _ in many["nuclei"])
    assert 0.85 * true < cut < 1.15 * true and merged < 0.5 * true


def test_each_look_is_as_bright_as_its_name_says(many):
    for image, mask, _ in many["nuclei"]:
        assert image[mask == 1].mean() > 1.3 * np.median(image[mask == 0])
    for image, mask, _ in many["membranes"]:
        assert image[mask == 0].mean() < image[mask == 1].mean() - 5


@pytest.mark.parametrize("look", LOOKS)
def test_noise_is_only_noise(look):
    clean, natural, strong = (ToyCells(look=look, noise=noise)._read(2) for noise in (0, 1, 3))
    assert np.array_equal(clean[2], strong[2]) and np.array_equal(clean[1], natural[1])
    deviation = [(picture[0].astype(int) - clean[0]).std() for picture in (natural, strong)]
    assert deviation[0] > 0.5 and 2 < deviation[1] / deviation[0] < 3.5


@pytest.mark.parametrize("look", LOOKS)
def test_clutter_leaves_the_cells(look):
    without, much = ToyCells(look=look, clutter=0, noise=0), ToyCells(look=look, clutter=3, noise=0)
    # The cells are planned first, so that clutter changes what is seen and not what is true.
    assert all(np.array_equal(without._read(i)[2], much._read(i)[2]) for i in range(3))
    assert any((without._read(i)[0] != much._read(i)[0]).mean() > 0.02 for i in range(3))


@pytest.mark.parametrize("look", LOOKS)
def test_scale_enlarges_cells_and_size_shows_more(look):
    def median_area(scale):
        ids = [ToyCells(look=look, scale=scale, size=(256, 256))._read(i)[2] for i in range(2)]
        return np.median(np.concatenate([np.bincount(one.ravel())[1:] for one in ids]))

    assert 2.5 < median_area(2) / median_area(1) < 6
    few, many = (len(np.unique(ToyCells(look=look, size=(side, side))._read(1)[2])) for side in (64, 256))
    assert many > 4 * few


@pytest.mark.parametrize("size", [(32, 32), (33, 200), (129, 131)])
@pytest.mark.parametrize("look", LOOKS)
def test_any_size(size, look):
    image, mask, ids = ToyCells(look=look, size=size)._read(0)
    assert image.shape == (*size, 1) and mask.shape == ids.shape == size


@pytest.mark.parametrize(("knob", "low", "high"), [("noise", 0, 4), ("clutter", 0, 3), ("scale", 0.5, 4)])
def test_knobs_take_both_ends_of_their_range_and_nothing_beyond(knob, low, high):
    for end in (low, high):
        ToyCells(**{knob: end})[0]
    for beyond in (low - 1e-6, high + 1e-6):
        with pytest.raises(ValueError, match=f"{knob}=.* {float(low)} … {float(high)}"):
            ToyCells(**{knob: beyond})


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"split": "training"}, "training.*train, val, test"),
        ({"look": "blood"}, "blood.*nuclei, membranes"),
        ({"noise": 5}, "noise=5.*0.0 … 4.0"),
        ({"clutter": float("nan")}, "clutter=nan"),
        ({"scale": 0}, "scale=0"),
        ({"size": (16, 160)}, "at least 32"),
        ({"length": 0}, "length"),
        ({"seed": -1}, "seed"),
    ],
)
def test_bad_arguments_are_refused_with_a_sentence(arguments, says):
    with pytest.raises(ValueError, match=says):
        ToyCells(**arguments)


@pytest.mark.parametrize("look", LOOKS)
def test_speed(look):
    """At least 60 pictures a second on one core; only three times too slow fails, because machines differ."""
    cells = ToyCells("test", look=look)
    cells._read(0)  # smooth noise is made once
    best = []
    for index in range(1, 9):
        times = []
        for _ in range(3):
            start = time.process_time()
            cells._read(index)
            times.append(time.process_time() - start)
        best.append(min(times))
    print(f"ToyCells, {look}: {1 / np.mean(best):.0f} pictures a second at 128×128")
    assert np.mean(best) < 3 / 60
