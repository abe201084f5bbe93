"""How the measurements look at a trained network."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.utils.data import Dataset

from segedu.inference import evaluation_mode
from segedu.inference.instances import Instances
from segedu.labels import IGNORE_INDEX, STREET
from segedu.masks import object_classes
from segedu.metrics import ConfusionMatrix, average_precision, border_band, panoptic_quality

BAND = 3  # pixels on either side of a border


def classes_of(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """(N, H, W) class ids that the network gives pictures (N, C, H, W)."""
    return logits_of(net, images).argmax(1)


def logits_of(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """(N, num_classes, H, W) logits that the network gives pictures (N, C, H, W), ten at a time."""
    with evaluation_mode(net), torch.inference_mode():
        return torch.cat([net(batch) for batch in images.split(10)])


def whole_near_away(found: torch.Tensor, masks: torch.Tensor) -> list[ConfusionMatrix]:
    """Of streets: all pixels, those at most BAND from a true border, and those farther away."""
    band = border_band(masks, BAND)
    parts = (masks, masks.where(band, IGNORE_INDEX), masks.where(~band, IGNORE_INDEX))
    return [ConfusionMatrix(len(STREET)).update(found, part) for part in parts]


def panoptic_scores(read: Callable[[torch.Tensor], Instances], pictures: Dataset) -> dict[str, float]:
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
