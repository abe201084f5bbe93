"""`segedu check FOLDER`: what is in a folder of pictures and masks, and what is wrong with it."""

from __future__ import annotations

import argparse
import base64
import html
import io
from pathlib import Path

import numpy as np
from PIL import Image

from segedu.datasets import FolderError, PictureFolder
from segedu.datasets.files import smaller
from segedu.labels import LabelTable
from segedu.resources import atomic_write

SHOWN = 300  # pictures on the page
SIDE = 320  # pixels of each
THUMB = 16  # a picture is compared by as many grey values a side
ALIKE = 0.985  # correlation of these from which on two pictures are called nearly equal
FLAT = 4.0  # standard deviation of grey values below which a picture has nothing to compare
_HELP = """
Reads every picture and mask of FOLDER (its forms: segedu.datasets.PictureFolder), tells what does not
fit and the way out, counts classes, and looks for nearly equal pictures in train and val (in train and
test, where there is no val): a score on those says nothing of new pictures (lesson 01b). --page writes
all masks over their pictures.
Exit code: 0 where all fits, 1 where something does not.
"""


def add_to(commands) -> None:
    """The options of this command."""
    command = commands.add_parser(
        "check", help="look through your pictures and masks", description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    command.add_argument("folder", metavar="FOLDER")
    command.add_argument("--group", metavar="REGEX", help="as in training: pictures that stay together")
    command.add_argument("--page", metavar="FILE", help="write a page of overlays: overlays.html")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print what is there. 0; 1 where something is wrong."""
    try:
        data = PictureFolder(options.folder, strict=False)
    except FolderError as error:
        print(error)
        return 1
    wrong = [*data.problems, *(f"{path} has no mask." for path in data.unlabelled)]
    sizes = {tuple(mask.shape) for _, mask in data}
    print(f"{len(data)} pictures with masks, {_span(sizes)}; {len(wrong)} that do not fit")
    for sentence in wrong:
        print(f"- {sentence}")
    if data.passed_over:
        print(f"Passed over: {', '.join(path.name for path in data.passed_over)}")
    print(class_table(data))
    held = _held_out(Path(options.folder))
    alike = near_duplicates(data, *_parts(data, options, held))
    for one, other, value in alike:
        print(
            f"- {one} (train) and {other} ({held}) are nearly equal ({value:.3f}): group= or lists keep them together."
        )
    if options.page:
        write_page(Path(options.page), data)
        print(f"All masks over their pictures: {options.page}")
    return 1 if wrong or alike else 0


def class_table(data: PictureFolder) -> str:
    """A line a class: share of the pixels, pictures that have it; of things connected parts and their middle size."""
    from scipy import ndimage

    pixels, pictures = np.zeros(256, np.int64), np.zeros(256, np.int64)
    parts: dict[int, list[int]] = {}
    for _, mask in data:
        ids = mask.numpy()
        counts = np.bincount(ids.ravel(), minlength=256)
        pixels, pictures = pixels + counts, pictures + (counts > 0)
        for class_id in map(data.labels.index, data.labels.things):
            labelled, _ = ndimage.label(ids == class_id)
            parts.setdefault(class_id, []).extend(np.bincount(labelled.ravel())[1:].tolist())
    lines = [f"{'id':>3} {'class':24}{'pixels':>9}{'pictures':>10}{'parts':>8}{'middle size':>13}"]
    for class_id, name in [*enumerate(data.labels.names), (255, "void")]:
        if class_id == 255 and not pixels[255]:
            continue
        sizes = parts.get(class_id, [])
        middle = f"{np.median(sizes):.0f} px" if sizes else ""
        share = pixels[class_id] / pixels.sum()
        lines.append(f"{class_id:3} {name:24}{share:9.2%}{pictures[class_id]:10}{len(sizes) or '':>8}{middle:>13}")
    return "\n".join(lines)


def _held_out(folder: Path) -> str:
    """What train is compared with: "val", or "test" where the folder has a list or folder test, and none for val."""
    there = {path.stem.lower() for path in folder.iterdir() if path.is_dir() or path.suffix == ".txt"}
    return "test" if "test" in there and "val" not in there else "val"


def _parts(data: PictureFolder, options: argparse.Namespace, held: str) -> tuple[list[str], list[str]]:
    """The names in train and in what is held out of it; two empty lists where the folder cannot be divided."""
    import warnings

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            train, val = (data.part(split, group=options.group).names for split in ("train", held))
        except ValueError as error:
            print(f"Not divided: {error}")
            return [], []
    for sentence in dict.fromkeys(str(warning.message) for warning in told):
        print(f"- {sentence}")
    return train, val


def near_duplicates(data: PictureFolder, train: list[str], val: list[str]) -> list[tuple[str, str, float]]:
    """(name in train, name in val, correlation of their grey thumbnails) of pictures that are nearly equal."""
    place = {name: number for number, name in enumerate(data.names)}
    of_train, of_val = (
        {n: v for n in names if (v := _thumb(data[place[n]][0].numpy())) is not None} for names in (train, val)
    )
    if not of_train or not of_val:
        return []
    values = np.stack(list(of_train.values())) @ np.stack(list(of_val.values())).T
    names = list(of_train), list(of_val)
    return [(names[0][i], names[1][j], float(values[i, j])) for i, j in np.argwhere(values > ALIKE)]


def _thumb(image: np.ndarray) -> np.ndarray | None:
    """The picture as THUMB² grey values of mean 0 and length 1; None for one that is flat."""
    grey = Image.fromarray((255 * image.mean(0)).astype(np.uint8)).resize((THUMB, THUMB), Image.Resampling.BOX)
    values = np.asarray(grey, float).ravel()
    values -= values.mean()
    return None if values.std() < FLAT else values / np.linalg.norm(values)


def write_page(path: Path, data: PictureFolder) -> None:
    """One HTML file that needs no other: each picture with its mask over it, and the legend."""
    legend = "".join(
        f'<span><i style="background:rgb{colour}"></i>{html.escape(name)}</span>'
        for name, colour in zip(data.labels.names, data.labels.colours, strict=True)
    )
    figures = "".join(
        f'<figure><img alt="{html.escape(name)} with its mask over it" src="{_overlay(*data[number], data.labels)}">'
        f"<figcaption>{html.escape(name)}</figcaption></figure>"
        for number, name in enumerate(data.names[:SHOWN])
    )
    more = f"<p>The first {SHOWN} of {len(data)} pictures.</p>" if len(data) > SHOWN else ""
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(data.folder.name)}</title>'
        "<style>body{font:15px sans-serif;margin:1em}figure{display:inline-block;margin:4px;vertical-align:top}"
        "figcaption{font-size:12px;max-width:320px;overflow-wrap:anywhere}span{margin-right:1em}"
        "i{display:inline-block;width:1em;height:1em;margin-right:.3em;border:1px solid #888}</style>"
        f"<h1>{html.escape(str(data.folder))}</h1><p>{legend}</p>{more}{figures}</html>"
    )
    with atomic_write(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _overlay(image, mask, labels: LabelTable) -> str:
    picture = Image.fromarray((255 * image.permute(1, 2, 0).numpy()).astype(np.uint8))
    colours = Image.fromarray(labels.palette[mask.numpy()])
    if size := smaller(tuple(mask.shape), SIDE):
        picture = picture.resize(size[::-1], Image.Resampling.BILINEAR)
        colours = colours.resize(size[::-1], Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    Image.blend(picture, colours, 0.5).save(buffer, format="JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _span(sizes: set[tuple[int, int]]) -> str:
    if len(sizes) == 1:
        return "{} × {} pixels (height × width)".format(*next(iter(sizes)))
    heights, widths = zip(*sizes, strict=True)
    return f"{min(heights)} … {max(heights)} × {min(widths)} … {max(widths)} pixels (height × width)"
