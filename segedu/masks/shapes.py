"""Masks from polygons, and to and from run lengths, as annotation tools and COCO write them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import torch

from segedu.ids import MaskError, whole_numbers
from segedu.inputs import height_and_width
from segedu.labels import IGNORE_INDEX, ArrayLike

# How Kaggle's run lengths become a mask; its pixels count column by column, but for Carvana's, where order is "C".
PAIRS = (
    "pairs = np.array(text.split(), int).reshape(-1, 2); mask = np.zeros(height * width, bool); "
    "mask[np.concatenate([np.arange(s - 1, s - 1 + n) for s, n in pairs])] = True; "
    'mask = mask.reshape((height, width), order="F") (order="C" where they go row by row)'
)


def from_polygons(polygons: Iterable[tuple[int, Sequence]], size: tuple[int, int]) -> np.ndarray:
    """The mask of polygons painted one over the other on class 0: (H, W) uint8. Lesson 01a.

    A pixel belongs to a polygon that contains its centre (column + ½, row + ½), by the even-odd
    rule; so the square (0, 0), (2, 0), (2, 2), (0, 2) is four pixels. An object in several parts
    is several polygons.

    Args:
        polygons: pairs (class id, [(x, y), …]) in pixels, x to the right, y down, (0, 0) the upper
            left *corner* of the picture.
        size: (height, width); what lies outside is cut off.

    Raises:
        MaskError: for a polygon of fewer than three points, for points that are NaN, or all in 0…1
            (parts of width and height, as YOLO has them), and for a class id that is no whole
            number in 0…255.
    """
    height, width = size = height_and_width(size)
    mask = np.zeros((height, width), np.uint8)
    for polygon in polygons:
        if not isinstance(polygon, tuple | list) or len(polygon) != 2:
            raise MaskError(f"A polygon is a pair (class id, [(x, y), …]), got {str(polygon)[:60]}.")
        class_id, points = polygon
        if not isinstance(class_id, int | np.integer) or not 0 <= class_id <= IGNORE_INDEX:
            of_name = "; of a name: labels.index(name)" if isinstance(class_id, str) else ""
            raise MaskError(f"A polygon has the class id {class_id!r}; a uint8 mask holds 0…255{of_name}.")
        points = _checked(points, size)
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


def _checked(points, size: tuple[int, int]) -> np.ndarray:
    """(P, 2) x and y of a polygon's points."""
    given = points
    try:
        points = np.asarray(given, float)
        points = points[:, 0] if points.ndim == 3 and points.shape[1] == 1 else points  # OpenCV's findContours
    except (TypeError, ValueError):  # rows of different lengths
        points = np.empty(0)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3:
        cure = "COCO's flat list [x1, y1, x2, y2, …]: np.reshape(flat, (-1, 2))"
        if points.ndim == 2 and points.shape[1] == 3:
            cure = "Of points (x, y, z) take x and y: points[:, :2]"
        elif isinstance(given, list | tuple | np.ndarray) and len(given) and np.ndim(given[0]):
            cure = (
                "COCO's `segmentation`, a list of flat lists, is one polygon for each part of the object: "
                "[(class_id, np.reshape(part, (-1, 2))) for part in segmentation]"
            )
        if points.shape in ((1, 2), (2, 2)):
            cure = "Fewer enclose no pixel: leave it out."
        raise MaskError(f"A polygon is a list of at least three (x, y) points, got {str(given)[:60]}. {cure}")
    if not np.isfinite(points).all():
        wrong = np.argwhere(~np.isfinite(points))[0, 0]
        raise MaskError(f"Point {wrong} of a polygon is {points[wrong].tolist()}; leave it out: both must be numbers.")
    if np.abs(points - 0.5).max() <= 0.6 and max(size) > 1:  # parts may lie a little outside
        raise MaskError(
            "All points of a polygon lie in 0…1, inside of the upper left pixel. If they are parts of width and "
            "height, as YOLO has them: np.multiply(points, (width, height))"
        )
    return points


