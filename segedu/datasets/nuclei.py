"""Nuclei: fluorescence pictures of cell nuclei, each nucleus with its id (Data Science Bowl 2018, BBBC038)."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from segedu import files
from segedu.datasets.base import StoredDataset
from segedu.datasets.grey import read_grey, read_ids, resized
from segedu.labels import CELLS
from segedu.masks import separate

NUCLEI = files.RealData(
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
PARTS = ("images", "masks")


class Nuclei(StoredDataset):
    """Bright nuclei on dark, of very different sizes and magnifications, with ids: StarDist's choice from BBBC038.

    ds[i] → image (1, H, W), mask (H, W)[, instances (H, W)], as SegmentationDataset says, but with one channel.
    mask: labels.CELLS; between touching nuclei a line of background, two pixels wide (masks.separate).
    instances: ids of whole nuclei, as the files have them: touching nuclei touch. 0 is none.

    split: "test" is the folder `test`; "train" and "val" divide the folder `train`, about nine to one, by a checksum of
        the name (`held_out`), so that a picture too few or too many moves no other.
    size: (height, width), None for that of the files, which differ. Image antialiased, ids nearest, then cut.
    root, download: as in CamVid. Reads train/images/NAME.tif, train/masks/NAME.tif and the same in test; PNG as well.
    names: the file names without suffix, sorted.
    Raises DataMissing where the split or a mask is not there, OSError for a damaged file, MaskError for a mask of
    another size than its picture.
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
        if split not in SPLITS:
            raise ValueError(f"split={split!r} is unknown; Nuclei has {', '.join(map(repr, SPLITS))}.")
        super().__init__(
            NUCLEI, partial(_find, split),
            size=size, root=root, download=download, transform=transform, instances=instances,
        )  # fmt: skip
        self.names = [image.stem for image, _ in self._paths]

    def _read(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        image_path, mask_path = self._paths[index]
        mend = files.fetch_command(NUCLEI, image_path.parents[2])
        image, ids = resized(read_grey(image_path, mend), read_ids(mask_path, image_path, mend), self.size)
        return image, (separate(ids) > 0).astype(np.uint8), ids


def held_out(name: str) -> bool:
    """Whether a picture of the folder `train` belongs to "val": by the first 16 characters of its name, one in ten."""
    return zlib.crc32(name[:16].encode()) % 10 == 0


def _find(split: str, root: str | Path | None) -> list[tuple[Path, Path]]:
    """(image, mask) of each picture, sorted by name. Raises DataMissing: none at all, or a picture without its mask."""
    part = "test" if split == "test" else "train"
    folder = files.find_data(NUCLEI.name, root, [f"{part}/{kind}" for kind in PARTS])
    if folder is None:
        reason = f"There is no {part} set of Nuclei in {root}." if root else "Nuclei is not on this machine."
        raise files.missing(NUCLEI, reason, root)
    pictures, outlines = (files.pictures_in(folder / part / kind) for kind in PARTS)
    names = [name for name in pictures if part == "test" or held_out(name) == (split == "val")]
    images, masks = ([there.get(name) for name in names] for there in (pictures, outlines))
    lacking = [image.name for image, mask in zip(images, masks, strict=True) if mask is None]
    if lacking or not images:
        what = f"{len(lacking)} of {len(images)} masks, first {lacking[0]}" if lacking else "all pictures of this split"
        raise files.missing(NUCLEI, f"{folder} is incomplete: it lacks {what}.", folder)
    return list(zip(images, masks, strict=True))
