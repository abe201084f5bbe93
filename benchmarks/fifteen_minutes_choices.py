"""What was tried before fifteen_minutes.py, and on what: data/results/fifteen_minutes_choices.json.

    python -m benchmarks.fifteen_minutes_choices [--seconds 90] [--seeds 0] [--only NAME …] [--dry]

Every candidate, ours and other people's, is trained for the same seconds, on two drives of CamVid in smaller pictures,
and scored at 480×360 on the half of the third drive that is there for choosing ("chosen_on"). What fifteen_minutes.py
scores, nobody has looked at here. The best of each kind goes on. (A first form learnt from pictures of 480×360, with
the network at a part of that size inside: changing the colours and scale of so large pictures took most of the time.)
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import ConcatDataset

from benchmarks.learning_per_minute import BATCH, CLASSES, PretrainedSqueezeNet, compete, fit_for, row, smp
from benchmarks.scoring import Scores
from benchmarks.storing import RESULTS
from benchmarks.weighing import weighted_loss
from segedu import transforms
from segedu.datasets import CamVid, ToyStreet
from segedu.models import DeepLab, QuickUNet

STORED = RESULTS / "fifteen_minutes_choices.json"
QUESTION = "Which network goes into the fifteen minutes?"


class AtSize(nn.Module):
    """A network that sees every picture at one size, and whose logits are upsampled to that of the picture."""

    def __init__(self, network: nn.Module, size: tuple[int, int]):
        super().__init__()
        self.network, self.size = network, size

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, num_classes, H, W) logits of pictures (N, 3, H, W) in 0…1."""
        small = F.interpolate(image, size=self.size, mode="bilinear", antialias=True)
        return F.interpolate(self.network(small), size=image.shape[-2:], mode="bilinear")


@dataclass
class Candidate:
    """What is trained and how: the network, the size of the pictures it learns from, AdamW's rate, the augmentation.

    rendered: how many streets of ToyStreet it learns from as well; CamVid's by-drive part has 266 pictures.
    """

    build: Callable[[], nn.Module]
    size: tuple[int, int]
    rate: float
    scale: tuple[float, float] = (0.7, 1.6)
    colour: float = 0.3
    rendered: int = 0

    def transform(self) -> Callable:
        """The augmentation."""
        return transforms.augment(scale=self.scale, colour=self.colour)


HALF, TWO_THIRDS = (180, 240), (240, 320)  # of 360×480
quarter = partial(
    QuickUNet, CLASSES, width=32, depth=3, stride=4, stem="strided", upsampling="bilinear", convolutions=1
)
CANDIDATES = {
    "U-Net at a quarter": Candidate(quarter, HALF, 6e-3),
    "U-Net at a quarter, 240×320": Candidate(quarter, TWO_THIRDS, 6e-3),
    "U-Net at a quarter, wider": Candidate(partial(quarter, width=48), HALF, 6e-3),
    "U-Net at a quarter, wider, 240×320": Candidate(partial(quarter, width=48), TWO_THIRDS, 6e-3),
    "U-Net at a quarter, more augmentation": Candidate(quarter, HALF, 6e-3, scale=(0.7, 2.0), colour=0.5),
    "U-Net at a quarter, wider, and rendered streets": Candidate(partial(quarter, width=48), HALF, 6e-3, rendered=266),
    "DeepLab v3+": Candidate(partial(DeepLab, CLASSES, output_stride=16, rates=(1, 2, 3)), HALF, 3e-3),
    "smp DeepLabV3Plus resnet18": Candidate(partial(smp, "DeepLabV3Plus"), HALF, 1e-3),
    "smp Unet resnet18": Candidate(partial(smp, "Unet"), HALF, 1e-3),
    "SqueezeNet, pretrained": Candidate(PretrainedSqueezeNet, HALF, 1e-3),
    "SqueezeNet, pretrained, 240×320": Candidate(PretrainedSqueezeNet, TWO_THIRDS, 1e-3),
}


class LargeStreet:
    """CamVid: train of a protocol to learn from at any size, and what is scored at 480×360, by name."""

    def __init__(self, protocol: str, **scored: CamVid):
        self.protocol, self.scored = protocol, scored

    def train(self, size: tuple[int, int]) -> CamVid:
        """The pictures to learn from."""
        return CamVid("train", protocol=self.protocol, size=size)


def to_choose_on() -> LargeStreet:
    """Two drives to learn from, and half of the third to choose on."""
    return LargeStreet("by-drive", chosen_on=CamVid("val", protocol="by-drive"))


def learn(candidate: Candidate, street: LargeStreet, seconds: float, seed: int) -> tuple[nn.Module, int]:
    """A network trained for these seconds of computing, for pictures of any size, and from how many it has learnt."""
    torch.manual_seed(seed)
    network = candidate.build()
    train = street.train(candidate.size)
    loss = weighted_loss(train)  # looks at every picture, so reading them is no part of the training
    train.transform = candidate.transform()
    if candidate.rendered:
        streets = ToyStreet("train", length=candidate.rendered, size=candidate.size)
        list(streets)  # drawn before the clock starts, as the photographs are read
        streets.transform = candidate.transform()
        train = ConcatDataset([train, streets])
    pictures = fit_for(seconds, network, train, loss=loss, rate=candidate.rate, batch=BATCH, seed=seed).pictures
    return AtSize(network, candidate.size), pictures


def run(name: str, street: LargeStreet, seconds: int, seed: int) -> Scores:
    """Train the candidate of this name from one seed, and score it."""
    model, pictures = learn(CANDIDATES[name], street, seconds, seed)
    return row(model, street, pictures / seconds)


def table(stored: dict) -> str:
    """The stored rows for people, best first."""
    lines = [f"{'mean IoU in %':42s} {'chosen on':>10s} {'pictures/s':>11s} {'parameters':>12s}"]
    for name, found in sorted(stored["arms"].items(), key=lambda item: -statistics.mean(item[1]["chosen_on"].values())):
        score, speed = (statistics.mean(found[key].values()) for key in ("chosen_on", "pictures_per_second"))
        lines.append(f"{name:42s} {100 * score:10.1f} {speed:11.1f} {found['parameters']:12,d}")
    return "\n".join([*lines, f"{stored['seconds']} s each, {stored['machine']}"])


def main() -> None:
    """What each candidate has learnt."""
    compete(STORED, QUESTION, 90, CANDIDATES, run, table, seeds=(0,), make_street=to_choose_on)


if __name__ == "__main__":
    sys.exit(main())
