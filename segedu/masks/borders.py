"""Borders of masks: void along them, and background between objects that touch."""

from __future__ import annotations

import numpy as np

from segedu.ids import MaskError, class_ids, object_ids
from segedu.inputs import whole_number
from segedu.labels import IGNORE_INDEX, ArrayLike
from segedu.masks.check import as_bytes


def void_border(mask: ArrayLike, width: int = 1, *, instances: ArrayLike | None = None) -> np.ndarray:
    """A copy of the class ids, (H, W) uint8, with 255 along the borders of classes. Lesson 02.

    A border pixel has another class within `width` rows and columns (a square window); 255 counts
    as no class, so that a second call changes nothing.

    Args:
        mask: (H, W) class ids.
        width: pixels on either side of the border, ≥ 0.
        instances: (H, W) object ids, to draw along the borders between objects as well.

    Raises:
        MaskError: for maps that hold no ids or differ in size.
        ValueError: for a width that is no number of pixels.
    """
    width = whole_number(width, "width", 0)
    ids = as_bytes(class_ids(mask), "The mask")
    border = _near_another_value(ids, width, ignored=IGNORE_INDEX)
    if instances is not None:
        # In a map of objects 255 is an object like any other.
        objects = object_ids(instances, "The map of objects")
        if objects.shape != ids.shape:
            raise MaskError(f"The mask is {ids.shape}, the map of objects {objects.shape}; they must be one size.")
        border |= _near_another_value(objects, width, ignored=-1)
    return np.where(border, IGNORE_INDEX, ids).astype(np.uint8)


def separate(instances: ArrayLike, width: int = 2) -> np.ndarray:
    """A copy of the object ids, same dtype, with background where two objects touch. Lesson 07.

    A pixel becomes background (0) if a pixel of another object lies within width/2 rows and
    columns of it (a square window), so that each side gives half of the line and objects are
    apart even at their corners. Objects with background enough between them, the outer contours
    and the picture's edge stay as they are; so do the ids.

    No object is lost: one that is too thin, so that nothing of it would remain, keeps all of its
    pixels, and only its neighbours give way, by width/2. Two such objects side by side go on
    touching. Of all others, arms that are thinner than the cut disappear, and an object may fall
    apart into pieces of one id.

    Args:
        instances: (H, W) object ids, 0 for none.
        width: of the line, an even number of pixels, ≥ 2.

    Raises:
        MaskError: where `instances` is no (H, W) map of whole numbers ≥ 0.
        ValueError: for another width.

    Source:
        U-Net, arXiv 1505.04597, section 3, separates touching cells by morphology before it weighs
        the gaps.
    """
    if width not in range(2, 2**31, 2):
        raise ValueError(f"width={width} should be an even number of pixels, at least 2: half comes from each side.")
    width, ids = int(width), object_ids(instances, "The map of objects")
    cut = _near_another_value(ids, width // 2, ignored=0)
    too_thin = np.setdiff1d(ids[cut], ids[~cut])
    return np.where(cut & ~np.isin(ids, too_thin), 0, ids)


def _near_another_value(ids: np.ndarray, width: int, ignored: int) -> np.ndarray:
    """(H, W) boolean: pixels whose square window, `width` to each side, holds two values other than `ignored`."""
    from scipy import ndimage  # `import segedu` stays without scipy

    # Ranks, since scipy filters in float64, which tells ids above 2^53 no longer apart.
    values, ranks = np.unique(ids, return_inverse=True)
    ranks, left_out = ranks.reshape(ids.shape), ids == ignored
    window = {"size": 2 * width + 1, "mode": "nearest"}
    highest = ndimage.maximum_filter(np.where(left_out, -1, ranks), **window)
    lowest = ndimage.minimum_filter(np.where(left_out, len(values), ranks), **window)
    return (highest > lowest) & ~left_out
