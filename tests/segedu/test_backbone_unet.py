"""BackboneUNet: torchvision's classifiers as the way down of a U."""

import sys
import urllib.request

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision import models as torchvision_models

import segedu
from segedu.datasets import ToyCells
from segedu.models import BackboneUNet


@pytest.mark.parametrize(
    ("name", "strides"),
    [("resnet18", (2, 4, 8, 16, 32)), ("mobilenet_v3_small", (2, 4, 8, 16, 32)), ("squeezenet1_0", (2, 4, 8, 16)),
     ("vgg11_bn", (2, 4, 8, 16, 32)), ("alexnet", (4, 8, 16, 32)), ("convnext_tiny", (4, 8, 16, 32))],
)  # fmt: skip
def test_each_backbone_gives_its_last_map_of_each_size(name, strides):
    with torch.device("meta"):
        model = BackboneUNet(5, backbone=name).eval()
        maps = model.backbone(torch.zeros(1, 3, 256, 256))
        assert tuple(map(int, maps)) == strides
        assert all(
            round(256 / value.shape[-1] / stride) == 1 for stride, value in zip(strides, maps.values(), strict=True)
        )
        assert model(torch.zeros(2, 3, 75, 101)).shape == (2, 5, 75, 101)


@pytest.mark.parametrize(
    ("name", "strides"),
    [("resnet18", (2, 4, 8, 16, 32)), ("mit_b0", (4, 8, 16, 32)), ("vgg11_bn", (2, 4, 8, 16, 32)),
     ("tu-convnext_atto", (4, 8, 16, 32)), ("timm-regnetx_002", (2, 4, 8, 16, 32))],
)  # fmt: skip
def test_encoders_of_smp_are_backbones_too(name, strides, tmp_path):
    pytest.importorskip("segmentation_models_pytorch")
    model = BackboneUNet(5, backbone=f"smp/{name}", width=4).eval()
    picture = torch.rand(1, 3, 75, 101)
    assert tuple(map(int, model.backbone(picture))) == strides
    for stride, value in zip(strides, model.backbone(torch.rand(1, 3, 64, 96)).values(), strict=True):
        assert value.shape[-2:] == (64 // stride, 96 // stride)
    expected = model(picture)
    assert expected.shape == (1, 5, 75, 101)
    segedu.save(tmp_path / "m.safetensors", model)
    again = segedu.load(tmp_path / "m.safetensors")
    assert again.config["backbone"] == f"smp/{name}"
    torch.testing.assert_close(again(picture), expected)


def test_an_encoder_of_smp_learns_in_fit_and_its_weights_come_from_the_folder(tmp_path, monkeypatch):
    smp = pytest.importorskip("segmentation_models_pytorch")
    monkeypatch.setenv("SEGEDU_DATA", str(tmp_path))
    (tmp_path / "weights").mkdir()
    wanted = smp.encoders.get_encoder("mobilenet_v2", weights=None).state_dict()
    save_file(wanted, tmp_path / "weights" / "mobilenet_v2.safetensors")
    model = BackboneUNet(2, backbone="smp/mobilenet_v2", width=4, pretrained=True)
    for name, value in model.backbone.encoder.state_dict().items():
        assert torch.equal(value, wanted[name]), name
    data = ToyCells("train", length=4, size=(64, 64), transform=lambda image, mask: (image.expand(3, -1, -1), mask))
    segedu.fit(model, data, steps=1, batch_size=2, progress=False)
    after = model.backbone.encoder.state_dict()
    assert any(not torch.equal(after[name], value) for name, value in wanted.items() if name.endswith("weight"))


def test_without_smp_and_without_such_an_encoder_there_is_a_sentence(monkeypatch):
    pytest.importorskip("segmentation_models_pytorch")
    with pytest.raises(ValueError, match=r"no encoder 'no_such'.*get_encoder_names"):
        BackboneUNet(2, backbone="smp/no_such")
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(ImportError, match="pip install segmentation-models-pytorch"):
        BackboneUNet(2, backbone="smp/resnet18")


def test_the_maps_are_those_of_the_classifier():
    model = BackboneUNet(2).eval()
    classifier = torchvision_models.resnet18().eval()
    classifier.load_state_dict(model.backbone.state_dict(), strict=False)
    x = torch.rand(1, 3, 64, 96)
    maps = model.backbone(x)
    stem = classifier.relu(classifier.bn1(classifier.conv1(x)))
    expected = [stem]
    x = classifier.maxpool(stem)
    for layer in (classifier.layer1, classifier.layer2, classifier.layer3, classifier.layer4):
        expected.append(x := layer(x))
    for found, value in zip(maps.values(), expected, strict=True):
        torch.testing.assert_close(found, value)
    assert not any("fc" in name for name in model.state_dict())


def test_it_is_saved_and_loaded(tmp_path):
    model = BackboneUNet(3, backbone="mobilenet_v3_small", width=8)
    segedu.save(tmp_path / "m.safetensors", model)
    again = segedu.load(tmp_path / "m.safetensors")
    x = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(again(x), model.eval()(x))


def test_pretrained_weights_come_from_the_folder_if_they_are_there(tmp_path, monkeypatch):
    monkeypatch.setenv("SEGEDU_DATA", str(tmp_path))
    (tmp_path / "weights").mkdir()
    wanted = torchvision_models.resnet18()
    save_file(wanted.state_dict(), tmp_path / "weights" / "resnet18.safetensors")
    model = BackboneUNet(2, pretrained=True)
    for name, value in model.backbone.state_dict().items():
        assert torch.equal(value, wanted.state_dict()[name]), name
    assert model.config["pretrained"] is False  # a saved network needs no download

    def refused(*args, **options):
        raise OSError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", refused)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "empty"))
    with pytest.raises(OSError, match=r"weights of resnet34 .* cannot be fetched.*put resnet34\.pth"):
        BackboneUNet(2, backbone="resnet34", pretrained=True)


def test_a_frozen_backbone_stays_as_it_was_and_learns_when_it_is_free():
    data = ToyCells("train", length=4, size=(64, 64), transform=lambda image, mask: (image.expand(3, -1, -1), mask))
    model = BackboneUNet(2, backbone="mobilenet_v3_small", width=4)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()
    model.backbone.eval().requires_grad_(False)
    segedu.fit(model, data, steps=2, batch_size=2, progress=False)
    after = {name: value.clone() for name, value in model.state_dict().items()}
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert "backbone" not in changed and {"up", "score", "bottom"} <= changed
    model.train().requires_grad_(True)
    segedu.fit(model, data, steps=1, batch_size=2, progress=False)
    name = "backbone.features.0.0.weight"
    assert not torch.equal(model.state_dict()[name], before[name])


def test_it_works_on_pictures_of_any_size_and_tile_by_tile():
    model = BackboneUNet(2, backbone="mobilenet_v3_small", width=4).eval()
    picture = np.random.default_rng(0).integers(0, 256, (100, 131, 3), np.uint8)
    assert segedu.semantic_segmentation(model, picture).shape == (100, 131)
    assert segedu.semantic_segmentation(model, picture, tile=64, margin=64).shape == (100, 131)


@pytest.mark.parametrize("name", ["no_such", "vit_b_16", "swin_t", "maxvit_t", 18])
def test_a_backbone_that_cannot_be_is_told(name):
    with pytest.raises(ValueError, match=f"{name!r}.*resnet18"):
        BackboneUNet(2, backbone=name)
