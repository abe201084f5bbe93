"""Maps of ids: the one door for masks, maps of objects and predictions, and a sentence for all that are not."""

from __future__ import annotations

import operator
import struct
import tokenize
import zlib
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFile

# What no map holds: the lowest int64. It stands for “nothing is ignored”.
NOTHING = -(2**63)

# What Pillow and numpy raise for files that are damaged, cut short, closed, made by hand, or too large.
DAMAGE = (
    OSError, SyntaxError, ValueError, EOFError, AssertionError, AttributeError, LookupError, TypeError, OverflowError,
    MemoryError, struct.error, zlib.error, tokenize.TokenError, Image.DecompressionBombError,
)  # fmt: skip

# Pillow stretches grey of 2 and 4 bits to 0…255; divided by this the values are the stored ones again.
STRETCHED = {"L;2": 85, "L;4": 17}
BITS, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339  # TIFF's tags; of the last two, 0 is “white is zero”, 2 is signed


class MaskError(ValueError):
    """A mask that would teach or measure something wrong. Lesson 01a.

    The message says where, which value, and the way out.
    """


class NotWhole(MaskError, TypeError):
    """Numbers with fractions where ids are wanted: a MaskError, and a TypeError, too."""


def class_ids(mask, name: str | None = None) -> np.ndarray:
    """(H, W) whole numbers from an array, tensor, list of rows or PIL picture; MaskError for every other form.

    The order of bytes is this machine's, booleans become 0 and 1; else the dtype stays. name: for the message.
    """
    ids = _plain(mask, name)
    if ids.size == 0:
        raise MaskError(f"{subject(name)} has the shape {ids.shape}: no pixel. Was it cropped outside the picture?")
    if ids.ndim != 2:
        raise _wrong_shape(ids, name)
    return _whole(ids, mask, name, "holds {} numbers; class ids are whole numbers.")


def object_ids(instances, name: str | None = None) -> np.ndarray:
    """class_ids of a map of objects: MaskError for ids below 0, too."""
    ids = class_ids(instances, name)
    check_objects(ids, name)
    return ids


def check_objects(ids: np.ndarray, name: str | None = None) -> None:
    """Raises MaskError where an id is below 0."""
    lowest = ids.min(initial=0)
    if lowest < 0:
        raise MaskError(
            f"{subject(name)} holds {lowest}; object ids are whole numbers ≥ 0, and 0 is none. "
            f"If {lowest} stands for no object: ids = np.where(ids < 0, 0, ids)"
        )


def whole_numbers(values, name: str | None = None) -> np.ndarray:
    """class_ids of any shape, for scores of pixels: (N, H, W) as well as (P,); it may be empty."""
    words, end = "must hold ids (integers), got {}.", "; of logits: logits.argmax(1)"
    return _whole(_plain(values, name), values, name, words, end)


def consecutive(ids: np.ndarray) -> np.ndarray:
    """The same objects as 1, 2, … n in the order of their ids, int64, however large those are; 0 stays 0."""
    with_zero = np.append(np.zeros(1, ids.dtype), ids)
    return np.unique(with_zero, return_inverse=True)[1][1:].reshape(ids.shape)


def check_pictures(ids: np.ndarray | torch.Tensor, name: str) -> None:
    """Raises MaskError for maps that are neither (H, W) nor (N, H, W)."""
    if ids.ndim not in (2, 3) or (ids.ndim == 3 and ids.shape[2] == 1 < ids.shape[1]):
        raise MaskError(f"{name} must be (H, W) or (N, H, W), got shape {tuple(ids.shape)}.")


