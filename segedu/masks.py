"""Masks: read, check, write and convert the class ids of every pixel (palette PNG, colours, polygons, run lengths)."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from segedu import files
from segedu.labels import IGNORE_COLOUR, IGNORE_INDEX, LabelTable

# Pillow's names of the formats that change pixel values on saving.
LOSSY_FORMATS = ("JPEG", "MPO")


class MaskError(ValueError):
    """A mask that would teach or measure something wrong; the message says where, which value, and the way out."""


def validate_mask(
    mask: np.ndarray | torch.Tensor | Image.Image,
    labels: LabelTable | int,
    *,
    size: tuple[int, int] | None = None,
    name: str | None = None,
) -> None:
    """Nothing for a sound mask: (height, width) whole numbers, each a class id 0 … len(labels) − 1 or 255 (ignored).

    labels: the label table, or the number of classes. size: (height, width) of the mask's picture.
    name: the file, for the message. A mask of one class only, all zeros too, is sound: many pictures hold no object.
    A batch (N, H, W) is checked as one tall picture: validate_mask(masks.flatten(0, 1), labels).

    Raises MaskError. Two of the refused masks *could* be meant: all 255 (nothing to learn from), and 0 with 255 only
    (nearly always an object drawn in white). An index mask resized with interpolation cannot be seen by its values.
    """
    ids = _class_ids(mask, name)
    if size is not None and ids.shape != tuple(size):
        raise _wrong_size(ids.shape, tuple(size), name)
    _check_values(ids, labels if isinstance(labels, int) else len(labels), name)
    if (ids == IGNORE_INDEX).all():
        raise MaskError(
            f"{_subject(name)} holds 255 (ignore) in all of its {ids.size} pixels: there is nothing to learn, and a "
            "mean over no pixel is nan. Leave this picture out, or look up which value its data set uses for void."
        )
    if set(np.unique(ids).tolist()) == {0, IGNORE_INDEX}:
        raise MaskError(
            f"{_subject(name)} holds only 0 and 255. 255 means “ignore”, so {(ids == 255).sum()} pixels would be left "
            "out of loss and score, and all that is learnt is class 0. "
            'If 255 marks the object: mask = (mask == 255).astype("uint8")'
        )


def read_mask(path: str | Path, labels: LabelTable) -> np.ndarray:
    """The class ids of a mask file: (H, W) uint8, 255 = ignored.

    Palette and grey pictures hold the ids as they are; RGB is translated by the colours of `labels`; `.npy` holds an
    array. The ids are not compared with `labels` here: that is validate_mask's work. Raises MaskError for what cannot
    be class ids: JPEG, a colour that `labels` does not know, fractions, one-hot, a damaged or empty file.
    """
    path = Path(path)
    if path.stat().st_size == 0:
        raise MaskError(f"{path} is empty (0 bytes): its writing was interrupted. Copy or export the mask again.")
    if path.suffix == ".npy":
        with _damage_named(path):
            stored = np.load(path, allow_pickle=False)
        return _as_bytes(_class_ids(stored, str(path)), str(path))
    with path.open("rb") as file, _damage_named(path):
        picture = Image.open(file)
        picture.load()
    if picture.format in LOSSY_FORMATS:
        raise _lossy(picture, labels, path)
    if picture.mode == "RGB":
        return from_colours(picture, labels, name=str(path))
    if picture.mode == "P":
        _check_palette_order(picture, labels, path)
    elif picture.mode not in ("1", "L", "I", "F") and not picture.mode.startswith("I;16"):
        raise MaskError(
            f'{path} is a picture of mode "{picture.mode}", which holds no class ids. Save it as palette PNG, grey PNG '
            f'or RGB: Image.open("{path.name}").convert("RGB").save("{path.stem}_rgb.png")'
        )
    return _as_bytes(_class_ids(picture, str(path)), str(path))


def write_mask(path: str | Path, mask: np.ndarray | torch.Tensor, labels: LabelTable) -> None:
    """Nothing; writes (H, W) class ids as a palette PNG in the colours of `labels`, whole or not at all.

    Raises MaskError for another ending than `.png` and for values that are neither a class of `labels` nor 255.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise MaskError(f'{path} does not end in ".png"; a mask is written as palette PNG: {path.stem}.png')
    ids = _class_ids(mask, str(path))
    _check_values(ids, len(labels), str(path))
    picture = Image.fromarray(ids.astype(np.uint8))
    picture.putpalette(labels.palette.ravel().tolist())
    with files.whole(path) as temporary:
        picture.save(temporary, format="PNG")


