"""A U-shaped decoder on a backbone that others have trained: transfer to your own pictures."""

from __future__ import annotations

import math
import os
from collections import OrderedDict
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F
from torchvision import models as torchvision_models
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

from segedu.models.layers import Normalise, SegmentationModel, conv_bn_relu, whole

PROBE = 128  # side of the picture that is sent through the backbone once, without numbers, to see its maps
ATTENTION = ("vit", "swin", "maxvit")  # transformers
DEEPEST = 5  # halvings: maps of 1/32 of the picture's size are the smallest that are used
SMP = "smp/"  # stands before the name of an encoder of segmentation_models_pytorch


class BackboneUNet(SegmentationModel):
    """Logits (N, num_classes, H, W) for pictures (N, 3, H, W) in 0…1, any H, W ≥ 32.

    The backbone is a classifier up to its last map, torchvision's or one of
    segmentation_models_pytorch (smp), where that library is installed. Of each size that its maps
    have (1/2 … 1/32 of the picture) the last one is used: from the coarsest up, each map is
    upsampled to the size of the next finer one, concatenated to it, and joined by two convolutions,
    as in U-Net. With `pretrained=True` the backbone starts from ImageNet; then a few dozen pictures
    of your own are often enough. Frozen for the first steps: model.train(), then
    model.backbone.eval().requires_grad_(False) and `fit`; then model.train().requires_grad_(True)
    and `fit` again. Lessons 06 and 15.

    Args:
        num_classes: Scores of each pixel.
        backbone: A convolutional classifier of torchvision.models: "resnet18",
            "mobilenet_v3_small", …; or "smp/" and the name of one of smp's encoders: "smp/mit_b0".
        width: Channels at half of the size; each halving doubles them, up to 16 times.
        pretrained: Whether the backbone's weights are ImageNet's: torchvision fetches them once
            (resnet18: 45 MB), smp its own, unless $SEGEDU_DATA/weights holds NAME.safetensors or
            NAME.pth. A saved network is loaded without.

    Raises:
        ValueError: For a backbone that neither library has, or whose maps cannot be taken out
            (torchvision's transformers and RegNet), and for sizes that are no whole numbers ≥ 1.
        ImportError: For one of smp's encoders where segmentation_models_pytorch is not installed.
        OSError: Where weights are wanted that are neither here nor can be fetched.

    Source:
        The decoder: arXiv 1505.04597, section 2; on a trained backbone: 1801.05746, section 2.

    Example:
        >>> model = BackboneUNet(2, backbone="resnet18", pretrained=False)
        >>> model(torch.rand(1, 3, 64, 96)).shape
        torch.Size([1, 2, 64, 96])
    """

    def __init__(self, num_classes: int, *, backbone: str = "resnet18", width: int = 16, pretrained: bool = False):
        num_classes, width = whole(num_classes=num_classes, width=width)
        super().__init__(num_classes=num_classes, backbone=backbone, width=width, pretrained=False)
        self.normalise = Normalise(3)
        of_smp = isinstance(backbone, str) and backbone.startswith(SMP)
        self.backbone, channels = (smp_features_of if of_smp else features_of)(backbone, pretrained)
        wide = [width * 2 ** min(step, 4) for step in range(len(channels))]
        self.bottom = conv_bn_relu(channels[-1], wide[-1])
        self.up = nn.ModuleList(
            nn.Sequential(
                conv_bn_relu(wide[step + 1] + channels[step], wide[step]), conv_bn_relu(wide[step], wide[step])
            )
            for step in reversed(range(len(channels) - 1))
        )
        self.score = nn.Conv2d(wide[0], num_classes, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) in 0…1 → logits (N, num_classes, H, W)."""
        features = list(self.backbone(self.normalise(image)).values())  # (N, C, H/2, W/2) … (N, C', H/32, W/32)
        x = self.bottom(features[-1])  # (N, 16·width, H/32, W/32)
        for skip, join in zip(reversed(features[:-1]), self.up, strict=True):
            x = F.interpolate(x, size=skip.shape[-2:], mode="bilinear", align_corners=False)
            x = join(torch.cat([x, skip], dim=1))  # half of the channels, twice height and width
        scores = self.score(x)  # (N, num_classes, H/2, W/2)
        return F.interpolate(scores, size=image.shape[-2:], mode="bilinear", align_corners=False)  # (N, …, H, W)


def features_of(name: str, pretrained: bool) -> tuple[nn.Module, list[int]]:
    """A module that gives {stride: (N, C, H/stride, W/stride)}, the finest first, and the channels C of each.

    Raises ValueError for a name that torchvision lacks, and for a network without such maps.
    """
    if not isinstance(name, str) or name not in torchvision_models.list_models(module=torchvision_models):
        known = "resnet18, resnet50, mobilenet_v3_small, efficientnet_b0, convnext_tiny, vgg16_bn"
        raise ValueError(
            f"torchvision has no classifier {name!r}; it has {known} and more: torchvision.models.list_models(). An "
            f"encoder of segmentation_models_pytorch is named with {SMP!r} before it: 'smp/mit_b0'."
        )
    if name.startswith(ATTENTION):
        raise ValueError(
            f"{name!r} is a transformer, whose maps are of another form. Take a convolutional one: resnet18."
        )
    try:
        network = torchvision_models.get_model(name)
        with torch.device("meta"):
            probe = torchvision_models.get_model(name).eval()
            picture = torch.zeros(1, 3, PROBE, PROBE)
        nodes = get_graph_node_names(probe)[1]
        maps = create_feature_extractor(probe, nodes)(picture)
    except Exception as error:  # torch.fx raises whatever the network's own code does
        raise ValueError(f"The maps of {name!r} cannot be taken out ({error}). Take a convolutional one.") from error
    found: dict[int, tuple[str, int]] = {}
    smallest = PROBE
    for node, value in maps.items():
        # Sides grow again where a head is made for one size: VGG's average pooling to 7 × 7.
        if isinstance(value, torch.Tensor) and value.ndim == 4 and 1 < value.shape[2] == value.shape[3] <= smallest:
            smallest = value.shape[2]
            halvings = round(math.log2(PROBE / smallest))
            if 1 <= halvings <= DEEPEST:
                found[halvings] = node, value.shape[1]
    if len(found) < 2:
        raise ValueError(f"{name!r} has no maps of several sizes. Take a convolutional one: resnet18.")
    if pretrained:
        _load_imagenet(network, name)
    chosen = OrderedDict((found[halvings][0], str(2**halvings)) for halvings in sorted(found))
    return create_feature_extractor(network, chosen), [found[halvings][1] for halvings in sorted(found)]


class SmpEncoder(nn.Module):
    """The maps of one of smp's encoders, as `features_of` names them."""

    def __init__(self, encoder: nn.Module):
        super().__init__()
        self.encoder = encoder
        # The first map is the picture's own size; an encoder that halves twice at once gives an empty one between.
        self.strides = [2**step for step, channels in enumerate(encoder.out_channels) if step and channels]

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """(N, 3, H, W) → {stride: (N, C, H/stride, W/stride)}, the finest first."""
        maps = self.encoder(image)  # H, W; H/2, W/2; …
        return OrderedDict((str(stride), maps[stride.bit_length() - 1]) for stride in self.strides)


