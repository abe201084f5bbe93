"""Class tables: which number means which class, and the colour in which it is drawn."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch

# A picture, a mask or scores, in either of the two forms that lessons use.
ArrayLike = np.ndarray | torch.Tensor

# The one value of a semantic mask that is no class: losses and metrics leave such pixels out (as in VOC).
IGNORE_INDEX = 255

# A neutral grey that no class uses: how figures draw what is void.
IGNORE_COLOUR = (128, 128, 128)


@dataclass(frozen=True)
class LabelTable:
    """The classes of a data set: class id = position in `names`. Lessons 01a, 11a and 15.

    Attributes:
        names: one name a class, in the order of the ids 0 … len(table) − 1.
        colours: one (red, green, blue) a class, each 0…255.
        things: the names of the classes whose objects can be counted (cars); the others are stuff
            (sky).

    Raises:
        ValueError: where the numbers of names and colours differ, a name or a colour occurs twice,
            a colour is not of whole numbers 0…255, or there are more than 255 classes: an id of
            255 means "ignore".
    """

    names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    things: tuple[str, ...] = ()

    def __post_init__(self):
        for kind in ("names", "things"):
            if isinstance(getattr(self, kind), str):
                raise ValueError(f"{kind}={getattr(self, kind)!r} is one text; a label table has several, in a tuple.")
            object.__setattr__(self, kind, tuple(getattr(self, kind)))
        object.__setattr__(self, "colours", tuple(map(tuple, self.colours)))
        for colour in self.colours:
            if len(colour) != 3 or not all(value in range(256) for value in colour):
                raise ValueError(
                    f"The colour {colour} is no (red, green, blue) of whole numbers 0…255; of parts in 0…1: "
                    "tuple(round(255 * part) for part in colour)"
                )
        if len(self.names) != len(self.colours):
            raise ValueError(
                f"A label table needs one colour a name, got {len(self.names)} names and {len(self.colours)} colours."
            )
        if len(self.names) > IGNORE_INDEX:
            raise ValueError(
                f"A label table holds {IGNORE_INDEX} classes at most, got {len(self.names)}: in masks 255 means "
                "“ignore”, and uint8 ends there. Leave classes out, or join rare ones."
            )
        for kind, values in (("name", self.names), ("colour", self.colours)):
            twice = sorted(value for value, count in Counter(values).items() if count > 1)
            if twice:
                raise ValueError(f"The {kind} {twice[0]!r} stands twice in the label table; each class needs its own.")
        known = set(self.names)
        unknown = [name for name in self.things if name not in known]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is among the things but not among the names {self.names}.")

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """The class id of a name. Lesson 00.

        Args:
            name: one of `names`.

        Raises:
            KeyError: for another name; it lists the known ones.
        """
        if name not in self.names:
            raise KeyError(f"There is no class {name!r}; the classes are {', '.join(self.names)}.")
        return self.names.index(name)

    @property
    def palette(self) -> np.ndarray:
        """(256, 3) uint8: the colour of every value that a mask may hold; grey for those that are no class."""
        palette = np.tile(np.uint8(IGNORE_COLOUR), (256, 1))
        palette[: len(self)] = self.colours
        return palette


# CamVid's eleven classes in CamVid's order. The colours were found by a search for the largest smallest distance (CIE
# Lab) between any two, in normal vision and the three dichromacies (after Machado et al. 2009); a test keeps it.
STREET = LabelTable(
    names=(
        "sky", "building", "pole", "road", "pavement", "tree", "sign symbol", "fence", "car", "pedestrian", "bicyclist",
    ),
    colours=(
        (182, 224, 232), (109, 14, 0), (0, 6, 12), (72, 72, 79), (177, 133, 202), (70, 170, 113),
        (255, 254, 18), (255, 184, 80), (11, 92, 255), (205, 66, 3), (97, 0, 123),
    ),
    things=("pole", "sign symbol", "car", "pedestrian", "bicyclist"),
)  # fmt: skip

# The photographs that scikit-image ships, with masks drawn for this course; colours found in the same way.
PHOTOGRAPHS = LabelTable(
    names=(
        "background", "cup", "saucer", "spoon", "cat", "person", "helmet", "camera", "tripod", "rocket", "tower",
        "coin", "cell", "clock",
    ),
    colours=(
        (24, 28, 38), (255, 254, 28), (118, 111, 255), (93, 255, 175), (29, 166, 103), (177, 253, 120), (159, 82, 147),
        (190, 55, 9), (108, 11, 3), (234, 167, 203), (188, 161, 251), (243, 139, 1), (79, 0, 105), (69, 0, 184),
    ),
    things=(
        "cup", "saucer", "spoon", "cat", "person", "helmet", "camera", "tripod", "rocket", "tower",
        "coin", "cell", "clock",
    ),
)  # fmt: skip

# Both looks of ToyCells, Nuclei and Membranes: where cells fill the plane, the membranes between them are background.
CELLS = LabelTable(names=("background", "cell"), colours=((36, 28, 66), (255, 196, 60)), things=("cell",))

# One object, or several, before whatever is behind: videos of DAVIS.
OBJECTS = LabelTable(names=("background", "object"), colours=CELLS.colours, things=("object",))
