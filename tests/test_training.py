"""`fit` and `evaluate`: learning, the same numbers after a stop, refusals that say the way out, nothing lost."""

import os
import random
import signal

import numpy as np
import pytest
import torch
from tiny import Boxes
from torch import nn
from torchvision.transforms import v2

import segedu
from segedu import runtime
from segedu.masks import MaskError
from segedu.metrics import ConfusionMatrix
from segedu.models import SmallNet
from segedu.sampling import Batches


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
    with pytest.raises(MaskError, match="masks of the first batch"):
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
    batches = list(Batches(5, 2, seed=3, first_step=0, steps=10))
    indices = [index for batch in batches for _, index in batch]
    assert all(sorted(indices[start : start + 5]) == list(range(5)) for start in range(0, 20, 5))
    assert indices[:5] != indices[5:10]
    assert list(Batches(5, 2, seed=3, first_step=4, steps=10)) == batches[4:]
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
