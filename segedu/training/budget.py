"""How long to train, and how the learning rate falls meanwhile."""

from __future__ import annotations

import contextlib
import math
import time
import warnings
from dataclasses import dataclass

import torch

from segedu import distributed
from segedu.inputs import positive, whole_number

POLY_POWER = 0.9  # DeepLab, arXiv 1606.00915, section 4.1


@dataclass
class Budget:
    """How long to train: exactly one of steps, epochs and minutes.

    Args:
        steps: how many batches to learn from.
        epochs: how often to see the full data set; `steps` is then set to as many as that takes.
        minutes: of wall time from `start` on, and before it in the runs that are taken up.
        steps_per_epoch: how many batches it takes to see each picture once.

    Raises:
        ValueError: as a sentence, for none, for two, and for one that is not above 0.
    """

    steps: int | None
    epochs: float | None
    minutes: float | None
    steps_per_epoch: int

    def __post_init__(self):
        given = {name: v for name in ("steps", "epochs", "minutes") if (v := getattr(self, name)) is not None}
        try:
            ((name, value),) = given.items()
            setattr(self, name, whole_number(value, name, 1) if name == "steps" else positive(value, name))
        except ValueError:
            raise ValueError(
                f"Give fit exactly one budget above 0, steps= (whole), epochs= or minutes=; got {given or 'none'}."
            ) from None
        if self.epochs is not None:
            self.steps = math.ceil(self.epochs * self.steps_per_epoch)

    def start(self) -> None:
        """Start the clock, which is no field: a checkpoint holds what was asked for."""
        self.seconds_before, self.started = 0.0, time.perf_counter()

    def seconds(self) -> float:
        """Wall time since `start`, and `seconds_before` of earlier runs.

        Where minutes are the budget, of the first process: all have to end at the same step.
        """
        seconds = self.seconds_before + time.perf_counter() - self.started
        return seconds if self.minutes is None else distributed.from_first(seconds)

    def is_spent(self, step: int) -> bool:
        """Whether the training is at its end.

        Args:
            step: how many steps are taken.
        """
        if self.steps is not None:
            return step >= self.steps
        return self.seconds() >= 60 * self.minutes

    def epoch_ends_at(self, step: int) -> bool:
        """Whether a pass over the data set is complete.

        Args:
            step: how many steps are taken.
        """
        return step % self.steps_per_epoch == 0

    def schedule(self, optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
        """The poly schedule: by steps, or by the part of the minutes that is used up.

        Args:
            optimizer: whose learning rate it lowers, from the present one to 0.
        """
        if self.steps is not None:
            return torch.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=self.steps, power=POLY_POWER)

        def rate(_step: int) -> float:
            return max(0.0, 1 - self.seconds() / (60 * self.minutes)) ** POLY_POWER

        return torch.optim.lr_scheduler.LambdaLR(optimizer, rate)


def quiet_if(skipped: bool) -> contextlib.AbstractContextManager:
    """A `with` block for schedule.step(), which goes by batches, learnt or skipped.

    Args:
        skipped: after a first batch that is skipped, torch would warn that the optimiser has to
            step first.
    """
    return warnings.catch_warnings(action="ignore") if skipped else contextlib.nullcontext()
