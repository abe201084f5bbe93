"""ToyCells: rendered cells that crowd and touch, bright on dark or with dark membranes; each with its id."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from segedu.datasets.rendered import RenderedWorld
from segedu.labels import CELLS
from segedu.masks import separate
from segedu.worlds.cells.membranes import draw_membranes
from segedu.worlds.cells.nuclei import draw_nuclei
from segedu.worlds.chance import Chance

LOOKS = {"nuclei": draw_nuclei, "membranes": draw_membranes}


class ToyCells(RenderedWorld):
    """Rendered cells that touch: grey pictures, masks, and ids. Lessons 06, 07, 11a, 11b, 12.

    ds[i] → image (1, H, W), mask (H, W)[, instances (H, W)], as SegmentationDataset says, but
    with one channel. In the mask (labels.CELLS) there is a line of background between touching
    cells, two pixels wide (masks.separate), so that cells can be counted as connected parts of
    the foreground; with "membranes" this line is the membrane. Instances are the ids 1 … n of
    whole cells, before the line is cut: touching cells really touch. 0 is no cell.

    The same arguments give the same bits in every process and on every machine. There is no void
    (255).

    Args:
        split: "train", "val" or "test"; their pictures come from separate random streams.
        length: number of pictures; by default 400, 50 and 100. Picture i is the same for every
            length.
        seed: any integer ≥ 0; another seed is another set of pictures.
        size: (height, width), each at least 32 pixels. A larger picture shows more cells, not
            larger ones.
        transform: called as transform(image, mask[, instances]); may be random.
        instances: whether samples have the ids of cells as their third part.
        look: "nuclei": bright on dark, in heaps, some out of focus, as fluorescence shows them
            (real twin: Nuclei). "membranes": cells fill the plane, dark membranes between them, as
            in electron microscopy (Membranes).
        noise: strength of the camera's noise, 0 … 4; 1 is natural.
        clutter: how much there is that is no cell or no membrane but looks like one, 0 … 3; 1 is
            natural. It is debris and blurred light, or vesicles and mitochondria.
        scale: how large cells and membranes are, 0.5 … 4.

    Raises:
        ValueError: for a value out of range.
    """

    labels = CELLS
    lengths: ClassVar = {"train": 400, "val": 50, "test": 100}
    knobs: ClassVar = {"noise": (0.0, 4.0), "clutter": (0.0, 3.0), "scale": (0.5, 4.0)}

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
        if look not in LOOKS:
            raise ValueError(f"ToyCells knows no look {look!r}; choose one of {', '.join(LOOKS)}.")
        settings = {"noise": noise, "clutter": clutter, "scale": scale}
        super().__init__(split, length, seed, size, transform=transform, instances=instances, **settings)
        self.look = look

    def _read(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        look = list(LOOKS).index(self.look)
        cells, grain = Chance(self._chance(look, index, 0)), self._chance(look, index, 1)
        image, instances = LOOKS[self.look](cells, grain, self.size, **self.settings)
        return image, (separate(instances) > 0).astype(np.uint8), instances
