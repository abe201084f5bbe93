"""Masks in their files: read before anything is changed, and written wholly or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from segedu import resources
from segedu.datasets.folder_layout import MaskFile, Pair
from segedu.datasets.folder_truth import UPRIGHT, check_turned, says_void
from segedu.ids import MaskError, object_ids
from segedu.labelling.places import Sheet
from segedu.labels import IGNORE_INDEX, LabelTable
from segedu.masks import read_mask
from segedu.masks.check import check_values
from segedu.masks.decoding import decoded, stored_ids

MOST_OBJECTS = 65535  # a PNG of 16 bits holds no larger id


def read(sheet: Sheet, labels: LabelTable, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray | None]:
    """(H, W) uint8 class ids, void where nothing is painted, and (H, W) uint16 ids of objects, None where not wanted.

    Raises MaskError or OSError, with the way out, for a file that is not ours to change, or does not fit.
    """
    _settle(sheet)
    mask, ids = np.full(size, IGNORE_INDEX, np.uint8), None if sheet.objects is None else np.zeros(size, np.uint16)
    if not sheet.mask.exists():
        return mask, ids
    mask = read_mask(sheet.mask, labels)
    _check_size(sheet.mask, mask, size)
    check_values(mask, len(labels), str(sheet.mask))
    if set(np.unique(mask).tolist()) <= {0, IGNORE_INDEX} and (mask == 255).any() and not says_void(sheet.mask):
        raise MaskError(
            f"{sheet.mask} is black and white, and 255 means void here. If white is {labels.names[-1]!r}: "
            f"segedu.masks.write_mask(path, mask == 255, labels), where mask = np.array(Image.open(path))"
        )
    check_turned(Pair(sheet.name, sheet.picture, None, MaskFile(sheet.mask)))
    if sheet.objects is not None and sheet.objects.exists():
        stored = stored_ids(decoded(sheet.objects), sheet.objects)
        if isinstance(stored, Image.Image):
            raise MaskError(f"{sheet.objects} is drawn in colours and holds no ids of objects; take it away.")
        stored = object_ids(stored, str(sheet.objects))
        _check_size(sheet.objects, stored, size)
        if stored.max() > MOST_OBJECTS:
            raise MaskError(f"{sheet.objects} holds the id {stored.max()}; {MOST_OBJECTS} is the highest of 16 bits.")
        things = [labels.index(name) for name in labels.things]
        ids = np.where(np.isin(mask, things), stored, 0).astype(np.uint16)
    return mask, ids


def write(sheet: Sheet, mask: np.ndarray, ids: np.ndarray | None, labels: LabelTable) -> None:
    """Write the mask as palette PNG, and the ids as PNG of 16 bits; where nothing is painted, there is no file."""
    if (mask == IGNORE_INDEX).all():
        sheet.mask.unlink(missing_ok=True)
        if sheet.objects is not None:
            sheet.objects.unlink(missing_ok=True)
        return
    picture, text = Image.fromarray(mask), PngInfo()
    picture.putpalette(labels.palette.ravel().tolist())
    text.add_text(*UPRIGHT)
    # With two files both wait, whole, before either takes its place: the second one's waiting says that all is there.
    with resources.atomic_write(sheet.mask if ids is None else _waiting(sheet.mask)) as temporary:
        picture.save(temporary, format="PNG", pnginfo=text)
    if ids is not None:
        with resources.atomic_write(_waiting(sheet.objects)) as temporary:
            Image.fromarray(ids).save(temporary, format="PNG")
        _settle(sheet)


def stamp(sheet: Sheet) -> tuple:
    """What changes when another program writes the files of a sheet."""
    found = []
    for path in (sheet.mask, sheet.objects):
        try:
            about = os.stat(path) if path is not None else None
        except FileNotFoundError:
            about = None
        found.append(about and (about.st_mtime_ns, about.st_size, about.st_ino))
    return tuple(found)


def _settle(sheet: Sheet) -> None:
    """Finish, or undo, a writing of two files that was cut off."""
    if sheet.objects is None:
        return
    whole = _waiting(sheet.objects).exists()
    for path in (sheet.mask, sheet.objects):
        if whole and _waiting(path).exists():
            resources.replace(_waiting(path), path)
    _waiting(sheet.mask).unlink(missing_ok=True)


def _waiting(path: Path) -> Path:
    return path.with_name(f".next-{path.name}")


def _check_size(path: Path, ids: np.ndarray, size: tuple[int, int]) -> None:
    if ids.shape != tuple(size):
        raise MaskError(
            f"{path} is {ids.shape[0]} × {ids.shape[1]} (height × width), its picture {size[0]} × {size[1]}: it stays "
            "as it is. Take it away to paint a new one."
        )
