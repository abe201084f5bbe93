"""Which precision trains faster here, and does "auto" take it? Pictures a second of our networks and two peers.

    python -m benchmarks.precision [--rounds 5] [--seconds 3] [--only NAME …]

Every network learns by `segedu.fit` from the same random pictures (size and batch of learning_per_minute.py, and its
seconds), in each precision in turn, round by round, so that slow seconds of the machine meet all of them. Printed are
medians over the rounds; a factor is the median of the factors within a round. Nothing is stored.

Measure on a machine at rest, or on one thread (OMP_NUM_THREADS=1): what else runs takes more from bfloat16 than from
float32, whatever OMP_WAIT_POLICY says. Two threads on one core took 3.6 times the computing time of one alone in
bfloat16, 1.5 times in float32 (U-Net with a strided stem), as if oneDNN's threads wait for each other without sleep.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys

import torch
from torch import nn
from torch.utils.data import TensorDataset

from benchmarks.learning_per_minute import ARMS, BATCH, CLASSES, PEERS, SIZE, fit_for
from segedu import runtime
from segedu.losses import cross_entropy

NETWORKS = {name: ARMS[name].build for name in ("FCN-8s", "U-Net", "U-Net, strided stem", "DeepLab v3+")} | {
    name: PEERS[name] for name in ("smp Unet resnet18", "smp DeepLabV3Plus resnet18")
}
AS_FAST = 0.97  # a precision with this part of the best one's speed is as fast: stopwatches do not tell more


def measure(networks: dict[str, nn.Module], precisions: list[str], rounds: int, seconds: float) -> dict[str, dict]:
    """{network: {precision: pictures a second, one number a round}}; a first step in each is not counted."""
    data = TensorDataset(torch.rand(2 * BATCH, 3, *SIZE), torch.randint(CLASSES, (2 * BATCH, *SIZE)))
    rates = {name: {precision: [] for precision in precisions} for name in networks}
    for number in range(rounds + 1):
        for name, network in networks.items():
            for precision in precisions:
                recipe = {"loss": cross_entropy, "rate": 1e-3, "batch": BATCH, "seed": 0, "precision": precision}
                history = fit_for(seconds if number else 1e-3, network, data, **recipe)
                if number:
                    rates[name][precision].append(history.pictures_per_second)
    return rates


def factors(rates: dict[str, list[float]], precision: str) -> list[float]:
    """How many times as fast as in float32, in each round."""
    return [here / there for here, there in zip(rates[precision], rates["float32"], strict=True)]


def table(rates: dict[str, dict[str, list[float]]], chosen: str) -> str:
    """For people: a row for each network, and whether the precision that "auto" takes is the fastest one."""
    precisions = list(next(iter(rates.values())))
    lines = [f"{'pictures/s':28s}" + "".join(f"{precision:>10s}" for precision in precisions) + "  times float32"]
    for name, row in rates.items():
        speeds = "".join(f"{statistics.median(row[precision]):10.1f}" for precision in precisions)
        told = [
            f"{statistics.median(found):.2f} ({min(found):.2f} … {max(found):.2f})"
            for found in (factors(row, precision) for precision in precisions if precision != "float32")
        ]
        lines.append(f"{name:28s}{speeds}  {', '.join(told)}")
    means = {
        precision: statistics.geometric_mean(statistics.median(factors(row, precision)) for row in rates.values())
        for precision in precisions
    }
    told = ", ".join(f"{precision} {mean:.2f}" for precision, mean in means.items())
    holds = "is the fastest" if means[chosen] >= AS_FAST * max(means.values()) else "is NOT the fastest"
    return "\n".join([*lines, f'geometric means: {told}; "auto" takes {chosen}, which {holds} here'])


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", choices=NETWORKS, help=f"of {', '.join(map(repr, NETWORKS))}"
    )
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("Measure at least one round.")
    if torch.get_num_threads() > 1 and hasattr(os, "getloadavg") and os.getloadavg()[0] > 0.5:
        print("Other programs run here, which slows bfloat16 most: wait until they end, or set OMP_NUM_THREADS=1.")
    torch.manual_seed(0)
    networks = {name: NETWORKS[name]() for name in options.only or NETWORKS}
    precisions = ["float32", "bfloat16", *(["float16"] if runtime.device().type == "cuda" else [])]
    rates = measure(networks, precisions, options.rounds, options.seconds)
    print(table(rates, runtime.precision()))
    print(f"{runtime.device()}, {torch.get_num_threads()} threads, torch {torch.__version__}")


if __name__ == "__main__":
    sys.exit(main())