def smp_features_of(name: str, pretrained: bool) -> tuple[nn.Module, list[int]]:
    """What `features_of` gives, for "smp/NAME" of segmentation_models_pytorch.

    Raises ImportError without that library, ValueError for a name it lacks, OSError for weights that cannot be had.
    """
    try:
        from segmentation_models_pytorch import encoders
    except ImportError as error:
        raise ImportError(
            f"{name!r} is an encoder of segmentation_models_pytorch, which is not installed: pip install "
            "segmentation-models-pytorch, or take a backbone of torchvision: resnet18."
        ) from error
    plain = name.removeprefix(SMP)
    here = torch.empty(0).device
    with torch.device("cpu"):  # some of them read their own numbers while they are built: not on meta
        try:
            network = encoders.get_encoder(plain, in_channels=3, depth=DEEPEST, weights=None)
        except (KeyError, RuntimeError) as error:  # a RuntimeError is timm's, for a name after "tu-"
            raise ValueError(
                f"segmentation_models_pytorch has no encoder {plain!r}; smp.encoders.get_encoder_names() lists them. "
                "torchvision's are named without smp/: resnet18."
            ) from error
        if pretrained and not _load_from_folder(network, plain):
            try:
                network = encoders.get_encoder(plain, in_channels=3, depth=DEEPEST, weights="imagenet")
            except OSError as error:
                raise OSError(_no_weights(plain, error)) from error
    network = SmpEncoder(network.to(here))
    return network, [network.encoder.out_channels[stride.bit_length() - 1] for stride in network.strides]


def _load_imagenet(network: nn.Module, name: str) -> None:
    """Fill in the weights that lie in SEGEDU_DATA, else those that torchvision fetches."""
    if _load_from_folder(network, name):
        return
    try:
        weights = torchvision_models.get_model_weights(name).DEFAULT.get_state_dict(progress=False, check_hash=True)
    except OSError as error:
        raise OSError(_no_weights(name, error)) from error
    network.load_state_dict(weights)


def _load_from_folder(network: nn.Module, name: str) -> bool:
    """Fill in the weights NAME.safetensors or NAME.pth of SEGEDU_DATA's folder weights; False where there are none."""
    if not os.environ.get("SEGEDU_DATA"):
        return False
    folder = Path(os.environ["SEGEDU_DATA"]) / "weights"
    if (path := folder / f"{name}.safetensors").is_file():
        from safetensors.torch import load_file

        network.load_state_dict(load_file(path))
    elif (path := folder / f"{name}.pth").is_file():
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    else:
        return False
    return True


def _no_weights(name: str, error: Exception) -> str:
    return (
        f"The weights of {name} are not on this machine and cannot be fetched ({error}). Give pretrained=False, or "
        f"put {name}.pth into the folder weights of SEGEDU_DATA."
    )
