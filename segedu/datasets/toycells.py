"""ToyCells: rendered cells that crowd and touch, bright on dark or with dark membranes; each with its id."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from segedu.datasets._cells.membranes import draw_membranes
from segedu.datasets._cells.nuclei import draw_nuclei
from segedu.datasets._street.scene import Chance
from segedu.datasets.base import SegmentationDataset
from segedu.labels import CELLS
from segedu.masks import separate

LENGTHS = {"train": 400, "val": 50, "test": 100}
LOOKS = {"nuclei": draw_nuclei, "membranes": draw_membranes}
KNOBS = {"noise": (0.0, 4.0), "clutter": (0.0, 3.0), "scale": (0.5, 4.0)}


class ToyCells(SegmentationDataset):
    """Microscope pictures of touching cells, drawn on demand: grey pictures, masks, and ids with instances=True.

    ds[i] → image (1, H, W), mask (H, W)[, instances (H, W)], as SegmentationDataset says, but with one channel.
    look: "nuclei": bright on dark, in heaps, some out of focus, as fluorescence shows them (real twin: Nuclei).
          "membranes": cells fill the plane, dark membranes between them, as in electron microscopy (Membranes).
    mask: labels.CELLS. Between touching cells there is a line of background, two pixels wide (masks.separate), so
          that cells can be counted as connected parts of the foreground; with "membranes" this line is the membrane.
    instances: ids 1 … n of whole cells, before the line is cut: touching cells really touch. 0 is no cell.

    split:    "train", "val" or "test"; their pictures come from separate random streams.
    length:   number of pictures; by default 400, 50 and 100. Picture i is the same for every length.
    seed:     any integer ≥ 0; another seed is another set of pictures.
    size:     (height, width), each at least 32 pixels. A larger picture shows more cells, not larger ones.
    noise:    strength of the camera's noise, 0 … 4; 1 is natural.
    clutter:  how much there is that is no cell or no membrane but looks like one, 0 … 3; 1 is natural. It is debris and
              blurred light, or vesicles and mitochondria.
    scale:    how large cells and membranes are, 0.5 … 4.

    The same arguments give the same bits in every process and on every machine. There is no void (255).
    Raises ValueError for a value out of range.
    """

    labels = CELLS

    def __init__(
        self,
        split: str = "train",
        *,
        length: int | None = None,
        seed: int = 0,
        size: tuple[int, int] = (128, 128),
        transform: Callable | None = None,
        instances: bool = False,
        look: str = "nuclei",
        noise: float = 1.0,
        clutter: float = 1.0,
        scale: float = 1.0,
    ):
        super().__init__(transform=transform, instances=instances)
        if split not in LENGTHS:
            raise ValueError(f"ToyCells has no split {split!r}; choose one of {', '.join(LENGTHS)}.")
        if look not in LOOKS:
            raise ValueError(f"ToyCells knows no look {look!r}; choose one of {', '.join(LOOKS)}.")
        for name, value in (("noise", noise), ("clutter", clutter), ("scale", scale)):
            low, high = KNOBS[name]
            if not low <= value <= high:
                raise ValueError(f"{name}={value} is out of range; ToyCells takes {low} … {high}, and 1 is natural.")
        if len(size) != 2 or min(size) < 32:
            raise ValueError(f"size={size} does not work; ToyCells needs (height, width), each at least 32 pixels.")
        if seed < 0 or (length is not None and length < 1):
            raise ValueError(
                f"ToyCells needs a seed of at least 0 and a length of at least 1, got {seed} and {length}."
            )
        self.split, self.seed, self.size, self.look = split, seed, (int(size[0]), int(size[1])), look
        self.length = LENGTHS[split] if length is None else length
        self.noise, self.clutter, self.scale = noise, clutter, scale

    def __len__(self) -> int:
        return self.length

    def _chance(self, index: int, use: int) -> np.random.Generator:
        """A source of chance for one use: 0 the cells, 1 the noise of the camera."""
        look, split = list(LOOKS).index(self.look), list(LENGTHS).index(self.split)
        return np.random.default_rng([self.seed, split, look, index, use])

    def _read(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        knobs = {"noise": self.noise, "clutter": self.clutter, "scale": self.scale}
        chance, grain = Chance(self._chance(index, 0)), self._chance(index, 1)
        image, instances = LOOKS[self.look](chance, grain, self.size, **knobs)
        return image, (separate(instances) > 0).astype(np.uint8), instances
