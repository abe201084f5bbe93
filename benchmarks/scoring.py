"""How the measurements look at a trained network."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from scipy import ndimage
from torch import nn
from torch.utils.data import Dataset

from segedu.inference import evaluation_mode
from segedu.labels import IGNORE_INDEX, STREET, LabelTable
from segedu.metrics import ConfusionMatrix, average_precision, border_band, size_stratified_iou
from segedu.metrics.objects import overlap

Scores = dict[str, float]  # in 0…1, by name
Arms = dict[str, Callable[[int], Scores]]  # what an experiment gives: {arm: function of a seed → scores}
BAND = 3  # pixels on either side of a border
CAR_SIZES = (100, 400)  # pixels: small, middle and large cars part at about 10×10 and 20×20


def joined(rows: Iterable[Scores]) -> Scores:
    """All scores of the rows, which have no name in common."""
    return {name: value for row in rows for name, value in row.items()}


def matrix_scores(matrix: ConfusionMatrix, prefix: str = "") -> Scores:
    """Mean IoU, pixel accuracy and mean accuracy, their names behind `prefix`."""
    return {
        f"{prefix}mean_iou": matrix.mean_iou(),
        f"{prefix}pixel_accuracy": matrix.pixel_accuracy(),
        f"{prefix}mean_accuracy": matrix.mean_accuracy(),
    }


def class_ious(matrix: ConfusionMatrix, labels: LabelTable = STREET) -> Scores:
    """{iou_NAME: IoU} of each class."""
    return {f"iou_{name}": value for name, value in zip(labels.names, matrix.iou().tolist(), strict=True)}


def classes_of(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """(N, H, W) class ids that the network gives pictures (N, C, H, W)."""
    return logits_of(net, images).argmax(1)


def logits_of(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """(N, num_classes, H, W) logits that the network gives pictures (N, C, H, W), ten at a time."""
    with evaluation_mode(net), torch.inference_mode():
        return torch.cat([net(batch) for batch in images.split(10)])


def whole_near_away(found: torch.Tensor, masks: torch.Tensor) -> list[ConfusionMatrix]:
    """Of streets: all pixels, those at most BAND from a true border, and those farther away."""
    band = border_band(masks, BAND)
    parts = (masks, masks.where(band, IGNORE_INDEX), masks.where(~band, IGNORE_INDEX))
    return [ConfusionMatrix(len(STREET)).update(found, part) for part in parts]


def street_scores(net: nn.Module, val: Dataset, *, reach: int, prefix: str = "") -> Scores:
    """Scores over all pixels, near borders, away from them, by the size of cars, and by class.

    val: streets (image, mask, instances) of one size. reach: pixels around a car in which a prediction is its own.
    """
    images, masks, objects = map(torch.stack, zip(*val, strict=True))
    found = classes_of(net, images)
    whole, near, away = whole_near_away(found, masks)
    car = STREET.index("car")
    small, middle, large = size_stratified_iou(found, masks, objects, car, sizes=CAR_SIZES, reach=reach).tolist()
    named = {
        "mean_iou": whole.mean_iou(), "pixel_accuracy": whole.pixel_accuracy(),
        "near_mean_iou": near.mean_iou(), "near_accuracy": near.pixel_accuracy(),
        "away_mean_iou": away.mean_iou(), "away_accuracy": away.pixel_accuracy(),
        "small_cars": small, "middle_cars": middle, "large_cars": large,
    }  # fmt: skip
    return {prefix + name: value for name, value in (named | class_ious(whole)).items()}


def without_small(parts: np.ndarray, smallest: int) -> np.ndarray:
    """The map of objects, without those of fewer pixels."""
    return np.where((np.bincount(parts.ravel()) >= smallest)[parts], parts, 0)


class CellScores:
    """Scores of maps of objects, summed over pictures: `update` with each, then read `scores`."""

    def __init__(self):
        self.maps, self.cells, self.found, self.merged, self.shared, self.either = ([], []), 0, 0, 0, 0, 0

    def update(self, parts: np.ndarray, ids: np.ndarray) -> CellScores:
        """parts: (H, W) found objects; ids: (H, W) whole true cells; 0 is none in both."""
        both = overlap(parts, ids)
        part, cell = both.pairs.T
        swallowed = both.shared > 0.5 * both.true_area[cell]  # most of this cell lies in this part
        crowd = np.bincount(part[swallowed], minlength=len(both.found))
        self.cells += len(both.true)
        self.found += int((both.iou > 0.5).sum())  # above one half a cell has one part at most, and a part one cell
        self.merged += int((crowd[part[swallowed]] > 1).sum())
        self.shared += int(((parts > 0) & (ids > 0)).sum())
        self.either += int(((parts > 0) | (ids > 0)).sum())
        for maps, one in zip(self.maps, (parts, ids), strict=True):
            maps.append(one)
        return self

    @property
    def scores(self) -> Scores:
        """All in 0…1.

        found: cells that a part covers with IoU above ½. merged: cells of which most lies in a part that
        also holds most of another. ap50: average precision at IoU ½. foreground_iou: of whole cells.
        """
        return {
            "found": self.found / self.cells,
            "merged": self.merged / self.cells,
            "ap50": average_precision(*self.maps, thresholds=[0.5]).at(0.5),
            "foreground_iou": self.shared / self.either,
        }


def cell_scores(net: nn.Module, pictures: Dataset) -> Scores:
    """CellScores of the connected parts of the foreground; pictures: of (image, mask, instances)."""
    table = CellScores()
    with evaluation_mode(net), torch.inference_mode():
        for image, _, ids in pictures:
            table.update(ndimage.label(net(image[None]).argmax(1)[0].numpy())[0], ids.numpy())
    return table.scores