def to_rle(binary: ArrayLike) -> dict[str, list[int]]:
    """COCO's uncompressed run lengths of one object: {"size": [H, W], "counts": […]}. Lesson 01a.

    The counts are of zeros, ones, zeros, … Pixels are counted column by column, and the first
    count is of zeros, so it is 0 where the first pixel is one.

    Args:
        binary: (H, W) of 0 and 1, or booleans.

    Raises:
        MaskError: where the mask holds anything but 0 and 1.
    """
    binary = _zeros_and_ones(binary)
    if binary.ndim != 2 or not np.isin(binary, (0, 1)).all():
        raise MaskError("Run lengths describe one (height, width) object of zeros and ones: to_rle(instances == 7)")
    column_major = binary.ravel(order="F").astype(np.int8)
    changes = np.flatnonzero(np.diff(column_major, prepend=np.int8(0)))
    counts = np.diff(changes, prepend=0, append=column_major.size)
    return {"size": list(binary.shape), "counts": counts.tolist()}


def from_rle(rle: dict) -> np.ndarray:
    """The (H, W) boolean mask of run lengths as to_rle makes them. Lesson 01a.

    Args:
        rle: {"size": [H, W], "counts": [zeros, ones, zeros, …]}; the counts may also be COCO's
            compressed text.

    Raises:
        MaskError: where they do not fill the mask, and for pairs of start and length, with the way
            to read them.
    """
    counts = rle.get("counts") if isinstance(rle, dict) else rle
    if isinstance(counts, bytes):
        counts = counts.decode("ascii", "replace")
    if isinstance(counts, str) and (not counts or set(counts) <= set("0123456789 \t\n,")) and (" " in counts.strip()):
        raise _start_length()
    if not isinstance(rle, dict) or not {"size", "counts"} <= rle.keys():
        raise MaskError(
            f'Run lengths are {{"size": [height, width], "counts": [zeros, ones, zeros, …]}}, got {str(rle)[:60]}. '
            "COCO's compressed text belongs into such a dict."
        )
    if isinstance(counts, str):
        counts = _uncompressed(counts)
    height, width = height_and_width(rle["size"], least=0)
    counts = np.asarray(counts)
    if counts.ndim == 2 and counts.shape[1:] == (2,):
        raise _start_length()
    if counts.ndim != 1 or (counts.size and counts.dtype.kind not in "ui"):
        raise MaskError(f"The run lengths must be a list of whole numbers, got {str(rle['counts'])[:60]}.")
    counts = counts.astype(np.int64)
    if counts.min(initial=0) < 0:
        raise MaskError(f"The run lengths hold {counts.min()}; a length is at least 0.")
    if counts.sum() != height * width:
        raise MaskError(
            f"The run lengths sum to {counts.sum()}, but {height} × {width} are {height * width} pixels. If they are "
            f"pairs of start and length, as Kaggle has them: {PAIRS}"
        )
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape((height, width), order="F")


def _uncompressed(text: str) -> list[int]:
    """The counts in COCO's text: five bits a letter, the lowest first, each but the first three less the last but one.

    The form of rleFrString in COCO's own maskApi.c.
    """
    counts, value, bits = [], 0, 0
    for letter in text:
        code = ord(letter) - 48
        if not 0 <= code < 64:
            raise MaskError(f"The text {text[:40]!r} holds {letter!r}, which COCO's compressed run lengths never do.")
        value |= (code & 31) << bits
        bits += 5
        if code & 32:  # more letters of this number follow
            continue
        if code & 16:  # a negative one
            value -= 1 << bits
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value, bits = 0, 0
    if bits:
        raise MaskError(f"The compressed run lengths {text[:40]!r} end within a number: the text was cut short.")
    return counts


def _start_length() -> MaskError:
    return MaskError(f"These run lengths are pairs of start (from 1) and length, as Kaggle has them: {PAIRS}")


def _zeros_and_ones(binary) -> np.ndarray:
    """The map as an array; floats of 0 and 1 are taken, too."""
    if isinstance(binary, torch.Tensor):
        binary = (binary.float() if binary.is_floating_point() else binary).detach().cpu().numpy()
    floats = isinstance(binary, np.ndarray) and not np.ma.is_masked(binary) and binary.dtype.kind == "f"
    return np.asarray(binary) if floats else whole_numbers(binary)
