"""A picture in tiles: where they lie, how much of their surroundings a network must see, how borders are mirrored.

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
    """One tile along one side of the picture, in pixels.

    start, stop:  the part of the result that it gives.
    first, last:  the part of the picture that the network sees, from `first` up to but without `last`; outside of the
                  picture (first < 0) it is mirrored.
    """

    start: int
    stop: int
    first: int
    last: int


def tiles(side: int, tile: int, margin: int) -> list[Tile]:
    """The tiles along a side for a network that pads by itself; tile and margin are rounded up to multiples of STRIDE.

    None reaches beyond the picture: at its border a network shall meet what it meets there in the whole picture.
    """
    tile, margin = whole_strides(tile), whole_strides(margin)
    starts = range(0, side, tile)
    return [Tile(a, min(a + tile, side), max(a - margin, 0), min(a + tile + margin, side)) for a in starts]


def unpadded_tiles(model: nn.Module, side: int, tile: int) -> list[Tile]:
    """The tiles along a side for a network whose logits are smaller than its picture; they reach beyond the picture.

    Raises ValueError where the sizes that fit the network lie farther apart than STRIDE, or do not divide it.
    """
    tile = whole_strides(min(tile, side))
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
    """The smallest side of a square picture for which the model gives at least `wanted` logits a side.

    A model says by `output_size((height, width))` how many logits come out, raising ValueError for a size that does
    not fit; a model without it gives as many as go in.
    """
    if not hasattr(model, "output_size"):
        return wanted

    def fits(side: int) -> bool:
        try:
            return model.output_size((side, side))[0] >= wanted
        except ValueError:
            return False

    return next(filter(fits, count(wanted)))


def mirrored(first: int, last: int, side: int) -> np.ndarray:
    """(last − first,) int64: for each place from `first` on, the place inside 0 … side − 1 that a mirror shows there.

    The mirrors stand in the middle of the outermost pixels, so that these are not doubled: −1 is 1, −2 is 2, ….
    """
    period = max(2 * (side - 1), 1)
    place = np.abs(np.arange(first, last)) % period
    return np.minimum(place, period - place) if side > 1 else place


def whole_strides(pixels: int) -> int:
    """`pixels` rounded up to a multiple of STRIDE."""
    return -(-pixels // STRIDE) * STRIDE


@torch.inference_mode()
def needed_margin(logits_of: Callable[[torch.Tensor], torch.Tensor], channels: int, device: torch.device) -> int:
    """How many pixels around a tile the network must see, so that the tile's logits are those of the whole picture.

    logits_of: the network in eval mode, (1, channels, H, W) in 0…1 → (1, num_classes, H, W).
    Everything up to a column is made nan: a logit is nan exactly if it depends on that part in any way, whatever the
    weights are (0 · nan is nan). The columns beyond it that are nan, too, must be seen in addition. The same from the
    other side. This takes rows for columns: kernels are taken to be square.
    Raises ValueError where there is no such margin (a mean over the whole picture, as in an image pooling branch), or
    where the network's stride does not divide STRIDE.
    """
    for length in (8 * STRIDE, 32 * STRIDE):
        middle = length // 2
        reaches = [
            _clean(logits_of, channels, device, length, slice(0, middle)).start - middle,
            _clean(logits_of, channels, device, length, slice(0, middle + STRIDE)).start - middle - STRIDE,
            middle - _clean(logits_of, channels, device, length, slice(middle, length)).stop,
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


def _clean(logits_of, channels: int, device: torch.device, length: int, spoilt: slice) -> range:
    """The columns whose logits do not depend on the columns `spoilt` of a picture `length` wide."""
    picture = torch.full((1, channels, STRIDE, length), 0.5, device=device)
    picture[..., spoilt] = torch.nan
    clean = torch.nonzero(~logits_of(picture).isnan().any(2).any(1)[0])
    return range(int(clean[0]), int(clean[-1]) + 1) if len(clean) else range(length, 0)
