"""Memory and time of overlap-tile inference on large pictures: data/results/tiles.json, which lesson 07 quotes.

    python -m benchmarks.tiles [--megapixels 4 16 64] [--dry]

The network is lesson 07's U-Net. Pictures of 4 megapixels are also given to it whole. Picture and result are files,
mapped into memory. What is printed is the memory beyond them: pages of files do not count (RssAnon of Linux), nor does
what the process held before the first.
"""

from __future__ import annotations

import argparse
import platform
import re
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import torch

import segedu
from benchmarks.storing import store
from segedu.models import QuickUNet

TILE = 256
WHOLE = 4  # megapixels that fit into memory without tiles
STORED = Path(__file__).resolve().parents[1] / "data" / "results" / "tiles.json"


def anonymous() -> float:
    """Megabytes of this process that no file holds."""
    return int(re.search(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 1000


class Peak(threading.Thread):
    """A `with` block; afterwards `.megabytes` is the most that was held in it at any time."""

    def __enter__(self) -> Peak:
        self.over, self.megabytes = threading.Event(), anonymous()
        self.start()
        return self

    def run(self) -> None:
        while not self.over.wait(0.005):
            self.megabytes = max(self.megabytes, anonymous())

    def __exit__(self, *_) -> None:
        self.over.set()
        self.join()


def measure(model, megapixels: int, tile: int | None, folder: Path) -> dict[str, float]:
    """Megabytes held at most, and seconds, for a square grey picture of so many megapixels, 1 = 1024 × 1024."""
    side = int(1024 * megapixels**0.5)
    picture = np.memmap(folder / "picture", np.uint8, "w+", shape=(side, side))
    stripe = np.random.default_rng(0).integers(0, 256, (64, side), dtype=np.uint8)
    for top in range(0, side, 64):
        picture[top : top + 64] = stripe[: side - top]
    picture.flush()
    picture = np.memmap(folder / "picture", np.uint8, "r", shape=(side, side))
    ids = np.memmap(folder / "ids", np.uint8, "w+", shape=(side, side))
    start = time.perf_counter()
    with Peak() as peak:
        segedu.semantic_segmentation(model, picture, tile=tile, out=ids)
    return {"megabytes": peak.megabytes, "seconds": time.perf_counter() - start}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megapixels", nargs="+", type=int, default=[4, 16, 64])
    parser.add_argument("--dry", action="store_true", help="print, and store nothing")
    options = parser.parse_args()
    torch.manual_seed(0)
    model = QuickUNet(2, in_channels=1, width=16, depth=2, stride=2)
    rows = {f"tiles, {megapixels} megapixels": (megapixels, TILE) for megapixels in options.megapixels}
    rows[f"whole, {WHOLE} megapixels"] = (WHOLE, None)
    found, before = {}, anonymous()
    with tempfile.TemporaryDirectory() as folder:
        for name, (megapixels, tile) in rows.items():
            row = measure(model, megapixels, tile, Path(folder))
            found[name] = {"megabytes": round(row["megabytes"] - before, 1), "seconds": round(row["seconds"], 1)}
            print(name, found[name], flush=True)
    result = {
        "question": "How much memory beyond picture and result do tiles need?",
        "command": "python -m benchmarks.tiles",
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, float32, torch {torch.__version__}",
        "rows": found,
    }
    if not options.dry:
        store(STORED, result)


if __name__ == "__main__":
    sys.exit(main())
