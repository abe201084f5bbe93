"""The machine: which device computes, at which precision, on how many threads, and where chance comes from."""

from __future__ import annotations

import contextlib
import math
import os
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

LEAST_SCALE = 2.0**-20  # of gradients in float16: from here on, even sums over millions of pixels do not overflow


def device() -> torch.device:
    """The best device at hand: cuda, then mps (Apple), then cpu. Lesson 04.

    Not mps for several processes together, whose numbers torch does not carry there.
    """
    if torch.cuda.is_available():
        return torch.device("cuda")
    several = torch.distributed.is_available() and torch.distributed.is_initialized()
    if torch.backends.mps.is_available() and not several:
        return torch.device("mps")
    return torch.device("cpu")


def seed_everything(seed: int) -> None:
    """Seed Python's, numpy's and torch's generators, those of all devices. Lesson 04.

    It changes global state: for scripts and first cells.

    Args:
        seed: any integer ≥ 0; numpy sees its lower 32 bits.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)  # the old generator, from which a reader's code may draw
    torch.manual_seed(seed)


@contextlib.contextmanager
def preserved_rng() -> Iterator[None]:
    """A `with` block that leaves Python's, numpy's and torch's generators as they were. Lesson 04."""
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
    """The precision that trains fastest here: "bfloat16", "float16" or "float32". Lesson 04.

    bfloat16 where the processor multiplies it in hardware: CUDA that says so, and x86 with AMX or
    with the bfloat16 instructions of AVX-512, unless ONEDNN_MAX_CPU_ISA keeps oneDNN, which
    computes the convolutions, from using them. float16 on CUDA with tensor cores, but without
    bfloat16 (compute capability 7: V100, T4). float32 everywhere else.

    Decided by what the processor says of itself, never by a stopwatch, so that one machine always
    gives one answer. On processors that only emulate bfloat16 it is many times slower than float32.
    """
    kind = device().type
    if kind == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "bfloat16"
        return "float16" if torch.cuda.get_device_capability() >= (7, 0) else "float32"
    return "bfloat16" if kind == "cpu" and _has_bfloat16() and _may_use_bfloat16() else "float32"


def _has_bfloat16() -> bool:
    """Whether this x86 processor multiplies bfloat16. A torch without one of these questions counts as a no."""
    questions = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, question, bool)() for question in questions)


def _may_use_bfloat16() -> bool:
    """Whether oneDNN may use what the processor has.

    It says no below AVX-512 by itself, but also yes where it would emulate.
    """
    if not (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()):
        return False
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or ""
    return limit.upper() not in ("AVX512_CORE", "AVX512_CORE_VNNI")


def checked_precision(asked: str) -> str:
    """The precision that was asked for; for "auto", what `precision` says. Lesson 04.

    Args:
        asked: "float32", "bfloat16", "float16" or "auto".

    Raises:
        ValueError: as a sentence, for any other, and for one that this device cannot learn in.
    """
    if asked not in ("auto", "float32", "bfloat16", "float16"):
        raise ValueError(f"precision must be 'float32', 'bfloat16', 'float16' or 'auto', got {asked!r}.")
    if asked == "float16" and device().type == "mps":  # torch 2.6 cannot scale gradients there
        raise ValueError("precision='float16' works on CUDA and on the CPU, not on mps; take 'float32' or 'bfloat16'.")
    return precision() if asked == "auto" else asked


def autocast(precision: str) -> torch.autocast:
    """A `with` block in which `device()` computes in 16 bits what suits them. Lesson 04.

    Args:
        precision: "bfloat16" or "float16"; "float32" changes nothing.
    """
    dtype = torch.float16 if precision == "float16" else torch.bfloat16
    return torch.autocast(device().type, dtype=dtype, enabled=precision != "float32")


def scaled_step(scaler: torch.amp.GradScaler, optimizer: torch.optim.Optimizer) -> bool:
    """Whether the optimiser took its step: not where the gradients overflow. Lesson 04.

    After an overflow the scaler makes the next gradients smaller.

    Args:
        scaler: of the gradients; one that is not enabled changes nothing, and each step is taken.
        optimizer: whose parameters hold the scaled gradients.

    Raises:
        FloatingPointError: if the gradients overflow however small they are made.
    """
    before = scaler.get_scale()
    scaler.step(optimizer)
    scaler.update()
    if scaler.get_scale() >= before:
        return True
    if scaler.get_scale() < LEAST_SCALE:
        raise FloatingPointError(
            "The gradients overflow float16 however small they are made: the slope of the loss is infinite, or numbers "
            "in the network are too large. Try precision='float32'."
        )
    return False


def cpu_quota(groups: Path = Path("/sys/fs/cgroup"), mine: Path = Path("/proc/self/cgroup")) -> float:
    """How many processors' time this process is granted; infinity without a limit. Lesson 04.

    A container or a hub may set one, as in `docker run --cpus=1.5`.

    Args:
        groups: where Linux shows its control groups, of version 1 or 2.
        mine: the file that says which are the process's own; a group above them may grant less,
            and then that counts.
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
    """The quota of this very group: microseconds of processors' time, divided by the period's."""
    with contextlib.suppress(OSError, ValueError):  # version 2, "150000 100000"; "max" is no quota, and no number
        quota, period = (group / "cpu.max").read_text().split()
        return int(quota) / int(period)
    with contextlib.suppress(OSError):  # version 1; -1 is no quota
        quota, period = (int((group / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
        return quota / period if quota > 0 else math.inf
    return math.inf


def _heed_cpu_quota() -> None:
    """Lower torch's threads to the quota, rounded up.

    torch counts processors, and threads without time of their own wait for each other. What the
    user chose stays: OMP_NUM_THREADS or MKL_NUM_THREADS; a number below half of the processors,
    which torch never takes by itself; and any `torch.set_num_threads` after the import of segedu.
    """
    quota, threads = cpu_quota(), torch.get_num_threads()
    if quota >= threads or {"OMP_NUM_THREADS", "MKL_NUM_THREADS"} & os.environ.keys():
        return
    if threads >= len(os.sched_getaffinity(0)) // 2:  # a quota below infinity is Linux, which can say this
        torch.set_num_threads(math.ceil(quota))


_heed_cpu_quota()
