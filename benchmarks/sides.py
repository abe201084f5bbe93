"""Time and memory of the three networks as the picture grows: data/results/sides.json, which lesson 10 draws.

    python -m benchmarks.sides [--sides 64 128 256 512 1024 2048] [--dry]

One thread. Of each network and side a fresh process answers for one square picture: first once, which gives the memory
(Linux's peak of resident pages, VmHWM, beyond what the process held before), then until two seconds are over, which
gives the time (processor time, so that other programs take little away; the least of the answers). A last row of each
network has the seconds of a training step as in 10_time, from which the steps there were chosen.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

import segedu
from benchmarks.lesson_10 import NETWORKS, RECIPE, WIDTH, weighting
from benchmarks.provenance import origin
from benchmarks.storing import RESULTS, command_line, machine, store
from segedu.datasets import ToyStreet

STORED = RESULTS / "sides.json"
SIDES = (64, 128, 256, 512, 1024, 2048)
ENOUGH = 2  # seconds of answers
ROUNDS, STEPS = 6, 4  # of training: the least of the rounds counts


def held(word: str) -> float:
    """Megabytes of this process: VmRSS now, VmHWM at most so far."""
    return int(re.search(rf"{word}:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 1000


def least(act: Callable[[], object], enough: float = ENOUGH) -> float:
    """The processor seconds of the quickest of at least three calls, and of as many as fit into `enough` seconds."""
    seconds: list[float] = []
    while len(seconds) < 3 or sum(seconds) < enough:
        start = time.process_time()
        act()
        seconds.append(time.process_time() - start)
    return min(seconds)


def answer(name: str, side: int) -> str:
    """What a network's answer for a picture of this side takes, in a process that has answered none: two numbers.

    Processor seconds and megabytes, with a space between.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = NETWORKS[name](width=WIDTH).eval()
    picture = torch.rand(1, 3, side, side)
    with torch.inference_mode():
        before = held("VmRSS")
        net(picture)
        megabytes = held("VmHWM") - before
        return f"{least(partial(net, picture))} {megabytes}"


def in_a_fresh_process(name: str, side: int | str) -> dict[str, float]:
    """The seconds and megabytes of `answer`."""
    call = f"from benchmarks import sides; print(sides.answer({name!r}, {int(side)}))"
    said = subprocess.run([sys.executable, "-c", call], check=True, capture_output=True, text=True).stdout
    seconds, megabytes = map(float, said.split())
    return {"seconds": float(f"{seconds:.3g}"), "megabytes": round(megabytes, 1)}


def seconds_of_a_step() -> dict[str, float]:
    """{network: processor seconds of one training step of 10_time}; the networks take turns, their least counts."""
    torch.set_num_threads(1)
    train = ToyStreet("train", length=40)
    loss, nets = weighting(train), {name: make(width=WIDTH) for name, make in NETWORKS.items()}
    seconds: dict[str, list[float]] = {name: [] for name in nets}
    for seed in range(ROUNDS):
        for name, net in nets.items():
            start = time.process_time()
            segedu.fit(net, train, loss=loss, steps=STEPS, seed=seed, **RECIPE)
            seconds[name].append((time.process_time() - start) / STEPS)
    return {name: min(row) for name, row in seconds.items()}


def main() -> None:
    """Measure, and store the rows."""
    parser = command_line(__doc__)
    parser.add_argument("--sides", nargs="+", type=int, default=list(SIDES))
    options = parser.parse_args()
    found = {f"{name}, a step": {"seconds": round(value, 4)} for name, value in seconds_of_a_step().items()}
    print(found, flush=True)
    for side in options.sides:
        for name in NETWORKS:
            found[f"{name}, {side}"] = in_a_fresh_process(name, side)
            print(f"{name}, {side}", found[f"{name}, {side}"], flush=True)
    result = {
        "question": "How do time and memory grow with the side of a picture?",
        "command": "python -m benchmarks.sides",
        "machine": machine("float32"),
        **origin("benchmarks.sides"),
        "arms": {arm: {score: [value] for score, value in row.items()} for arm, row in found.items()},
    }
    if not options.dry:
        store(STORED, result)


if __name__ == "__main__":
    sys.exit(main())
