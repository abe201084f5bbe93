"""What all data sets share: each sample is made once, kept as bytes, and handed out as tv_tensors."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch.utils.data import Dataset
from torchvision import tv_tensors

from segedu.download import DataMissing, RealData, fetch_command, fetch_data, find_data, missing, pictures_in
from segedu.inputs import height_and_width, whole_number
from segedu.labels import LabelTable


class SegmentationDataset(Dataset):
    """Pictures with their masks. A subclass sets `labels` and defines `__len__` and `_read`.

    ds[i] → image, mask: tv_tensors.Image (3, H, W) float32 in 0…1, and tv_tensors.Mask (H, W)
    int64, 255 ignored. Data sets of grey pictures (ToyCells, Membranes, Nuclei) give (1, H, W):
    a model for them has in_channels=1. With instances=True: ds[i] → image, mask, instances, a
    tv_tensors.Mask (H, W) int64, 0 = no object.

    Samples are kept in memory as uint8 before the transform: a second pass over the data costs no
    decoding or drawing.

    Args:
        transform: called as transform(image, mask[, instances]) and may be random; anything from
            torchvision.transforms.v2. None changes nothing.
        instances: whether samples have the ids of objects as their third part.

    Raises:
        IndexError: for an index outside −len … len − 1.
        TypeError: for an index that is no whole number.
        FileNotFoundError: for a picture that has vanished since.
    """

    labels: LabelTable

    def __init__(self, *, transform: Callable | None = None, instances: bool = False):
        self.transform = transform
        self.instances = instances
        self._kept: dict[int, tuple[np.ndarray, ...]] = {}

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} must say how many pictures it has.")

    def _read(self, index: int) -> tuple[np.ndarray, ...]:
        """Image (H, W, 3) or (H, W, 1) uint8, mask (H, W) uint8 and, if it knows objects, their ids (H, W) int32."""
        raise NotImplementedError(f"{type(self).__name__} must say how a picture is read.")

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        index = self._whole(index)
        if not -len(self) <= index < len(self):
            raise IndexError(f"{type(self).__name__} has {len(self)} pictures; there is no picture {index}.")
        index %= len(self)
        if index not in self._kept:
            try:
                self._kept[index] = self._read(index)
            except FileNotFoundError as error:
                raise FileNotFoundError(
                    f"{error.filename} was there when this {type(self).__name__} was made, and is gone. Bring it back, "
                    "or make the data set anew; a training with checkpoint= goes on with resume=True."
                ) from error
        image, mask, *objects = self._kept[index]
        sample = (
            tv_tensors.Image(torch.from_numpy(image).permute(2, 0, 1).float() / 255),
            tv_tensors.Mask(torch.from_numpy(mask).long()),
        )
        if self.instances:
            if not objects:
                raise ValueError(f"{type(self).__name__} knows no single objects; leave out instances=True.")
            sample += (tv_tensors.Mask(torch.from_numpy(objects[0]).long()),)
        return self.transform(*sample) if self.transform else sample

    def _whole(self, index) -> int:
        """Python's int of an index, which may also be numpy's or a tensor with one number."""
        try:
            return whole_number(index, "index", -sys.maxsize)
        except ValueError:
            raise TypeError(
                f"{type(self).__name__} gives one picture for a whole number, not for {index!r}. For several: "
                "torch.utils.data.Subset(data, range(0, 10)), or [data[i] for i in (3, 5, 7)]."
            ) from None


class StoredDataset(SegmentationDataset):
    """A real data set, found in files or fetched. A subclass sets `data` and defines `_read`.

    `folders` and what sentences say (`called`, `part`, `start`, `lacking`) are set before this
    constructor is called; which of the pictures there are wanted is what `_wanted` says.

    Args:
        size: (height, width) to which pictures are resized, None for that of the files.
        root: where to look, the data set's folder or the one above it; None: SEGEDU_DATA, then
            the user's cache.
        download: whether what is missing is fetched, into `root` or the cache.
        transform: see SegmentationDataset.
        instances: see SegmentationDataset.

    Attributes:
        names: the file names without suffix, in the order of the index.

    Raises:
        ValueError: for a size that is no (height, width) of at least (1, 1).
        DataMissing: where a picture or its mask is not there.
    """

    data: ClassVar[RealData]
    called: ClassVar[str] = ""  # in sentences, where it is not the name of the class
    folders: tuple[str, str]  # of pictures and of masks, inside the data set's folder
    part = "pictures"  # what these folders hold
    start = ""  # of the sentence that says that something is incomplete
    lacking = "{} of {} pictures or their masks"

    def __init__(
        self,
        *,
        size: tuple[int, int] | None,
        root: str | Path | None,
        download: bool,
        transform: Callable | None,
        instances: bool = False,
    ):
        super().__init__(transform=transform, instances=instances)
        self.size = None if size is None else height_and_width(size)
        try:
            self._find(root)
        except DataMissing:
            if not download:
                raise
            self._find(fetch_data(self.data, root))

    def __len__(self) -> int:
        return len(self.names)

    def _places(self, folder: Path) -> list[Path]:
        """The two folders inside the data set's own that hold the pictures and the masks."""
        return [folder / inside for inside in self.folders]

    def _wanted(self, there: Iterable[str]) -> list[str]:
        """The names of the pictures that belong to this split; there: of those that the folder holds, sorted."""
        return list(there)

    def _find(self, root: str | Path | None) -> None:
        """Set `names` and `_paths`, (picture, mask) of each; DataMissing: no data set, no such split, not all of it."""
        called = self.called or type(self).__name__
        folder = find_data(self.data.name, root, self.folders)
        if folder is None:
            reason = f"{called} is not in {root}." if root else f"{called} is not on this machine."
            if without := find_data(self.data.name, root):
                reason = f"{without} lacks the {self.part} of {called} (the folders {' and '.join(self.folders)})."
            raise missing(self.data, reason, root)
        pictures, masks = map(pictures_in, self._places(folder))
        self.names = self._wanted(pictures)
        lacking = [name for name in self.names if name not in pictures or name not in masks]
        if lacking or not self.names:
            what = "all pictures that are wanted"
            if lacking:
                what = f"{self.lacking.format(len(lacking), len(self.names))}, first {lacking[0]}"
            raise missing(self.data, f"{self.start}{folder} is incomplete: it lacks {what}.", folder)
        self._paths = [(pictures[name], masks[name]) for name in self.names]
        self._fetch_hint = fetch_command(self.data, folder)


def check_choice(owner: str, argument: str, value: str, known: Iterable[str]) -> None:
    """Raises ValueError, as a sentence, where the value of an argument is not among those that the owner knows."""
    if value not in known:
        raise ValueError(f"{argument}={value!r} is unknown; {owner} has {', '.join(map(repr, known))}.")
