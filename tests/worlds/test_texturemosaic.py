"""TextureMosaic: exact truth, the same bits everywhere, textures that no single pixel tells apart, splits that part."""

import hashlib
import pickle
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage
from torchvision import tv_tensors

from segedu.datasets import TextureMosaic
from segedu.datasets.texturemosaic import COLUMNS, TEXTURES, _photograph, _window
from segedu.worlds.chance import Chance

# What pictures 0 … 3 of a split are made of. Whoever changes how they are made changes these numbers, and must run
# every stored result anew.
FROZEN = {
    ("train", (96, 96)): "d32591aba36b3f36",
    ("val", (128, 128)): "f42c56d22d76bcd5",
    ("test", (90, 250)): "0ce3c65faf43f77e",
}


def digest(split, size):
    mosaic = TextureMosaic(split, size=size)
    total = hashlib.sha256()
    for index in range(4):
        for part in mosaic._read(index):
            total.update(np.ascontiguousarray(part).tobytes())
    return total.hexdigest()[:16]


@pytest.mark.parametrize(("split", "size"), list(FROZEN))
def test_the_mosaics_are_frozen(split, size):
    assert digest(split, size) == FROZEN[split, size]


def test_order_process_and_pickling_do_not_matter():
    forwards, backwards = TextureMosaic("val", length=4), TextureMosaic("val")
    for index in reversed(range(4)):
        backwards[index]
    copy = pickle.loads(pickle.dumps(forwards))
    for index in range(4):
        for a, b, c in zip(forwards[index], backwards[index], copy[index], strict=True):
            assert torch.equal(a, b) and torch.equal(a, c)
    command = "import hashlib; from segedu.datasets import TextureMosaic; s = TextureMosaic('val')._read(3); "
    command += "print(hashlib.sha256(s[0].tobytes() + s[2].tobytes()).hexdigest())"
    elsewhere = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout
    image, _, regions = forwards._read(3)
    assert elsewhere.strip() == hashlib.sha256(image.tobytes() + regions.tobytes()).hexdigest()


def test_an_item_is_a_grey_picture_a_mask_and_regions():
    image, mask, regions = TextureMosaic(instances=True)[3]
    assert isinstance(image, tv_tensors.Image) and image.shape == (1, 96, 96) and image.dtype == torch.float32
    assert isinstance(mask, tv_tensors.Mask) and mask.shape == (96, 96) and mask.dtype == torch.int64
    assert isinstance(regions, tv_tensors.Mask) and regions.shape == (96, 96)
    assert TextureMosaic.labels.names == ("brick", "grass", "gravel") and len(TextureMosaic()[3]) == 2
    assert [len(TextureMosaic(split)) for split in ("train", "val", "test")] == [800, 50, 100]
    assert len(TextureMosaic(length=10**9)[10**9 - 1]) == 2  # endless: any picture, made when it is asked for


def test_splits_and_seeds_differ():
    pictures = [TextureMosaic(s, seed=seed)[i][0] for s in COLUMNS for seed in (0, 1) for i in range(2)]
    for i, picture in enumerate(pictures):
        assert not any(torch.equal(picture, other) for other in pictures[:i])


def test_the_photographs_lie_in_the_wheel_of_scikit_image():
    """Where skimage.data has only a name, it would ask the network."""
    folder = Path(find_spec("skimage").origin).parent / "data"
    assert all((folder / f"{name}.png").is_file() for name in TEXTURES.names)


@pytest.mark.parametrize("split", COLUMNS)
def test_no_pixel_tells_its_texture(split):
    """Each photograph has every grey exactly as often as the others: equal mean, spread, and histogram."""
    counts = [np.bincount(_photograph(texture, split).ravel(), minlength=256) for texture in range(3)]
    assert all((count == counts[0]).all() for count in counts) and set(counts[0][64:192]) == {counts[0][64]}
    assert counts[0][:64].sum() == counts[0][192:].sum() == 0


def test_in_the_mosaics_mean_and_spread_are_equal_too():
    images, masks = map(torch.stack, zip(*TextureMosaic(length=150), strict=True))
    of = [255 * images[:, 0][masks == texture] for texture in range(3)]
    means, spreads = ([one(grey).item() for grey in of] for one in (torch.mean, torch.std))
    assert max(means) - min(means) < 4 and max(spreads) - min(spreads) < 2  # a photograph's spread is 37
    assert all(0.28 < len(grey) / masks.numel() < 0.39 for grey in of)


