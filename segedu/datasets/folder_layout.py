"""What lies in a folder of one's own: which picture belongs to which mask, in the forms that people have."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field, replace
from pathlib import Path

from PIL import Image

from segedu.datasets.annotations import Drawing, coco, is_coco, is_labelme, labelme, read_json
from segedu.datasets.legends import find_legend
from segedu.download import PICTURE_SUFFIXES, by_name
from segedu.ids import DAMAGE, MaskError

PICTURES = ("images", "image", "pictures", "imgs", "img", "jpegimages", "photos")
MASKS = ("masks", "mask", "labels", "label", "annotations", "segmentationclass", "groundtruth", "gt", "instances")
OBJECTS = ("instances",)  # beside masks: the ids of their objects
SPLITS = {"train": ("train", "training"), "val": ("val", "valid", "validation"), "test": ("test", "testing")}
ENDING = re.compile(r"[ _-](mask|masks|label|labels|seg|gt|annotation|instances)$", re.I)
READ = (*PICTURE_SUFFIXES, ".bmp", ".webp", ".gif")
LITTER = ("thumbs.db", "desktop.ini", "__macosx")


@dataclass(frozen=True)
class MaskFile:
    """One file that holds the class ids, or the ids of objects.

    page:    of a file of several pages, from 0.
    objects: a second file, of the ids of objects, where `path` holds the class ids.
    """

    path: Path
    page: int | None = None
    objects: Path | None = None


@dataclass(frozen=True)
class ClassFiles:
    """One file of black and white for each class, {name: path}."""

    paths: dict[str, Path]


@dataclass(frozen=True)
class ObjectFiles:
    """One file of black and white for each object."""

    paths: tuple[Path, ...]


@dataclass(frozen=True)
class Pair:
    """A picture and what is known of its pixels."""

    name: str
    picture: Path
    page: int | None
    truth: MaskFile | ClassFiles | ObjectFiles | Drawing


@dataclass
class Layout:
    """All that was found in a folder.

    problems:    sentences, each with its file and the way out.
    passed_over: files that are neither pictures nor masks, and folders of no known name.
    unlabelled:  pictures without a mask.
    names:       the classes that annotations name, in their order; empty where masks are files of ids.
    divided:     whether there are folders called train, val or test.
    """

    pairs: list[Pair] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    passed_over: list[Path] = field(default_factory=list)
    unlabelled: list[Path] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    legend: Path | None = None
    divided: bool = False


def look_through(folder: Path, split: str | None = None) -> Layout:
    """What the folder holds: all of it, or of a split ("train", "val", "test") that has a folder of its own.

    Raises NotADirectoryError where there is no folder.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"There is no folder {folder}.")
    found = _look(folder, split)
    if not found.pairs and not found.problems:
        found.problems.append(_nothing(folder, found.unlabelled))
    return found


def _look(folder: Path, split: str | None) -> Layout:
    places = (folder, _named(folder, PICTURES))
    splits = [name for name in SPLITS if any(_of_split(place, name) for place in places)]
    if splits and split is None:
        return _joined([(name, _look(folder, name)) for name in splits])
    home = _of_split(folder, split) or folder
    found = Layout(legend=find_legend(home) or find_legend(folder), divided=bool(splits))
    if splits and split not in splits:
        found.problems.append(f"{folder} has folders for {', '.join(splits)}, and none for {split!r}.")
        return found
    picture_home = _of_split(_named(home, PICTURES), split) or _named(home, PICTURES)
    if one_each := _folder_per_picture(home) if picture_home is None else {}:
        for name, (picture, masks) in one_each.items():
            found.pairs.append(Pair(name, picture, None, ObjectFiles(masks)))
        return found
    masks = _named(home, MASKS)
    mask_home = _of_split(masks, split)
    if mask_home is None and not any(_of_split(masks, other) for other in splits):  # else they are another part's
        mask_home = masks
    pictures = _pictures(picture_home or home, found)
    truths = _truths(home, picture_home or home, mask_home, pictures, split, found)
    for name, path in pictures.items():
        if name in truths:
            _add(found, name, path, truths.pop(name))
        else:
            found.unlabelled.append(path)
    for name, truth in truths.items():
        where = getattr(truth, "path", None) or next(iter(getattr(truth, "paths", {}).values()), name)
        near = [other for other in pictures if other.lower() == name.lower()]
        hint = f" There is {near[0]!r}: capitals count." if near else ""
        found.problems.append(f"{where} belongs to a picture {name!r}, which is not in {picture_home or home}.{hint}")
    return found


def _joined(parts: list[tuple[str, Layout]]) -> Layout:
    """All splits together; a name begins with that of its split, since two may have the same one."""
    whole = Layout(legend=parts[0][1].legend, divided=True)
    for split, part in parts:
        whole.pairs += [replace(pair, name=f"{split}/{pair.name}") for pair in part.pairs]
        whole.problems += part.problems
        whole.passed_over += [path for path in part.passed_over if path not in whole.passed_over]
        whole.unlabelled += part.unlabelled
        whole.names += [name for name in part.names if name not in whole.names]
    return whole


