"""Objects as centres and arrows: what Panoptic-DeepLab learns, and how objects are read from it.

Each object has one peak in a heat map, and each of its pixels an arrow to that peak. Source:
Panoptic-DeepLab (Cheng et al., arXiv 1911.10194, section 3.2). Lesson 12.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from segedu.ids import check_objects, class_ids


def centre_targets(instances: torch.Tensor, *, sigma: float = 2.0) -> tuple[torch.Tensor, torch.Tensor]:
    """What to learn from ids: heat maps (N, 1, H, W) in 0…1, offsets (N, 2, H, W). Lesson 12.

    Args:
        instances: (N, H, W) object ids, 0 for none.
        sigma: of the peaks, in pixels. The paper has 8 for pictures of 1025 × 2049; an object's
            peak should not swallow its neighbour's.

    Returns:
        heat, float32: the largest, over the objects of a picture, of exp(−d²/2σ²), d the distance
            to an object's centre, which is the mean of the rows and columns of its pixels and may
            lie between pixels, or outside of the object.
        offsets, float32: for each pixel of an object the rows and columns to its centre, so that
            row + offset is the centre's row; 0 outside of objects, where they are not to be learnt.

    Raises:
        TypeError: no tensor of whole numbers.
        ValueError: instances of another shape, or of ids below 0 (looked for on the CPU only), or a
            sigma that is not above 0.

    Source:
        Panoptic-DeepLab (arXiv 1911.10194, section 3.2).
    """
    if not isinstance(instances, torch.Tensor) or instances.is_floating_point():
        raise TypeError("instances must be a tensor of whole numbers: torch.as_tensor(instances).long()")
    if instances.ndim != 3:
        raise ValueError(f"instances must be (N, H, W), got {tuple(instances.shape)}; one map alone: instances[None].")
    if instances.device.type == "cpu":
        check_objects(instances.as_subclass(torch.Tensor).numpy(), "instances")
    if not sigma > 0:
        raise ValueError(f"sigma={sigma} should be a number of pixels above 0.")
    height, width = instances.shape[-2:]
    rows, columns = (torch.arange(side, dtype=torch.float32, device=instances.device) for side in (height, width))
    heat = torch.zeros(len(instances), 1, height, width, device=instances.device)
    offsets = torch.zeros(len(instances), 2, height, width, device=instances.device)
    for n, ids in enumerate(instances.as_subclass(torch.Tensor)):
        y, x = torch.nonzero(ids, as_tuple=True)
        if len(y) == 0:
            continue
        _, owner, count = ids[y, x].unique(return_inverse=True, return_counts=True)
        # On the CPU: Apple's graphics chips have no float64, which sums over large objects need.
        sums = (torch.bincount(owner.cpu(), place.cpu().double()) for place in (y, x))
        centre_y, centre_x = ((total / count.cpu()).float().to(ids.device) for total in sums)
        offsets[n, 0, y, x] = centre_y[owner] - y
        offsets[n, 1, y, x] = centre_x[owner] - x
        down, across = (
            torch.exp(-((line - centre[:, None]) ** 2) / (2 * sigma**2))
            for line, centre in ((rows, centre_y), (columns, centre_x))
        )
        for some in torch.arange(len(count), device=ids.device).split(64):  # of a thousand objects, not all at once
            peaks = (down[some, :, None] * across[some, None, :]).amax(0)
            heat[n, 0] = torch.maximum(heat[n, 0], peaks)
    return heat, offsets


def find_centres(heat: np.ndarray | torch.Tensor, *, threshold: float = 0.1, window: int = 7) -> np.ndarray:
    """(K, 2) int64 rows and columns of the peaks of a heat map, the highest first. Lesson 12.

    A peak is at least `threshold`, and nothing in the window × window pixels around it is higher.
    Of equal ones in one window the first in reading order stays, where a plain comparison with the
    maximum would keep them all.

    Args:
        heat: (H, W) finite numbers.
        threshold: the least height of a peak.
        window: its side in pixels, odd; half of it to each side of the peak.

    Raises:
        TypeError: the heat map does not hold numbers.
        ValueError: it has another shape or holds NaN, the threshold is NaN, the window is even.

    Source:
        Panoptic-DeepLab (arXiv 1911.10194, section 3.2: its key-point non-maximum suppression, with
        window 7 and threshold 0.1).
    """
    from scipy import ndimage

    heat = _finite(heat, "The heat map", "(H, W)")
    if window not in range(1, 2**31, 2):
        raise ValueError(f"window={window} should be an odd number of pixels, at least 1.")
    if math.isnan(threshold):
        raise ValueError(f"threshold={threshold} should be a number, such as 0.1: the least height of a peak.")
    # skimage.feature.peak_local_max keeps both of two equal peaks at half a window's distance, and none that is just as
    # high as the threshold: other objects, since a centre between pixels has equal ones (half of 300 random targets).
    peaks = (heat == ndimage.maximum_filter(heat, window, mode="nearest")) & (heat >= threshold)
    places = np.argwhere(peaks)
    order = np.argsort(-heat[peaks], kind="stable")
    kept = np.zeros_like(peaks)
    reach = window // 2
    first = []
    for y, x in places[order].tolist():
        near = np.s_[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1]
        if not kept[near].any():
            kept[y, x] = True
            first.append((y, x))
    return np.array(first, np.int64).reshape(-1, 2)


def group_pixels(
    centres: np.ndarray | torch.Tensor, offsets: np.ndarray | torch.Tensor, foreground: np.ndarray | torch.Tensor
) -> np.ndarray:
    """(H, W) int32: k + 1 where a pixel's arrow ends nearest to centre k. Lesson 12.

    Args:
        centres: (K, 2) rows and columns, as find_centres gives them. Without any centre all is 0.
        offsets: (2, H, W) in pixels, as centre_targets gives them for one picture.
        foreground: (H, W) boolean, the pixels of things; all others become 0.

    Raises:
        TypeError: centres or offsets do not hold numbers.
        ValueError: shapes that do not fit each other, numbers that are NaN or infinite, a
            foreground that is no map of 0 and 1 or other whole numbers.

    Source:
        Panoptic-DeepLab (arXiv 1911.10194, section 3.2, on the grouping of pixels).
    """
    from scipy.spatial import cKDTree  # finds the nearest of a thousand centres without trying them all

    centres, offsets = _finite(centres, "The centres", "(K, 2)"), _finite(offsets, "The offsets", "(2, H, W)")
    foreground = class_ids(foreground, "The foreground") != 0
    if centres.shape[1] != 2 or offsets.shape != (2, *foreground.shape):
        raise ValueError(
            f"Centres are (K, 2) and offsets (2, H, W), as large as the foreground; got {centres.shape}, "
            f"{offsets.shape} and {foreground.shape}."
        )
    ids = np.zeros(foreground.shape, np.int32)
    if len(centres):
        y, x = np.nonzero(foreground)
        ends = np.stack([y + offsets[0, y, x], x + offsets[1, y, x]], axis=1)
        ids[y, x] = 1 + cKDTree(centres).query(ends)[1]
    return ids


def _finite(values: np.ndarray | torch.Tensor, name: str, shape: str) -> np.ndarray:
    """The values as an array of floats; shape: for the message, with as many axes as they must have."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().as_subclass(torch.Tensor)
        values = (values.float() if values.dtype.itemsize < 4 else values).numpy()
    array = np.asarray(values)
    if array.dtype.kind not in "buif":
        raise TypeError(f"{name} should be an array or tensor {shape} of numbers, got {type(values).__name__}.")
    axes = shape.count(",") + 1
    if array.ndim != axes:
        way_out = " Of a batch take one picture at a time." if array.ndim == axes + 1 else ""
        raise ValueError(f"{name} should be {shape}, got the shape {array.shape}.{way_out}")
    if not np.isfinite(array).all():
        wrong = array[~np.isfinite(array)]
        raise ValueError(f"{name} should be finite; {wrong.size} of the numbers are not, {wrong[0]} first.")
    return array.astype(np.result_type(array, np.float32), copy=False)
