"""Lesson 09's stored runs: does a dense CRF help, and which networks? Run by results.py."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from fcn_results import RECIPE, SIZE, Scores, weighted_loss
from torch import nn
from torch.utils.data import Subset

import segedu
from segedu.crf import dense_crf
from segedu.datasets import CamVid, ToyStreet
from segedu.inference import evaluation_mode
from segedu.labels import STREET
from segedu.metrics import ConfusionMatrix, trimap_curve
from segedu.models import FCN

# DeepLab's release has sigma_xy 49, sigma_rgb 5, weight 4 for pictures of 500 pixels, three times the size of ours.
RELEASE = (16, 5, 4)
SETTINGS = [(xy, rgb, 4) for xy in (8, 16, 32) for rgb in (3, 5, 10)]
WIDTHS = (1, 2, 4, 8, 16)
Parts = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # probabilities, pictures in uint8, masks


def sharpened(probabilities: torch.Tensor, pictures: torch.Tensor, xy: float, rgb: float, weight: float):
    """(N, C, H, W): what the CRF makes of the probabilities of pictures (N, H, W, 3) uint8."""
    settings = {"bilateral_sigma_xy": xy, "bilateral_sigma_rgb": rgb, "bilateral_weight": weight, "spatial_sigma": 1}
    return torch.stack([dense_crf(p, picture, **settings) for p, picture in zip(probabilities, pictures, strict=True)])


def parts(network: nn.Module, dataset) -> Parts:
    images, masks = map(torch.stack, zip(*((image, mask) for image, mask, *_ in dataset), strict=True))
    with evaluation_mode(network), torch.inference_mode():
        probabilities = torch.cat([network(image[None]).softmax(1) for image in images])
    return probabilities, (images * 255).round().byte().permute(0, 2, 3, 1), masks


def mean_iou(answer: torch.Tensor, masks: torch.Tensor) -> float:
    return ConfusionMatrix(len(STREET)).update(answer.argmax(1), masks).mean_iou()


def street_scores(answer: torch.Tensor, masks: torch.Tensor, prefix: str) -> Scores:
    """Scores over all pixels, of each class, and in bands around borders."""
    matrix = ConfusionMatrix(len(STREET)).update(answer.argmax(1), masks)
    found = {"mean_iou": matrix.mean_iou(), "accuracy": matrix.pixel_accuracy()}
    found |= {f"iou_{name}": value for name, value in zip(STREET.names, matrix.iou().tolist(), strict=True)}
    for width, band in trimap_curve(answer.argmax(1), masks, len(STREET), widths=WIDTHS).items():
        found |= {f"band{width}_mean_iou": band.mean_iou(), f"band{width}_accuracy": band.pixel_accuracy()}
    return {prefix + name: value for name, value in found.items()}


def before_and_after(network: nn.Module, choose, report) -> Scores:
    """The settings are chosen by mean IoU on `choose`; the scores before and after the CRF are those on `report`."""
    probabilities, pictures, masks = parts(network, choose)
    found, search = {"search_before": mean_iou(probabilities, masks)}, {}
    for setting in SETTINGS:
        search[setting] = mean_iou(sharpened(probabilities, pictures, *setting), masks)
        found["search_" + "_".join(map(str, setting))] = search[setting]
    probabilities, pictures, masks = parts(network, report)
    chosen = max(search, key=search.get)
    answers = {"before": probabilities, "chosen": sharpened(probabilities, pictures, *chosen)}
    answers["release"] = sharpened(probabilities, pictures, *RELEASE) if chosen != RELEASE else answers["chosen"]
    for name, answer in answers.items():
        found |= street_scores(answer, masks, f"{name}_")
    return found


def trained(build: Callable[[], nn.Module], train, loss, steps: int, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    network = build()
    segedu.fit(network, train, loss=loss, seed=seed, **RECIPE | {"steps": steps})
    return network


# The experiments: each gives {arm: function of a seed → scores}


def on_streets() -> dict[str, Callable[[int], Scores]]:
    """A dense CRF after networks of 100 to 300 steps on rendered streets: whom does it help, and where?

    Its settings are chosen for each network on six validation pictures and scored on twenty test pictures.
    """
    train = ToyStreet("train", length=400)
    loss = weighted_loss(train)
    choose, report = ToyStreet("val", length=6), ToyStreet("test", length=20)

    def arm(build: Callable[[], nn.Module], steps: int, seed: int) -> Scores:
        return before_and_after(trained(build, train, loss, steps, seed), choose, report)

    ladder = {"FCN-32s": (32, 100), "FCN-8s": (8, 100), "FCN-8s, 300 steps": (8, 300)}
    fcn = partial(FCN, len(STREET), width=8)
    return {name: partial(arm, partial(fcn, stride=stride), steps) for name, (stride, steps) in ladder.items()}


def on_camvid() -> dict[str, Callable[[int], Scores]]:
    """A dense CRF after FCN-32s and 8s, 100 steps on CamVid's drives; chosen and scored on the halves of another."""
    train, val, test = (CamVid(split, protocol="by-drive", size=SIZE) for split in ("train", "val", "test"))
    loss = weighted_loss(train)
    choose, report = Subset(val, range(0, len(val), 8)), Subset(test, range(0, len(test), 3))

    def arm(stride: int, seed: int) -> Scores:
        network = trained(partial(FCN, len(STREET), width=8, stride=stride), train, loss, 100, seed)
        return before_and_after(network, choose, report)

    return {f"FCN-{stride}s": partial(arm, stride) for stride in (32, 8)}


EXPERIMENTS = {"09_crf": on_streets, "09_camvid": on_camvid}
