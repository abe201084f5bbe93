"""Several processes at one task: who is first, who takes which share, and what all of them know together.

torch starts them (`torchrun --nproc-per-node=2 -m segedu train …`), and carries their numbers: gloo between processors,
nccl between CUDA's GPUs. Alone, a process is the first of one, and each function here gives back what it is given.
All processes must call the same functions in the same order: what one of them sends, the others wait for.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator, Sequence

import torch
from torch import distributed as dist

LAUNCHED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")  # what torchrun tells each process
_store = None  # texts and numbers that all processes see
_together = False  # whether this process works with others, inside `processes`


def launched() -> bool:
    """Whether torchrun, or what tells as much, started this process beside others. Lesson 16."""
    return all(name in os.environ for name in LAUNCHED) and os.environ["WORLD_SIZE"] != "1"


@contextlib.contextmanager
def processes() -> Iterator[None]:
    """A `with` block in which the processes that torchrun started work as one. Lesson 16.

    `fit` and `evaluate` in it share pictures and sums; each process must call them. Started without
    torchrun, it changes nothing.

    Raises:
        ValueError: as a sentence, for more processes than the machine has GPUs, and where this
            torch cannot do it.
        ConnectionError: as a sentence, if the processes do not find each other, or if one of them
            ends before the others.

    Example:
        with segedu.distributed.processes():
            segedu.fit(model, train, steps=1000)
    """
    global _together, _store
    if not launched() or _together:
        yield
        return
    if not dist.is_available():
        raise ValueError("This torch is built without torch.distributed: start segedu without torchrun.")
    try:
        _store, rank, size = next(iter(dist.rendezvous("env://")))
        dist.init_process_group(_backend(), store=_store, rank=rank, world_size=size)
    except RuntimeError as error:
        place = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise ConnectionError(f"The processes do not find each other at {place} ({error}).") from error
    _together = True
    try:
        yield
        dist.barrier()  # the first process may have files to write: all leave together
        dist.destroy_process_group()
    except RuntimeError as error:
        if not is_lost(error):
            raise
        raise ConnectionError("Another process has ended, so this one ends, too.") from error
    finally:
        _together = False


def _backend() -> str:
    """What carries the numbers: nccl between GPUs, gloo between processors."""
    if not torch.cuda.is_available():
        return "gloo"
    place, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if place >= gpus:
        raise ValueError(f"Process {place + 1} of this machine finds {gpus} GPUs: torchrun --nproc-per-node={gpus}")
    torch.cuda.set_device(place)
    return "cpu:gloo,cuda:nccl" if dist.is_nccl_available() else "gloo"


@contextlib.contextmanager
def apart() -> Iterator[None]:
    """A `with` block in which each process works for itself, as if it were alone. Lesson 16."""
    global _together
    before, _together = _together, False
    try:
        yield
    finally:
        _together = before


def size() -> int:
    """How many processes work together; 1 for a process alone. Lesson 16."""
    return dist.get_world_size() if _together else 1


def rank() -> int:
    """Which of them this is: 0 … size() − 1. Lesson 16."""
    return dist.get_rank() if _together else 0


def is_first() -> bool:
    """Whether this is the process that writes files. Lesson 16."""
    return rank() == 0


def is_lost(error: BaseException) -> bool:
    """Whether torch says by this error that another process has gone. Lesson 16.

    Args:
        error: what a call that waits for others raised.
    """
    text = str(error)
    told = isinstance(error, dist.DistError) if dist.is_available() else False
    return told or (isinstance(error, RuntimeError) and ("gloo" in text or "peer" in text or "NCCL" in text))


def share(items: Sequence) -> Sequence:
    """The items that are this process's, neighbours all; the shares in order are the whole. Lesson 16.

    Args:
        items: any number of them: shares differ by one at most, and some are empty where there are
            fewer items than processes.

    Example:
        >>> share(["a", "b", "c"])  # alone
        ['a', 'b', 'c']
    """
    return items[len(items) * rank() // size() : len(items) * (rank() + 1) // size()]


def check_enough(batch_size: int) -> None:
    """Check that each process has a picture to learn from at each step. Lesson 16.

    Args:
        batch_size: pictures a step, of all processes together.

    Raises:
        ValueError: if there are fewer than processes.
    """
    if batch_size < size():
        raise ValueError(
            f"A step of {batch_size} pictures cannot be shared by {size()} processes: batch_size={size()} or more "
            f"(all processes together), or torchrun --nproc-per-node={batch_size}."
        )


def check_same(number: float, wrong: str) -> None:
    """Check that a number is the same in all processes. Lesson 16.

    Args:
        number: a count, such as the step from which a training goes on.
        wrong: what to say if it is not; the numbers, in the processes' order, stand behind it.

    Raises:
        ValueError: in all processes, then.
    """
    numbers = all_items([number])
    if len(set(numbers)) > 1:
        raise ValueError(f"{wrong}: {', '.join(map(str, numbers))}")


def from_first(number: float) -> float:
    """The first process's number, for all of them: one clock, for example. Lesson 16.

    Args:
        number: this process's own.
    """
    if size() == 1:
        return number
    sent = torch.tensor([number], dtype=torch.float64)
    dist.broadcast(sent, src=0)
    return sent.item()


def any_of(flag: bool) -> bool:
    """Whether the flag is set in any process. Lesson 16.

    Args:
        flag: this process's own.
    """
    return bool(summed(torch.tensor(int(flag)))) if size() > 1 else flag


def summed(tensor: torch.Tensor) -> torch.Tensor:
    """The sum over the processes, without a gradient; alone the tensor itself. Lesson 16.

    Args:
        tensor: of the same shape and type in all of them.
    """
    if size() == 1:
        return tensor
    total = tensor.detach().clone()
    dist.all_reduce(total)
    return total


def stacked(tensor: torch.Tensor) -> torch.Tensor:
    """(size(), …): the processes' tensors on each other, without a gradient. Lesson 16.

    Args:
        tensor: of the same shape and type in all of them.
    """
    received = [torch.empty_like(tensor) for _ in range(size())]
    dist.all_gather(received, tensor.detach().contiguous())
    return torch.stack(received)


def gathered(tensor: torch.Tensor) -> torch.Tensor:
    """The processes' tensors in a row, along the first axis; alone the tensor itself. Lesson 16.

    Its own part keeps its gradient, the others' parts have none: each process sends back what
    follows from its own pictures.

    Args:
        tensor: (n, …), of any type; n may differ from process to process.

    Raises:
        ValueError: if the other axes differ, as of pictures of different sizes.
    """
    if size() == 1:
        return tensor
    shapes = all_items([tuple(tensor.shape)])
    if not tensor.ndim or len({shape[1:] for shape in shapes}) > 1:
        raise ValueError(
            "Pictures, masks and what a network makes of them must be stacked, and of one size, to be one batch; the "
            f"processes have the shapes {', '.join(map(str, shapes))}."
        )
    counts = [torch.Size(shape).numel() * tensor.itemsize for shape in shapes]
    own = tensor.detach().contiguous().view(-1).view(torch.uint8)
    sent = torch.cat([own, own.new_zeros(max(counts) - len(own))])  # all send as much as the largest
    parts = [
        part[:count].view(tensor.dtype).view(shape)
        for part, count, shape in zip(stacked(sent), counts, shapes, strict=True)
    ]
    parts[rank()] = tensor
    return torch.cat(parts)


def all_items(items: list) -> list:
    """The items of all processes, in the processes' order; alone the list itself. Lesson 16.

    Args:
        items: whatever can be pickled; few and small ones.
    """
    if size() == 1:
        return items
    lists = [None] * size()
    dist.all_gather_object(lists, items)
    return [item for part in lists for item in part]


@contextlib.contextmanager
def told_once() -> Iterator[None]:
    """A `with` block, or a decorator, in which only the first process prints and warns. Lesson 16."""
    if is_first():
        yield
        return
    with (
        open(os.devnull, "w", encoding="utf-8") as nowhere,
        contextlib.redirect_stdout(nowhere),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


def says_it_first(sentence: str) -> bool:
    """Whether no other process has asked this about the sentence: errors are told once. Lesson 16.

    Args:
        sentence: what is to be told.
    """
    try:
        return _store is None or _store.add(sentence, 1) == 1
    except RuntimeError:  # whoever kept the store has gone
        return True
