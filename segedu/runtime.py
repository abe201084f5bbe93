"""The machine: which device computes, at which precision, on how many threads, and where chance comes from."""

from __future__ import annotations

import contextlib
import math
import os
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


def cpu_quota(groups: Path = Path("/sys/fs/cgroup"), mine: Path = Path("/proc/self/cgroup")) -> float:
    """How many processors' time a container or a hub grants this process, as in `docker run --cpus=1.5`; else infinity.

    groups: where Linux shows its control groups, of version 1 or 2. mine: the file that says which are the process's
    own; a group above them may grant less, and then that counts.
    """
    quotas = [math.inf]
    for line in mine.read_text().splitlines() if mine.exists() else []:
        _, controllers, own = line.split(":", 2)  # "4:cpu,cpuacct:/user/ada", or in version 2 "0::/user/ada"
        if controllers and "cpu" not in controllers.split(","):
            continue
        for mount in (groups / "cpu", groups / controllers) if controllers else (groups, groups / "unified"):
            folder = mount / own.lstrip("/")
            quotas += [_quota(place) for place in (folder, *folder.parents) if place.is_relative_to(mount)]
    return min(quotas)


def _quota(group: Path) -> float:
    """The quota that this very group states: microseconds of processors' time in each period, of so many."""
    with contextlib.suppress(OSError, ValueError):  # version 2, "150000 100000"; "max" is no quota, and no number
        quota, period = (group / "cpu.max").read_text().split()
        return int(quota) / int(period)
    with contextlib.suppress(OSError):  # version 1; -1 is no quota
        quota, period = (int((group / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
        return quota / period if quota > 0 else math.inf
    return math.inf


def _heed_cpu_quota() -> None:
    """Lower torch's threads to the quota, rounded up: torch counts processors, and threads without time wait together.

    What the user chose stays: OMP_NUM_THREADS or MKL_NUM_THREADS; a number below half of the processors, which torch
    never takes by itself; and any `torch.set_num_threads` that comes after the import of segedu.
    """
    quota, threads = cpu_quota(), torch.get_num_threads()
    if quota >= threads or {"OMP_NUM_THREADS", "MKL_NUM_THREADS"} & os.environ.keys():
        return
    if threads >= len(os.sched_getaffinity(0)) // 2:  # a quota below infinity is Linux, which can say this
        torch.set_num_threads(math.ceil(quota))


_heed_cpu_quota()
