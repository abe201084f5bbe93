"""Answer checkers: what a reader guessed, or wrote, beside what is so."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Callable, Sequence
from numbers import Real

import numpy as np
import torch

Answer = Real | str | Sequence | None
_EXACT, _CLOSE = 1e-6, 1e-4  # the largest difference of numbers: absolute, or as a part of the reference's


def guess(answer: Answer, truth: Answer | torch.Tensor, *, tolerance: float = 0.0, unit: str = "") -> None:
    """Print one line that names the guess and what is so, and says whether they agree. Lesson 00.

    Without a guess it says how to make one, and does not give the truth away.

    Args:
        answer: the guess: a number, a text (case and outer blanks do not matter), a boolean,
            or a sequence of these (a shape); `...` or `None` stands for "no guess yet".
        truth: what is so, of the same kind; a tensor of one number is taken as the number.
        tolerance: how far a number may be from the truth, in its own unit; 0 wants equality.
        unit: written behind the numbers, for reading only.

    Raises:
        TypeError: if the guess is of another kind than the truth, with an example of what fits.

    Example:
        >>> check.guess(0.5, 0.6, tolerance=0.02)
        You said 0.5, it is 0.6: not quite.
    """
    if _is_open(answer):
        print(f"No guess yet: write one in place of {_placeholder(answer)} above, and run both cells again.")
        return
    truth = truth.item() if hasattr(truth, "item") else truth
    right = _equal(answer, truth, tolerance)
    verdict = "right" if right else "not quite"
    near = f" (within {tolerance:g})" if right and tolerance and answer != truth else ""
    print(f"You said {_written(answer, unit)}, it is {_written(truth, unit)}: {verdict}{near}.")


def function(
    yours: Callable,
    reference: Callable,
    cases: Sequence,
    *,
    mistakes: dict[str, Callable] | None = None,
) -> None:
    """Print one line: two functions agree on every case, or where they first differ. Lesson 02.

    Compares what is given back by kind, shape, dtype and values. Numbers may differ by 1e-6, or
    by a ten-thousandth; floats of another precision will do, whole numbers and booleans must
    have the reference's dtype. A function that changes what it was handed is told so. One that
    is not written yet (it gives back None or `...`, or raises NotImplementedError) is told so, too.

    Args:
        yours: the reader's function. An error in it is reported with its case, not raised.
        reference: a function that is right, called with the same arguments.
        cases: at least one: a tuple of arguments, or the one argument itself.
        mistakes: usual wrong answers, {sentence: function}. If yours gives what one of
            these gives, its sentence is printed, too.

    Raises:
        TypeError: if `yours` is neither a function nor `...`.
        ValueError: without a case, or if a mistake agrees with the reference on all of them.
        AssertionError: for a wrong function where the environment variable SEGEDU_STRICT is set,
            as it is in the tests: so a stored solution is right.

    Example:
        >>> def double(number):
        ...     return number + number
        >>> check.function(double, lambda number: 2 * number, [0, 3, 5])
        Right in all 3 cases.
    """
    cases = [case if isinstance(case, tuple) else (case,) for case in cases]
    if not cases:
        raise ValueError("check.function needs a case: a list of arguments, or of tuples of them.")
    if not callable(yours) and not _is_open(yours):
        raise TypeError(f"Hand over the function itself, without brackets; this is {_short(yours)}.")
    wanted = [reference(*copy.deepcopy(case)) for case in cases]
    for sentence, mistake in (mistakes or {}).items():
        if _first_fault(mistake, wanted, cases) is None:
            raise ValueError(f"These cases do not tell the mistake {sentence!r} from the reference: add one that does.")
    if _is_open(yours) or _is_unwritten(yours, cases):
        print("Not answered yet: write your lines in place of ..., the last of them with return, and run both cells.")
        return
    fault = _first_fault(yours, wanted, cases)
    if fault is None:
        print("Right." if len(cases) == 1 else f"Right in all {len(cases)} cases.")
        return
    given = _attempt(yours, cases)
    known = [text for text, mistake in (mistakes or {}).items() if _agree(given, _attempt(mistake, cases))]
    said = " ".join([f"Not yet. {fault}", *known[:1]])
    if os.environ.get("SEGEDU_STRICT"):
        raise AssertionError(said)
    print(said)


def _is_open(answer) -> bool:
    return answer is None or answer is ...


def _placeholder(answer) -> str:
    return "..." if answer is ... else "None"


def _is_unwritten(yours: Callable, cases: list[tuple]) -> bool:
    """Whether it gives nothing back in any case."""
    given = _attempt(yours, cases)
    return all(_is_open(value) or isinstance(value, NotImplementedError) for value in given)


def _attempt(function: Callable, cases: list[tuple]) -> list:
    """What it gives back in every case, or the error that it raises there."""
    given = []
    for case in cases:
        try:
            given.append(function(*copy.deepcopy(case)))
        except Exception as error:
            given.append(error)
    return given


def _agree(given: list, others: list) -> bool:
    return all(_difference(one, other) is None for one, other in zip(given, others, strict=True))


def _first_fault(function: Callable, wanted: list, cases: list[tuple]) -> str | None:
    """A sentence on the first case in which the function is wrong, or None."""
    for number, (case, right) in enumerate(zip(cases, wanted, strict=True), 1):
        handed = copy.deepcopy(case)
        where = f"Case {number} of {len(cases)}, {', '.join(map(_short, case))}:"
        try:
            given = function(*handed)
        except Exception as error:
            return f"{where} your function stops with {type(error).__name__}: {' '.join(str(error).split())}"
        if fault := _difference(given, right):
            return f"{where} {fault}."
        if _difference(list(handed), list(case)):
            return f"{where} the result is right, but your function changes what it was handed: work on a copy."
    return None


def _difference(given, right) -> str | None:
    """How what is given differs from what is right, in words; None if it does not."""
    if isinstance(given, Exception) or isinstance(right, Exception):
        return None if type(given) is type(right) else "only one of them raises an error"
    if isinstance(right, torch.Tensor | np.ndarray) and right.ndim:
        return _difference_of_arrays(given, right)
    given, right = _plain(given), _plain(right)
    if isinstance(right, list | tuple):
        if not isinstance(given, list | tuple) or len(given) != len(right):
            return f"it gives {_short(given)}, wanted are {len(right)} values, {_short(right)}"
        faults = (_difference(one, other) for one, other in zip(given, right, strict=True))
        return next((f"in value {i}, {fault}" for i, fault in enumerate(faults) if fault), None)
    if _is_number(right) and _is_number(given):
        same = given == right or (math.isnan(given) and math.isnan(right)) or _close(given, right)
    else:
        same = type(given) is type(right) and given == right
    return None if same else f"it gives {_short(given)}, wanted is {_short(right)}"


def _difference_of_arrays(given, right) -> str | None:
    kind = "tensor" if isinstance(right, torch.Tensor) else "numpy array"
    if not isinstance(given, type(right)):
        return f"it gives {_short(given)}, wanted is a {kind} of shape {tuple(right.shape)}"
    if given.shape != right.shape:
        return f"its shape is {tuple(given.shape)}, wanted is {tuple(right.shape)}"
    one, other = torch.as_tensor(given), torch.as_tensor(right)
    if one.dtype != other.dtype and not (one.is_floating_point() and other.is_floating_point()):
        return f"its dtype is {given.dtype}, wanted is {right.dtype}"
    one, other = one.detach().cpu().double(), other.detach().cpu().double()
    wrong = ~torch.isclose(one, other, rtol=_CLOSE, atol=_EXACT, equal_nan=True)
    if not wrong.any():
        return None
    gaps = torch.where(wrong, (one - other).abs().nan_to_num(torch.inf), -1)
    place = tuple(int(i) for i in np.unravel_index(int(gaps.argmax()), gaps.shape))
    return (
        f"{int(wrong.sum())} of {wrong.numel()} values are wrong, most of all at {list(place)}: "
        f"{one[place].item():.4g}, wanted is {other[place].item():.4g}"
    )


def _close(given, right) -> bool:
    return math.isclose(given, right, rel_tol=_CLOSE, abs_tol=_EXACT)


def _plain(value):
    """A tensor or array of one number as that number, anything else as it is."""
    return value.item() if getattr(value, "ndim", None) == 0 else value


def _short(value) -> str:
    """A value in a sentence."""
    if isinstance(value, torch.Tensor | np.ndarray) and value.ndim:
        kind = "tensor" if isinstance(value, torch.Tensor) else "array"
        return f"{value.tolist()}" if value.size and np.prod(value.shape) <= 9 else f"a {kind} {tuple(value.shape)}"
    text = f"{value:.4g}" if isinstance(value, float) else " ".join(repr(_plain(value)).split())
    return text if len(text) <= 60 else text[:57] + "..."


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
