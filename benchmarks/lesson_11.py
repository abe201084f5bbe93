"""Stored runs of lessons 11a and 11b: from a network's maps to objects, on drawn and on real cells. Run by results.py.

A network learns one of three truths: "plain" (cell or not), "line" (touching cells parted by background, with border
weights) or "border" (a third class where cells touch). Its maps become objects by one of several ways; the arms of one
truth look at the same network. Widths, necks and min_size sizes were chosen on pictures like those that are learnt
from, none of which is scored: ToyCells("train", seed=1), and the tenth of the nuclei's folder train that is "val".
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np
import torch
from scipy import ndimage
from skimage.filters import threshold_otsu
from torch import nn
from torch.utils.data import Dataset

import segedu
from benchmarks.lesson_07 import CUT, RECIPE, SIZE, Weighted, learn, samples
from benchmarks.lesson_07 import network as small_unet
from benchmarks.real_cells import Named, pieces, stretched
from benchmarks.scoring import Arms, CellScores, Scores, without_small
from benchmarks.weighing import border_weighted
from segedu import losses, metrics
from segedu.datasets import Nuclei, ToyCells
from segedu.inference import evaluation_mode
from segedu.inference.instances import objects_by_watershed
from segedu.labels import CELLS, LabelTable
from segedu.masks import border_classes
from segedu.metrics.objects import overlap
from segedu.models import QuickUNet

BORDERED = LabelTable((*CELLS.names, "border"), (*CELLS.colours, (230, 60, 60)), CELLS.things)
BORDER = 4  # pixels; as they are shared out again, more are easier to learn than the line's two, and cost nothing
Found = tuple[np.ndarray, dict[int, float]]  # (H, W) object ids, 0 for none, and a score of each
Reader = Callable[[torch.Tensor], Found]  # of one picture (1, H, W)


# Ways from a picture to objects


def components(net: nn.Module, image: torch.Tensor, *, min_size: int) -> Found:
    """The connected parts of the foreground, and the mean probability of each."""
    with evaluation_mode(net), torch.inference_mode():
        cell = net(image[None]).softmax(1)[0, 1].numpy()
    parts = without_small(ndimage.label(cell > 0.5)[0], min_size)
    sums, pixels = np.bincount(parts.ravel(), cell.ravel()), np.bincount(parts.ravel())
    return parts, {part: sums[part] / pixels[part] for part in np.unique(parts[parts > 0]).tolist()}


def watershed_of(net: nn.Module, image: torch.Tensor, **options) -> Found:
    """As segedu.instance_segmentation makes objects: by the watershed of distances, or of the border class."""
    found = segedu.instance_segmentation(net, image, return_scores=True, **options)
    return found.ids, found.scores


def otsu(image: torch.Tensor) -> np.ndarray:
    """(H, W) boolean foreground by Otsu's threshold; cells may be brighter or darker: they take the smaller part."""
    bright = image[0].numpy() > threshold_otsu(image[0].numpy())
    return bright if bright.mean() <= 0.5 else ~bright


def otsu_components(image: torch.Tensor, *, min_size: int) -> Found:
    """The connected parts of what Otsu's threshold finds."""
    return equally_sure(without_small(ndimage.label(otsu(image))[0], min_size))


def otsu_watershed(image: torch.Tensor, **options) -> Found:
    """What Otsu's threshold finds, cut by the watershed of distances."""
    return equally_sure(objects_by_watershed(otsu(image).astype(np.uint8), [1], **options))


def equally_sure(parts: np.ndarray) -> Found:
    """These objects, each with the score 1."""
    return parts, dict.fromkeys(np.unique(parts[parts > 0]).tolist(), 1.0)


def object_scores(read: Reader, pictures: Dataset) -> Scores:
    """CellScores and four more, all in 0…1.

    ap: the mean of the average precision at IoU 0.5 … 0.95. ap50_ranked, ap_ranked: the same with the objects taken by
    falling score. split: cells that hold the most of two parts or more.

    pictures: of (image, mask, instances).
    """
    table, rankings, split = CellScores(), [], 0
    for image, _, ids in pictures:
        parts, scores = read(image)
        table.update(parts, ids.numpy())
        rankings.append(scores)
        both = overlap(parts, ids)
        part, cell = both.pairs.T
        inside = cell[both.shared > 0.5 * both.found_area[part]]  # the cell that most of this part lies in
        split += int((np.bincount(inside, minlength=1) > 1).sum())
    ranked = metrics.average_precision(*table.maps, scores=rankings)
    return table.scores | {
        "ap": metrics.average_precision(*table.maps).mean(),
        "ap50_ranked": ranked.at(0.5),
        "ap_ranked": ranked.mean(),
        "split": split / table.cells,
    }


