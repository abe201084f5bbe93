"""Answer checkers: what a reader guessed, beside what is so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real


def guess(answer, truth, *, tolerance: float = 0.0, unit: str = "") -> None:
    """Print one line that names the guess and what is so, and says whether they agree.

    answer: `None` or `...` stands for "I did not guess", and gets the truth with a word of advice.
    answer, truth: numbers, texts (case and outer blanks do not matter), booleans, or sequences of these (shapes).
    tolerance: how far a number may be from the truth, in the numbers' own unit; 0 wants equality.
    unit: written behind the numbers, for reading only.
    Raises TypeError if the guess is of another kind than the truth, with an example of what fits.
    """
    truth = truth.item() if hasattr(truth, "item") else truth
    if answer is None or answer is ...:
        print(f"No guess yet. It is {_written(truth, unit)}. A guess first, even a wrong one, is worth more.")
        return
    right = _equal(answer, truth, tolerance)
    verdict = "right" if right else "not quite"
    near = f" (within {tolerance:g})" if right and tolerance and answer != truth else ""
    print(f"You said {_written(answer, unit)}, it is {_written(truth, unit)}: {verdict}{near}.")


def _equal(answer, truth, tolerance: float) -> bool:
    if isinstance(truth, str) and isinstance(answer, str):
        return answer.strip().casefold() == truth.strip().casefold()
    if isinstance(truth, bool) and isinstance(answer, bool):
        return answer == truth
    if _is_number(truth) and _is_number(answer):
        return math.isclose(answer, truth, rel_tol=0, abs_tol=max(tolerance, 1e-9))
    if _is_sequence(truth) and _is_sequence(answer):
        return len(answer) == len(truth) and all(_equal(a, t, tolerance) for a, t in zip(answer, truth, strict=True))
    raise TypeError(
        f"Your guess {answer!r} is a {type(answer).__name__}; write it like this: guess = {_example(truth)!r}."
    )


def _is_number(value) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_sequence(value) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _example(truth):
    """A guess of the right kind that gives nothing away."""
    if isinstance(truth, str):
        return "a word"
    if isinstance(truth, bool):
        return True
    return 1 if _is_number(truth) else (1, 2, 3)


def _written(value, unit: str) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return f"{text} {unit}".strip()
