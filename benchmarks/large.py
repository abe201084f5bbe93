"""Memory and time of pictures larger than memory: peak of the whole process, by megapixels.

    python -m benchmarks.large [--megapixels 16 64 256]

A TIFF of tiles is written tile by tile, then a small network segments it by segedu.inference.segment_by_windows, in a
process of its own, whose largest resident memory the system tells (VmHWM of Linux): all of it, Python and torch as
well. The first row, of one megapixel, is what these and one window take by themselves.
"""

from __future__ import annotations

import multiprocessing
import re
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile
import torch

from benchmarks.storing import command_line
from segedu.inference import TiffPicture, segment_by_windows
from segedu.models import QuickUNet

TILE = 512  # pixels a side of the picture's tiles; a window is 1024


def write(path: Path, side: int) -> None:
    """A TIFF of side × side pixels in colours, deflated; no more than a tile of it is ever in memory."""
    tile = np.random.default_rng(0).integers(0, 256, (TILE // 16, TILE // 16, 3), dtype=np.uint8)
    tile = tile.repeat(16, axis=0).repeat(16, axis=1)
    number = (-(-side // TILE)) ** 2
    tifffile.imwrite(
        path, (tile for _ in range(number)), shape=(side, side, 3), dtype=np.uint8, tile=(TILE, TILE),
        photometric="rgb", compression="zlib", compressionargs={"level": 1}, maxworkers=1, metadata=None,
    )  # fmt: skip


def segment(source: Path, target: Path, told) -> None:
    """Put (megabytes at the peak, seconds) into the queue `told`."""
    torch.manual_seed(0)
    model = QuickUNet(2, width=4, depth=1, stride=8, stem="strided").eval()
    start = time.perf_counter()
    segment_by_windows(model, TiffPicture(source), target, progress=False)
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 1000
    told.put((peak, time.perf_counter() - start))


def main() -> None:
    """Print a row a size."""
    parser = command_line(__doc__)
    parser.add_argument("--megapixels", nargs="+", type=int, default=[16, 64, 256])
    anew = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as place:
        for megapixels in [1, *parser.parse_args().megapixels]:
            source, target = Path(place, "scan.tif"), Path(place, "ids.tif")
            write(source, int(1024 * megapixels**0.5))
            told = anew.Queue()
            process = anew.Process(target=segment, args=(source, target, told))
            process.start()
            peak, seconds = told.get()
            process.join()
            sizes = f"picture {3 * megapixels} MiB, its file {source.stat().st_size / 1e6:.1f} MB"
            print(
                f"{megapixels:5} megapixels: {peak:6.0f} MB at the peak, {seconds:6.1f} s; {sizes}, result "
                f"{target.stat().st_size / 1e6:.1f} MB",
                flush=True,
            )


if __name__ == "__main__":
    sys.exit(main())
