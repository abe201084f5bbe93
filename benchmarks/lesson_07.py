"""Lesson 07's stored runs: touching cells with and without the weight map, and few pictures. Run by results.py."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import torch
from torch.utils.data import Dataset
from torchvision import tv_tensors
from torchvision.transforms import v2

import segedu
from benchmarks.scoring import Arms, Scores, cell_scores
from segedu import losses, transforms
from segedu.datasets import ToyCells
from segedu.labels import CELLS
from segedu.masks import separate
from segedu.models import QuickUNet

SIZE = (96, 96)
CUT = {"min_dip": 0.02, "min_size": 5}  # for watersheds; chosen on pictures like those that are learnt from
STEPS = 200
W0, SIGMA = 10.0, 3.0  # sigma in pixels of these small pictures: it must reach across a line of two
BALANCE = (1.0, 3.0)  # w_c of background and cells: with the gaps, both then weigh about the same
RECIPE = {"steps": STEPS, "batch_size": 8, "learning_rate": 5e-3, "progress": False}

ELASTIC = transforms.ElasticGrid()
AUGMENTED = v2.Compose([ELASTIC, transforms.augment(scale=(0.8, 1.25)), v2.RandomVerticalFlip()])


def network(seed: int, num_classes: int = len(CELLS)) -> QuickUNet:
    """A small U-Net for grey pictures, with the first weights of this seed."""
    torch.manual_seed(seed)
    return QuickUNet(num_classes, in_channels=1, width=16, depth=2, stride=2)


def weighted_loss(logits: torch.Tensor, mask: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Cross-entropy with a weight for each pixel."""
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


# The experiments: each gives {arm: function of a seed → scores}


def touching() -> Arms:
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


def few_pictures() -> Arms:
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
