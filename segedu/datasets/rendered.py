"""What the data sets of rendered worlds share: their arguments, and how they are checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from segedu.datasets.base import SegmentationDataset
from segedu.inputs import height_and_width, whole_number


class RenderedWorld(SegmentationDataset):
    """Pictures drawn on demand. A subclass sets `lengths` and `knobs` and defines `_read`.

    Args:
        split: one of `lengths`.
        length: number of pictures, None for that of the split.
        seed: any integer ≥ 0.
        size: (height, width), each at least 32 pixels.
        transform: see SegmentationDataset.
        instances: see SegmentationDataset.
        **settings: the values of the `knobs`.

    Raises:
        ValueError: for a split, size, seed, length or knob out of range.
    """

    lengths: ClassVar[dict[str, int]]  # pictures in each split
    knobs: ClassVar[dict[str, tuple[float, float]]]  # the range of each number that changes the world

    def __init__(
        self,
        split: str,
        length: int | None,
        seed: int,
        size: tuple[int, int],
        *,
        transform: Callable | None,
        instances: bool,
        **settings: float,
    ):
        super().__init__(transform=transform, instances=instances)
        name = type(self).__name__
        if split not in self.lengths:
            raise ValueError(f"{name} has no split {split!r}; choose one of {', '.join(self.lengths)}.")
        for knob, value in settings.items():
            low, high = self.knobs[knob]
            if not low <= value <= high:
                raise ValueError(f"{knob}={value} is out of range; {name} takes {low} … {high}, and 1 is natural.")
        try:
            self.size = height_and_width(size, least=32)
        except ValueError:
            raise ValueError(
                f"size={size} does not work; {name} needs (height, width), each at least 32 pixels."
            ) from None
        try:
            self.seed = whole_number(seed, "seed", 0)
            self.length = self.lengths[split] if length is None else whole_number(length, "length", 1)
        except ValueError:
            raise ValueError(
                f"{name} needs a seed of at least 0 and a length of at least 1, whole numbers, got {seed} and {length}."
            ) from None
        self.split, self.settings = split, settings

    def __len__(self) -> int:
        return self.length

    def _chance(self, *path: int) -> np.random.Generator:
        """A source of chance of this split's own; path: what it is for (which picture, which use)."""
        return np.random.default_rng([self.seed, list(self.lengths).index(self.split), *path])
