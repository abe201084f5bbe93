"""The pixels of a picture and of its mask, from whatever form a folder of one's own has them in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from segedu.datasets.annotations import BACKGROUND_NAMES, IGNORED_NAMES, Drawing
from segedu.datasets.files import check_depth, colours
from segedu.datasets.folder_layout import ClassFiles, MaskFile, ObjectFiles, Pair
from segedu.ids import MaskError, class_ids, object_ids
from segedu.labels import LabelTable
from segedu.masks import from_colours, validate_mask
from segedu.masks.check import as_bytes
from segedu.masks.decoding import Decoded, decoded, stored_ids

SIDEWAYS = (5, 6, 7, 8)  # EXIF's orientations that exchange height and width
BAND = 1024  # rows
UPRIGHT = ("segedu", "upright")  # what a PNG's text says of a mask that was painted over the upright picture


def read_picture(pair: Pair) -> np.ndarray:
    """(H, W, 3) uint8, upright. Raises OSError or ValueError that names the file."""
    return upright_colours(pair.picture, pair.page)


def upright_colours(path: Path, page: int | None = None) -> np.ndarray:
    """(H, W, 3) uint8 of a file's first picture, or of this page, upright; OSError or ValueError names the file."""
    file = _opened(path, page)
    check_depth(file, path)
    picture = ImageOps.exif_transpose(file.picture) if file.orientation > 1 else file.picture
    height, width = picture.height, picture.width
    if picture.mode != "RGB" or height <= BAND:
        return colours(picture, path)
    whole = np.empty((height, width, 3), np.uint8)  # band by band: at once Pillow makes three copies on the way
    for top in range(0, height, BAND):
        whole[top : top + BAND] = picture.crop((0, top, width, min(top + BAND, height)))
    return whole


def read_values(pair: Pair) -> np.ndarray | None:
    """What a mask's file holds: (H, W) numbers, or (H, W, 3) colours; None where the truth is not one file."""
    if not isinstance(pair.truth, MaskFile):
        return None
    path = pair.truth.path
    ids = stored_ids(_opened(path, pair.truth.page), path)
    return np.asarray(ids) if isinstance(ids, Image.Image) else class_ids(ids, str(path))


def says_void(path: Path) -> bool:
    """Whether a mask's file itself says that its 255 is void, not an object in white: by the colour in its palette."""
    with Image.open(path) as picture:
        colours_of = picture.getpalette("RGB") if picture.mode == "P" else None
    return colours_of is not None and colours_of[3 * 255 :] not in ([], [255, 255, 255])