def to_colours(mask: np.ndarray | torch.Tensor | Image.Image, labels: LabelTable) -> np.ndarray:
    """The mask drawn in the colours of its classes: (H, W, 3) uint8; 255 is drawn in IGNORE_COLOUR.

    Raises MaskError for values without a class, and where a class has IGNORE_COLOUR and the mask has ignored pixels.
    """
    ids = _class_ids(mask, None)
    _check_values(ids, len(labels), None)
    if IGNORE_COLOUR in labels.colours and (ids == IGNORE_INDEX).any():
        name = labels.names[labels.colours.index(IGNORE_COLOUR)]
        raise MaskError(f"Ignored pixels and {name!r} have the same colour {IGNORE_COLOUR}; give {name!r} another one.")
    return labels.palette[ids]


def from_colours(rgb: np.ndarray | Image.Image, labels: LabelTable, *, name: str | None = None) -> np.ndarray:
    """The class ids of a mask in colours, (H, W, 3) uint8 → (H, W) uint8; IGNORE_COLOUR is 255 unless a class has it.

    name: the file, for the message. Raises MaskError for a colour that is not in `labels`: it is never background.
    """
    rgb = np.asarray(rgb)
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise MaskError(f"{_subject(name)} should be (height, width, 3) uint8 colours, got {rgb.shape} {rgb.dtype}.")
    ids, unknown = _look_up(rgb, labels)
    if unknown.any():
        colours, counts = np.unique(rgb[unknown], axis=0, return_counts=True)
        colour = colours[counts.argmax()]
        cure = "Read it with a LabelTable(names, colours) that has them, unless anti-aliasing or JPEG made them."
        if (rgb[..., :1] == rgb).all():
            cure = "All three channels are equal, so perhaps they hold the class ids: mask = rgb[..., 0]"
        raise MaskError(
            f"{_subject(name)} holds {_several(len(colours), 'colour')} that no class of the label table has: "
            f"{tuple(colour.tolist())} in {_several(counts.max(), 'pixel')}, {_first((rgb == colour).all(2))}. {cure}"
        )
    return ids


def void_border(mask: np.ndarray, width: int = 1, *, instances: np.ndarray | None = None) -> np.ndarray:
    """A copy of the (H, W) class ids, uint8, with 255 along the borders of classes: `width` pixels on either side.

    A border pixel has another class within `width` rows and columns (a square window); 255 counts as no class, so that
    a second call changes nothing. instances: (H, W) object ids, to draw along the borders between objects as well.
    """
    ids = _class_ids(mask, None)
    border = _near_another_value(ids, width, ignored=IGNORE_INDEX)
    if instances is not None:
        # In a map of objects 255 is an object like any other.
        border |= _near_another_value(np.asarray(instances), width, ignored=-1)
    return np.where(border, IGNORE_INDEX, ids).astype(np.uint8)


