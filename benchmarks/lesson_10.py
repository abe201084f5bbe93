"""Lesson 10's stored runs: FCN-8s, U-Net and DeepLab v3+ at equal time and at equal parameters. Run by results.py."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache, partial

import torch
from torch import nn
from torch.utils.data import Dataset

import segedu
from benchmarks.by_shape import REACH, Judge, connected_parts
from benchmarks.scoring import Arms, Scores, class_ious, classes_of, matrix_scores, street_scores, whole_near_away
from benchmarks.weighing import weighted_loss
from segedu.datasets import CamVid, ToyStreet
from segedu.labels import STREET
from segedu.metrics import ConfusionMatrix
from segedu.models import FCN, DeepLab, QuickUNet, UNet

SIZE = (120, 160)
RECIPE = {"batch_size": 4, "learning_rate": 5e-3, "progress": False}
CLASSES = len(STREET)
FCN_8S = partial(FCN, CLASSES, stride=8)
U_NET = partial(UNet, CLASSES)
V3_PLUS = partial(DeepLab, CLASSES, head="v3+", rates=(4, 8, 12))
WIDTH = 8  # of each at equal time, as in the lessons before
# As many steps as fit into the time of 100 steps of the U-Net: data/results/sides.json has the seconds of a step of
# each on the machine where the runs were made, one thread. They are written here as steps, so that runs repeat.
STEPS = {"FCN-8s": 235, "U-Net": 100, "DeepLab v3+": 180}
NETWORKS = {"FCN-8s": FCN_8S, "U-Net": U_NET, "DeepLab v3+": V3_PLUS}
# The widths at which the three have nearly as many parameters: each within 5 % of their mean, 480,000.
EQUAL = {"FCN-8s": 11, "U-Net": 8, "DeepLab v3+": 12}
# The U-Net at a quarter of lesson 06, and its steps in the time of 100 of the U-Net.
QUARTER = partial(
    QuickUNet, CLASSES, width=32, depth=3, stride=4, stem="strided", convolutions=1, upsampling="bilinear"
)
QUARTER_STEPS = 247
LOOKS = (16, 8, 4, 2)  # a network at equal time is also looked at after 1/16, 1/8, … of its steps
LONGER = 3  # times as long


class Clock:
    """Seconds of processor time of this process, but for those of its `with` blocks."""

    def __init__(self):
        self.left_out, self.start = 0.0, time.process_time()

    def __enter__(self) -> Clock:
        self.stopped = time.process_time()
        return self

    def __exit__(self, *_) -> None:
        self.left_out += time.process_time() - self.stopped

    def minutes(self) -> float:
        """Since it was made."""
        return (time.process_time() - self.start - self.left_out) / 60


def learn(
    make: Callable[[], nn.Module],
    train: Dataset,
    steps: int,
    seed: int,
    look: Callable[[nn.Module], float] | None = None,
) -> tuple[nn.Module, Scores]:
    """A network after so many steps of four pictures, and what was noted on the way: its minutes of one thread.

    look: gives a score of the network as it is; called at the LOOKS, outside the clock.
    """
    torch.manual_seed(seed)
    net, noted = make(), {}
    moments = {max(1, steps // part): f"mean_iou_after_1_{part}" for part in LOOKS} if look else {}

    def begin(parameters, lr: float) -> torch.optim.Optimizer:
        """AdamW that looks at the network after some of its steps."""
        optimizer, done = torch.optim.AdamW(parameters, lr=lr), []

        def after_step(*_) -> None:
            done.append(None)
            if name := moments.get(len(done)):
                with clock:
                    noted[name] = look(net)

        optimizer.register_step_post_hook(after_step)
        return optimizer

    loss = weighting(train)
    clock = Clock()
    segedu.fit(net, train, loss=loss, optimizer=begin, steps=steps, seed=seed, **RECIPE)
    return net, noted | {"minutes": clock.minutes()}


class Held(Dataset):
    """A data set whose samples are read once: the time of a step is that of the network, not that of the files."""

    def __init__(self, data: Dataset):
        self.labels, self.samples = data.labels, list(data)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.samples[index]


@cache
def weighting(train: Dataset) -> Callable[..., torch.Tensor]:
    """The loss of lesson 04 for this data set; cached, since it looks at every mask."""
    return weighted_loss(train)


@cache
def streets() -> tuple[ToyStreet, ToyStreet, Judge]:
    """400 streets to learn from, 50 to be scored on, and who scores things and borders of these."""
    val = ToyStreet("val", length=50, size=SIZE, instances=True)
    return ToyStreet("train", length=400, size=SIZE), val, Judge(val)


def mean_iou(net: nn.Module, judge: Judge) -> float:
    """Of all pixels of the judge's streets."""
    return ConfusionMatrix(CLASSES).update(classes_of(net, judge.images), judge.masks).mean_iou()


