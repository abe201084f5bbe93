"""Between masks of classes and maps of objects."""

from __future__ import annotations

import numpy as np

from segedu.ids import MaskError, class_ids, object_ids
from segedu.labels import IGNORE_INDEX, ArrayLike
from segedu.masks.borders import separate


def object_classes(mask: ArrayLike, instances: ArrayLike) -> dict[int, int]:
    """{object id: class id}: the class that most of an object's pixels have in the mask. Lesson 13.

    An object that lies in void alone is left out; of two classes with equal votes the smaller id
    is taken.

    Args:
        mask: (H, W) class ids; 255 has no vote.
        instances: (H, W) object ids, 0 for none.

    Raises:
        MaskError: for maps that hold no whole numbers, differ in size, or hold an object id below
            0.

    Source:
        Panoptic-DeepLab, arXiv 1911.10194, section 3.2, majority vote.
    """
    # int64: unsigned numbers have no −classes, and stacked with signed ones they would become floats.
    mask, instances = class_ids(mask).astype(np.int64), object_ids(instances, "The map of objects").astype(np.int64)
    if mask.shape != instances.shape:
        raise MaskError(f"The mask is {mask.shape}, the map of objects {instances.shape}; they must be one size.")
    counted = (instances != 0) & (mask != IGNORE_INDEX)
    (ids, classes), votes = np.unique(np.stack([instances[counted], mask[counted]]), axis=1, return_counts=True)
    order = np.lexsort((-classes, votes))  # the last entry of an id stays in the dict: most votes, smallest class
    return dict(zip(ids[order].tolist(), classes[order].tolist(), strict=True))


def border_classes(instances: ArrayLike, width: int = 2) -> np.ndarray:
    """(H, W) uint8: 0 background, 1 inside of objects, 2 borders where another is near. Lesson 11a.

    What a network learns that tells touching cells apart by a class of its own. The border is
    exactly the line that `separate` cuts; too thin objects keep all of their pixels.

    Args:
        instances: (H, W) object ids, 0 for none.
        width: of the border in pixels, an even number, half from each of the two objects.

    Raises:
        MaskError, ValueError: as `separate`.
    """
    ids = object_ids(instances, "The map of objects")
    return np.where(ids == 0, 0, np.where(separate(ids, width) == 0, 2, 1)).astype(np.uint8)