def map_list(maps, name: str = "The maps") -> Iterable:
    """The (H, W) maps of a list, of another iterable or of a stack (T, H, W), one by one; one map alone is a list of 1.

    The maps themselves are looked at by class_ids or object_ids. Raises MaskError for an array of another form.
    """
    if isinstance(maps, np.ndarray | torch.Tensor):
        if maps.ndim == 2:
            return [maps]
        if maps.ndim != 3 or (maps.shape[2] == 1 and maps.shape[1] > 1):
            raise MaskError(
                f"{name} have the shape {tuple(maps.shape)}; wanted are a list of maps (height, width), a stack "
                f"(pictures, height, width) or one map.{_axis_to_drop(maps.shape)}"
            )
    if isinstance(maps, Image.Image):
        return [maps]
    if not isinstance(maps, Iterable) or isinstance(maps, str | bytes | dict):
        raise TypeError(f"{name} should be a list of maps (height, width), got {type(maps).__name__}.")
    return maps


def map_pairs(predictions, targets) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The (H, W) prediction and truth of each picture, as map_list and class_ids give them; ValueError if one lacks."""
    sides = map_list(predictions, "The predictions"), map_list(targets, "The targets")
    for number, pair in enumerate(zip_longest(*sides)):
        for name, ids in zip(("prediction", "target"), pair, strict=True):
            if ids is None:
                raise ValueError(f"There is no {name} {number}; predictions and targets must be of one length.")
        yield tuple(_picture(ids, f"{name} {number}") for name, ids in zip(("Prediction", "Target"), pair, strict=True))


def _picture(ids, name: str) -> np.ndarray:
    ids = whole_numbers(ids, name)
    if ids.ndim != 2:
        raise _wrong_shape(ids, name)
    return ids


def ignored_id(ignore_index: int | None) -> int:
    """The value to leave out; for None, which leaves out nothing, a number that no map holds."""
    try:
        return NOTHING if ignore_index is None else operator.index(ignore_index)
    except TypeError:
        raise TypeError(
            f"ignore_index={ignore_index!r} should be one whole number, or None to ignore nothing. To ignore several: "
            "target = np.where(np.isin(target, [0, 255]), 255, target)"
        ) from None


def subject(name: str | None) -> str:
    """How a message begins: the file's name, or "The mask"."""
    return name if name else "The mask"


def first_at(where: np.ndarray) -> str:
    """The first place where it is true, in words: "first at row 3, column 5"."""
    place = np.argwhere(where)[0].tolist()
    return "first at row {}, column {}".format(*place) if len(place) == 2 else f"first at {tuple(place)}"


def how_stored(picture: Image.Image) -> tuple[str, int | None]:
    """Pillow's name of how a file's pixels are stored, such as "L;4", and what a PGM calls white; "" if not known.

    Pillow forgets both when it reads the pixels; then the file is opened again, if it has a name.
    """
    if not getattr(picture, "tile", None):
        try:
            with Image.open(picture.filename) as again:
                same = (again.size, again.mode, again.format) == (picture.size, picture.mode, picture.format)
                return how_stored(again) if same and again.tile else ("", None)
        except DAMAGE:  # no file, or one without a name
            return "", None
    how = picture.tile[0][3]
    highest = how[1] if picture.format == "PPM" and isinstance(how, tuple) and len(how) == 2 else None
    return str(how if isinstance(how, str) else how[0] if how else ""), highest


def stored_numbers(picture: Image.Image, stored: str, highest: int | None, name: str) -> np.ndarray:
    """(H, W) the numbers that a grey or palette picture's file holds; stored, highest: what how_stored says of it."""
    tiff = getattr(picture, "tag_v2", {}) if picture.format == "TIFF" else {}
    if tiff.get(PHOTOMETRIC) == 0 and picture.mode in ("1", "L"):  # 16 bits are as stored
        raise _white_is_zero(picture, tiff.get(BITS, (1,))[0], name)
    ids = np.asarray(picture)
    if highest not in (None, 255, 65535):
        if highest > 255 or picture.mode != "L":
            raise MaskError(f"{name} has {highest} as white, and Pillow stretches that. Write the mask as PNG.")
        return np.rint(ids * (highest / 255)).astype(np.uint8)
    if ids.dtype == np.uint8 and tiff.get(SAMPLE_FORMAT, (1,))[0] == 2:
        return ids.view(np.int8)  # Pillow takes signed bytes for unsigned ones
    step = STRETCHED.get(stored, 1)
    return ids if (ids % step).any() else ids // step  # not where somebody has painted since