def on_streets(make: Callable[[], nn.Module], steps: int, seed: int, *, curve: bool = False) -> Scores:
    """Scores after so many steps on rendered streets; curve: also those on the way."""
    train, val, judge = streets()
    net, noted = learn(make, train, steps, seed, partial(mean_iou, judge=judge) if curve else None)
    return street_scores(net, val, reach=REACH) | judge.scores(classes_of(net, judge.images)) | noted


@cache
def drives() -> tuple[Held, Judge]:
    """Photographs of two drives of CamVid to learn from, and who scores those of another.

    CamVid does not tell objects apart: the connected parts of a class count as its things.
    """
    scored, things = CamVid("test", protocol="by-drive", size=SIZE), [STREET.index(name) for name in STREET.things]
    judge = Judge((image, mask, connected_parts(mask, things)) for image, mask in scored)
    return Held(CamVid("train", protocol="by-drive", size=SIZE)), judge


def on_drives(make: Callable[[], nn.Module], steps: int, seed: int) -> Scores:
    """Scores after so many steps on photographs of two drives, on another drive."""
    train, judge = drives()
    net, noted = learn(make, train, steps, seed)
    found = classes_of(net, judge.images)
    whole, near, away = whole_near_away(found, judge.masks)
    bands = {"near_mean_iou": near.mean_iou(), "away_mean_iou": away.mean_iou()}
    return matrix_scores(whole) | bands | class_ious(whole) | judge.scores(found) | noted


def equally_large(scored: Callable[[Callable[[], nn.Module], int, int], Scores]) -> Arms:
    """Two networks as large as the U-Net of width 8, in its 100 steps; scored: called with (make, steps, seed)."""
    return {
        name: partial(scored, partial(make, width=EQUAL[name]), STEPS["U-Net"])
        for name, make in NETWORKS.items()
        if name != "U-Net"
    }


# The experiments: each gives {arm: function of a seed → scores}


def equal_time() -> Arms:
    """As many steps as fit into the time of 100 of the U-Net, on rendered streets: which of the three knows most?"""
    return {
        name: partial(on_streets, partial(make, width=WIDTH), STEPS[name], curve=True)
        for name, make in NETWORKS.items()
    }


def equal_parameters() -> Arms:
    """100 steps of two networks as large as the U-Net of width 8: which of the three knows most?

    U-Net itself is "U-Net" of 10_time.
    """
    return equally_large(on_streets)


def longer() -> Arms:
    """10_time with three times the time: does the order stay?"""
    return {
        name: partial(on_streets, partial(make, width=WIDTH), LONGER * STEPS[name], curve=True)
        for name, make in NETWORKS.items()
    }


def equal_time_on_drives() -> Arms:
    """The steps of 10_time on two drives of CamVid, scored on another: is the order that of rendered streets?"""
    three = {name: partial(on_drives, partial(make, width=WIDTH), STEPS[name]) for name, make in NETWORKS.items()}
    return three | {"at a quarter": partial(on_drives, QUARTER, QUARTER_STEPS)}


def equal_parameters_on_drives() -> Arms:
    """The networks and the 100 steps of 10_parameters on two drives of CamVid, scored on another.

    U-Net itself is "U-Net" of 10_camvid.
    """
    return equally_large(on_drives)


def shapes_of_a_unet() -> Arms:
    """U-Nets of other depths, widths and stems in the time of 10_time: what does the shape of one family matter?

    Depth 4, width 8 is "U-Net" of 10_time.
    """
    arms = {
        "depth 2": (partial(U_NET, width=8, depth=2), 185),
        "depth 3": (partial(U_NET, width=8, depth=3), 144),
        "width 4": (partial(U_NET, width=4), 140),
        "width 16": (partial(U_NET, width=16), 48),
        "at a quarter": (QUARTER, QUARTER_STEPS),
    }
    return {name: partial(on_streets, make, steps) for name, (make, steps) in arms.items()}


EXPERIMENTS = {
    "10_time": equal_time,
    "10_parameters": equal_parameters,
    "10_longer": longer,
    "10_camvid": equal_time_on_drives,
    "10_camvid_parameters": equal_parameters_on_drives,
    "10_shapes": shapes_of_a_unet,
}
