"""Pictures larger than memory: windows of a TIFF are the picture's, and what is written is what a whole run gives."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

import segedu
from segedu.inference import TiffPicture, segment_by_windows, tiffs, windows
from segedu.labels import LabelTable
from segedu.masks import read_mask
from segedu.models import SmallNet
from segedu.pictures import picture_tensor

LABELS = LabelTable(("ground", "bright", "dark"), ((0, 0, 0), (255, 255, 0), (0, 0, 255)), ("bright",))
COLOURS = np.random.default_rng(0).integers(0, 256, (150, 230, 3), dtype=np.uint8)
FORMS = {
    "tiles": {"tile": (64, 48), "compression": "zlib"},
    "tiles as they are": {"tile": (64, 64)},
    "strips": {"rowsperstrip": 7, "compression": "zlib"},
    "one strip, mapped": {},
    "channels apart": {"tile": (64, 64), "planarconfig": "separate", "compression": "zlib"},
    "channels apart, mapped": {"planarconfig": "separate"},
    "differences": {"tile": (64, 64), "compression": "zlib", "predictor": True},
    "big end first": {"tile": (64, 64), "byteorder": ">", "bigtiff": True},
}


def network(classes=3, channels=3):
    torch.manual_seed(0)
    model = SmallNet(classes, in_channels=channels, width=8).eval()
    model.labels = LABELS
    return model


def written(path, pixels, **options):
    options.setdefault("photometric", "rgb" if pixels.shape[-1] in (3, 4) else "minisblack")
    if options.get("planarconfig") == "separate":
        pixels = np.moveaxis(pixels, -1, 0)
    tifffile.imwrite(path, pixels, metadata=None, **options)
    return path


@pytest.mark.parametrize(
    ("form", "kind"),
    [(form, kind) for form in FORMS for kind in (np.uint8, np.uint16, np.float32)
     if (form, kind) != ("differences", np.float32)],  # of floats it needs imagecodecs
)  # fmt: skip
def test_a_window_of_a_tiff_holds_the_pictures_values(form, kind, tmp_path):
    pixels = (
        (COLOURS * np.uint16(257)) if kind == np.uint16 else COLOURS if kind == np.uint8 else COLOURS / np.float32(255)
    )
    picture = TiffPicture(written(tmp_path / "a.tif", pixels.astype(kind), **FORMS[form]))
    assert picture.size == (150, 230)
    whole = torch.from_numpy(COLOURS).permute(2, 0, 1) / 255
    torch.testing.assert_close(picture.read(), whole, rtol=0, atol=1e-6)
    for rows, columns in ((range(3, 150), range(60, 70)), ([5, 4, 3, 4, 5], [1, 0, 1, 229]), ([149], range(230))):
        found = picture.read(np.array(rows), np.array(columns))
        torch.testing.assert_close(found, whole[:, list(rows)][:, :, list(columns)], rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (70, 90), (70, 90, 4)])
def test_grey_and_transparent_tiffs_are_those_of_picture_tensor(shape, tmp_path):
    pixels = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    path = written(tmp_path / "a.tif", pixels, tile=(16, 16), compression="zlib")
    for channels in (1, 3):
        assert torch.equal(TiffPicture(path, channels).read(), picture_tensor(path, channels=channels))


def test_only_the_tiles_of_a_window_are_decoded_and_few_are_kept(tmp_path, monkeypatch):
    path = written(tmp_path / "a.tif", np.zeros((640, 640, 3), np.uint8), tile=(64, 64), compression="zlib")
    picture, asked = TiffPicture(path), []
    decode = picture._page.decode
    monkeypatch.setattr(
        picture._page, "decode", lambda data, index, **o: (asked.append(index), decode(data, index, **o))[1]
    )
    picture.read(np.arange(64, 130), np.arange(0, 64))
    assert asked == [10, 20]
    picture.read(np.arange(64, 130), np.arange(0, 64))
    assert asked == [10, 20]
    monkeypatch.setattr(tiffs, "CACHE", 3 * 64 * 64 * 3)
    (few := TiffPicture(path)).read()
    assert len(few._kept) == len(few._slots) == 3


@pytest.mark.parametrize("size", [(150, 230), (64, 64), (40, 300)])
def test_what_is_written_is_the_answer_for_the_whole_picture(size, tmp_path):
    model, pixels = network(), COLOURS[: size[0], : size[1]]
    pixels = np.resize(COLOURS, (*size, 3)) if pixels.shape[:2] != size else pixels
    source = written(tmp_path / "a.tif", pixels, tile=(64, 64), compression="zlib")
    whole = segedu.semantic_segmentation(model, pixels, tile=64)
    assert len(np.unique(whole)) > 1
    assert (
        whole != segedu.semantic_segmentation(model, pixels)
    ).mean() < 0.01  # where two classes are equal but for 1e-7
    for image in (TiffPicture(source), pixels):
        small = segment_by_windows(model, image, tmp_path / "ids.tif", tile=64)
        np.testing.assert_array_equal(read_mask(tmp_path / "ids.tif", LABELS), whole)
        np.testing.assert_array_equal(small, whole)
    with tifffile.TiffFile(tmp_path / "ids.tif") as file:
        assert file.pages[0].is_tiled and file.pages[0].compression == 8
    assert Image.open(tmp_path / "ids.tif").mode == "P"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tif", "ids.tif"]


def test_a_network_without_padding_writes_its_answer_too(tmp_path):
    torch.manual_seed(0)
    model = segedu.models.UNet(2, width=4, depth=2, padding=False).eval()
    whole = segedu.semantic_segmentation(model, COLOURS, tile=64)
    segment_by_windows(model, COLOURS, tmp_path / "ids.tif", tile=64)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "ids.tif"), whole)


def test_the_look_is_each_nth_id_and_the_mean_of_n_by_n_pixels(tmp_path, monkeypatch):
    monkeypatch.setattr(windows, "LOOK", 60)
    model = network()
    assert windows.shrunk_by((150, 230)) == 4 and windows.shrunk_by((10**6, 10)) == 64
    small = segment_by_windows(model, COLOURS, tmp_path / "ids.tif", tile=64)
    np.testing.assert_array_equal(small, tifffile.imread(tmp_path / "ids.tif")[::4, ::4])
    found = windows.shrunk(TiffPicture(written(tmp_path / "a.tif", COLOURS, tile=(64, 64))), tile=64)
    assert found.shape == (3, 38, 58)
    means = COLOURS[:148, :228].reshape(37, 4, 57, 4, 3).mean((1, 3)) / 255
    np.testing.assert_allclose(found[:, :37, :57].permute(1, 2, 0), means, atol=1e-6)
    np.testing.assert_allclose(found[:, 37, 57], COLOURS[148:, 228:].mean((0, 1)) / 255, atol=1e-6)


def odd(name, path):
    """A TIFF that is not read window by window."""
    if name == "palette":
        Image.fromarray(COLOURS).convert("P").save(path)
    elif name == "white is 0":
        tifffile.imwrite(path, COLOURS[..., 0], photometric="miniswhite")
    elif name == "CMYK":
        Image.fromarray(COLOURS).convert("CMYK").save(path)
    elif name == "YCbCr":
        Image.fromarray(COLOURS).convert("YCbCr").save(path)
    elif name == "YCbCr, packed":
        Image.fromarray(COLOURS).convert("YCbCr").save(path, compression="tiff_adobe_deflate")
    elif name == "turned":
        tifffile.imwrite(path, COLOURS, photometric="rgb", extratags=[(274, "H", 1, 6, True)])
    elif name == "two channels":
        tifffile.imwrite(path, COLOURS[..., :2], photometric="minisblack", planarconfig="contig")
    elif name == "one strip":
        tifffile.imwrite(path, COLOURS, photometric="rgb", compression="zlib", rowsperstrip=150)
    elif name == "one bit":
        tifffile.imwrite(path, COLOURS[..., 0] > 99, photometric="minisblack")
    elif name == "integers":
        tifffile.imwrite(path, COLOURS.astype(np.int32), photometric="rgb", tile=(64, 64))
    elif name == "beyond":
        tifffile.imwrite(path, COLOURS.astype(np.float32), photometric="rgb", tile=(64, 64))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("palette", "3|PALETTE"), ("white is 0", "MINISWHITE"), ("CMYK", "SEPARATED"), ("turned", "orientation 6"),
        ("two channels", "2 channels"), ("one strip", "in parts of 0 MB.*imwrite"), ("integers", "must be uint8"),
        ("beyond", "divide by 255"), ("one bit", "of 1 bits"),
        ("YCbCr", "YCbCr, other than JPEG's.*Write it as grey or RGB"), ("YCbCr, packed", "YCbCr, other than JPEG's"),
    ],
)  # fmt: skip
def test_a_tiff_that_windows_would_read_as_something_else_is_named(name, words, tmp_path, monkeypatch):
    odd(name, path := tmp_path / "odd.tif")
    monkeypatch.setattr(tiffs, "LARGEST_PART", 1000 if name == "one strip" else 2**28)
    with pytest.raises((ValueError, TypeError), match=f"odd.tif.*(?:{words})"):
        TiffPicture(path).read(np.arange(4), np.arange(4))


def test_a_damaged_tiff_is_named_and_nothing_is_written(tmp_path):
    path = written(tmp_path / "a.tif", COLOURS, tile=(64, 64), compression="zlib")
    sound = path.read_bytes()
    offsets = tifffile.TiffFile(path).pages[0].dataoffsets
    middle = bytearray(sound)
    middle[offsets[5] + 20 : offsets[5] + 60] = bytes(40)
    (tmp_path / "ids.tif").write_bytes(b"an earlier one")
    for damaged in (sound[:1000], sound[: offsets[5]], bytes(middle), b"", b"II*\0", b"no TIFF at all"):
        path.write_bytes(damaged)
        with pytest.raises(OSError, match=r"a\.tif cannot be read as a picture .*Copy it again"):
            segment_by_windows(network(), TiffPicture(path), tmp_path / "ids.tif", tile=64)
    assert (tmp_path / "ids.tif").read_bytes() == b"an earlier one" and len(list(tmp_path.iterdir())) == 2
    with pytest.raises(FileNotFoundError, match="There is no picture"):
        TiffPicture(tmp_path / "none.tif")
    path.write_bytes(sound)
    with pytest.raises(ValueError, match="has 1 pages; there is no page 3"):
        TiffPicture(path, page=3)


@pytest.mark.parametrize("shape", [(150, 230, 3), (150, 230)])
@pytest.mark.parametrize(
    "options",
    [
        {"compression": "lzw"}, {"compression": "lzw", "predictor": True}, {"compression": "jpeg"},
        {"compression": "jpeg", "photometric": "ycbcr", "subsampling": (1, 1)},
        {"compression": "jpeg", "photometric": "ycbcr", "subsampling": (2, 2)},
    ],
    ids=str,
)  # fmt: skip
def test_tiles_of_lzw_and_jpeg_are_those_of_pillow(options, shape, tmp_path):
    pytest.importorskip("imagecodecs")
    if len(shape) == 2 and "photometric" in options:
        pytest.skip("YCbCr has three channels")
    smooth = np.asarray(Image.fromarray(COLOURS[:15, :23]).resize((230, 150), Image.Resampling.BICUBIC))
    path = written(tmp_path / "a.tif", smooth if len(shape) == 3 else smooth[..., 0], tile=(64, 64), **options)
    expected, picture = picture_tensor(path), TiffPicture(path)
    assert torch.equal(picture.read(), expected)
    assert torch.equal(picture.read(np.arange(50, 130), np.arange(60, 230)), expected[:, 50:130, 60:])


@pytest.mark.parametrize("compression", ["tiff_lzw", "jpeg"])
def test_without_imagecodecs_lzw_and_jpeg_are_named_with_the_way_out(compression, tmp_path):
    Image.fromarray(COLOURS).save(tmp_path / "a.tif", compression=compression)
    (tmp_path / "alone.py").write_text(
        "import sys\n"
        "sys.modules['imagecodecs'] = None\n"
        "from segedu import cli\n"
        "sys.exit(cli.main(['predict', 'unet_toystreet', 'a.tif', '--windows', '--out', 'found']))\n"
    )
    told = subprocess.run([sys.executable, "alone.py"], cwd=tmp_path, capture_output=True, text=True)
    name = compression.removeprefix("tiff_").upper()
    sentence = f'a.tif is packed by {name}, for which tifffile needs imagecodecs: pip install "segedu[large]"'
    assert told.returncode == 2 and told.stderr.strip().splitlines()[-1] == f"segedu: {sentence}"
    assert not list((tmp_path / "found").glob("a*"))


def test_what_has_to_be_installed_is_told(tmp_path, monkeypatch):
    path = written(tmp_path / "a.tif", COLOURS, tile=(64, 64), compression="zlib")
    picture = TiffPicture(path)

    def lacking(*_, **__):
        raise ValueError("<COMPRESSION.LZW: 5> requires the 'imagecodecs' package")

    monkeypatch.setattr(picture._page, "decode", lacking)
    with pytest.raises(ImportError, match=r'a.tif is packed by ADOBE_DEFLATE.*pip install "segedu\[large\]"'):
        picture.read()
    monkeypatch.setitem(__import__("sys").modules, "tifffile", None)
    for call in (lambda: TiffPicture(path), lambda: segment_by_windows(network(), COLOURS, tmp_path / "ids.tif")):
        with pytest.raises(ImportError, match=r'pip install "segedu\[large\]"'):
            call()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="reads the peak as Linux tells it")
def test_four_times_the_pixels_take_no_more_memory():
    """But for decoded tiles, 12 and 48 MiB of at most 64, and the second margin of a window in the middle.

    A whole picture, its logits and the maps of the network would take more than 250 MB more.
    """
    command = [sys.executable, "-m", "benchmarks.large", "--megapixels", "4", "16"]
    told = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).resolve().parents[2])
    assert told.returncode == 0, told.stderr
    peaks = {int(size): int(peak) for size, peak in re.findall(r"(\d+) megapixels: +(\d+) MB at the peak", told.stdout)}
    assert list(peaks) == [1, 4, 16] and peaks[16] - peaks[4] < 160, told.stdout
