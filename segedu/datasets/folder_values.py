"""What the masks of a folder hold, all together: classes or objects, and which classes there are."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from segedu.datasets.annotations import BACKGROUND_NAMES, IGNORED_NAMES
from segedu.datasets.folder_layout import Layout, Pair
from segedu.datasets.folder_truth import read_values, says_void
from segedu.datasets.legends import read_legend, table_of
from segedu.ids import MaskError
from segedu.labels import LabelTable


class Values:
    """What the files of masks hold, all together: the numbers, and whether they are colours or ids of objects.

    white:      only 0 and 255 occur, there are two classes, and no palette says otherwise: 255 is the object, not void.
    of_objects: ids beyond 255 occur, or the folder is called instances.
    colours:    a file of colours, if there is one.
    seen:       of each file of numbers its shape and its numbers, so that a sound one is not read twice.
    """

    def __init__(self, pairs: list[Pair], problems: list[str], labels: LabelTable | None):
        self.numbers: set[int] = set()
        self.colours: Path | None = None
        self.damaged: list[Pair] = []
        self.seen: dict[str, tuple] = {}
        paths = []
        for pair in pairs:
            try:
                values = read_values(pair)
            except (OSError, ValueError) as error:
                problems.append(str(error))
                self.damaged.append(pair)
                continue
            if values is not None and values.ndim == 3:
                self.colours = self.colours or pair.truth.path
            elif values is not None:
                self.seen[pair.name] = values.shape, set(np.unique(values).tolist())
                self.numbers |= self.seen[pair.name][1]
                paths.append(pair.truth.path)
        self.white = self.numbers in ({0, 255}, {255}) and (labels is None or len(labels) == 2)
        self.white = self.white and not any(map(says_void, paths))
        named = any(pair.truth.path.parent.name.lower() == "instances" for pair in pairs if hasattr(pair.truth, "page"))
        self.of_objects = named or max(self.numbers, default=0) > 255

    def are_sound(self, pair: Pair, size: tuple[int, int], num_classes: int) -> bool:
        """Whether what was seen of a mask is enough to call it sound; else it has to be looked at once more."""
        shape, numbers = self.seen.get(pair.name, (None, set()))
        if shape != tuple(size) or self.of_objects or self.white or pair.truth.objects is not None:
            return False
        return numbers - {255} <= set(range(num_classes)) and numbers not in ({255}, {0, 255})


def labels_of(found: Layout, values: Values) -> LabelTable:
    """The label table of a folder for which nobody gave one. MaskError where there is nothing to go by."""
    if found.legend is not None:
        return read_legend(found.legend)
    if found.names:
        rest = [name for name in found.names if name.lower() not in BACKGROUND_NAMES]
        return table_of(["background", *(name for name in rest if name.lower() not in IGNORED_NAMES)])
    if values.colours is not None:
        raise MaskError(
            f"{values.colours} is drawn in colours, and nothing says which colour is which class. Write a text file "
            "labels.txt into the folder, a class a line: road,128,64,128; or give labels=LabelTable(names, colours)."
        )
    if values.white or values.of_objects or not values.numbers or values.numbers <= {0, 1}:
        return table_of(["background", "object"])
    highest = max(values.numbers - {255})
    return table_of(["background", *(f"class {number}" for number in range(1, highest + 1))])
