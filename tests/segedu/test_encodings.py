"""Masks and pictures in files: every encoding gives the ids that were stored, or a sentence whose advice works."""

import io
import re
import struct
import unicodedata
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from segedu import datasets, download
from segedu.datasets.files import read_colours, read_grey, read_ids
from segedu.ids import class_ids
from segedu.labels import CELLS, LabelTable
from segedu.masks import MaskError, from_colours, read_mask, to_colours, validate_mask, write_mask
from segedu.metrics import ConfusionMatrix

TABLE = LabelTable(tuple(f"c{i}" for i in range(21)), tuple((i, 100, 0) for i in range(21)))
IDS = np.uint8([[0, 1, 2, 3, 1], [3, 2, 1, 0, 0]])


def grey_png(values, depth: int, colour: int = 0) -> bytes:
    """A PNG of `depth` bits, which Pillow does not write."""
    rows = b""
    for row in np.reshape(values, (len(values), -1)).tolist():
        bits = "".join(format(value, f"0{depth}b") for value in row)
        bits += "0" * (-len(bits) % 8)
        rows += b"\0" + int(bits, 2).to_bytes(len(bits) // 8, "big")

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", np.shape(values)[1], len(values), depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def save(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


@pytest.mark.parametrize("depth", [2, 4, 8, 16])
def test_grey_png_of_any_depth_holds_the_stored_ids(tmp_path, depth):
    path = tmp_path / "a.png"
    path.write_bytes(grey_png(IDS, depth))
    assert np.array_equal(read_mask(path, TABLE), IDS)
    assert np.array_equal(read_ids(path, path, "fetch"), IDS)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.PNG", {"format": "PNG"}),
        ("a.tif", {}),
        ("a.tif", {"compression": "tiff_lzw"}),
        ("a.tif", {"compression": "tiff_deflate"}),
        ("a.bmp", {}),
        ("Maske für Ü.png", {}),
        ("a.webp", {"lossless": True}),
    ],
)
def test_lossless_files_hold_the_stored_ids(tmp_path, name, options):
    array = np.array([[TABLE.colours[i] for i in row] for row in IDS], np.uint8) if name.endswith(".webp") else IDS
    assert np.array_equal(read_mask(save(tmp_path / name, array, **options), TABLE), IDS)


def tiff(ids, bits: int, *, order=">", white_is_zero=False) -> bytes:
    """A TIFF that holds these numbers as they are; Pillow would turn them round where zero is white."""
    packed = np.packbits(np.unpackbits(ids[..., None], axis=2)[..., 8 - bits :].reshape(len(ids), -1), axis=1)
    raw = (packed if bits <= 8 else ids.astype(f"{order}u2")).tobytes()
    height, width = ids.shape
    tags = [(256, width), (257, height), (258, bits), (259, 1), (262, 1 - white_is_zero)]
    tags += [(273, 8), (277, 1), (278, height), (279, len(raw))]
    entries = b"".join(struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in tags)
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8 + len(raw))
    return start + raw + struct.pack(order + "H", len(tags)) + entries + bytes(4)


@pytest.mark.parametrize("order", ["<", ">"])
def test_sixteen_bits_of_either_order(tmp_path, order):
    path = tmp_path / "a.tif"
    path.write_bytes(tiff(IDS, 16, order=order))
    assert np.array_equal(read_mask(path, TABLE), IDS)


def advised(error, number=0):
    """What an error advises after `mask = `, done."""
    return eval(re.findall(r"mask = (.*?)(?:;|$)", str(error.value))[number], {"np": np, "Image": Image})


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_the_advice_for_a_tiff_in_which_white_is_zero_gives_the_ids(tmp_path, monkeypatch, bits):
    monkeypatch.chdir(tmp_path)
    ids = IDS // 2 if bits == 2 else IDS
    (tmp_path / "stored.tif").write_bytes(tiff(ids, bits, white_is_zero=True))
    (tmp_path / "seen.tif").write_bytes(tiff(2**bits - 1 - ids, bits, white_is_zero=True))
    for name in ("stored.tif", "seen.tif"):
        with pytest.raises(MaskError, match="0 is white") as error:
            read_mask(name, TABLE)
        assert np.array_equal(advised(error), ids)
        with pytest.raises(MaskError, match="0 is white"):
            validate_mask(Image.open(name), TABLE)


@pytest.mark.parametrize("bits", [1, 8])
def test_a_tiff_of_black_and_white_in_which_white_is_zero_asks_which_is_the_object(tmp_path, monkeypatch, bits):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.tif").write_bytes(tiff((2**bits - 1) * (IDS == 1).astype(np.uint8), bits, white_is_zero=True))
    with pytest.raises(MaskError, match=r"If objects look black: .*; if they look white") as error:
        read_mask("a.tif", TABLE)
    assert np.array_equal(advised(error) > 0, IDS == 1)
    assert np.array_equal(advised(error, 1) > 0, IDS != 1)


