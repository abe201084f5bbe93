"""How much faster do several processes train, and where does the time go? Measured here, and counted for others.

    python -m benchmarks.scaling [--seconds 4] [--rounds 3] [--paper]

Measured: pictures a second of `segedu.fit`, the same network and the same batch of eight, by one process with one
thread, by one with two, and by two processes with one thread each. "Apart" are two processes at one time of which each
learns from half a batch and sends nothing: what is missing between them and two that work together is what talking
and waiting take. Every arm is a process of its own (two by torchrun), round by round; printed is the best round, as
other programs only take away. Nothing is stored.

Counted (--paper counts only): what each process holds (weights, gradients, Adam's means, DistributedDataParallel's
buckets, and the maps of one picture); what it sends for a step, and how long that takes over a link of so many bytes a
second and so many seconds until a message arrives, by the ring all-reduce: each of N processes sends 2 (N − 1) / N
times the gradients' bytes in 2 (N − 1) messages. Links are named with rates that their makers give; real ones reach 60
to 90 % of them.

Source: Patarasu and Yuan, Bandwidth optimal all-reduce algorithms for clusters of workstations, J. Parallel Distrib.
Comput. 69 (2009), section 3. That nccl and gloo do so, bucket by bucket while `backward` still runs: Li et al., PyTorch
Distributed, arXiv 2006.15704, sections 2.3 and 3.2.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.utils.data import TensorDataset
from torchvision.models.segmentation import deeplabv3_resnet50

import segedu
from segedu import distributed, models
from segedu.models.outputs import input_channels

SIZE, CLASSES, BATCH = (120, 160), 11, 8
ARMS = {  # name: (processes, threads of each, whether they work together)
    "one process, one thread": (1, 1, True),
    "one process, two threads": (1, 2, True),
    "two processes": (2, 1, True),
    "two processes, apart": (2, 1, False),
}
NETWORKS = {
    "QuickUNet of the lessons": lambda: models.QuickUNet(CLASSES),
    "U-Net on resnet18": lambda: models.BackboneUNet(21, backbone="resnet18"),
    "U-Net of the paper": lambda: models.UNet.paper(),
    "FCN-8s of the paper": lambda: models.FCN.paper(),
}
MEMORY = {  # name: (network, side of its picture in pixels)
    "FCN-8s of the lessons": (lambda: models.FCN(CLASSES, width=8, stride=8), 512),
    "DeepLab v3+ of the lessons": (lambda: models.DeepLab(CLASSES, width=8, head="v3+"), 512),
    "SegFormer of the lessons": (lambda: models.SegFormer(CLASSES), 512),
    **{name: (build, 572 if name == "U-Net of the paper" else 512) for name, build in NETWORKS.items()},
    "DeepLab v3, ResNet-50": (
        lambda: deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=21), 512
    ),
}  # fmt: skip
LINKS = {  # name: (processes, bytes a second one way, seconds until a message arrives)
    "8 GPUs, NVLink 4 (450 GB/s)": (8, 450e9, 5e-6),
    "8 GPUs, PCIe 4 (32 GB/s)": (8, 32e9, 10e-6),
    "16 GPUs, InfiniBand (50 GB/s)": (16, 50e9, 10e-6),
    "16 GPUs, Ethernet (1.25 GB/s)": (16, 1.25e9, 50e-6),
}


def ring_seconds(processes: int, size: float, rate: float, delay: float) -> float:
    """Seconds of a ring all-reduce: 2 (N − 1) messages of size / N bytes, one after the other."""
    return 2 * (processes - 1) * (delay + size / processes / rate)


def ring_all_reduce(parts: list[torch.Tensor]) -> tuple[list[torch.Tensor], int]:
    """What each process holds after a ring all-reduce, played through message by message; and what each has sent.

    In turn t process p sends its chunk p − t to the next, which adds it to its own. After N − 1 turns process p has the
    whole sum of chunk p + 1; in N − 1 more turns the sums travel on, and take the place of what is there.
    """
    number = len(parts)
    chunks = [list(part.clone().tensor_split(number)) for part in parts]
    sent = [0] * number
    for turn in range(2 * (number - 1)):
        reducing = turn < number - 1
        messages = [(p, (p - turn) % number) for p in range(number)]
        values = [chunks[p][chunk].clone() for p, chunk in messages]
        for (p, chunk), value in zip(messages, values, strict=True):
            after = (p + 1) % number
            chunks[after][chunk] = chunks[after][chunk] + value if reducing else value
            sent[p] += value.numel() * value.itemsize
    return [torch.cat(own) for own in chunks], max(sent)


def kept_for_backward(build: Callable[[], nn.Module], side: int) -> int:
    """Bytes of maps that one picture of side × side pixels leaves in memory until `backward`, in float32.

    Nothing is computed: the network runs on the meta device, and autograd's hooks hand over each tensor that is kept.
    A tensor that is kept twice counts once, and weights not at all. The loss keeps its own, about the logits' size.
    """
    kept, pictures = {}, 2  # batch normalisation of a 1 × 1 map needs two
    with torch.device("meta"):
        network = build().train()
        own = {tensor.untyped_storage()._cdata for tensor in (*network.parameters(), *network.buffers())}

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            if storage._cdata not in own:
                kept[storage._cdata] = storage
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            output = network(torch.rand(pictures, input_channels(network), side, side))
        del output
    return sum(storage.nbytes() for storage in kept.values()) // pictures


def memory_on_paper() -> str:
    """A row for each network: its weights, what training holds of them, and the maps of one picture."""
    lines = [f"{'memory':26}{'weights':>10}{'gradients':>12}{'with Adam, buckets':>20}{'maps of one picture':>21}"]
    for name, (build, side) in MEMORY.items():
        with torch.device("meta"):
            number = sum(p.numel() for p in build().parameters())
        maps = kept_for_backward(build, side)
        row = f"{number / 1e6:8.2f} M{4 * number / 1e6:9.1f} MB{20 * number / 1e6:17.1f} MB"
        lines.append(f"{name:26}{row}{maps / 1e6:9.1f} MB of {side}²")
    return "\n".join(lines)


def on_paper() -> str:
    """A row for each network: its gradients, its memory, and milliseconds a step over each link."""
    lines = [f"{'milliseconds a step':26}{'gradients':>11}{'weights, Adam':>15}  " + "  ".join(LINKS)]
    for name, build in NETWORKS.items():
        with torch.device("meta"):
            network = build()
        size = 4 * sum(p.numel() for p in network.parameters())
        norms = sum(isinstance(layer, nn.BatchNorm2d) for layer in network.modules())
        times = [
            1e3 * (ring_seconds(n, size, rate, delay) + norms * 2 * ring_seconds(n, 0, rate, delay))
            for n, rate, delay in LINKS.values()
        ]
        row = "  ".join(f"{ms:{len(link)}.1f}" for ms, link in zip(times, LINKS, strict=True))
        lines.append(f"{name:26}{size / 1e6:8.1f} MB{4 * size / 1e6:12.1f} MB  {row}")
    return "\n".join(lines)


def speed(seconds: float, together: bool) -> dict:
    """Pictures a second of this process, or of all that work together; and its computing time a picture."""
    size = distributed.size()
    batch = BATCH if together else BATCH // size
    data = TensorDataset(torch.rand(2 * BATCH, 3, *SIZE), torch.randint(CLASSES, (2 * BATCH, *SIZE)))
    torch.manual_seed(0)
    model = models.QuickUNet(CLASSES)
    with distributed.processes() if together else distributed.apart():
        segedu.fit(model, data, steps=2, batch_size=batch, progress=False)
        computing, clock = time.process_time(), time.perf_counter()
        history = segedu.fit(model, data, minutes=seconds / 60, batch_size=batch, progress=False)
        computing, clock = time.process_time() - computing, time.perf_counter() - clock
    learnt = history.pictures
    mine = learnt / size if together else learnt
    return {"pictures_per_second": learnt / clock, "computing": computing / mine, "steps": len(history.loss)}


def measured(name: str, seconds: float) -> dict:
    """One arm in processes of its own."""
    processes, threads, together = ARMS[name]
    words = ["-m", "benchmarks.scaling", "--seconds", str(seconds), "--worker", "together" if together else "apart"]
    if processes > 1:
        words = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", *words]
    told = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run([sys.executable, *words], env=told, capture_output=True, text=True, timeout=300)
    if done.returncode:
        sys.exit(done.stderr)
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    rate = rows[0]["pictures_per_second"] if together else sum(row["pictures_per_second"] for row in rows)
    return {"pictures_per_second": rate, "computing": sum(row["computing"] for row in rows) / len(rows)}


def main(arguments: list[str] | None = None) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--paper", action="store_true")
    parser.add_argument("--worker", choices=("together", "apart"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.worker:
        with distributed.processes():
            row = speed(options.seconds, options.worker == "together")
        sys.stdout.write(json.dumps(row) + "\n")  # in one piece: two processes write
        return
    if not options.paper:
        rows = {name: [] for name in ARMS}
        for _ in range(options.rounds):
            for name in ARMS:
                rows[name].append(measured(name, options.seconds))
        print(f"{'':26}{'pictures/s':>11}{'milliseconds of computing a picture, in each process':>55}")
        for name, found in rows.items():
            best = max(found, key=lambda row: row["pictures_per_second"])
            print(f"{name:26}{best['pictures_per_second']:11.1f}{1e3 * best['computing']:55.1f}")
    print(f"{on_paper()}\n\n{memory_on_paper()}")


if __name__ == "__main__":
    main()
