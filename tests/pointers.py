"""Rules for pointers to lessons, sections, headings, cells and files: what a text names and what is not there.

A rule takes a Piece and gives (place in its text, pointer, what is wrong). Those for commands and names of the code
are in pointers_of_code.py.
"""

import functools
import json
import re
from pathlib import Path
from typing import NamedTuple

from tools.cells import EXERCISES, NOTEBOOKS, REPOSITORY, ROOT, SOLUTIONS, TRANSLATIONS

LESSONS = {path.stem.partition("_")[0]: path for path in NOTEBOOKS}
BOOKS = [*NOTEBOOKS, *EXERCISES, *SOLUTIONS, *TRANSLATIONS]
PAGES = [*ROOT.glob("*.md"), *(ROOT / ".github").rglob("*.*"), *(ROOT / "notebooks").glob("*.md")]
PAGES = sorted([*PAGES, *(ROOT / "data").glob("*/*.md"), ROOT / "CITATION.cff", ROOT / "Makefile"])
ROOMS = ("segedu", "tools", "benchmarks")
CODE = sorted([ROOT / "start.py", *(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))])

GAP = r"[ \n][ \t#>]*"  # a space, or the break of a line, in a comment, too
ONE = r"\d\d?[ab]?(?![\w.]\d|\w)"
MORE = rf"(?:,?{GAP}(?:and|to|or){GAP}|,{GAP}|–)"
SPOKEN = re.compile(rf"(?:\b[Ll]essons?|\| after){GAP}({ONE}(?:{MORE}(?:lessons?{GAP})?{ONE})*)")
PART = r"\d+(?:\.\d+)*"
SECTION = re.compile(rf"\b[Ss]ections?{GAP}({PART}(?:{MORE}{PART})*)(?!\d|×)(?:{GAP}of{GAP}lesson{GAP}({ONE}))?")
SECTION_OF = re.compile(rf"\b[Ll]esson{GAP}({ONE})(?:, |'s )section{GAP}(\d+)")
PAPER = re.compile(r"\bpapers?\b|\barXiv\b|\b\d{4}\.\d{4,5}\b|\bdoi\b|§|et al\.|\b(?:19|20)\d\d\b|DeepLab v\d|U-Net's")
LIVING = {"07", "11a", "11b", "12"}  # lessons of cells that live, and have ids


class Piece(NamedTuple):
    """Text of a file that is walked at once: a cell, or all of it."""

    path: Path
    text: str
    place: str = ""
    kind: str = "markdown"


@functools.cache
def cells(path: Path) -> list[dict]:
    """The cells of a notebook, their sources joined."""
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell | {"source": "".join(cell["source"])} for cell in found]


def pieces(path: Path) -> list[Piece]:
    if path.suffix == ".ipynb":
        kinds = [(cell["source"], f"cell {number}, ", cell["cell_type"]) for number, cell in enumerate(cells(path))]
        return [Piece(path, *one) for one in kinds]
    return [Piece(path, path.read_text(encoding="utf-8"), "", "code" if path.suffix == ".py" else "markdown")]


def paragraph(text: str, at: int) -> str:
    """The paragraph, entry of a list or docstring's section around a place of a text."""
    before = [0, *(found.end() for found in re.finditer(r"\n\s*\n", text[:at]))][-1]
    after = re.search(r"\n\s*\n", text[at:])
    return text[before : at + after.start() if after else len(text)]


def lesson_of(path: Path) -> str:
    """The number of the lesson to which a notebook belongs; of another file ""."""
    return path.stem.partition("_")[0] if path.suffix == ".ipynb" else ""


# Lessons, their sections and headings; what has no number


def lessons(piece):
    for found in SPOKEN.finditer(piece.text):
        for number in re.findall(r"\d\d?[ab]?", found[1]):
            if number not in LESSONS:
                yield found.start(), found[0], "no lesson has this number"
    for found in re.finditer(r"\[(?:[Ll]esson )?(\d\d[ab]?)\]\(([^)]+)\)", piece.text):
        if not Path(found[2]).name.startswith((f"{found[1]}_", f"{found[1]}.")):
            yield found.start(), found[0], "the link leads to another lesson"


