"""A network in a browser: one HTML file, opened as a visitor opens it, without a server."""

import base64
import gzip
import io
import json
import re
import shutil
import subprocess
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

import segedu
from segedu import cli, models
from segedu.exporting import export_page
from segedu.exporting.files import Followed
from segedu.exporting.page import MACHINE, RUNTIME, write_page
from segedu.labels import STREET, LabelTable
from tests import lab
from tests.exports import able

onnx = pytest.importorskip("onnx")
PAIR = LabelTable(("</script><b>sky", "{{model}}"), ((10, 200, 30), (0, 0, 255)))


@pytest.fixture
def package(tmp_path):
    """A folder like the npm package, with something else in it."""
    folder = tmp_path / "package"
    for name, text in {RUNTIME: "// code", MACHINE: "wasm", "package.json": '{"version": "9.8.7"}'}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def element(page, name):
    (text,) = re.findall(rf'<script type="text/plain" id="{name}">(.*?)</script>', page, flags=re.DOTALL)
    return text


def unpacked(page, name):
    return gzip.decompress(base64.b64decode(element(page, name)))


@able
def test_everything_is_in_the_one_file(package, tmp_path):
    before = {path: path.read_bytes() for path in package.rglob("*") if path.is_file()}
    page = export_page(tmp_path / "net.html", models.SmallNet(2), labels=PAIR, side=640, runtime=package)
    page = page.read_text("utf-8")
    assert unpacked(page, "runtime") == b"// code" and unpacked(page, "machine") == b"wasm" and "9.8.7" in page
    notes = {entry.key: entry.value for entry in onnx.load_model_from_string(unpacked(page, "model")).metadata_props}
    assert json.loads(notes["labels"])["names"] == list(PAIR.names)
    about = json.loads(element(page, "about"))
    assert about.pop("side") == json.loads(notes["side"]) == 640 and about.pop("smallest") == 32
    assert about == {"channels": 3, "names": list(PAIR.names), "colours": [list(colour) for colour in PAIR.colours]}
    # Nothing is asked of a server: no address but those of standards.
    assert set(re.findall(r"https?://[^\s\"'<)]+", page)) <= {"http://www.w3.org/2000/svg"}
    assert {path: path.read_bytes() for path in package.rglob("*") if path.is_file()} == before


@able
def test_a_page_asks_for_as_many_pixels_as_its_network(package, tmp_path):
    followed = Followed(models.SmallNet(2), PAIR)
    followed.smallest = 64  # as it is for a network that torch can follow from there on only
    page = write_page(tmp_path / "net.html", followed, package).read_text("utf-8")
    assert json.loads(element(page, "about"))["smallest"] == 64


@able
def test_an_archive_does_as_well_as_a_folder(package, tmp_path):
    with tarfile.open(tmp_path / "runtime.tgz", "w:gz") as archive:
        archive.add(package, "package")
    pages = [
        export_page(tmp_path / f"{number}.html", models.SmallNet(2), labels=PAIR, runtime=place).read_text("utf-8")
        for number, place in enumerate([package, tmp_path / "runtime.tgz"])
    ]
    assert all(element(pages[0], part) == element(pages[1], part) for part in ("about", "runtime", "machine"))


@pytest.mark.parametrize("part", [RUNTIME, MACHINE, "package.json"])
def test_a_package_without_a_part_is_told_and_nothing_is_lost(part, package, tmp_path):
    (package / part).unlink()
    (tmp_path / "net.html").write_text("mine")
    with pytest.raises(FileNotFoundError, match=f"it lacks {re.escape(part)}"):
        export_page(tmp_path / "net.html", models.SmallNet(2), labels=PAIR, runtime=package)
    (tmp_path / "no.tgz").write_bytes(b"\x1f\x8b no archive")
    with pytest.raises(FileNotFoundError, match=r"no\.tgz is not the npm package onnxruntime-web"):
        export_page(tmp_path / "net.html", models.SmallNet(2), labels=PAIR, runtime=tmp_path / "no.tgz")
    assert (tmp_path / "net.html").read_text() == "mine"


def test_what_cannot_be_a_page_is_told(package, tmp_path):
    for path, model, labels, sentence in [
        ("net.onnx", models.SmallNet(2), PAIR, r'does not end in "\.html".*net\.html'),
        ("net.html", models.SmallNet(2), None, "has no table: give labels="),
        ("net.html", torch.nn.Conv2d(4, 2, 1), PAIR, "wants 4 channels"),
        ("net.html", models.UNet(2, depth=2, padding=False), PAIR, "UNet has no padding"),
    ]:
        with pytest.raises(ValueError, match=sentence):
            export_page(tmp_path / path, model, labels=labels, runtime=package)
    assert not list(tmp_path.glob("net.*"))


