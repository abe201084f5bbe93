"""`segedu predict MODEL PICTURE …`: masks, overlays and objects of pictures, as files."""

from __future__ import annotations

import argparse
import csv
import glob
import json
from pathlib import Path

import numpy as np
from PIL import Image

from segedu import distributed, runtime
from segedu.commands.saved import named_model, side_of
from segedu.commands.windows import made_smaller, predict_by_windows
from segedu.datasets.files import smaller
from segedu.datasets.folder_layout import READ, page_count, stem
from segedu.datasets.folder_truth import upright_colours
from segedu.download import by_name
from segedu.inference import instance_segmentation, semantic_segmentation
from segedu.labels import LabelTable
from segedu.masks import to_rle, write_mask
from segedu.resources import atomic_write, check_writable

WHOLE = 1_500_000  # pixels that are looked at at once; larger pictures tile by tile
TILE = 1024
_HELP = """
PICTURE is a file, a folder, or a pattern such as 'photos/*.jpg'. For each, --out gets
  NAME.png           the class ids, a palette PNG that segedu.masks.read_mask reads back
  NAME_overlay.jpg   the classes over the picture, to look at
  NAME_confidence.png  with --confidence: grey, 255 where the network is sure
  NAME_ids.png       with --objects: the ids of objects, 16 bits; and objects.json (COCO), objects.csv
With --windows, for pictures larger than memory, NAME.tif in the place of NAME.png: a TIFF is read and
written window by window, at its own size.
A file is written wholly or not at all. Of a file of several pages or frames each is a picture.
"""