def _of_picture(picture: Image.Image, name: str | None) -> np.ndarray:
    """The numbers of a PIL picture as its file holds them; MaskError where nobody can tell any more."""
    stored, highest = how_stored(picture)
    try:
        picture.load()
    except DAMAGE as error:
        cure = "Call picture.load() before its file is closed, or copy it again."
        raise MaskError(f"{subject(name)} is a PIL picture that cannot be read ({error}). {cure}") from error
    if not stored and isinstance(picture, ImageFile.ImageFile) and picture.mode == "L":
        values = np.setdiff1d(picture, (0, 255))
        if values.size and (values % 17 == 0).all():
            raise MaskError(
                f"{subject(name)} is a PIL picture whose values {values[:4].tolist()} are multiples of 17: Pillow "
                "stretches ids of 2 or 4 bits to 0…255, and no longer says whether these were. Read them from their "
                "file: segedu.masks.read_mask(path, labels). If the values are the ids: np.array(picture)"
            )
    return stored_numbers(picture, stored, highest, subject(name))


def _white_is_zero(picture: Image.Image, bits: int, name: str) -> MaskError:
    """Programs disagree whether the ids are the numbers in the file or what is seen, which is the other way round."""
    seen = np.array(picture)
    file = f'np.array(Image.open("{Path(name).name}"))' if "." in name else "np.array(picture)"
    divided = {2: " // 85", 4: " // 17"}.get(bits, "")
    as_seen, as_stored = f"{file}{divided}", f"({1 if bits == 1 else 255} - {file}){divided}"
    start = f"{name} is a TIFF in which 0 is white, so that programs disagree about its ids. "
    grey = seen[(seen > 0) & (seen < 255)] if bits > 1 else seen[:0]
    if grey.size == 0:
        return MaskError(f"{start}If objects look black: mask = {as_stored}; if they look white: mask = {as_seen}")
    low, high = (as_seen, as_stored) if grey.mean() < 128 else (as_stored, as_seen)
    return MaskError(f"{start}Most likely those are meant that are low: mask = {low}; if the others are: mask = {high}")


