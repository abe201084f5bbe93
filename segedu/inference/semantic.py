"""A trained network as a function: a picture in, a map of class ids out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import numpy as np
import torch
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
)
from segedu.pictures import Picture

# The smallest height and width that every architecture takes; smaller pictures are continued at their border.
SMALLEST = 32
# Where a network stops at a picture's size, it is shown the picture continued to multiples of this.
SIDES = 32


def semantic_segmentation(
    model: nn.Module,
    image,
    *,
    tile: int | tuple[int, int] | None = None,
    margin: int | None = None,
    out: np.ndarray | None = None,
    progress: bool = False,
) -> np.ndarray:
    """(H, W) uint8 class ids: the class with the highest logit at every pixel of the picture; `out`, if that is given.

    model: any model of segedu.models, or a module that turns (1, channels, H, W) in 0…1 into logits of the same H, W,
        or of 1/2, 1/4 … 1/32 of them, which are enlarged bilinearly; in a dict they are "out" (torchvision) or
        "logits". With one output, the logit of a sigmoid, class 1 is where it is above 0.
        One whose logits are smaller, and which says so by `output_size` (UNet without padding), sees the picture with
        mirrored borders, so that it has an answer for every pixel.
    image: a path, a PIL picture, an array (H, W), (H, W, 3) or (H, W, 4), or a tensor (C, H, W); see
        `pictures.picture_tensor`. The model gets as many channels as its `.config` or its first convolution says, in
        its own precision.
        With `tile`, an array may also be a numpy.memmap: only one tile of it is in memory at a time.
    tile: None: the whole picture at once. An int or (height, width): that much of the result at a time, rounded up to
        multiples of 64, for pictures whose maps would not fit into memory (U-Net's overlap-tile strategy).
    margin: how many pixels around a tile the model sees in addition, rounded up to multiples of 64. None: as many as it
        needs, which is measured (tiles.needed_margin). Then the logits are those of the whole picture but for rounding
        (1e-5), if the model pads to whole strides by itself, as UNet does, or the picture's sides are multiples of its
        stride. With fewer, the ids differ near the borders of the tiles. A model without padding needs no margin.
    out: an integer array or memmap (H, W) that the ids are written to, tile by tile; for more than 255 classes one
        whose integers hold them.
    progress: show a bar that counts tiles.
    The model works in eval mode without gradients, on the device where it is; its mode is put back afterwards.
    Raises ValueError where no margin is enough (a model with image pooling) and none is given, where a logit is NaN,
    and for logits of a size that does not fit; TypeError for an output without logits.
    """
    picture = Picture(image, input_channels(model))
    size = picture.size
    out = np.empty(size, np.uint8) if out is None else _checked_out(out, size)
    with evaluation_mode(model), torch.inference_mode():
        for place, logits in maps_by_tile(model, picture, tile, margin, progress=progress):
            logits = class_logits(logits[None], model)[0]
            check_fits(len(logits), out.dtype, f"Give out=np.zeros({size}, np.int32).")
            out[place] = logits.argmax(0).cpu().numpy()
    return out


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
    """Rows and columns of one tile after the other, with its maps (M, h, w); without `tile`, the whole picture at once.

    read: what of the model's output is wanted, its logits or more.
    tile, margin, progress: as in semantic_segmentation. For a model in eval mode, without gradients.
    """
    if tile is None:
        yield np.s_[:, :], predict_logits(model, picture.read()[None], read)[0]
        return
    height, width = picture.size
    for rows, columns in _bar(_tiles(model, picture.size, tile, margin, picture.channels, read), progress):
        down = tiles.mirrored(rows.first, rows.last, height)
        across = tiles.mirrored(columns.first, columns.last, width)
        seen = picture.read(down, across)
        yield np.s_[rows.start : rows.stop, columns.start : columns.stop], tile_logits(model, seen, rows, columns, read)


def tile_logits(
    model: nn.Module, seen: torch.Tensor, rows: tiles.Tile, columns: tiles.Tile, read: Callable = logits_of
) -> torch.Tensor:
    """(num_classes, h, w) logits of one tile; seen: (C, …) in 0…1, what the network sees for it."""
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
    """(N, num_classes, H, W) logits for pictures (N, C, H, W) in 0…1 of any size, on the model's device.

    read: what of the model's output is wanted, as maps (N, M, H, W): its logits, or others. Of 16 bits they become 32.
    Pictures under 32 pixels are continued by repeating their last row and column, and the logits cut back; so are those
    at whose size the model stops, to multiples of 32. A model without padding, whose logits are smaller than its
    picture, sees the borders mirrored.
    """
    height, width = images.shape[-2:]
    images = as_input(model, images)
    if tiles.is_unpadded(described(model)):
        seen = [tiles.input_side(described(model), side) for side in (height, width)]
        given = described(model).output_size(tuple(seen))
        border = [(a - b) // 2 for a, b in zip(seen, given, strict=True)]
        down, across = (
            torch.from_numpy(tiles.mirrored(-b, s - b, side)).to(images.device)
            for b, s, side in zip(border, seen, (height, width), strict=True)
        )
        maps = read(model(images[..., down[:, None], across]))
    else:
        images = _continued(images, max(SMALLEST, height), max(SMALLEST, width))
        maps = _maps_at_full_size(model, images, read)
    return (maps if maps.dtype == torch.float64 else maps.float())[..., :height, :width]


def _maps_at_full_size(model: nn.Module, images: torch.Tensor, read: Callable) -> torch.Tensor:
    """What is read of the model's output, as large as the images, also from a model that takes whole strides only."""
    height, width = images.shape[-2:]
    whole = [-(-side // SIDES) * SIDES for side in (height, width)]
    try:
        output = model(images)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError, AssertionError):  # what torch and others raise where sizes do not fit
        if [height, width] == whole:
            raise
        images = _continued(images, *whole)
        output = model(images)
    return full_size(read(output), images.shape[-2:])[..., :height, :width]


def _continued(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """The images, their last row and column repeated up to this height and width."""
    missing = (0, width - images.shape[-1], 0, height - images.shape[-2])
    return F.pad(images, missing, mode="replicate") if any(missing) else images


@contextlib.contextmanager
def evaluation_mode(model: nn.Module):
    """A `with` block in which the model and all its parts are in eval mode; afterwards each is as it was."""
    check_model(model)
    was = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield model
    finally:
        for module, training in was.items():
            module.training = training
