"""Memory and time of overlap-tile inference on large pictures: data/results/tiles.json, which lesson 07 quotes.

    python -m benchmarks.tiles [--megapixels 4 16 64] [--dry]

The network is lesson 07's U-Net. Pictures of 4 megapixels are also given to it whole. Picture and result are files,
mapped into memory. What is printed is the memory beyond them: pages of files do not count (RssAnon of Linux), nor does
what the process held before the first.
"""

from __future__ import annotations

import re
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import torch

import segedu
from benchmarks.provenance import origin
from benchmarks.storing import RESULTS, command_line, machine, store
from segedu.models import QuickUNet

TILE = 256
WHOLE = 4  # megapixels that fit into memory without tiles
STORED = RESULTS / "tiles.json"


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
        """Look every five milliseconds."""
        while not self.over.wait(0.005):
            self.megabytes = max(self.megabytes, anonymous())

    def __exit__(self, *_) -> None:
        self.over.set()
        self.join()


def measure(model: QuickUNet, megapixels: int, tile: int | None, folder: Path) -> dict[str, float]:
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


def network() -> QuickUNet:
    """Lesson 07's U-Net; untrained, since memory and time do not hang on what it has learnt."""
    torch.manual_seed(0)
    return QuickUNet(2, in_channels=1, width=16, depth=2, stride=2)


def rows_of(megapixels: list[int]) -> dict[str, tuple[int, int | None]]:
    """{row: (megapixels, side of a tile)} of what is measured; None: the picture is given whole."""
    rows = {f"tiles, {number} megapixels": (number, TILE) for number in megapixels}
    return rows | {f"whole, {WHOLE} megapixels": (WHOLE, None)}


def measured(rows: dict[str, tuple[int, int | None]]) -> dict[str, dict[str, float]]:
    """{row: {"megabytes", "seconds"}}, megabytes beyond what the process held before the first."""
    model, found, before = network(), {}, anonymous()
    with tempfile.TemporaryDirectory() as folder:
        for name, (megapixels, tile) in rows.items():
            row = measure(model, megapixels, tile, Path(folder))
            found[name] = {"megabytes": round(row["megabytes"] - before, 1), "seconds": round(row["seconds"], 1)}
            print(name, found[name], flush=True)
    return found


def main() -> None:
    """Measure, and store the rows."""
    parser = command_line(__doc__)
    parser.add_argument("--megapixels", nargs="+", type=int, default=[4, 16, 64])
    options = parser.parse_args()
    result = {
        "question": "How much memory beyond picture and result do tiles need?",
        "command": "python -m benchmarks.tiles",
        "machine": machine("float32"),
        **origin("benchmarks.tiles"),
        "rows": measured(rows_of(options.megapixels)),
    }
    if not options.dry:
        store(STORED, result)


if __name__ == "__main__":
    sys.exit(main())