def _plain(values, name: str | None) -> np.ndarray:
    """Booleans, whole numbers or floats as an array in this machine's byte order; the shape and values are as given."""
    if isinstance(values, list | tuple) and any(isinstance(one, np.ndarray | torch.Tensor) for one in values):
        parts = [_plain(one, name) for one in values]
        if len({part.shape for part in parts}) > 1:
            raise MaskError(f"{subject(name)} is a list of maps of different sizes, {parts[0].shape} first.")
        return np.stack(parts)
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().as_subclass(torch.Tensor)
        values = (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    if np.ma.is_masked(values):
        filled = "filled(255)" if values.dtype.kind == "f" or np.can_cast(np.uint8, values.dtype) else None
        raise MaskError(
            f"{subject(name)} is a masked array: {np.ma.count_masked(values)} of {values.size} pixels have no value. "
            f"To ignore them: mask = mask.{filled or 'astype(int).filled(255)'}. In a map of objects: ids.filled(0)"
        )
    if isinstance(values, Image.Image):
        values = _of_picture(values, name)
    try:
        array = np.asarray(values)
    except ValueError:  # rows of different lengths
        array = np.empty(0, object)
    if array.dtype.kind not in "buif":
        held = f" of {array.dtype}" if isinstance(values, np.ndarray) else ""
        kind = type(values).__name__
        raise TypeError(f"{subject(name)} should be an array, tensor or PIL picture of numbers, got {kind}{held}.")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _whole(ids: np.ndarray, given, name: str | None, words: str, end: str = "") -> np.ndarray:
    """The same values as booleans' 0 and 1 or whole numbers up to 2^63; MaskError for others, floats with `words`."""
    if ids.dtype.kind == "f":
        kind = given.dtype if isinstance(given, torch.Tensor) else ids.dtype
        start = f"{subject(name)} {words.format(str(kind).removeprefix('torch.'))}"
        cure = _cure_of_floats(ids, kind)
        raise NotWhole(f"{start} {cure if 'argmax' in cure else cure.removesuffix('.') + end}")
    if ids.dtype == np.uint64 and ids.max(initial=0) > np.iinfo(np.int64).max:
        raise MaskError(
            f"{subject(name)} holds {ids.max()}, as a negative id stored without sign: mask = mask.astype('int64')"
        )
    # Not a view: Pillow's pictures of 1 bit are booleans whose bytes are 0 and 255.
    return ids.astype(np.uint8) if ids.dtype.kind == "b" else ids


def _wrong_shape(ids: np.ndarray, name: str | None) -> MaskError:
    start = f"{subject(name)} has the shape {ids.shape}; a mask is (height, width). "
    if ids.ndim == 3 and 1 in (ids.shape[0], ids.shape[2]):
        cure = "mask = mask.squeeze()" if sum(n == 1 for n in ids.shape) == 1 else "mask = mask[0], or mask[..., 0]"
        return MaskError(f"{start}An axis of length 1 is left over: {cure}")
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
    if ids.ndim < 2:
        return MaskError(start + "Where a list of maps is wanted, one map alone is an array: np.array(mask)")
    return MaskError(start + "Check one mask at a time; a batch (N, H, W) as one tall picture: masks.flatten(0, 1)")


def _axis_to_drop(shape) -> str:
    return " An axis of length 1 is left over: maps[..., 0]" if len(shape) > 2 and shape[-1] == 1 else ""


def _cure_of_floats(values: np.ndarray, kind) -> str:
    """What floats are, and the way out. kind: the dtype as it was given."""
    of_torch = isinstance(kind, torch.dtype)
    eps = (torch.finfo if of_torch else np.finfo)(kind).eps
    between = (values != np.round(values)) | ~np.isfinite(values)
    highest, lowest = (values.max(), values.min()) if values.size else (0, 0)
    if not between.any():
        if max(highest, -lowest) >= 2 / eps:
            return f"From {2 / eps:.0f} on they leave ids out: make the ids again, in whole numbers from the beginning."
        integer = "uint8" if 0 <= lowest and highest <= 255 else "int64"
        return f"All are whole, such as {highest:.1f}: mask = mask." + (
            "long()" if of_torch else f'astype("{integer}")'
        )
    found = f"{values[between][0]:.4g} ({first_at(between)}) is no class. "
    if values.ndim > 2:
        return f"{found}Turn logits (N, C, H, W) into class ids with logits.argmax(1)."
    if np.isnan(values[between]).all():
        return f'{found}If NaN is where nothing is known: mask = np.where(np.isnan(mask), 255, mask).astype("int64")'
    if np.isfinite(values).all() and lowest >= 0 and highest <= 1:
        start = f"{found}All lie in {lowest:.4g}…{highest:.4g}, as "
        if (np.abs(255 * values - np.round(255 * values)) <= 255 * eps).all():
            end = ".round().byte()" if of_torch else '.round().astype("uint8")'
            return f"{start}after the division by 255 that ToTensor makes: mask = (mask * 255){end}"
        return f"{start}probabilities do. Cut where you mean an object to begin, perhaps: mask = mask >= 0.5"
    return (
        f"{found}A resize with interpolation invents such values. Resize the original again with nearest "
        "neighbour: original.resize((width, height), Image.Resampling.NEAREST)"
    )
