"""Lesson 12's stored runs: one network's centres and arrows, read in several ways.

Run by results.py. The arms of a seed look at the same network, so they differ by the reading alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np
import torch
from scipy import ndimage
from torch import nn
from torch.utils.data import Dataset
from torchvision import tv_tensors

import segedu
from benchmarks.lesson_07 import CUT, SIZE
from benchmarks.scoring import Arms, Scores
from segedu import losses
from segedu.datasets import ToyCells
from segedu.inference.instances import EVERY_NEIGHBOUR, Instances
from segedu.labels import CELLS, STREET
from segedu.masks import object_classes
from segedu.metrics import average_precision, panoptic_quality
from segedu.models import PanopticDeepLab, PanopticOutput

CELLS_RECIPE = {"steps": 120, "batch_size": 8, "learning_rate": 5e-3, "progress": False}


def whole(image, mask, instances):
    """Cell or not as the cells are, without the line of background that parts them in the mask."""
    return image, tv_tensors.wrap((instances != 0).long(), like=mask), instances


def begun() -> PanopticDeepLab:
    """A network for streets that knows what the shipped DeepLab v3+ does, as the paper's begins with ImageNet.

    What it knows: backbone, ASPP and first decoder of the classes. The rest is untrained.
    """
    known = segedu.load("deeplab_v3plus_toystreet")
    net = PanopticDeepLab(len(STREET), rates=tuple(known.config["rates"]))
    net.backbone.load_state_dict(known.backbone.state_dict())
    net.classes.aspp.load_state_dict(known.head.aspp.state_dict())
    net.classes.decoder1.load_state_dict(known.head.decoder.state_dict())
    return net


class NoArrows(nn.Module):
    """The network, but for its arrows: each pixel points to itself."""

    def __init__(self, net: PanopticDeepLab):
        super().__init__()
        self.net, self.labels, self.config = net, net.labels, net.config

    def forward(self, image: torch.Tensor) -> PanopticOutput:
        """What the network says of pictures (N, C, H, W), with arrows of no length."""
        output = self.net(image)
        return output._replace(offsets=torch.zeros_like(output.offsets))


def by_arrows(net: nn.Module, image: torch.Tensor) -> Instances:
    """Objects from centres and arrows."""
    return segedu.instance_segmentation(net, image, method="centres", return_scores=True)


def by_distance(net: nn.Module, image: torch.Tensor) -> Instances:
    """Objects from the classes alone, cut by the watershed of distances."""
    return segedu.instance_segmentation(net, image, method="watershed", return_scores=True, **CUT)


def without_arrows(net: PanopticDeepLab, image: torch.Tensor) -> Instances:
    """Objects from centres and arrows of no length: each pixel goes to the nearest centre."""
    return by_arrows(NoArrows(net), image)


def components(net: PanopticDeepLab, image: torch.Tensor) -> Instances:
    """The connected parts of each class of things, all of one score."""
    mask = segedu.semantic_segmentation(net, image)
    ids, classes = np.zeros(mask.shape, np.int32), {}
    for class_id in map(net.labels.index, net.labels.things):
        parts, count = ndimage.label(mask == class_id, EVERY_NEIGHBOUR)
        ids[parts > 0] = parts[parts > 0] + len(classes)
        classes |= dict.fromkeys(range(len(classes) + 1, len(classes) + count + 1), class_id)
    return Instances(ids, dict.fromkeys(classes, 1.0), classes, mask)


WAYS = {
    "arrows": by_arrows,
    "no arrows": without_arrows,
    "components": components,
    "watershed": by_distance,
}


def learn(build: Callable[[], PanopticDeepLab], train: Dataset, recipe: dict, seed: int) -> PanopticDeepLab:
    """The network after a recipe's steps on samples (image, mask, instances)."""
    torch.manual_seed(seed)
    net = build()
    segedu.fit(net, train, seed=seed, loss=losses.panoptic_loss, **recipe)
    net.labels = train.labels
    return net


def panoptic_scores(read: Callable[[torch.Tensor], Instances], pictures: Dataset) -> Scores:
    """Panoptic quality and average precision, all in 0…1.

    Panoptic quality and its two factors, means over the classes; those of things and of stuff; average precision at
    IoU ½ with the objects taken by falling score, mean over the classes.

    read: of one picture. pictures: of (image, mask, instances), with `labels`.
    """
    found, truth = [], []
    for image, mask, instances in pictures:
        found.append(read(image))
        truth.append((mask, instances))
    labels = pictures.labels
    quality = panoptic_quality([(one.mask, one.ids) for one in found], truth, labels)
    precision = average_precision(
        [one.ids for one in found],
        [instances for _, instances in truth],
        scores=[one.scores for one in found],
        classes=[one.classes for one in found],
        target_classes=[object_classes(*both) for both in truth],
        thresholds=[0.5],
    )
    things = torch.tensor([name in labels.things for name in labels.names])
    pq = quality.pq()
    return {
        "pq": quality.mean_pq(),
        "sq": quality.sq().nanmean().item(),
        "rq": quality.rq().nanmean().item(),
        "pq_things": pq[things].nanmean().item(),
        "pq_stuff": pq[~things].nanmean().item(),
        "ap50": precision.at(0.5),
    }


def arms_of(network: Callable[[int], nn.Module], pictures: Dataset) -> Arms:
    """An arm for each of WAYS; all read the same network of a seed."""

    def arm(way: Callable, seed: int) -> Scores:
        return panoptic_scores(partial(way, network(seed)), pictures)

    return {name: partial(arm, way) for name, way in WAYS.items()}


# The experiment: {arm: function of a seed → scores}


def cells() -> Arms:
    """Do arrows find more than other ways to read the same network? ToyCells, 100 pictures, 120 steps."""
    train = ToyCells("train", length=100, size=SIZE, instances=True, transform=whole)
    build = partial(PanopticDeepLab, len(CELLS), in_channels=1)
    network = lru_cache(maxsize=1)(partial(learn, build, train, CELLS_RECIPE))
    return arms_of(network, ToyCells("val", size=SIZE, instances=True, transform=whole))


EXPERIMENTS = {"12_cells": cells}