# The experiments: each gives {arm: function of a seed → scores}


def arms_of(network: Callable[[str, int], nn.Module], pictures: Dataset, *, min_dip: float, min_size: int) -> Arms:
    """An arm for each truth and way; those of Otsu's threshold learn nothing, so that every seed is the same."""
    parts, cut = {"min_size": min_size}, {"min_size": min_size, "min_dip": min_dip}
    untrained = {
        "Otsu, components": partial(otsu_components, **parts),
        "Otsu, watershed": partial(otsu_watershed, **cut),
    }
    ways = {
        "plain, components": ("plain", partial(components, **parts)),
        "plain, watershed": ("plain", partial(watershed_of, **cut)),
        "line, components": ("line", partial(components, **parts)),
        "line, watershed": ("line", partial(watershed_of, border_width=2, **cut)),
        "border class": ("border", partial(watershed_of, labels=BORDERED, **parts)),
    }

    @lru_cache
    def constant(name: str) -> Scores:
        return object_scores(untrained[name], pictures)

    def trained(truth: str, way: Callable[..., Found], seed: int) -> Scores:
        return object_scores(partial(way, network(truth, seed)), pictures)

    return {
        **{name: lambda seed, name=name: constant(name) for name in untrained},
        **{name: partial(trained, *way) for name, way in ways.items()},
    }


def plain_loss(logits: torch.Tensor, mask: torch.Tensor, instances: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of cell or not, whole cells, as they touch."""
    return losses.cross_entropy(logits, (instances != 0).long())


def border_loss(
    logits: torch.Tensor, mask: torch.Tensor, instances: torch.Tensor, *, class_weights: torch.Tensor
) -> torch.Tensor:
    """Cross-entropy of background, cell, and border where cells touch."""
    target = torch.stack([torch.from_numpy(border_classes(ids, BORDER)).long() for ids in instances])
    return losses.cross_entropy(logits, target, class_weights=class_weights)


def border_weights(dataset: Dataset) -> torch.Tensor:
    """(3,) weights of background, cell and border: 1 / share of the pixels. With the root, borders are overlooked."""
    classes = np.concatenate([border_classes(ids, BORDER).ravel() for *_, ids in dataset])
    counts = torch.from_numpy(np.bincount(classes, minlength=3)).float()
    return counts.sum() / counts


def drawn_cells() -> Arms:
    """Which truth, and which way from the map to objects? ToyCells, 200 pictures, 200 steps."""
    train = ToyCells("train", length=200, size=SIZE, instances=True)
    weights = border_weights(train)

    @lru_cache
    def lined() -> Dataset:
        return Weighted(samples(train))

    @lru_cache(maxsize=3)
    def network(truth: str, seed: int) -> QuickUNet:
        if truth == "line":
            return learn(lined(), seed)
        net = small_unet(seed, num_classes=3 if truth == "border" else 2)
        loss = partial(border_loss, class_weights=weights) if truth == "border" else plain_loss
        segedu.fit(net, train, loss=loss, seed=seed, **RECIPE)
        return net

    return arms_of(network, ToyCells("val", size=SIZE, instances=True), **CUT)


def real_nuclei() -> Arms:
    """The same on photographs of nuclei, after 100 steps on their folder train; scored on their folder test."""
    seen, train = (
        Named([Nuclei(split, instances=True, transform=transform) for split in ("train", "val")])
        for transform in (None, pieces(128))
    )
    test, weights = Nuclei("test", instances=True, transform=stretched), border_weights(seen)
    of_truth = {
        "plain": plain_loss,
        "line": partial(border_weighted, sigma=3, class_weights=(1.1, 2.5)),
        "border": partial(border_loss, class_weights=weights),
    }

    @lru_cache(maxsize=3)
    def network(truth: str, seed: int) -> QuickUNet:
        torch.manual_seed(seed)
        net = QuickUNet(3 if truth == "border" else 2, in_channels=1, width=16, depth=3, stride=2)
        recipe = {"steps": 100, "batch_size": 8, "learning_rate": 3e-3, "progress": False}
        segedu.fit(net, train, loss=of_truth[truth], seed=seed, **recipe)
        return net

    return arms_of(network, test, min_dip=0.15, min_size=40)


EXPERIMENTS = {"11_drawn": drawn_cells, "11_nuclei": real_nuclei}
