"""Lesson 14's runs on trainings of lesson 10: what breaks them, what repairs, five in one. Run by results.py."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial

import torch
from torch import nn

from benchmarks.lesson_10 import CLASSES, NETWORKS, SIZE, STEPS, WIDTH, learn
from benchmarks.lesson_14 import Samples, corrupted
from benchmarks.scoring import Arms, Scores, classes_of, logits_of
from segedu.corruptions import CORRUPTIONS, blur, swap_background
from segedu.datasets import ToyStreet
from segedu.inference import class_probabilities
from segedu.labels import STREET
from segedu.metrics import ConfusionMatrix, expected_calibration_error

SEVERITIES = (1, 2, 3, 4, 5)
STREETS = 16  # of the test part, that all are scored on
MEMBERS = 5  # trainings that answer together
BACKGROUND = [STREET.index("sky"), STREET.index("road")]
VIEWS = {"flip": {"flip": True}, "scales": {"scales": (0.75, 1, 1.25)}}

Stacked = tuple[torch.Tensor, torch.Tensor]  # images (N, 3, H, W) and masks (N, H, W)


def with_other_background(samples: Samples, severity: int) -> Samples:
    """Each picture with the sky and the road of the next one, the last with those of the first."""
    pairs = zip(samples, [*samples[1:], samples[0]], strict=True)
    return [(swap_background(*seen, *other, severity, classes=BACKGROUND), seen[1]) for seen, other in pairs]


def conditions(samples: Samples) -> dict[str, Stacked]:
    """{"clean", "noise 1" … "occlusion 5", "background 1" … "background 5": the pictures there}."""
    found = {"clean": samples}
    for name in CORRUPTIONS:
        found |= {f"{name} {severity}": corrupted(samples, name, severity) for severity in SEVERITIES}
    found |= {f"background {severity}": with_other_background(samples, severity) for severity in SEVERITIES}
    return {name: tuple(map(torch.stack, zip(*seen, strict=True))) for name, seen in found.items()}


def mean_iou(ids: torch.Tensor, masks: torch.Tensor) -> float:
    """Of these class ids."""
    return ConfusionMatrix(CLASSES).update(ids, masks).mean_iou()


def repaired(net: nn.Module, state: str, images: torch.Tensor, masks: torch.Tensor) -> Scores:
    """Mean IoU with each of the lesson's three repairs at test time: {"noise 3, flip": …}."""
    answers = {
        way: torch.stack([class_probabilities(net, image, **options).argmax(0) for image in images])
        for way, options in VIEWS.items()
    }
    answers["blur first"] = classes_of(net, torch.stack([blur(image, 2) for image in images]))
    return {f"{state}, {way}": mean_iou(ids, masks) for way, ids in answers.items()}


def trained(name: str, train: ToyStreet, seed: int) -> nn.Module:
    """The network of 10_time of this seed."""
    net, _ = learn(partial(NETWORKS[name], width=WIDTH), train, STEPS[name], seed)
    return net


def breaks() -> Arms:
    """The three networks of 10_time: which breaks first, and on what?

    Mean IoU on 16 test streets, clean, under each of six corruptions and with another street's sky and road, five
    severities each; and, clean and with noise of severity 3, with the three repairs at test time.
    """
    train = ToyStreet("train", length=400, size=SIZE)
    seen = conditions(list(ToyStreet("test", length=STREETS, size=SIZE)))

    def arm(name: str, seed: int) -> Scores:
        net = trained(name, train, seed)
        found = {state: mean_iou(classes_of(net, images), masks) for state, (images, masks) in seen.items()}
        for state in ("clean", "noise 3"):
            found |= repaired(net, state, *seen[state])
        return found

    return {name: partial(arm, name) for name in NETWORKS}


def answer_scores(probabilities: torch.Tensor, masks: torch.Tensor, state: str) -> Scores:
    """Mean IoU and calibration error of what was held probable, (N, K, H, W)."""
    return {
        f"{state}, mean_iou": mean_iou(probabilities.argmax(1), masks),
        f"{state}, calibration_error": expected_calibration_error(probabilities, masks),
    }


def alone(answers: torch.Tensor, masks: torch.Tensor, state: str) -> Scores:
    """The mean of the members' own scores; answers: (members, N, K, H, W)."""
    rows = [answer_scores(answer, masks, state) for answer in answers]
    return {score: sum(row[score] for row in rows) / len(rows) for score in rows[0]}


def together(answers: torch.Tensor, masks: torch.Tensor, state: str) -> Scores:
    """The scores of the mean of the members' answers; answers: (members, N, K, H, W)."""
    return answer_scores(answers.mean(0), masks, state)


def ensemble() -> Arms:
    """FCN-8s of 10_time, five trainings a seed: what does the mean of their answers know more than each alone?

    Seed 0 has the trainings 0 … 4, seed 1 has 5 … 9, and so on. Mean IoU and calibration error on 16 test streets,
    clean and with noise of severity 4.
    """
    train = ToyStreet("train", length=400, size=SIZE)
    clean = list(ToyStreet("test", length=STREETS, size=SIZE))
    seen = {"clean": clean, "noise 4": corrupted(clean, "noise", 4)}
    seen = {state: tuple(map(torch.stack, zip(*samples, strict=True))) for state, samples in seen.items()}

    @lru_cache(maxsize=1)
    def answers(seed: int) -> dict[str, torch.Tensor]:
        members = [trained("FCN-8s", train, member) for member in range(MEMBERS * seed, MEMBERS * (seed + 1))]
        return {
            state: torch.stack([logits_of(net, images).softmax(1) for net in members])
            for state, (images, _) in seen.items()
        }

    def arm(judge: Callable[[torch.Tensor, torch.Tensor, str], Scores], seed: int) -> Scores:
        found = answers(seed)
        rows = (judge(found[state], masks, state) for state, (_, masks) in seen.items())
        return {score: value for row in rows for score, value in row.items()}

    return {"one": partial(arm, alone), "five": partial(arm, together)}


EXPERIMENTS = {"14_breaks": breaks, "14_ensemble": ensemble}
