"""How long does an exported network take for a picture? The ONNX file in onnxruntime beside the network in torch.

    python -m benchmarks.export_latency [--rounds 7] [--answers 5] [--threads 1 2] [--sizes 120x160 …] [--only NAME …]

Each network is exported as `segedu export` does it, with normalisation and upsampling. Then it answers for one picture
at a time, float32, on the CPU; measured by the clock, from a numpy array to the array of its logits. torch and
onnxruntime have a process each, so that threads of the one that still spin do not slow the other, and take turns, round
by round; in every other round onnxruntime begins. A turn is one answer that is not counted and a few
that are, of which the median is kept. Printed are medians over the rounds, and how many times as fast onnxruntime is:
the median of the factors within a round, with the least and the largest. Nothing is stored.

Measure on a machine at rest. Weights are random ones: they do not change the time. Both engines run as they come:
torch eagerly (no torch.compile), onnxruntime with its usual optimisations of the graph.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks import lesson_10
from benchmarks.storing import known
from segedu.exporting import export_onnx
from segedu.models import BackboneUNet

Build = Callable[[], nn.Module]  # for other processes to call: a class or a partial of one
NETWORKS: dict[str, Build] = {
    name: partial(make, width=lesson_10.WIDTH) for name, make in lesson_10.NETWORKS.items()
} | {"U-Net on resnet18": partial(BackboneUNet, lesson_10.CLASSES, backbone="resnet18")}
SIZES = ("120x160", "240x320", "480x640")  # height x width
Answer = Callable[[np.ndarray], np.ndarray]
Times = dict[str, list[float]]  # {engine: seconds of an answer, one number a round}


def built(build: Build) -> nn.Module:
    """The network, ready to answer; the same weights in every process."""
    torch.manual_seed(0)
    return build().eval()


def by_torch(build: Build, file: Path, threads: int) -> Answer:
    """The network as it is; the file is not read."""
    torch.set_num_threads(threads)
    net = built(build)

    def answer(image: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return net(torch.from_numpy(image)).numpy()

    return answer


def by_onnxruntime(build: Build, file: Path, threads: int) -> Answer:
    """The file of the network."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return lambda image: session.run(["logits"], {"image": image})[0]


ENGINES = {"torch": by_torch, "onnxruntime": by_onnxruntime}


def serve(engine: str, build: Build, file: Path, threads: int, pipe: Connection) -> None:
    """A process of one engine: (height, width) and how many answers in, their median seconds out, until None comes."""
    answer = ENGINES[engine](build, file, threads)
    while (asked := pipe.recv()) is not None:
        size, answers = asked
        image = np.random.default_rng(0).random((1, 3, *size), np.float32)
        answer(image)  # not counted: what is laid out once for a size
        seconds = []
        for _ in range(answers):
            start = time.perf_counter()
            answer(image)
            seconds.append(time.perf_counter() - start)
        pipe.send(statistics.median(seconds))


@contextlib.contextmanager
def served(build: Build, file: Path, threads: int) -> Iterator[dict[str, Connection]]:
    """{engine: the line to its process}; the processes end with the block."""
    fresh = multiprocessing.get_context("spawn")
    lines, processes = {}, []
    try:
        for engine in ENGINES:
            lines[engine], theirs = fresh.Pipe()
            processes.append(fresh.Process(target=serve, args=(engine, build, file, threads, theirs), daemon=True))
            processes[-1].start()
            theirs.close()  # so that a process that dies is an EOFError here
        yield lines
        for line in lines.values():
            line.send(None)
    finally:
        for process in processes:
            process.join(5)
            process.kill()


def measure(build: Build, file: Path, threads: int, sizes: list[str], rounds: int, answers: int) -> dict[str, Times]:
    """{size: {engine: seconds of an answer, one number a round}}."""
    found: dict[str, Times] = {size: {engine: [] for engine in ENGINES} for size in sizes}
    with served(build, file, threads) as lines:
        for number in range(rounds):
            for size in sizes:
                for engine in list(ENGINES)[:: -1 if number % 2 else 1]:
                    lines[engine].send((tuple(map(int, size.split("x"))), answers))
                    found[size][engine].append(lines[engine].recv())
    return found


def row(times: Times) -> str:
    """For people, as cells of a table: milliseconds of both, and how many times as fast onnxruntime is."""
    factors = [theirs / here for theirs, here in zip(times["torch"], times["onnxruntime"], strict=True)]
    milliseconds = " | ".join(f"{1e3 * statistics.median(times[engine]):.1f}" for engine in ENGINES)
    return f"{milliseconds} | {statistics.median(factors):.2f} ({min(factors):.2f} … {max(factors):.2f})"


def main(arguments: list[str] | None = None) -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--answers", type=int, default=5, help="that are counted in a turn")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--sizes", nargs="+", metavar="HEIGHTxWIDTH", default=list(SIZES))
    parser.add_argument("--only", nargs="+", metavar="NAME", default=[], help=f"of {', '.join(NETWORKS)}")
    options = parser.parse_args(arguments)
    names = known(options.only, NETWORKS)
    try:
        import onnxruntime
    except ImportError:
        print('Not measured: onnxruntime is missing. pip install "segedu[export]" brings it.')
        return
    if hasattr(os, "getloadavg") and os.getloadavg()[0] > 0.5:
        print("Other programs run here: by the clock they count, too. Wait until they end.")
    print(f"| network | picture | threads | {' ms | '.join(ENGINES)} ms | times as fast |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            file = export_onnx(Path(folder, "network.onnx"), built(NETWORKS[name]))
            for threads in options.threads:
                times = measure(NETWORKS[name], file, threads, options.sizes, options.rounds, options.answers)
                for size, found in times.items():
                    print(f"| {name} | {size.replace('x', ' × ')} | {threads} | {row(found)} |", flush=True)
    versions = f"torch {torch.__version__}, onnxruntime {onnxruntime.__version__}"
    print(f"{platform.machine()}, {versions}, {options.rounds} rounds")


if __name__ == "__main__":
    sys.exit(main())
