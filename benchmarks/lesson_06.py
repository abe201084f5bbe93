"""Lesson 06's stored runs: what U-Net's skips, the parts of its modern form, and its shape bring. Run by results.py."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from scipy import ndimage
from torch import nn
from torch.nn import functional as F
from torch.utils.data import Dataset

import segedu
from benchmarks.scoring import Arms, Scores, classes_of, street_scores
from benchmarks.weighing import weighted_loss
from segedu import transforms
from segedu.datasets import Membranes, ToyCells, ToyStreet
from segedu.labels import IGNORE_INDEX, STREET
from segedu.metrics import ConfusionMatrix, rand_error
from segedu.models import FCN, QuickUNet, UNet
from segedu.models.unet import chain, start_gaussian

WIDTH = 8
RECIPE = {"steps": 100, "batch_size": 4, "learning_rate": 5e-3, "progress": False}
CELLS_SIZE, CELLS_DEPTH = (100, 100), 3
MARGIN = 44  # an unpadded U-Net of depth 3 takes so many pixels from each side: 188 → 100
EDGE = 12  # pixels from the edge of the picture
REACH = 8  # pixels around a car in which a prediction is its own


class Halves(nn.Module):
    """The sum of the first and the second half of the channels."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) of (N, 2·C, H, W)."""
        return torch.add(*x.chunk(2, dim=1))


class Added(UNet):
    """U-Net whose skips are added to what comes from below, not laid beside it."""

    def __init__(self, num_classes: int, **form):
        super().__init__(num_classes, **form)
        self.up = nn.ModuleList(
            nn.Sequential(Halves(), *chain([c, c, c])) for c in (layer.out_channels for layer in self.upsample)
        )
        self.up.apply(start_gaussian)


def street_net(make: Callable[[], nn.Module], seed: int, train: Dataset, *, steps: int = 100) -> nn.Module:
    """A network after so many steps of four streets, with the loss of lesson 04."""
    torch.manual_seed(seed)
    net = make()
    segedu.fit(net, train, loss=weighted_loss(train), seed=seed, **RECIPE | {"steps": steps})
    return net


# The experiments: each gives {arm: function of a seed → scores}


def skips_on_streets() -> Arms:
    """100 steps on rendered streets: what do U-Net's skips bring, near borders, away from them, and by size?"""
    train, val = ToyStreet("train", length=400), ToyStreet("val", length=50, instances=True)

    def arm(skips: bool, seed: int) -> Scores:
        make = partial(UNet, len(STREET), width=WIDTH, skips=skips)
        return street_scores(street_net(make, seed, train), val, reach=REACH)

    return {"no skips": partial(arm, False), "skips": partial(arm, True)}


def twice_as_long() -> Arms:
    """200 steps on streets without skips: do they reach what 100 steps with skips do, "skips" of 06_streets?"""
    train, val = ToyStreet("train", length=400), ToyStreet("val", length=50, instances=True)

    def arm(seed: int) -> Scores:
        make = partial(UNet, len(STREET), width=WIDTH, skips=False)
        return street_scores(street_net(make, seed, train, steps=200), val, reach=REACH)

    return {"no skips, 200 steps": arm}


def few_pictures() -> Arms:
    """The same 100 steps on 8 or on 400 streets: does U-Net lose less than FCN-8s where pictures are few?

    U-Net on 400 streets is "skips" of 06_streets.
    """
    val = ToyStreet("val", length=50, instances=True)
    sets = {length: ToyStreet("train", length=length) for length in (8, 400)}
    unet, fcn = partial(UNet, len(STREET), width=WIDTH), partial(FCN, len(STREET), width=WIDTH, stride=8)

    def arm(make: Callable[[], nn.Module], length: int, seed: int) -> Scores:
        net = street_net(make, seed, sets[length])
        learnt = segedu.evaluate(net, sets[8])
        return street_scores(net, val, reach=REACH) | {"first_8_mean_iou": learnt.mean_iou()}

    return {
        "U-Net, 8 streets": partial(arm, unet, 8),
        "FCN-8s, 8 streets": partial(arm, fcn, 8),
        "FCN-8s, 400 streets": partial(arm, fcn, 400),
    }


def quarter_size() -> Arms:
    """100 steps on streets by U-Nets at a quarter of the picture's size: one change at a time to what learns soonest.

    U-Net at full size is "skips" of 06_streets.
    """
    train, val = ToyStreet("train", length=400), ToyStreet("val", length=50, instances=True)

    def arm(seed: int, **form) -> Scores:
        make = partial(QuickUNet, len(STREET), width=32, depth=3, stride=4, **form)
        return street_scores(street_net(make, seed, train), val, reach=REACH)

    strided, single, bilinear = {"stem": "strided"}, {"convolutions": 1}, {"upsampling": "bilinear"}
    return {
        "pixels shuffled": arm,
        "+ strided stem": partial(arm, **strided),
        "+ one convolution a size": partial(arm, **strided, **single),
        "+ bilinear": partial(arm, **strided, **single, **bilinear),
    }


