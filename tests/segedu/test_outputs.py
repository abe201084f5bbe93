"""Other people's networks: what they give is read as its makers mean it, or refused with the way out."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

import segedu
from segedu.models import SmallNet, UNet, outputs

GREEN = np.zeros((40, 52, 3), np.uint8)  # no multiple of 32
GREEN[10:20, 10:30, 1] = 255
TRUTH = torch.from_numpy(GREEN[..., 1] // 255).long()
DATA = [(torch.from_numpy(GREEN).permute(2, 0, 1) / 255, TRUTH)] * 2


class Gives(nn.Module):
    """A network that gives `form` of the logits (1 where no green is, 2 · green)."""

    def __init__(self, form):
        super().__init__()
        self.form = form

    def forward(self, x):
        return self.form(torch.stack([torch.ones_like(x[:, 1]), 2 * x[:, 1]], 1))


@dataclass
class Output:
    logits: torch.Tensor


FORMS = {
    "logits": lambda x: x,
    "torchvision's": lambda x: {"out": x, "aux": -x},
    "a dict of logits": lambda x: {"logits": x},
    "an object": Output,
    "probabilities": lambda x: x.softmax(1),
    "one logit": lambda x: x[:, 1:] - x[:, :1],
    "double": lambda x: x.double(),
    "half": lambda x: x.half(),
    "a class switched off": lambda x: torch.cat([x, torch.full_like(x[:, :1], -torch.inf)], 1),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_of_output_gives_the_same_map_score_and_objects(name):
    network = Gives(FORMS[name])
    assert np.array_equal(segedu.semantic_segmentation(network, GREEN), TRUTH.numpy())
    assert segedu.evaluate(network, DATA).mean_iou() == pytest.approx(1) or name == "a class switched off"
    labels = segedu.labels.OBJECTS if name != "a class switched off" else None
    if labels:
        found = segedu.instance_segmentation(network, GREEN, return_scores=True)
        assert (found.ids > 0).sum() == 200
        assert found.scores == {1: pytest.approx(torch.sigmoid(torch.tensor(1.0)).item(), abs=1e-3)}


@pytest.mark.parametrize("stride", [2, 4, 8])
@pytest.mark.parametrize("tile", [None, 64])
def test_logits_of_a_part_of_the_size_are_enlarged(stride, tile):
    """Hugging Face's networks give a quarter of the height and width."""
    network = Gives(lambda x: F.avg_pool2d(x, stride, ceil_mode=True))
    blocks = torch.rand(12, 9, generator=torch.Generator().manual_seed(0)).gt(0.5)
    green = np.zeros((96, 72, 3), np.uint8)
    green[..., 1] = 255 * blocks.repeat_interleave(8, 0).repeat_interleave(8, 1).numpy()
    found = segedu.semantic_segmentation(network, green, tile=tile)
    assert found.shape == (96, 72) and (found == green[..., 1] // 255).mean() > 0.85
    assert segedu.semantic_segmentation(network, green[:71, :69], tile=tile, margin=64).shape == (71, 69)


REFUSED = {
    "class ids": (lambda x: x.argmax(1), ValueError, "without argmax"),
    "no axis of classes": (lambda x: x[:, 0], ValueError, "axis of classes"),
    "a tuple": (lambda x: (x, x), TypeError, r"tuple of 2.*self\.network\(x\)\[0\]"),
    "a dict of others": (lambda x: {"masks": x}, TypeError, "dict with 'masks'"),
    "NaN": (lambda x: x * torch.nan, ValueError, "nan at 2080 of 2080"),
    "infinity": (lambda x: x / 0 * x.sign(), ValueError, "inf|nan"),
    "a sigmoid": (lambda x: (x[:, 1:] - x[:, :1]).sigmoid(), ValueError, "sigmoid"),
    "larger": (lambda x: F.interpolate(x, scale_factor=2), ValueError, "80 × 104"),
    "a frame lost": (lambda x: x[..., 2:-2, 2:-2], ValueError, "output_size"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_map_of_logits_is_refused_by_all_alike(name):
    form, error, words = REFUSED[name]
    for ask in (
        lambda net: segedu.semantic_segmentation(net, GREEN),
        lambda net: segedu.instance_segmentation(net, GREEN),
        lambda net: segedu.evaluate(net, DATA[:1]),
    ):
        with pytest.raises(error, match=words):
            ask(Gives(form))


def test_the_advice_for_one_output_holds():
    logits = torch.rand(1, 1, 4, 5)  # all in 0…1
    with pytest.raises(ValueError, match="torch.cat"):
        outputs.class_logits(logits)
    two = outputs.class_logits(torch.cat([torch.zeros_like(logits), logits], 1))
    assert torch.allclose(two.softmax(1)[:, 1:], logits.sigmoid())


class StopsAt(SmallNet):
    """As segmentation_models_pytorch: only multiples of 32."""

    def forward(self, image):
        if image.shape[-2] % 32 or image.shape[-1] % 32:
            raise RuntimeError(f"Wrong input shape height={image.shape[-2]}, width={image.shape[-1]}.")
        return super().forward(image)


def test_a_network_of_multiples_of_32_sees_the_picture_continued():
    network = StopsAt(2, width=4)
    ids = segedu.semantic_segmentation(network, GREEN)
    continued = np.pad(GREEN, ((0, 24), (0, 12), (0, 0)), mode="edge")
    assert np.array_equal(ids, segedu.semantic_segmentation(network, continued)[:40, :52])
    assert segedu.evaluate(network, DATA).counts.sum() == 2 * TRUTH.numel()
    with pytest.raises(ValueError, match=r"multiples of 32 only.*augment\(\(64, 64\)\)"):
        segedu.fit(network, DATA, steps=1, batch_size=2, progress=False)


def test_class_ids_from_256_on_need_integers_that_hold_them():
    network = Gives(lambda x: torch.arange(300.0).view(1, -1, 1, 1).expand(len(x), -1, *x.shape[2:]))
    for kind in (np.uint16, np.int32, np.dtype(">i8")):
        assert set(segedu.semantic_segmentation(network, GREEN, out=np.zeros((40, 52), kind)).ravel()) == {299}
    with pytest.raises(ValueError, match=r"out=np.zeros\(\(40, 52\), np.int32\)"):
        segedu.semantic_segmentation(network, GREEN)
    with pytest.raises(ValueError, match="300 classes, but int8 holds"):
        segedu.semantic_segmentation(network, GREEN, out=np.zeros((40, 52), np.int8))
    for ask in (lambda: segedu.instance_segmentation(network, GREEN), lambda: segedu.evaluate(network, DATA)):
        with pytest.raises(ValueError, match="300 classes"):
            ask()
    with pytest.raises(ValueError, match="255 classes at most, got 300"):
        segedu.labels.LabelTable(tuple(map(str, range(300))), tuple((i // 256, i % 256, 7) for i in range(300)))


def test_out_must_be_an_array_that_may_be_written_to():
    frozen = np.zeros((40, 52), np.uint8)
    frozen.flags.writeable = False
    for out, words in ((frozen, "read-only"), (torch.zeros(40, 52, dtype=torch.uint8), "integer array"), ([], "list")):
        with pytest.raises(ValueError, match=words):
            segedu.semantic_segmentation(Gives(FORMS["logits"]), GREEN, out=out)


WRAPPERS = {
    "DataParallel": nn.DataParallel,
    "Sequential": lambda net: nn.Sequential(net, nn.Softmax(dim=1)),
    "behind a layer": lambda net: nn.Sequential(nn.Identity(), net),
    "compiled": lambda net: torch.compile(net, backend="eager"),
}


@pytest.mark.parametrize("name", WRAPPERS)
@pytest.mark.parametrize("make", [SmallNet, lambda n, **how: UNet(n, depth=2, padding=False, **how)])
def test_a_wrapped_network_takes_what_its_inside_says(name, make):
    if name == "compiled" and make is not SmallNet:
        pytest.skip("torch.compile takes long for sizes that it has not seen")
    network = make(2, in_channels=1, width=4).eval()
    network.labels = segedu.labels.OBJECTS
    wrapped = WRAPPERS[name](network)
    grey = GREEN[..., 1]
    assert np.array_equal(segedu.semantic_segmentation(wrapped, grey), segedu.semantic_segmentation(network, grey))
    assert segedu.instance_segmentation(wrapped, grey).shape == grey.shape
    if name == "DataParallel":
        assert np.array_equal(
            segedu.semantic_segmentation(wrapped, grey, tile=64, margin=0),
            segedu.semantic_segmentation(network, grey, tile=64, margin=0),
        )


def test_channels_are_read_from_configs_of_other_libraries_and_from_the_first_convolution():
    network = nn.Conv2d(1, 2, 3, padding=1)
    assert segedu.semantic_segmentation(network, GREEN).shape == (40, 52)
    assert outputs.input_channels(nn.Conv2d(64, 2, 1)) == 3
    network = Gives(FORMS["logits"])
    for config, channels in ((SimpleNamespace(num_channels=4), 4), ({"in_channels": 1}, 1), (SimpleNamespace(), 3)):
        network.config = config
        assert outputs.input_channels(network) == channels
    infrared = np.zeros((40, 52, 5), np.uint8)
    assert segedu.semantic_segmentation(SmallNet(2, in_channels=5, width=4), infrared).shape == (40, 52)
    with pytest.raises(ValueError, match=r"4 channels, this one has 3.*\(H, W, 4\)"):
        segedu.semantic_segmentation(SmallNet(2, in_channels=4, width=4), GREEN)
    with pytest.raises(ValueError, match="in_channels=3"):
        SmallNet(2, in_channels=1, width=4)(torch.rand(1, 3, 40, 40))


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_a_network_gets_pictures_in_its_own_precision(kind):
    network = SmallNet(2, width=4).to(kind)
    assert segedu.semantic_segmentation(network, GREEN, tile=64, margin=0).shape == (40, 52)
    assert segedu.evaluate(network, [(image.to(torch.float64), mask) for image, mask in DATA]).counts.sum() > 0
    if kind == torch.float64:
        assert len(segedu.fit(network, DATA, steps=1, batch_size=2, progress=False).loss) == 1
    else:
        with pytest.raises(ValueError, match=r"model\.float\(\)"):
            segedu.fit(network, DATA, steps=1, batch_size=2, progress=False)


def test_torchvisions_networks_learn_with_losses_of_logits_and_of_the_whole_dict():
    torch.manual_seed(0)
    network = torchvision.models.segmentation.lraspp_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=2
    )
    for loss in (
        segedu.losses.dice_loss,
        nn.CrossEntropyLoss(ignore_index=255),
        lambda output, mask: F.cross_entropy(output["out"], mask),
    ):
        history = segedu.fit(network, DATA, steps=2, batch_size=2, loss=loss, progress=False)
        assert history.loss[0] > 0
    assert segedu.semantic_segmentation(network, GREEN).shape == (40, 52)


def test_logits_of_a_quarter_of_the_size_are_learnt_at_full_size():
    network = nn.Sequential(nn.Conv2d(3, 2, 4, stride=4))
    history = segedu.fit(network, DATA, steps=60, batch_size=2, learning_rate=0.1, progress=False)
    assert history.loss[-1] < 0.7 * history.loss[0]
    assert segedu.evaluate(network, DATA).mean_iou() > 0.8


def started_between(low, high, network):
    """The network, untrained, its last layer such that all logits of GREEN lie between."""
    with torch.no_grad():
        network.score.weight.mul_(1e-3)
        network.score.bias.fill_((low + high) / 2)
    return network


class Ends(nn.Module):
    def __init__(self, end):
        super().__init__()
        self.network, self.end = started_between(0, 1, SmallNet(1, width=4)), end

    def forward(self, image):
        return self.end(self.network(image))


LOGITS = {
    "SmallNet": lambda: started_between(0, 1, SmallNet(1, width=4)),
    "without padding": lambda: started_between(0, 1, UNet(1, width=4, depth=2, padding=False)),
    "by a deep one": lambda: started_between(0, 1, UNet(1, width=2, depth=4, padding=False)),
    "a sum of two": lambda: Ends(lambda x: (x + x.flip(1)) / 2),
    "out of a dict": lambda: Ends(lambda x: {"out": x[..., :40, :52]}),
    "in half": lambda: started_between(0, 1, SmallNet(1, width=4)).half(),
    "in DataParallel": lambda: nn.DataParallel(started_between(0, 1, SmallNet(1, width=4))),
}
PROBABILITIES = {
    "nn.Sigmoid": nn.Sigmoid(),
    "a function": torch.sigmoid,
    "by hand": lambda x: 1 / (1 + (-x).exp()),
    "of its complement": lambda x: 1 - torch.sigmoid(-x),
    "clipped": lambda x: x.clamp(0, 1),
    "upsampled": lambda x: F.interpolate(torch.sigmoid(x[..., ::2, ::2]), size=x.shape[-2:], mode="bilinear"),
    "without a gradient": lambda x: torch.sigmoid(x).detach(),
}


@pytest.mark.parametrize("name", LOGITS)
def test_an_untrained_network_of_one_logit_is_no_sigmoid(name):
    network = LOGITS[name]()
    assert (segedu.semantic_segmentation(network, GREEN) == 1).all()
    assert segedu.instance_segmentation(network, GREEN, labels=segedu.labels.OBJECTS).max() == 1
    assert segedu.evaluate(network, DATA).counts[:, 1].sum() == 2 * TRUTH.numel()


@pytest.mark.parametrize("name", PROBABILITIES)
def test_probabilities_of_one_class_are_refused_however_they_are_made(name):
    network = Ends(PROBABILITIES[name])
    for ask in (
        lambda: segedu.semantic_segmentation(network, GREEN),
        lambda: segedu.instance_segmentation(network, GREEN, labels=segedu.labels.OBJECTS),
        lambda: segedu.evaluate(network, DATA),
    ):
        with pytest.raises(ValueError, match="Leave the sigmoid out"):
            ask()
