"""What each of several processes does for tests/segedu/test_distributed.py: python -m tests.several TASK FOLDER.

The functions are also called alone there, and both must find the same.
"""

import functools
import os
import shutil
import signal
import sys
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

import segedu
from segedu import cli, distributed, losses, models
from segedu.models.layers import conv_bn_relu
from segedu.training import checkpoints
from segedu.training.together import batch_norm
from tests.tiny import Boxes

BATCH, STEPS = 5, 20  # five pictures: one process has two, the other three


class Uneven(Boxes):
    """Boxes of which each picture has more void than the one before."""

    def _read(self, index):
        image, mask = super()._read(index)
        mask[: 2 * index] = 255
        return image, mask


def plain():
    """No normalisation."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 3, padding=1))


def normed():
    """Batch normalisation."""
    torch.manual_seed(0)
    return nn.Sequential(*conv_bn_relu(3, 8), *conv_bn_relu(8, 8, stride=2), nn.Conv2d(8, 3, 1))


def frozen():
    """Batch normalisation of which the first keeps its numbers, as after pre-training."""
    model = normed().train()
    model[:3].eval().requires_grad_(False)
    return model


def deep():
    """A U-Net in double precision: in single, its thirty values a channel at the bottom enlarge any rounding."""
    torch.manual_seed(0)
    return models.QuickUNet(3).double()


def fixed():
    """FCN-8s, whose fixed upsampling has one kernel for all channels."""
    torch.manual_seed(0)
    model = models.FCN(3, width=4, stride=8).double()
    for weights in model.parameters():
        if not weights.any():
            nn.init.normal_(weights, std=0.1)  # scores that begin at zero send no gradient down
    return model


class TwoHeads(nn.Module):
    """Gives more than a loss takes: the second layer never learns, and must not be moved."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.out, self.aux = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, image):
        """{"out", "aux"}: logits, both."""
        return {"out": self.out(image), "aux": self.aux(image)}


weighted = functools.partial(losses.cross_entropy, class_weights=[1.0, 2.0, 3.0])
sgd = {"optimizer": torch.optim.SGD, "learning_rate": 0.1}
LEARN = {  # name: (network, steps, what fit is told beside)
    "plain, 1 step": (plain, 1, {}),
    "plain, 20 steps": (plain, STEPS, {}),
    "frozen normalisation": (frozen, 2, {}),
    "normalisation, 1 step": (normed, 1, {}),
    "normalisation, 20 steps": (normed, STEPS, {}),
    "U-Net, 1 step": (deep, 1, sgd),
    "FCN, 1 step": (fixed, 1, sgd),
    "weighted classes": (plain, 2, sgd | {"loss": weighted}),
    "focal": (plain, 2, sgd | {"loss": losses.focal_loss}),
    "Dice": (plain, 2, sgd | {"loss": losses.dice_loss}),
    "Lovász": (normed, 2, sgd | {"loss": losses.lovasz_softmax}),
    "cross-entropy of torch": (plain, 2, sgd | {"loss": nn.CrossEntropyLoss(ignore_index=255)}),
    "two heads": (TwoHeads, 2, {}),
    "augmented": (plain, 2, {"transform": segedu.transforms.augment((32, 32))}),
}  # fmt: skip

FEW = ("plain, 1 step", "normalisation, 1 step", "weighted classes")


def learn(name):
    """{"weights", "loss", "pictures"} of one short training."""
    build, steps, told = LEARN[name]
    told = dict(told)
    model, data = build(), Uneven(transform=told.pop("transform", None))
    history = segedu.fit(model, data, steps=steps, batch_size=BATCH, progress=False, **told)
    return {"weights": model.state_dict(), "loss": history.loss, "pictures": history.pictures}


def scored(length):
    """The confusion matrix of so many pictures."""
    return segedu.evaluate(normed(), Uneven(length), batch_size=2).counts


def normalised():
    """What batch normalisation gives for this process's part of five pictures, with gradients and running numbers."""
    chance = torch.Generator().manual_seed(0)
    whole, slope = torch.randn(2, 5, 4, 3, 3, dtype=torch.float64, generator=chance)
    part = distributed.share(range(5))
    x = whole[part.start : part.stop].clone().requires_grad_()
    weight, bias = torch.linspace(1, 2, 4).double().requires_grad_(), torch.ones(4).double().requires_grad_()
    mean, var = torch.zeros(4).double(), torch.ones(4).double()
    norm = batch_norm if distributed.size() > 1 else F.batch_norm
    y = norm(x, mean, var, weight, bias, True, 0.1, 1e-5)
    (y * slope[part.start : part.stop]).sum().backward()
    parts = [distributed.gathered(tensor.detach()) for tensor in (y, x.grad)]
    return [*parts, distributed.summed(weight.grad), distributed.summed(bias.grad), mean, var]


