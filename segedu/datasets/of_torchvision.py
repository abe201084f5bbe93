"""What the data sets have in common that torchvision fetches and finds: Pets, VOC."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
from torch.utils.data import Dataset

from segedu import download
from segedu.datasets.base import SegmentationDataset, check_choice
from segedu.datasets.files import resized
from segedu.inputs import height_and_width
from segedu.masks import validate_mask


class TorchvisionDataset(SegmentationDataset):
    """A real data set behind torchvision's loader, which also fetches it. Lesson 15.

    A subclass sets `labels`, `splits`, `folder`, `told` and `names`, and defines `_loader` and `_ids`.

    Args:
        split: one of `splits`.
        size: (height, width) to which pictures are resized, None for that of the files.
        transform: called as transform(image, mask); may be random.
        root: the folder above torchvision's, in which `folder` lies; None: SEGEDU_DATA, then the
            user's cache (download.find_data).
        download: let torchvision fetch all of it, into `root` or the cache.

    Raises:
        DataMissing: where the data set, or a list in it, is not there.
        ValueError: for another split, and a size that is no (height, width) of at least (1, 1).
    """

    splits: ClassVar[tuple[str, ...]]
    folder: ClassVar[str]  # as torchvision calls it
    told: ClassVar[str]  # size and licence, said where it is missing

    def __init__(
        self,
        split: str = "train",
        *,
        size: tuple[int, int] | None = None,
        transform: Callable | None = None,
        root: str | Path | None = None,
        download: bool = False,
    ):
        check_choice(type(self).__name__, "split", split, self.splits)
        super().__init__(transform=transform)
        self.split = split
        self.size = None if size is None else height_and_width(size)
        self.root = self._root(root, download)
        try:
            self._pictures = self._loader(self.root, download)
        except (RuntimeError, FileNotFoundError) as error:  # torchvision's for a folder or a list that is not there
            raise self._missing(f"{self.root / self.folder} is incomplete ({error}).", root) from error

    def __len__(self) -> int:
        return len(self._pictures)

    def _loader(self, root: Path, download: bool) -> Dataset:
        """The data set of this split as torchvision has it, of (picture, picture of the mask)."""
        raise NotImplementedError(f"{type(self).__name__} must say how torchvision reads it.")

    def _ids(self, stored: np.ndarray) -> np.ndarray:
        """(H, W) uint8 class ids, 255 for void, of the numbers in a file."""
        return stored

    def _root(self, root: str | Path | None, fetch: bool) -> Path:
        if found := download.find_data(self.folder, root):
            return found.parent
        if not fetch:
            where = f"is not in {root}" if root else "is not on this machine"
            raise self._missing(f"{type(self).__name__} {where}.", root)
        place = download.cache_folder() if root is None else download.expanded(root).resolve()
        place.mkdir(parents=True, exist_ok=True)
        return place

    def _missing(self, reason: str, root: str | Path | None) -> download.DataMissing:
        place = f', root="{root}"' if root else ""
        line = f"segedu.datasets.{type(self).__name__}({self.split!r}{place}, download=True)"
        return download.DataMissing(f"{reason} To fetch it, run in Python: {line}. {self.told}")

    def _read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        name = self.names[index]
        try:
            picture, stored = self._pictures[index]
            image, stored = np.array(picture.convert("RGB")), np.array(stored)
        except (OSError, SyntaxError) as error:  # Pillow raises either for a file cut short
            raise OSError(
                f"The picture {name} of {self.root / self.folder}, or its mask, cannot be read ({error}). Remove this "
                "folder and fetch it anew: download=True."
            ) from error
        mask = self._ids(stored)
        validate_mask(mask, self.labels, size=image.shape[:2], name=f"the mask of {name}")
        return resized(image, mask, self.size)
