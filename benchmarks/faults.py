"""Kill a training again and again, and go on with it: is a file lost or half-written, are the last weights others?

    python -m benchmarks.faults [--kills 30] [--write-points 0] [--seed 0]

`segedu train` learns from eight small pictures of cells for about a second, and validates and saves on its way. It is
ended by SIGKILL at a random moment, so that nothing of Python runs any more, then begun again with --resume, which is
killed once more in one case of three, and at last let through; and so on, until --kills have met a training that was
not over yet. --write-points kills it at
moments that chance seldom meets: before, in the middle of and behind each step of writing a file, as many of them as
are asked for, spread evenly. After every kill all that has its name in the folder must be whole, and at the end the
weights must be those of a training that nobody disturbed, to the last bit.

Linux only: children are forked, which saves them the seconds that torch takes to load.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import segedu
from benchmarks.storing import command_line
from segedu import cli
from segedu.commands import train
from segedu.datasets import ToyCells
from segedu.models import SmallNet

STEPS, EPOCH = 16, 4  # of a training, and between two validations, after each of which it is saved
SIZE = (32, 48)


def pictures(home: Path) -> Path:
    """The folder with eight pictures of cells and their masks."""
    for place in ("images", "masks"):
        (home / place).mkdir(parents=True)
    for index, (image, mask) in enumerate(ToyCells("train", length=8, size=SIZE)):
        for place, values in (("images", image[0].numpy()), ("masks", mask.numpy())):
            Image.fromarray((255 * values).astype(np.uint8)).save(home / place / f"{chr(97 + index)}.png")
    return home


def learn(folder: Path, out: Path) -> int:
    """The exit code of `segedu train … --resume`, with a small network; --resume begins where there is nothing."""
    words = f"--steps {STEPS} --batch-size 2 --model quick --precision float32 --resume --out".split()
    return cli.main(["train", str(folder), *words, str(out)])


@contextlib.contextmanager
def counted_writes(at: Callable[[], None]) -> Iterator[None]:
    """A `with` block in which `at` is called around and within all that changes a file: write, flush, move, remove."""

    def around(step: Callable) -> Callable:
        @functools.wraps(step)
        def counted(*arguments, **options):
            at()
            result = step(*arguments, **options)
            at()
            return result

        return counted

    def in_halves(path: Path, content: bytes) -> int:
        with open(path, "wb", buffering=0) as file:
            at()
            file.write(content[: len(content) // 2])
            at()
            file.write(content[len(content) // 2 :])
        return len(content)

    before = os.fsync, os.replace, Path.unlink, Path.write_bytes
    os.fsync, os.replace, Path.unlink, Path.write_bytes = (*map(around, before[:3]), in_halves)
    try:
        yield
    finally:
        os.fsync, os.replace, Path.unlink, Path.write_bytes = before


def child(work: Callable[[], int], *, seconds: float | None = None, write_point: int | None = None) -> int:
    """The exit code of the work in a process of its own; −9 where it was killed after seconds, or at a write point."""
    number = os.fork()
    if number == 0:
        code = 70
        try:
            with silence():
                points = iter(range(10**6))

                def at():
                    if next(points) == write_point:
                        os.kill(os.getpid(), signal.SIGKILL)

                with counted_writes(at):
                    code = work()
        finally:
            os._exit(code)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(number, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])


def halves(folder: Path) -> list[str]:
    """A sentence for each file of this folder that is not whole."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".unfinished-"):
            continue
        try:
            if path.suffix == ".png":
                Image.open(path).load()
            else:
                segedu.load(path)
        except (OSError, ValueError, SyntaxError) as error:
            found.append(f"{path.name}: {error}")
    return found


def same(one: Path, other: Path) -> bool:
    """Whether two files hold the same weights, to the last bit."""
    first, second = (segedu.load(path).state_dict() for path in (one, other))
    return first.keys() == second.keys() and all(torch.equal(value, second[name]) for name, value in first.items())


def disturbed(folder: Path, home: Path, undisturbed: Path, kills: list[dict]) -> tuple[int, list[str]]:
    """How many of these kills met a training, and what was wrong after them, as sentences.

    kills: arguments of `child`, one kill after the other; behind them the training is let through.
    """
    home.mkdir()
    out, met, wrong = home / "cells.safetensors", 0, []
    for kill in kills:
        code = child(lambda: learn(folder, out), **kill)
        met += code == -signal.SIGKILL
        wrong += halves(home)
        if code not in (0, -signal.SIGKILL):
            wrong.append(f"a run ended with {code}")
    if (code := child(lambda: learn(folder, out))) != 0:
        return met, [*wrong, f"the last run ended with {code}"]
    if not same(out, undisturbed):
        wrong.append("the weights are others")
    if left := sorted({path.name for path in home.iterdir()} - {"cells.safetensors", "cells.png"}):
        wrong.append(f"left behind: {left}")
    return met, wrong


def write_points(folder: Path, home: Path) -> int:
    """How many write points a training has; its network is home/cells.safetensors."""
    home.mkdir()
    points = []
    with counted_writes(lambda: points.append(1)), silence():
        learn(folder, home / "cells.safetensors")
    return len(points)


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """A `with` block that prints nothing."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def main() -> int:
    """Print what was found. 0; 1 where something was wrong."""
    parser = command_line(__doc__)
    parser.add_argument("--kills", type=int, default=30, help="at random moments; 30 if not given")
    parser.add_argument("--write-points", type=int, default=0, help="as many kills at moments of writing; 0")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)  # a process with threads cannot be forked
    train.EPOCH, train.MODELS["quick"] = EPOCH, functools.partial(SmallNet, width=8)
    chance, wrong, met = random.Random(options.seed), [], 0
    with tempfile.TemporaryDirectory() as place:
        folder = pictures(Path(place, "pictures"))
        points = write_points(folder, Path(place, "undisturbed"))
        undisturbed, number = Path(place, "undisturbed", "cells.safetensors"), 0

        def try_with(kills: list[dict]) -> int:
            nonlocal number
            number += 1
            ended, sentences = disturbed(folder, Path(place, str(number)), undisturbed, kills)
            wrong.extend(f"{kills}: {sentence}" for sentence in sentences)
            return ended

        for point in range(options.write_points):
            met += try_with([{"write_point": point * points // options.write_points}])
        start = time.perf_counter()
        try_with([])
        seconds, enough = time.perf_counter() - start, met + options.kills
        while met < enough:
            times = 1 + (chance.random() < 1 / 3)
            met += try_with([{"seconds": chance.uniform(0.02, seconds)} for _ in range(times)])
    print(f"A training takes {seconds:.1f} s and has {points} moments of writing")
    print(f"{met} kills met a training; {number} trainings gone on with")
    print("\n".join(wrong) or "No file was lost or half-written, and all weights are those of the undisturbed one")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
