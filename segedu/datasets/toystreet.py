"""ToyStreet: rendered street scenes with CamVid's eleven classes, the picture world of the whole course."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar

import numpy as np

from segedu.datasets.base import SegmentationDataset
from segedu.datasets.rendered import RenderedWorld
from segedu.labels import STREET
from segedu.worlds.chance import Chance
from segedu.worlds.street.motion import Motion
from segedu.worlds.street.paint.drawing import draw
from segedu.worlds.street.plan import plan_street
from segedu.worlds.street.scene import WEATHERS, Scene


class ToyStreet(RenderedWorld):
    """Rendered streets with CamVid's eleven classes, and ids of things. Lessons 00–05, 08–13.

    ds[i] → image (3, H, W), mask (H, W)[, instances (H, W)], as SegmentationDataset says; the
    classes are labels.STREET. Void (255) is where no class fills more than half of a pixel, and
    bins and boxes, which belong to no class. Poles, signs, cars, people and cyclists have ids.

    The same arguments give the same bits in every process and on every machine.

    Args:
        split: "train", "val" or "test"; their pictures come from separate random streams.
        length: number of pictures; by default 800, 100 and 200. Picture i is the same for every
            length.
        seed: any integer ≥ 0; another seed is another set of streets.
        size: (height, width), each at least 32 pixels. Another size shows the same street, cut to
            its shape.
        transform: called as transform(image, mask[, instances]); may be random.
        instances: whether samples have the ids of things as their third part.
        noise: strength of the camera's noise, 0 … 4; 1 is natural (a standard deviation of 1.5 to
            6 of 255 grey levels).
        clutter: how much stands and moves in the street, 0 … 3; 0: no moving cars, people, signs;
            1 is natural.
        scale: how large everything appears, 0.5 … 2: a factor on the focal length of the camera.
        weather: "clear", "overcast", "fog", "rain" or "dusk"; None mixes them. The street stays
            the same.

    Raises:
        ValueError: for a value out of range.

    Example:
        image, mask = ToyStreet("train", size=(120, 160))[0]
    """

    labels = STREET
    lengths: ClassVar = {"train": 800, "val": 100, "test": 200}
    knobs: ClassVar = {"noise": (0.0, 4.0), "clutter": (0.0, 3.0), "scale": (0.5, 2.0)}

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
        if weather is not None and weather not in WEATHERS:
            raise ValueError(
                f"ToyStreet knows no weather {weather!r}; choose one of {', '.join(WEATHERS)}, or None for a mixture."
            )
        settings = {"noise": noise, "clutter": clutter, "scale": scale}
        super().__init__(split, length, seed, size, transform=transform, instances=instances, **settings)
        self.weather = weather

    def scene(self, index: int) -> Scene:
        """The description of a street: what stands where, before it is drawn. Lesson 13.

        Args:
            index: which street, any integer ≥ 0.
        """
        return plan_street(self._chance(index, 0), self._chance(index, 1), weather=self.weather, **self.settings)

    def clip(self, frames: int, index: int = 0, *, rate: float = 10.0) -> StreetClip:
        """A video of one street: a data set of its frames, in time. Lessons 01a, 13.

        The camera looks to one side, to the other and back; cars, cyclists and people go their
        ways, hide each other, leave the picture and may return. Their ids last. Frame 0 shows what
        the street itself shows, but for the camera's noise, and so the first frames of a longer
        clip are those of a shorter one. size, transform, instances and knobs are those of this
        data set.

        Args:
            frames: how many, at least 1.
            index: which street, any integer ≥ 0.
            rate: frames a second, above 0.

        Raises:
            ValueError: for a value out of range.
        """
        return StreetClip(self, frames, index, rate)

    def _read(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return draw(self.scene(index), self.size, self._chance(index, 2))


class StreetClip(SegmentationDataset):
    """The frames of ToyStreet.clip, which makes it.

    A car is left out while its nearest end is less than 1.5 m ahead of the camera.

    Args:
        streets: the data set of the street.
        frames: how many, at least 1.
        index: which street, any integer ≥ 0.
        rate: frames a second, above 0.

    Raises:
        ValueError: for less than one frame, a negative index or a rate not above 0.
    """

    labels = STREET

    def __init__(self, streets: ToyStreet, frames: int, index: int, rate: float):
        super().__init__(transform=streets.transform, instances=streets.instances)
        if frames < 1 or index < 0 or not rate > 0:
            raise ValueError(f"frames={frames}, index={index}, rate={rate} should be at least 1, at least 0, above 0.")
        self.frames, self.rate, self.size = frames, rate, streets.size
        self._motion = Motion(streets.scene(index), Chance(streets._chance(index, 3)))
        self._grain = partial(streets._chance, index, 4)

    def __len__(self) -> int:
        return self.frames

    def _read(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return draw(self._motion.at(index / self.rate), self.size, self._grain(index))
