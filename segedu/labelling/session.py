"""A folder of pictures being labelled, picture by picture: each method is a key of widgets.label_folder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from segedu.datasets.folder_truth import upright_colours
from segedu.inputs import number_within
from segedu.labelling import files, proposals
from segedu.labelling.opening import Folder, shown
from segedu.labels import IGNORE_INDEX, LabelTable
from segedu.strokes import draw_strokes

MOST_PICTURES = 200  # that a network for proposals learns from


class Labelling(Folder):
    """The painting of masks over a folder of pictures, saved after every step. Lesson 15.

    What widgets.label_folder shows, for scripts: without a browser, and without anywidget. A
    picture's mask is a palette PNG, `images/a.jpg` with `masks/a.png` (`masks/` is made where there
    is none; a folder that has masks beside its pictures, `a_mask.png`, goes on so), and the classes
    stand in `labels.txt`: datasets.PictureFolder reads both. With `instances`, a second PNG of 16
    bits has the ids of objects: `instances/a.png`.

    Args:
        folder: of pictures, in the forms of datasets.PictureFolder.
        labels: the label table, or the names of the classes; None: those of `labels.txt`.
        instances: whether each object of a thing gets an id of its own. Of names in a list all but
            "background" are things.
        brush: its diameter in picture pixels; None: a fiftieth of the picture's longer side.

    Attributes:
        names: of the pictures, as in PictureFolder.
        name: of the present one.
        labels: the label table.
        picture: (H, W, 3) uint8, upright.
        mask: (H, W) uint8 class ids, 255 where nothing is painted.
        ids: (H, W) uint16 ids of objects, 0 for none; None without `instances`.
        proposal: (H, W) uint8 class ids, or None.
        chosen: the class id that is painted.
        object: the id that the next stroke paints; None: a new one.
        left_out: sentences: what in the folder cannot be labelled.
        trouble: a sentence where the present picture cannot be painted, else empty.
        notice: a sentence on what happened beside the last step, else empty.

    Raises:
        NotADirectoryError: where there is no folder.
        MaskError: a folder without pictures, or with masks in another form than PNG files.
        ValueError: for labels that are none, or other than those of `labels.txt`.

    Example:
        work = segedu.labelling.Labelling("leaves", ["background", "leaf"])
        work.choose("leaf")
        work.stroke([(20, 30), (60, 34)])  # leaves/masks/a.png is written
    """

    def __init__(
        self,
        folder: str | Path,
        labels: LabelTable | Sequence[str] | None = None,
        *,
        instances: bool = False,
        brush: float | None = None,
    ):
        super().__init__(folder, labels, instances)
        self._brush = None if brush is None else number_within(brush, "brush", 1, math.inf)
        self._smalls: dict[int, tuple] = {}  # (stamp, (picture, mask)), for the network
        self._network, self.chosen = None, min(1, len(self.labels) - 1)

    @property
    def brush(self) -> float:
        """The brush's diameter in picture pixels."""
        return self._brush or max(3.0, round(max(self.mask.shape) / 50))

    @brush.setter
    def brush(self, diameter: float):
        self._brush = number_within(diameter, "brush", 1, math.inf)

    # ---------------------------------------------------------------- painting

    @shown
    def choose(self, name: str | int) -> None:
        """What is painted from now on; an object that is painted then is a new one.

        Args:
            name: of the class, or its id.

        Raises:
            KeyError: for a class that `labels` does not have.
        """
        if isinstance(name, str):
            name = self.labels.index(name)
        elif name not in range(len(self.labels)):
            raise KeyError(f"There is no class {name}; the ids are 0…{len(self.labels) - 1}.")
        self.chosen, self.object = int(name), None

    @shown
    def new_object(self) -> None:
        """The next stroke begins a new object of the same class."""
        self.object = None

    @shown
    def stroke(self, points: Sequence[tuple], *, erase: bool = False, goes_on: bool = False) -> None:
        """Paint a line with the brush.

        Args:
            points: [(x, y), …] as in strokes.draw_strokes; one makes a dot.
            erase: make it void again.
            goes_on: it is a piece of the stroke before, and is undone with it.

        Raises:
            ValueError: for points outside the picture, and where it cannot be painted.
        """
        self._ready()
        drawn = draw_strokes([(0, points)], self.labels, self.mask.shape, self.brush) == 0
        self._paint(drawn, erase, goes_on)

    def erase(self, points: Sequence[tuple]) -> None:
        """Make void what a line of the brush covers.

        Args:
            points: as in `stroke`.
        """
        self.stroke(points, erase=True)

    @shown
    def fill(self, x: int, y: int) -> None:
        """Paint all pixels alike that are connected with this one: what an outline encloses.

        Args:
            x: column of the pixel.
            y: its row.

        Raises:
            ValueError: for a pixel outside the picture, and where it cannot be painted.
        """
        self._ready()
        self._paint(self._painting.connected(x, y), False, False)

    @shown
    def pick(self, x: int, y: int) -> None:
        """Choose the class, and the object, of this pixel.

        Args:
            x: column of the pixel.
            y: its row.

        Raises:
            ValueError: for a pixel outside the picture, or one that is void.
        """
        height, width = self.mask.shape
        if not (0 <= x < width and 0 <= y < height) or self.mask[int(y), int(x)] == IGNORE_INDEX:
            raise ValueError(f"Nothing is painted at ({x}, {y}) that could be picked.")
        self.chosen, self.object = int(self.mask[int(y), int(x)]), None
        if self.ids is not None:
            self.object = int(self.ids[int(y), int(x)]) or None

    @shown
    def undo(self) -> None:
        """Take back the last step in this picture.

        Raises:
            ValueError: where there is none.
        """
        self._ready()
        self._painting.undo()
        self._forget_object()
        self._save()

    @shown
    def redo(self) -> None:
        """Do again what `undo` took back.

        Raises:
            ValueError: where there is nothing.
        """
        self._ready()
        self._painting.redo()
        self._forget_object()
        self._save()

    # ---------------------------------------------------------------- proposals

    @shown
    def propose(self, seconds: float = 0) -> None:
        """Let a network fill what is not painted: `proposal` holds it until it is accepted or dismissed.

        Args:
            seconds: 0: a small network learns from this picture alone (strokes.learn_from_strokes);
                where fewer than two classes are painted in it, the network trained before speaks.
                More: a U-Net learns so long from all pictures with a mask (`fit`), and goes on
                learning the next time.

        Raises:
            ValueError: where too little is painted.
        """
        self._ready()
        seconds = number_within(seconds, "seconds", 0, 3600)
        painted = len(np.setdiff1d(np.unique(self.mask), [IGNORE_INDEX]))
        if painted >= 2 and not seconds:
            self.proposal = proposals.from_strokes(self.picture, self.mask, self.labels)
            return
        if seconds:
            self._network = proposals.train(self._network, self._all_painted(), self.labels, seconds)
        elif self._network is None:
            raise ValueError(
                "A network learns from two classes at least. Paint a stroke of each in this picture; or let one learn "
                "from the other pictures."
            )
        small = proposals.small(self.picture, self.mask)[0]
        self.proposal = proposals.classes(self._network, small, self.mask.shape)

    @shown
    def accept(self) -> None:
        """Take the proposal over where nothing is painted; all else stays.

        Raises:
            ValueError: where there is no proposal.
        """
        self._ready()
        if self.proposal is None:
            raise ValueError("There is no proposal to accept; ask for one first.")
        proposal, self.proposal = self.proposal, None
        if self._painting.accept(proposal, self._things):
            self._save()

    @shown
    def dismiss(self) -> None:
        """Take the proposal away."""
        self.proposal = None

    def _paint(self, where: np.ndarray, erase: bool, goes_on: bool) -> None:
        class_id, object_id = (IGNORE_INDEX, 0) if erase else (self.chosen, 0)
        if self.ids is not None and class_id in self._things:
            object_id = self.object = self.object or self._painting.new_object()
        if self._painting.change(where, class_id, object_id, goes_on=goes_on) or not self.saved:
            self._save()

    def _forget_object(self) -> None:
        if self.object and not (self.ids == self.object).any():
            self.object = None

    def _all_painted(self) -> list[tuple]:
        """(picture, mask), small, of those with a mask, the present one first. ValueError: fewer than two classes."""
        found = [proposals.small(self.picture, self.mask)] if (self.mask != IGNORE_INDEX).any() else []
        others = [n for n, there in enumerate(self.labelled) if there and n != self.number]
        for number in others[: MOST_PICTURES - len(found)]:
            sheet = self._sheets[number]
            if self._smalls.get(number, [None])[0] != files.stamp(sheet):
                try:
                    picture = upright_colours(sheet.picture)
                    painted = proposals.small(picture, files.read(sheet, self.labels, picture.shape[:2])[0])
                except (OSError, ValueError):  # told where it is opened
                    continue
                self._smalls[number] = (files.stamp(sheet), painted)
            found.append(self._smalls[number][1])
        values = {value for _, mask in found for value in np.unique(mask).tolist()} - {IGNORE_INDEX}
        if len(values) < 2:
            raise ValueError(
                "A network learns from two classes at least; paint some of each, here or in other pictures."
            )
        return found
