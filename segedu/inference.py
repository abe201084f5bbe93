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
from segedu.inputs import check_unit_range, native, whole_number
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

# The smallest height and width that every architecture takes; smaller pictures are continued at their border.
SMALLEST = 32
# Where a network stops at a picture's size, it is shown the picture continued to multiples of this.
SIDES = 32
# What Pillow raises for files that are damaged, cut short, closed or too large.
DAMAGE = (OSError, SyntaxError, ValueError, AssertionError, AttributeError, Image.DecompressionBombError)


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
    image: a path, a PIL picture, an array (H, W), (H, W, 3) or (H, W, 4), or a tensor (C, H, W); see `picture_tensor`.
        The model gets as many channels as its `.config` or its first convolution says, in its own precision.
        With `tile`, an array may also be a numpy.memmap: only one tile of it is in memory at a time.
    tile: None: the whole picture at once. An int or (height, width): that much of the result at a time, rounded up to
        multiples of 64, for pictures whose maps would not fit into memory (U-Net's overlap-tile strategy).
    margin: how many pixels around a tile the model sees in addition, rounded up to multiples of 64. None: as many as it
        needs, which is measured (tiling.needed_margin). Then the logits are those of the whole picture but for rounding
        (1e-5), if the model pads to whole strides by itself, as UNet does, or the picture's sides are multiples of its
        stride. With fewer, the ids differ near the borders of the tiles. A model without padding needs no margin.
    out: an integer array or memmap (H, W) that the ids are written to, tile by tile; for more than 255 classes one
        whose integers hold them.
    progress: show a bar that counts tiles.
    The model works in eval mode without gradients, on the device where it is; its mode is put back afterwards.
    Raises ValueError where no margin is enough (a model with image pooling) and none is given, where a logit is NaN,
    and for logits of a size that does not fit; TypeError for an output without logits.
    """
    pixels = picture_pixels(image, input_channels(model))
    size = tuple(pixels.shape[1:])
    out = np.empty(size, np.uint8) if out is None else _checked_out(out, size)
    with evaluation_mode(model), torch.inference_mode():
        for place, logits in maps_by_tile(model, pixels, tile, margin, progress=progress):
            logits = class_logits(logits[None])[0]
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
    channels = input_channels(model)
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
    if tiling.is_unpadded(described(model)):
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
) -> list[tuple[tiling.Tile, tiling.Tile]]:
    sides = tuple(tile) if isinstance(tile, (tuple, list)) else (tile, tile)
    try:
        sides = [whole_number(side, "tile", 1) for side in sides]
        margin = None if margin is None else whole_number(margin, "margin", 0)
    except ValueError:
        sides = []
    if len(sides) != 2:
        raise ValueError(f"tile={tile!r} and margin={margin!r} should be (height, width) ≥ 1 and a margin ≥ 0.")
    if tiling.is_unpadded(described(model)):
        rows, columns = (tiling.unpadded_tiles(described(model), *pair) for pair in zip(size, sides, strict=True))
    else:
        if margin is None:
            device = as_input(model, torch.empty(0)).device
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

    read: what of the model's output is wanted, as maps (N, M, H, W): its logits, or others. Of 16 bits they become 32.
    Pictures under 32 pixels are continued by repeating their last row and column, and the logits cut back; so are those
    at whose size the model stops, to multiples of 32. A model without padding, whose logits are smaller than its
    picture, sees the borders mirrored.
    """
    height, width = images.shape[-2:]
    images = as_input(model, images)
    if tiling.is_unpadded(described(model)):
        seen = [tiling.input_side(described(model), side) for side in (height, width)]
        given = described(model).output_size(tuple(seen))
        border = [(a - b) // 2 for a, b in zip(seen, given, strict=True)]
        down, across = (
            torch.from_numpy(tiling.mirrored(-b, s - b, side)).to(images.device)
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
    except RuntimeError:  # what torch and segmentation_models_pytorch raise where sizes do not fit
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


def picture_tensor(image, *, channels: int = 3) -> torch.Tensor:
    """(channels, H, W) float32 in 0…1 of a picture in any usual form.

    image: a path or PIL picture (turned upright as its camera says; transparency dropped), an array (H, W),
        (H, W, 1), (H, W, 3) or (H, W, 4), or a tensor (C, H, W), C in 1, 3, 4. Integers are uint8 (0…255) or uint16
        (0…65535); floats are 0…1.
    channels: 3 (grey pictures are repeated), 1 (colours become grey as Pillow does: 0.299, 0.587, 0.114), or as many
        as the array or tensor has.
    Raises ValueError, TypeError or OSError, as a sentence, for anything else: values outside the range, NaN, an empty
    picture, a file that is damaged or closed, or one of several pages or frames.
    """
    return _in_channels(_to_unit_range(_copied(picture_pixels(image, channels))), channels)


def picture_pixels(image, channels: int = 3) -> np.ndarray | torch.Tensor:
    """The picture's values as they are, (C, H, W) with C in 1, 3, 4 or `channels`; an array or tensor is not copied."""
    if isinstance(image, (str, Path)):
        with _opened(image) as picture:
            image = _decoded(picture, str(image))
    elif isinstance(image, Image.Image):
        image = _decoded(image, getattr(image, "filename", "") or "The PIL picture")
    if isinstance(image, np.ndarray):
        if np.ma.is_masked(image):
            raise ValueError("The picture is a masked array; say what is seen where it has no value: image.filled(0)")
        image = image[None] if image.ndim == 2 else np.moveaxis(image, -1, 0) if image.ndim == 3 else image
    elif isinstance(image, torch.Tensor):
        image = image.detach().as_subclass(torch.Tensor)
    else:
        raise TypeError(f"A picture is a path, a PIL picture, an array or a tensor, not {type(image).__name__}.")
    if image.ndim != 3 or image.shape[0] not in (1, 3, 4, channels) or 0 in image.shape:
        raise ValueError(
            f"A picture is an array (H, W), (H, W, 3) or (H, W, 4), or a tensor (C, H, W) with 1, 3 or 4 channels; "
            f"this one, as a tensor, is {tuple(image.shape)}."
        )
    return image


def _opened(path: str | Path) -> Image.Image:
    try:
        return Image.open(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no picture {path}.") from None
    except DAMAGE as error:
        raise OSError(f"{path} cannot be read as a picture ({error}). Copy or export it again.") from error


def _decoded(picture: Image.Image, name: str) -> np.ndarray:
    """The upright pixels of the one picture that a file holds. Raises ValueError for several, OSError for a damaged."""
    try:
        pages = getattr(picture, "n_frames", 1)
    except DAMAGE:  # a file that is closed no longer tells; it may be read already
        pages = 1
    try:
        picture.load()
    except DAMAGE as error:
        closed = "" if str(error) else "its file was closed before it was read: call image.load() before"
        raise OSError(f"{name} cannot be read as a picture ({closed or error}). Or give its path.") from error
    if pages > 1 and picture.format != "MPO":  # a camera's MPO holds the photograph and a preview
        raise ValueError(
            f"{name} holds {pages} pages or frames; this function takes one picture. Choose it: "
            "picture = Image.open(path); picture.seek(0); picture = picture.copy()"
        )
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I;16"):  # of either byte order
        return np.array(picture).astype(np.uint16)
    # Pillow would clip the values of I and F, not scale them
    try:
        return np.array(picture if picture.mode in ("L", "I", "F", "RGB") else picture.convert("RGB"))
    except ValueError as error:
        raise ValueError(f"{name} is of mode {picture.mode!r}, of which Pillow makes no RGB ({error}).") from error


def _copied(pixels: np.ndarray | torch.Tensor) -> torch.Tensor:
    """The same values as a tensor that may be written to; a memmap is read here."""
    if isinstance(pixels, torch.Tensor):
        return pixels
    if pixels.dtype.kind not in "buif":
        raise TypeError(f"A picture of numbers is wanted, this array holds {pixels.dtype}.")
    return torch.from_numpy(native(pixels))


def _in_channels(picture: torch.Tensor, channels: int) -> torch.Tensor:
    """(channels, H, W) of (1, 3 or 4, H, W): grey is repeated, colour becomes grey, transparency is dropped."""
    if len(picture) == channels:
        return picture
    picture = picture[:3]
    if channels == 3:
        return picture.expand(3, -1, -1)
    if channels == 1:
        if len(picture) == 1:
            return picture
        return (picture * picture.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(0, keepdim=True)
    raise ValueError(
        f"This model takes pictures of {channels} channels, this one has {len(picture)}; give an array "
        f"(H, W, {channels}) or a tensor ({channels}, H, W)."
    )


def _to_unit_range(image: torch.Tensor) -> torch.Tensor:
    if image.dtype == torch.bool:
        return image.float()
    if image.dtype in (torch.uint8, torch.uint16):
        return image.float() / torch.iinfo(image.dtype).max
    if not image.is_floating_point():
        raise TypeError(
            f"A picture of integers must be uint8 or uint16, got {image.dtype}. If its values are 0…255, change the "
            "type to uint8; else divide it by the largest value that it can have, the same for all pictures."
        )
    check_unit_range(image, "A picture of floats must lie in")
    return image.float()
