"""Objects as annotation tools write them: LabelMe's JSON, a file a picture, and COCO's, a file a data set."""

from __future__ import annotations

import base64
import contextlib
import io
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from segedu.ids import DAMAGE, MaskError
from segedu.masks import from_polygons, from_rle

# What Python raises for JSON that is built in another way than is thought.
NOT_BUILT_SO = (AttributeError, LookupError, TypeError, ValueError, OverflowError)
BACKGROUND_NAMES = ("background", "_background_")
IGNORED_NAMES = ("__ignore__", "ignore", "void")


@dataclass
class Shape:
    """One object, or a part of one.

    name:  of its class.
    parts: each a list of (x, y); a pixel of any part is the object's.
    pixels: what is painted besides: a function of (height, width) → (H, W) boolean, or None.
    group: shapes of one group are one object; None: an object of its own.
    crowd: several objects that nobody has parted; they have a class, and no id.
    area:  in pixels, to paint the small over the large; None keeps the order of the file.
    """

    name: str
    parts: list = field(default_factory=list)
    pixels: object = None
    group: object = None
    crowd: bool = False
    area: float | None = None


@dataclass
class Drawing:
    """All shapes of one picture.

    size:    (height, width) of the picture as the file says it, or None.
    picture: the name of its file.
    upright: the tool turned the picture as its EXIF data say before anybody drew.
    """

    path: Path
    shapes: list[Shape]
    size: tuple[int, int] | None = None
    picture: str | None = None
    upright: bool = False

    def paint(self, size: tuple[int, int], ids: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
        """(H, W) uint8 class ids and (H, W) int32 object ids; ids: the class id of each name."""
        if self.size is not None and tuple(self.size) != tuple(size):
            raise MaskError(
                f"{self.path} was drawn on a picture of {self.size[0]} × {self.size[1]} (height × width), its picture "
                f"is {size[0]} × {size[1]}. Was the picture resized or turned since? Draw on the one that is used."
            )
        mask, objects, of_group = np.zeros(size, np.uint8), np.zeros(size, np.int32), {}
        shapes = self.shapes
        if all(shape.area is not None for shape in shapes):
            shapes = sorted(shapes, key=lambda shape: -shape.area)
        for number, shape in enumerate(shapes, 1):
            inside = self._inside(shape, size)
            mask[inside] = ids[shape.name]
            key = number if shape.group is None else ("group", shape.name, shape.group)
            stuff = shape.crowd or ids[shape.name] in (0, 255)
            objects[inside] = 0 if stuff else of_group.setdefault(key, len(of_group) + 1)
        return mask, objects

    def _inside(self, shape: Shape, size: tuple[int, int]) -> np.ndarray:
        try:
            inside = np.zeros(size, bool) if shape.pixels is None else shape.pixels(size)
            for points in shape.parts:
                inside |= from_polygons([(1, points)], size) == 1
        except NOT_BUILT_SO as error:
            raise MaskError(f"{self.path}, an object of {shape.name!r}: {error}") from error
        return inside


def read_json(path: Path):
    """What a JSON file holds; MaskError where it is damaged."""
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise MaskError(f"{path} is no JSON ({error}). Was it cut short? Export it again.") from error


@contextlib.contextmanager
def _form_named(path: Path, tool: str):
    """A `with` block in which what is not built as this tool builds it becomes a MaskError that names the file."""
    try:
        yield
    except MaskError:
        raise
    except NOT_BUILT_SO as error:
        raise MaskError(f"{path} is not built as {tool} builds its files ({error}). Export it again.") from error


def _size_of(height, width) -> tuple[int, int] | None:
    """(height, width) as a file says it; None where it does not."""
    return (int(height), int(width)) if all(isinstance(side, int | float) for side in (height, width)) else None


def is_labelme(value) -> bool:
    """Whether this is what LabelMe writes for one picture."""
    return isinstance(value, dict) and isinstance(value.get("shapes"), list)


def is_coco(value) -> bool:
    """Whether this is what COCO writes for a data set."""
    return (
        isinstance(value, dict) and isinstance(value.get("images"), list) and isinstance(value.get("annotations"), list)
    )


def labelme(path: Path, value: dict) -> Drawing:
    """The objects of LabelMe's file for one picture.

    Raises MaskError for shapes that enclose nothing (points and lines) or have no name.
    """
    with _form_named(path, "LabelMe"):
        size = _size_of(value.get("imageHeight"), value.get("imageWidth"))
        return Drawing(path, _labelme_shapes(path, value), size, value.get("imagePath"), upright=True)


def _labelme_shapes(path: Path, value: dict) -> list[Shape]:
    shapes = []
    for number, given in enumerate(value["shapes"]):
        where = f"{path}, shape {number}"
        if not isinstance(given, dict) or not isinstance(given.get("label"), str) or not given["label"].strip():
            raise MaskError(f"{where} has no label; give each outline the name of its class.")
        kind, points, name = given.get("shape_type") or "polygon", given.get("points"), given["label"].strip()
        group = given.get("group_id")
        shape = Shape(name, group=None if group is None else str(group))
        try:
            points = np.asarray(points, float).reshape(-1, 2)
        except (TypeError, ValueError):
            raise MaskError(f"{where} ({name!r}) has points that are no list of (x, y): {str(points)[:60]}") from None
        wanted = {"rectangle": 2, "circle": 2, "mask": 2}.get(kind)
        if wanted and len(points) != wanted and not (kind == "rectangle" and len(points) == 4):
            raise MaskError(f"{where} ({name!r}) is a {kind} of {len(points)} points, not of {wanted}. Draw it again.")
        if kind == "polygon" or (kind == "rectangle" and len(points) == 4):
            shape.parts = [points]
        elif kind == "rectangle":
            (x0, y0), (x1, y1) = points
            shape.parts = [np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])]
        elif kind == "circle":
            angles = np.linspace(0, 2 * np.pi, 72, endpoint=False)
            radius = np.linalg.norm(points[1] - points[0])
            shape.parts = [points[0] + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)]
        elif kind == "mask":
            shape.pixels = _small_mask(given.get("mask"), points, where)
        else:
            raise MaskError(
                f"{where} ({name!r}) is a {kind}, which encloses no pixel. Draw a polygon, or take the shape away."
            )
        shapes.append(shape)
    return shapes


