"""Networks as ONNX files and as torch's own: the same logits from onnxruntime, and where segedu is not."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

import segedu
from segedu import cli, models
from segedu.exporting import export_onnx, export_torch, files, largest_difference
from segedu.labels import STREET
from segedu.training import CheckpointError
from tests.exports import IS_ABLE, able

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
chance = np.random.default_rng(5)
TWENTY = [(32, 32), (33, 32), (32, 63), *((int(h), int(w)) for h, w in chance.integers(32, 140, (17, 2)))]
NETWORKS = {
    "smallnet": lambda: models.SmallNet(11),
    "fcn": lambda: models.FCN(11, width=4),
    "unet": lambda: models.UNet(11, width=4, depth=3),
    "deeplab": lambda: models.DeepLab(11, width=4, head="v3+"),
    "quick": lambda: models.QuickUNet(11),
    "panoptic": lambda: models.PanopticDeepLab(11, width=4),
    "backbone": lambda: models.BackboneUNet(11, backbone="squeezenet1_1", width=4),
    "transformer": lambda: models.SegFormer(11, width=4),
}
KINDS = [name if name == "smallnet" else pytest.param(name, marks=pytest.mark.slow) for name in NETWORKS]


def network(kind, seed):
    """One of the networks with chance weights everywhere: some begin with zeros, whose logits are all equal."""
    torch.manual_seed(seed)
    model = NETWORKS[kind]()
    for weights in model.parameters():
        if not weights.any():
            nn.init.normal_(weights, std=0.3)
    return model


@able
@pytest.mark.parametrize("kind", KINDS)
def test_the_file_gives_the_networks_logits_on_twenty_sizes(kind, tmp_path):
    model = network(kind, 1)
    path = export_onnx(tmp_path / "net.onnx", model, labels=STREET)
    assert largest_difference(path, model, TWENTY) < 1e-4
    assert model.training  # it stays as it was
    # Another network's logits are another's: the comparison can fail.
    assert largest_difference(path, network(kind, 2), [(40, 50)]) > 1e-2


@able
def test_what_stands_in_the_file(tmp_path):
    model = models.SmallNet(11)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    followed = files.Followed(model, STREET)
    path = followed.write_onnx(tmp_path / "net.onnx")
    assert followed.onnx_file() == path.read_bytes()  # as a page holds it, written later
    file = onnx.load(path)
    onnx.checker.check_model(file)
    notes = {entry.key: entry.value for entry in file.metadata_props}
    assert json.loads(notes["labels"])["names"] == list(STREET.names)
    assert json.loads(notes["side"]) is None
    normalise = model.normalise
    told = json.loads(notes["normalisation"])
    assert torch.equal(torch.tensor([told["mean"], told["std"]]).view(2, 1, 3, 1, 1),
                       torch.stack([normalise.mean, normalise.std]))  # fmt: skip
    assert notes["network"] == "SmallNet" and "0...1" in notes["input"] and "normalisation is inside" in notes["input"]
    (given,), (wanted,) = file.graph.input, file.graph.output
    assert (given.name, wanted.name) == ("image", "logits")
    sides = [side.dim_param or side.dim_value for side in given.type.tensor_type.shape.dim]
    assert sides == ["batch", 3, "height", "width"]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@able
@pytest.mark.parametrize("kind", ["smallnet", pytest.param("unet", marks=pytest.mark.slow)])
def test_torchs_own_file_runs_where_segedu_is_not(kind, tmp_path):
    model = network(kind, 1).eval()
    export_torch(tmp_path / "net.pt2", model, labels=STREET)
    images = torch.rand(3, 3, 45, 70)
    torch.save(images, tmp_path / "images.pt")
    (tmp_path / "alone.py").write_text(
        "import sys, torch, json\n"
        "sys.modules['segedu'] = None  # whatever asks for it fails\n"
        "notes = dict.fromkeys(['labels', 'network'], '')\n"
        "program = torch.export.load('net.pt2', extra_files=notes).module()\n"
        "with torch.inference_mode():\n"
        "    logits = program(torch.load('images.pt'))[0]\n"
        "torch.save(logits, 'logits.pt')\n"
        "print(json.loads(notes['labels'])['names'][1], notes['network'])\n"
    )
    told = subprocess.run([sys.executable, "alone.py"], cwd=tmp_path, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert told.stdout.split() == [STREET.names[1], type(model).__name__]
    with torch.inference_mode():
        torch.testing.assert_close(torch.load(tmp_path / "logits.pt"), model(images), atol=1e-4, rtol=0)


def test_torchs_own_file_is_written_only_if_it_is_equal(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r'does not end in "\.pt2".*net\.pt2'):
        export_torch(tmp_path / "net.onnx", models.SmallNet(2))
    if IS_ABLE:
        monkeypatch.setattr("segedu.exporting.files._largest_difference", lambda *given: float("nan"))
        with pytest.raises(ValueError, match=r"they differ by up to nan.*Nothing was written"):
            export_torch(tmp_path / "net.pt2", models.SmallNet(2))
    assert not list(tmp_path.iterdir())


class Deciding(nn.Module):
    """Does something else where its map is one place wide, so that it cannot be followed for all widths."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 2, 32, stride=32)

    def forward(self, image):
        found = self.layer(image)
        if found.shape[-1] == 1:
            found = found + 1
        return nn.functional.interpolate(found, image.shape[-2:], mode="bilinear")