def read_truth(
    pair: Pair, labels: LabelTable, size: tuple[int, int], *, white: bool, of_objects: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """(H, W) uint8 class ids, and (H, W) int32 ids of objects where the form has them, else None.

    size: (height, width) of the picture. white: the masks hold 0 and 255, where 255 is class 1. of_objects: the masks
    hold ids of objects. Raises MaskError that names the file.
    """
    objects = None
    if isinstance(pair.truth, Drawing):
        mask, objects = pair.truth.paint(size, _ids_of(pair.truth, labels))
    elif isinstance(pair.truth, ClassFiles):
        mask = np.zeros(size, np.uint8)
        for name, path in pair.truth.paths.items():
            class_id = _id_of(name, labels, str(path))
            if class_id:
                mask[_black_and_white(path, size)] = class_id
    elif isinstance(pair.truth, ObjectFiles):
        objects = np.zeros(size, np.int32)
        for number, path in enumerate(pair.truth.paths, 1):
            objects[_black_and_white(path, size)] = number
        mask = (objects > 0).astype(np.uint8)
    else:
        values, path = read_values(pair), str(pair.truth.path)
        if values.ndim == 3:
            mask = from_colours(values, labels, name=path)
        elif of_objects:
            objects = object_ids(values, path).astype(np.int32)
            mask = (objects > 0).astype(np.uint8)
        else:
            mask = (values == 255).astype(np.uint8) if white else values
        if pair.truth.objects is not None:
            objects = _ids_beside(pair.truth.objects, size)
    name = str(getattr(pair.truth, "path", pair.picture))
    # A picture of which only some background is painted: 0 and 255, but nothing drawn in white.
    sure = isinstance(pair.truth, MaskFile) and (mask != 255).any() and says_void(pair.truth.path)
    validate_mask(np.where(mask == 255, 0, mask) if sure else mask, labels, size=size, name=name)
    return as_bytes(mask, name), objects


def _ids_beside(path: Path, size: tuple[int, int]) -> np.ndarray:
    """(H, W) int32: the ids of objects in a file beside the mask. MaskError that names it."""
    ids = stored_ids(_opened(path, None), path)
    if isinstance(ids, Image.Image):
        raise MaskError(f"{path} is a picture of mode {ids.mode!r}, which holds no ids of objects.")
    ids = object_ids(ids, str(path)).astype(np.int32)
    if ids.shape != tuple(size):
        raise MaskError(f"{path} is {ids.shape[0]} × {ids.shape[1]}, its picture {size[0]} × {size[1]}.")
    return ids


def check_turned(pair: Pair) -> None:
    """MaskError where nobody can tell whether a mask fits the picture as it is stored, or as it is shown."""
    if pair.page is not None or getattr(pair.truth, "upright", False) or _painted_upright(pair.truth):
        return
    with Image.open(pair.picture) as picture:
        turn, (width, height) = picture.getexif().get(0x0112, 1), picture.size
    if turn in range(2, 9) and (turn not in SIDEWAYS or height == width):
        raise MaskError(
            f"{pair.picture} is turned by its EXIF data (orientation {turn}), which some programs do and others do "
            "not, and its size does not tell whether its mask is turned, too. Write it as it is shown, and look "
            f'whether the mask fits: PIL.ImageOps.exif_transpose(PIL.Image.open("{pair.picture.name}")).save(…)'
        )


def _painted_upright(truth) -> bool:
    if not isinstance(truth, MaskFile):
        return False
    with Image.open(truth.path) as picture:
        return picture.info.get(UPRIGHT[0]) == UPRIGHT[1]


def _ids_of(drawing: Drawing, labels: LabelTable) -> dict[str, int]:
    return {shape.name: _id_of(shape.name, labels, str(drawing.path)) for shape in drawing.shapes}


def _id_of(name: str, labels: LabelTable, where: str) -> int:
    if name in labels.names:
        return labels.index(name)
    if name.lower() in BACKGROUND_NAMES:
        return 0
    if name.lower() in IGNORED_NAMES:
        return 255
    raise MaskError(
        f"{where} has a class {name!r}, which the label table lacks; it has {', '.join(labels.names)}. Correct the "
        "name, or give labels= a table that has it."
    )


def _black_and_white(path: Path, size: tuple[int, int]) -> np.ndarray:
    """(H, W) boolean: where the file is not 0. MaskError for another size, and for grey between."""
    ids = stored_ids(_opened(path, None), path)
    values = np.asarray(ids)
    values = values.max(axis=2) if values.ndim == 3 else values
    if values.shape != tuple(size):
        raise MaskError(f"{path} is {values.shape[0]} × {values.shape[1]}, its picture {size[0]} × {size[1]}.")
    found = np.unique(values)
    if len(found) > 2 or (len(found) == 2 and found[0] != 0):
        raise MaskError(
            f"{path} should be black (0) and one other value, but holds {found[:4].tolist()}…: an edge smoothed by a "
            "drawing tool, or a file of several classes or objects, which belongs into the folder masks itself."
        )
    return values != 0


def _opened(path: Path, page: int | None) -> Decoded:
    try:
        return decoded(path, page)
    except FileNotFoundError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError) as error:  # Pillow raises any of them, and names no file
        raise OSError(f"{path} cannot be read as a picture ({error}). Copy it again, or export it as PNG.") from error