def from_polygons(polygons: Iterable[tuple[int, Sequence]], size: tuple[int, int]) -> np.ndarray:
    """The mask of polygons painted one over the other on class 0: (H, W) uint8.

    polygons: pairs (class id, [(x, y), …]) in pixels, x to the right, y down, (0, 0) the upper left *corner* of the
    picture. A pixel belongs to a polygon that contains its centre (column + ½, row + ½), by the even-odd rule; so the
    square (0, 0), (2, 0), (2, 2), (0, 2) is four pixels. size: (height, width); what lies outside is cut off.
    Raises MaskError for a polygon of fewer than three points or a class id outside 0…255.
    """
    height, width = size
    mask = np.zeros((height, width), np.uint8)
    for class_id, points in polygons:
        points = np.asarray(points, float)
        if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3:
            raise MaskError(
                f"A polygon is a list of at least three (x, y) points, got an array of shape {points.shape}. "
                "COCO's flat list [x1, y1, x2, y2, …]: np.reshape(flat, (-1, 2))"
            )
        if not 0 <= class_id <= IGNORE_INDEX:
            raise MaskError(f"A polygon has the class id {class_id}; a uint8 mask holds 0…255.")
        # Each edge turns outside into inside or back, from where it crosses a row of pixel centres to the right end.
        turns = np.zeros((height, width + 1), np.int64)
        for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
            first, last = (min(max(math.ceil(y - 0.5), 0), height) for y in sorted((y0, y1)))
            rows = np.arange(first, last)
            if len(rows):
                crossings = x0 + (rows + 0.5 - y0) * (x1 - x0) / (y1 - y0)
                turns[rows, np.clip(np.ceil(crossings - 0.5), 0, width).astype(int)] += 1
        inside = turns.cumsum(axis=1)[:, :-1] % 2 == 1
        mask[inside] = class_id
    return mask


def to_rle(binary: np.ndarray) -> dict[str, list[int]]:
    """COCO's uncompressed run lengths of one (H, W) object: {"size": [H, W], "counts": [zeros, ones, zeros, …]}.

    Pixels are counted column by column, and the first count is of zeros, so it is 0 where the first pixel is one.
    Raises MaskError where the mask holds anything but 0 and 1.
    """
    binary = np.asarray(binary)
    if binary.ndim != 2 or not np.isin(binary, (0, 1)).all():
        raise MaskError("Run lengths describe one (height, width) object of zeros and ones: to_rle(instances == 7)")
    column_major = binary.ravel(order="F").astype(np.int8)
    changes = np.flatnonzero(np.diff(column_major, prepend=np.int8(0)))
    counts = np.diff(changes, prepend=0, append=column_major.size)
    return {"size": list(binary.shape), "counts": counts.tolist()}


def from_rle(rle: dict) -> np.ndarray:
    """The (H, W) boolean mask of run lengths as to_rle makes them. Raises MaskError where they do not fill it."""
    (height, width), counts = rle["size"], rle["counts"]
    if isinstance(counts, str | bytes):
        raise MaskError("These run lengths are compressed (text, not a list of numbers): pycocotools.mask.decode(rle)")
    if sum(counts) != height * width or min(counts, default=0) < 0:
        raise MaskError(f"The run lengths sum to {sum(counts)}, but {height} × {width} are {height * width} pixels.")
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape((height, width), order="F")


# What follows serves the functions above.


def _subject(name: str | None) -> str:
    return name if name else "The mask"


