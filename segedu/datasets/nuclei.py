"""Nuclei: fluorescence pictures of cell nuclei, each nucleus with its id (Data Science Bowl 2018, BBBC038)."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from segedu.datasets.base import StoredDataset, check_choice
from segedu.datasets.files import read_grey, read_ids, resized
from segedu.download import RealData
from segedu.labels import CELLS
from segedu.masks import separate

NUCLEI = RealData(
    name="nuclei",
    title="Nuclei",
    megabytes=30,
    licence="Licence: CC0, free for every use; cite Caicedo et al. (2019) and StarDist (Schmidt et al. 2018).",
    manifest="nuclei.sha256",
    prefix="dsb2018",
    sources=(
        "https://github.com/stardist/stardist/releases/download/0.1.0/{path}",
        "https://github.com/mpicbg-csbd/stardist/releases/download/0.1.0/{path}",
    ),
)

SPLITS = ("train", "val", "test")


class Nuclei(StoredDataset):
    """Bright nuclei on dark, of many sizes, with ids: StarDist's choice. Lessons 07, 11a, 12.

    ds[i] → image (1, H, W), mask (H, W)[, instances (H, W)], as SegmentationDataset says, but
    with one channel. In the mask (labels.CELLS) there is a line of background, two pixels wide,
    between touching nuclei (masks.separate). Instances are the ids of whole nuclei, as the files
    have them: touching nuclei touch. 0 is none. Reads train/images/NAME.tif, train/masks/NAME.tif
    and the same in test; PNG as well.

    Args:
        split: "test" is the folder `test`; "train" and "val" divide the folder `train`, about
            nine to one, by a checksum of the name (`held_out`), so that a picture too few or too
            many moves no other.
        size: (height, width), None for that of the files, which differ. Image antialiased, ids
            nearest, then cut.
        transform: called as transform(image, mask[, instances]); may be random.
        instances: whether samples have the ids of objects as their third part.
        root: as in CamVid.
        download: fetch what is missing, about 30 MB.

    Attributes:
        names: the file names without suffix, sorted.

    Raises:
        DataMissing: where the split or a mask is not there.
        OSError: for a damaged file.
        MaskError: for a mask of another size than its picture.
        ValueError: for another split or size.

    Source:
        BBBC038, Caicedo et al. 2019; chosen as in StarDist, arXiv 1806.03535.
    """

    data = NUCLEI
    labels = CELLS
    lacking = "{} of {} masks"

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
        check_choice("Nuclei", "split", split, SPLITS)
        self.split = split
        part = "test" if split == "test" else "train"
        self.folders, self.part = (f"{part}/images", f"{part}/masks"), f"{part} pictures"
        super().__init__(size=size, root=root, download=download, transform=transform, instances=instances)

    def _wanted(self, there: Iterable[str]) -> list[str]:
        return [name for name in there if self.split == "test" or held_out(name) == (self.split == "val")]

    def _read(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        image_path, mask_path = self._paths[index]
        image, ids = read_grey(image_path, self._fetch_hint), read_ids(mask_path, image_path, self._fetch_hint)
        image, ids = resized(image, ids, self.size)
        return image, (separate(ids) > 0).astype(np.uint8), ids


def held_out(name: str) -> bool:
    """Whether a picture of the folder `train` belongs to "val": by the first 16 characters of its name, one in ten."""
    return zlib.crc32(name[:16].encode()) % 10 == 0
