"""What a training did, step by step."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass
class History:
    """What `fit` did: lists with one entry a step, and one a validation. Lesson 04.

    Attributes:
        loss: of each step, the loss of its batch.
        learning_rate: of each step, the rate that it was taken at.
        validations: of each, {"step", "mean_iou", "pixel_accuracy"}.
        seconds: wall time of all runs together.
        pictures: how many were learnt from.
        interrupted: True if Ctrl-C ended it.
        best_step: the step whose weights the model holds; None without `val`.
        skipped: how many steps of a float16 training left the weights as they were, because the
            gradients overflowed.
    """

    loss: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    validations: list[dict] = field(default_factory=list)
    seconds: float = 0.0
    pictures: int = 0
    interrupted: bool = False
    best_step: int | None = None
    skipped: int = 0

    @property
    def pictures_per_second(self) -> float:
        """Pictures learnt from in a second of wall time; NaN before the first step."""
        return self.pictures / self.seconds if self.seconds else math.nan


# One entry of each kind, for the form of a history.
EXAMPLE = History([0.0], [0.0], [{"step": 0, "mean_iou": 0.0, "pixel_accuracy": 0.0}])
