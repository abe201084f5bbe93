"""`fit` and `evaluate`: learning, the same numbers after a stop, refusals that say the way out, nothing lost."""

import os
import random
import signal
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.transforms import v2

import segedu
from segedu import runtime
from segedu.masks import MaskError
from segedu.metrics import ConfusionMatrix
from segedu.models import SmallNet
from segedu.training.batches import SeededBatchSampler
from tests.tiny import Boxes


def small_net(seed=0, **options) -> SmallNet:
    torch.manual_seed(seed)
    return SmallNet(3, width=8, **options)


class WithDropout(nn.Module):
    """A network whose training draws random numbers of its own."""

    def __init__(self):
        super().__init__()
        self.net, self.dropout = small_net(), nn.Dropout2d(0.5)

    def forward(self, image):
        return self.net(self.dropout(image))


def fit(model, train=None, **options):
    options = {"steps": 6, "batch_size": 4, "progress": False} | options
    return segedu.fit(model, train or Boxes(), **options)


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def noisy() -> Boxes:
    return Boxes(transform=v2.Compose([v2.RandomHorizontalFlip(), v2.GaussianNoise()]))


def test_fit_beats_the_best_constant_by_a_margin():
    val = Boxes(6)
    model = small_net()
    before = segedu.evaluate(model, val).mean_iou()
    history = fit(model, Boxes(24), steps=60)
    constant = ConfusionMatrix(3)
    for _, mask in val:
        constant.update(torch.zeros_like(mask), mask)
    assert segedu.evaluate(model, val).mean_iou() > constant.mean_iou() + 0.4 > before
    assert len(history.loss) == len(history.learning_rate) == 60 and history.pictures == 240
    assert np.mean(history.loss[-10:]) < 0.5 * np.mean(history.loss[:5])


def test_the_rate_follows_poly():
    history = fit(small_net(), steps=10, learning_rate=0.01)
    expected = [0.01 * (1 - step / 10) ** 0.9 for step in range(10)]
    assert history.learning_rate == pytest.approx(expected)


@pytest.mark.parametrize("budget", [{}, {"steps": 3, "epochs": 1}, {"steps": 0}, {"minutes": -1}])
def test_exactly_one_budget(budget):
    with pytest.raises(ValueError, match="exactly one budget"):
        segedu.fit(small_net(), Boxes(), **budget)


def test_epochs_and_minutes():
    assert len(fit(small_net(), steps=None, epochs=2).loss) == 6
    history = fit(small_net(), steps=None, minutes=0.01)
    assert len(history.loss) >= 1 and history.seconds < 20
    assert history.learning_rate[-1] < history.learning_rate[0] or len(history.loss) == 1


def test_same_seed_same_numbers_other_seed_others():
    a, b, c = (WithDropout() for _ in range(3))
    first, second, third = fit(a, noisy()), fit(b, noisy()), fit(c, noisy(), seed=1)
    assert first.loss == second.loss and same(a, b)
    assert first.loss != third.loss


def test_workers_change_no_number():
    a, b = WithDropout(), WithDropout()
    assert fit(a, noisy(), steps=3).loss == fit(b, noisy(), steps=3, num_workers=1).loss


def test_the_callers_chance_and_modes_are_left_alone():
    model = small_net().eval()
    model.score.train()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    expected = random.random(), np.random.rand(), torch.rand(1)
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    fit(model, noisy(), val=Boxes(2))
    assert (random.random(), np.random.rand(), torch.rand(1)) == expected
    assert not model.training


