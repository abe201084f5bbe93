"""Lesson 15's stored runs: how many pictures of your own, and where should the network start? Run by results.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import nn
from torch.utils.data import Dataset, Subset

import segedu
from benchmarks.lesson_05_transfer import SqueezeFCN, imagenet_weights
from benchmarks.scoring import Arms, Scores, matrix_scores
from segedu import losses, transforms
from segedu.datasets import CamVid
from segedu.labels import IGNORE_INDEX, STREET
from segedu.models import BackboneUNet, QuickUNet

SIZE = (120, 160)
COUNTS = (10, 50)  # photographs to learn from; and all
STEPS, BATCH = 60, 4
RAREST = 1e-3  # a class is weighed as if it had this share of the pixels at least: ten pictures may lack it
# Tried in steps of about three for seed 100 on 50 pictures, by mean IoU on CamVid's val by drive: scratch 0.003 and
# 0.01, ToyStreet 0.0003 to 0.01, ImageNet 0.003 and 0.01; decoder three pairs, by plain cross-entropy. That of bare
# SqueezeNet is lesson 05's.
RATES = {"scratch": 1e-2, "ToyStreet": 3e-4, "ImageNet": 1e-2, "bare SqueezeNet": 1e-3, "ImageNet, decoder": 3e-3}
FREE = 1e-3  # with a decoder: of the second half, in which the backbone learns, too


def network(start: str, seed: int) -> nn.Module:
    """The network of an arm, before its training; what "frozen" holds does not learn yet.

    scratch and ToyStreet are one small U-Net, by chance or with the weights that ship. The others stand on SqueezeNet:
    "ImageNet" is lesson 05's FCN with the weights of ImageNet, which it keeps; "bare SqueezeNet" the same by chance;
    "ImageNet, decoder" a U-Net, whose decoder begins by chance.
    """
    if start == "ToyStreet":
        return segedu.load("unet_toystreet")
    torch.manual_seed(seed)
    if start == "scratch":
        return QuickUNet(len(STREET), width=16, depth=3, stride=2)
    if start == "ImageNet, decoder":
        net = BackboneUNet(len(STREET), backbone="squeezenet1_0", pretrained=True)
    else:
        net = SqueezeFCN(len(STREET), imagenet_weights() if start == "ImageNet" else None)
    net.backbone.requires_grad_(start == "bare SqueezeNet")
    return net


def learn(net: nn.Module, start: str, train: Dataset, loss: Callable, *, seed: int, steps: int = STEPS) -> None:
    """Train it for this many steps. Below a decoder, the backbone keeps its weights for the first half of them."""
    recipe = {"batch_size": BATCH, "seed": seed, "progress": False, "loss": loss}
    rate = RATES[start]
    if start == "ImageNet, decoder":
        segedu.fit(net, train, steps=steps // 2, learning_rate=rate, **recipe)
        net.backbone.requires_grad_(True)
        steps, rate = steps - steps // 2, FREE
    segedu.fit(net, train, steps=steps, learning_rate=rate, **recipe)


def weighted(pictures: Dataset) -> Callable[..., torch.Tensor]:
    """Cross-entropy with weights 1 / √(share of the pixels) of these pictures, as lesson 04 weighs them."""
    masks = torch.stack([mask for _, mask in pictures])
    counts = torch.bincount(masks[masks != IGNORE_INDEX], minlength=len(STREET))
    return partial(losses.cross_entropy, class_weights=(counts / counts.sum()).clamp(min=RAREST).rsqrt())


def spread(count: int, of: int, seed: int) -> list[int]:
    """The places of pictures that lie evenly over a row of drives; each seed begins elsewhere."""
    first = seed % 10 * of / (10 * count)  # ten seeds fill the gap between two
    return [int(first + place * of / count) for place in range(count)]


def clip(count: int, of: int, seed: int) -> list[int]:
    """The places of as many pictures that follow each other; each seed begins elsewhere."""
    first = seed % 10 * of // 10
    return [(first + place) % of for place in range(count)]


def one_run(
    start: str, drives: dict[str, Dataset], places: Callable[[int], list[int]], seed: int, steps: int = STEPS
) -> Scores:
    """The scores of one network; drives: "train", "varied" (the same, augmented) and "test"; places: by the seed."""
    taken, net = places(seed), network(start, seed)
    loss = weighted(Subset(drives["train"], taken))
    learn(net, start, Subset(drives["varied"], taken), loss, seed=seed, steps=steps)
    return matrix_scores(segedu.evaluate(net, drives["test"]))


def as_it_is(test: Dataset, seed: int) -> Scores:
    """The scores of the shipped network, which has seen no photograph; all seeds have the same."""
    return matrix_scores(segedu.evaluate(network("ToyStreet", seed), test))


def own_pictures(counts: Sequence[int] = COUNTS) -> Arms:
    """From rendered streets to photographs: how many are needed, and where should the network start?

    60 steps of 4 photographs on 10, 50 or all 266 of two of CamVid's drives, 160×120; scored on another drive (test).
    scratch and ToyStreet: a small U-Net, by chance or with the weights that it learnt on rendered streets.
    ImageNet: lesson 05's FCN on SqueezeNet, of which three score layers learn; bare SqueezeNet: all of it, by chance.
    decoder: a U-Net on SqueezeNet, whose backbone learns from step 30 on. 3 times the steps: 180.
    a clip: the pictures follow each other in time, instead of being spread over the drives.
    """
    camvid = partial(CamVid, protocol="by-drive", size=SIZE)
    drives = {"train": camvid("train"), "varied": camvid("train", transform=transforms.augment(scale=(0.7, 1.6)))}
    drives["test"] = camvid("test")
    (few, many), of = counts, len(drives["train"])
    arms = {"ToyStreet, 0": partial(as_it_is, drives["test"])}
    for count in (few, many, of):
        for start in ("scratch", "ToyStreet", "ImageNet"):
            arms[f"{start}, {count}"] = partial(one_run, start, drives, partial(spread, count, of))
    taken = partial(spread, many, of)
    arms[f"ToyStreet, {few}, a clip"] = partial(one_run, "ToyStreet", drives, partial(clip, few, of))
    arms[f"bare SqueezeNet, {many}"] = partial(one_run, "bare SqueezeNet", drives, taken)
    arms[f"ImageNet, decoder, {many}"] = partial(one_run, "ImageNet, decoder", drives, taken)
    arms[f"scratch, {many}, 3 times the steps"] = partial(one_run, "scratch", drives, taken, steps=3 * STEPS)
    return arms


EXPERIMENTS = {"15_own_pictures": own_pictures}
