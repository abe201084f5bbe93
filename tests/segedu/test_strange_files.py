"""Files of strangers: pictures, archives and weights made to harm, or only odd. Each has its sentence."""

import contextlib
import hashlib
import io
import json
import math
import stat
import struct
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

import segedu
from segedu import cli, download, resources
from segedu.datasets import FolderError, PictureFolder
from segedu.datasets.folder_layout import page_count
from segedu.datasets.folder_truth import upright_colours
from segedu.labels import OBJECTS
from segedu.masks import read_mask
from segedu.models import SmallNet
from segedu.pictures import picture_tensor
from segedu.training.checkpoints import CheckpointError
from tests.damaged import changed, encoded, files, turned
from tests.file_server import serving

FILES = files()

# Pictures: what a search by chance and hypothesis (test_any_input.py) have found, and what is known to be odd


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("shape", ["(13, 17", "(100000000000, 100000000000)", "(13, 17)(", "(-1, 17)", "()", "(0, 3)"])
def test_the_header_of_an_npy_may_say_anything(shape, tmp_path):
    path = tmp_path / "ids.npy"
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(221))
    with pytest.raises(ValueError, match="ids.npy"):
        read_mask(path, OBJECTS)


def png_of(width, height):
    """A PNG that says how large it is, and holds next to nothing."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("name", ["bomb.png", "bomb.tif", "bomb.gif"])
def test_a_picture_that_says_it_is_huge_is_named_wherever_it_is_read(name, tmp_path, capsys):
    for place in ("images", "masks"):
        (tmp_path / place).mkdir()
    path = tmp_path / "images" / name
    path.write_bytes(png_of(50_000, 20_000) if name == "bomb.png" else huge(name))
    for read in (picture_tensor, upright_colours, lambda path: read_mask(path, OBJECTS)):
        with pytest.raises((OSError, ValueError), match=rf"{name}.*pixels.*MAX_IMAGE_PIXELS"):
            read(path)
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "masks" / "bomb.png")
    with pytest.raises(FolderError, match=name):
        PictureFolder(tmp_path)
    assert cli.main(["predict", "fcn8s_toystreet", str(path), "--out", str(tmp_path / "out")]) == 1
    assert "MAX_IMAGE_PIXELS" in capsys.readouterr().out


def huge(name):
    """A TIFF or GIF whose header says 50,000 × 20,000."""
    content = bytearray(FILES["raw.tif" if name == "bomb.tif" else "film.gif"])
    if name == "bomb.gif":
        content[6:10] = struct.pack("<HH", 50_000, 20_000)
        return bytes(content)
    start = struct.unpack("<I", content[4:8])[0]
    for entry in range(start + 2, start + 2 + 12 * struct.unpack("<H", content[start : start + 2])[0], 12):
        tag = struct.unpack("<H", content[entry : entry + 2])[0]
        if tag in (256, 257):
            content[entry + 2 : entry + 12] = struct.pack("<HII", 4, 1, 50_000 if tag == 256 else 20_000)
    return bytes(content)


def test_numbers_that_are_no_picture_are_named_by_their_file(tmp_path):
    path = tmp_path / "distances.tif"
    for values, words in ((np.float32([[0, 2]]), "divide by 255"), (np.float32([[math.nan, 0]]), "nan_to_num")):
        Image.fromarray(values).save(path)
        with pytest.raises(ValueError, match=f"distances.tif: a picture of floats must lie in 0…1.*{words}"):
            picture_tensor(path)


@pytest.mark.filterwarnings("ignore")
def test_every_beginning_of_a_file_is_named(tmp_path):
    """Pillow raises an IndexError for some of a GIF."""
    for name, step in (("film.gif", 1), ("packed.tif", 7), ("palette.png", 7), ("whole.webp", 7)):
        path = tmp_path / name
        for place in range(0, len(FILES[name]) - 1, step):
            path.write_bytes(FILES[name][:place])
            for read in (picture_tensor, upright_colours, lambda path: read_mask(path, OBJECTS)):
                with contextlib.suppress(OSError, ValueError):
                    read(path)
            with contextlib.suppress(OSError):
                page_count(path)


def test_a_high_picture_is_read_band_by_band_as_at_once(tmp_path, monkeypatch):
    from segedu.datasets import folder_truth

    for content, name in ((FILES["colours.png"], "turned.png"), (FILES["raw.tif"], "a.tif")):
        (tmp_path / name).write_bytes(content)
        whole = upright_colours(tmp_path / name)
        with monkeypatch.context() as patched:
            patched.setattr(folder_truth, "BAND", 4)
            np.testing.assert_array_equal(upright_colours(tmp_path / name), whole)


ODD = {
    "one pixel": (encoded(np.uint8([[[9, 99, 199]]]), "PNG"), (1, 1)),
    "a line": (encoded(np.zeros((1, 5000, 3), np.uint8), "PNG"), (1, 5000)),
    "a column": (encoded(np.zeros((5000, 1, 3), np.uint8), "PNG"), (5000, 1)),
    "16 bits": (encoded(np.full((40, 50), 40000, np.uint16), "PNG"), (40, 50)),
    "for print": (encoded(np.zeros((40, 50, 3), np.uint8), "JPEG", "CMYK"), (40, 50)),
    "turned": (encoded(np.zeros((40, 50, 3), np.uint8), "JPEG", exif=turned(6)), (50, 40)),
    "one bit": (encoded(np.zeros((40, 50), np.uint8), "PNG", "1"), (40, 50)),
    "transparent": (encoded(np.zeros((40, 50, 3), np.uint8), "PNG", "RGBA"), (40, 50)),
}


@pytest.mark.parametrize("kind", ODD)
def test_predict_gives_an_odd_picture_an_answer_of_its_own_size(kind, tmp_path):
    content, size = ODD[kind]
    path = tmp_path / ("a.png" if content[:4] == b"\x89PNG" else "a.jpg")
    path.write_bytes(content)
    assert picture_tensor(path).shape == (3, *size)
    assert cli.main(["predict", "fcn8s_toystreet", str(path), "--out", str(tmp_path / "out")]) == 0
    assert Image.open(tmp_path / "out" / "a.png").size == size[::-1]
    assert Image.open(tmp_path / "out" / "a_overlay.jpg").size == size[::-1] or max(size) > 1600


@pytest.mark.parametrize("name", ["film.gif", "animated.png", "pages.tif"])
def test_a_film_is_one_picture_a_frame_or_is_refused(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(FILES[name])
    with pytest.raises(ValueError, match=f"{name} holds 2 pages or frames.*seek"):
        picture_tensor(path)
    with pytest.raises(ValueError, match=name):
        read_mask(path, OBJECTS)
    assert cli.main(["predict", "fcn8s_toystreet", str(path), "--out", str(tmp_path / "out")]) == 0
    assert {one.name for one in (tmp_path / "out").glob("*.png")} == {f"{path.stem}_page00{n}.png" for n in (1, 2)}


ANNOTATIONS = {
    "a huge object": {"segmentation": {"size": [10**6, 10**6], "counts": [10**12]}},
    "no end": {"area": 1, "segmentation": {"size": [8, math.inf], "counts": [72]}},
    "a name that is a list": {"category_id": [1]},
    "of a list": {"image_id": [1]},
}


@pytest.mark.parametrize("kind", ANNOTATIONS)
def test_annotations_made_by_hand_are_named_and_take_no_memory(kind, tmp_path):
    Image.fromarray(np.zeros((8, 9, 3), np.uint8)).save(tmp_path / "a.png")
    one = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 6, 1, 6, 6]]} | ANNOTATIONS[kind]
    coco = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "categories": [{"id": 1, "name": "leaf"}],
        "annotations": [one],
    }
    (tmp_path / "all.json").write_text(json.dumps(coco))
    with pytest.raises(FolderError, match="all.json"):
        PictureFolder(tmp_path)


def test_the_size_in_labelmes_file_may_be_anything(tmp_path):
    Image.fromarray(np.zeros((8, 9, 3), np.uint8)).save(tmp_path / "a.png")
    for height in ("1e999", "NaN"):
        (tmp_path / "a.json").write_text(f'{{"shapes": [], "imageHeight": {height}, "imageWidth": 9}}')
        with pytest.raises(FolderError, match="a.json is not built as LabelMe builds its files"):
            PictureFolder(tmp_path)


def test_a_list_that_is_no_text_names_what_it_asks_for(tmp_path):
    for place in ("images", "masks"):
        (tmp_path / place).mkdir()
        Image.fromarray(np.zeros((8, 9), np.uint8)).save(tmp_path / place / "a.png")
    (tmp_path / "train.txt").write_bytes(b"\xff\xfe\x00a\n")
    with pytest.raises(ValueError, match="train.txt, line 1: .* is not UTF-8"):
        PictureFolder(tmp_path, split="train")


# Archives


def packed(members, **options):
    """A zip of {name: bytes}; a name that ends in " link" is a link."""
    with zipfile.ZipFile(buffer := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            entry = zipfile.ZipInfo(name.removesuffix(" link"))
            entry.compress_type = zipfile.ZIP_DEFLATED
            if name.endswith(" link"):
                entry.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


ARCHIVES = {
    "up": ({"Up/a.txt": b"a", "Up/../../evil": b"x"}, "lies outside"),
    "absolute": ({"Up/a.txt": b"a", "Up//tmp/evil": b"x"}, "lies outside"),
    "backslashes": ({"Up/a.txt": b"a", "Up/..\\evil": b"x"}, "lies outside"),
    "a drive": ({"Up/a.txt": b"a", "Up/C:/evil": b"x"}, "lies outside"),
    "a link": ({"Up/a.txt": b"a", "Up/evil link": b"/etc/passwd"}, "a link, which may lead anywhere"),
    "a bomb": ({"Up/a.txt": b"a", "Up/zeros": bytes(10**7)}, "more than 200 times as many"),
}


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """A function: the data set whose one file is a zip of these bytes, served at an address."""
    monkeypatch.delenv("SEGEDU_DATA", raising=False)
    monkeypatch.setattr(download, "cache_folder", lambda: tmp_path / "cache")
    lines = tmp_path / "made_up.sha256"
    monkeypatch.setattr(resources, "data_path", lambda *parts: lines)

    def of(content, address, sha256=None):
        lines.write_text(f"{sha256 or hashlib.sha256(content).hexdigest()}  Up/all.zip\n")
        return download.RealData("small", "Small", 7, "All may.", "made_up.sha256", "Up", (address + "/{path}",))

    return of


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("kind", ARCHIVES)
def test_an_archive_that_would_write_elsewhere_or_fill_the_disk_writes_nothing(kind, archive, tmp_path):
    members, words = ARCHIVES[kind]
    content = packed(members)
    with serving({"/all.zip": content}) as (address, _), pytest.raises(download.FetchError, match=words) as caught:
        download.fetch_data(archive(content, address), tmp_path / "root")
    assert "all.zip" in str(caught.value) and "Do not use this file" in str(caught.value)
    assert everything(tmp_path / "root") == ["small", "small/all.zip"]
    assert not (tmp_path / "evil").exists() and not (tmp_path / "root" / "evil").exists()


def test_a_sound_archive_is_unpacked_and_a_damaged_one_is_named(archive, tmp_path):
    content = packed({"Up/a.txt": b"first", "Up/deep/b.txt": b"second", "elsewhere/c.txt": b"third"})
    with serving({"/all.zip": content}) as (address, _):
        folder = download.fetch_data(archive(content, address), tmp_path / "root")
    assert everything(folder) == ["a.txt", "all.zip", "deep", "deep/b.txt"]
    assert (folder / "deep" / "b.txt").read_bytes() == b"second"
    damaged = changed(content, [("set", 0.2, b"\0\0\0\0\0\0"), ("cut", 0.9, b"")])
    (folder / "a.txt").write_bytes(b"an earlier one")
    for wrong in (damaged, b"no archive"):
        with serving({"/all.zip": wrong}) as (address, _), pytest.raises(download.FetchError, match="all.zip"):
            download.fetch_data(archive(wrong, address), tmp_path / "root")
    assert (folder / "a.txt").read_bytes() == b"an earlier one"
    with (
        serving({"/all.zip": content}) as (address, _),
        pytest.raises(download.FetchError, match="sends? a damaged|sent a"),
    ):
        download.fetch_data(archive(content, address, sha256="0" * 64), tmp_path / "other")
    assert everything(tmp_path / "other") == ["small"]


def test_a_disk_without_room_is_told_before_anything_is_unpacked(archive, tmp_path, monkeypatch):
    content = packed({"Up/a.txt": bytes(3000)})
    usage = download.shutil.disk_usage("/")
    monkeypatch.setattr(download.shutil, "disk_usage", lambda folder: usage._replace(free=2999))
    with serving({"/all.zip": content}) as (address, _), pytest.raises(download.FetchError, match="room for 0 MB"):
        download.fetch_data(archive(content, address), tmp_path / "root")
    assert everything(tmp_path / "root") == ["small", "small/all.zip"]


def test_a_disk_that_becomes_full_ends_a_fetch_at_the_first_source(tmp_path, monkeypatch):
    import errno

    def full(source, target):
        target.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(download.shutil, "copyfileobj", full)
    with serving({"/a": b"whole"}) as (address, requests), pytest.raises(download.FetchError, match="Make room"):
        download.fetch(tmp_path / "a", [f"{address}/a", f"{address}/b"], hashlib.sha256(b"whole").hexdigest())
    assert len(requests) == 1 and not (tmp_path / "a").exists()
    monkeypatch.undo()
    with serving({"/a": b"whole"}) as (address, _):
        download.fetch(tmp_path / "a", [f"{address}/a"], hashlib.sha256(b"whole").hexdigest())
    assert (tmp_path / "a").read_bytes() == b"whole"


# Weights: beside test_strange_weights.py, whose headers are sound safetensors, these are not


def made(path, header, data=bytes(64)):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def tensor(start, stop, shape=(4,), kind="F32"):
    return {"dtype": kind, "shape": list(shape), "data_offsets": [start, stop]}


OUTER = {
    "overlapping": {"a": tensor(0, 16), "b": tensor(8, 24), "c": tensor(24, 64, (10,))},
    "a hole": {"a": tensor(0, 16), "b": tensor(32, 64, (8,))},
    "beyond the end": {"a": tensor(0, 160, (40,))},
    "backwards": {"a": tensor(16, 0)},
    "negative": {"a": tensor(-16, 0)},
    "too many numbers": {"a": tensor(0, 64, (2**62, 2**62))},
    "another size": {"a": tensor(0, 64, (3,))},
    "an unknown kind": {"a": tensor(0, 64, (16,), "F33")},
    "deep": b'{"a":' * 2000 + b"1" + b"}" * 2000,
    "deeper": b"[" * 10**6,
    "not text": b"\xff\xfe" * 100,
    "metadata of numbers": {"__metadata__": {"segedu": 7}, "a": tensor(0, 64, (16,))},
    "metadata nested": {"__metadata__": {"segedu": {"class": "SmallNet"}}, "a": tensor(0, 64, (16,))},
    "empty": b"",
    "a list": [],
}


@pytest.mark.parametrize("kind", OUTER)
def test_a_safetensors_header_made_by_hand_gets_a_sentence(kind, tmp_path):
    path = made(tmp_path / "made.safetensors", OUTER[kind])
    for model in (None, SmallNet(2, width=4)):
        with pytest.raises(
            CheckpointError, match=r"made\.safetensors is not a whole safetensors file .*fetch it again"
        ):
            segedu.load(path, model)


def test_a_header_that_says_it_is_longer_than_the_file_takes_no_memory(tmp_path):
    path = tmp_path / "made.safetensors"
    for length in (2**63 - 1, 2**40, 101 * 10**6, 64):
        path.write_bytes(struct.pack("<Q", length) + b"{}")
        with pytest.raises(CheckpointError, match="is not a whole safetensors file"):
            segedu.load(path)


def test_the_side_in_the_notes_of_a_strange_file_is_a_number_of_pixels_or_nothing(tmp_path):
    from segedu.commands.saved import side_of

    path = tmp_path / "net.safetensors"
    for side, seen in ((40, 40), (True, None), (-1, None), (0, None), ("40", None), ([40], None), (None, None)):
        segedu.save(path, SmallNet(2, width=4), labels=OBJECTS, notes={"side": side})
        assert side_of(path) == seen
