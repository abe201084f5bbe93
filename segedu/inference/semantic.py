"""A trained network as a function: a picture in, a map of class ids out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from segedu.inference import tiles
from segedu.inputs import whole_number
from segedu.models.outputs import (
    as_input,
    check_fits,
    check_model,
    class_logits,
    described,
    full_size,
    input_channels,
    logits_of,
    probabilities,
)
from segedu.pictures import Picture

AnyPicture = str | Path | Image.Image | np.ndarray | torch.Tensor  # what pictures.picture_tensor takes
SMALLEST = 32  # the smallest height and width that every architecture takes; smaller pictures are padded
SIDES = 32  # where a network stops at a picture's size, it is shown the picture padded to multiples of this


def semantic_segmentation(
    model: nn.Module,
    image: AnyPicture,
    *,
    tile: int | tuple[int, int] | None = None,
    margin: int | None = None,
    out: np.ndarray | None = None,
    return_confidence: bool = False,
    progress: bool = False,
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """(H, W) uint8 class ids: the class with the highest logit at every pixel. Lessons 00 and 04.

    The model works in eval mode without gradients, on the device where it is; its mode is put back
    afterwards.

    Args:
        model: any model of segedu.models, or a module that turns (1, channels, H, W) in 0…1 into
            logits of the same H, W, or of 1/2, 1/4 … 1/32 of them, which are upsampled bilinearly;
            in a dict they are "out" (torchvision) or "logits". With one output, the logit of a
            sigmoid, class 1 is where it is above 0. One whose logits are smaller, and which says so
            by `output_size` (UNet without padding), sees the picture with mirrored borders, so that
            it has an answer for every pixel.
        image: a path, a PIL picture, an array (H, W), (H, W, 3) or (H, W, 4), or a tensor
            (C, H, W); see `pictures.picture_tensor`. The model gets as many channels as its
            `.config` or its first convolution says, in its own precision. With `tile`, an array may
            also be a numpy.memmap: only one tile of it is in memory at a time.
        tile: None: the whole picture at once. An int or (height, width): that much of the result at
            a time, rounded up to multiples of 64, for pictures whose maps would not fit into memory
            (U-Net's overlap-tile strategy).
        margin: how many pixels around a tile the model sees in addition, rounded up to multiples of
            64. None: as many as it needs, which is measured (tiles.needed_margin). Then the logits
            are those of the whole picture but for rounding (1e-5), if the model pads to multiples
            of its stride by itself, as UNet does, or the picture's sides are such multiples. With
            fewer, the ids differ near the borders of the tiles. A model without padding needs no
            margin.
        out: an integer array or memmap (H, W) that the ids are written to, tile by tile; for more
            than 255 classes one whose integers hold them.
        return_confidence: give (ids, confidence), the second (H, W) float32 in 0…1: the softmax of
            the class that won, which need not be how often it is right (lesson 14).
        progress: show a bar that counts tiles.

    Returns:
        The ids are `out`, if that is given.

    Raises:
        TypeError: the model is no network, or its output has no logits; what is no picture.
        ValueError: no margin is enough (a model with image pooling) and none is given; a logit is
            NaN; logits of a size that does not fit; a picture, tile or `out` of another form.

    Source:
        Tiles and mirrored borders: U-Net (arXiv 1505.04597, section 2, figure 2).

    Example:
        >>> model = segedu.models.SmallNet(11)  # or segedu.load(…)
        >>> semantic_segmentation(model, np.zeros((60, 80, 3), np.uint8)).shape
        (60, 80)
    """
    picture = Picture(image, input_channels(model))
    size = picture.size
    out = np.empty(size, np.uint8) if out is None else _checked_out(out, size)
    confidence = np.empty(size, np.float32) if return_confidence else None
    with evaluation_mode(model), torch.inference_mode():
        for place, logits in maps_by_tile(model, picture, tile, margin, progress=progress):
            logits = class_logits(logits[None], model)[0]
            check_fits(len(logits), out.dtype, f"Give out=np.zeros({size}, np.int32).")
            out[place] = logits.argmax(0).cpu().numpy()
            if return_confidence:
                confidence[place] = probabilities(logits[None])[0].amax(0).cpu().numpy()
    return (out, confidence) if return_confidence else out


def _checked_out(out: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    kind = out.dtype if isinstance(out, np.ndarray) else type(out).__name__
    if not isinstance(out, np.ndarray) or out.shape != size or not np.issubdtype(out.dtype, np.integer):
        shape = getattr(out, "shape", "")
        raise ValueError(f"out must be an integer array of shape {size}; it is {kind} {shape}.")
    if not out.flags.writeable:
        raise ValueError("out is read-only; open a memmap with mode='r+', or give out=array.copy().")
    return out


def maps_by_tile(
    model: nn.Module,
    picture: Picture,
    tile: int | tuple[int, int] | None,
    margin: int | None,
    *,
    read: Callable = logits_of,
    progress: bool = False,
) -> Iterator[tuple[tuple[slice, slice], torch.Tensor]]:
    """Rows and columns of one tile after the other, with its maps (M, h, w). Lesson 07.

    Args:
        model: in eval mode, without gradients.
        picture: of as many channels as the model takes.
        tile: as in semantic_segmentation; None: the whole picture at once.
        margin: as in semantic_segmentation.
        read: what of the model's output is wanted, its logits or more.
        progress: show a bar that counts tiles.
    """
    if tile is None:
        yield np.s_[:, :], predict_logits(model, picture.read()[None], read)[0]
        return
    height, width = picture.size
    for rows, columns in _bar(_tiles(model, picture.size, tile, margin, picture.channels, read), progress):
        down = tiles.reflect_index(rows.first, rows.last, height)
        across = tiles.reflect_index(columns.first, columns.last, width)
        seen = picture.read(down, across)
        yield np.s_[rows.start : rows.stop, columns.start : columns.stop], tile_logits(model, seen, rows, columns, read)


def tile_logits(
    model: nn.Module, seen: torch.Tensor, rows: tiles.Tile, columns: tiles.Tile, read: Callable = logits_of
) -> torch.Tensor:
    """(num_classes, h, w) logits of one tile. Lesson 07.

    Args:
        model: in eval mode, without gradients.
        seen: (C, …) in 0…1, what the network sees for the tile.
        rows: where the tile lies.
        columns: where the tile lies.
        read: what of the model's output is wanted.
    """
    if tiles.is_unpadded(described(model)):
        logits = read(model(as_input(model, seen[None])))[0].float()
        return logits[:, : rows.stop - rows.start, : columns.stop - columns.start]
    logits = predict_logits(model, seen[None], read)[0]
    return logits[
        :,
        rows.start - rows.first : rows.stop - rows.first,
        columns.start - columns.first : columns.stop - columns.first,
    ]


def _tiles(
    model: nn.Module,
    size: tuple[int, int],
    tile: int | tuple[int, int],
    margin: int | None,
    channels: int,
    read: Callable = logits_of,
) -> list[tuple[tiles.Tile, tiles.Tile]]:
    try:
        sides = tuple(tile)
    except TypeError:
        sides = tile, tile
    try:
        sides = [whole_number(side, "tile", 1) for side in sides]
        margin = None if margin is None else whole_number(margin, "margin", 0)
    except ValueError:
        sides = []
    if len(sides) != 2:
        raise ValueError(f"tile={tile!r} and margin={margin!r} should be (height, width) ≥ 1 and a margin ≥ 0.")
    if tiles.is_unpadded(described(model)):
        rows, columns = (tiles.unpadded_tiles(described(model), *pair) for pair in zip(size, sides, strict=True))
    else:
        if margin is None:
            device = as_input(model, torch.empty(0)).device
            margin = tiles.needed_margin(lambda picture: predict_logits(model, picture, read), channels, device)
        rows, columns = (tiles.tiles(*pair, margin) for pair in zip(size, sides, strict=True))
    return [(row, column) for row in rows for column in columns]


def _bar(places: list, progress: bool):
    if not progress:
        return places
    from tqdm.auto import tqdm  # here: in a notebook it imports ipywidgets, which `import segedu` must not

    return tqdm(places, desc="tiles", unit=" tiles")


def predict_logits(model: nn.Module, images: torch.Tensor, read: Callable = logits_of) -> torch.Tensor:
    """(N, num_classes, H, W) logits for pictures of any size, on the model's device. Lesson 07.

    Pictures under 32 pixels are padded by repeating their last row and column, and the logits
    cropped; so are those at whose size the model stops, to multiples of 32. A model without
    padding, whose logits are smaller than its picture, sees the borders mirrored.

    Args:
        model: as in semantic_segmentation, in the mode in which it shall work.
        images: (N, C, H, W) in 0…1.
        read: what of the model's output is wanted, as maps (N, M, H, W): its logits, or others. Of
            16 bits they become 32.

    Raises:
        TypeError, ValueError: an output without logits, or of a size that does not fit.
    """
    height, width = images.shape[-2:]
    images = as_input(model, images)
    if tiles.is_unpadded(described(model)):
        seen = [tiles.input_side(described(model), side) for side in (height, width)]
        given = described(model).output_size(tuple(seen))
        border = [(a - b) // 2 for a, b in zip(seen, given, strict=True)]
        down, across = (
            torch.from_numpy(tiles.reflect_index(-b, s - b, side)).to(images.device)
            for b, s, side in zip(border, seen, (height, width), strict=True)
        )
        maps = read(model(images[..., down[:, None], across]))
    else:
        images = _padded(images, max(SMALLEST, height), max(SMALLEST, width))
        maps = _full_size_maps(model, images, read)
    return (maps if maps.dtype == torch.float64 else maps.float())[..., :height, :width]


def _full_size_maps(model: nn.Module, images: torch.Tensor, read: Callable) -> torch.Tensor:
    """What is read of the model's output, as large as the images; padded where the model takes multiples only."""
    height, width = images.shape[-2:]
    multiples = [-(-side // SIDES) * SIDES for side in (height, width)]
    try:
        output = model(images)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError, AssertionError):  # what torch and others raise where sizes do not fit
        if [height, width] == multiples:
            raise
        images = _padded(images, *multiples)
        output = model(images)
    return full_size(read(output), images.shape[-2:])[..., :height, :width]


def _padded(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """The images up to this height and width: their last row and column are repeated."""
    missing = (0, width - images.shape[-1], 0, height - images.shape[-2])
    return F.pad(images, missing, mode="replicate") if any(missing) else images


@contextlib.contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[nn.Module]:
    """A `with` block in which the model is in eval mode. Lessons 04 and 14.

    Args:
        model: all its parts are in eval mode; afterwards each is as it was.

    Raises:
        TypeError: for what is no network.
    """
    check_model(model)
    was = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield model
    finally:
        for module, training in was.items():
            module.training = training