def _small_mask(text, box: np.ndarray, where: str):
    """LabelMe's shape "mask": a PNG as text, that stands in the picture at its box."""
    try:
        small = np.array(Image.open(io.BytesIO(base64.b64decode(text, validate=True))).convert("L")) > 0
    except DAMAGE as error:
        raise MaskError(f"{where} is a mask that cannot be read ({error}). Draw it again.") from error
    left, top = box[0].round().astype(int).tolist()

    def pixels(size: tuple[int, int]) -> np.ndarray:
        whole = np.zeros(size, bool)
        height, width = small.shape
        if left < 0 or top < 0 or top + height > size[0] or left + width > size[1]:
            raise MaskError(f"its {height} × {width} pixels at row {top}, column {left} reach beyond the picture.")
        whole[top : top + height, left : left + width] = small
        return whole

    return pixels


def coco(path: Path, value: dict) -> tuple[list[str], dict[str, Drawing]]:
    """The names of the categories in the order of their ids, and {file name: its objects} of COCO's file.

    Raises MaskError for annotations of a picture or category that is not listed, and for those without an outline.
    """
    with _form_named(path, "COCO"):
        categories = {entry.get("id"): str(entry.get("name")) for entry in value.get("categories") or []}
        drawings = {}
        for entry in value["images"]:
            size = _size_of(entry.get("height"), entry.get("width"))
            drawings[entry.get("id")] = Drawing(path, [], size, str(entry.get("file_name")))
        for given in value["annotations"]:
            where = f"{path}, annotation {given.get('id')}"
            if given.get("image_id") not in drawings:
                raise MaskError(f"{where} is of picture {given.get('image_id')!r}, which the file does not list.")
            if given.get("category_id") not in categories:
                raise MaskError(f"{where} is of category {given.get('category_id')!r}, which the file does not list.")
            drawings[given["image_id"]].shapes.append(_coco_shape(given, categories[given["category_id"]], where))
        names = [categories[number] for number in sorted(categories)]
        return names, {drawing.picture: drawing for drawing in drawings.values()}


def _coco_shape(given: dict, name: str, where: str) -> Shape:
    outline, crowd = given.get("segmentation"), bool(given.get("iscrowd"))
    shape = Shape(name, crowd=crowd)
    if isinstance(outline, dict):
        shape.pixels = _run_lengths(outline)
    elif isinstance(outline, list) and outline:
        try:
            shape.parts = [np.reshape(np.asarray(part, float), (-1, 2)) for part in outline]
        except (TypeError, ValueError):
            raise MaskError(f"{where} ({name!r}) has an outline that is no list of [x1, y1, x2, y2, …].") from None
    else:
        raise MaskError(
            f"{where} ({name!r}) has no outline, perhaps only a box. Boxes say where an object is, not which pixels "
            "are its own: export polygons or run lengths."
        )
    area = given.get("area")
    shape.area = float(area) if isinstance(area, int | float) else None
    return shape


def _run_lengths(rle: dict):
    def pixels(size: tuple[int, int]) -> np.ndarray:
        claimed = rle.get("size")
        if claimed is not None and list(claimed) != list(size):  # before they are filled: they may say any size
            raise MaskError(f"its run lengths fill {' × '.join(map(str, claimed))}, not {size[0]} × {size[1]}.")
        return from_rle(rle)

    return pixels