def _nothing(folder: Path, pictures: list[Path]) -> str:
    there = f"{folder} holds {len(pictures)} pictures and no mask" if pictures else f"{folder} holds no picture"
    return (
        f"{there}. What is read: images/a.jpg with masks/a.png; a.jpg beside a_mask.png; images/a.jpg with a file a "
        "class (masks/CLASS/a.png) or an object (masks/a/1.png); a.jpg beside LabelMe's a.json; one COCO file. To "
        "paint masks: segedu.widgets.label_folder(folder, names of the classes)"
    )


def _of_split(home: Path | None, split: str | None) -> Path | None:
    return _named(home, SPLITS[split]) if home is not None and split is not None else None


def _named(home: Path, names: tuple[str, ...]) -> Path | None:
    """The first folder of these names, in any capitals."""
    there = {path.name.lower(): path for path in by_name(home) if path.is_dir()}
    return next((there[name] for name in names if name in there), None)


def stem(path: Path) -> str:
    """The file's name without suffix; umlauts composed, as macOS may store the same one in two ways."""
    return unicodedata.normalize("NFC", path.stem)


def in_order(name: str) -> list:
    """A key to sort names by, so that picture 10 comes after picture 9."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def _files(home: Path, found: Layout) -> list[Path]:
    """The picture files of a folder, sorted; litter and unknown files are passed over."""
    kept = []
    for path in by_name(home):
        hidden = path.name.startswith(".") or path.name.lower() in LITTER
        if path.is_file() and not hidden and path.suffix.lower() in READ:
            kept.append(path)
        elif (path.is_file() or hidden) and path.suffix.lower() != ".json" and path != found.legend:
            found.passed_over.append(path)
    return kept


def _pictures(home: Path, found: Layout) -> dict[str, Path]:
    """{name: path} of the pictures, without those that are masks by their ending."""
    files = _files(home, found)
    stems = {stem(path) for path in files}
    pictures = {}
    for path in files:
        base = ENDING.sub("", stem(path))
        if base != stem(path) and base in stems:
            continue
        if stem(path) in pictures:
            twice = f"{pictures[stem(path)]} and {path.name} have one name"
            found.problems.append(f"{twice}; take one away: nothing says which is meant.")
            continue
        pictures[stem(path)] = path
    return pictures


def _truths(home: Path, picture_home: Path, mask_home: Path | None, pictures, split, found: Layout) -> dict:
    """{name of the picture: its truth}, in the one form that the folder has."""
    if mask_home is not None:
        inside = [path for path in by_name(mask_home) if path.is_dir() and not path.name.startswith(".")]
        if _files(mask_home, found):
            return _with_objects(_mask_files(mask_home, found), home, mask_home, split, found)
        if inside and sum(unicodedata.normalize("NFC", path.name) in pictures for path in inside) * 2 >= len(inside):
            return {
                unicodedata.normalize("NFC", path.name): ObjectFiles(tuple(files))
                for path in inside
                if (files := _files(path, found))
            }
        if inside and any(_files(path, Layout()) for path in inside):
            return _class_files(inside, found)
    for place in dict.fromkeys(path for path in (mask_home, home, picture_home, home.parent) if path is not None):
        if drawings := _coco_in(place, split, found):
            return _by_name(drawings, found)
    for place in dict.fromkeys(path for path in (mask_home, picture_home) if path is not None):
        if drawings := _labelme_in(place, found):
            return drawings
    return _beside(picture_home)


def _mask_files(mask_home: Path, found: Layout) -> dict[str, MaskFile]:
    truths = {}
    for path in _files(mask_home, Layout()):
        name = ENDING.sub("", stem(path))
        if name in truths:
            found.problems.append(f"{truths[name].path} and {path.name} are both the mask of {name!r}; take one away.")
            continue
        truths[name] = MaskFile(path)
    return truths


def _with_objects(truths: dict, home: Path, mask_home: Path, split: str | None, found: Layout) -> dict[str, MaskFile]:
    """The masks, and with each the ids of its objects, where these lie in a folder of their own: instances/a.png."""
    objects_home = _of_split(_named(home, OBJECTS), split) or _named(home, OBJECTS)
    if objects_home is None or objects_home in (mask_home, mask_home.parent):
        return truths
    for name, ids in _mask_files(objects_home, found).items():
        if name in truths:
            truths[name] = replace(truths[name], objects=ids.path)
        else:
            found.problems.append(f"{ids.path} has ids of objects for {name!r}, which has no mask in {mask_home}.")
    return truths


def _class_files(folders: list[Path], found: Layout) -> dict[str, ClassFiles]:
    of_picture: dict[str, dict[str, Path]] = {}
    names = {folder: unicodedata.normalize("NFC", folder.name) for folder in folders}
    for folder, name in names.items():
        for path in _files(folder, found):
            of_picture.setdefault(ENDING.sub("", stem(path)), {})[name] = path
    found.names = ["background", *(name for name in names.values() if name.lower() != "background")]
    return {name: ClassFiles(paths) for name, paths in of_picture.items()}


def _beside(home: Path) -> dict[str, MaskFile]:
    """a.jpg and a_mask.png in one folder."""
    files = _files(home, Layout())
    stems = {stem(path) for path in files}
    bases = {path: ENDING.sub("", stem(path)) for path in files}
    return {base: MaskFile(path) for path, base in bases.items() if base != stem(path) and base in stems}


def _folder_per_picture(home: Path) -> dict[str, tuple[Path, tuple[Path, ...]]]:
    """The form of the Data Science Bowl: NAME/images/NAME.png, and NAME/masks/ with a file an object."""
    found = {}
    for path in by_name(home):
        inside = (path / "images", path / "masks")
        if path.is_dir() and all(part.is_dir() for part in inside):
            pictures, masks = (_files(part, Layout()) for part in inside)
            if len(pictures) == 1:
                found[unicodedata.normalize("NFC", path.name)] = (pictures[0], tuple(masks))
    return found


def _json_files(place: Path) -> list[Path]:
    return sorted((path for path in place.glob("*.json") if path.name[0] != "."), key=lambda path: path.name)


def _coco_in(place: Path, split: str | None, found: Layout) -> dict[str, Drawing]:
    """{file name: drawing} of the one COCO file in this folder; of several, the one whose name has the split."""
    files = {}
    for path in _json_files(place):
        try:
            value = read_json(path)
        except MaskError as error:
            if path.with_suffix("").name not in {stem(other) for other in place.iterdir() if other != path}:
                found.problems.append(str(error))
            continue
        if is_coco(value):
            files[path] = value
    if len(files) > 1 and split:
        files = {
            path: value for path, value in files.items() if any(word in path.stem.lower() for word in SPLITS[split])
        }
    if len(files) > 1:
        names = ", ".join(path.name for path in files)
        found.problems.append(f"{place} holds several COCO files ({names}); keep one, or name them …_train and …_val.")
        return {}
    for path, value in files.items():
        try:
            names, drawings = coco(path, value)
        except MaskError as error:
            found.problems.append(str(error))
            return {}
        found.names = ["background", *(name for name in names if name.lower() != "background")]
        return drawings
    return {}


def _by_name(drawings: dict[str, Drawing], found: Layout) -> dict[str, Drawing]:
    truths = {}
    for file_name, drawing in drawings.items():
        name = stem(Path(file_name.replace("\\", "/")))
        if name in truths:
            found.problems.append(f"{drawing.path} lists two pictures called {name!r}; give each its own name.")
        truths[name] = drawing
    return truths


def _labelme_in(place: Path, found: Layout) -> dict[str, Drawing]:
    truths = {}
    for path in _json_files(place):
        try:
            value = read_json(path)
            if is_labelme(value):
                truths[stem(path)] = labelme(path, value)
            else:
                found.passed_over.append(path)
        except MaskError as error:
            found.problems.append(str(error))
    names = sorted({shape.name for drawing in truths.values() for shape in drawing.shapes})
    found.names = names if truths else []
    return truths


def _add(found: Layout, name: str, picture: Path, truth) -> None:
    """A pair; of a stack of several pages, a pair a page."""
    try:
        pages = page_count(picture)
        of_mask = page_count(truth.path) if isinstance(truth, MaskFile) else pages
    except OSError as error:
        found.problems.append(f"{picture} or its mask cannot be opened ({error}). Copy it again, or export it as PNG.")
        return
    if pages != of_mask:
        found.problems.append(
            f"{picture} has {pages} pages, its mask {truth.path.name} {of_mask}; they must be as many."
        )
    elif pages == 1:
        found.pairs.append(Pair(name, picture, None, truth))
    elif not isinstance(truth, MaskFile):
        found.problems.append(
            f"{picture} has {pages} pages; outlines say nothing of pages. Write each into its own file."
        )
    else:
        for page in range(pages):
            found.pairs.append(Pair(f"{name} page {page + 1}", picture, page, replace(truth, page=page)))


def page_count(path: Path) -> int:
    """How many pictures the file holds; a camera's MPO holds the photograph and a preview. OSError if damaged."""
    if path.suffix.lower() not in (".tif", ".tiff", ".gif", ".webp", ".png"):
        return 1
    try:
        with Image.open(path) as picture:
            return 1 if picture.format == "MPO" else getattr(picture, "n_frames", 1)
    except DAMAGE as error:
        if path.suffix.lower() == ".png":  # told when it is read
            return 1
        if isinstance(error, OSError):
            raise
        raise OSError(f"{type(error).__name__}: {error}") from error
