"""Masks from polygons, and to and from run lengths, as annotation tools and COCO write them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from segedu.labels import IGNORE_INDEX
from segedu.masks.checking import MaskError


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
