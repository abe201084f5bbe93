"""Lesson 14's stored runs: how far to trust networks, those that ship and some trained here. Run by results.py.

Of the shipped networks a seed is another set of streets, ToyStreet("test", seed=seed); of those trained here it is
another training, scored on the same streets.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache, partial

import torch
from torch import nn

import segedu
from benchmarks.lesson_05 import RECIPE, network
from benchmarks.scoring import Arms, Scores, class_ious, logits_of
from benchmarks.weighing import weighted_loss
from segedu import corruptions, transforms
from segedu.corruptions import CORRUPTIONS
from segedu.datasets import ToyStreet
from segedu.inference import class_probabilities
from segedu.labels import STREET
from segedu.metrics import ConfusionMatrix, fit_temperature, reliability_curve

SHIPPED = {"FCN-8s": "fcn8s_toystreet", "U-Net": "unet_toystreet", "DeepLab v3+": "deeplab_v3plus_toystreet"}
STREETS = 8  # in each set
BACKGROUND = tuple(map(STREET.index, ("sky", "road")))
KNOBS = {
    "noise": (0, 2, 4),
    "clutter": (0, 2, 3),
    "scale": (0.5, 0.75, 1.5, 2),
    "weather": ("clear", "overcast", "fog", "rain", "dusk"),
}
VIEWS = {
    "plain": {},
    "flip": {"flip": True},
    "scales": {"scales": (0.75, 1, 1.25)},
    "both": {"flip": True, "scales": (0.75, 1, 1.25)},
}
LEARNT = ("noise", "blur")  # what the second arm of 14_trained meets; all others come as news
MEMBERS = 5  # of an ensemble

Samples = list[tuple[torch.Tensor, torch.Tensor]]


def streets(seed: int, length: int = STREETS, **knobs) -> Samples:
    """(image, mask) of a set of test streets, as plain tensors."""
    found = ToyStreet("test", seed=seed, length=length, **knobs)
    return [tuple(part.as_subclass(torch.Tensor) for part in sample) for sample in found]


def corrupted(samples: Samples, name: str, severity: int) -> Samples:
    """The same streets under one corruption; what something hides is void. "background" is that of the next street."""
    found = []
    for place, (image, mask) in enumerate(samples):
        if name == "background":
            other = samples[(place + 1) % len(samples)]
            image = corruptions.swap_background(image, mask, *other, severity, classes=BACKGROUND)
        else:
            image = CORRUPTIONS[name](image, severity, seed=place)
        if name == "occlusion":
            mask = mask.clone()
            mask[corruptions.occluded_window(mask.shape, severity, seed=place)] = 255
        found.append((image, mask))
    return found


def scores(probabilities: torch.Tensor, masks: torch.Tensor, prefix: str) -> Scores:
    """Mean IoU, pixel accuracy, mean confidence and calibration error of probabilities (N, K, H, W)."""
    confidence, ids = probabilities.max(1)
    matrix = ConfusionMatrix(len(STREET)).update(ids, masks)
    found = {
        "mean_iou": matrix.mean_iou(),
        "accuracy": matrix.pixel_accuracy(),
        "confidence": confidence[masks != 255].mean().item(),
        "calibration_error": reliability_curve((ids, confidence), masks).error,
    }
    return {f"{prefix}_{name}": value for name, value in found.items()}


def scored(net: nn.Module, samples: Samples, prefix: str) -> Scores:
    """The scores of a network on streets."""
    images, masks = map(torch.stack, zip(*samples, strict=True))
    return scores(logits_of(net, images).softmax(1), masks, prefix)


# The experiments: each gives {arm: function of a seed → scores}


def shipped(of: Callable[[nn.Module, int], Iterable[Scores]]) -> Arms:
    """{name of a shipped network: function of a seed, which is a set of streets → scores}."""

    def arm(name: str, seed: int) -> Scores:
        return {key: value for row in of(segedu.load(name), seed) for key, value in row.items()}

    return {title: partial(arm, name) for title, name in SHIPPED.items()}


def knobs() -> Arms:
    """Three shipped networks on streets with more noise, other clutter, scale and weather: what costs them most?

    Sets of eight streets; the same streets under every setting.
    """

    @lru_cache(maxsize=32)
    def drawn(seed: int, knob: str, value: float | str) -> Samples:
        return streets(seed, **{knob: value})

    def of(net: nn.Module, seed: int) -> Iterator[Scores]:
        yield scored(net, drawn(seed, "noise", 1), "natural")
        for knob, values in KNOBS.items():
            for value in values:
                yield scored(net, drawn(seed, knob, value), f"{knob}_{value}")

    return shipped(of)


def corrupted_streets() -> Arms:
    """Three shipped networks under seven corruptions at five severities: which breaks first, and on what?

    Sets of eight streets; the same streets under every corruption. Void below what occludes.
    """

    def of(net: nn.Module, seed: int) -> Iterator[Scores]:
        samples = streets(seed)
        yield scored(net, samples, "clean")
        for name in [*CORRUPTIONS, "background"]:
            for severity in (1, 2, 3, 4, 5):
                yield scored(net, corrupted(samples, name, severity), f"{name}_{severity}")

    return shipped(of)


def at_test_time() -> Arms:
    """Three shipped networks, whose probabilities are averaged over mirrored and scaled views: what does it bring?

    Sets of eight streets, clean and with noise of severity 3; scales 0.75, 1 and 1.25.
    """

    def of(net: nn.Module, seed: int) -> Iterator[Scores]:
        samples = streets(seed)
        masks = torch.stack([mask for _, mask in samples])
        for state, seen in (("clean", samples), ("noise", corrupted(samples, "noise", 3))):
            for view, options in VIEWS.items():
                found = torch.stack([class_probabilities(net, image, **options) for image, _ in seen])
                yield scores(found, masks, f"{state}_{view}")

    return shipped(of)


class MetOnTheWay:
    """A transform: half of the pictures meet one of some corruptions, at a severity from 1 to 4; masks stay.

    Its chance is its own, so that both arms see the same windows of the same pictures.
    """

    def __init__(self, names: tuple[str, ...], seed: int):
        self.names, self.chance = names, random.Random(seed)

    def __call__(self, image: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The picture, perhaps corrupted, and its mask."""
        if self.chance.random() < 0.5:
            return image, mask
        make, severity = CORRUPTIONS[self.chance.choice(self.names)], self.chance.randint(1, 4)
        return make(image.as_subclass(torch.Tensor), severity, seed=self.chance.randrange(2**31)), mask


