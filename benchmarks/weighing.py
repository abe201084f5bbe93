"""How the measurements weigh classes and pixels."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from segedu import losses
from segedu.labels import IGNORE_INDEX
from segedu.masks import separate


def class_weights(dataset) -> torch.Tensor:
    """1 / √(share of the pixels) of each class, as lessons 02 and 04 weigh them; dataset: of (image, mask, …)."""
    masks = torch.stack([mask for _, mask, *_ in dataset])
    counts = torch.bincount(masks[masks != IGNORE_INDEX], minlength=len(dataset.labels))
    return (counts / counts.sum()).rsqrt()


def weighted_loss(dataset) -> Callable[..., torch.Tensor]:
    """Cross-entropy with the class weights of this data set, the loss of lesson 04."""
    return partial(losses.cross_entropy, class_weights=class_weights(dataset))


def border_weighted(
    logits: torch.Tensor,
    mask: torch.Tensor,
    instances: torch.Tensor,
    *,
    sigma: float,
    class_weights: tuple[float, float],
    w0: float = 10.0,
    cut: bool = True,
) -> torch.Tensor:
    """Cross-entropy with U-Net's border weights, as in lesson 07; lines and weights are those after augmentation.

    cut: whether touching objects are parted by a line of background first.
    """
    objects = [separate(ids) if cut else ids.numpy() for ids in instances]
    weights = [losses.border_weight_map(ids, w0, sigma, class_weights=class_weights) for ids in objects]
    target = torch.stack([torch.from_numpy(ids > 0).long() for ids in objects])
    return losses.cross_entropy(logits, target, pixel_weights=torch.stack(weights))
