"""Lesson 05's stored runs on a pretrained backbone: what ImageNet's million photographs bring. Run by results.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial

import torch
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import Dataset
from torchvision.models import squeezenet1_0

import segedu
from benchmarks.scoring import Arms, Scores
from benchmarks.weighing import weighted_loss
from segedu.datasets import CamVid, ToyStreet
from segedu.labels import STREET
from segedu.models.layers import Normalise, crop, pad_to_stride, upsample, zero_score

SIZE = (120, 160)
STREETS = (8, 40, 200)  # rendered streets to learn from, the first of ToyStreet("train")
STEPS, BATCH = 60, 4
# The best that were tried, in steps of about three: 0.0003 to 0.003 (scratch), to 0.001 (free), 0.003 to 0.03 (frozen);
# by mean IoU for seed 100, after 100 steps on 200 streets, on twenty streets of val that score nothing below.
RATES = {"scratch": 1e-3, "frozen": 1e-2, "free": 3e-4}


class SqueezeFCN(nn.Module):
    """An FCN on SqueezeNet 1.0: scores at 1/16 of the picture's size, with skips at 1/8 and 1/4, all added up.

    The score layers start at zero, all upsampling is bilinear. The backbone's first convolution and its poolings pad,
    as SqueezeNet's own do not, so that every map begins on the picture's first pixel.
    """

    def __init__(self, num_classes: int, weights: dict[str, torch.Tensor] | None = None):
        super().__init__()
        network = squeezenet1_0()
        if weights is not None:
            network.load_state_dict(weights)
        layers = network.features
        layers[0].padding = (3, 3)
        for number in (2, 6, 11):
            layers[number] = nn.MaxPool2d(3, stride=2, padding=1)
        self.normalise = Normalise(3)
        self.backbone = nn.ModuleList([layers[:6], layers[6:11], layers[11:]])  # 1/4, 1/8 and 1/16
        self.scores = nn.ModuleList(zero_score(channels, num_classes) for channels in (256, 512, 512))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, num_classes, H, W) logits of pictures (N, 3, H, W)."""
        x = pad_to_stride(self.normalise(image), 16)  # (N, 3, 16h + 1, 16w + 1)
        size, scored = x.shape[-2:], []
        for stage, score in zip(self.backbone, self.scores, strict=True):
            x = stage(x)
            scored.append(score(x))
        total = scored[2]
        for finer in (scored[1], scored[0]):
            total = upsample(total, finer.shape[-2:]) + finer  # the corner places of both lie on corner pixels
        return crop(upsample(total, size), image)


@lru_cache(maxsize=1)
def imagenet_weights() -> dict[str, torch.Tensor]:
    """SqueezeNet's, from the data folder, or fetched by torchvision."""
    if folder := segedu.download.find_data("weights"):
        return load_file(folder / "squeezenet1_0.safetensors")
    from torchvision.models import SqueezeNet1_0_Weights

    return SqueezeNet1_0_Weights.IMAGENET1K_V1.get_state_dict(progress=False)


def network(kind: str, seed: int) -> nn.Module:
    """The network of an arm, "scratch", "frozen" or "free", with the first weights of this seed."""
    torch.manual_seed(seed)
    net = SqueezeFCN(len(STREET), None if kind == "scratch" else imagenet_weights())
    if kind == "frozen":
        net.backbone.requires_grad_(False)
    return net


def one_run(
    kind: str, train: Dataset, tests: dict[str, Dataset], loss: Callable, seed: int, rate: float | None = None
) -> Scores:
    """The scores of one network; tests: {prefix of their names: where to score}."""
    net = network(kind, seed)
    rate = rate or RATES[kind]
    segedu.fit(net, train, steps=STEPS, batch_size=BATCH, learning_rate=rate, loss=loss, seed=seed, progress=False)
    matrices = {prefix: segedu.evaluate(net, data) for prefix, data in tests.items()}
    found = {f"{prefix}mean_iou": matrix.mean_iou() for prefix, matrix in matrices.items()}
    return found | {f"{prefix}pixel_accuracy": matrix.pixel_accuracy() for prefix, matrix in matrices.items()}


def on_streets(counts: Sequence[int] = STREETS) -> Arms:
    """An FCN on SqueezeNet, 60 steps on 8, 40 and 200 rendered streets: from scratch, or from ImageNet's weights?

    scratch: all weights begin by chance. frozen: the backbone has ImageNet's and keeps them, only the score layers
    learn. free: the backbone begins with ImageNet's, and all learns.
    """
    tests = {"": ToyStreet("val", length=40)}
    arms = {}
    for count in counts:
        train = ToyStreet("train", length=count)
        loss = weighted_loss(train)
        for kind in RATES:
            arms[f"{kind}, {count} streets"] = partial(one_run, kind, train, tests, loss)
    return arms


def on_camvid() -> Arms:
    """The same three after 60 steps on two of CamVid's drives, scored on the third drive."""
    train = CamVid("train", protocol="by-drive", size=SIZE)
    tests = {"by_drive_": CamVid("test", protocol="by-drive", size=SIZE)}
    loss = weighted_loss(train)
    return {kind: partial(one_run, kind, train, tests, loss) for kind in RATES}


EXPERIMENTS = {"05_pretrained": on_streets, "05_pretrained_camvid": on_camvid}
