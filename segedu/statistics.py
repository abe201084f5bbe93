"""What a few seeds say: the mean of their scores, and the difference of two arms, each with its 95 % interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import stdtrit  # Student's t: the value below which that part of all draws lies

LEVEL = 0.95


@dataclass(frozen=True)
class Mean:
    """The mean of one arm's scores over its seeds, and the interval for the mean. Lesson 02.

    As text `46.0 [44.1, 47.9], 10 seeds`; f"{mean:.2f}" writes other digits.

    Attributes:
        mean: of the scores, in their own unit.
        low: the lower end of the 95 % interval. Of a hundred such measurements about
            95 have an interval that holds the mean of all seeds there could be.
        high: its upper end.
        seeds: how many trainings were scored.
    """

    mean: float
    low: float
    high: float
    seeds: int

    def __format__(self, digits: str) -> str:
        mean, low, high = (f"{value:{digits or '.1f'}}" for value in (self.mean, self.low, self.high))
        return f"{mean} [{low}, {high}], {self.seeds} seeds"

    def __str__(self) -> str:
        return format(self)


@dataclass(frozen=True)
class Difference:
    """By how much one arm leads another, seed by seed, and how sure that is. Lesson 02.

    As text `+1.9 [+0.7, +3.0], 8 of 10 seeds`; f"{difference:.2f}" writes other digits.

    Attributes:
        mean: of the differences a − b, in the scores' own unit.
        low: the lower end of the 95 % interval for the mean. More seeds make it narrower.
        high: its upper end.
        same_sign: in how many seeds the difference has the sign of the mean.
        seeds: how many pairs were compared.
        one_training: (low, high), between which the difference of one more pair of
            trainings would lie in 95 % of the cases. More seeds do not make it narrow:
            one training scatters as it does.
    """

    mean: float
    low: float
    high: float
    same_sign: int
    seeds: int
    one_training: tuple[float, float]

    @property
    def settled(self) -> bool:
        """Whether the interval for the mean leaves zero out. Lesson 02."""
        return self.low > 0 or self.high < 0

    def __format__(self, digits: str) -> str:
        mean, low, high = (f"{value:+{digits or '.1f'}}" for value in (self.mean, self.low, self.high))
        return f"{mean} [{low}, {high}], {self.same_sign} of {self.seeds} seeds"

    def __str__(self) -> str:
        return format(self)


def mean_interval(values: Sequence[float] | torch.Tensor) -> Mean:
    """The mean of one arm's scores and its 95 % interval, by Student's t. Lesson 02.

    Args:
        values: one score a seed, at least two, (seeds,); any unit.

    Raises:
        ValueError: with fewer than two scores, with one that is not finite, or with more axes.

    Example:
        >>> print(mean_interval([46.1, 44.8, 47.0]))
        46.0 [43.2, 48.7], 3 seeds
    """
    values = _scores(values, "The scores")
    centre, half = values.mean(), _half_width(values)
    return Mean(float(centre), float(centre - half), float(centre + half), len(values))


def paired_difference(a: Sequence[float] | torch.Tensor, b: Sequence[float] | torch.Tensor) -> Difference:
    """The mean of a − b over seeds and its 95 % interval, by the paired t-test. Lesson 02.

    Two trainings of one seed share first weights and batches, so their scores rise and fall
    together, and the difference of each pair scatters less than the scores do.

    Args:
        a: one score a seed, at least two, (seeds,); any unit.
        b: the other arm's scores, of the same seeds in the same order and unit.

    Raises:
        ValueError: if the two are not of the same length; with fewer than two seeds, with a
            score that is not finite, or with more axes.

    Source:
        Student, "The probable error of a mean", Biometrika 6 (1908), section IX.

    Example:
        >>> difference = paired_difference([46.1, 44.8, 47.0], [44.0, 43.1, 44.2])
        >>> print(difference, "settled" if difference.settled else "open")
        +2.2 [+0.8, +3.6], 3 of 3 seeds settled
    """
    a, b = _scores(a, "The first arm"), _scores(b, "The second arm")
    if len(a) != len(b):
        raise ValueError(
            f"The first arm has {len(a)} seeds and the second {len(b)}: pairs need the same seeds in the same order."
        )
    differences = a - b
    centre, half = differences.mean(), _half_width(differences)
    one = half * np.sqrt(len(a) + 1)  # t · s · √(1 + 1/n): the mean's own doubt, and one training's scatter
    return Difference(
        mean=float(centre),
        low=float(centre - half),
        high=float(centre + half),
        same_sign=int((differences * centre > 0).sum()),
        seeds=len(a),
        one_training=(float(centre - one), float(centre + one)),
    )


def _half_width(values: np.ndarray) -> float:
    """Half of the interval for the mean: t · s / √n."""
    return stdtrit(len(values) - 1, (1 + LEVEL) / 2) * values.std(ddof=1) / np.sqrt(len(values))


def _scores(values, whose: str) -> np.ndarray:
    """One score a seed, as float64 (seeds,)."""
    scores = torch.as_tensor(values, dtype=torch.float64).detach().cpu().numpy()
    if scores.ndim != 1 or len(scores) < 2:
        raise ValueError(f"{whose} must be one score a seed, of two seeds or more; got shape {scores.shape}.")
    if not np.isfinite(scores).all():
        seed = int(np.flatnonzero(~np.isfinite(scores))[0])
        raise ValueError(f"{whose} has {scores[seed]} at seed {seed}: an interval needs scores that are finite.")
    return scores
