"""What a `with` block sets and puts back: a network's device and mode, Ctrl-C, a bar."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

import torch
from torch import nn

from segedu import distributed
from segedu.training.history import History


@contextlib.contextmanager
def on_device(device: torch.device, model: nn.Module) -> Iterator[None]:
    """A `with` block with the model on `device`; afterwards it is back where it was.

    Who made it on the CPU goes on with it there.

    Args:
        device: where to compute.
        model: all of it is moved.
    """
    home = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    model.to(device)
    try:
        yield
    finally:
        model.to(home)


@contextlib.contextmanager
def training_mode(model: nn.Module) -> Iterator[None]:
    """A `with` block in which the model is in train mode; afterwards each part is as it was.

    Args:
        model: one that is in train mode already is left as it is, so that its parts in eval mode
            stay frozen.
    """
    was = {module: module.training for module in model.modules()}
    if not model.training:
        model.train()
    try:
        yield
    finally:
        for module, training in was.items():
            module.training = training


@contextlib.contextmanager
def catch_ctrl_c() -> Iterator[Callable[[], bool]]:
    """A `with` block in which Ctrl-C sets a flag, to be read between two steps.

    So no step is cut in half. A second Ctrl-C stops at once.

    Of several processes all stop as soon as one has the flag, after the same step. Their launcher
    hands on Ctrl-C, or asks by SIGTERM, and ends those that are too slow: no second one is heard.

    Yields:
        A function that says whether the flag is set.
    """
    requested, several = threading.Event(), distributed.size() > 1

    def ask(signum, frame):
        if requested.is_set() and not several:
            raise KeyboardInterrupt
        requested.set()

    def stopped() -> bool:
        if distributed.any_of(requested.is_set()):
            requested.set()
        return requested.is_set()

    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield stopped
        return
    before = {number: signal.signal(number, ask) for number in [signal.SIGINT] + [signal.SIGTERM] * several}
    try:
        yield stopped
    except ConnectionError:  # another process has ended: the launcher asks next, and what to say is not said yet
        requested.set()
        raise
    finally:
        for number, handler in before.items():  # what was handed to one process may still be on its way to others
            signal.signal(number, signal.SIG_IGN if several and requested.is_set() else handler)


@contextlib.contextmanager
def progress_bar(steps: int | None, done: int, shown: bool) -> Iterator[Callable[[History], None]]:
    """A `with` block with a bar.

    Args:
        steps: how many there will be; None for an unknown number.
        done: how many were taken before.
        shown: False shows nothing.

    Yields:
        A function that moves the bar on by one step and shows the latest scores.
    """
    from tqdm.auto import tqdm  # here: in a notebook it imports ipywidgets, which `import segedu` must not

    with tqdm(total=steps, initial=done, unit="step", disable=not shown or not distributed.is_first()) as bar:

        def show(history: History) -> None:
            latest = {"loss": f"{history.loss[-1]:.3f}"}
            if history.validations:
                latest["mIoU"] = f"{history.validations[-1]['mean_iou']:.3f}"
            bar.set_postfix(latest, refresh=False)
            bar.update()

        yield show
