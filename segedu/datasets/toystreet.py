"""ToyStreet: rendered street scenes with CamVid's eleven classes, the picture world of the whole course."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from segedu.datasets._street.drawing import draw
from segedu.datasets._street.plan import plan_street
from segedu.datasets._street.scene import WEATHERS, Scene
from segedu.datasets.base import SegmentationDataset
from segedu.labels import STREET

LENGTHS = {"train": 800, "val": 100, "test": 200}
KNOBS = {"noise": (0.0, 4.0), "clutter": (0.0, 3.0), "scale": (0.5, 2.0)}


class ToyStreet(SegmentationDataset):
    """A driver's view of a town street, drawn on demand: pictures, masks, and ids of things with instances=True.

    split:    "train", "val" or "test"; their pictures come from separate random streams.
    length:   number of pictures; by default 800, 100 and 200. Picture i is the same for every length.
    seed:     any integer ≥ 0; another seed is another set of streets.
    size:     (height, width), each at least 32 pixels. Another size shows the same street, cut to its shape.
    noise:    strength of the camera's noise, 0 … 4; 1 is natural (a standard deviation of 1.5 to 6 of 255 grey levels).
    clutter:  how much stands and moves in the street, 0 … 3; 0: no moving cars, people, signs; 1 is natural.
    scale:    how large everything appears, 0.5 … 2: a factor on the focal length of the camera.
    weather:  "clear", "overcast", "fog", "rain" or "dusk"; None mixes them. The street stays the same.

    The same arguments give the same bits in every process and on every machine. Void (255) is where no class fills
    more than half of a pixel, and bins and boxes, which belong to no class. Poles, signs, cars, people and cyclists
    have ids.
    Raises ValueError for a value out of range.
    """

    labels = STREET

    def __init__(
        self,
        split: str = "train",
        *,
        length: int | None = None,
        seed: int = 0,
        size: tuple[int, int] = (120, 160),
        transform: Callable | None = None,
        instances: bool = False,
        noise: float = 1.0,
        clutter: float = 1.0,
        scale: float = 1.0,
        weather: str | None = None,
    ):
        super().__init__(transform=transform, instances=instances)
        if split not in LENGTHS:
            raise ValueError(f"ToyStreet has no split {split!r}; choose one of {', '.join(LENGTHS)}.")
        if weather is not None and weather not in WEATHERS:
            raise ValueError(
                f"ToyStreet knows no weather {weather!r}; choose one of {', '.join(WEATHERS)}, or None for a mixture."
            )
        for name, value in (("noise", noise), ("clutter", clutter), ("scale", scale)):
            low, high = KNOBS[name]
            if not low <= value <= high:
                raise ValueError(f"{name}={value} is out of range; ToyStreet takes {low} … {high}, and 1 is natural.")
        if len(size) != 2 or min(size) < 32:
            raise ValueError(f"size={size} does not work; ToyStreet needs (height, width), each at least 32 pixels.")
        if seed < 0 or (length is not None and length < 1):
            raise ValueError(
                f"ToyStreet needs a seed of at least 0 and a length of at least 1, got {seed} and {length}."
            )
        self.split, self.seed, self.size = split, seed, (int(size[0]), int(size[1]))
        self.length = LENGTHS[split] if length is None else length
        self.noise, self.clutter, self.scale, self.weather = noise, clutter, scale, weather

    def __len__(self) -> int:
        return self.length

    def scene(self, index: int) -> Scene:
        """The description of street `index` (any integer ≥ 0): what stands where, before it is drawn."""
        town, sky = self._chance(index, 0), self._chance(index, 1)
        knobs = {"noise": self.noise, "clutter": self.clutter, "scale": self.scale, "weather": self.weather}
        return plan_street(town, sky, **knobs)

    def _chance(self, index: int, use: int) -> np.random.Generator:
        """A source of chance for one use: 0 the street, 1 its weather, 2 the noise of the camera."""
        return np.random.default_rng([self.seed, list(LENGTHS).index(self.split), index, use])

    def _read(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return draw(self.scene(index), self.size, self._chance(index, 2))
