"""What a network holds probable at each pixel, alone or as the mean over mirrored and scaled views of the picture."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from segedu.inference.semantic import AnyPicture, evaluation_mode, maps_by_tile
from segedu.inputs import number_within
from segedu.models.outputs import class_logits, input_channels, probabilities
from segedu.pictures import Picture, picture_tensor


def class_probabilities(
    model: nn.Module,
    image: AnyPicture,
    *,
    flip: bool = False,
    scales: Sequence[float] = (1.0,),
    tile: int | tuple[int, int] | None = None,
    margin: int | None = None,
) -> torch.Tensor:
    """(K, H, W) float32 in 0…1: what the network holds probable, the mean over its views. Lesson 14.

    Test-time augmentation: each view is mirrored or scaled, goes through the network, and its
    probabilities are brought back to the picture's place and size. With the defaults there is one
    view, and the largest of K is what semantic_segmentation(…, return_confidence=True) gives.

    Args:
        model: as in semantic_segmentation.
        image: as in semantic_segmentation.
        flip: add to each view its mirror image, left and right. Twice the time.
        scales: sizes of the views; 1 is the picture's own, 0.5 half of its sides. They are resized
            bilinearly, with antialiasing. The time is that of Σ scale² pictures.
        tile: as in semantic_segmentation, for each view.
        margin: as in semantic_segmentation.

    Raises:
        ValueError: no scale, or one outside 0.1 … 10; and as semantic_segmentation.
        TypeError: as semantic_segmentation.

    Example:
        >>> seen = class_probabilities(model, image, flip=True, scales=(0.75, 1, 1.25))  # six views
        >>> ids, confidence = seen.argmax(0), seen.amax(0)
    """
    scales = [number_within(scale, "scale", 0.1, 10, ", such as 0.75; 1 is the picture's own size") for scale in scales]
    if not scales:
        raise ValueError("scales is empty: give at least one, such as (1,).")
    picture = picture_tensor(image, channels=input_channels(model))  # (C, H, W)
    size, total = picture.shape[-2:], 0
    with evaluation_mode(model), torch.inference_mode():
        for scale in scales:
            for mirrored in (False, True)[: 1 + bool(flip)]:
                seen = _resized(picture, [max(1, round(scale * side)) for side in size])
                found = _one_view(model, seen.flip(-1) if mirrored else seen, tile, margin)
                total = total + _resized(found.flip(-1) if mirrored else found, size)
    return (total / (len(scales) * (1 + bool(flip)))).clone()  # a clone, so that it may take part in gradients


def entropy(probabilities: torch.Tensor, dim: int = -3) -> torch.Tensor:
    """How undecided each pixel is, in nats: 0 if one class has all, ln K if all are equal. Lesson 14.

    Args:
        probabilities: (…, K, H, W) in 0…1 that add up to 1 over K.
        dim: the axis of the classes.
    """
    return torch.special.entr(probabilities).sum(dim)


def _one_view(model: nn.Module, seen: torch.Tensor, tile, margin) -> torch.Tensor:
    """(K, h, w) probabilities of one picture, on the CPU."""
    found = None
    for (rows, columns), logits in maps_by_tile(model, Picture(seen, len(seen)), tile, margin):
        part = probabilities(class_logits(logits[None], model))[0].float().cpu()
        found = part.new_empty((len(part), *seen.shape[-2:])) if found is None else found
        found[:, rows, columns] = part
    return found


def _resized(maps: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    return F.interpolate(maps[None], tuple(size), mode="bilinear", align_corners=False, antialias=True)[0].clamp(0, 1)