@pytest.mark.parametrize("stop", [2, 3, 5])
def test_resume_gives_the_same_numbers_as_not_stopping(tmp_path, stop, monkeypatch):
    whole, halves = WithDropout(), WithDropout()
    options = {"val": Boxes(3), "steps": 7, "checkpoint": tmp_path / "run.safetensors"}
    once = fit(whole, noisy(), **options | {"checkpoint": None})
    interrupt_at(monkeypatch, stop)
    first = fit(halves, noisy(), **options)
    assert first.interrupted and len(first.loss) == stop
    monkeypatch.undo()
    fresh = WithDropout()
    second = fit(fresh, noisy(), **options, resume=True)
    assert second.loss == once.loss and second.learning_rate == once.learning_rate
    assert second.validations == once.validations and second.best_step == once.best_step
    assert same(whole, fresh) and not second.interrupted


def test_a_budget_of_minutes_is_taken_up_where_it_stopped(tmp_path, monkeypatch):
    options = {"steps": None, "minutes": 0.03, "checkpoint": tmp_path / "run.safetensors"}
    interrupt_at(monkeypatch, 2)
    first = fit(small_net(), **options)
    monkeypatch.undo()
    second = fit(small_net(), **options, resume=True)
    assert second.loss[:2] == first.loss and len(second.loss) > 2
    assert second.seconds > 1.5 > first.seconds and second.learning_rate[-1] < first.learning_rate[-1]


def test_after_ctrl_c_the_message_says_which_weights_are_kept(monkeypatch, capsys):
    interrupt_at(monkeypatch, 3)
    history = fit(small_net(), val=Boxes(3), steps=50)
    assert f"keeps the weights of step {history.best_step}, its best" in capsys.readouterr().out


def interrupt_at(monkeypatch, step):
    """Press Ctrl-C, as the operating system does, while step number `step` runs."""
    original, calls = torch.Tensor.backward, []

    def backward(self, *arguments, **options):
        calls.append(1)
        if len(calls) == step:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, *arguments, **options)

    monkeypatch.setattr(torch.Tensor, "backward", backward)


def test_ctrl_c_keeps_what_was_learnt(monkeypatch, capsys):
    model = small_net()
    interrupt_at(monkeypatch, 3)
    history = fit(model, steps=50)
    assert history.interrupted and len(history.loss) == 3
    assert not same(model, small_net()) and "Stopped after step 3" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("fails", [False, True])
def test_a_model_comes_back_to_its_device(fails, monkeypatch):
    """On a machine with a GPU it learns there; a lesson goes on with it, and its pictures, on the CPU."""
    model, moves = small_net(), []
    monkeypatch.setattr(runtime, "device", lambda: torch.device("cpu", 0))  # stands for another device
    monkeypatch.setattr(model, "to", moves.append)
    if fails:
        with pytest.raises(ZeroDivisionError):
            fit(model, steps=2, loss=lambda *_: 1 / 0)
    else:
        fit(model, steps=2)
    assert moves == [torch.device("cpu", 0), torch.device("cpu")]


def test_an_earlier_checkpoint_is_refused_not_overwritten(tmp_path):
    path = tmp_path / "run.safetensors"
    fit(small_net(), checkpoint=path)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="resume=True"):
        fit(small_net(), checkpoint=path)
    with pytest.raises(ValueError, match="was trained with recipe"):
        fit(small_net(), checkpoint=path, resume=True, learning_rate=1)
    assert path.read_bytes() == before


def test_resume_on_other_threads_warns(tmp_path):
    path = tmp_path / "run.safetensors"
    fit(small_net(), checkpoint=path)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(threads + 1)
        with pytest.warns(UserWarning, match="last digits"):
            fit(small_net(), checkpoint=path, resume=True)
    finally:
        torch.set_num_threads(threads)


def test_the_best_weights_are_kept():
    """A rate far too high at the start makes later weights worse: the model must end with the best, not the last."""
    model, val = small_net(), Boxes(4)
    history = fit(model, Boxes(8), val=val, steps=20, learning_rate=0.05, loss=rising_loss())
    best = max(v["mean_iou"] for v in history.validations)
    assert segedu.evaluate(model, val).mean_iou() == best > history.validations[-1]["mean_iou"]
    assert history.best_step < 20


