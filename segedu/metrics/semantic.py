"""Scores of semantic maps, all read from one confusion matrix (FCN, arXiv 1411.4038, section 5)."""

from __future__ import annotations

import numpy as np
import torch

from segedu.ids import check_pictures, ignored_id, whole_numbers
from segedu.inputs import whole_number
from segedu.labels import IGNORE_INDEX

Ids = np.ndarray | torch.Tensor | list  # class ids or object ids: whole numbers of any type


class ConfusionMatrix:
    """Counts of pixels by true class (rows) and predicted class (columns). Lesson 02.

    Over as many pictures as are added: one matrix of the whole data set, never a mean of pictures.
    A class that occurs neither in the truth nor in the prediction scores NaN and is left out of
    every mean. `counts` is the matrix, (num_classes, num_classes) int64.

    Args:
        num_classes: K, how many classes there are, ≥ 1.
        ignore_index: pixels of that truth are left out; a class may be ignored so, and None leaves
            out nothing.

    Raises:
        TypeError: several values to ignore.
        ValueError: a number of classes that is no whole number from 1 on.

    Source:
        The four scores that are read from it: FCN, arXiv 1411.4038, section 5.

    Example:
        >>> matrix = ConfusionMatrix(2).update(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 255]))
        >>> matrix.counts.tolist(), matrix.pixel_accuracy()
        ([[1, 1], [0, 0]], 0.5)
    """

    def __init__(self, num_classes: int, ignore_index: int | None = IGNORE_INDEX):
        ignored_id(ignore_index)  # raises for several
        num_classes = whole_number(num_classes, "num_classes", 1)
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        self.counts = torch.zeros(num_classes, num_classes, dtype=torch.int64)

    def update(self, prediction: Ids, target: Ids) -> ConfusionMatrix:
        """Self, with the pixels of `prediction` counted against those of `target`.

        Args:
            prediction: class ids of any integer type and any shape, such as (H, W) or (N, H, W).
            target: class ids of the same shape.

        Raises:
            TypeError: the numbers are no integers (of logits take argmax(1) first).
            ValueError: two shapes, a target outside 0 … num_classes − 1 that is not ignored, or
                such a prediction at a pixel that counts. Nothing is counted then.
        """
        prediction, target = two_maps(prediction, target)
        counted = target != ignored_id(self.ignore_index)
        prediction, target = prediction[counted], target[counted]
        for name, ids in (("target", target), ("prediction", prediction)):
            wrong = ids[(ids < 0) | (ids >= self.num_classes)]
            if len(wrong):
                ignored = "nothing" if self.ignore_index is None else self.ignore_index
                raise ValueError(
                    f"The {name} holds {wrong[0].item()} at {len(wrong)} pixels, but the classes are "
                    f"0 … {self.num_classes - 1} and {ignored} is ignored in the target only."
                )
        pairs = target * self.num_classes + prediction
        self.counts += torch.bincount(pairs, minlength=self.num_classes**2).view_as(self.counts)
        return self

    def _areas(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Per class: pixels that are right, pixels of the truth, pixels of the prediction, each (K,) float64."""
        counts = self.counts.double()
        return counts.diagonal(), counts.sum(1), counts.sum(0)

    def iou(self) -> torch.Tensor:
        """(K,) float64 in 0…1: intersection over union of each class; NaN if neither side has it."""
        right, true, predicted = self._areas()
        return right / (true + predicted - right)

    def dice(self) -> torch.Tensor:
        """(K,) float64 in 0…1: 2·intersection / (truth + prediction), or F1; NaN as in `iou`."""
        right, true, predicted = self._areas()
        return 2 * right / (true + predicted)

    def mean_iou(self) -> float:
        """The mean of `iou` over the classes that are not NaN; NaN if nothing was counted."""
        return self.iou().nanmean().item()

    def pixel_accuracy(self) -> float:
        """The share of the counted pixels whose class is right, 0…1; NaN if nothing was counted."""
        right, true, _ = self._areas()
        return (right.sum() / true.sum()).item()

    def mean_accuracy(self) -> float:
        """The mean, over the classes in the truth, of the share of their pixels that is found, 0…1."""
        right, true, _ = self._areas()
        return (right / true).nanmean().item()

    def frequency_weighted_iou(self) -> float:
        """`iou` weighted by each class's share of the true pixels, 0…1; NaN if nothing was counted."""
        _, true, _ = self._areas()
        return ((true * self.iou().nan_to_num()).sum() / true.sum()).item()

    def __repr__(self) -> str:
        return (
            f"ConfusionMatrix({self.num_classes} classes, {self.counts.sum().item():,} pixels, "
            f"mean IoU {self.mean_iou():.3f}, pixel accuracy {self.pixel_accuracy():.3f})"
        )


def two_maps(
    prediction: Ids, target: Ids, names: tuple[str, str] = ("prediction", "target")
) -> tuple[torch.Tensor, torch.Tensor]:
    """Both as plain int64 tensors on the CPU, of any shape: arrays, tensors or lists of whole numbers.

    Raises what ids.whole_numbers raises, in particular MaskError, which is also a TypeError, for floats; ValueError for
    two shapes.
    """
    maps = tuple(whole_numbers(x, f"The {name}") for x, name in zip((prediction, target), names, strict=True))
    if maps[0].shape != maps[1].shape:
        raise ValueError(
            f"{names[0].capitalize()} and {names[1]} must have one shape, got {maps[0].shape} and {maps[1].shape}."
        )
    # A copy, since torch takes neither negative strides nor what it may not write to.
    return tuple(torch.from_numpy(np.array(ids, np.int64, order="C")) for ids in maps)


def two_pictures(
    prediction: Ids, target: Ids, names: tuple[str, str] = ("prediction", "target")
) -> tuple[torch.Tensor, torch.Tensor]:
    """two_maps of shape (N, H, W), N = 1 for (H, W). Raises ValueError for another number of dimensions, too."""
    maps = two_maps(prediction, target, names)
    check_pictures(maps[0], "The maps")
    size = maps[0].shape[-2:]
    return maps[0].reshape(-1, *size), maps[1].reshape(-1, *size)
