"""Lesson 05's pretrained arms: maps lie on the picture's grid, frozen stays frozen, the cat is the weights'."""

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torchvision.models import squeezenet1_0

import segedu
from benchmarks import cat, lesson_05_transfer
from benchmarks.lesson_05_transfer import SqueezeFCN
from segedu.datasets import ToyStreet


def scoring(seed: int = 0) -> SqueezeFCN:
    """A network whose score layers are not zero."""
    torch.manual_seed(seed)
    net = SqueezeFCN(3).eval()
    for score in net.scores:
        nn.init.normal_(score.weight, std=0.1)
    return net


@pytest.mark.parametrize("size", [(120, 160), (33, 50)])
def test_every_size_comes_back_and_scores_start_at_zero(size):
    torch.manual_seed(0)
    with torch.inference_mode():
        logits = SqueezeFCN(3).eval()(torch.rand(1, 3, *size))
    assert logits.shape == (1, 3, *size) and not logits.any()


def test_a_picture_moved_by_a_stride_moves_its_logits_and_one_turned_turns_them():
    """So positions of all three maps lie where they are upsampled to: a map beside its place would show in a mirror."""
    net, image = scoring(), torch.rand(1, 3, 321, 321, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        whole, moved = net(image), net(image[..., 16:, 16:])
        middle = slice(128, 192)
        torch.testing.assert_close(moved[..., middle, middle], whole[..., 144:208, 144:208], atol=1e-4, rtol=1e-4)
        for kernel in (part for part in net.modules() if isinstance(part, nn.Conv2d)):
            kernel.weight.copy_(
                (kernel.weight + kernel.weight.flip(-1)) / 2
            )  # a network that cannot tell left from right
        torch.testing.assert_close(net(image).flip(-1), net(image.flip(-1)), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("kind", ["frozen", "free"])
def test_a_frozen_backbone_stays_as_it_was_and_a_free_one_does_not(monkeypatch, kind):
    torch.manual_seed(3)
    weights = squeezenet1_0().state_dict()
    monkeypatch.setattr(lesson_05_transfer, "imagenet_weights", lambda: weights)
    monkeypatch.setattr(lesson_05_transfer, "STEPS", 2)
    made, network = [], lesson_05_transfer.network
    monkeypatch.setattr(lesson_05_transfer, "network", lambda *given: made.append(network(*given)) or made[-1])
    streets = ToyStreet("train", length=4)
    found = lesson_05_transfer.one_run(kind, streets, {"": streets}, segedu.losses.cross_entropy, seed=0)
    assert found.keys() == {"mean_iou", "pixel_accuracy"}
    first = made[0].backbone[0][0].weight
    assert torch.equal(first, weights["features.0.weight"]) == (kind == "frozen")
    assert all(score.weight.any() for score in made[0].scores)


def test_the_recorded_cat_is_what_the_weights_say():
    stored = load_file(cat.FILE)
    assert stored["answer"].argmax() == 285 and stored["cats"].shape == (5, 14, 22)
    torch.testing.assert_close(stored["cats"].mean((1, 2)), stored["answer"][cat.CATS])
    if segedu.download.find_data("weights"):
        found = cat.scores()
        for name, numbers in stored.items():
            torch.testing.assert_close(found[name], numbers, atol=0.05, rtol=0.01)
