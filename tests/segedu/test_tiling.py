"""Tiles give what the whole picture gives: for every model, at every border, with as little context as is needed."""

import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import segedu
from segedu.inference import tiles
from segedu.inference.semantic import _tiles, predict_logits, tile_logits
from segedu.models import SmallNet, UNet


def stitched(model, picture, tile, margin=None):
    """(num_classes, H, W) logits, tile by tile."""
    size = tuple(picture.shape[1:])
    result = torch.full((model.config["num_classes"], *size), torch.nan)
    for rows, columns in _tiles(model, size, tile, margin, len(picture)):
        down, across = (
            tiles.reflect_index(t.first, t.last, side) for t, side in zip((rows, columns), size, strict=True)
        )
        place = np.s_[:, rows.start : rows.stop, columns.start : columns.stop]
        assert result[place].isnan().all(), "two tiles give the same pixel"
        result[place] = tile_logits(model, picture[:, down[:, None], across], rows, columns)
    return result


def make(name):
    torch.manual_seed(0)
    return {
        "SmallNet": lambda: SmallNet(4, width=8),
        "UNet": lambda: UNet(3, width=4, in_channels=1),
        "UNet of depth 2": lambda: UNet(2, width=4, depth=2),
        "UNet without padding": lambda: UNet(3, width=4, in_channels=1, padding=False),
        "UNet without padding, depth 2": lambda: UNet(2, width=4, depth=2, padding=False),
    }[name]().eval()


