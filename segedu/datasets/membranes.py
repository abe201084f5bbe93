"""Membranes: 30 consecutive sections of a fly's nerve cord under an electron microscope (ISBI 2012 EM challenge)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from segedu.datasets.base import StoredDataset, check_choice
from segedu.datasets.files import read_grey, read_ids, resized
from segedu.download import RealData
from segedu.labels import CELLS
from segedu.masks import MaskError

_COMMIT = "b45af4d458437d8281cc218a07fd4380818ece4a"

MEMBRANES = RealData(
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
    """Sections 512×512 in grey with masks: inside of cells, and membranes between. Lesson 06.

    ds[i] → image (1, H, W), mask (H, W)[, instances (H, W)], as SegmentationDataset says, but
    with one channel. The mask (labels.CELLS) is 1 inside of a cell and 0 on membranes (in the
    files 255 and 0). Instances are connected parts (by edges) of the inside, 1 … n, in one
    section: two parts of a cell that meet above or below are two. The line between them is the
    drawn membrane, of three pixels or more.

    Args:
        split: "train" slices 0 … 18, "val" 19 … 23, "test" 24 … 29. They are consecutive sections
            of one block of tissue and therefore divided by blocks: a random division would test
            on the neighbours of what was learnt. The first of val is the neighbour of the last of
            train all the same: scores tell of new sections of this block, no more.
        size: (height, width), None for that of the files; image antialiased, mask and instances
            nearest. Membranes are four to five pixels wide at 512×512 and begin to have gaps
            below 256×256.
        transform: called as transform(image, mask[, instances]); may be random.
        instances: whether samples have the ids of objects as their third part.
        root: as in CamVid.
        download: fetch what is missing, about 8 MB.

    Attributes:
        names: the numbers of the slices, as text.

    Raises:
        DataMissing: where a slice of the split is not there.
        OSError: for one that is damaged.
        MaskError: for a label with other values than 0 and 255 (or 1).
        ValueError: for another split or size.

    Source:
        Cardona et al. 2010; the ISBI 2012 challenge, Arganda-Carreras et al. 2015.
    """

    data = MEMBRANES
    labels = CELLS
    folders = FOLDERS
    lacking = "{} of the {} slices of this split"

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
        check_choice("Membranes", "split", split, SLICES)
        self.split = split
        super().__init__(size=size, root=root, download=download, transform=transform, instances=instances)

    def _wanted(self, there: Iterable[str]) -> list[str]:
        return [str(number) for number in SLICES[self.split]]

    def _read(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        from scipy import ndimage  # `import segedu` stays without scipy

        image_path, label_path = self._paths[index]
        image, label = read_grey(image_path, self._fetch_hint), read_ids(label_path, image_path, self._fetch_hint)
        values = np.unique(label)
        if not (set(values.tolist()) <= {0, 255} or set(values.tolist()) <= {0, 1}):
            raise MaskError(
                f"{label_path} holds the values {values[:6].tolist()} …; a label of Membranes is 255 inside of cells "
                f"and 0 on membranes. It was perhaps resized or saved as JPEG. Fetch it again: {self._fetch_hint}"
            )
        parts = ndimage.label(label > 0)[0].astype(np.int32)
        image, parts = resized(image, parts, self.size)
        return image, (parts > 0).astype(np.uint8), parts
