"""Whatever lies in a file, a reader gives what is in it, or a sentence that names the file: tried by hypothesis."""

import contextlib
import json
import struct

import numpy as np
import pytest
import torch
from PIL import Image

import segedu
from segedu import cli
from segedu.datasets import FolderError, PictureFolder
from segedu.datasets.folder_layout import page_count
from segedu.datasets.folder_truth import upright_colours
from segedu.datasets.legends import read_legend
from segedu.inference import TiffPicture
from segedu.labels import OBJECTS
from segedu.masks import read_mask, write_mask
from segedu.models import SmallNet
from segedu.pictures import picture_tensor
from segedu.training.checkpoints import CheckpointError
from tests.damaged import changed, files

hypothesis = pytest.importorskip("hypothesis")
from hypothesis import strategies as some  # noqa: E402
from hypothesis.extra import numpy as arrays  # noqa: E402

FILES = files()
PLACES = some.one_of(some.floats(0, 1, exclude_max=True), some.floats(0, 0.2))  # the beginning says most
BYTES = some.one_of(
    some.binary(min_size=1, max_size=8), some.sampled_from([b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff"])
)
KINDS_OF_EDITS = some.sampled_from(["cut", "cut", "set", "set", "insert", "drop"])
EDITS = some.lists(some.tuples(KINDS_OF_EDITS, PLACES, BYTES), min_size=1, max_size=3)


def few(examples, **given):
    """The same examples in every run, and few, so that a run takes a moment."""

    def decorate(test):
        settings = hypothesis.settings(
            max_examples=examples, derandomize=True, deadline=None, database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )  # fmt: skip
        return settings(hypothesis.given(**given)(test))

    return decorate


def check_picture(path):
    """A picture is floats in 0…1, or the sentence names its file."""
    try:
        picture = picture_tensor(path)
    except (OSError, ValueError, TypeError) as error:
        assert path.name in str(error)
    else:
        assert picture.ndim == 3 and len(picture) == 3 and 0 <= picture.min() and picture.max() <= 1
    try:
        colours = upright_colours(path)
    except (OSError, ValueError) as error:
        assert path.name in str(error)
    else:
        assert colours.dtype == np.uint8 and colours.ndim == 3 and colours.shape[2] == 3
    with contextlib.suppress(OSError):
        assert page_count(path) >= 1


def check_mask(path):
    try:
        mask = read_mask(path, OBJECTS)
    except (OSError, ValueError) as error:
        assert path.name in str(error)
    else:
        assert mask.dtype == np.uint8 and mask.ndim == 2 and mask.size


@pytest.mark.filterwarnings("ignore")
@few(250, name=some.sampled_from(sorted(FILES)), edits=EDITS)
def test_a_file_with_changed_bytes_is_read_or_named(name, edits, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(changed(FILES[name], edits))
    if path.suffix != ".npy":
        check_picture(path)
    check_mask(path)


@few(40, ids=arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, max_side=40),
                           elements=some.sampled_from([0, 1, 255])))  # fmt: skip
def test_a_written_mask_is_read_back(ids, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "there_and_back.png"
    write_mask(path, ids, OBJECTS)
    np.testing.assert_array_equal(read_mask(path, OBJECTS), ids)


KINDS = some.one_of(
    arrays.integer_dtypes(endianness="?"), arrays.unsigned_integer_dtypes(endianness="?"),
    arrays.floating_dtypes(endianness="?"), arrays.boolean_dtypes(), arrays.complex_number_dtypes(),
)  # fmt: skip


@few(
    80,
    pixels=KINDS.flatmap(
        lambda kind: arrays.arrays(kind, arrays.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=5))
    ),
)
def test_an_array_is_a_picture_in_the_unit_range_or_is_refused(pixels):
    try:
        picture = picture_tensor(pixels)
    except (ValueError, TypeError):
        return
    assert picture.dtype == torch.float32 and len(picture) == 3 and picture.shape[1:] == pixels.shape[:2]
    assert 0 <= picture.min() and picture.max() <= 1
    largest = {"b": 1, "u": np.iinfo(pixels.dtype).max if pixels.dtype.kind == "u" else 1}.get(pixels.dtype.kind, 1)
    grey = pixels.ndim == 2 or pixels.shape[2] == 1
    np.testing.assert_allclose(
        picture[0], (pixels.reshape(pixels.shape[:2]) if grey else pixels[..., 0]) / largest, atol=1e-6
    )


VALUES = some.recursive(
    some.one_of(some.none(), some.booleans(), some.integers(-1, 10**12), some.floats(), some.text(max_size=9)),
    lambda inner: some.one_of(
        some.lists(inner, max_size=4), some.dictionaries(some.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = some.sampled_from(
    ["class", "config", "labels", "precision", "threads", "notes", "width", "num_classes", "names"]
)


@few(80, key=KEYS, value=VALUES)
def test_a_weights_file_with_any_value_in_its_header_loads_or_is_named(key, value, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "made.safetensors"
    torch.manual_seed(0)
    content = segedu.save(path, SmallNet(2, width=4), labels=OBJECTS).read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    outer = json.loads(content[8 : 8 + size])
    header = json.loads(outer["__metadata__"]["segedu"])
    place = next(one for one in (header, header["config"], header["labels"]) if key in one)
    place[key] = value
    outer["__metadata__"]["segedu"] = json.dumps(header)
    text = json.dumps(outer).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + size :])
    try:
        model = segedu.load(path)
    except CheckpointError as error:
        assert path.name in str(error)
    else:
        assert type(model) is SmallNet and model(torch.zeros(1, 3, 32, 32)).shape == (1, 2, 32, 32)


LABELME = {
    "imageHeight": 8, "imageWidth": 9, "imagePath": "a.png",
    "shapes": [{"label": "leaf", "points": [[1, 1], [6, 1], [6, 6]], "shape_type": "polygon", "group_id": None}],
}  # fmt: skip
COCO = {
    "images": [{"id": 1, "file_name": "a.png", "height": 8, "width": 9}],
    "categories": [{"id": 1, "name": "leaf"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 6, 1, 6, 6]], "area": 9, "iscrowd": 0},
        {"id": 2, "image_id": 1, "category_id": 1, "segmentation": {"size": [8, 9], "counts": [8, 8, 56]}, "area": 8},
    ],
}  # fmt: skip


def places(value, path=()):
    """The way to every part of a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, part in inside for place in places(part, (*path, key)))]


def with_part(value, path, part):
    """A copy of the JSON value with another part at this place."""
    if not path:
        return part
    copied = value.copy()
    copied[path[0]] = with_part(value[path[0]], path[1:], part)
    return copied


PARTS = [(sound, place) for sound in (LABELME, COCO) for place in places(sound) if place]


@few(80, part=some.sampled_from(PARTS), value=VALUES)
def test_annotations_with_any_value_are_painted_or_named(part, value, tmp_path_factory):
    home = tmp_path_factory.mktemp("annotated")
    Image.fromarray(np.zeros((8, 9, 3), np.uint8)).save(home / "a.png")
    (home / "a.json").write_text(json.dumps(with_part(*part, value)))
    try:
        image, mask = PictureFolder(home)[0]
    except (FolderError, ValueError) as error:
        assert "a.json" in str(error) or "a.png" in str(error) or str(home) in str(error)
    else:
        assert image.shape == (3, 8, 9) and mask.shape == (8, 9)


@few(60, text=some.one_of(some.binary(max_size=60), some.text("road,;# \t\n0123456789é²", max_size=40).map(str.encode)))
def test_a_legend_of_any_bytes_is_a_class_table_or_named(text, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "labels.txt"
    path.write_bytes(text)
    try:
        assert len(read_legend(path)) >= 1
    except ValueError as error:
        assert path.name in str(error)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    return segedu.save(tmp_path_factory.mktemp("weights") / "net.safetensors", SmallNet(2, width=4), labels=OBJECTS)


SIDES = some.integers(1, 70)
MODES = some.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])


@few(12, height=SIDES, width=SIDES, mode=MODES, turn=some.integers(0, 9), windows=some.booleans())
def test_predict_answers_for_every_size_and_mode(height, width, mode, turn, windows, weights, tmp_path_factory):
    home = tmp_path_factory.mktemp("predict")
    pixels = np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    picture = (
        Image.fromarray(pixels[..., 0] * np.uint16(257)) if mode == "I;16" else Image.fromarray(pixels).convert(mode)
    )
    exif = Image.Exif()
    exif[0x0112] = turn
    suffix = ".tif" if mode in ("CMYK", "LA") else ".png"
    picture.save(home / f"a{suffix}", exif=exif)
    code = cli.main(
        ["predict", str(weights), str(home / f"a{suffix}"), "--out", str(home / "out")] + ["--windows"] * windows
    )
    if windows and suffix == ".tif":
        assert code == 1  # told: neither channels apart nor CMYK are read by windows
        return
    assert code == 0
    result = read_mask(home / "out" / ("a.tif" if windows else "a.png"), OBJECTS)
    assert result.shape == ((width, height) if turn in (5, 6, 7, 8) else (height, width))


@few(25, height=SIDES, width=SIDES, side=some.sampled_from([(16, 16), (32, 48), None]),
     kind=some.sampled_from([np.uint8, np.uint16]), channels=some.sampled_from([1, 3, 4]),
     data=some.data())  # fmt: skip
def test_any_window_of_any_tiff_is_the_pictures(height, width, side, kind, channels, data, tmp_path_factory):
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path_factory.getbasetemp() / "any.tif"
    pixels = np.random.default_rng(width).integers(0, np.iinfo(kind).max, (height, width, channels), dtype=kind)
    compression = data.draw(some.sampled_from([None, "zlib"]))
    rows = None if side else data.draw(some.integers(1, 20))
    tifffile.imwrite(
        path, pixels.squeeze(2) if channels == 1 else pixels, tile=side, compression=compression, metadata=None,
        photometric="minisblack" if channels == 1 else "rgb", rowsperstrip=rows,
    )  # fmt: skip
    rows, columns = (
        np.array(data.draw(some.lists(some.integers(0, n - 1), min_size=1, max_size=5))) for n in (height, width)
    )
    found = TiffPicture(path).read(rows, columns)
    expected = picture_tensor(pixels)[:, rows][:, :, columns]
    assert torch.equal(found, expected)