@pytest.mark.parametrize("loaded", [False, True])
@pytest.mark.parametrize("form", ["png 2", "png 4", "png 8", "tif 4", "pgm"])
def test_a_pil_picture_holds_the_ids_of_its_file_before_and_after_it_is_read(tmp_path, form, loaded):
    suffix, bits = form.split()[0], int(form.split()[-1]) if " " in form else 8
    content = {"png": lambda: grey_png(IDS, bits), "tif": lambda: tiff(IDS, bits)}
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(content.get(suffix, lambda: b"P5 5 2 3\n" + IDS.tobytes())())
    picture = Image.open(path)
    if loaded:
        picture.load()
    for _ in range(2):
        validate_mask(picture, 4)
        assert np.array_equal(class_ids(picture), IDS)


def test_a_pil_picture_whose_depth_nobody_knows_any_more_is_refused(tmp_path):
    stream = io.BytesIO(grey_png(IDS, 4))
    assert np.array_equal(class_ids(Image.open(stream)), IDS)
    picture = Image.open(stream)
    picture.load()
    with pytest.raises(MaskError, match=r"\[17, 34, 51\] are multiples of 17: .*read_mask"):
        validate_mask(picture, 100)
    stream = io.BytesIO(grey_png(IDS, 8))
    picture = Image.open(stream)
    picture.load()
    assert np.array_equal(class_ids(picture), IDS)


def test_a_pil_picture_that_is_damaged_or_closed_says_so(tmp_path):
    (tmp_path / "a.png").write_bytes(grey_png(IDS, 8)[:-30])
    with pytest.raises(MaskError, match="PIL picture that cannot be read"):
        validate_mask(Image.open(tmp_path / "a.png"), 4)
    (tmp_path / "b.png").write_bytes(grey_png(IDS, 8))
    with Image.open(tmp_path / "b.png") as picture:
        pass
    with pytest.raises(MaskError, match=r"before its file is closed"):
        validate_mask(picture, 4)


def test_a_picture_of_4_bits_that_was_painted_on_keeps_what_was_painted(tmp_path):
    (tmp_path / "a.png").write_bytes(grey_png(IDS, 4))
    picture = Image.open(tmp_path / "a.png")
    picture.putpixel((0, 0), 3)
    assert class_ids(picture)[0].tolist() == [3, 17, 34, 51, 17]


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("a.jpg", {}, "is a JPEG"),
        ("a.tif", {"compression": "jpeg"}, "TIFF with JPEG inside"),
        ("a.jp2", {}, "JPEG 2000"),
        ("a.webp", {"quality": 80}, "WebP of the lossy kind"),
    ],
)
def test_encodings_that_change_values_are_named(tmp_path, name, options, says):
    path = save(tmp_path / name, np.repeat(IDS[..., None], 3, axis=2), **options)
    with pytest.raises(MaskError, match=f"{name} is a .*{says.removeprefix('is a ')}.*export the mask again as PNG"):
        read_mask(path, TABLE)
    with pytest.raises(MaskError, match="keeps no exact values"):
        read_ids(path, path, "fetch")


@pytest.mark.parametrize("suffix", ["tif", "gif", "png"])
def test_pages_after_the_first_are_named(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    pages = [Image.fromarray(IDS), Image.fromarray(3 - IDS)]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    with pytest.raises(MaskError, match="holds 2 pages") as caught:
        read_mask(path, TABLE)
    assert 'picture.seek(0); picture.save("a_0.png")' in str(caught.value)
    if suffix == "tif":
        picture = Image.open(path)
        picture.seek(0)
        picture.save(tmp_path / "a_0.png")
        assert np.array_equal(read_mask(tmp_path / "a_0.png", TABLE), IDS)
        with pytest.raises(ValueError, match="holds 2 pages"):
            read_grey(path, "fetch")


def test_a_mask_or_picture_that_exif_turns_is_named(tmp_path):
    picture = Image.fromarray(IDS)
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "a.png", exif=exif)
    for read in (lambda path: read_mask(path, TABLE), lambda path: read_grey(path, "fetch")):
        with pytest.raises(MaskError, match=r"orientation 6.*exif_transpose"):
            read(tmp_path / "a.png")
    ImageOps.exif_transpose(Image.open(tmp_path / "a.png")).save(tmp_path / "a.png")
    assert np.array_equal(read_mask(tmp_path / "a.png", TABLE), np.rot90(IDS, -1))


