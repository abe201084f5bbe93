"""The pictures of a folder, one open at a time with its mask: opened, left, saved."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from segedu.datasets.folder_truth import upright_colours
from segedu.labelling import files, places
from segedu.labelling.painting import Painting
from segedu.labels import IGNORE_INDEX, LabelTable


def shown(method: Callable) -> Callable:
    """The same method; afterwards, or when it has raised an error, whoever shows the labelling is told."""

    @functools.wraps(method)
    def told(self, *arguments, **options):
        try:
            return method(self, *arguments, **options)
        finally:
            self._changed()

    return told


class Folder:
    """What Labelling knows of files.

    Args:
        folder: as in Labelling.
        labels: as in Labelling.
        instances: as in Labelling.
    """

    def __init__(self, folder: str | Path, labels: LabelTable | Sequence[str] | None, instances: bool):
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise NotADirectoryError(f"There is no folder {self.folder}.")
        self.labels, self._legend = places.legend_of(self.folder, labels)
        self._things = [self.labels.index(name) for name in self.labels.things]
        if instances and not self._things:
            raise ValueError('instances=True needs classes that can be counted: LabelTable(…, things=("leaf",)).')
        self._sheets, self.left_out = places.sheets_of(self.folder, instances)
        self._histories: dict[int, tuple] = {}  # of pictures that were left: (stamp of the files, painting's steps)
        self._there = [sheet.mask.exists() for sheet in self._sheets]
        self._open(self._there.index(False) if False in self._there else 0)

    @property
    def names(self) -> list[str]:
        """The pictures' names."""
        return [sheet.name for sheet in self._sheets]

    @property
    def name(self) -> str:
        """The present picture's name."""
        return self._sheets[self.number].name

    @property
    def mask(self) -> np.ndarray:
        """(H, W) uint8 class ids, 255 where nothing is painted."""
        return self._painting.mask

    @property
    def ids(self) -> np.ndarray | None:
        """(H, W) uint16 ids of objects, or None."""
        return self._painting.ids

    @property
    def labelled(self) -> list[bool]:
        """Of each picture, whether it has a mask."""
        return list(self._there)

    @shown
    def next(self) -> None:
        """Go to the next picture; behind the last comes the first."""
        self._go((self.number + 1) % len(self._sheets))

    @shown
    def previous(self) -> None:
        """Go to the picture before; before the first comes the last."""
        self._go((self.number - 1) % len(self._sheets))

    @shown
    def go_to(self, name: str | int) -> None:
        """Go to a picture.

        Args:
            name: of the picture, or its place in `names`.

        Raises:
            KeyError: for a picture that there is not.
        """
        if isinstance(name, str) and name in self.names:
            name = self.names.index(name)
        if name not in range(len(self._sheets)):
            raise KeyError(
                f"There is no picture {name!r}; there are {len(self._sheets)}, the first is {self.names[0]!r}."
            )
        self._go(int(name))

    def _changed(self) -> None:
        """Something may look different now; a widget shows it."""

    def _ready(self) -> None:
        """Before anything is changed: what another program has written is read; ValueError where nothing may change."""
        sheet = self._sheets[self.number]
        self.notice = ""
        if files.stamp(sheet) != self._stamp and not self.trouble:
            if self.saved:
                self._open(self.number)
                self.notice = f"{sheet.mask} was changed by another program, and was read again."
            elif sheet.mask.exists():
                raise ValueError(
                    f"{sheet.mask} was changed by another program while what is painted here could not be saved. "
                    "Move that file away, and go on."
                )
        if self.trouble:
            raise ValueError(self.trouble)

    def _save(self) -> None:
        self.saved = False
        if self._legend is not None:
            _, self._legend = places.legend_of(self.folder, self.labels)  # somebody may have written one meanwhile
        if self._legend is not None:
            places.write_legend(self._legend, self.labels)
            self._legend = None
        sheet = self._sheets[self.number]
        files.write(sheet, self.mask, self.ids, self.labels)
        self._stamp, self.saved, self._there[self.number] = files.stamp(sheet), True, sheet.mask.exists()

    def _go(self, number: int) -> None:
        if not self.saved:  # an error keeps the picture here, and what is painted in it
            self._ready()
            self._save()
        self._histories[self.number] = (self._stamp, self._painting.steps, self._painting.undone)
        self._open(number)

    def _open(self, number: int) -> None:
        sheet = self._sheets[number]
        self.number, self.trouble, self.notice, self.saved = number, sheet.locked, "", True
        self.proposal = self.object = None
        try:
            self.picture = upright_colours(sheet.picture)
            mask, ids = files.read(sheet, self.labels, self.picture.shape[:2])
        except (OSError, ValueError) as error:
            self.trouble = str(error)
            mask, ids = self._nothing(sheet)
        self._painting, self._stamp, self._there[number] = Painting(mask, ids), files.stamp(sheet), sheet.mask.exists()
        stamp, steps, undone = self._histories.pop(number, (None, [], []))
        if stamp == self._stamp and not self.trouble:
            self._painting.steps, self._painting.undone = steps, undone

    def _nothing(self, sheet: places.Sheet) -> tuple[np.ndarray, np.ndarray | None]:
        """The maps of a picture whose mask cannot be read, and a grey picture where it cannot be read itself."""
        try:
            self.picture = upright_colours(sheet.picture)
        except (OSError, ValueError):
            self.picture = np.full((120, 160, 3), 128, np.uint8)
        size = self.picture.shape[:2]
        return np.full(size, IGNORE_INDEX, np.uint8), None if sheet.objects is None else np.zeros(size, np.uint16)
