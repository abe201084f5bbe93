"""Masks in files and in colours: read, written, drawn and drawn back."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
from PIL import Image

from segedu import resources
from segedu.ids import DAMAGE, MaskError, class_ids, first_at, subject
from segedu.labels import IGNORE_COLOUR, IGNORE_INDEX, ArrayLike, LabelTable
from segedu.masks.check import as_bytes, check_values, several
from segedu.masks.decoding import decoded, lossy_encoding, stored_ids


def read_mask(path: str | Path, labels: LabelTable) -> np.ndarray:
    """The class ids of a mask file: (H, W) uint8, 255 = ignored. Lesson 01a.

    Palette and grey pictures of any number of bits hold the ids as they are; RGB is translated by
    the colours of `labels`; `.npy` holds an array. The ids are not compared with `labels` here:
    that is validate_mask's work.

    Args:
        path: of the file.
        labels: the label table.

    Raises:
        MaskError: for what cannot be class ids: an encoding that changes values (JPEG, also within
            TIFF, JPEG 2000, lossy WebP), a colour that `labels` does not know, transparent pixels,
            several pages, a picture that its EXIF data would turn, a TIFF in which 0 is white,
            fractions, one-hot, a damaged or empty file.

    Example:
        mask = read_mask("masks/0001.png", labels)
    """
    _check_table(labels)
    path = Path(path)
    if path.stat().st_size == 0:
        raise MaskError(f"{path} is empty (0 bytes): its writing was interrupted. Copy or export the mask again.")
    if path.suffix.lower() == ".npy":
        with _damage_named(path):
            stored = np.array(np.load(path, mmap_mode="r", allow_pickle=False))  # mapped: its size is checked first
        return as_bytes(class_ids(stored, str(path)), str(path))
    with _damage_named(path):
        file = decoded(path)
    if lossy_encoding(file) == "JPEG":
        raise _lossy(file.picture, labels, path)
    ids = stored_ids(file, path)
    if isinstance(ids, Image.Image):
        return from_colours(ids, labels, name=str(path))
    if file.picture.mode == "P":
        _check_palette_order(file.picture, labels, path)
    return as_bytes(class_ids(ids, str(path)), str(path))


def write_mask(path: str | Path, mask: ArrayLike, labels: LabelTable) -> None:
    """Nothing; writes class ids as a palette PNG in the colours of `labels`. Lesson 01a.

    The file is written wholly or not at all.

    Args:
        path: ends in `.png`.
        mask: (H, W) class ids, 255 = ignored.
        labels: the label table.

    Raises:
        MaskError: for another ending than `.png`, and for values that are neither a class of
            `labels` nor 255.
    """
    _check_table(labels)
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise MaskError(f'{path} does not end in ".png"; a mask is written as palette PNG: {path.stem}.png')
    ids = class_ids(mask, str(path))
    check_values(ids, len(labels), str(path))
    picture = Image.fromarray(ids.astype(np.uint8))
    picture.putpalette(labels.palette.ravel().tolist())
    with resources.atomic_write(path) as temporary:
        picture.save(temporary, format="PNG")


def to_colours(mask: ArrayLike | Image.Image, labels: LabelTable) -> np.ndarray:
    """The mask drawn in the colours of its classes: (H, W, 3) uint8. Lesson 01a.

    Args:
        mask: (H, W) class ids; 255 is drawn in IGNORE_COLOUR.
        labels: the label table.

    Raises:
        MaskError: for values without a class, and where a class has IGNORE_COLOUR and the mask has
            ignored pixels.
    """
    _check_table(labels)
    ids = class_ids(mask, None)
    check_values(ids, len(labels), None)
    if IGNORE_COLOUR in labels.colours and (ids == IGNORE_INDEX).any():
        name = labels.names[labels.colours.index(IGNORE_COLOUR)]
        raise MaskError(f"Ignored pixels and {name!r} have the same colour {IGNORE_COLOUR}; give {name!r} another one.")
    return labels.palette[ids]


def from_colours(
    rgb: ArrayLike | Image.Image,
    labels: LabelTable,
    *,
    void: tuple[int, int, int] | None = None,
    name: str | None = None,
) -> np.ndarray:
    """The class ids of a mask in colours: (H, W) uint8. Lesson 01a.

    Args:
        rgb: (H, W, 3) uint8. IGNORE_COLOUR becomes 255 unless a class has it.
        labels: the label table.
        void: one more colour that means 255, such as Pascal VOC's (224, 224, 192).
        name: the file, for the message.

    Raises:
        MaskError: for a colour that is not in `labels`: it is never background.
    """
    _check_table(labels)
    of_pillow, rgb = isinstance(rgb, Image.Image), np.asarray(rgb)
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        cure = ""
        if of_pillow:
            cure = ' If its colours are right: picture.convert("RGB")'
        elif rgb.ndim == 3 and rgb.shape[2] == 4:
            cure = " Without the transparency: rgb[..., :3]"
        elif rgb.ndim == 3 and rgb.shape[0] == 3:
            cure = " With the channels last: np.moveaxis(rgb, 0, -1)"
        raise MaskError(
            f"{subject(name)} should be (height, width, 3) uint8 colours, got {rgb.shape} {rgb.dtype}.{cure}"
        )
    if void is not None and np.shape(void) != (3,):
        raise MaskError(f"void={void!r} should be one colour (red, green, blue).")
    ids, unknown = _look_up(rgb, labels)
    if void is not None:
        is_void = (rgb == np.array(void)).all(2) & unknown
        ids, unknown = np.where(is_void, np.uint8(IGNORE_INDEX), ids), unknown & ~is_void
    if unknown.any():
        colours, counts = np.unique(rgb[unknown], axis=0, return_counts=True)
        colour = colours[counts.argmax()]
        cure = "Read it with a LabelTable(names, colours) that has them, unless anti-aliasing or JPEG made them."
        if len(colours) == 1:
            cure += f" If it is void: segedu.masks.from_colours(rgb, labels, void={tuple(colour.tolist())})"
        if not _look_up(rgb[..., ::-1], labels)[1].any():
            cure = "As blue, green, red, the order of OpenCV, all are known: rgb = rgb[..., ::-1]"
        if (rgb[..., :1] == rgb).all():
            cure = "All three channels are equal, so perhaps they hold the class ids: mask = rgb[..., 0]"
        raise MaskError(
            f"{subject(name)} holds {several(len(colours), 'colour')} that no class of the label table has: "
            f"{tuple(colour.tolist())} in {several(counts.max(), 'pixel')}, {first_at((rgb == colour).all(2))}. {cure}"
        )
    return ids


def _check_table(labels) -> None:
    if not isinstance(labels, LabelTable):
        raise TypeError(f"labels should be a LabelTable, with names and colours, got {type(labels).__name__}.")


@contextlib.contextmanager
def _damage_named(path: Path):
    """A `with` block whose decoding errors become a MaskError that names the file."""
    try:
        yield
    except DAMAGE as error:
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
        found += f", {tuple(rgb[unknown][0].tolist())} {first_at(unknown)}"
    return MaskError(
        f"{path} is a JPEG, which keeps no exact values: {found}. "
        "The ids cannot be recovered for certain: export the mask again as PNG."
    )


def _check_palette_order(picture: Image.Image, labels: LabelTable, path: Path) -> None:
    """MaskError where the palette has a class's colour at another index: an editor has renumbered the classes."""
    palette = np.reshape(picture.getpalette("RGB"), (-1, 3)).astype(np.uint8)
    used = np.unique(np.array(picture))
    used = used[(used < len(palette)) & (used != IGNORE_INDEX)]
    ids, unknown = (found[0] for found in _look_up(palette[used][None], labels))
    # Grey is void, but also the colour of no class: it tells of another order only where all other colours are known.
    of_class = used < len(labels)
    moved = (ids != used) & ~unknown & ((ids != IGNORE_INDEX) | (of_class & ~unknown[of_class].any()))
    if not moved.any():
        return
    void = f", void={tuple(palette[used][unknown][0].tolist())}" if unknown.sum() == 1 else ""
    raise MaskError(
        f"{path} has the colours of the label table in another order: its index {used[moved][0]} has the colour of "
        f"class {ids[moved][0]}. An editor has renumbered it; trust the colours: "
        f'mask = segedu.masks.from_colours(Image.open("{path.name}").convert("RGB"), labels{void}). '
        f'If the ids are right after all: mask = np.array(Image.open("{path.name}"))'
    )
