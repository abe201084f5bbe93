"""Objects as centres and arrows: what Panoptic-DeepLab learns, and how objects are read from it again (lesson 12).

Each object has one peak in a heat map, and each of its pixels an arrow to that peak. Source: Panoptic-DeepLab (Cheng et
al., arXiv 1911.10194, section 3.2).
"""

from __future__ import annotations

import numpy as np
import torch


def centre_targets(instances: torch.Tensor, *, sigma: float = 2.0) -> tuple[torch.Tensor, torch.Tensor]:
    """What to learn from maps of ids: heat maps (N, 1, H, W) in 0…1 and offsets (N, 2, H, W), both float32.

    instances: (N, H, W) object ids, 0 for none.
    heat: the largest, over the objects of a picture, of exp(−d²/2σ²), d the distance to an object's centre, which is
        the mean of the rows and columns of its pixels and may lie between pixels, or outside of the object.
    offsets: for each pixel of an object the rows and columns to its centre, so that row + offset is the centre's row;
        0 outside of objects, where they are not to be learnt.
    sigma: in pixels. The paper has 8 for pictures of 1025 × 2049; an object's peak should not swallow its neighbour's.
    Raises ValueError for instances of another shape, or of ids below 0 (looked for on the CPU only).
    """
    if not isinstance(instances, torch.Tensor) or instances.is_floating_point():
        raise TypeError("instances must be a tensor of whole numbers: torch.as_tensor(instances).long()")
    if instances.ndim != 3:
        raise ValueError(f"instances must be (N, H, W), got {tuple(instances.shape)}; one map alone: instances[None].")
    if instances.device.type == "cpu" and instances.numel() and instances.min() < 0:
        raise ValueError(f"instances holds {instances.min().item()}; object ids are whole numbers ≥ 0, and 0 is none.")
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


def find_centres(heat: np.ndarray, *, threshold: float = 0.1, window: int = 7) -> np.ndarray:
    """(K, 2) int64 rows and columns of the peaks of a heat map (H, W), the highest first.

    A peak is at least `threshold`, and nothing in the window × window pixels around it is higher. Of equal ones in one
    window the first in reading order stays, where a plain comparison with the maximum would keep them all.
    window: odd. Raises ValueError for another one.
    Source: as above, section 3.2 (its key-point non-maximum suppression: window 7, threshold 0.1).
    """
    if window not in range(1, 2**31, 2):
        raise ValueError(f"window={window} should be an odd number of pixels, at least 1.")
    from scipy import ndimage  # `import segedu` stays without scipy

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


def group(centres: np.ndarray, offsets: np.ndarray, foreground: np.ndarray) -> np.ndarray:
    """(H, W) int32: k + 1 where a pixel's arrow ends nearest to centre k; 0 outside of the foreground.

    centres: (K, 2) rows and columns. offsets: (2, H, W), in pixels, as `centre_targets` gives them.
    foreground: (H, W) boolean, the pixels of things. Without any centre all is 0.
    """
    from scipy.spatial import cKDTree  # finds the nearest of a thousand centres without trying them all

    ids = np.zeros(foreground.shape, np.int32)
    if len(centres):
        y, x = np.nonzero(foreground)
        ends = np.stack([y + offsets[0, y, x], x + offsets[1, y, x]], axis=1)
        ids[y, x] = 1 + cKDTree(centres).query(ends)[1]
    return ids