@functools.cache
def headings(path: Path) -> list[str]:
    """The headings of a notebook or a page, without their hashes."""
    text = "\n".join(piece.text for piece in pieces(path) if piece.kind == "markdown")
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return [re.sub(r"[*`]", "", line) for line in re.findall(r"^#{1,4} (.+?) *$", text, re.MULTILINE)]


def numbered_sections(number: str) -> set[str]:
    return {found[1] for head in headings(LESSONS[number]) if (found := re.match(r"(\d+) · ", head))}


def sections(piece):
    """ "section 3" is the lesson's own where it stands in one; elsewhere a lesson's that is named, or a paper's."""
    for found in SECTION_OF.finditer(piece.text):
        if found[2] not in numbered_sections(found[1]):
            yield found.start(), found[0], f"lesson {found[1]} has no section {found[2]}"
    for found in SECTION.finditer(piece.text):
        around = paragraph(piece.text, found.start())
        spoken, paper = {one[1] for one in SPOKEN.finditer(around)}, PAPER.search(around)
        number = found[2] or lesson_of(piece.path) or (spoken.pop() if len(spoken) == 1 and not paper else "")
        if SECTION_OF.search(piece.text, max(0, found.start() - 20), found.end()):
            continue
        if not number and not paper:
            yield found.start(), found[0], "say of which paper, or of which lesson"
        missing = {*re.findall(r"[\d.]+", found[1])} - (numbered_sections(number) if number in LESSONS else set())
        if number and missing:
            yield found.start(), found[0], f"lesson {number} has no such section (a paper's is written §)"


def quoted_headings(piece):
    """*Start* in the README; the README's section *Start*; skip *Start*; the lesson's *Start*."""
    title = r"\*([A-Z][^*\n]+)\*"
    of_readme = rf"{title}{GAP}in{GAP}the{GAP}\[?README|README(?:'s{GAP}section|,|{GAP}under){GAP}{title}"
    for found in re.finditer(of_readme, piece.text):
        if (found[1] or found[2]) not in headings(ROOT / "README.md"):
            yield found.start(), found[0], "README has no such heading"
    if number := lesson_of(piece.path):
        own = {re.sub(r"^\d+ · ", "", head) for head in headings(LESSONS[number])}
        for found in re.finditer(r"(?:skip|leave out|the lesson's) ((?:(?:, | and )?\*[A-Z][^*]+\*)+)", piece.text):
            for head in re.findall(r"\*([^*]+)\*", found[1]):
                if head not in own:
                    yield found.start(), head, f"lesson {number} has no such heading"


def without_numbers(piece):
    """Cells, figures, tables and exercises have no numbers here: a numbered one is a paper's."""
    kinds = r"\b(?:[Ff]igures?|[Ff]ig\.|[Tt]ables?|[Ee]xercises?|[Tt]asks?|[Qq]uestions?|[Ee]quations?) \d\d?[a-d]?\b"
    for found in re.finditer(kinds, piece.text):
        of_lesson = found[0].split()[1] in LESSONS and found[0].startswith("exercises")
        if not of_lesson and not PAPER.search(paragraph(piece.text, found.start())):
            yield found.start(), found[0], "ours have no numbers: say where it stands, or of which paper it is"
    cell = re.search(r"(?<!\ba )\b[Cc]ell (\d+)\b", piece.text)
    if cell and lesson_of(piece.path) not in LIVING:
        yield cell.start(), cell[0], "cells have no numbers: say what it does, or where it stands"


