"""Masks in files and in colours: read, written, drawn and drawn back."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from segedu import files
from segedu.labels import IGNORE_COLOUR, IGNORE_INDEX, LabelTable
from segedu.masks.checking import MaskError, as_bytes, check_values, class_ids, first_at, several, subject

# Pillow's names of the formats that change pixel values on saving.
LOSSY_FORMATS = ("JPEG", "MPO")


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
        return as_bytes(class_ids(stored, str(path)), str(path))
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
    return as_bytes(class_ids(picture, str(path)), str(path))


def write_mask(path: str | Path, mask: np.ndarray | torch.Tensor, labels: LabelTable) -> None:
    """Nothing; writes (H, W) class ids as a palette PNG in the colours of `labels`, whole or not at all.

    Raises MaskError for another ending than `.png` and for values that are neither a class of `labels` nor 255.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise MaskError(f'{path} does not end in ".png"; a mask is written as palette PNG: {path.stem}.png')
    ids = class_ids(mask, str(path))
    check_values(ids, len(labels), str(path))
    picture = Image.fromarray(ids.astype(np.uint8))
    picture.putpalette(labels.palette.ravel().tolist())
    with files.whole(path) as temporary:
        picture.save(temporary, format="PNG")


def to_colours(mask: np.ndarray | torch.Tensor | Image.Image, labels: LabelTable) -> np.ndarray:
    """The mask drawn in the colours of its classes: (H, W, 3) uint8; 255 is drawn in IGNORE_COLOUR.

    Raises MaskError for values without a class, and where a class has IGNORE_COLOUR and the mask has ignored pixels.
    """
    ids = class_ids(mask, None)
    check_values(ids, len(labels), None)
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
        raise MaskError(f"{subject(name)} should be (height, width, 3) uint8 colours, got {rgb.shape} {rgb.dtype}.")
    ids, unknown = _look_up(rgb, labels)
    if unknown.any():
        colours, counts = np.unique(rgb[unknown], axis=0, return_counts=True)
        colour = colours[counts.argmax()]
        cure = "Read it with a LabelTable(names, colours) that has them, unless anti-aliasing or JPEG made them."
        if (rgb[..., :1] == rgb).all():
            cure = "All three channels are equal, so perhaps they hold the class ids: mask = rgb[..., 0]"
        raise MaskError(
            f"{subject(name)} holds {several(len(colours), 'colour')} that no class of the label table has: "
            f"{tuple(colour.tolist())} in {several(counts.max(), 'pixel')}, {first_at((rgb == colour).all(2))}. {cure}"
        )
    return ids


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
        found += f", {tuple(rgb[unknown][0].tolist())} {first_at(unknown)}"
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
