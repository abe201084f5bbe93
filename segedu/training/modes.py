"""Where a network is and what it does, lent for the time of a `with` block and put back afterwards."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn


@contextlib.contextmanager
def lent_to(device: torch.device, model: nn.Module) -> Iterator[None]:
    """The model on `device`, and back where it was at the end: who made it on the CPU goes on with it there."""
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
