"""Which number or colour means which class: legends in files, and colours where nobody chose any."""

from __future__ import annotations

import colorsys
import re
from pathlib import Path

from segedu.ids import MaskError
from segedu.labels import LabelTable

LEGENDS = ("labels.txt", "labels.csv", "classes.txt", "classes.csv", "class_dict.csv", "label_colors.txt")
HEADING = re.compile(r"(name|class|label)\w*([,;\t ]+(r|g|b|red|green|blue)){3}", re.I)
BACKGROUND = (24, 28, 38)
# Okabe and Ito's palette (2008), made for all kinds of colour vision; then hues a golden ratio of the circle apart.
CHOSEN = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167),
)  # fmt: skip


def table_of(names: list[str], colours=None, things=None) -> LabelTable:
    """A label table of these names; without colours, easily told apart; without things, all but "background" are."""
    things = things or [name for name in names if name.lower() != "background"]
    return LabelTable(tuple(names), tuple(colours or _colours(len(names))), tuple(things))


def _colours(count: int) -> list[tuple[int, int, int]]:
    found, turn = [BACKGROUND, *CHOSEN], 0
    while len(found) < count:
        red, green, blue = colorsys.hsv_to_rgb(turn * 0.618 % 1, 0.45 + 0.5 * (turn % 2), 0.95 - 0.15 * (turn % 4))
        candidate = (round(255 * red), round(255 * green), round(255 * blue))
        if candidate not in found:
            found.append(candidate)
        turn += 1
    return found[:count]


def find_legend(folder: Path) -> Path | None:
    """The legend's file in a folder, if it has one of the usual names."""
    there = {path.name.lower(): path for path in sorted(folder.iterdir())} if folder.is_dir() else {}
    return next((there[name] for name in LEGENDS if name in there), None)


def read_text(path: Path) -> str:
    """What a text file says, in UTF-8 or in the UTF-16 of Windows' editors and PowerShell.

    Raises MaskError for letters of one country, as Excel on Windows writes them.
    """
    data = path.read_bytes()
    try:
        return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise MaskError(
            f"{path}, line {line}: {data.splitlines()[line - 1]!r} is not UTF-8. Save the file again as UTF-8 (Excel "
            "calls it CSV UTF-8)."
        ) from error


def read_legend(path: Path) -> LabelTable:
    """The label table of a text file: a class a line, in the order of the ids, with or without its colour.

    "road", "road,128,64,128", "128 64 128 road" and a heading such as "name,r,g,b" are read; # begins a remark. With
    ",thing" at the end of some lines, those classes have objects that can be counted; else all but background do.
    Raises MaskError that names the line for anything else, and where some lines have a colour and others have none; and
    as read_text.
    """
    names, colours, things = [], [], []
    text = read_text(path)
    for number, line in enumerate(text.splitlines(), 1):
        line = line.split("#")[0].strip()
        if not line or (number == 1 and HEADING.fullmatch(line)):
            continue
        parts = re.split(r"\s*[,;\t]\s*", line) if re.search(r"[,;\t]", line) else [line]
        if len(parts) == 1:
            parts = re.fullmatch(r"(\d+)\s+(\d+)\s+(\d+)\s+(.+)|(.+?)\s+(\d+)\s+(\d+)\s+(\d+)", line)
            parts = [part for part in parts.groups() if part is not None] if parts else [line]
        elif len(parts) == 2 and re.fullmatch(r"\d+ +\d+ +\d+", parts[0]):  # CamVid's label_colors.txt
            parts = [*parts[0].split(), parts[1]]
        numbers = [int(part) for part in parts if part.isdecimal()]
        words = [part for part in parts if not part.isdecimal()]
        if len(words) == 2 and words[1].lower() in ("thing", "stuff"):
            things += words[:1] if words.pop().lower() == "thing" else []
        if len(words) != 1 or len(numbers) not in (0, 3):
            raise MaskError(
                f"{path}, line {number}: {line!r} is no class. A line is a name, or a name with its colour: "
                "road,128,64,128"
            )
        names.append(words[0])
        colours += [tuple(numbers)] if numbers else []
    if colours and len(colours) != len(names):
        raise MaskError(f"{path} has {len(colours)} colours for {len(names)} classes; give each class one, or none.")
    if not names:
        raise MaskError(f"{path} holds no class. Write one name a line, in the order of the ids: background, road, …")
    try:
        return table_of(names, colours, things)
    except ValueError as error:
        raise MaskError(f"{path}: {error}") from error
