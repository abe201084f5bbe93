"""Lesson 07's stored runs: touching cells with and without the weight map, and few pictures. Run by results.py."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np
import torch
from scipy import ndimage
from torch import nn
from torch.utils.data import Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

import segedu
from segedu import losses, metrics, transforms
from segedu.datasets import ToyCells
from segedu.inference import evaluation_mode
from segedu.labels import CELLS
from segedu.masks import separate
from segedu.metrics.objects import overlap
from segedu.models import QuickUNet

SIZE = (96, 96)
CUT = {"neck": 0.02, "smallest": 5}  # for watersheds; chosen on pictures like those that are learnt from
STEPS = 200
W0, SIGMA = 10.0, 3.0  # sigma in pixels of these small pictures: it must reach across a line of two
BALANCE = (1.0, 3.0)  # w_c of background and cells: with the gaps, both then weigh about the same
RECIPE = {"steps": STEPS, "batch_size": 8, "learning_rate": 5e-3, "progress": False}
Scores = dict[str, float]

ELASTIC = transforms.ElasticGrid()
AUGMENTED = v2.Compose([ELASTIC, transforms.augment(scale=(0.8, 1.25)), v2.RandomVerticalFlip()])


def network(seed: int, num_classes: int = len(CELLS)) -> QuickUNet:
    torch.manual_seed(seed)
    return QuickUNet(num_classes, in_channels=1, width=16, depth=2, stride=2)


def weighted_loss(logits: torch.Tensor, mask: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return losses.cross_entropy(logits, mask, pixel_weights=weights)


def learn(train: Dataset, seed: int) -> QuickUNet:
    """The network after STEPS steps on samples (image, mask, weights)."""
    net = network(seed)
    segedu.fit(net, train, loss=weighted_loss, seed=seed, **RECIPE)
    return net


class Weighted(Dataset):
    """Samples (image, mask, weights) of a list that was made before, each through `transform`, weights and all."""

    labels = CELLS

    def __init__(self, samples: list[tuple[torch.Tensor, ...]], transform: Callable | None = None):
        self.samples, self.transform = samples, transform

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        return self.transform(*self.samples[index]) if self.transform else self.samples[index]


def samples(
    cells: ToyCells, *, cut: bool = True, w0: float = W0, class_weights: tuple[float, float] = BALANCE
) -> list[tuple[torch.Tensor, ...]]:
    """(image, mask, weights) of each picture; cut: with the line of background between touching cells."""
    made = []
    for image, _, ids in cells:
        objects = separate(ids) if cut else ids.numpy()
        weights = losses.border_weight_map(objects, w0, SIGMA, class_weights=class_weights)
        made.append((image, tv_tensors.Mask(torch.from_numpy(objects > 0).long()), tv_tensors.Mask(weights)))
    return made


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
            "ap50": metrics.average_precision(*self.maps, thresholds=[0.5]).at(0.5),
            "foreground_iou": self.shared / self.either,
        }


def cell_scores(net: nn.Module, pictures) -> Scores:
    """CellScores of the connected parts of the foreground; pictures: of (image, mask, instances)."""
    table = CellScores()
    with evaluation_mode(net), torch.inference_mode():
        for image, _, ids in pictures:
            table.update(ndimage.label(net(image[None]).argmax(1)[0].numpy())[0], ids.numpy())
    return table.scores


# The experiments: each gives {arm: function of a seed → scores}


def touching() -> dict[str, Callable[[int], Scores]]:
    """Do touching cells merge without line and weights, and part with them? 200 pictures, 200 steps."""
    train = ToyCells("train", length=200, size=SIZE, instances=True)
    val = ToyCells("val", size=SIZE, instances=True)
    equal = {"class_weights": (1.0, 1.0)}
    arms = {
        "as they are": {"cut": False, "w0": 0.0, **equal},
        "as they are, w0": {"cut": False, **equal},
        "line": {"w0": 0.0, **equal},
        "line, w0": equal,
        "line, w0 and w_c": {},
    }

    def arm(made: list, seed: int) -> Scores:
        return cell_scores(learn(Weighted(made), seed), val)

    return {name: partial(arm, samples(train, **options)) for name, options in arms.items()}


def few_pictures() -> dict[str, Callable[[int], Scores]]:
    """10, 30 or 300 pictures, as they are or augmented, 200 steps each: another seed has other pictures, too."""
    val = ToyCells("val", size=SIZE, instances=True)

    @lru_cache(maxsize=1)
    def of_seed(seed: int) -> list:
        return samples(ToyCells("train", length=300, seed=seed, size=SIZE, instances=True))

    def arm(pictures: int, transform: Callable | None, seed: int) -> Scores:
        return cell_scores(learn(Weighted(of_seed(seed)[:pictures], transform), seed), val)

    ladder = {
        f"{pictures} pictures{name}": partial(arm, pictures, transform)
        for pictures in (10, 30, 300)
        for name, transform in (("", None), (", augmented", AUGMENTED))
    }
    return ladder | {"30 pictures, only bent": partial(arm, 30, ELASTIC)}


EXPERIMENTS = {"07_touching": touching, "07_pictures": few_pictures}