def all_that_is_learnt(folder):
    """One file of all of the above, and the end of a training that one process began."""
    found = {name: learn(name) for name in LEARN}
    found |= {"scored": [scored(length) for length in (1, 2, 7)], "normalised": normalised()}
    found["whole"] = [distributed.gathered(torch.full((distributed.rank() + 1, 2), distributed.rank()) > 0)]
    found["clock"] = distributed.from_first(10.0 + distributed.rank())
    found["any"] = [distributed.any_of(distributed.rank() == 1), distributed.any_of(False)]
    if distributed.size() > 1:
        found["resumed"] = on(folder / "half.safetensors")
        found["errors"] = errors()
        found["minutes"] = len(segedu.fit(plain(), Uneven(), minutes=0.01, batch_size=BATCH, progress=False).loss)
    torch.save(found, folder / f"of {distributed.size()}, {distributed.rank()}.pt")


def some_that_is_learnt(folder):
    """One file of what tells whether shares of any sizes are weighed rightly."""
    found = {name: learn(name) for name in FEW}
    found |= {"scored": [scored(length) for length in (1, 2, 7)], "normalised": normalised()}
    torch.save(found, folder / f"of {distributed.size()}, {distributed.rank()}.pt")


def errors():
    """The sentences for what several processes cannot do."""
    told = []
    for call in (
        lambda: segedu.fit(plain(), Uneven(), steps=1, batch_size=1, progress=False),
        lambda: distributed.check_same(distributed.rank(), "They differ"),
        lambda: distributed.gathered(torch.zeros(2, 3 + distributed.rank())),
    ):
        try:
            call()
        except ValueError as error:
            told.append(str(error))
    return told


def begun(path, event, step=8):
    """A training with a validation, in one of whose processes something happens in the middle of the eighth step."""
    model, last = normed(), distributed.rank() == distributed.size() - 1
    passes = iter(range(1, STEPS + 1))

    def after_the_network(*_):
        if last and model.training and next(passes) == step:
            event()

    model[-1].register_forward_hook(after_the_network)
    told = {"steps": STEPS, "batch_size": BATCH, "checkpoint": path, "progress": False}
    return segedu.fit(model, Uneven(), Uneven(3), **told)


def on(path):
    """The end of it: the last weights, which need not be the best."""
    told = {"steps": STEPS, "batch_size": BATCH, "checkpoint": path, "resume": True, "progress": False}
    history = segedu.fit(normed(), Uneven(), Uneven(3), **told)
    if distributed.size() > 1:
        distributed.all_items([])  # the first process has written its file
    tensors = {name: tensor for name, tensor in checkpoints.read(path)[0].items() if name.startswith("model.")}
    return {"weights": tensors, "loss": history.loss, "validations": history.validations}


def ctrl_c():
    """What the keys Ctrl-C do to a process."""
    signal.raise_signal(signal.SIGINT)


def killed():
    """What the kernel does to a process where there is no memory left."""
    os.kill(os.getpid(), signal.SIGKILL) if hasattr(signal, "SIGKILL") else os._exit(9)


def commands(folder):
    """The commands on a folder of pictures: one trains, the others take the network that is given, if one is."""
    network, given = folder / "network.safetensors", folder / "given.safetensors"
    train = ["train", folder / "cells", "--steps", 4, "--model", "quick", "--batch-size", 5, "--precision", "float32"]
    assert call(*train, "--out", network) == 0
    if not given.exists():
        shutil.copy(network, given)
    assert call("evaluate", given, folder / "cells") == 0
    wanted = ["--out", folder / "found", "--objects", "--confidence"]
    assert call("predict", given, folder / "cells" / "images", *wanted) == 0
    assert call("evaluate", given, folder / "nowhere") == 2


def call(*words):
    """The exit code of a command, as the command line calls it."""
    return cli.main([str(word) for word in words])


TASKS = {
    "learn": all_that_is_learnt,
    "learn some": some_that_is_learnt,
    "stop": lambda folder: begun(folder / "stopped.safetensors", ctrl_c),
    "die": lambda folder: begun(folder / "lost.safetensors", killed),
    "commands": commands,
}

if __name__ == "__main__":
    task, place = sys.argv[1:]
    with distributed.processes():
        TASKS[task](Path(place))