MODELS = ["SmallNet", "UNet", "UNet of depth 2", "UNet without padding", "UNet without padding, depth 2"]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("size", [(256, 320), (203, 330), (70, 45)])
def test_stitched_logits_are_those_of_the_whole_picture_up_to_its_borders(name, size):
    if name == "SmallNet":  # it does not pad to whole strides, so only sides that are multiples of its stride will do
        size = tuple(side // 4 * 4 for side in size)
    model = make(name)
    picture = torch.rand(model.config["in_channels"], *size)
    with torch.inference_mode():
        whole = predict_logits(model, picture[None])[0]
        tiles = stitched(model, picture, (64, 100))
    assert whole.shape[1:] == size and whole.std() > 0.01
    # Rounding grows with the logits, which an untrained network does not keep around 1.
    assert (tiles - whole).abs().max() <= 1e-5 * max(1, whole.abs().max())


def test_with_too_small_a_margin_only_the_surroundings_of_the_seams_differ():
    model = make("SmallNet")
    picture = torch.rand(3, 192, 448)
    with torch.inference_mode():
        whole = predict_logits(model, picture[None])[0]
        wrong = (stitched(model, picture, (192, 192), margin=0) - whole).abs().amax((0, 1)) > 1e-5
    from_seam = (torch.arange(448)[:, None] - torch.tensor([192, 384])).abs().amin(1)
    assert wrong[from_seam < 8].all() and not wrong[from_seam > 66].any()


def layers(*modules):
    return nn.Sequential(*modules).eval()


@pytest.mark.parametrize(
    ("network", "margin"),
    [
        (layers(nn.Conv2d(1, 2, 1)), 0),
        (layers(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Conv2d(2, 1, 3, padding=4, dilation=4)), 1 + 4),
        (layers(nn.MaxPool2d(2), nn.Upsample(scale_factor=2)), 0),  # blocks of two, and tiles begin with a block
        (layers(nn.MaxPool2d(4), nn.Conv2d(1, 1, 3, padding=1), nn.Upsample(scale_factor=4)), 4),
        (layers(nn.Conv2d(1, 1, 3, padding=1), nn.AvgPool2d(2), nn.ConvTranspose2d(1, 1, 2, stride=2)), 2),
        (layers(nn.Conv2d(1, 1, (1, 601), padding=(0, 300))), 300),
    ],
)
def test_the_margin_is_what_the_layers_add_up_to(network, margin):
    assert tiles.needed_margin(network, 1, torch.device("cpu")) == margin


def test_weights_of_zero_hide_no_margin():
    layer = nn.Conv2d(1, 1, 5, padding=2)
    nn.init.zeros_(layer.weight)
    assert tiles.needed_margin(layer, 1, torch.device("cpu")) == 2


class SeesAll(SmallNet):
    """A network whose every logit depends on the mean of the picture."""

    def forward(self, image):
        return super().forward(image) + image.mean()


def test_a_network_that_sees_everything_is_refused_unless_a_margin_is_given():
    model, picture = SeesAll(4, width=8), np.random.default_rng(0).integers(0, 256, (90, 130, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match="sees the whole picture.*margin=128"):
        segedu.semantic_segmentation(model, picture, tile=64)
    assert segedu.semantic_segmentation(model, picture, tile=64, margin=64).shape == (90, 130)


@pytest.mark.parametrize("padding", [True, False])
def test_a_stride_that_tiles_are_not_made_for_is_refused(padding):
    model = UNet(2, width=1, depth=7, padding=padding, in_channels=1)
    with pytest.raises(ValueError, match="tile="):
        segedu.semantic_segmentation(model, np.zeros((40, 40), np.uint8), tile=64)


@pytest.mark.parametrize(("first", "last", "side"), [(-3, 9, 6), (-40, 40, 7), (0, 4, 4), (-5, 5, 1), (-5, 5, 2)])
def test_reflect_index_is_numpys_reflection(first, last, side):
    expected = np.pad(np.arange(side), (-first, max(last - side, 0)), mode="reflect")[: last - first]
    assert np.array_equal(tiles.reflect_index(first, last, side), expected)


def test_a_network_without_padding_sees_the_borders_mirrored():
    model = make("UNet without padding, depth 2")
    picture = torch.rand(1, 3, 60, 80)
    with torch.inference_mode():
        # At depth 2 the logits are 40 pixels smaller, and sides that fit are multiples of 4.
        expected = model(F.pad(picture, (20, 20, 20, 20), mode="reflect"))
        assert expected.shape[2:] == (60, 80)
        assert torch.allclose(predict_logits(model, picture), expected, atol=1e-4)


@pytest.mark.parametrize("side", [1, 63, 64, 65, 1000])
def test_tiles_cover_a_side_once_and_begin_at_whole_strides(side):
    model = make("UNet without padding, depth 2")
    for laid in (tiles.tiles(side, 100, 20), tiles.unpadded_tiles(model, side, 100)):
        assert [t.start for t in laid] == [0, *(t.stop for t in laid[:-1])] and laid[-1].stop == side
        assert all(t.start % 64 == 0 and t.first <= t.start < t.stop <= t.last for t in laid)
        assert all((t.first - laid[0].first) % 64 == 0 or t.first == 0 for t in laid)
    assert all(0 <= t.first and t.last <= side for t in tiles.tiles(side, 100, 20))


def noise_picture(*shape):
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


def test_out_is_filled_and_returned_and_a_memmap_will_do(tmp_path):
    model, picture = make("UNet of depth 2"), noise_picture(150, 200, 3)
    np.save(tmp_path / "picture.npy", picture)
    mapped = np.load(tmp_path / "picture.npy", mmap_mode="r")
    out = np.lib.format.open_memmap(tmp_path / "ids.npy", "w+", np.int32, (150, 200))
    out[:] = -1
    expected = segedu.semantic_segmentation(model, picture)
    assert segedu.semantic_segmentation(model, mapped, tile=(64, 128), out=out) is out
    assert (out == expected).mean() > 0.999 and 0 < expected.mean() < 1  # a tie may round to either side
    assert np.array_equal(segedu.semantic_segmentation(model, picture, out=out), expected)
    tensor = torch.from_numpy(picture).permute(2, 0, 1) / 255
    assert (segedu.semantic_segmentation(model, tensor, tile=64) == expected).mean() > 0.999


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"out": np.zeros((40, 41), np.uint8)}, r"shape \(40, 40\); it is uint8 \(40, 41\)"),
        ({"out": np.zeros((40, 40))}, "integer array"),
        ({"tile": 0}, "tile=0"),
        ({"tile": (64, 64, 64)}, "height, width"),
        ({"tile": 64, "margin": -1}, "margin=-1"),
    ],
)
def test_bad_arguments_are_refused_with_a_sentence(options, says):
    with pytest.raises(ValueError, match=says):
        segedu.semantic_segmentation(make("SmallNet"), noise_picture(40, 40), **options)


def test_a_bar_counts_tiles_only_where_it_is_wanted(capsys):
    model, picture = make("SmallNet"), noise_picture(128, 192, 3)
    segedu.semantic_segmentation(model, picture, tile=64)
    assert capsys.readouterr().err == ""
    segedu.semantic_segmentation(model, picture, tile=64, progress=True)
    assert "6/6" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the memory that no file holds")
def test_memory_does_not_grow_with_the_picture():
    """From 1 to 4 megapixels: 12 MB more would be the picture as float32, 25 MB its logits, 9 MB both as bytes."""
    command = [sys.executable, "-m", "benchmarks.tiles", "--megapixels", "1", "4", "--dry"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    small, large, whole = map(float, re.findall(r"'megabytes': ([\d.]+)", done.stdout))
    assert 5 < large < small + 8 and whole > 4 * large, done.stdout
