"""Lesson 07's controls of the weight map: the same weight spread evenly, and the formula as printed. Run by results.py.

The recipe, the pictures and the seeds are those of 07_touching, so that arms of both files are pairs.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import torch
from scipy import ndimage
from torchvision import tv_tensors

from benchmarks.lesson_07 import BALANCE, SIGMA, SIZE, W0, Weighted, learn, samples
from benchmarks.scoring import Arms, CellScores, Scores
from segedu.datasets import ToyCells
from segedu.inference import evaluation_mode
from segedu.losses import FAR
from segedu.masks import separate
from segedu.models import QuickUNet

Samples = list[tuple[torch.Tensor, ...]]
EQUAL = (1.0, 1.0)


def evenly(weighted: Samples) -> Samples:
    """The samples with one weight for all background: over all pictures, it adds up to what theirs adds up to.

    The pixels of cells keep their weight, so each class counts in the loss as it did; only where the background's
    weight lies is another.
    """
    background = torch.cat([weights[mask == 0] for _, mask, weights in weighted])
    return [(image, mask, weights.where(mask == 1, background.mean())) for image, mask, weights in weighted]


def as_printed(ids: np.ndarray, w0: float = W0, sigma: float = SIGMA) -> np.ndarray:
    """(H, W): 1 + w0 · exp(−(d1 + d2)² / (2 sigma²)) at every pixel, in cells, too, as U-Net's equation 2 has it.

    d1 and d2 are the distances to the borders of the nearest and of the second nearest cell. A cell's border are its
    pixels that share an edge with a pixel of something else.
    """
    reach = math.ceil(FAR * sigma)
    nearest, second = np.full((2, *ids.shape), np.inf)
    for number, box in enumerate(ndimage.find_objects(ids), start=1):
        if box is None:
            continue
        window = tuple(slice(max(side.start - reach, 0), side.stop + reach) for side in box)
        cell = ids[window] == number
        border = cell & ndimage.binary_dilation(~cell)
        distance = ndimage.distance_transform_edt(~border)
        second[window] = np.minimum(second[window], np.maximum(nearest[window], distance))
        nearest[window] = np.minimum(nearest[window], distance)
    return 1 + w0 * np.exp(-((nearest + second) ** 2) / (2 * sigma**2))


def printed_samples(cells: ToyCells, *, cut: bool) -> Samples:
    """`samples` with the weights of `as_printed`; cut: with the line of background between touching cells."""
    made = []
    for (image, mask, _), (_, _, ids) in zip(samples(cells, cut=cut), cells, strict=True):
        printed = as_printed(separate(ids) if cut else ids.numpy())
        made.append((image, mask, tv_tensors.Mask(torch.from_numpy(printed).float())))
    return made


def scores(net: QuickUNet, pictures: ToyCells) -> Scores:
    """CellScores, and cells_ap: TP / (TP + FP + FN) at IoU ½, which StarDist and Cellpose call average precision."""
    table = CellScores()
    with evaluation_mode(net), torch.inference_mode():
        for image, _, ids in pictures:
            table.update(ndimage.label(net(image[None]).argmax(1)[0].numpy())[0], ids.numpy())
    parts = sum(int(found.max()) for found in table.maps[0])
    return table.scores | {"cells_ap": table.found / (parts + table.cells - table.found)}


def weight_maps() -> Arms:
    """Is it the weight in the gaps, or of background? And what does U-Net's equation 2 teach as it is printed?"""
    train = ToyCells("train", length=200, size=SIZE, instances=True)
    val = ToyCells("val", size=SIZE, instances=True)
    arms = {
        "line, even": evenly(samples(train, class_weights=EQUAL)),
        "line, even and w_c": evenly(samples(train, class_weights=BALANCE)),
        "as they are, as printed": printed_samples(train, cut=False),
        "line, as printed": printed_samples(train, cut=True),
    }

    def arm(made: Samples, seed: int) -> Scores:
        return scores(learn(Weighted(made), seed), val)

    return {name: partial(arm, made) for name, made in arms.items()}


EXPERIMENTS = {"07_weights": weight_maps}
