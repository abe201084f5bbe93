"""The contract of `SegmentationModel`, asked of every network that the package exports; the layers that they share."""

import json
import math

import numpy as np
import pytest
import torch
from torch import nn

from segedu import models
from segedu.models.layers import Backbone, SegmentationModel, conv_bn_relu, crop

NETWORKS = sorted(name for name in models.__all__ if name != "PanopticOutput")
SMALL = {"FCN": 4, "DeepLab": 4, "PanopticDeepLab": 4, "SmallNet": 8, "UNet": 2, "QuickUNet": 2}  # width
SMALL["SegFormer"] = 2


def built(name: str) -> SegmentationModel:
    torch.manual_seed(0)
    if name in SMALL:
        return getattr(models, name)(3, in_channels=1, width=SMALL[name])
    with torch.device("meta"):
        return getattr(models, name)(3)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_keeps_the_contract(name):
    model = built(name).eval()
    assert isinstance(model, SegmentationModel) and model.labels is None
    config = json.loads(json.dumps(model.config))
    with torch.device("meta"):
        again = type(model)(**config)
    assert again.config == model.config
    shapes = [{name: tuple(value.shape) for name, value in net.state_dict().items()} for net in (again, model)]
    assert shapes[0] == shapes[1]
    assert "normalise.mean" in model.state_dict()
    height, width = (188, 204) if name == "PaperUNet" else (33, 47)
    picture = torch.rand(2, config.get("in_channels", 3), height, width, device=next(model.parameters()).device)
    with torch.inference_mode():
        output = model(picture)
    logits = getattr(output, "logits", output)
    assert logits.shape == (2, 3, *model.output_size((height, width)))
    if name in SMALL:
        assert logits.shape[2:] == (height, width)
        with pytest.raises(ValueError, match=r"takes pictures \(N, 1, H, W\)"):
            model(picture[0])


@pytest.mark.parametrize(
    ("name", "key"), [("FCN", "stride"), ("QuickUNet", "stride"), ("DeepLab", "output_stride"),
                      ("PanopticDeepLab", "output_stride")],
)  # fmt: skip
def test_a_stride_of_numpy_can_be_stored(name, key):
    with torch.device("meta"):
        model = getattr(models, name)(3, **{key: np.int64(8)})
    assert json.loads(json.dumps(model.config))[key] == 8


@pytest.mark.parametrize("dropout", [math.nan, -0.1, 1.5, "half", None, True])
def test_a_dropout_is_a_probability(dropout):
    with pytest.raises(ValueError, match="dropout=.* should lie in 0 … 1"):
        models.UNet(3, width=2, dropout=dropout)


@pytest.mark.parametrize(
    ("options", "size", "layers"),
    [
        ({}, (9, 12), [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]),
        ({"stride": 2}, (5, 6), [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]),
        ({"kernel": 1, "batch_norm": False}, (9, 12), [nn.Conv2d, nn.ReLU]),
        ({"dilation": 3}, (9, 12), [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]),
        ({"dilation": 3, "padding": False}, (3, 6), [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]),
    ],
)
def test_conv_bn_relu_is_what_its_name_says(options, size, layers):
    block = conv_bn_relu(3, 5, **options)
    assert [type(layer) for layer in block] == layers
    assert (block[0].bias is None) == (nn.BatchNorm2d in layers)
    assert block(torch.rand(2, 3, 9, 12)).shape == (2, 5, *size)


def test_a_backbone_gives_what_each_stage_gives():
    double, less_one = nn.Upsample(scale_factor=2), nn.MaxPool2d(2, stride=1)
    x = torch.rand(1, 1, 4, 5)
    features = Backbone([double, less_one])(x)
    assert len(features) == 2 and torch.equal(features[0], double(x)) and torch.equal(features[1], less_one(double(x)))


def test_crop_takes_the_part_from_an_offset_on():
    maps = torch.arange(30.0).view(1, 1, 5, 6)
    assert torch.equal(crop(maps, torch.zeros(1, 7, 2, 3), 1), maps[..., 1:3, 1:4])
