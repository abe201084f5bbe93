"""`semantic_segmentation` takes a picture in any form and size, and changes nothing of the model."""

import struct

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import segedu
from segedu.models import SmallNet
from segedu.pictures import picture_tensor

COLOURED = np.random.default_rng(0).integers(0, 256, (37, 45, 3), dtype=np.uint8)


class BrightestChannel(nn.Module):
    """Logits are the picture itself, so the class map is the index of the brightest channel: known by hand."""

    def forward(self, image):
        return image


def expected() -> np.ndarray:
    return COLOURED.argmax(2)


@pytest.mark.parametrize("form", ["array", "float array", "tensor", "uint8 tensor", "PIL", "path", "str", "RGBA"])
def test_every_form_gives_the_same_map(form, tmp_path):
    Image.fromarray(COLOURED).save(tmp_path / "picture.png")
    chw = torch.from_numpy(COLOURED).permute(2, 0, 1)
    image = {
        "array": COLOURED,
        "float array": COLOURED / 255,
        "tensor": chw / 255,
        "uint8 tensor": chw,
        "PIL": Image.fromarray(COLOURED),
        "path": tmp_path / "picture.png",
        "str": str(tmp_path / "picture.png"),
        "RGBA": np.dstack([COLOURED, np.full((37, 45), 9, np.uint8)]),
    }[form]
    ids = segedu.semantic_segmentation(BrightestChannel(), image)
    assert ids.shape == (37, 45) and ids.dtype == np.uint8
    ties = (COLOURED == COLOURED.max(2, keepdims=True)).sum(2) > 1
    assert np.array_equal(ids[~ties], expected()[~ties])


def test_a_photograph_on_its_side_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the picture is to be shown rotated by 90 degrees
    Image.fromarray(COLOURED).save(tmp_path / "side.png", exif=exif)
    assert segedu.semantic_segmentation(BrightestChannel(), tmp_path / "side.png").shape == (45, 37)


@pytest.mark.parametrize("size", [(1, 1), (5, 200), (31, 33), (32, 32), (97, 61)])
def test_any_size_comes_back_at_its_size(size):
    assert segedu.semantic_segmentation(SmallNet(4, width=8), torch.rand(3, *size)).shape == size


def test_small_pictures_are_continued_not_stretched():
    picture = COLOURED[:9, :11]
    assert np.array_equal(segedu.semantic_segmentation(BrightestChannel(), picture), picture.argmax(2))


def test_grey_pictures_and_grey_models():
    grey = COLOURED[..., 0]
    colour_model, grey_model = SmallNet(4, width=8), SmallNet(4, width=8, in_channels=1)
    assert segedu.semantic_segmentation(colour_model, grey).shape == grey.shape
    assert segedu.semantic_segmentation(grey_model, COLOURED).shape == grey.shape
    as_pillow = np.asarray(Image.fromarray(COLOURED).convert("L"), np.float32) / 255
    assert np.abs(picture_tensor(COLOURED, channels=1)[0].numpy() - as_pillow).max() < 1 / 255
    deep = grey.astype(np.uint16) * 257
    assert torch.allclose(picture_tensor(deep), picture_tensor(grey))


@pytest.mark.parametrize("order", ["<", ">"])
def test_sixteen_bits_of_either_byte_order(order, tmp_path):
    """Microscopes write both; Pillow's own conversion to RGB would clip them to white."""
    deep = COLOURED[..., 0].astype(f"{order}u2") * 257
    header = struct.pack(f"{order}2sHIH", b"II" if order == "<" else b"MM", 42, 8, 8)
    tags = ((256, 45), (257, 37), (258, 16), (259, 1), (262, 1), (273, 110), (278, 37), (279, deep.nbytes))
    entries = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in tags)
    (tmp_path / "deep.tif").write_bytes(header + entries + bytes(4) + deep.tobytes())
    assert torch.allclose(picture_tensor(tmp_path / "deep.tif"), picture_tensor(COLOURED[..., 0]))


