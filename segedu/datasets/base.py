"""What all data sets share: each sample is made once, kept as bytes, and handed out as tv_tensors."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset
from torchvision import tv_tensors

from segedu import files
from segedu.inputs import height_and_width, whole_number
from segedu.labels import LabelTable


class SegmentationDataset(Dataset):
    """Pictures with their masks. A subclass sets `labels` and defines `__len__` and `_read`.

    ds[i] → image, mask: tv_tensors.Image (3, H, W) float32 in 0…1 and tv_tensors.Mask (H, W) int64, 255 ignored.
    Data sets of grey pictures (ToyCells, Membranes, Nuclei) give (1, H, W): a model for them has in_channels=1.
    ds[i] → image, mask, instances: with instances=True; instances is a tv_tensors.Mask (H, W) int64, 0 = no object.

    transform: called as transform(image, mask[, instances]) and may be random; anything from torchvision.transforms.v2.
    Samples are kept in memory as uint8 before the transform: a second pass over the data costs no decoding or drawing.
    Raises IndexError for an index outside −len … len − 1.
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
            self._kept[index] = self._read(index)
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
    """A real data set, found in files or fetched; a subclass says in `_read` how a picture is read from `_paths`.

    data: what to fetch.   find: called with a folder or None, gives the paths of each picture, or raises DataMissing.
    size: (height, width) to which pictures are resized, None for that of the files.
    root, download: where to look, and whether what is missing is fetched, into `root` or the cache.
    Raises ValueError for a size that is no (height, width) of at least (1, 1), and DataMissing.
    """

    def __init__(
        self,
        data: files.RealData,
        find: Callable[[str | Path | None], list],
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
            self._paths = find(root)
        except files.DataMissing:
            if not download:
                raise
            self._paths = find(files.fetch_data(data, root))

    def __len__(self) -> int:
        return len(self._paths)
