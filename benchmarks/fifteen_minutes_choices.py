"""What was tried before fifteen_minutes.py, and on what: data/results/fifteen_minutes_choices.json.

    python -m benchmarks.fifteen_minutes_choices [--seconds 120] [--seeds 0] [--only NAME …] [--dry]

Every candidate, ours and other people's, is trained for the same seconds as in fifteen_minutes.py, on the same two
drives of CamVid at 480×360, and scored on the half of the third drive that is there for choosing ("chosen_on"). What
fifteen_minutes.py scores, nobody has looked at here. The best of each kind goes on.
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

from benchmarks.learning_per_minute import BATCH, CLASSES, SIZE, PretrainedSqueezeNet, compete, fit_for, smp
from benchmarks.scoring import Scores
from benchmarks.storing import RESULTS
from benchmarks.weighing import weighted_loss
from segedu import evaluate, transforms
from segedu.datasets import CamVid
from segedu.models import FCN, DeepLab, QuickUNet

STORED = RESULTS / "fifteen_minutes_choices.json"
QUESTION = "Which network goes into the fifteen minutes?"


class AtPart(nn.Module):
    """A network that sees the picture at a part of its size, and whose logits are upsampled to the whole."""

    def __init__(self, network: nn.Module, part: float):
        super().__init__()
        self.network, self.part = network, part

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, num_classes, H, W) logits of pictures (N, 3, H, W) in 0…1."""
        height, width = image.shape[-2:]
        size = (round(self.part * height), round(self.part * width))
        small = F.interpolate(image, size=size, mode="bilinear", antialias=True)  # (N, 3, part·H, part·W)
        return F.interpolate(self.network(small), size=(height, width), mode="bilinear")


@dataclass
class Candidate:
    """What is trained and how: the network, the part of the size at which it works, AdamW's rate, the augmentation."""

    network: Callable[[], nn.Module]
    part: float
    rate: float
    scale: tuple[float, float] = (0.7, 1.6)
    colour: float = 0.3

    def build(self) -> nn.Module:
        """The network with new weights, for pictures of the whole size."""
        return self.network() if self.part == 1 else AtPart(self.network(), self.part)

    def transform(self) -> Callable:
        """The augmentation."""
        return transforms.augment(scale=self.scale, colour=self.colour)


quarter = partial(QuickUNet, CLASSES, stride=4, stem="strided", upsampling="bilinear", convolutions=1)
u_net = partial(quarter, width=32, depth=3)
v3plus = partial(DeepLab, CLASSES, output_stride=16, rates=(1, 2, 3))
CANDIDATES = {
    "U-Net at a quarter": Candidate(u_net, 0.5, 6e-3),
    "U-Net at a quarter, 2/3 of the size": Candidate(u_net, 2 / 3, 6e-3),
    "U-Net at a quarter, wider": Candidate(partial(u_net, width=48), 0.5, 6e-3),
    "U-Net at a quarter, more augmentation": Candidate(u_net, 0.5, 6e-3, scale=(0.7, 2.0), colour=0.5),
    "DeepLab v3+": Candidate(v3plus, 0.5, 3e-3),
    "FCN-8s": Candidate(partial(FCN, CLASSES), 0.5, 3e-3),
    "smp DeepLabV3Plus resnet18": Candidate(partial(smp, "DeepLabV3Plus"), 0.5, 1e-3),
    "smp Unet resnet18": Candidate(partial(smp, "Unet"), 0.5, 1e-3),
    "SqueezeNet, pretrained": Candidate(PretrainedSqueezeNet, 0.5, 1e-3),
    "SqueezeNet, pretrained, whole size": Candidate(PretrainedSqueezeNet, 1, 1e-3),
}


class LargeStreet:
    """CamVid's pictures at 480×360, read once: train of a protocol to learn from, and what is scored, by name."""

    def __init__(self, protocol: str, **scored: CamVid):
        self.train = CamVid("train", protocol=protocol)
        # the classes' shares are those of smaller masks, which are counted in a tenth of the time
        self.loss = weighted_loss(CamVid("train", protocol=protocol, size=SIZE))
        self.scored = scored


def to_choose_on() -> LargeStreet:
    """Two drives to learn from, and half of the third to choose on."""
    return LargeStreet("by-drive", chosen_on=CamVid("val", protocol="by-drive"))


def learn(candidate: Candidate, street: LargeStreet, seconds: float, seed: int) -> tuple[nn.Module, int]:
    """A network trained for these seconds of computing, and how many pictures it has learnt from."""
    torch.manual_seed(seed)
    model, street.train.transform = candidate.build(), candidate.transform()
    recipe = {"loss": street.loss, "rate": candidate.rate, "batch": BATCH, "seed": seed}
    return model, fit_for(seconds, model, street.train, **recipe).pictures


def row(model: nn.Module, street: LargeStreet, speed: float) -> Scores:
    """What is stored of a trained network: parameters, pictures a second, and the mean IoU of all that is scored."""
    scores = {name: round(evaluate(model, data).mean_iou(), 4) for name, data in street.scored.items()}
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return {"parameters": parameters, "pictures_per_second": round(speed, 1), **scores}


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
    compete(STORED, QUESTION, 120, CANDIDATES, run, table, seeds=(0,), make_street=to_choose_on)


if __name__ == "__main__":
    sys.exit(main())
