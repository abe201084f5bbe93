"""What a `with` block lends and puts back: a network's device and mode, Ctrl-C, a bar."""

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
    """The model on `device`, and back where it was at the end.

    Who made it on the CPU goes on with it there.
    """
    home = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    model.to(device)
    try:
        yield
    finally:
        model.to(home)


@contextlib.contextmanager
def training_mode(model: nn.Module) -> Iterator[None]:
    """The model learns, but for its parts that are frozen; afterwards each part is as it was."""
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
    """Ctrl-C sets a flag that is read between two steps, so no step is cut in half.

    A second Ctrl-C stops at once. The block gets a function that says whether the flag is set.
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
    """A bar of so many steps, `done` of them before; None for an unknown number.

    The block gets a function that moves the bar on by one step and shows the latest scores.
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