def test_transparency_that_hides_nothing_is_dropped_and_other_is_named(tmp_path):
    colours = np.uint8([[TABLE.colours[i] for i in row] for row in IDS])
    opaque = np.dstack([colours, np.full(IDS.shape, 255, np.uint8)])
    assert np.array_equal(read_mask(save(tmp_path / "a.png", opaque), TABLE), IDS)
    assert np.array_equal(read_mask(save(tmp_path / "g.png", np.dstack([IDS, opaque[..., 3]])), TABLE), IDS)
    opaque[0, 2, 3] = 0
    with pytest.raises(MaskError, match=r'mode "RGBA" with 1 transparent pixels \(first at row 0, column 2\)'):
        read_mask(save(tmp_path / "b.png", opaque), TABLE)


def test_sixteen_bit_colours_are_named(tmp_path):
    colours = np.repeat(IDS[..., None].astype(int), 3, axis=2)
    (tmp_path / "c.png").write_bytes(grey_png(colours, 16, colour=2))
    with pytest.raises(MaskError, match="16 bits a colour"):
        read_mask(tmp_path / "c.png", TABLE)
    with pytest.raises(ValueError, match="16 bits a colour, but uses 12"):
        read_colours(tmp_path / "c.png", "fetch")


@pytest.mark.parametrize("suffix", ["png", "gif", "bmp"])
def test_a_renumbered_palette_with_void_is_named_and_the_advice_gives_the_ids(tmp_path, suffix):
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(TABLE)] = TABLE.colours
    palette[255] = (224, 224, 192)
    ids = np.where(IDS == 3, 255, np.where(IDS == 2, 15, IDS)).astype(np.uint8)
    picture = Image.fromarray(ids)
    picture.putpalette(palette.ravel().tolist())
    picture.save(tmp_path / "voc.png")
    assert np.array_equal(read_mask(tmp_path / "voc.png", TABLE), ids)
    path = tmp_path / f"a.{suffix}"
    picture.remap_palette([0, 1, 15, 255]).save(path)
    with pytest.raises(MaskError, match=r"index 2 has the colour of class 15.*void=\(224, 224, 192\)"):
        read_mask(path, TABLE)
    mask = from_colours(Image.open(path).convert("RGB"), TABLE, void=(224, 224, 192))
    assert np.array_equal(mask, ids)
    with pytest.raises(MaskError, match=r"If it is void: .*void=\(224, 224, 192\)"):
        from_colours(Image.open(path).convert("RGB"), TABLE)


# Names of files


def test_pictures_in_a_folder_by_name(tmp_path):
    assert download.pictures_in(tmp_path / "none") == {}
    umlaut = unicodedata.normalize("NFD", "Zürich 1")
    for name in ("b.PNG", "a.tif", "c.Jpeg", f"{umlaut}.jpg", "._a.png", ".DS_Store", "Thumbs.db", "notes.txt"):
        (tmp_path / name).write_text("")
    (tmp_path / "folder.png").mkdir()
    assert set(download.pictures_in(tmp_path)) == {"a", "b", "c", unicodedata.normalize("NFC", umlaut)}
    (tmp_path / "a.PNG").write_text("")
    with pytest.raises(ValueError, match=r"two pictures of one name, a.\w+ and a.\w+\. Take one"):
        download.pictures_in(tmp_path)


def own_nuclei(root, picture, suffix=".tif", name="a"):
    for kind, array in (("images", picture), ("masks", np.eye(16, dtype=np.uint8))):
        folder = root / "nuclei" / "test" / kind
        folder.mkdir(parents=True, exist_ok=True)
        save(folder / f"{name}{suffix}", array, format="TIFF")
    return lambda: datasets.Nuclei("test", root=root)


def test_suffixes_in_any_case_count(tmp_path):
    own_nuclei(tmp_path, np.eye(16, dtype=np.uint8), ".tif", "a")
    assert own_nuclei(tmp_path, np.eye(16, dtype=np.uint8), ".TIF", "b")().names == ["a", "b"]
    for kind, size, suffix in (("JPEGImages", (16, 16, 3), "JPG"), ("Annotations", (16, 16), "PNG")):
        folder = tmp_path / "DAVIS" / kind / "480p" / "swan [1]"
        folder.mkdir(parents=True)
        for number in range(3):
            ending = suffix if number == 1 else suffix.lower()
            save(folder / f"{number:05d}.{ending}", np.zeros(size, np.uint8), format="JPEG" if "J" in suffix else "PNG")
    assert datasets.Davis("swan [1]", root=tmp_path).names == ["00000", "00001", "00002"]


def test_floats_of_the_unit_range_are_pictures(tmp_path):
    ds = own_nuclei(tmp_path, np.full((16, 16), 200 / 255, np.float32))()
    assert ds[0][0].max().item() == pytest.approx(200 / 255)
    assert read_colours(tmp_path / "nuclei/test/images/a.tif", "fetch").shape == (16, 16, 3)


