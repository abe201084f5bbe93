"""`segedu check | train | evaluate | predict`, called as functions, on folders made for the test."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import segedu
from segedu import cli
from segedu.datasets import PictureFolder, ToyCells
from segedu.labels import CELLS
from segedu.masks import read_mask

SIZE = (64, 80)


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """Ten rendered pictures of cells with masks, in a folder as people have them."""
    home = tmp_path_factory.mktemp("data") / "cells"
    for place in ("images", "masks"):
        (home / place).mkdir(parents=True)
    data = ToyCells("train", length=10, size=SIZE)
    for index, (image, mask) in enumerate(data):
        Image.fromarray((255 * image[0].numpy()).astype(np.uint8)).save(home / "images" / f"{chr(97 + index)}.png")
        Image.fromarray((255 * mask.numpy()).astype(np.uint8)).save(home / "masks" / f"{chr(97 + index)}.png")
    return home


@pytest.fixture(scope="module")
def trained(cells):
    """A network that the command trained for a moment."""
    out = cells.parent / "cells.safetensors"
    assert call("train", cells, "--steps", 8, "--model", "quick", "--out", out) == 0
    return out


def call(*words) -> int:
    return cli.main([str(word) for word in words])


def test_check_tells_classes_and_that_all_fits(cells, capsys, tmp_path):
    assert call("check", cells, "--page", tmp_path / "page.html") == 0
    printed = capsys.readouterr().out
    assert "10 pictures with masks, 64 × 80 pixels (height × width); 0 that do not fit" in printed
    share = np.mean([mask.numpy().mean() for _, mask in PictureFolder(cells)])
    assert f"{share:.2%}" in printed and "object" in printed
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("<figure>") == page.count("data:image/jpeg;base64,") == 10 and "j</figcaption>" in page


def test_check_counts_parts_and_their_middle_size(tmp_path, capsys):
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    mask = np.zeros((40, 40), np.uint8)
    mask[0:3, 0:3] = mask[10:14, 10:14] = mask[20:25, 20:25] = 1
    for name in "ab":
        Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(tmp_path / "images" / f"{name}.png")
        Image.fromarray(mask).save(tmp_path / "masks" / f"{name}.png")
    call("check", tmp_path)
    assert "1 object                      3.12%         2       6        16 px" in capsys.readouterr().out


def test_check_tells_what_is_wrong_and_goes_on(cells, tmp_path, capsys):
    home = tmp_path / "broken"
    shutil.copytree(cells, home)
    (home / "masks" / "c.png").unlink()
    (home / "images" / "d.png").write_bytes(b"nothing")
    (home / "images" / "Thumbs.db").write_bytes(b"x")
    assert call("check", home) == 1
    printed = capsys.readouterr().out
    assert "8 pictures with masks" in printed and "2 that do not fit" in printed
    assert "d.png cannot be read" in printed and "c.png has no mask" in printed and "Passed over: Thumbs.db" in printed


def test_check_finds_a_copy_in_the_other_part(cells, tmp_path, capsys):
    for split, names in (("train", "abcd"), ("val", "e")):
        for place in ("images", "masks"):
            (tmp_path / split / place).mkdir(parents=True)
            for name in names:
                (tmp_path / split / place / f"{name}.png").write_bytes((cells / place / f"{name}.png").read_bytes())
    assert call("check", tmp_path) == 0
    picture = Image.open(cells / "images" / "b.png")
    brighter = picture.point(lambda value: min(255, int(value * 1.1 + 4)))
    brighter.save(tmp_path / "val" / "images" / "copy.jpg", quality=70)
    (tmp_path / "val" / "masks" / "copy.png").write_bytes((cells / "masks" / "b.png").read_bytes())
    capsys.readouterr()
    assert call("check", tmp_path) == 1
    assert "train/b (train) and val/copy (val) are nearly equal" in capsys.readouterr().out


def test_train_writes_a_network_that_knows_its_classes(cells, trained, capsys):
    model = segedu.load(trained)
    assert model.labels.names == ("background", "object") and not model.training
    assert trained.with_suffix(".png").read_bytes()[:4] == b"\x89PNG"
    assert not trained.with_suffix(".unfinished.safetensors").exists()
    assert call("train", cells, "--steps", 1, "--out", trained) == 2
    assert "is there already. Take another name" in capsys.readouterr().err


def test_train_is_fit_with_the_same_seed(cells, tmp_path):
    outs = [tmp_path / f"{number}.safetensors" for number in range(2)]
    for out in outs:
        assert call("train", cells, "--steps", 3, "--model", "quick", "--precision", "float32", "--out", out) == 0
    first, second = (segedu.load(out).state_dict() for out in outs)
    assert all(torch.equal(value, second[name]) for name, value in first.items())


@pytest.mark.parametrize("words", ["--model unet", "--model fcn", "--model deeplab", "--backbone mobilenet_v3_small"])
def test_every_model_trains(cells, tmp_path, words):
    words = (*words.split(), "--steps", 2, "--batch-size", 2)
    assert call("train", cells, *words, "--out", tmp_path / "m.safetensors") == 0


def test_a_start_from_imagenet_needs_a_backbone(cells, tmp_path, capsys):
    assert call("train", cells, "--pretrained", "--steps", 1, "--out", tmp_path / "m.safetensors") == 2
    assert "--pretrained needs --backbone" in capsys.readouterr().err


def test_train_without_enough_pictures_to_divide_says_so(cells, tmp_path, capsys):
    for place in ("images", "masks"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "a.png").write_bytes((cells / place / "a.png").read_bytes())
    assert call("train", tmp_path, "--steps", 2, "--model", "quick", "--out", tmp_path / "m.safetensors") == 0
    assert "No validation: split='train'" in capsys.readouterr().out


@pytest.fixture
def without_val(cells, tmp_path):
    """A folder of four pictures whose lists have a train and a test, and no val; c, of test, is a copy of b."""
    for place in ("images", "masks"):
        (tmp_path / place).mkdir()
        for name in "abcd":
            same = "b" if name == "c" else name
            (tmp_path / place / f"{name}.png").write_bytes((cells / place / f"{same}.png").read_bytes())
    (tmp_path / "train.txt").write_text("a\nb\n")
    (tmp_path / "test.txt").write_text("c\nd\n")
    return tmp_path


def test_without_a_list_for_val_training_leaves_the_test_pictures_alone(without_val, capsys):
    out = without_val / "m.safetensors"
    assert call("train", without_val, "--steps", 2, "--model", "quick", "--out", out) == 0
    printed = capsys.readouterr().out
    assert "2 pictures to learn from, 0 for validation" in printed and "lacks val.txt" in printed


def test_without_a_list_for_val_check_compares_train_with_test(without_val, capsys):
    assert call("check", without_val) == 1
    printed = capsys.readouterr().out
    assert "b (train) and c (test) are nearly equal" in printed and "Not divided" not in printed


def test_train_tells_a_broken_folder_from_a_small_one(cells, tmp_path, capsys):
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "a.png").write_bytes((cells / "masks" / "a.png").read_bytes())
    assert call("train", tmp_path, "--steps", 2, "--out", tmp_path / "m.safetensors") == 2
    assert "belongs to a picture 'a'" in capsys.readouterr().err
    assert call("train", tmp_path, "--steps", 2, "--out", tmp_path / "m.pt") == 2
    assert "should end in .safetensors" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_training_that_is_ended_goes_on_with_the_same_numbers(cells, tmp_path, end):
    words = [str(cells), "--steps", "130", "--model", "quick", "--batch-size", "2", "--precision", "float32"]
    process = subprocess.Popen(
        [sys.executable, "-m", "segedu", "train", *words, "--out", str(tmp_path / "m.safetensors")],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    unfinished, deadline = tmp_path / "m.unfinished.safetensors", time.time() + 300
    while not unfinished.exists() and process.poll() is None and time.time() < deadline:
        time.sleep(0.02)
    process.send_signal(end)
    printed = process.communicate()[0]
    if end == signal.SIGINT:
        assert process.returncode == 130 and "To go on: the same command with --resume" in printed
        segedu.load(tmp_path / "m.safetensors")
    assert call("train", *words, "--resume", "--out", tmp_path / "m.safetensors") == 0
    assert call("train", *words, "--out", tmp_path / "straight.safetensors") == 0
    first, second = (segedu.load(tmp_path / f"{name}.safetensors").state_dict() for name in ("m", "straight"))
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_evaluate_gives_the_numbers_of_segedu_evaluate(cells, trained, capsys):
    assert call("evaluate", trained, cells, "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    matrix = segedu.evaluate(segedu.load(trained), PictureFolder(cells))
    assert printed["pictures"] == 10
    for name, iou in zip(("background", "object"), matrix.iou().tolist(), strict=True):
        row = printed["classes"][name]
        assert row["iou"] == pytest.approx(iou) and row["interval"][0] <= iou <= row["interval"][1]
    assert printed["mean"]["iou"] == pytest.approx(matrix.mean_iou())
    assert printed["classes"]["object"]["share"] == pytest.approx(
        np.mean([mask.numpy().mean() for _, mask in PictureFolder(cells)])
    )
    assert call("evaluate", trained, cells) == 0
    assert f"{100 * matrix.mean_iou():.1f}" in capsys.readouterr().out


def test_evaluate_tells_of_running_numbers_in_a_sentence_beside_the_table(cells, trained, tmp_path, capsys):
    for place in ("images", "masks"):
        (tmp_path / place).mkdir()
        for number, path in enumerate(sorted((cells / place).iterdir())):
            shutil.copy(path, tmp_path / place / f"frame{number:02}.png")
    assert call("evaluate", trained, tmp_path, "--split", "val", "--json") == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["pictures"] == 2
    assert "running numbers" in told.err and "Warning" not in told.err


def test_the_interval_is_that_of_pictures():
    from segedu.commands.evaluate import table

    right, wrong = torch.tensor([[50, 0], [0, 50]]), torch.tensor([[0, 50], [50, 0]])
    alike = table(torch.stack([right + wrong] * 8), ("a", "b"))
    assert alike["mean"]["interval"] == pytest.approx([1 / 3, 1 / 3])
    mixed = table(torch.stack([right, wrong] * 4), ("a", "b"))
    low, high = mixed["mean"]["interval"]
    assert low < 0.15 and high > 0.6 and mixed["mean"]["iou"] == pytest.approx(1 / 3)
    absent = table(torch.stack([right, wrong]), ("a", "b"))
    assert absent["classes"]["a"]["share"] == 0.5
    gone = table(torch.tensor([[[9, 0], [0, 0]]]), ("a", "b"))
    assert gone["classes"]["b"]["iou"] is None


def test_predict_writes_files_that_read_back_equal(cells, trained, tmp_path, capsys):
    pattern = str(cells / "images" / "[ab].png")
    assert (
        call("predict", trained, pattern, cells / "images" / "c.png", "--out", tmp_path, "--objects", "--confidence")
        == 0
    )
    model = segedu.load(trained)
    for name in "abc":
        picture = cells / "images" / f"{name}.png"
        mask, confidence = segedu.semantic_segmentation(model, picture, return_confidence=True)
        np.testing.assert_array_equal(read_mask(tmp_path / f"{name}.png", model.labels), mask)
        grey = np.array(Image.open(tmp_path / f"{name}_confidence.png"))
        assert np.abs(grey / 255 - confidence).max() <= 0.5 / 255 + 1e-6
        ids = np.array(Image.open(tmp_path / f"{name}_ids.png"))
        np.testing.assert_array_equal(ids, segedu.instance_segmentation(model, picture))
        assert Image.open(tmp_path / f"{name}_overlay.jpg").size == SIZE[::-1]
        with (tmp_path / "objects.csv").open(encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["picture"] == f"{name}.png"]
        for row in rows:
            place = np.argwhere(ids == int(row["id"]))
            (top, left), (bottom, right) = place.min(0), place.max(0) + 1
            assert [int(row[key]) for key in ("area", "x", "y", "width", "height")] == [
                len(place), left, top, right - left, bottom - top,
            ]  # fmt: skip
        assert {int(row["id"]) for row in rows} == set(np.unique(ids)) - {0}


def test_predicted_objects_are_a_folder_that_is_read_again(cells, trained, tmp_path):
    assert call("predict", trained, cells / "images", "--out", tmp_path / "found", "--objects") == 0
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "images").symlink_to(cells / "images")
    (tmp_path / "again" / "objects.json").write_bytes((tmp_path / "found" / "objects.json").read_bytes())
    again = PictureFolder(tmp_path / "again", instances=True)
    assert len(again) == 10
    for name, (_, _, ids) in zip(again.names, again, strict=True):
        written = np.array(Image.open(tmp_path / "found" / f"{name}_ids.png"))
        assert len(np.unique(np.stack([ids.numpy().ravel(), written.ravel()]), axis=1).T) == len(np.unique(written))


def test_predict_keeps_the_size_of_a_large_picture_that_is_looked_at_smaller(cells, tmp_path):
    out = tmp_path / "small.safetensors"
    assert call("train", cells, "--steps", 2, "--side", 40, "--model", "quick", "--out", out) == 0
    assert call("predict", out, cells / "images" / "a.png", "--out", tmp_path / "found", "--objects") == 0
    for name in ("a.png", "a_ids.png", "a_overlay.jpg"):
        assert Image.open(tmp_path / "found" / name).size == SIZE[::-1]
    small = Image.open(cells / "images" / "a.png").convert("RGB").resize((40, 32), Image.Resampling.BILINEAR)
    mask = segedu.semantic_segmentation(segedu.load(out), small)
    expected = np.array(Image.fromarray(mask).resize(SIZE[::-1], Image.Resampling.NEAREST))
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "found" / "a.png")), expected)


def test_predict_takes_pages_and_shipped_weights_and_goes_on_past_a_broken_file(cells, tmp_path, capsys):
    pages = [Image.open(cells / "images" / f"{name}.png") for name in "ab"]
    pages[0].save(tmp_path / "stack.tif", save_all=True, append_images=pages[1:])
    (tmp_path / "broken.png").write_bytes(b"no picture")
    assert call("predict", "fcn8s_toystreet", tmp_path, "--out", tmp_path / "found") == 1
    assert {path.name for path in (tmp_path / "found").glob("*.png")} == {"stack_page001.png", "stack_page002.png"}
    printed = capsys.readouterr().out
    assert "broken.png cannot be read as a picture" in printed and "2 pictures" in printed
    model = segedu.load("fcn8s_toystreet")
    expected = segedu.semantic_segmentation(model, cells / "images" / "b.png")
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "found" / "stack_page002.png")), expected)


def test_predict_never_writes_over_a_picture(cells, trained, tmp_path, capsys):
    before = (cells / "images" / "a.png").read_bytes()
    assert call("predict", trained, cells / "images" / "a.png", "--out", cells / "images") == 2
    assert "whose picture would be lost" in capsys.readouterr().err
    assert (cells / "images" / "a.png").read_bytes() == before
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a.png").write_bytes(before)
    assert call("predict", trained, tmp_path / "x", cells / "images" / "a.png", "--out", tmp_path / "out") == 2
    assert "would both become a.png" in capsys.readouterr().err
    assert call("predict", trained, tmp_path / "nothing*.png", "--out", tmp_path / "out") == 2
    assert "There is no file, folder or pattern" in capsys.readouterr().err


def test_a_network_without_class_names_is_refused(cells, tmp_path, capsys):
    segedu.save(tmp_path / "bare.safetensors", segedu.models.SmallNet(2))
    for words in (
        ("evaluate", tmp_path / "bare.safetensors", cells),
        ("predict", tmp_path / "bare.safetensors", cells),
    ):
        assert call(*words, *(("--out", tmp_path) if words[0] == "predict" else ())) == 2
        assert "has no class table" in capsys.readouterr().err


class Surely(nn.Module):
    """Logits by hand: class 1 on the left half, with probability 0.8 everywhere."""

    labels = CELLS

    def forward(self, x):
        left = (torch.arange(x.shape[-1]) < x.shape[-1] // 2).float() * 2 - 1
        sure = torch.log(torch.tensor(4.0)) / 2 * left.expand(len(x), x.shape[-2], -1)
        return torch.stack([-sure, sure], dim=1)


@pytest.mark.parametrize("tile", [None, 64])
def test_confidence_is_the_softmax_of_the_class_that_won(tile):
    options = {"tile": tile, "margin": 0} if tile else {}
    mask, confidence = segedu.semantic_segmentation(Surely(), np.zeros((64, 128, 3)), return_confidence=True, **options)
    assert confidence.dtype == np.float32 and confidence.shape == mask.shape == (64, 128)
    np.testing.assert_allclose(confidence, 0.8, atol=1e-6)


def test_predict_by_windows_gives_what_tiles_of_the_whole_picture_give(cells, trained, tmp_path, capsys):
    pixels = np.tile(np.array(Image.open(cells / "images" / "a.png").convert("RGB")), (4, 3, 1))
    Image.fromarray(pixels).save(tmp_path / "scan.tif", compression="tiff_adobe_deflate")
    Image.fromarray(pixels).save(tmp_path / "scan2.png")
    words = (
        "predict",
        trained,
        tmp_path / "scan.tif",
        tmp_path / "scan2.png",
        "--tile",
        64,
        "--out",
        tmp_path / "found",
    )
    assert call(*words, "--windows") == 0
    model = segedu.load(trained)
    expected = segedu.semantic_segmentation(model, pixels, tile=64)
    assert 0 < expected.mean() < 1
    for name in ("scan", "scan2"):
        np.testing.assert_array_equal(read_mask(tmp_path / "found" / f"{name}.tif", model.labels), expected)
        overlay = np.array(Image.open(tmp_path / "found" / f"{name}_overlay.jpg")).astype(float)
        assert overlay.shape == pixels.shape and np.abs(overlay - pixels)[expected == 0].mean() < 12
    assert len(list((tmp_path / "found").iterdir())) == 4
    assert call(*words, "--windows", "--objects") == 2
    assert "leave out --objects" in capsys.readouterr().err


def test_predict_by_windows_tells_what_it_cannot_read_and_goes_on(cells, trained, tmp_path, capsys):
    tifffile = pytest.importorskip("tifffile")
    dark = np.array(Image.open(cells / "images" / "a.png").convert("RGB")).astype(np.uint16)
    tifffile.imwrite(tmp_path / "dark.tif", dark, photometric="rgb")
    (tmp_path / "broken.tif").write_bytes(b"II*\0nothing")
    Image.open(cells / "images" / "b.png").convert("RGB").save(tmp_path / "sound.tif")
    assert call("predict", trained, tmp_path, "--windows", "--out", tmp_path / "found") == 1
    printed = capsys.readouterr().out
    assert "dark.tif has 16 bits, and nothing in it is brighter than 2" in printed
    assert "broken.tif cannot be read as a picture" in printed and "1 pictures" in printed
    assert {path.name for path in (tmp_path / "found").iterdir()} == {"sound.tif", "sound_overlay.jpg"}
