"""Lesson 13's stored runs: names through ten clips, flicker on a real one, one object followed. Run by results.py."""

from __future__ import annotations

from functools import lru_cache, partial

import numpy as np
import torch
from torch.utils.data import Subset

import segedu
from benchmarks.lesson_05 import SIZE, network, one_round
from benchmarks.scoring import Arms, Scores, classes_of, logits_of
from benchmarks.weighing import weighted_loss
from segedu import transforms
from segedu.datasets import CamVid, Davis, ToyStreet
from segedu.inference import track
from segedu.labels import OBJECTS, STREET
from segedu.masks import object_classes
from segedu.metrics import ConfusionMatrix, id_metrics, temporal_consistency
from segedu.models import DeepLab

FRAMES = 60
MOVERS = [STREET.index(name) for name in ("car", "pedestrian", "bicyclist")]
LEAST_AREA = 60  # pixels: networks of this size overlook what is smaller, and tracking is the question here
Maps = list[np.ndarray]


@lru_cache(maxsize=2)
def filmed(index: int, rate: int) -> tuple[list, Maps, Maps]:
    """The pictures, classes and objects of one clip."""
    images, masks, ids = zip(*ToyStreet("val", instances=True).clip(FRAMES, index, rate=rate), strict=True)
    return list(images), [mask.numpy() for mask in masks], [one.numpy() for one in ids]


def large_movers(ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """(H, W): the ids of cars, people and cyclists of at least LEAST_AREA pixels; the others become 0."""
    area = np.bincount(ids.ravel())
    kept = [i for i, label in object_classes(mask, ids).items() if label in MOVERS and area[i] >= LEAST_AREA]
    return np.where(np.isin(ids, kept), ids, 0)


@lru_cache(maxsize=2)
def found(network: str, method: str, index: int) -> Maps:
    """The large movers that a shipped network finds in each picture, under names that mean nothing."""
    model = segedu.load(network)
    answers = [
        segedu.instance_segmentation(model, image, method=method, return_scores=True)
        for image in filmed(index, 10)[0]
    ]  # fmt: skip
    return [large_movers(one.ids, one.mask) for one in answers]


def names() -> Arms:
    """Do objects keep their names through 60 pictures, by overlap alone and with motion?

    True masks of all objects, at 10 and at 5 pictures a second; of cars, people and cyclists of 60 pixels and more; and
    those that shipped networks find. A seed is a clip: nothing is trained or random. idf1_possible is what perfect
    names for the objects found would score; switches_per_object counts the objects of every picture.
    """

    def arm(source: str, motion: bool, index: int) -> Scores:
        rate = 5 if source.endswith("5 a second") else 10
        _, masks, objects = filmed(index, rate)
        truth = list(map(large_movers, objects, masks)) if source in (LARGE, *NETWORKS) else objects
        given = found(*NETWORKS[source], index) if source in NETWORKS else truth
        score = id_metrics(track(given, motion=motion), truth)
        return {
            "idf1": score.idf1(),
            "idf1_possible": 2 * score.matched / (score.true + score.found),
            "switches_per_object": score.switches / score.true,
        }

    sources = ("true masks", "true masks, 5 a second", LARGE, *NETWORKS)
    return {
        f"{source}, {'motion' if motion else 'no motion'}": partial(arm, source, motion)
        for source in sources
        for motion in (False, True)
    }


LARGE = "true masks, large movers"
NETWORKS = {
    "DeepLab v3+, large movers": ("deeplab_v3plus_toystreet", "watershed"),
    "panoptic, large movers": ("panoptic_toystreet", "centres"),
}


def flicker() -> Arms:
    """How much do FCN-32s and 8s, 100 steps on CamVid's train, flicker on its val, a clip of 101 pictures at 15 Hz?

    Picture by picture, and by the mean of the probabilities of three pictures. Other parts of val's drive are in train.
    """
    train = CamVid("train", size=SIZE)
    images, masks = map(torch.stack, zip(*CamVid("val", size=SIZE), strict=True))
    loss = weighted_loss(train)

    def arm(stride: int, seed: int) -> Scores:
        single = logits_of(one_round(network(stride, seed), train, loss, seed), images).softmax(1)
        mean = single.clone()
        mean[1:-1] = (single[:-2] + single[1:-1] + single[2:]) / 3
        scores = {}
        for name, answer in (("single", single.argmax(1)), ("mean", mean.argmax(1))):
            scores[f"{name}_consistency"] = temporal_consistency(answer, masks)
            scores[f"{name}_mean_iou"] = ConfusionMatrix(len(STREET)).update(answer, masks).mean_iou()
        return scores

    return {f"FCN-{stride}s": partial(arm, stride) for stride in (32, 8)}


def one_object() -> Arms:
    """How far does a network get that learns one object from the first picture of a clip, 40 steps, and no other photo?

    It begins with the weights of DeepLab v3+ for rendered streets. IoU with the outlines, mean over the pictures after
    the first; `unmoved` is the first outline, left where it was.
    """
    size = (120, 216)

    def arm(clip: str, seed: int) -> Scores:
        images, masks = map(torch.stack, zip(*Davis(clip, size=size), strict=True))
        first = Davis(clip, size=size, transform=transforms.augment(scale=(0.8, 1.25)))
        torch.manual_seed(seed)
        net = for_one_object()
        segedu.fit(net, Subset(first, [0] * 64), steps=40, batch_size=4, learning_rate=3e-3, seed=seed, progress=False)
        answers = {"network": classes_of(net, images), "unmoved": masks[:1].expand_as(masks)}
        iou = {name: each_iou(answer[1:] > 0, masks[1:] > 0) for name, answer in answers.items()}
        return {name: values.mean().item() for name, values in iou.items()} | {
            "network_last_third": iou["network"][-(len(masks) // 3) :].mean().item()
        }

    return {clip: partial(arm, clip) for clip in ("blackswan", "car-roundabout", "car-shadow", "scooter-black")}


def for_one_object() -> DeepLab:
    """DeepLab v3+ for object and background, with the weights of the one for streets in all but the last layer."""
    known = segedu.load("deeplab_v3plus_toystreet").state_dict()
    net = DeepLab(len(OBJECTS), head="v3+", rates=(4, 8, 12))
    own = net.state_dict()
    net.load_state_dict(own | {name: value for name, value in known.items() if value.shape == own[name].shape})
    return net


def each_iou(found: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    """(T,): the IoU of each picture's masks (T, H, W), booleans."""
    return (found & true).sum((1, 2)) / (found | true).sum((1, 2)).clamp_min(1)


EXPERIMENTS = {"13_names": names, "13_flicker": flicker, "13_one_object": one_object}
