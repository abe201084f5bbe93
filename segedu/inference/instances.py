"""From classes to objects: a network's map of classes, and the id of the single object at every pixel (lesson 11a)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from segedu.centres import find_centres, group_pixels
from segedu.ids import class_ids
from segedu.inference.semantic import AnyPicture, evaluation_mode, maps_by_tile
from segedu.inputs import number_within, whole_number
from segedu.labels import IGNORE_INDEX, LabelTable
from segedu.masks import object_classes
from segedu.models.outputs import check_fits, class_logits, described, input_channels, logits_of, probabilities
from segedu.pictures import Picture

METHODS = ("watershed", "centres")
EVERY_NEIGHBOUR = np.ones((3, 3), bool)  # pixels that meet at a corner are connected


class Instances(NamedTuple):
    """Objects, with what is known of them. Lesson 11b.

    Attributes:
        ids: (H, W) int32: 1 … n, and 0 for no object.
        scores: {id: 0…1}: how sure the network is of the object.
        classes: {id: class id}.
        mask: (H, W) uint8 class ids; all pixels of an object have its class. (mask, ids) is a
            panoptic map.
    """

    ids: np.ndarray
    scores: dict[int, float]
    classes: dict[int, int]
    mask: np.ndarray


def instance_segmentation(
    model: nn.Module,
    image: AnyPicture,
    *,
    method: str = "watershed",
    labels: LabelTable | None = None,
    border_width: int = 0,
    min_dip: float = 0.15,
    min_size: int = 1,
    tile: int | tuple[int, int] | None = None,
    margin: int | None = None,
    return_scores: bool = False,
) -> np.ndarray | Instances:
    """(H, W) int32 object ids 1 … n, 0 for none; or `Instances`. Lessons 11a and 12.

    An object's score is the mean probability of its class over its pixels (0 where another thing is
    likelier; gaps and borders that were shared out do not count), with "centres" times the height
    of its peak.

    Args:
        model: as in semantic_segmentation; for "centres" a PanopticDeepLab.
        image: as in semantic_segmentation.
        method: "watershed": the map of classes is cut into objects. Each class of things is taken
            by itself and split where it is narrow (`split_by_distance`). If `labels` has a class
            "border", which stands between touching objects (masks.border_classes), connected
            components of things are the objects, and borders are shared out. "centres": pixels of
            things go to the centre that their arrow points to, and an object has the class of most
            of its pixels.
        labels: says which classes are things. None: the model's own `.labels`; without those, two
            classes are background and thing.
        border_width: for a network that has learnt a line of background between touching objects
            (masks.separate; 2 pixels in ToyCells and Nuclei): gaps up to this width, an even
            number, are shared out among the objects beside them.
        min_dip: where "watershed" splits, 0…1, as in split_by_distance: less for dense heaps, more
            for rough outlines.
        min_size: components of fewer pixels, before gaps and borders are shared out, are no
            objects. Their pixels go to the object that they touch; without one they have no id, and
            keep their class. For "watershed".
        tile: as in semantic_segmentation. Only the network works tile by tile; objects are made
            from the maps of the whole picture, so that one that lies across tiles stays one.
        margin: as in semantic_segmentation.
        return_scores: True gives all that is known of the objects, as `Instances`.

    Raises:
        TypeError: labels that are no LabelTable; else as semantic_segmentation.
        ValueError: an unknown method, a model without centres, a min_dip outside 0…1, or nothing
            says which classes are things; else as semantic_segmentation.

    Source:
        "centres": Panoptic-DeepLab (arXiv 1911.10194, section 3.2). "watershed": as
        split_by_distance.

    Example:
        >>> model = segedu.models.SmallNet(2)  # or segedu.load(…)
        >>> found = instance_segmentation(model, np.zeros((60, 80, 3)), return_scores=True)
        >>> found.ids.shape, set(np.unique(found.ids)) - {0} == set(found.scores)
        ((60, 80), True)
    """
    if method not in METHODS:
        raise ValueError(f"method={method!r} is unknown; choose one of {', '.join(METHODS)}.")
    min_dip = _checked_share(min_dip)
    border_width, min_size = whole_number(border_width, "border_width", 0), whole_number(min_size, "min_size", 0)
    if labels is not None and not isinstance(labels, LabelTable):
        raise TypeError(f"labels= takes a segedu.labels.LabelTable, whose `things` say what to count, got {labels!r}.")
    picture = Picture(image, input_channels(model))
    size = picture.size
    classes, certainty = np.empty(size, np.uint8), np.empty(size, np.float32)
    heat, offsets = np.empty(size, np.float32), np.empty((2, *size), np.float32)
    read = _all_maps if method == "centres" else logits_of
    with evaluation_mode(model), torch.inference_mode():
        for place, maps in maps_by_tile(model, picture, tile, margin, read=read):
            logits, rest = (maps[:-3], maps[-3:]) if method == "centres" else (maps, None)
            logits = class_logits(logits[None], model)
            check_fits(logits.shape[1], classes.dtype, "Take one of fewer classes for single objects.")
            best = probabilities(logits)[0].max(0)
            classes[place], certainty[place] = best.indices.cpu().numpy(), best.values.cpu().numpy()
            if rest is not None:
                heat[place], offsets[:, *place] = rest[0].cpu().numpy(), rest[1:].cpu().numpy()
    things, border = _things(labels or _own_table(model), logits.shape[1])
    if method == "watershed":
        ids = objects_by_watershed(
            classes, things, border=border, border_width=border_width, min_dip=min_dip, min_size=min_size
        )
        found = _describe(ids, classes, certainty, things)
    else:
        centres = find_centres(heat)
        ids = group_pixels(centres, offsets, np.isin(classes, things))
        found = _describe(ids, classes, certainty, things, peaks=heat[tuple(centres.T)])
    return found if return_scores else found.ids


def objects_by_watershed(
    classes: np.ndarray | torch.Tensor,
    things: Iterable[int],
    *,
    border: int | None = None,
    border_width: int = 0,
    min_dip: float = 0.15,
    min_size: int = 1,
) -> np.ndarray:
    """(H, W) int32 object ids of a map of class ids, 0 for none. Lesson 11a.

    Args:
        classes: (H, W) class ids.
        things: the class ids whose objects are wanted, such as [1].
        border: the class that stands between touching objects; None: there is none, and each class
            is split where it is narrow.
        border_width: width in pixels of the gaps that are shared out, as in instance_segmentation.
        min_dip: 0…1, as in split_by_distance.
        min_size: components of fewer pixels are no objects, as in instance_segmentation.

    Returns:
        The ids are 1 … n; with `min_size` some of them may be missing.

    Raises:
        MaskError: a map that holds no ids.
        TypeError, ValueError: things that are no list of class ids, a min_dip outside 0…1, a
            border, a width or a size that is no whole number ≥ 0.
    """
    _checked_share(min_dip)
    classes, border_width = class_ids(classes), whole_number(border_width, "border_width", 0)
    min_size = whole_number(min_size, "min_size", 0)
    if isinstance(things, str) or not isinstance(things, Iterable):
        raise TypeError(f"things={things!r} should be a list of class ids, such as [1].")
    things = [whole_number(class_id, "things", 0) for class_id in things]
    border = None if border is None else whole_number(border, "border", 0)

    from scipy import ndimage
    from skimage.segmentation import watershed

    ids = np.zeros(classes.shape, np.int32)
    for class_id in things:
        mask = classes == class_id
        found = split_by_distance(mask, min_dip=min_dip) if border is None else ndimage.label(mask, EVERY_NEIGHBOUR)[0]
        counted = mask & (np.bincount(found.ravel()) >= min_size)[found]
        ids[counted] = found[counted] + ids.max(initial=0)
    shared_out = np.isin(classes, things)
    if border_width:
        reach = (border_width + 1) // 2
        closed = ndimage.binary_closing(np.pad(shared_out, reach), EVERY_NEIGHBOUR, reach)
        shared_out = shared_out | closed[reach:-reach, reach:-reach]
    if border is not None:
        shared_out = shared_out | (classes == border)
    away = ndimage.distance_transform_edt(ids == 0) if ids.any() else np.zeros(classes.shape)
    return watershed(away, ids, EVERY_NEIGHBOUR, mask=shared_out).astype(np.int32)


def split_by_distance(foreground: np.ndarray | torch.Tensor, *, min_dip: float = 0.15) -> np.ndarray:
    """(H, W) int32 ids of objects: a map's components, split where they are narrow. Lesson 11a.

    The distance of each pixel to the background has a summit in the middle of an object and a
    saddle where two objects touch. Two summits stay apart if the way from one to the other goes
    down by the share `min_dip` of the lower one, or more; water that rises from the summits, turned
    upside down, then divides the pixels. The picture's edge is no background.

    Args:
        foreground: (H, W) boolean, the pixels of objects.
        min_dip: 0…1, a share and not a number of pixels, so that it works alike for small and large
            objects. With 1 every connected component is one object, and none is lost with any
            share.

    Raises:
        MaskError: a foreground that holds no whole numbers or booleans.
        ValueError: a share outside 0…1.

    Source:
        The watershed of distances, Beucher and Lantuéjoul 1979; summits of a minimal depth
        (h-maxima), Soille, Morphological Image Analysis, section 6.3.
    """
    from scipy import ndimage
    from skimage.morphology import local_maxima, reconstruction
    from skimage.segmentation import watershed

    foreground = class_ids(foreground, "The foreground") != 0
    drop = -np.log(max(1 - _checked_share(min_dip), 1e-9))
    if not foreground.any() or foreground.all():
        return foreground.astype(np.int32)
    distance = ndimage.gaussian_filter(ndimage.distance_transform_edt(foreground), 1)  # outlines have steps of a pixel
    height = np.log(np.maximum(distance, 0.1))  # a share is a difference of logarithms
    # So deep that no water reaches a small part over the background, and none is lost in what comes from a large one.
    height[~foreground] = height.min() - drop - 1
    # skimage.morphology.h_maxima takes a summit's highest pixel in place of all its top, and refuses a depth of 0: the
    # watershed numbers objects otherwise, and where two depths are about equal joins others (in 4 of 600 random maps).
    flooded = reconstruction(height - drop, height)
    summits = ndimage.label(local_maxima(flooded) & foreground, EVERY_NEIGHBOUR)[0]
    return watershed(-height, summits, EVERY_NEIGHBOUR, mask=foreground).astype(np.int32)


def _checked_share(min_dip: float) -> float:
    return number_within(min_dip, "min_dip", 0, 1, "; it is a share: 0.15, not 15, for 15 %")


def _all_maps(output) -> torch.Tensor:
    """(N, K + 3, H, W): logits, heat map of centres and offsets of a PanopticOutput, side by side."""
    if not hasattr(output, "offsets"):
        raise ValueError('method="centres" needs a model that predicts centres and offsets, such as PanopticDeepLab.')
    return torch.cat([output.logits, output.centres, output.offsets], dim=1)


def _own_table(model: nn.Module) -> LabelTable | None:
    table = getattr(described(model), "labels", None)
    return table if isinstance(table, LabelTable) else None  # other libraries' labels are none


def _things(labels: LabelTable | None, num_classes: int) -> tuple[list[int], int | None]:
    """The ids of the classes of things, and of the class "border", if there is one."""
    if labels is None and num_classes == 2:
        return [1], None
    if labels is None or len(labels) != num_classes or not labels.things:
        given = "no label table" if labels is None else f"a table of {len(labels)} classes with things {labels.things}"
        raise ValueError(
            f"The model has {num_classes} classes and {given}, so nothing says which classes have single objects. "
            "Give labels=, a LabelTable with `things`, such as segedu.labels.STREET."
        )
    return [labels.index(name) for name in labels.things], (
        labels.index("border") if "border" in labels.names else None
    )


def _describe(
    ids: np.ndarray, classes: np.ndarray, certainty: np.ndarray, things: list[int], peaks: np.ndarray | None = None
) -> Instances:
    """The objects with scores, majority classes and a mask that agrees with them, renamed 1 … n without gaps."""
    kept = np.unique(ids[ids > 0])
    new_name = np.zeros(ids.max(initial=0) + 1, np.int32)
    new_name[kept] = np.arange(1, len(kept) + 1)
    ids = new_name[ids]
    of_things = np.isin(classes, things)  # the others in an object are borders and gaps that it got
    votes = object_classes(np.where(of_things, classes, IGNORE_INDEX), ids)
    class_of = np.array([0, *(votes[i] for i in range(1, len(kept) + 1))], np.uint8)
    mask = np.where(ids > 0, class_of[ids], classes)
    agreed = np.where(mask == classes, certainty, 0)[of_things]
    sums, counts = (np.bincount(ids[of_things], w, minlength=len(kept) + 1)[1:] for w in (agreed, None))
    scores = sums / counts * (1 if peaks is None else np.clip(peaks[kept - 1], 0, 1))
    return Instances(ids, dict(enumerate(scores.tolist(), start=1)), votes, mask)
