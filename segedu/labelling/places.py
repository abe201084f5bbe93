"""Which pictures of a folder there are to label, and which file each mask belongs into."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from segedu import resources
from segedu.datasets.folder_layout import (
    ENDING,
    MASKS,
    OBJECTS,
    PICTURES,
    READ,
    SPLITS,
    Layout,
    MaskFile,
    in_order,
    look_through,
    page_count,
    stem,
)
from segedu.datasets.legends import find_legend, read_legend, table_of
from segedu.ids import MaskError
from segedu.labels import LabelTable

HOMES = tuple(name for name in MASKS if name not in OBJECTS)


@dataclass(frozen=True)
class Sheet:
    """A picture to label.

    name:    as PictureFolder names it.
    mask:    the PNG of class ids, there or not yet.
    objects: the PNG of ids of objects; None where there are none.
    locked:  a sentence where its mask cannot be changed, else empty.
    """

    name: str
    picture: Path
    mask: Path
    objects: Path | None = None
    locked: str = ""


def sheets_of(folder: Path, instances: bool) -> tuple[list[Sheet], list[str]]:
    """The pictures in the order of their names, and a sentence for each that cannot be labelled.

    Raises NotADirectoryError, and MaskError: no picture; masks in a form that is not one file a picture, beside which
    PictureFolder would not see new ones.
    """
    if folder.name.lower() in PICTURES and (masks := _inside(folder.parent, HOMES)):
        raise MaskError(f"{folder} holds pictures, and {masks} beside it their masks: give the folder {folder.parent}.")
    found = look_through(folder)
    _check_form(folder, found, instances)
    beside = {pair.picture.parent for pair in found.pairs if pair.truth.path.parent == pair.picture.parent}
    if beside and instances:
        raise MaskError(
            f"{folder} has masks beside its pictures (a_mask.png). Ids of objects need folders: put the pictures into "
            f"{folder / 'images'} and the masks into {folder / 'masks'}."
        )
    left_out = [problem for problem in found.problems if " and no mask. " not in problem]
    known, sheets = {pair.picture: pair for pair in found.pairs}, []
    rivals = Counter(file for home in {pair.truth.path.parent for pair in found.pairs} for file in _names_in(home))
    for picture in {**known, **dict.fromkeys(found.unlabelled)}:
        try:
            pages = page_count(picture)
        except (OSError, SyntaxError, ValueError):
            pages = 1  # told when it is opened
        if pages > 1:
            left_out.append(f"{picture} has {pages} pages and is left out. Write each page into a file of its own.")
        elif picture in known:
            sheets.append(_painted(known[picture], instances, rivals))
        else:
            sheets.append(_unpainted(folder, picture, picture.parent in beside, instances, found.divided))
    if not sheets:
        raise MaskError(" ".join([f"{folder} holds no picture to label.", *left_out]))
    return sorted(sheets, key=lambda sheet: in_order(sheet.name)), left_out


def legend_of(folder: Path, labels: LabelTable | Sequence[str] | None) -> tuple[LabelTable, Path | None]:
    """The class table, and the file labels.txt into which it has still to be written; None where one is there.

    Raises ValueError where there is none, one that a legend cannot hold, and one that differs from the folder's.
    """
    if isinstance(labels, str) or (labels is not None and len(labels) == 0):
        raise ValueError(
            f'labels is a LabelTable or a list of class names, such as ["background", "leaf"]; got {labels!r}.'
        )
    table = labels if labels is None or isinstance(labels, LabelTable) else table_of(list(labels))
    legend = find_legend(folder)
    if legend is not None:
        stored = read_legend(legend)
        if table is None or table.names == stored.names:
            return stored, None
        raise ValueError(
            f"{legend} has the classes {', '.join(stored.names)}, and labels are {', '.join(table.names)}: ids would "
            "change their meaning. Leave labels out to take those of the file; a class may be added at its end."
        )
    if table is None:
        raise ValueError(f'{folder} has no labels.txt. Say which classes there are: labels=["background", "leaf"]')
    for name in table.names:
        if name != name.strip() or not name or name.isdecimal() or set(name) & set(",;\t#\n\r"):
            raise ValueError(f"The class {name!r} cannot stand in labels.txt; take letters, without comma and #.")
    return table, folder / "labels.txt"


def write_legend(path: Path, labels: LabelTable) -> None:
    """Write the class table as PictureFolder reads it."""
    lines = [
        ",".join([name, *map(str, colour), "thing" if name in labels.things else "stuff"])
        for name, colour in zip(labels.names, labels.colours, strict=True)
    ]
    with resources.atomic_write(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _check_form(folder: Path, found: Layout, instances: bool) -> None:
    for pair in found.pairs:
        if not isinstance(pair.truth, MaskFile):
            raise MaskError(
                f"{folder} has its masks as {_called(pair.truth)}, and masks painted here, one PNG a picture, would "
                "hide them from PictureFolder. Label a copy of the pictures, or write the masks as PNG: "
                "segedu.masks.write_mask"
            )
        if pair.truth.path.parent.name.lower() in OBJECTS:
            raise MaskError(
                f"{pair.truth.path} holds ids of objects, and nothing says their classes. Write masks of class ids "
                f"into {pair.truth.path.parent.parent / 'masks'} first."
            )
        if pair.truth.objects is not None and not instances:
            raise MaskError(
                f"{folder} has ids of objects ({pair.truth.objects.parent.name}/), which would no longer fit: "
                "give instances=True."
            )


def _called(truth) -> str:
    return {"Drawing": "a JSON of outlines", "ClassFiles": "a file a class"}.get(
        type(truth).__name__, "a file an object"
    )


def _names_in(home: Path) -> list[tuple[Path, str]]:
    """(folder, name of the picture) of each file there that may be a mask."""
    files = [path for path in home.iterdir() if path.suffix.lower() in READ and not path.name.startswith(".")]
    beside = any(ENDING.search(stem(path)) for path in files) and home.name.lower() not in HOMES
    return [(home, ENDING.sub("", stem(path))) for path in files if not beside or ENDING.search(stem(path))]


def _painted(pair, instances: bool, rivals: Counter) -> Sheet:
    mask, locked = pair.truth.path, ""
    if rivals[mask.parent, stem(pair.picture)] > 1:
        locked = f"{mask.parent} has several masks of {stem(pair.picture)!r}; take all but one away."
    elif mask.suffix.lower() != ".png":
        locked = f"{mask} is no PNG and stays as it is. To change it, write {mask.stem}.png "
        locked += "(segedu.masks.write_mask) and take it away."
    return Sheet(pair.name, pair.picture, mask, _objects_of(mask) if instances else None, locked)


def _unpainted(folder: Path, picture: Path, beside: bool, instances: bool, divided: bool) -> Sheet:
    words = [part.lower() for part in picture.relative_to(folder).parts[:-1]] if divided else []
    split = next((f"{split}/" for split, called in SPLITS.items() if set(words) & set(called)), "")
    if beside:
        return Sheet(split + stem(picture), picture, picture.with_name(f"{picture.stem}_mask.png"))
    mask = _mask_home(folder, picture.parent) / f"{picture.stem}.png"
    return Sheet(split + stem(picture), picture, mask, _objects_of(mask) if instances else None)


def _mask_home(folder: Path, home: Path) -> Path:
    """Where masks of a folder of pictures are: X/images has X/masks, X/images/train X/masks/train, X has X/masks."""
    if home != folder and home.name.lower() in PICTURES:
        return _inside(home.parent, HOMES) or home.parent / "masks"
    if home != folder and home.parent.name.lower() in PICTURES:
        masks = _inside(home.parent.parent, HOMES)
        if masks is not None and not any(path.is_dir() for path in masks.iterdir()) and any(masks.iterdir()):
            return masks  # all masks in one folder, though the pictures lie in several
        return (masks or home.parent.parent / "masks") / home.name
    return _inside(home, HOMES) or home / "masks"


def _objects_of(mask: Path) -> Path:
    """masks/a.png → instances/a.png, masks/train/a.png → instances/train/a.png."""
    if mask.parent.name.lower() in HOMES:
        return mask.parent.parent / "instances" / mask.name
    return mask.parent.parent.parent / "instances" / mask.parent.name / mask.name


def _inside(home: Path, names: tuple[str, ...]) -> Path | None:
    there = {path.name.lower(): path for path in sorted(home.iterdir()) if path.is_dir()}
    return next((there[name] for name in names if name in there), None)
