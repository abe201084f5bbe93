"""What makes two trainings one: loss, optimiser and data, as text and numbers for a checkpoint."""

from __future__ import annotations

import contextlib
import functools
import math
import zlib
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

# The same pictures on another machine may differ in their last digits, and so may the means over a batch.
TOLERANCE = 1e-3


def in_words(thing: object) -> str:
    """A function, class, module, tensor or number as text, the same in every process.

    Args:
        thing: of a function written by hand, the text has its name, and the names and constants in
            it and around it. Whole numbers around it may be counters, and do not count.
    """
    if isinstance(thing, functools.partial):
        given = [in_words(x) for x in thing.args] + [f"{name}={in_words(x)}" for name, x in thing.keywords.items()]
        return f"{in_words(thing.func)}({', '.join(given)})"
    if isinstance(thing, (np.ndarray, torch.Tensor)):
        array = thing.detach().cpu().numpy() if isinstance(thing, torch.Tensor) else thing
        return f"array {array.shape} {zlib.crc32(array.tobytes()):x}"
    if isinstance(thing, nn.Module):
        return f"{thing!r} {[in_words(x) for x in thing.state_dict().values()]}"
    if isinstance(thing, (str, float, int, bool, type(None), tuple, list)):
        return repr(thing)
    if hasattr(thing, "__code__"):
        return f"{_name(thing)} {_inside(thing)}"
    return _name(thing) if isinstance(thing, type) else f"{_name(type(thing))} {_kept(getattr(thing, '__dict__', {}))}"


def _name(thing) -> str:
    return f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', '')}"


def _inside(function: Callable) -> list[str]:
    """The names and constants in a function's code, and what it keeps from around itself.

    Of segedu's own the name will do.
    """
    if function.__module__.startswith("segedu."):
        return []
    code = function.__code__
    constants = [repr(c) for c in code.co_consts if isinstance(c, (str, float, int)) and c != function.__doc__]
    around = {}
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # of a cell that is still empty
            around[name] = cell.cell_contents
    return [*code.co_names, *constants, *_kept(around)]


def _kept(values: dict) -> list[str]:
    """The values that change what a function computes: floats, texts, tensors, functions' names."""
    numbers = [f"{k}={in_words(v)}" for k, v in values.items() if isinstance(v, (float, str, np.ndarray, torch.Tensor))]
    return numbers + [f"{k}={_name(v)}" for k, v in values.items() if callable(v)]


def in_numbers(batch: list[torch.Tensor]) -> list[float]:
    """Two numbers for each tensor of a batch: its mean, and one that a mirror changes.

    Args:
        batch: images, masks and the rest.
    """
    numbers = []
    for tensor in batch:
        values = torch.as_tensor(tensor).detach().cpu().double()
        ramp = torch.linspace(0, 1, values.shape[-1] if values.ndim else 1, dtype=torch.float64)
        numbers += [values.mean().item(), (values * ramp).mean().item()]
    return numbers


def alike(one: list[float], other: list[float]) -> bool:
    """Whether two results of in_numbers are of the same batch.

    Args:
        one: of a batch.
        other: of a batch, perhaps on another machine, where the last digits may differ.
    """
    return len(one) == len(other) and all(
        math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE) for a, b in zip(one, other, strict=True)
    )


def plain(value: object) -> object:
    """Numpy's and torch's numbers as Python's, which JSON can hold; all else as it is."""
    return value.item() if isinstance(value, np.generic) or (torch.is_tensor(value) and value.ndim == 0) else value