class Both:
    """One transform after another."""

    def __init__(self, *steps: Callable):
        self.steps = steps

    def __call__(self, *sample: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The sample, after all of them."""
        for step in self.steps:
            sample = step(*sample)
        return sample


def trained() -> Arms:
    """FCN-8s, 100 steps: what do noise and blur among the training pictures bring and cost? And what do ensembles?

    Batches of 8 of 300 rendered streets, zoom, mirror and colours, AdamW from 5e-3, cross-entropy with class weights.
    The second arm sees half of its pictures with noise or blur of severity 1 to 4. Scored on 24 test streets, clean and
    under seven corruptions of severity 3. An ensemble is the mean of the probabilities of five trainings of the first
    arm, those of seeds s, s + 1 … s + 4 (after 9 comes 0).
    """
    train = ToyStreet("train", length=300)
    loss, usual = weighted_loss(train), transforms.augment(scale=(0.7, 1.6))
    test = streets(0, length=24)
    masks = torch.stack([mask for _, mask in test])
    states = {"clean": test} | {name: corrupted(test, name, 3) for name in [*CORRUPTIONS, "background"]}
    fitted = streets(1000, length=12)  # neither learnt from nor scored on

    @cache
    def net(learnt: tuple[str, ...], seed: int) -> nn.Module:
        train.transform = Both(usual, MetOnTheWay(learnt, seed)) if learnt else usual
        made = network(8, seed)
        segedu.fit(made, train, loss=loss, seed=seed, **RECIPE)
        return made

    @lru_cache(maxsize=2 * 10)
    def seen(seed: int, state: str) -> torch.Tensor:
        return probabilities(net((), seed), states[state])

    def arm(learnt: tuple[str, ...], seed: int) -> Scores:
        made = net(learnt, seed)
        found = {}
        for state, samples in states.items():
            found |= scored(made, samples, state)
        images, truth = map(torch.stack, zip(*fitted, strict=True))
        temperature = fit_temperature(logits_of(made, images), truth)
        for state in ("clean", "noise"):
            images, truth = map(torch.stack, zip(*states[state], strict=True))
            cooled = (logits_of(made, images) / temperature).softmax(1)
            found[f"{state}_cooled_calibration_error"] = reliability_curve(cooled, truth).error
        ids = logits_of(made, torch.stack([image for image, _ in test])).argmax(1)
        return found | {f"clean_{key}": value for key, value in class_ious(_matrix(ids, masks)).items()}

    def ensemble(seed: int) -> Scores:
        found = {}
        for state in ("clean", "noise"):
            together = sum(seen((seed + i) % 10, state).float() for i in range(MEMBERS)) / MEMBERS
            found |= scores(together, torch.stack([mask for _, mask in states[state]]), state)
        return found

    return {"usual": partial(arm, ()), "noise and blur": partial(arm, LEARNT), "ensemble of five": ensemble}


def probabilities(net: nn.Module, samples: Samples) -> torch.Tensor:
    """(N, K, H, W) float16: small enough to keep those of all trainings."""
    return logits_of(net, torch.stack([image for image, _ in samples])).softmax(1).half()


def _matrix(ids: torch.Tensor, masks: torch.Tensor) -> ConfusionMatrix:
    return ConfusionMatrix(len(STREET)).update(ids, masks)


EXPERIMENTS = {
    "14_knobs": knobs,
    "14_corruptions": corrupted_streets,
    "14_at_test_time": at_test_time,
    "14_trained": trained,
}