@pytest.mark.parametrize(
    ("picture", "says", "mended", "value"),
    [
        (np.full((16, 16), 3000, np.uint16), "almost black.*here 16", lambda a: a * np.uint16(16), 3000 / 4095),
        (np.full((16, 16), 200, np.uint16), "almost black.*here 256", lambda a: a * np.uint16(256), 200 / 255),
        (np.full((16, 16), 200, np.int32), "int32.*8 or 16 bits", lambda a: (a / 255).astype("float32"), 200 / 255),
        (np.full((16, 16), 200, np.float32), "float32.*0…1", lambda a: (a / 255).astype("float32"), 200 / 255),
    ],
)
def test_pictures_that_would_be_black_are_named_and_the_advice_works(tmp_path, picture, says, mended, value):
    ds = own_nuclei(tmp_path, picture)()
    with pytest.raises(ValueError, match=says):
        ds[0]
    path = tmp_path / "nuclei/test/images/a.tif"
    save(path, mended(np.array(Image.open(path))))
    assert ds[0][0].max().item() == pytest.approx(value, abs=0.005)


# Where data is


def test_home_and_variables_in_the_place_of_data(tmp_path, monkeypatch):
    (tmp_path / "data" / "nuclei").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("PLACE", str(tmp_path / "data"))
    for named in ("~/data", "$PLACE"):
        assert download.find_data("nuclei", named) == tmp_path / "data" / "nuclei"
        monkeypatch.setenv("SEGEDU_DATA", named)
        assert download.find_data("nuclei") == tmp_path / "data" / "nuclei"
    monkeypatch.setenv("SEGEDU_DATA", "~/gone")
    with pytest.raises(ValueError, match=f"'~/gone', here .*{tmp_path.name}.*no such folder"):
        download.find_data("nuclei")


def test_a_written_mask_is_read_from_any_name(tmp_path):
    path = tmp_path / "Maske Ä 1.PNG"
    write_mask(path, IDS, TABLE)
    assert np.array_equal(read_mask(path, TABLE), IDS)
    np.save(tmp_path / "a.npy", IDS.astype(">i4"))
    (tmp_path / "a.npy").rename(tmp_path / "b.NPY")
    validate_mask(read_mask(tmp_path / "b.NPY", TABLE), TABLE)


def test_booleans_of_pillow_are_0_and_1_although_their_bytes_are_255(tmp_path):
    square = np.eye(4) > 0
    Image.fromarray(square).save(tmp_path / "a.png")
    assert np.unique(read_mask(tmp_path / "a.png", CELLS)).tolist() == [0, 1]
    stored = np.asarray(Image.open(tmp_path / "a.png"))
    assert stored.view(np.uint8).max() == 255
    assert ConfusionMatrix(2).update(square, stored).counts.tolist() == [[12, 0], [0, 4]]


def test_ids_in_a_pgm_with_few_greys_are_those_that_are_stored(tmp_path):
    for head, rows in ((b"P5 4 2 3\n", bytes([0, 1, 2, 3] * 2)), (b"P2 4 2 3\n", b"0 1 2 3 0 1 2 3\n")):
        (tmp_path / "a.pgm").write_bytes(head + rows)
        assert read_mask(tmp_path / "a.pgm", CELLS).tolist() == [[0, 1, 2, 3]] * 2
    (tmp_path / "a.pgm").write_bytes(b"P5 2 1 1000\n" + bytes([0, 1, 0, 2]))
    with pytest.raises(MaskError, match="1000 as white"):
        read_mask(tmp_path / "a.pgm", CELLS)


def test_minus_one_in_a_tiff_of_signed_bytes_is_not_void(tmp_path):
    tags = {339: 2}
    Image.fromarray(np.uint8([[0, 1, 255]])).save(tmp_path / "a.tif", tiffinfo=tags)
    with pytest.raises(MaskError, match="holds -1"):
        read_mask(tmp_path / "a.tif", CELLS)


def test_a_file_that_is_no_picture_shows_how_it_begins_and_orientation_0_is_upright(tmp_path):
    (tmp_path / "a.png").write_text("version https://git-lfs")
    with pytest.raises(MaskError, match="begins with b'version https:"):
        read_mask(tmp_path / "a.png", CELLS)
    exif = Image.Exif()
    exif[0x0112] = 0
    Image.fromarray(np.uint8([[0, 1]])).save(tmp_path / "a.png", exif=exif)
    assert read_mask(tmp_path / "a.png", CELLS).tolist() == [[0, 1]]


def test_the_order_of_opencv_and_a_wrong_table_are_named():
    rgb = to_colours(np.array([[0, 1]]), CELLS)
    with pytest.raises(MaskError, match="order of OpenCV") as error:
        from_colours(rgb[..., ::-1], CELLS)
    assert "void" not in str(error.value)
    with pytest.raises(TypeError, match="LabelTable"):
        to_colours(np.array([[0, 1]]), 2)