def _several(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _first(where: np.ndarray) -> str:
    row, column = np.argwhere(where)[0]
    return f"first at row {row}, column {column}"


def _class_ids(mask, name: str | None) -> np.ndarray:
    """(H, W) whole numbers from an array, tensor or PIL picture; MaskError for every other form."""
    if isinstance(mask, torch.Tensor):
        mask = mask.detach().cpu()
        mask = mask.float().numpy() if mask.is_floating_point() else mask.numpy()
    ids = np.asarray(mask)
    if ids.dtype.kind not in "buif":
        raise TypeError(f"{_subject(name)} should be an array, tensor or PIL picture, got {type(mask).__name__}.")
    if ids.size == 0:
        raise MaskError(f"{_subject(name)} has the shape {ids.shape}: no pixel. Was it cropped outside the picture?")
    if ids.ndim != 2:
        raise _wrong_shape(ids, name)
    if ids.dtype.kind == "f":
        raise _fractions(ids, name)
    return ids.astype(np.uint8) if ids.dtype.kind == "b" else ids


def _wrong_shape(ids: np.ndarray, name: str | None) -> MaskError:
    start = f"{_subject(name)} has the shape {ids.shape}; a mask is (height, width). "
    if ids.ndim == 3 and 1 in (ids.shape[0], ids.shape[2]):
        return MaskError(start + "An axis of length 1 is left over: mask = mask.squeeze()")
    if ids.ndim == 3:
        for axis in (2, 0):
            if np.isin(ids, (0, 1)).all() and (ids.sum(axis) == 1).all():
                return MaskError(
                    f"{start}It is one-hot: {ids.shape[axis]} planes of 0 and 1 along axis {axis}, one for each class: "
                    f"mask = mask.argmax({axis})"
                )
        if ids.shape[2] in (3, 4) and ids.dtype == np.uint8:
            pixel = tuple(ids[0, 0, :3].tolist())
            return MaskError(
                f"{start}It holds colours, {pixel} at row 0, column 0: "
                "mask = segedu.masks.from_colours(mask[..., :3], labels)"
            )
    return MaskError(start + "Check one mask at a time; a batch (N, H, W) as one tall picture: masks.flatten(0, 1)")


def _fractions(values: np.ndarray, name: str | None) -> MaskError:
    start = f"{_subject(name)} holds {values.dtype} numbers; class ids are whole numbers. "
    between = (values != np.round(values)) | ~np.isfinite(values)
    if not between.any():
        return MaskError(f'{start}All are whole, such as {values.max():.1f}: mask = mask.astype("uint8")')
    found = f"{values[between][0]:.4g} ({_first(between)}) is no class. "
    if np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1:
        return MaskError(
            f"{start}{found}All lie in {values.min():.4g}…{values.max():.4g}, as after the division by 255 that "
            'ToTensor makes: mask = (mask * 255).round().astype("uint8")'
        )
    return MaskError(
        f"{start}{found}A resize with interpolation invents such values. Resize the original again with nearest "
        "neighbour: original.resize((width, height), Image.Resampling.NEAREST)"
    )


def _wrong_size(found: tuple, wanted: tuple, name: str | None) -> MaskError:
    start = f"{_subject(name)} is {found[0]} × {found[1]} (height × width), its picture {wanted[0]} × {wanted[1]}. "
    if found == wanted[::-1]:
        return MaskError(f"{start}Height and width are exchanged: mask = mask.T")
    return MaskError(
        f"{start}If it shows the same scene, resize it with nearest neighbour: "
        f"Image.fromarray(mask).resize(({wanted[1]}, {wanted[0]}), Image.Resampling.NEAREST)"
    )


def _check_values(ids: np.ndarray, num_classes: int, name: str | None) -> None:
    """Raises MaskError for values that are neither a class nor 255."""
    wrong = ((ids < 0) | (ids >= num_classes)) & (ids != IGNORE_INDEX)
    if not wrong.any():
        return
    values, counts = np.unique(ids[wrong], return_counts=True)
    listed = ", ".join(str(value) for value in values[:5].tolist()) + (", …" if len(values) > 5 else "")
    start = (
        f"{_subject(name)} holds {_several(len(values), 'value')} without a class: {listed} in "
        f"{_several(counts.sum(), 'pixel')}, {_first(wrong)}. Class ids are 0…{num_classes - 1}, and 255 is ignored. "
    )
    black_or_white = np.isin(ids, (0, 255)).mean()
    if black_or_white > 0.5 and (ids == 255).any() and values[-1] >= 128:
        raise MaskError(
            f"{start}Most pixels are 0 or 255: an object drawn in white, with an edge smoothed by a drawing tool, "
            'a resize or JPEG. Cut at the middle: mask = (mask >= 128).astype("uint8")'
        )
    if values[0] < 0:
        raise MaskError(f"{start}A negative value is often another library's “ignore”: mask[mask < 0] = 255")
    if values.tolist() == [num_classes] and ids.min() > 0:
        raise MaskError(f"{start}No pixel is 0, so the ids start at 1: mask[mask != 255] -= 1")
    if len(values) == 1:
        raise MaskError(
            f"{start}If {values[0]} is void: mask[mask == {values[0]}] = 255. "
            "If it is a class: the label table or num_classes lacks it."
        )
    raise MaskError(
        f"{start}Either the label table is another data set's, or these are grey levels or ids to translate: "
        f"mask = np.select([mask == {values[0]}, mask == {values[1]}], [1, 2], mask)"
    )


def _as_bytes(ids: np.ndarray, name: str) -> np.ndarray:
    outside = (ids < 0) | (ids > 255)
    if outside.any():
        raise MaskError(
            f"{name} holds {ids[outside][0]} ({_first(outside)}); class ids are 0…254, and 255 is ignored. "
            "If these are object ids, read them as instances, not as a mask."
        )
    return ids.astype(np.uint8)


@contextlib.contextmanager
def _damage_named(path: Path):
    """A `with` block whose decoding errors become a MaskError that names the file."""
    try:
        yield
    except (OSError, SyntaxError, ValueError) as error:
        raise MaskError(f"{path} is damaged, cut short or no mask file ({error}). Copy or export it again.") from error


def _look_up(rgb: np.ndarray, labels: LabelTable) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) class ids, and where the colour is in no class (there the id means nothing)."""
    # A class comes first, so it keeps IGNORE_COLOUR where a table uses that grey.
    colours = np.array([*labels.colours, IGNORE_COLOUR])
    ids = np.array([*range(len(labels)), IGNORE_INDEX], np.uint8)
    weights = np.array([65536, 256, 1])
    known, first = np.unique(colours @ weights, return_index=True)
    codes = rgb.astype(np.int64) @ weights
    places = np.minimum(np.searchsorted(known, codes), len(known) - 1)
    return ids[first][places], known[places] != codes


def _lossy(picture: Image.Image, labels: LabelTable, path: Path) -> MaskError:
    rgb = np.array(picture.convert("RGB"))
    unknown = _look_up(rgb, labels)[1]
    found = f"{len(np.unique(rgb[unknown], axis=0))} colours in it belong to no class"
    if unknown.any():
        found += f", {tuple(rgb[unknown][0].tolist())} {_first(unknown)}"
    return MaskError(
        f"{path} is a JPEG, which keeps no exact values: {found}. "
        "The ids cannot be had back for certain: export the mask again as PNG."
    )


def _check_palette_order(picture: Image.Image, labels: LabelTable, path: Path) -> None:
    """MaskError where the palette holds the table's colours in another order: an editor has renumbered the classes."""
    palette = np.reshape(picture.getpalette("RGB"), (-1, 3)).astype(np.uint8)
    used = np.unique(np.array(picture))
    used = used[used < min(len(labels), len(palette))]
    ids, unknown = _look_up(palette[used][None], labels)
    if unknown.any() or (ids[0] == used).all():
        return
    moved = int(used[ids[0] != used][0])
    raise MaskError(
        f"{path} has the colours of the label table in another order: its index {moved} has the colour of class "
        f"{ids[0][used == moved][0]}. An editor has renumbered it; trust the colours: "
        f'mask = segedu.masks.from_colours(Image.open("{path.name}").convert("RGB"), labels)'
    )


def _near_another_value(ids: np.ndarray, width: int, ignored: int) -> np.ndarray:
    """(H, W) boolean: pixels whose square window, `width` to each side, holds two values other than `ignored`."""
    top = int(ids.max()) + 1
    highest = np.where(ids == ignored, -1, ids.astype(np.int64))
    lowest = np.where(ids == ignored, top, ids.astype(np.int64))
    for axis in (0, 1):
        highest = _slide(highest, width, axis, np.maximum)
        lowest = _slide(lowest, width, axis, np.minimum)
    return (highest > lowest) & (ids != ignored)


def _slide(values: np.ndarray, width: int, axis: int, extreme: np.ufunc) -> np.ndarray:
    pads = [(width, width) if a == axis else (0, 0) for a in (0, 1)]
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, pads, mode="edge"), 2 * width + 1, axis)
    return extreme.reduce(windows, axis=-1)
