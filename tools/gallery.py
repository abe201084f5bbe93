"""The README's pictures: `python -m tools.gallery`.

Its first picture shows what its first lines of Python compute; they are run. The gallery has, of each lesson with a
cell tagged `hero`, that cell's stored picture, made small, with its alternative text. One picture more is that of the
cell of lesson 10 tagged `readme`. Nothing else of README changes.
"""

from __future__ import annotations

import base64
import io
import re
import sys

import nbformat
import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from segedu import datasets, plotting, strokes
from segedu.plotting.showing import encoded
from tools.cells import NOTEBOOKS, ROOT

README = ROOT / "README.md"
FOLDER = ROOT / "data" / "readme"
START, END = "<!-- gallery: python -m tools.gallery -->", "<!-- end of gallery -->"
WIDTH, COLUMNS, MOST = 480, 3, 60_000  # stored pixels, pictures in a row, bytes


def first_lines(readme: str) -> str:
    """The first block of Python in the README."""
    return re.search(r"^```python\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)[1]


def opening(readme: str) -> bytes:
    """A JPEG of the strokes and the cut-out that the README's first lines make."""
    made: dict = {}
    exec(first_lines(readme), made)
    sharp = datasets.Photographs()["coffee"][0]
    # at the photograph's own size: the map is enlarged smoothly, and cut where it was
    cup = F.interpolate(torch.as_tensor(made["cup"]).float()[None, None], sharp.shape[1:], mode="bicubic")[0, 0] > 0.5
    more = sharp.shape[2] / made["image"].shape[2]
    lines = [(name, [(more * x, more * y) for x, y in line]) for name, line in made["painted"]]
    drawn = strokes.draw_strokes(lines, made["labels"], tuple(sharp.shape[1:]), brush=3 * more)
    painted = strokes.painted_over(sharp, drawn, made["labels"])
    figure = plotting.pictures({"Six strokes": painted, "What the network cuts out": torch.where(cup, sharp, 1.0)})
    return small(Image.open(io.BytesIO(encoded(figure)[1])), 1520, 150_000)


def small(picture: Image.Image, width: int, most: int) -> bytes:
    """The picture as a JPEG of at most these pixels in width and bytes."""
    picture = picture.convert("RGB")
    if picture.width > width:
        picture = picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)
    for quality in range(92, 30, -4):
        buffer = io.BytesIO()
        picture.save(buffer, format="jpeg", quality=quality, optimize=True)
        if buffer.tell() <= most:
            break
    return buffer.getvalue()


def hero(notebook, tag: str = "hero") -> tuple[Image.Image, str] | None:
    """The stored picture of the cell with this tag and its alternative text; None without one."""
    for cell in notebook.cells:
        if tag not in cell.metadata.get("tags", []):
            continue
        for output in cell.get("outputs", []):
            for kind in ("image/png", "image/jpeg"):
                if kind in output.get("data", {}):
                    picture = Image.open(io.BytesIO(base64.b64decode(output.data[kind])))
                    return picture, output.metadata.get(kind, {}).get("alt", "")
    return None


def block(heroes: list[tuple[str, str, str]]) -> str:
    """The README's gallery of (lesson's file without .ipynb, its title, alternative text)."""
    cells = [
        f'<td width="33%"><a href="notebooks/{stem}.ipynb"><img src="data/readme/{file_of(stem)}" '
        f'alt="{_quoted(alt)}"><br>{title}</a></td>'
        for stem, title, alt in heroes
    ]
    rows = [" <tr>\n  " + "\n  ".join(cells[i : i + COLUMNS]) + "\n </tr>" for i in range(0, len(cells), COLUMNS)]
    table = ["<table>", *rows, "</table>"] if rows else []
    return "\n".join([START, *table, END])


def file_of(stem: str) -> str:
    """The picture's file: "01a.jpg" of "01a_files"."""
    return f"{stem.partition('_')[0]}.jpg"


def _quoted(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def heroes() -> dict[str, tuple[str, str, Image.Image]]:
    """{lesson's file without .ipynb: (title, alternative text, picture)} of the lessons that have one."""
    found = {}
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        if (shown := hero(notebook)) is not None:
            title = re.search(r"^# (.*)", notebook.cells[0].source, re.MULTILINE)[1]
            found[path.stem] = (title, shown[1], shown[0])
    return found


def race() -> tuple[Image.Image, str]:
    """Lesson 10's picture of scores over seconds, and its alternative text, for README's *Why this course*."""
    (path,) = (path for path in NOTEBOOKS if path.name.startswith("10_"))
    return hero(nbformat.read(path, as_version=4), "readme")


def written(readme: str, found: dict) -> str:
    """The README with the gallery of these lessons."""
    gallery = block([(stem, title, alt) for stem, (title, alt, _) in found.items()])
    return re.sub(f"{re.escape(START)}.*?{re.escape(END)}", lambda _: gallery, readme, flags=re.DOTALL)


def main() -> int:
    """Write the pictures and the gallery."""
    readme = README.read_text(encoding="utf-8")
    found = heroes()
    FOLDER.mkdir(exist_ok=True)
    files = {"opening.jpg": opening(readme), "race.jpg": small(race()[0], 1520, 150_000)}
    files |= {file_of(stem): small(shown[2], WIDTH, MOST) for stem, shown in found.items()}
    for path in FOLDER.glob("*.jpg"):
        if path.name not in files:
            path.unlink()
    for name, data in files.items():
        (FOLDER / name).write_bytes(data)
        print(f"{name}: {len(data) / 1000:.0f} kB, {np.prod(Image.open(io.BytesIO(data)).size):,} pixels")
    README.write_text(written(readme, found), encoding="utf-8", newline="\n")
    without = [path.stem for path in NOTEBOOKS if path.stem not in found]
    print("without a cell tagged hero:", ", ".join(without) or "none")
    return 0


if __name__ == "__main__":
    sys.exit(main())
