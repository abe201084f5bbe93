"""Pets: cats and dogs of 37 breeds, photographed by their owners, each cut out (Oxford-IIIT Pet, 2012)."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from torch.utils.data import Dataset, Subset

from segedu.datasets.of_torchvision import TorchvisionDataset
from segedu.ids import MaskError
from segedu.labels import CELLS, IGNORE_INDEX, LabelTable

CLASSES = LabelTable(names=("background", "pet"), colours=CELLS.colours, things=("pet",))
PET, BACKGROUND, BORDER = 1, 2, 3  # in the files, which are called trimaps


class Pets(TorchvisionDataset):
    """Photographs of cats and dogs with the animal's mask, of many sizes. Lesson 15.

    ds[i] → image (3, H, W), mask (H, W), as SegmentationDataset says; the classes are Pets.labels,
    background and pet. The band along the border, where fur ends nowhere in particular, is a class
    of its own in the files (trimaps) and void, 255, here. Read by torchvision's OxfordIIITPet from
    its layout: oxford-iiit-pet/images and oxford-iiit-pet/annotations.

    Args:
        split: "test" is that of the authors, 3,669 pictures; "train" and "val" divide their
            trainval, 3,680, about nine to one, by a checksum of the name.
        size: (height, width), None for that of the files, which differ. Image antialiased, mask
            nearest.
        transform: called as transform(image, mask); may be random.
        root: the folder in which oxford-iiit-pet lies; None: SEGEDU_DATA, then the user's cache.
        download: let torchvision fetch it, about 800 MB.

    Attributes:
        names: the file names without suffix, such as "Abyssinian_100", in the order of the list.

    Raises:
        DataMissing: where it is not there.
        OSError: for a picture that is damaged.
        MaskError: for a trimap with another value than 1, 2 and 3, or of another size.
        ValueError: for another split or size.

    Source:
        Parkhi, Vedaldi, Zisserman, Jawahar, Cats and Dogs, CVPR 2012.
    """

    labels = CLASSES
    splits = ("train", "val", "test")
    folder = "oxford-iiit-pet"
    told = "About 800 MB. Licence: CC BY-SA 4.0; the photographs are their owners'. Cite Parkhi et al. (2012)."

    def _loader(self, root: Path, download: bool) -> Dataset:
        from torchvision.datasets import OxfordIIITPet

        listed = "test" if self.split == "test" else "trainval"
        pictures = OxfordIIITPet(str(root), listed, target_types="segmentation", download=download)
        lines = (root / self.folder / "annotations" / f"{listed}.txt").read_text(encoding="utf-8").splitlines()
        names = [line.split()[0] for line in lines]
        kept = [n for n, name in enumerate(names) if listed == "test" or held_out(name) == (self.split == "val")]
        self.names = [names[number] for number in kept]
        return Subset(pictures, kept)

    def _ids(self, stored: np.ndarray) -> np.ndarray:
        if wrong := sorted(set(np.unique(stored).tolist()) - {PET, BACKGROUND, BORDER}):
            raise MaskError(f"A trimap of Pets holds 1 (pet), 2 (background) and 3 (border), and no {wrong[0]}.")
        return np.array([0, 1, 0, IGNORE_INDEX], np.uint8)[stored]


def held_out(name: str) -> bool:
    """Whether a picture of trainval belongs to "val": one in ten, by its name."""
    return zlib.crc32(name.encode()) % 10 == 0