def rising_loss():
    """Cross-entropy for ten steps, then its opposite: what was learnt is unlearnt."""
    calls = []

    def loss(logits, target):
        calls.append(1)
        return segedu.losses.cross_entropy(logits, target) * (1 if len(calls) <= 10 else -1)

    return loss


def test_the_first_batch_is_checked():
    wrong = Boxes(transform=lambda image, mask: (image, mask * 127))
    with pytest.raises(MaskError, match="first batch of masks"):
        fit(small_net(), wrong)
    with pytest.raises(ValueError, match="floats in 0…1"):
        fit(small_net(), Boxes(transform=lambda image, mask: (image * 255, mask)))


def test_a_loss_that_is_no_number_stops_the_training():
    with pytest.raises(FloatingPointError, match="became nan at step 0"):
        fit(small_net(), loss=lambda logits, target: logits.sum() * float("nan"))


def test_a_loss_may_take_more_than_one_target():
    class Three(Boxes):
        def __getitem__(self, index):
            image, mask = super().__getitem__(index)
            return image, mask, (mask == 1).float()

    def loss(logits, mask, weights):
        return segedu.losses.cross_entropy(logits, mask, pixel_weights=1 + weights)

    assert len(fit(small_net(), Three(), loss=loss).loss) == 6


def test_batches_are_whole_passes_and_do_not_depend_on_the_first_step():
    batches = list(SeededBatchSampler(5, 2, seed=3, first_step=0, steps=10))
    indices = [index for batch in batches for _, index in batch]
    assert all(sorted(indices[start : start + 5]) == list(range(5)) for start in range(0, 20, 5))
    assert indices[:5] != indices[5:10]
    assert list(SeededBatchSampler(5, 2, seed=3, first_step=4, steps=10)) == batches[4:]
    assert len({seed for batch in batches for seed, _ in batch}) == 20


def test_evaluate_pictures_of_different_sizes_one_by_one_and_together():
    model, growing = small_net(), Boxes(5, growing=True)
    by_hand = ConfusionMatrix(3)
    for image, mask in growing:
        by_hand.update(segedu.semantic_segmentation(model, image), mask)
    assert torch.equal(segedu.evaluate(model, growing).counts, by_hand.counts)
    even = Boxes(5)
    assert torch.equal(segedu.evaluate(model, even, batch_size=2).counts, segedu.evaluate(model, even).counts)
    with pytest.raises(ValueError, match="no picture"):
        segedu.evaluate(model, Boxes(0))


def stopped(path, monkeypatch, **options):
    with monkeypatch.context() as patch:
        interrupt_at(patch, 3)
        fit(small_net(), **{"train": noisy(), "checkpoint": path} | options)


def weighted(weight):
    def loss(output, target):
        return weight * segedu.losses.cross_entropy(output, target)

    return loss


OTHERS = {
    "loss": {"loss": segedu.losses.focal_loss},
    "weights of classes": {"loss": partial(segedu.losses.cross_entropy, class_weights=torch.tensor([1.0, 2, 3]))},
    "a loss by hand": {"loss": weighted(2.0)},
    "torch's loss": {"loss": nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2, 3]), ignore_index=255)},
    "optimizer": {"optimizer": partial(torch.optim.SGD, momentum=0.9)},
    "its setting": {"optimizer": partial(torch.optim.AdamW, weight_decay=0.5)},
    "first batch": {"train": Boxes()},
    "other pictures": {"train": Boxes(13, transform=noisy().transform)},
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_run_does_not_go_on_as_another(name, tmp_path, monkeypatch):
    path = tmp_path / "run.safetensors"
    stopped(path, monkeypatch)
    with pytest.raises(ValueError, match="not be those of one training"):
        fit(small_net(), **{"train": noisy(), "checkpoint": path, "resume": True} | OTHERS[name])