def add_to(commands) -> None:
    """The options of this command."""
    command = commands.add_parser(
        "predict", help="segment pictures with a network", description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    command.add_argument(
        "model", metavar="MODEL", help="a file that segedu train or segedu.save wrote, or a shipped name"
    )
    command.add_argument("pictures", metavar="PICTURE", nargs="+", help="files, folders or patterns")
    command.add_argument("--out", required=True, metavar="FOLDER", help="where the results go; made if need be")
    command.add_argument("--objects", action="store_true", help="single objects, too")
    command.add_argument("--confidence", action="store_true", help="how sure the network is, too")
    command.add_argument("--side", type=int, help="longer side at which the network looks; default: as in training")
    command.add_argument("--tile", type=int, help="pixels a side that are looked at at once; default: by size")
    command.add_argument("--windows", action="store_true", help="window by window, for pictures larger than memory")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the files of each picture. 0; 1 where some pictures could not be read, which is told."""
    if options.windows and (options.objects or options.confidence or options.side):
        raise ValueError(
            "--windows gives class ids at the picture's own size; leave out --objects, --confidence, --side."
        )
    model, out = named_model(options.model), Path(options.out)
    labels = model.labels
    files = found(options.pictures)
    side = options.side or side_of(options.model)
    names = _names(files, out)
    check_writable(out / "picture.png")
    model = model.to(runtime.device())
    sizes, objects, failed = [], [], []
    for number, (name, (path, page)) in distributed.share(list(enumerate(names.items(), 1))):
        try:
            if not options.windows:
                picture = upright_colours(path, page)
            else:
                picture, mask = predict_by_windows(model, path, page, out / f"{name}.tif", options.tile or TILE)
        except (OSError, ValueError) as error:
            failed.append(str(error))
            print(f"{number} of {len(names)}: {error}")
            continue
        print(f"{number} of {len(names)}: {path}" + ("" if page is None else f", page {page + 1}"), flush=True)
        if options.windows:
            _write(out / f"{name}_overlay.jpg", _overlay(picture, mask, labels), quality=90)
            continue
        small = smaller(picture.shape[:2], side)
        seen = (
            picture
            if small is None
            else np.array(Image.fromarray(picture).resize(small[::-1], Image.Resampling.BILINEAR))
        )
        tile = options.tile or (TILE if seen.shape[0] * seen.shape[1] > WHOLE else None)
        if options.objects:
            parts = instance_segmentation(model, seen, tile=tile, return_scores=True)
            ids = _enlarged(parts.ids, picture.shape[:2])
            sizes.append((f"{name}{path.suffix}", ids.shape))
            objects += _described(ids, parts, labels, f"{name}{path.suffix}")
            _write(out / f"{name}_ids.png", Image.fromarray(_sixteen_bits(ids, path)))
        answer = semantic_segmentation(model, seen, tile=tile, return_confidence=options.confidence)
        mask, confidence = answer if options.confidence else (answer, None)
        mask = _enlarged(mask, picture.shape[:2])
        write_mask(out / f"{name}.png", mask, labels)
        _write(out / f"{name}_overlay.jpg", _overlay(picture, mask, labels), quality=90)
        if options.confidence:
            np.rint(np.multiply(confidence, 255, out=confidence), out=confidence)  # in place: it may be large
            grey = _enlarged(confidence.astype(np.uint8), picture.shape[:2])
            _write(out / f"{name}_confidence.png", Image.fromarray(grey))
    sizes, objects, failed = map(distributed.all_items, (sizes, objects, failed))
    if distributed.is_first():
        if options.objects:
            _write_objects(out, dict(sizes), objects, labels)
        print(f"{len(names) - len(failed)} pictures: {out}")
    return 1 if failed else 0


def found(asked: list[str]) -> list[Path]:
    """The picture files of what was asked for. FileNotFoundError for what is not there."""
    files = []
    for word in asked:
        path = Path(word)
        if path.is_dir():
            inside = [other for other in by_name(path) if other.suffix.lower() in READ]
            inside = [other for other in inside if other.is_file() and not other.name.startswith(".")]
            if not inside:
                raise FileNotFoundError(f"The folder {path} holds no picture ({', '.join(READ)}).")
            files += inside
        elif path.is_file():
            files.append(path)
        elif matches := sorted(Path(match) for match in glob.glob(word, recursive=True) if Path(match).is_file()):
            files += matches
        else:
            raise FileNotFoundError(f"There is no file, folder or pattern {word}.")
    return list(dict.fromkeys(files))


def _names(files: list[Path], out: Path) -> dict[str, tuple[Path, int | None]]:
    """{name of the results: (file, page)}. ValueError where results would lie over pictures, or over each other."""
    names: dict[str, tuple[Path, int | None]] = {}
    here = {path.resolve() for path in files}
    taken: dict[str, Path] = {}  # A.png and a.png are one file on Windows and macOS
    for path in files:
        if out.is_dir() and path.resolve().parent.samefile(out):  # Photos and photos may be one folder
            raise ValueError(f"--out {out} is the folder of {path.name}, whose picture would be lost; name another.")
        pages = _pages(path)
        for page in range(pages) if pages > 1 else (None,):
            name = stem(path) if page is None else f"{stem(path)}_page{page + 1:03}"
            if other := taken.get(name.casefold()):
                raise ValueError(f"{other} and {path} would both become {name}.png; give each its own --out.")
            if (out / f"{name}.png").resolve() in here:
                raise ValueError(f"{out / name}.png is one of the pictures and would be lost; name another --out.")
            names[name], taken[name.casefold()] = (path, page), path
    return names


def _pages(path: Path) -> int:
    try:
        return page_count(path)
    except OSError:  # told when it is read
        return 1


def _enlarged(ids: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if ids.shape == tuple(size):
        return ids
    return np.array(Image.fromarray(ids).resize(size[::-1], Image.Resampling.NEAREST))


def _sixteen_bits(ids: np.ndarray, path: Path) -> np.ndarray:
    if ids.max(initial=0) > 65535:
        raise ValueError(f"{path} has {ids.max()} objects; a PNG of 16 bits holds 65535 at most. Divide the picture.")
    return ids.astype(np.uint16)


def _overlay(picture: np.ndarray, mask: np.ndarray, labels: LabelTable) -> Image.Image:
    """Half picture, half classes; what is class 0 stays the picture."""
    picture, mask = made_smaller(picture, mask)
    base = Image.fromarray(picture)
    mixed = Image.blend(base, Image.fromarray(labels.palette[mask]), 0.5)
    return Image.composite(mixed, base, Image.fromarray(mask > 0))


def _write(path: Path, picture: Image.Image, **options) -> None:
    with atomic_write(path) as temporary:
        picture.save(temporary, **options)


def _described(ids: np.ndarray, parts, labels: LabelTable, picture: str) -> list[dict]:
    """One row an object: picture, id, class, area, box (x, y, width, height), score."""
    from scipy import ndimage

    rows = []
    areas = np.bincount(ids.ravel())
    for number, box in enumerate(ndimage.find_objects(ids), 1):
        if box is None:
            continue
        rows.append({
            "picture": picture, "id": number, "class": labels.names[parts.classes[number]],
            "area": int(areas[number]),
            "box": [box[1].start, box[0].start, box[1].stop - box[1].start, box[0].stop - box[0].start],
            "score": round(float(parts.scores[number]), 4), "rle": to_rle(ids == number),
        })  # fmt: skip
    return rows


def _write_objects(out: Path, sizes: dict[str, tuple], rows: list[dict], labels: LabelTable) -> None:
    """objects.csv and COCO's objects.json, which segedu.datasets.PictureFolder reads."""
    with atomic_write(out / "objects.csv") as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["picture", "id", "class", "area", "x", "y", "width", "height", "score"])
        for row in rows:
            writer.writerow([row[key] for key in ("picture", "id", "class", "area")] + row["box"] + [row["score"]])
    numbers = {picture: number for number, picture in enumerate(sizes, 1)}
    images = [
        {"id": numbers[picture], "file_name": picture, "height": height, "width": width}
        for picture, (height, width) in sizes.items()
    ]
    annotations = [
        {
            "id": number, "image_id": numbers[row["picture"]], "category_id": labels.index(row["class"]),
            "area": row["area"],
 "bbox": row["box"], "score": row["score"], "iscrowd": 0, "segmentation": row["rle"],
        }
        for number, row in enumerate(rows, 1)
    ]  # fmt: skip
    categories = [{"id": number, "name": name} for number, name in enumerate(labels.names) if name in labels.things]
    with atomic_write(out / "objects.json") as temporary:
        text = json.dumps({"images": images, "annotations": annotations, "categories": categories})
        temporary.write_text(text, encoding="utf-8")
