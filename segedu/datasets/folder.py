"""Your own pictures: a folder of pictures with their masks, in the forms that people have."""

from __future__ import annotations

import copy
import hashlib
import re
import unicodedata
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from segedu.datasets.base import SegmentationDataset, check_choice
from segedu.datasets.files import resized, smaller
from segedu.datasets.folder_layout import SPLITS, Pair, in_order, look_through, stem
from segedu.datasets.folder_truth import check_turned, read_picture, read_truth
from segedu.datasets.folder_values import Values, labels_of
from segedu.datasets.legends import read_text
from segedu.ids import MaskError
from segedu.inputs import height_and_width, whole_number
from segedu.labels import LabelTable

SHARE = 5  # without lists, one group in five is for val
SHOWN = 12  # of the problems in a message; all of them are in `problems`


class FolderError(MaskError):
    """All that does not fit in a folder of pictures and masks.

    Attributes:
        problems: one sentence each, with the file and the way out.
    """

    def __init__(self, folder: Path, problems: list[str]):
        self.problems = list(problems)
        more = f"\n… and {len(problems) - SHOWN} more (segedu check {folder})" if len(problems) > SHOWN else ""
        several = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n- ".join([f"{folder} has {several}:", *problems[:SHOWN]]) + more)


class PictureFolder(SegmentationDataset):
    """Your own pictures with their masks. Lesson 15.

    ds[i] → image (3, H, W), mask (H, W)[, instances (H, W)], as SegmentationDataset says. Grey
    pictures have three equal channels; pictures that a camera turned stand upright; of a TIFF of
    several pages every page is a picture. The masks may be

    - one file a picture, `images/a.jpg` with `masks/a.png` (or `a_mask.png`, or both in one
      folder): palette or grey PNG of class ids; 0 and 255; RGB with a legend; ids of objects,
      where any is beyond 255 (16-bit PNG or TIFF), then the classes are background and object;
    - beside such files of class ids one more a picture with the ids of its objects,
      `instances/a.png` (16 bits): what widgets.label_folder writes;
    - one black-and-white file a class, `masks/CLASS/a.png`, or an object, `masks/a/1.png`;
    - LabelMe's JSON beside each picture, or one COCO JSON (polygons, run lengths; a crowd has its
      class, and no id; small objects lie over large ones).

    A legend is a text file in the folder, `labels.txt`, a class a line with or without its colour:
    "road,128,64,128"; ",thing" behind some says whose objects can be counted. All masks are read
    once, so that whatever does not fit is told at once.

    Args:
        folder: that holds them.
        labels: the label table. None: the legend; else the names that annotations or folders have;
            else the numbers that occur, and for 0 and 255 background and object.
        size: (height, width) to which pictures are resized, images antialiased, masks nearest;
            None keeps their own, which may differ: then a transform has to make them alike.
        max_side: pictures whose longer side has more pixels are made smaller, in proportion. None:
            none is. One of size and max_side is given at most.
        transform: called as transform(image, mask[, instances]); may be random.
        split: "train", "val" or "test"; None: all pictures. Read from folders of these names, or
            from lists `train.txt`, `val.txt`, `test.txt` of names. Without either, one group in
            five (at least one) is "val" and the rest "train", by a checksum of the group's name.
        group: a regular expression; pictures for which it finds the same text (its first bracket)
            are one group and stay in one part: frames of a video, slices of a patient. None: each
            picture is a group.
        instances: whether samples have the ids of objects as their third part.
        strict: False leaves out what does not fit, and keeps its sentences in `problems`.

    Attributes:
        names: of the pictures in the order of the index.
        passed_over: files that are neither pictures nor masks, such as Thumbs.db.
        unlabelled: pictures without a mask, which are left out.
        problems: one sentence for each thing that does not fit; empty where strict.

    Raises:
        FolderError: a MaskError with all `problems`: a mask without its picture, another size, a
            damaged file, a colour or a class that the legend lacks, …; where not strict, only if
            nothing is left.
        ValueError: for an unknown split or size, an empty part, or a group that matches no name.

    Example:
        own = segedu.datasets.PictureFolder("my pictures", size=(240, 320), split="train")
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        labels: LabelTable | None = None,
        size: tuple[int, int] | None = None,
        max_side: int | None = None,
        transform: Callable | None = None,
        split: str | None = None,
        group: str | None = None,
        instances: bool = False,
        strict: bool = True,
    ):
        super().__init__(transform=transform, instances=instances)
        if split is not None:
            check_choice("PictureFolder", "split", split, SPLITS)
        if size is not None and max_side is not None:
            raise ValueError(f"size={size} and max_side={max_side} both say how large pictures become; give one.")
        self.folder, self.size = Path(folder), None if size is None else height_and_width(size)
        self.max_side = None if max_side is None else whole_number(max_side, "max_side", 1)
        found = look_through(self.folder, split)
        found.pairs.sort(key=lambda pair: in_order(pair.name))
        self.problems, self.passed_over, self.unlabelled = found.problems, found.passed_over, found.unlabelled
        self._values = Values(found.pairs, self.problems, labels)
        try:
            self.labels = labels or labels_of(found, self._values)
        except MaskError as error:
            raise FolderError(self.folder, [*self.problems, str(error)]) from error
        sound = [pair for pair in found.pairs if self._fits(pair)]
        if self.problems and (strict or not sound):
            raise FolderError(self.folder, self.problems)
        self._divided = found.divided
        self._pairs = sound if found.divided or split is None else _part(self.folder, sound, split, group)
        self.names = [pair.name for pair in self._pairs]

    def part(self, split: str, *, group: str | None = None, transform: Callable | None = None) -> PictureFolder:
        """The pictures of one split of this whole folder, without reading its files again. Lesson 15.

        Args:
            split: as in PictureFolder.
            group: as in PictureFolder.
            transform: of the part; this folder's own is not taken over.

        Returns:
            A PictureFolder with the same pictures as PictureFolder(folder, split=split), and with
            the labels and names of this one: of folders called train and val, names begin so.

        Raises:
            ValueError: as PictureFolder; a FolderError where the folder is divided and lacks it.

        Example:
            train, val = (own.part(split) for split in ("train", "val"))
        """
        check_choice("PictureFolder", "split", split, SPLITS)
        part = copy.copy(self)
        part.transform = transform
        part._kept = {}  # its place 0 is another picture than the whole's
        if self._divided:
            part._pairs = [pair for pair in self._pairs if pair.name.startswith(f"{split}/")]
            if not part._pairs:
                raise FolderError(self.folder, [f"{self.folder} has no folder {split!r} with pictures and masks."])
        else:
            part._pairs = _part(self.folder, self._pairs, split, group)
        part.names = [pair.name for pair in part._pairs]
        return part

    def __len__(self) -> int:
        return len(self._pairs)

    def _read(self, index: int) -> tuple[np.ndarray, ...]:
        pair = self._pairs[index]
        image = read_picture(pair)
        mask, objects = self._truth(pair, image.shape[:2])
        size = self.size or smaller(image.shape[:2], self.max_side)
        image, mask = resized(image, mask, size)
        if objects is None:
            return image, mask
        return image, mask, resized(np.zeros((1, 1), np.uint8), objects, size)[1]

    def _truth(self, pair: Pair, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray | None]:
        return read_truth(pair, self.labels, size, white=self._values.white, of_objects=self._values.of_objects)

    def _fits(self, pair: Pair) -> bool:
        """Whether picture and mask can be read and fit each other; else a sentence comes to the problems."""
        if pair in self._values.damaged:  # which is told already
            return False
        try:
            image = read_picture(pair)
            check_turned(pair)
            if not self._values.are_sound(pair, image.shape[:2], len(self.labels)):
                self._truth(pair, image.shape[:2])  # says what is wrong, and where
        except (OSError, ValueError) as error:
            self.problems.append(str(error))
            return False
        return True


def _part(folder: Path, pairs: list[Pair], split: str, group: str | None) -> list[Pair]:
    """The pairs of a split by list or group, where the folder has none for it. ValueError where that is none."""
    if group is not None:
        groups = {pair.name: _group_of(pair.name, group) for pair in pairs}
    else:
        groups = {pair.name: re.sub(r" page \d+$", "", pair.name) for pair in pairs}  # pages of a stack are alike
    lists = {part: folder / f"{part}.txt" for part in SPLITS if (folder / f"{part}.txt").is_file()}
    if lists and split not in lists:
        raise ValueError(f"{folder} has lists for {', '.join(lists)}; for this split it lacks {split}.txt.")
    if split == "test" and not lists:
        raise ValueError(f'{folder} has no list test.txt and no folder test; without them there are "train" and "val".')
    if lists:
        kept = _listed(lists[split], pairs)
    else:
        if group is None:
            _warn_of_clips(folder, [pair.name for pair in pairs])
        kept = _dealt(pairs, groups, split)
    if not kept:
        raise ValueError(f"split={split!r} of {folder} is empty: of {len(pairs)} pictures none is left for it.")
    return kept


def _group_of(name: str, pattern: str) -> str:
    try:
        match = re.search(pattern, name)
    except re.error as error:
        raise ValueError(f"group={pattern!r} is no regular expression ({error}).") from None
    if match is None:
        raise ValueError(f"group={pattern!r} finds nothing in the name {name!r}; it must match every picture's name.")
    return match.group(1) if match.groups() else match.group()


def _listed(path: Path, pairs: list[Pair]) -> list[Pair]:
    of_name = {pair.name: pair for pair in pairs}
    lines = unicodedata.normalize("NFC", read_text(path)).replace("\\", "/").splitlines()
    wanted = [line.strip() for line in lines if line.strip()]
    # A line is a name, a file, or a file with more behind it; a name may have blanks.
    forms = [(line, stem(Path(line)), stem(Path(line.split()[0]))) for line in wanted]
    names = [next((name for name in form if name in of_name), form[-1]) for form in forms]
    lacking = [name for name in names if name not in of_name]
    if lacking:
        raise ValueError(f"{path} lists {len(lacking)} pictures that are not there with a mask, first {lacking[0]!r}.")
    return [of_name[name] for name in names]


def _dealt(pairs: list[Pair], groups: dict[str, str], split: str) -> list[Pair]:
    """One group in five for val, at least one: those whose names have the lowest checksums."""
    drawn = sorted(set(groups.values()), key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    val = set(drawn[: max(1, round(len(drawn) / SHARE))])
    return [pair for pair in pairs if (groups[pair.name] in val) == (split == "val")]


def _warn_of_clips(folder: Path, names: list[str]) -> None:
    """Neighbouring frames in train and val make a score that means nothing (lesson 01b)."""
    numbers: dict[str, list[int]] = {}
    for name in names:
        if match := re.fullmatch(r"(.*?)(\d+)", name):
            numbers.setdefault(match.group(1), []).append(int(match.group(2)))
    for start, found in numbers.items():
        if len(found) >= 10 and max(found) - min(found) < 2 * len(found) and len(found) * 2 > len(names):
            warnings.warn(
                f"{folder}: {len(found)} names are {start!r} with running numbers. If they are frames of one film or "
                "slices of one volume, neighbours in train and val are nearly equal, and the score says nothing of "
                'new pictures. Divide by film: group=r"(.*?)\\d+$", or write train.txt and val.txt.',
                stacklevel=4,
            )
            return