def test_without_npm_there_is_a_way_out(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(FileNotFoundError, match=r"npm is not installed.*--runtime"):
        export_page(tmp_path / "net.html", models.SmallNet(2), labels=PAIR)
    monkeypatch.setattr(shutil, "which", lambda name: "/bin/npm")
    monkeypatch.setattr(
        subprocess, "run", lambda *given, **named: subprocess.CompletedProcess(given, 1, "", "x\nno way")
    )
    with pytest.raises(FileNotFoundError, match=r"npm could not fetch onnxruntime-web: no way\. Try again"):
        export_page(tmp_path / "net.html", models.SmallNet(2), labels=PAIR)


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    """The true package, as npm has it."""
    npm = shutil.which("npm")
    folder = tmp_path_factory.mktemp("runtime")
    if npm is None or subprocess.run([npm, "pack", "onnxruntime-web", "--silent"], cwd=folder).returncode:
        pytest.skip("npm, which fetches onnxruntime-web, is not installed or has no connection")
    return next(folder.glob("*.tgz"))


@pytest.fixture(scope="module")
def browser():
    if reason := lab.why_not():
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=lab.chromium(), args=lab.CHROMIUM_ARGUMENTS)
        yield opened
        opened.close()


def shown(page) -> np.ndarray:
    """The mask on the screen: class ids, by their colours."""
    data = page.evaluate("document.querySelector('#mask').toDataURL('image/png')")
    rgb = np.asarray(Image.open(io.BytesIO(base64.b64decode(data.partition(",")[2]))).convert("RGB")).astype(int)
    found = (rgb[:, :, None] == np.array(STREET.colours)).all(-1)
    assert found.any(-1).all(), "a colour of no class"
    return found.argmax(-1)


@able
@pytest.mark.slow
@pytest.mark.parametrize("channels", [3, 1])
def test_a_visitor_segments_pictures(channels, runtime, browser, tmp_path):
    torch.manual_seed(channels)
    model = models.UNet(len(STREET), in_channels=channels, width=4, depth=2).eval()
    notes = {"side": 640} if channels == 3 else {}
    saved = segedu.save(tmp_path / "net.safetensors", model, labels=STREET, notes=notes)
    written = tmp_path / "net.html"
    assert cli.main(["export", str(saved), "--page", str(written), "--runtime", str(runtime)]) == 0
    chance = np.random.default_rng(0)
    noise = chance.integers(0, 256, (7, 9, 3)).astype(np.uint8)
    picture = Image.fromarray(noise).resize((101, 67), Image.Resampling.BILINEAR)
    picture.save(tmp_path / "a.png")
    picture.resize((90, 20)).save(tmp_path / "low.png")
    (tmp_path / "no.png").write_text("no picture")

    page = browser.new_page()
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(error))
    page.goto(written.as_uri())
    page.locator("#status", has_text="Ready").wait_for(timeout=120_000)
    assert page.locator("#side").input_value() == ("640" if channels == 3 else "512"), "as in training"
    page.locator("#file").set_input_files(tmp_path / "a.png")
    page.locator("#status", has_text="67 × 101 pixels in").wait_for(timeout=120_000)
    image = np.asarray(picture.convert("L" if channels == 1 else "RGB"), np.float32).reshape(67, 101, channels) / 255
    with torch.inference_mode():
        expected = model(torch.from_numpy(image).permute(2, 0, 1)[None])[0].argmax(0).numpy()
    assert len(np.unique(expected)) > 1, "a network that says one thing of all pixels shows nothing"
    assert (shown(page) == expected).mean() > 0.999
    assert page.get_by_role("table").inner_text().count("%") == len(np.unique(expected))

    for name, sentence in [
        ("low.png", "20 × 90 pixels, and the network needs 32"),
        ("no.png", "could not be segmented"),
    ]:
        page.locator("#file").set_input_files(tmp_path / name)
        page.locator("#status", has_text=sentence).wait_for(timeout=60_000)
    page.locator("#file").set_input_files(tmp_path / "a.png")
    page.locator("#side").select_option("256")
    page.locator("#status", has_text="67 × 101 pixels in").wait_for(timeout=60_000)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the mask").click()
    assert Image.open(download.value.path()).size == (101, 67)
    assert not errors and all(url.startswith(("file:", "blob:")) for url in asked)
    page.close()