def near(piece):
    """The next cell, and what stands above or below, are there."""
    if piece.path.suffix != ".ipynb" or piece.kind != "markdown":
        return
    every, here = cells(piece.path), int(piece.place.split()[1].strip(","))
    following, after, before = every[here + 1 : here + 2], every[here + 1 :], every[:here]

    def drawn(some):
        return any("alt" in kind for cell in some for output in cell.get("outputs", [])
                   for kind in output.get("metadata", {}).values() if isinstance(kind, dict))  # fmt: skip

    there = {
        r"[Tt]he next cells?\b": any(cell["cell_type"] == "code" for cell in following),
        r"\bcells? below\b": any(cell["cell_type"] == "code" for cell in after),
        r"\bcells? above\b": any(cell["cell_type"] == "code" for cell in before),
        r"\b(?:figure|picture|diagram|curve) above\b": drawn(before),
        r"\b(?:figure|picture|diagram|curve) below\b": drawn(after),
    }
    for pattern, is_there in there.items():
        if not is_there and (found := re.search(pattern, piece.text)):
            yield found.start(), found[0], "nothing of the kind is there"


# Links and files


def anchors(path: Path) -> set[str]:
    """What a link names to lead to a heading: as JupyterLab does it in notebooks, as GitHub does in pages."""
    if path.suffix == ".ipynb":
        return {head.replace(" ", "-") for head in headings(path)}
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in headings(path)}


def links(piece):
    """Links and pictures of pages and of cells lead to files, and to their headings; also by the project's address."""
    if piece.kind != "markdown":
        return
    for found in re.finditer(r"\]\(([^)\s]+)\)|(?:href|src)=\"([^\"]+)\"", piece.text):
        target, _, anchor = (found[1] or found[2]).partition("#")
        folder = piece.path.parent
        if ours := re.match(rf"{REPOSITORY}/(?:blob|tree)/main/", target):
            folder, target = ROOT, target[ours.end() :]
        if re.match(r"\w+:", target):
            continue
        file = folder / target if target else piece.path
        if not file.exists():
            yield found.start(), found[0], "no such file"
        elif anchor and anchor not in anchors(file):
            yield found.start(), found[0], "no such heading"


TOPS = r"segedu|data|notebooks|tests|tools|benchmarks|\.github|\.ci|\.devcontainer"
PLACES = re.compile(rf"(?<![\w/.{{}}-])(?:{TOPS})/[\w./*{{}}-]*[\w*}}]")
NAMED = re.compile(r"`([\w./-]*\w\.(?:py|md|ipynb|toml|yml|cff))`")
ELSEWHERE = {  # files of others, or that a reader makes; folders of an installed package, and of others' archives
    "jupyterhub_config.py", "libs/utils/metric.py", "metrics/functional.py", "references/segmentation/utils.py",
    "tool/eval_tc.py", "torchfcn/utils.py", "segedu/_data", "data/membrane", "data/membrane/train", "data/index",
    "data/index.md",
}  # fmt: skip


@functools.cache
def names_of_files() -> set[str]:
    return {path.name for top in ("", *ROOMS, "tests", "data", "notebooks", ".github") for path in
            ((ROOT / top).rglob("*") if top else ROOT.glob("*"))}  # fmt: skip


def files(piece):
    """Paths from the project's top, and in backticks names of files; NAME, NN, {x} and * stand for any."""
    for found in [*PLACES.finditer(piece.text), *NAMED.finditer(piece.text)]:
        name = found[1] if found.re is NAMED else found[0]
        links_rule = piece.text[: found.start()].endswith(("](", '="'))
        is_written = piece.kind == "code" and f'"{Path(name).name}"' in piece.text  # by this module: perhaps not yet
        if name in ELSEWHERE or links_rule or is_written:
            continue
        pattern = re.sub(r"\{[^}]*\}?|NAME|NN(?:_name)?", "*", name)
        pattern = pattern.replace("../", "notebooks/") if "*" in pattern else pattern  # of a translation
        bare = found.re is NAMED and "/" not in name
        here = "*" not in pattern and (piece.path.parent / pattern).exists()
        if not (here or any(ROOT.glob(pattern)) or (bare and name in names_of_files())):
            yield found.start(), name, "no such file"