class Mirrored(nn.Module):
    """An unpadded network that answers for the whole picture: the picture's borders are mirrored first."""

    def __init__(self, net: UNet):
        super().__init__()
        self.net = net

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, num_classes, H, W) logits of pictures (N, C, H, W)."""
        return self.net(F.pad(image, (MARGIN,) * 4, mode="reflect"))


def cell_scores(net: nn.Module, val: ToyCells) -> Scores:
    """Scores of cells and membranes: all pixels, those near the picture's edge, those inside; Rand error of the cells.

    Predicted cells are the connected parts of the predicted foreground; Rand errors are averaged over the pictures.
    """
    images, masks, objects = map(torch.stack, zip(*val, strict=True))
    found = classes_of(net, images)
    inside = torch.zeros(CELLS_SIZE, dtype=torch.bool)
    inside[EDGE:-EDGE, EDGE:-EDGE] = True
    whole = ConfusionMatrix(2).update(found, masks)
    wrong = ((found != masks) & (masks != IGNORE_INDEX)).float()
    pairs = (
        (ndimage.label(cells)[0], (ids * mask).numpy()) for cells, ids, mask in zip(found, objects, masks, strict=True)
    )
    rand = [rand_error(cells, ids) for cells, ids in pairs]
    return {
        "mean_iou": whole.mean_iou(), "pixel_error": 1 - whole.pixel_accuracy(), "iou_membrane": whole.iou()[0].item(),
        "edge_error": wrong[:, ~inside].mean().item(), "inside_error": wrong[:, inside].mean().item(),
        "rand_error": sum(rand) / len(rand),
    }  # fmt: skip


def on_membranes(steps: int) -> Callable[..., Scores]:
    """What trains a U-Net for so many steps of four rendered membranes, from a seed, and scores it."""
    cells = {"look": "membranes", "size": CELLS_SIZE}
    train, val = ToyCells("train", length=240, **cells), ToyCells("val", length=30, instances=True, **cells)

    def arm(seed: int, *, make: Callable[..., UNet] = UNet, **form) -> Scores:
        torch.manual_seed(seed)
        net = make(2, in_channels=1, width=WIDTH, depth=CELLS_DEPTH, **form)
        net = net if net.padding else Mirrored(net)
        segedu.fit(net, train, seed=seed, **RECIPE | {"steps": steps})
        return cell_scores(net, val)

    return arm


def parts() -> Arms:
    """60 steps on rendered membranes: from the paper's form to today's by one change at a time, and other skips.

    All arms behind "+ batch normalisation" differ from it by what their name says, and by nothing else.
    """
    arm = on_membranes(steps=60)
    return {
        "the paper's form": partial(arm, padding=False, batch_norm=False),
        "+ padding": partial(arm, batch_norm=False),
        "+ batch normalisation": arm,
        "+ residual blocks": partial(arm, residual=True),
        "no skips": partial(arm, skips=False),
        "no skips, residual blocks": partial(arm, skips=False, residual=True),
        "skips added": partial(arm, make=Added),
    }


def ten_times_as_long() -> Arms:
    """600 steps on rendered membranes, ten times those of 06_parts: does a U-Net without skips catch up?"""
    arm = on_membranes(steps=600)
    return {"no skips": partial(arm, skips=False), "skips": arm}


def skips_on_membranes() -> Arms:
    """U-Net with and without skips, 60 steps on windows of 19 electron micrographs at half size, scored on 5."""
    windows = transforms.augment((96, 96), scale=(1, 1), colour=0)
    train, val = Membranes("train", size=(256, 256), transform=windows), Membranes("val", size=(256, 256))

    def arm(skips: bool, seed: int) -> Scores:
        torch.manual_seed(seed)
        net = UNet(2, in_channels=1, width=WIDTH, skips=skips)
        segedu.fit(net, train, seed=seed, **RECIPE | {"steps": 60})
        matrix = segedu.evaluate(net, val)
        scores = {"mean_iou": matrix.mean_iou(), "pixel_error": 1 - matrix.pixel_accuracy()}
        return scores | {"iou_membrane": matrix.iou()[0].item()}

    return {"no skips": partial(arm, False), "skips": partial(arm, True)}


EXPERIMENTS = {
    "06_streets": skips_on_streets,
    "06_parts": parts,
    "06_few": few_pictures,
    "06_quarter": quarter_size,
    "06_membranes": skips_on_membranes,
    "06_long": ten_times_as_long,
    "06_twice": twice_as_long,
}