@pytest.mark.parametrize("name", ["weights of classes", "a loss by hand", "torch's loss", "its setting"])
def test_a_run_goes_on_with_the_same_loss_and_optimizer_made_anew(name, tmp_path, monkeypatch):
    path = tmp_path / "run.safetensors"
    stopped(path, monkeypatch, **OTHERS[name])
    again = OTHERS[name] if name != "a loss by hand" else {"loss": weighted(2.0)}
    assert len(fit(small_net(), noisy(), checkpoint=path, resume=True, **again).loss) == 6
    if name == "a loss by hand":
        with pytest.raises(ValueError, match="one training"):
            fit(small_net(), noisy(), checkpoint=path, resume=True, loss=weighted(3.0))


def test_frozen_parts_stay_frozen_and_each_part_comes_back_in_its_mode():
    model = small_net()
    frozen, free = model.down[0][1], model.down[1][1]
    frozen.eval()
    before = frozen.running_mean.clone(), free.running_mean.clone()
    fit(model, val=Boxes(2))
    assert torch.equal(frozen.running_mean, before[0]) and not torch.equal(free.running_mean, before[1])
    assert not frozen.training and free.training and model.training
    loaded = small_net().eval()  # as segedu.load gives it: nothing of it is frozen
    before = loaded.down[0][1].running_mean.clone()
    fit(loaded)
    assert not torch.equal(loaded.down[0][1].running_mean, before)
    assert not any(module.training for module in loaded.modules())


def test_one_value_a_channel_is_too_few_for_batch_normalisation():
    data = [(torch.rand(3, 16, 16), torch.randint(0, 3, (16, 16)))] * 2
    network = segedu.models.UNet(3, width=4)
    with pytest.raises(ValueError, match=r"1 picture of 16 × 16 .* batch_size=2"):
        fit(network, data, batch_size=1, steps=1)
    assert len(fit(network, data, batch_size=2, steps=1).loss) == 1


class EndsIn(nn.Module):
    def __init__(self, end, num_classes=3):
        super().__init__()
        self.net, self.end = SmallNet(num_classes, width=8), end

    def forward(self, image):
        return self.end(self.net(image))


def test_outputs_that_a_loss_of_logits_would_misread_are_refused():
    with pytest.raises(ValueError, match="take the softmax away"):
        fit(EndsIn(nn.Softmax(dim=1)))
    with pytest.raises(ValueError, match=r"one output.*torch\.cat"):
        fit(EndsIn(nn.Identity(), 1), loss=partial(segedu.losses.dice_loss))
    with pytest.raises(TypeError, match="panoptic_loss"):
        fit(segedu.models.PanopticDeepLab(3, width=4))
    fit(EndsIn(nn.LogSoftmax(dim=1)), steps=1)
    fit(EndsIn(nn.Softmax(dim=1)), steps=1, loss=lambda p, target: nn.functional.nll_loss(p.log(), target.clamp(max=2)))


def test_the_advice_for_a_network_of_one_output_learns_as_a_sigmoid_does():
    data = [(image, (mask == 1).long()) for image, mask in Boxes(4)]
    torch.manual_seed(0)
    network = EndsIn(nn.Identity(), 1)
    fit(
        network, data, steps=40, learning_rate=0.02,
        loss=lambda logits, target: segedu.losses.cross_entropy(
            torch.cat([torch.zeros_like(logits), logits], 1), target
        ),
    )  # fmt: skip
    assert segedu.evaluate(network, data).iou()[1] > 0.8
    logits, target = torch.randn(2, 1, 4, 4), torch.randint(0, 2, (2, 4, 4))
    two = segedu.losses.cross_entropy(torch.cat([torch.zeros_like(logits), logits], 1), target)
    assert torch.isclose(two, nn.functional.binary_cross_entropy_with_logits(logits[:, 0], target.float()))


def test_a_network_that_cannot_learn_is_told_so():
    with pytest.raises(ValueError, match=r"requires_grad_\(True\)"):
        fit(small_net().requires_grad_(False))
