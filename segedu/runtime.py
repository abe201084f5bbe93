"""The machine: which device computes, at which precision, and where chance comes from."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import numpy as np
import torch


def device() -> torch.device:
    """The best device at hand: cuda, then mps (Apple), then cpu."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def seed_everything(seed: int) -> None:
    """Seed Python's, numpy's and torch's generators (all devices). Changes global state: for scripts and first cells.

    seed: any integer ≥ 0; numpy sees its lower 32 bits.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


@contextlib.contextmanager
def preserved_rng():
    """A `with` block after which Python's, numpy's and torch's generators stand where they stood before it."""
    python_state, numpy_state, torch_state = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cuda_states = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    mps_state = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        torch.set_rng_state(torch_state)
        if cuda_states:
            torch.cuda.set_rng_state_all(cuda_states)
        if mps_state is not None:
            torch.mps.set_rng_state(mps_state)


def precision() -> str:
    """ "bfloat16" where the processor multiplies it in hardware (CUDA that says so, x86 with AMX), else "float32".

    Decided by what the processor says of itself, never by a stopwatch, so that one machine always gives one answer.
    On processors that only emulate bfloat16 it is many times slower than float32.
    """
    kind = device().type
    if kind == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    cpu_flags = Path("/proc/cpuinfo")
    if kind == "cpu" and cpu_flags.exists() and " amx_bf16" in cpu_flags.read_text():
        return "bfloat16"
    return "float32"
