"""Lesson 09's stored runs: does a dense CRF help, and which networks? Run by results.py."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import nn
from torch.utils.data import Dataset, Subset

from benchmarks import lesson_08
from benchmarks.lesson_05 import SIZE, network, one_round
from benchmarks.lesson_08 import LARGEFOV, SMALL
from benchmarks.scoring import Arms, Scores, class_ious
from benchmarks.weighing import weighted_loss
from segedu.crf import dense_crf
from segedu.datasets import CamVid, ToyStreet
from segedu.inference import evaluation_mode
from segedu.labels import STREET
from segedu.metrics import ConfusionMatrix, trimap_curve

STRIDES = (32, 8)
# DeepLab's release has sigmas of 49 pixels and 5 steps of colour for pictures of 500 pixels, three times our size.
RELEASE = (16, 5)
SETTINGS = [(xy, rgb) for xy in (16, 32) for rgb in (5, 10)]
WIDTHS = (1, 2, 4, 8, 16)


def parts(net: nn.Module, dataset: Dataset) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Probabilities (N, C, H, W), pictures (N, H, W, 3) uint8, masks (N, H, W)."""
    images, masks = map(torch.stack, zip(*dataset, strict=True))
    with evaluation_mode(net), torch.inference_mode():
        probabilities = torch.cat([net(image[None]).softmax(1) for image in images])
    return probabilities, (images * 255).round().byte().permute(0, 2, 3, 1), masks


def sharpened(probabilities: torch.Tensor, pictures: torch.Tensor, xy: float, rgb: float) -> torch.Tensor:
    """(N, C, H, W): what the CRF makes of the probabilities."""
    sigmas = {"spatial_sigma": 1, "bilateral_sigma_xy": xy, "bilateral_sigma_rgb": rgb}
    return torch.stack([dense_crf(p, picture, **sigmas) for p, picture in zip(probabilities, pictures, strict=True)])


def mean_iou(answer: torch.Tensor, masks: torch.Tensor) -> float:
    """The mean IoU of an answer (N, C, H, W)."""
    return ConfusionMatrix(len(STREET)).update(answer.argmax(1), masks).mean_iou()


def scores(answer: torch.Tensor, masks: torch.Tensor, prefix: str) -> Scores:
    """Scores over all pixels, of each class, and in bands around borders."""
    matrix = ConfusionMatrix(len(STREET)).update(answer.argmax(1), masks)
    found = {"mean_iou": matrix.mean_iou(), "accuracy": matrix.pixel_accuracy()}
    found |= class_ious(matrix)
    for width, band in trimap_curve(answer.argmax(1), masks, len(STREET), widths=WIDTHS).items():
        found |= {f"band{width}_mean_iou": band.mean_iou(), f"band{width}_accuracy": band.pixel_accuracy()}
    return {prefix + name: value for name, value in found.items()}


# The experiments: each gives {arm: function of a seed → scores}


def on_streets() -> Arms:
    """A dense CRF after FCN-32s, FCN-8s and two heads of DeepLab, 100 steps on rendered streets: whom does it help?

    Both sigmas of its bilateral kernel are chosen for each network on six validation pictures; sixteen test pictures
    score the network, the release's settings and the chosen ones.
    """
    train = ToyStreet("train", length=400)
    loss = weighted_loss(train)
    choose, report = ToyStreet("val", length=6), ToyStreet("test", length=16)

    def arm(make: Callable[[int], nn.Module], seed: int) -> Scores:
        net = one_round(make(seed), train, loss, seed)
        *given, masks = parts(net, choose)
        found = {"search_before": mean_iou(given[0], masks)}
        search = {setting: mean_iou(sharpened(*given, *setting), masks) for setting in SETTINGS}
        found |= {f"search_{xy}_{rgb}": value for (xy, rgb), value in search.items()}
        *given, masks = parts(net, report)
        answers = {"before": given[0], "release": sharpened(*given, *RELEASE)}
        chosen = max(search, key=search.get)
        answers["chosen"] = sharpened(*given, *chosen) if chosen != RELEASE else answers["release"]
        for name, answer in answers.items():
            found |= scores(answer, masks, f"{name}_")
        return found

    makers = {f"FCN-{stride}s": partial(network, stride) for stride in STRIDES}
    makers["LargeFOV"] = partial(lesson_08.network, "largefov", LARGEFOV)
    makers["ASPP-S"] = partial(lesson_08.network, "aspp-s", SMALL)
    return {name: partial(arm, make) for name, make in makers.items()}


def on_camvid() -> Arms:
    """A dense CRF, release's settings, after FCN-32s and 8s of 100 steps on two of CamVid's drives: on the third."""
    train, test = (CamVid(split, protocol="by-drive", size=SIZE) for split in ("train", "test"))
    loss = weighted_loss(train)
    report = Subset(test, range(0, len(test), 3))

    def arm(stride: int, seed: int) -> Scores:
        *given, masks = parts(one_round(network(stride, seed), train, loss, seed), report)
        after = scores(sharpened(*given, *RELEASE), masks, "release_")
        return scores(given[0], masks, "before_") | after

    return {f"FCN-{stride}s": partial(arm, stride) for stride in STRIDES}


EXPERIMENTS = {"09_crf": on_streets, "09_camvid": on_camvid}
