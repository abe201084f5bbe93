"""What a `with` block sets and puts back: a network's device and mode, Ctrl-C, a bar."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

import torch
from torch import nn

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

    Yields:
        A function that says whether the flag is set.
    """
    requested = threading.Event()

    def ask(signum, frame):
        if requested.is_set():
            raise KeyboardInterrupt
        requested.set()

    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield requested.is_set
        return
    before = signal.signal(signal.SIGINT, ask)
    try:
        yield requested.is_set
    finally:
        signal.signal(signal.SIGINT, before)


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

    with tqdm(total=steps, initial=done, unit="step", disable=not shown) as bar:

        def show(history: History) -> None:
            latest = {"loss": f"{history.loss[-1]:.3f}"}
            if history.validations:
                latest["mIoU"] = f"{history.validations[-1]['mean_iou']:.3f}"
            bar.set_postfix(latest, refresh=False)
            bar.update()

        yield show