def test_pictures_that_pillow_would_clip_are_scaled_or_refused(tmp_path):
    light = COLOURED[..., 0].astype(np.float32) / 255
    Image.fromarray(light).save(tmp_path / "light.tif")
    assert torch.allclose(picture_tensor(tmp_path / "light.tif"), picture_tensor(COLOURED[..., 0]))
    with pytest.raises(ValueError, match="must lie in 0…1"):
        picture_tensor(Image.fromarray(light * 4000))
    with pytest.raises(TypeError, match="uint8 or uint16"):
        picture_tensor(Image.fromarray(COLOURED[..., 0].astype(np.int32) * 1000))


def test_the_mode_of_every_part_is_put_back():
    model = SmallNet(4, width=8).train()
    model.score.eval()
    statistics = model.down[0][1].running_mean.clone()
    segedu.semantic_segmentation(model, COLOURED)
    assert model.training and not model.score.training
    assert torch.equal(model.down[0][1].running_mean, statistics)


@pytest.mark.parametrize(
    ("image", "error", "words"),
    [
        (COLOURED.astype(np.float32), ValueError, "divide by 255"),
        (np.full((40, 40, 3), np.nan), ValueError, "0…1"),
        (COLOURED.astype(np.int64), TypeError, "uint8 or uint16"),
        (np.zeros((40, 40, 2), np.uint8), ValueError, "1, 3 or 4 channels"),
        (np.zeros((0, 40, 3), np.uint8), ValueError, "1, 3 or 4 channels"),
        (np.zeros((2, 40, 40, 3), np.uint8), ValueError, r"images\[0\]"),
        (np.zeros((3, 40, 48), np.uint8), ValueError, r"first: image.transpose\(1, 2, 0\)"),
        (torch.zeros(40, 48, 3), ValueError, r"last: image.permute\(2, 0, 1\)"),
        (torch.zeros(40, 48), ValueError, r"image\[None\]"),
        (np.zeros((40, 40, 7), np.uint8), ValueError, '"in_channels": 7'),
        (COLOURED / np.float32(255) * 1.2 - 0.1, ValueError, r"clip\(0, 1\)"),
        (COLOURED.astype(np.float32) * 16, ValueError, "largest value"),
        (torch.zeros(3, 40, 40).to_sparse(), TypeError, "to_dense"),
        (torch.zeros(3, 40, 40, dtype=torch.complex64), TypeError, "abs"),
        ([[1, 2]], TypeError, "not list"),
        ("no/such/picture.png", FileNotFoundError, "no/such/picture.png"),
    ],
)
def test_bad_pictures_are_refused_with_the_way_out(image, error, words):
    with pytest.raises(error, match=words):
        segedu.semantic_segmentation(BrightestChannel(), image)


def test_a_network_of_other_channels_says_so_as_the_message_advises():
    class Mean(torch.nn.Module):
        def forward(self, image):
            return torch.stack([image.mean(1), 1 - image.mean(1)], 1)

    model, picture = Mean(), np.full((40, 40, 7), 200, np.uint8)
    model.config = {"in_channels": 7}
    assert (segedu.semantic_segmentation(model, picture) == 0).all()
    model.config = {"in_channels": [3]}  # as other libraries have it; then the picture's own three
    assert (segedu.semantic_segmentation(model, picture[..., :3]) == 0).all()


@pytest.mark.parametrize("error", [RuntimeError, ValueError, AssertionError])
def test_a_network_may_refuse_sizes_by_any_error(error):
    class Whole(BrightestChannel):
        def forward(self, image):
            if image.shape[-2] % 32 or image.shape[-1] % 32:
                raise error("multiples of 32 only")
            return super().forward(image)

    expected = segedu.semantic_segmentation(BrightestChannel(), COLOURED)
    assert np.array_equal(segedu.semantic_segmentation(Whole(), COLOURED), expected)


def test_a_tile_may_be_an_array_of_two_numbers():
    picture = np.random.default_rng(0).integers(0, 256, (70, 150, 3), np.uint8)
    for tile in (np.array([64, 64]), torch.tensor(64), [64, np.int64(64)]):
        tiled = segedu.semantic_segmentation(BrightestChannel(), picture, tile=tile, margin=0)
        assert np.array_equal(tiled, segedu.semantic_segmentation(BrightestChannel(), picture))


def test_a_model_refuses_a_picture_of_other_channels_or_without_a_batch():
    with pytest.raises(ValueError, match=r"image\[None\]"):
        SmallNet(4)(torch.rand(3, 40, 40))
