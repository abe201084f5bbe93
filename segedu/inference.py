"""A trained network as a function: a picture in, a map of class ids out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import nn
from torch.nn import functional as F

from segedu import tiling

# The smallest height and width that every architecture takes; smaller pictures are continued at their border.
SMALLEST = 32


def logits_of(output) -> torch.Tensor:
    """The semantic logits of a model's output: the output itself, or its `.logits`."""
    return getattr(output, "logits", output)


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

    model: any model of segedu.models, or a module that turns (1, channels, H, W) in 0…1 into logits of the same H, W.
        One whose logits are smaller, and which says so by `output_size` (UNet without padding), sees the picture with
        mirrored borders, so that it has an answer for every pixel.
    image: a path, a PIL picture, an array (H, W), (H, W, 3) or (H, W, 4), or a tensor (C, H, W); see `picture_tensor`.
        With `tile`, an array may also be a numpy.memmap: only one tile of it is in memory at a time.
    tile: None: the whole picture at once. An int or (height, width): that much of the result at a time, rounded up to
        multiples of 64, for pictures whose maps would not fit into memory (U-Net's overlap-tile strategy).
    margin: how many pixels around a tile the model sees in addition, rounded up to multiples of 64. None: as many as it
        needs, which is measured (tiling.needed_margin). Then the logits are those of the whole picture but for rounding
        (1e-5), if the model pads to whole strides by itself, as UNet does, or the picture's sides are multiples of its
        stride. With fewer, the ids differ near the borders of the tiles. A model without padding needs no margin.
    out: an integer array or memmap (H, W) that the ids are written to, tile by tile.
    progress: show a bar that counts tiles.
    The model works in eval mode without gradients, on the device where it is; its mode is put back afterwards.
    Raises ValueError where no margin is enough (a model with image pooling) and none is given.
    """
    pixels = picture_pixels(image)
    height, width = pixels.shape[1:]
    if out is None:
        out = np.empty((height, width), np.uint8)
    elif out.shape != (height, width) or not np.issubdtype(out.dtype, np.integer):
        raise ValueError(f"out must be an integer array of shape {(height, width)}; it is {out.dtype} {out.shape}.")
    with evaluation_mode(model), torch.inference_mode():
        for place, logits in maps_by_tile(model, pixels, tile, margin, progress=progress):
            out[place] = logits.argmax(0).to(torch.uint8).cpu().numpy()
    return out


def maps_by_tile(
    model: nn.Module,
    pixels: np.ndarray | torch.Tensor,
    tile: int | tuple[int, int] | None,
    margin: int | None,
    *,
    read: Callable = logits_of,
    progress: bool = False,
) -> Iterator[tuple[tuple[slice, slice], torch.Tensor]]:
    """Rows and columns of one tile after the other, with its maps (M, h, w); without `tile`, the whole picture at once.

    pixels: (C, H, W) as `picture_pixels` gives them. read: what of the model's output is wanted, its logits or more.
    tile, margin, progress: as in semantic_segmentation. For a model in eval mode, without gradients.
    """
    height, width = pixels.shape[1:]
    channels = getattr(model, "config", {}).get("in_channels", 3)
    if tile is None:
        picture = _in_channels(_to_unit_range(_copied(pixels)), channels)
        yield np.s_[:, :], predict_logits(model, picture[None], read)[0]
        return
    for rows, columns in _bar(_tiles(model, (height, width), tile, margin, channels, read), progress):
        down = tiling.mirrored(rows.first, rows.last, height)
        across = tiling.mirrored(columns.first, columns.last, width)
        seen = _in_channels(_to_unit_range(_copied(pixels[:, down[:, None], across])), channels)
        yield np.s_[rows.start : rows.stop, columns.start : columns.stop], tile_logits(model, seen, rows, columns, read)


def tile_logits(
    model: nn.Module, seen: torch.Tensor, rows: tiling.Tile, columns: tiling.Tile, read: Callable = logits_of
) -> torch.Tensor:
    """(num_classes, h, w) logits of one tile; seen: (C, …) in 0…1, what the network sees for it."""
    if tiling.is_unpadded(model):
        logits = read(model(_on_device_of(model, seen[None])))[0]
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
) -> list[tuple[tiling.Tile, tiling.Tile]]:
    sides = (tile, tile) if isinstance(tile, int) else tuple(tile)
    if len(sides) != 2 or min(sides) < 1 or (margin is not None and margin < 0):
        raise ValueError(f"tile={tile!r} and margin={margin!r} should be (height, width) ≥ 1 and a margin ≥ 0.")
    if tiling.is_unpadded(model):
        rows, columns = (tiling.unpadded_tiles(model, *pair) for pair in zip(size, sides, strict=True))
    else:
        if margin is None:
            device = _on_device_of(model, torch.empty(0)).device
            margin = tiling.needed_margin(lambda picture: predict_logits(model, picture, read), channels, device)
        rows, columns = (tiling.tiles(*pair, margin) for pair in zip(size, sides, strict=True))
    return [(row, column) for row in rows for column in columns]


def _bar(tiles: list, progress: bool):
    if not progress:
        return tiles
    from tqdm.auto import tqdm  # here: in a notebook it imports ipywidgets, which `import segedu` must not

    return tqdm(tiles, desc="tiles", unit=" tiles")


def predict_logits(model: nn.Module, images: torch.Tensor, read: Callable = logits_of) -> torch.Tensor:
    """(N, num_classes, H, W) logits for pictures (N, C, H, W) in 0…1 of any size, on the model's device.

    read: what of the model's output is wanted, as maps (N, M, H, W): its logits, or others.
    Pictures under 32 pixels are continued by repeating their last row and column, and the logits cut back. A model
    without padding, whose logits are smaller than its picture, sees the borders mirrored.
    """
    height, width = images.shape[-2:]
    images = _on_device_of(model, images)
    if tiling.is_unpadded(model):
        seen = [tiling.input_side(model, side) for side in (height, width)]
        given = model.output_size(tuple(seen))
        border = [(a - b) // 2 for a, b in zip(seen, given, strict=True)]
        down, across = (
            torch.from_numpy(tiling.mirrored(-b, s - b, side)).to(images.device)
            for b, s, side in zip(border, seen, (height, width), strict=True)
        )
        images = images[..., down[:, None], across]
    else:
        missing = (max(0, SMALLEST - width), max(0, SMALLEST - height))
        images = F.pad(images, (0, missing[0], 0, missing[1]), mode="replicate")
    return read(model(images))[..., :height, :width]


def _on_device_of(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    parameter = next(model.parameters(), None)
    return images if parameter is None else images.to(parameter.device)


@contextlib.contextmanager
def evaluation_mode(model: nn.Module):
    """A `with` block in which the model and all its parts are in eval mode; afterwards each is as it was."""
    was = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield model
    finally:
        for module, training in was.items():
            module.training = training


def picture_tensor(image, *, channels: int = 3) -> torch.Tensor:
    """(channels, H, W) float32 in 0…1 of a picture in any usual form.

    image: a path or PIL picture (turned upright as its camera says; transparency dropped), an array (H, W),
        (H, W, 1), (H, W, 3) or (H, W, 4), or a tensor (C, H, W), C in 1, 3, 4. Integers are uint8 (0…255) or uint16
        (0…65535); floats are 0…1.
    channels: 3 (grey pictures are repeated) or 1 (colours become grey as Pillow does: 0.299, 0.587, 0.114).
    Raises ValueError or TypeError, as a sentence, for anything else: values outside the range, NaN, an empty picture.
    """
    return _in_channels(_to_unit_range(_copied(picture_pixels(image))), channels)


def picture_pixels(image) -> np.ndarray | torch.Tensor:
    """The picture's values as they are, (C, H, W) with C in 1, 3, 4; an array or tensor is not copied."""
    if isinstance(image, (str, Path)):
        try:
            image = Image.open(image)
        except FileNotFoundError:
            raise FileNotFoundError(f"There is no picture {image}.") from None
    if isinstance(image, Image.Image):
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I;16"):  # of either byte order
            image = np.array(image).astype(np.uint16)
        else:  # Pillow would clip the values of I and F, not scale them
            image = np.array(image if image.mode in ("L", "I", "F", "RGB") else image.convert("RGB"))
    if isinstance(image, np.ndarray):
        image = image[None] if image.ndim == 2 else np.moveaxis(image, -1, 0) if image.ndim == 3 else image
    elif isinstance(image, torch.Tensor):
        image = image.as_subclass(torch.Tensor)
    else:
        raise TypeError(f"A picture is a path, a PIL picture, an array or a tensor, not {type(image).__name__}.")
    if image.ndim != 3 or image.shape[0] not in (1, 3, 4) or 0 in image.shape:
        raise ValueError(
            f"A picture is an array (H, W), (H, W, 3) or (H, W, 4), or a tensor (C, H, W) with 1, 3 or 4 channels; "
            f"this one, as a tensor, is {tuple(image.shape)}."
        )
    return image


def _copied(pixels: np.ndarray | torch.Tensor) -> torch.Tensor:
    """The same values as a tensor that may be written to; a memmap is read here."""
    return torch.from_numpy(np.array(pixels)) if isinstance(pixels, np.ndarray) else pixels


def _in_channels(picture: torch.Tensor, channels: int) -> torch.Tensor:
    """(channels, H, W) of (1, 3 or 4, H, W): grey is repeated, colour becomes grey, transparency is dropped."""
    picture = picture[:3]
    if len(picture) == channels:
        return picture
    if channels == 3:
        return picture.expand(3, -1, -1)
    if channels == 1:
        return (picture * picture.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(0, keepdim=True)
    raise ValueError(f"This model takes pictures of {channels} channels; pass a tensor (N, {channels}, H, W) to it.")


def _to_unit_range(image: torch.Tensor) -> torch.Tensor:
    if image.dtype == torch.bool:
        return image.float()
    if image.dtype in (torch.uint8, torch.uint16):
        return image.float() / torch.iinfo(image.dtype).max
    if not image.is_floating_point():
        raise TypeError(
            f"A picture of integers must be uint8 or uint16, got {image.dtype}; divide it by its largest value."
        )
    low, high = image.aminmax()
    if not (low >= 0 and high <= 1):
        raise ValueError(
            f"A picture of floats must lie in 0…1, this one has {low.item():.4g} … {high.item():.4g}; "
            "divide by 255, or take the normalisation away: it is part of the model."
        )
    return image.float()