@able
@pytest.mark.slow
def test_a_network_that_is_another_for_small_pictures_is_written_for_those_from_64_on(tmp_path):
    followed = files.Followed(Deciding())
    assert onnx.load(followed.write_onnx(tmp_path / "net.onnx")).metadata_props[2].value.count("from 64 on") == 1
    assert followed.sizes == [size for size in files.SIZES if size != (32, 32)]
    assert largest_difference(tmp_path / "net.onnx", followed.network, [(64, 64), (70, 97)]) < 1e-4
    followed.write_torch(tmp_path / "net.pt2")


@able
def test_a_batch_of_any_number(tmp_path):
    model = models.SmallNet(3).eval()
    session = onnxruntime.InferenceSession(str(export_onnx(tmp_path / "net.onnx", model)))
    for number in (1, 3):
        images = torch.rand(number, 3, 40, 50)
        with torch.inference_mode():
            expected = model(images).numpy()
        np.testing.assert_allclose(session.run(None, {"image": images.numpy()})[0], expected, atol=1e-4)


@able
def test_a_strangers_network_with_a_dict_and_a_stride(tmp_path):
    class Strange(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(1, 2, 3, stride=2, padding=1)

        def forward(self, image):
            return {"out": self.layer(image)}

    model = Strange()
    path = export_onnx(tmp_path / "net.onnx", model)
    image = torch.rand(1, 1, 64, 96)
    (logits,) = onnxruntime.InferenceSession(str(path)).run(None, {"image": image.numpy()})
    assert logits.shape == (1, 2, 64, 96)
    ids = segedu.semantic_segmentation(model, image[0])
    assert (logits[0].argmax(0) == ids).mean() > 0.999


@pytest.mark.parametrize(
    ("name", "model", "error", "sentence"),
    [
        ("net.pt", models.SmallNet(2), ValueError, r'does not end in "\.onnx".*net\.onnx'),
        ("net.onnx", "unet", TypeError, r"of type str"),
        ("net.onnx", models.UNet(2, depth=2, padding=False), ValueError, r"UNet has no padding"),
    ],
)
def test_what_cannot_be_exported_is_told(name, model, error, sentence, tmp_path):
    (tmp_path / name).write_text("mine")
    with pytest.raises(error, match=sentence):
        export_onnx(tmp_path / name, model)
    assert (tmp_path / name).read_text() == "mine"  # what was there is not lost


def test_code_that_looks_at_numbers_is_told_and_a_wrong_table(tmp_path, monkeypatch):
    class Looks(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(3, 2, 1)

        def forward(self, image):
            return self.layer(image) if float(image.mean()) > 0.2 else self.layer(1 - image)

    with pytest.raises(ValueError, match=r"Looks cannot be followed by torch\.export|would not give the network's"):
        export_onnx(tmp_path / "net.onnx", Looks())
    monkeypatch.setattr("segedu.exporting.files.TRIED", (99, 0))
    with pytest.raises(ValueError, match=r"torch .* may be too old, 99\.0 can"):
        export_onnx(tmp_path / "net.onnx", Looks())
    with pytest.raises(CheckpointError, match="11 names"):
        export_onnx(tmp_path / "net.onnx", models.SmallNet(3), labels=STREET)
    assert not list(tmp_path.iterdir())


def test_what_torch_says_is_told_without_a_terminals_colours(tmp_path, monkeypatch):
    def fails(*given, **told):
        try:
            raise AssertionError("Cannot create \x1b[1;31mDim\x1b[0m\nand more")
        except AssertionError as cause:
            raise RuntimeError("\x1b[96mThis is step 1/3\x1b[0m") from cause

    monkeypatch.setattr(torch.onnx, "export", fails)
    with pytest.raises(ValueError, match=r"nor compute sizes .* of -side % 8 it finds none.*\. Cannot create Dim$"):
        export_onnx(tmp_path / "net.onnx", models.SmallNet(2))


def test_without_onnx_there_is_a_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install \"segedu\[export\]\""):
        export_onnx(tmp_path / "net.onnx", models.SmallNet(2))
    assert cli.main(["export", "unet_toystreet", "--onnx", str(tmp_path / "net.onnx")]) == 2
    assert "segedu[export]" in capsys.readouterr().err


@able
def test_the_command_follows_the_network_once_writes_and_compares(tmp_path, capsys, monkeypatch):
    path = segedu.save(tmp_path / "net.safetensors", models.SmallNet(11), labels=STREET, notes={"side": 640})
    done, follow, outputs = [], torch.onnx.export, files._Outputs
    monkeypatch.setattr(torch.onnx, "export", lambda *given, **told: done.append("followed") or follow(*given, **told))
    monkeypatch.setattr(files, "_Outputs", lambda network: done.append("copied") or outputs(network))
    asked = ["--onnx", str(tmp_path / "net.onnx"), "--torch", str(tmp_path / "net.pt2")]
    assert cli.main(["export", str(path), *asked]) == 0
    assert done == ["copied", "followed"]  # once, for both files
    printed = capsys.readouterr().out
    assert printed.count("on 5 sizes its logits are the network's") == 2
    assert (tmp_path / "net.onnx").stat().st_size > 1000
    notes = {entry.key: entry.value for entry in onnx.load(tmp_path / "net.onnx").metadata_props}
    also = dict.fromkeys(notes, "")
    torch.export.load(tmp_path / "net.pt2", extra_files=also)
    assert notes == also and json.loads(notes["side"]) == 640  # that of the training, as `segedu predict` takes it
    assert torch.export.load(tmp_path / "net.pt2").module()(torch.rand(1, 3, 33, 50))[0].shape == (1, 11, 33, 50)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "--onnx FILE, --torch FILE or --page FILE"),
        (["--onnx", "a.onnx", "--runtime", "x"], "no --page FILE is asked"),
    ],
)
def test_the_command_says_what_it_lacks(words, sentence, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["export", "unet_toystreet", *words]) == 2
    assert sentence in capsys.readouterr().err and not list(tmp_path.iterdir())


@able
def test_a_file_that_gives_something_else_is_not_written(tmp_path, monkeypatch, capsys):
    path = segedu.save(tmp_path / "net.safetensors", models.SmallNet(11), labels=STREET)
    monkeypatch.setattr("segedu.exporting.files._largest_difference", lambda *given: 0.5)
    assert cli.main(["export", str(path), "--onnx", str(tmp_path / "net.onnx")]) == 2
    assert "they differ by up to 0.5" in capsys.readouterr().err and not (tmp_path / "net.onnx").exists()
