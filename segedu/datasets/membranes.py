"""Membranes: 30 consecutive sections of a fly's nerve cord under an electron microscope (ISBI 2012 EM challenge)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from segedu import files
from segedu.datasets.base import StoredDataset
from segedu.datasets.grey import read_grey, read_ids, resized
from segedu.labels import CELLS
from segedu.masks import MaskError

_COMMIT = "b45af4d458437d8281cc218a07fd4380818ece4a"

MEMBRANES = files.RealData(
    name="membranes",
    title="Membranes",
    megabytes=8,
    licence="Licence: research and teaching, non-commercial; cite Cardona et al. (2010) and the ISBI 2012 challenge.",
    manifest="membranes.sha256",
    prefix="data/membrane",
    sources=(
        f"https://raw.githubusercontent.com/zhixuhao/unet/{_COMMIT}/data/membrane/{{path}}",
        f"https://github.com/zhixuhao/unet/raw/{_COMMIT}/data/membrane/{{path}}",
        "https://archive.softwareheritage.org/api/1/content/sha256:{sha256}/raw/",
    ),
)

# By contiguous blocks: neighbouring sections are 50 nm apart and show the same cells.
SLICES = {"train": range(0, 19), "val": range(19, 24), "test": range(24, 30)}
FOLDERS = ("train/image", "train/label")  # the challenge's own test has no public labels, so all 30 are its train


class Membranes(StoredDataset):
    """Sections 512×512 in grey with their masks: inside of cells, and the membranes between (labels.CELLS).

    ds[i] → image (1, H, W), mask (H, W)[, instances (H, W)], as SegmentationDataset says, but with one channel.
    mask: 1 inside of a cell, 0 membrane (in the files 255 and 0).
    instances: connected parts (by edges) of the inside, 1 … n, in one section: two parts of a cell that meet above or
          below are two. The line between them is the drawn membrane, of three pixels or more.

    split: "train" slices 0 … 18, "val" 19 … 23, "test" 24 … 29. They are consecutive sections of one block of tissue
        and therefore divided by blocks: a random division would test on the neighbours of what was learnt. The first
        of val is the neighbour of the last of train all the same: scores tell of new sections of this block, no more.
    size: (height, width), None for that of the files; image antialiased, mask and instances nearest. Membranes are four
        to five pixels wide at 512×512 and begin to have gaps below 256×256.
    root, download: as in CamVid; about 8 MB.
    Raises DataMissing where a slice of the split is not there, OSError for one that is damaged, MaskError for a label
    with other values than 0 and 255 (or 1).
    """

    labels = CELLS

    def __init__(
        self,
        split: str = "train",
        *,
        size: tuple[int, int] | None = None,
        transform: Callable | None = None,
        instances: bool = False,
        root: str | Path | None = None,
        download: bool = False,
    ):
        if split not in SLICES:
            raise ValueError(f"split={split!r} is unknown; Membranes has {', '.join(map(repr, SLICES))}.")
        self.names = [str(number) for number in SLICES[split]]
        super().__init__(
            MEMBRANES, partial(_find, self.names),
            size=size, root=root, download=download, transform=transform, instances=instances,
        )  # fmt: skip

    def _read(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        from scipy import ndimage  # `import segedu` stays without scipy

        image_path, label_path = self._paths[index]
        mend = files.fetch_command(MEMBRANES, image_path.parents[2])
        image, label = read_grey(image_path, mend), read_ids(label_path, image_path, mend)
        values = np.unique(label)
        if not (set(values.tolist()) <= {0, 255} or set(values.tolist()) <= {0, 1}):
            raise MaskError(
                f"{label_path} holds the values {values[:6].tolist()} …; a label of Membranes is 255 inside of cells "
                f"and 0 on membranes. It was perhaps resized or saved as JPEG. Fetch it again: {mend}"
            )
        parts = ndimage.label(label > 0)[0].astype(np.int32)
        image, parts = resized(image, parts, self.size)
        return image, (parts > 0).astype(np.uint8), parts


def _find(names: list[str], root: str | Path | None) -> list[tuple[Path, Path]]:
    """(image, label) of each slice. Raises DataMissing: no Membranes at all, or not all of the split's slices."""
    folder = files.find_data(MEMBRANES.name, root, FOLDERS)
    if folder is None:
        reason = f"Membranes is not in {root}." if root else "Membranes is not on this machine."
        raise files.missing(MEMBRANES, reason, root)
    there = [files.pictures_in(folder / part) for part in FOLDERS]
    found = [tuple(pictures.get(name) for pictures in there) for name in names]
    lacking = [name for name, pair in zip(names, found, strict=True) if None in pair]
    if lacking:
        count = f"{len(lacking)} of the {len(names)} slices of this split"
        raise files.missing(MEMBRANES, f"{folder} is incomplete: it lacks {count}, first {lacking[0]}.", folder)
    return found
