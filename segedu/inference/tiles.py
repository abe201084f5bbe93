"""A picture in tiles: where they lie, what a network must see around them, mirrored borders.

The overlap-tile strategy of the U-Net paper (arXiv 1505.04597, section 2 and figure 2).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

# Tiles and margins are multiples of this, and so of every model's stride: 2, 4, … 64. A network gives the same numbers
# at another place only if it is shifted by whole strides.
STRIDE = 64


class Tile(NamedTuple):
    """One tile along one side of the picture, in pixels. Lesson 07.

    Attributes:
        start: where the part of the result begins that it gives.
        stop: where that part ends: the first pixel behind it.
        first: where the part of the picture begins that the network sees; outside of the picture
            (first < 0) it is mirrored.
        last: where that part ends: the first pixel behind it.
    """

    start: int
    stop: int
    first: int
    last: int


def tiles(side: int, tile: int, margin: int) -> list[Tile]:
    """The tiles along a side for a network that pads by itself. Lesson 07.

    None reaches beyond the picture: at its border a network shall meet what it meets there in the
    whole picture.

    Args:
        side: of the picture, in pixels.
        tile: of the result, in pixels; rounded up to multiples of STRIDE, and so is the margin.
        margin: what the network sees around a tile, in pixels.
    """
    tile, margin = round_to_stride(tile), round_to_stride(margin)
    starts = range(0, side, tile)
    return [Tile(a, min(a + tile, side), max(a - margin, 0), min(a + tile + margin, side)) for a in starts]


def unpadded_tiles(model: nn.Module, side: int, tile: int) -> list[Tile]:
    """The tiles along a side for a network without padding; they reach beyond it. Lesson 07.

    Args:
        model: its logits are smaller than its picture, and its `output_size` says by how much.
        side: of the picture, in pixels.
        tile: of the result, in pixels.

    Raises:
        ValueError: the sizes that fit the network lie farther apart than STRIDE, or do not divide
            it.
    """
    tile = round_to_stride(min(tile, side))
    seen = input_side(model, tile)
    given = model.output_size((seen, seen))[0]
    apart = input_side(model, given + 1) - seen
    if STRIDE % apart:
        raise ValueError(
            f"This model halves its pictures to 1/{apart} of their size; tiles are made for at most 1/{STRIDE}. "
            "Leave out tile=, or use a model of less depth."
        )
    border = (seen - given) // 2
    return [Tile(a, min(a + tile, side), a - border, a - border + seen) for a in range(0, side, tile)]


def is_unpadded(model: nn.Module) -> bool:
    """Whether the model's logits are smaller than its picture: it has an `output_size` that says so."""
    return input_side(model, STRIDE) > STRIDE


def input_side(model: nn.Module, wanted: int) -> int:
    """The smallest side of a square picture that gives at least `wanted` logits a side. Lesson 07.

    Args:
        model: says by `output_size((height, width))` how many logits come out, raising ValueError
            for a size that does not fit; a model without it gives as many as go in.
        wanted: in pixels.
    """
    if not hasattr(model, "output_size"):
        return wanted

    def fits(side: int) -> bool:
        try:
            return model.output_size((side, side))[0] >= wanted
        except ValueError:
            return False

    return next(filter(fits, count(wanted)))


def reflect_index(first: int, last: int, side: int) -> np.ndarray:
    """(last − first,) int64: the pixel that a mirror shows at each place. Lesson 07.

    The mirrors stand in the middle of the outermost pixels, so that these are not doubled: −1 is 1,
    −2 is 2, …, as numpy's "reflect".

    Args:
        first: the first place; below 0 it lies outside of the picture.
        last: the first place that is not wanted any more.
        side: of the picture, in pixels.
    """
    period = max(2 * (side - 1), 1)
    place = np.abs(np.arange(first, last)) % period
    return np.minimum(place, period - place) if side > 1 else place


def round_to_stride(pixels: int) -> int:
    """`pixels` rounded up to a multiple of STRIDE."""
    return -(-pixels // STRIDE) * STRIDE


@torch.inference_mode()
def needed_margin(logits_of: Callable[[torch.Tensor], torch.Tensor], channels: int, device: torch.device) -> int:
    """How many pixels around a tile the network must see to give the same logits. Lesson 07.

    Everything up to a column is made nan: a logit is nan exactly if it depends on that part in any
    way, whatever the weights are (0 · nan is nan). The columns beyond it that are nan, too, must be
    seen in addition. The same from the other side. This takes rows for columns: kernels are taken
    to be square.

    Args:
        logits_of: the network in eval mode, (1, channels, H, W) in 0…1 → (1, num_classes, H, W).
        channels: of its pictures.
        device: where its weights are.

    Raises:
        ValueError: there is no such margin (a mean over the whole picture, as in an image pooling
            branch), or the network's stride does not divide STRIDE.
    """
    for length in (8 * STRIDE, 32 * STRIDE):
        middle = length // 2
        reaches = [
            _unaffected(logits_of, channels, device, length, slice(0, middle)).start - middle,
            _unaffected(logits_of, channels, device, length, slice(0, middle + STRIDE)).start - middle - STRIDE,
            middle - _unaffected(logits_of, channels, device, length, slice(middle, length)).stop,
        ]
        if max(reaches) < middle - STRIDE:
            break
    else:
        raise ValueError(
            "Every logit of this model sees the whole picture, or more than 1000 pixels around it: no tile gives the "
            "same. Give a margin, such as margin=128, to take tiles nevertheless; they differ from the whole picture."
        )
    if reaches[0] != reaches[1]:
        raise ValueError(f"This model's stride does not divide {STRIDE}, for which tiles are made. Leave out tile=.")
    return max(reaches)


def _unaffected(logits_of: Callable, channels: int, device: torch.device, length: int, changed: slice) -> range:
    """The columns whose logits do not depend on the columns `changed` of a picture `length` wide."""
    picture = torch.full((1, channels, STRIDE, length), 0.5, device=device)
    picture[..., changed] = torch.nan
    same = torch.nonzero(~logits_of(picture).isnan().any(2).any(1)[0])
    return range(int(same[0]), int(same[-1]) + 1) if len(same) else range(length, 0)
