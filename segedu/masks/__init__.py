"""Masks: read, check, write and convert the class ids of every pixel (palette PNG, colours, polygons, run lengths)."""

from segedu.ids import MaskError
from segedu.masks.borders import separate, void_border
from segedu.masks.checking import validate_mask
from segedu.masks.objects import border_classes, object_classes
from segedu.masks.reading import from_colours, read_mask, to_colours, write_mask
from segedu.masks.shapes import from_polygons, from_rle, to_rle

__all__ = [
    "MaskError", "border_classes", "from_colours", "from_polygons", "from_rle", "object_classes", "read_mask",
    "separate", "to_colours", "to_rle", "validate_mask", "void_border", "write_mask",
]  # fmt: skip
