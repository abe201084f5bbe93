"""Memory and time of overlap-tile inference on pictures of 4, 16 and 64 megapixels, or of those given in the command.

Picture and result are files, mapped into memory. What is printed is the memory beyond them: pages of files do not
count (RssAnon of Linux), nor does what the process held before the first.
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
from segedu.models import SmallNet

TILE = 256


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


def measure(model, megapixels: int, folder: Path) -> tuple[float, float]:
    """(megabytes held at most, seconds) for a square grey picture of so many megapixels, 1 = 1024 × 1024."""
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
        segedu.semantic_segmentation(model, picture, tile=TILE, out=ids)
    return peak.megabytes, time.perf_counter() - start


def main(sizes: list[int]) -> None:
    torch.manual_seed(0)
    model = SmallNet(2, in_channels=1, width=8)
    before = anonymous()
    with tempfile.TemporaryDirectory() as folder:
        for megapixels in sizes:
            megabytes, seconds = measure(model, megapixels, Path(folder))
            print(f"{megapixels} megapixels: at most {megabytes - before:.1f} MB more, {seconds:.1f} s", flush=True)


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:] if word.isdigit()] or [4, 16, 64])