def test_what_two_splits_show_has_no_place_in_common():
    widths = {split: _photograph(0, split).shape for split in COLUMNS}
    assert widths == {"train": (512, 256), "val": (512, 128), "test": (512, 128)}
    covered = sorted(column for one in COLUMNS.values() for column in range(one.start, one.stop))
    assert covered == list(range(512))


def test_the_truth_is_exact():
    """Without grain each region is, pixel by pixel, one window of the photograph that its class names, turned."""
    image, mask, regions = TextureMosaic("val", size=(64, 64), noise=0)._read(1)
    assert (image[..., 0] >= 64).all() and (image[..., 0] < 192).all()
    for region in range(1, regions.max() + 1):
        inside = regions == region
        (texture,) = np.unique(mask[inside])
        if inside.sum() < 200:
            continue
        found = [name for name in range(3) if is_window(image[..., 0], inside, _photograph(name, "val"))]
        assert found == [texture]


def is_window(image, inside, photograph):
    """Whether the picture is, inside, a piece of the photograph, in one of eight turns."""
    rows, columns = np.nonzero(inside)
    for turn in range(4):
        for flip in (1, -1):
            turned = np.rot90(photograph, turn)[:, ::flip]
            down, right = (side - 64 + 1 for side in turned.shape)
            fits = np.ones((down, right), bool)
            for row, column in zip(rows[:12], columns[:12], strict=True):
                fits &= turned[row : row + down, column : column + right] == image[row, column]
            for y, x in np.argwhere(fits):
                if (turned[y : y + 64, x : x + 64][inside] == image[inside]).all():
                    return True
    return False


def test_regions_are_the_connected_parts_of_each_texture():
    for index in range(10):
        _, mask, regions = TextureMosaic()._read(index)
        assert np.array_equal(np.unique(regions), np.arange(1, regions.max() + 1))
        assert regions.max() == sum(ndimage.label(mask == texture)[1] for texture in range(3))
        for region in range(1, regions.max() + 1):
            assert len(np.unique(mask[regions == region])) == 1


def test_regions_come_in_many_sizes_and_scale_enlarges_them():
    def areas(scale):
        return np.concatenate([np.bincount(TextureMosaic(scale=scale)._read(i)[2].ravel())[1:] for i in range(40)])

    natural = areas(1)
    assert (natural < 400).sum() > 20 and (natural > 1600).sum() > 20
    assert natural.mean() > 2 * areas(0.5).mean() > 3 * areas(0.25).mean()


def test_grain_is_only_grain():
    clean, natural, strong = (TextureMosaic(noise=noise)._read(2) for noise in (0, 0.5, 1))
    assert np.array_equal(clean[1], strong[1]) and np.array_equal(clean[2], natural[2])
    deviation = [(picture[0].astype(int) - clean[0]).std() for picture in (natural, strong)]
    assert 16 < deviation[0] < 20 and 1.7 < deviation[1] / deviation[0] < 2  # some is cut off at black and white


def test_a_window_wider_than_the_photograph_is_mirrored_on():
    photograph = np.arange(12).reshape(3, 4)
    window = _window(Chance(np.random.default_rng(0)), photograph, (9, 9))
    assert window.shape == (9, 9) and set(np.unique(window)) == set(range(12))
    steps = np.abs(np.diff(window, axis=0)), np.abs(np.diff(window, axis=1))
    assert {0, 1, 4} >= {*np.unique(steps[0]), *np.unique(steps[1])}  # no jump where it turns back


@pytest.mark.parametrize("size", [(32, 32), (33, 200), (129, 131), (600, 300)])
def test_any_size(size):
    image, mask, regions = TextureMosaic("val", size=size)._read(0)
    assert image.shape == (*size, 1) and mask.shape == regions.shape == size


@pytest.mark.parametrize(("knob", "low", "high"), [("noise", 0, 2), ("scale", 0.25, 4)])
def test_knobs_take_both_ends_of_their_range_and_nothing_beyond(knob, low, high):
    for end in (low, high):
        TextureMosaic(**{knob: end})[0]
    for beyond in (low - 1e-6, high + 1e-6):
        with pytest.raises(ValueError, match=f"{knob}=.* {float(low)} … {float(high)}"):
            TextureMosaic(**{knob: beyond})


def test_other_photographs_are_refused(monkeypatch):
    import skimage.data

    monkeypatch.setattr(skimage.data, "brick", lambda: np.zeros((256, 256), np.uint8))
    _photograph.cache_clear()
    with pytest.raises(ValueError, match="brick of the installed scikit-image.*try another version"):
        TextureMosaic(length=20, seed=5)._read(0)
    _photograph.cache_clear()
