"""The glossary has every term that a lesson sets in bold, once, in order, in Korean, with the lesson that has the word.

A term is a piece of bold that stands inside a sentence of a lesson and is no sentence itself: four words at most, with
a letter, without punctuation. Where bold leads a point it is a label: at the beginning of a list's item, in a table, in
the closing sections (recap, papers, references …), several words at the beginning of a paragraph, and in front of a
year, where it names somebody's network.
"""

import re

import nbformat
import pytest

from tools.cells import NOTEBOOKS, ROOT, prose

GLOSSARY = (ROOT / "notebooks" / "GLOSSARY.md").read_text(encoding="utf-8")
ROWS = [
    [part.strip() for part in line.strip("| ").split(" | ")]
    for line in GLOSSARY.splitlines()
    if line.startswith("| ") and not line.startswith(("| term |", "| --- |"))
]
TEXTS = {path.name: nbformat.read(path, as_version=4) for path in NOTEBOOKS}

LABELS = {"minutes", "predict"}
STRESSED = {  # words of the sentence, not of the field
    "adds", "and", "not", "time", "memory", "streets", "down the columns", "without training",
    "on rendered streets only", "sum over the region", "100 steps", "ap50 is coco's", "wrong colours",
    "thin things disappear", "two 3×3 convolutions", "2×2 pooling",
}  # fmt: skip
CLOSING = re.compile(r"^#+ .*(recap|where this|papers|references|questions)", re.IGNORECASE)
LEADS = re.compile(r"^[> ]*(?:(?:[-*]|\d+\.) +(?:(?:[Tt]he|[Aa]n?) )?\*\*.*?\*\*|\|.*)|^[> ]*\*\*[^* ]+ [^*]*\*\*")


def key(term: str) -> str:
    """How terms are compared: no capitals, no article, no plural, nothing in brackets."""
    plain = re.sub(r"\(.*?\)", "", term).casefold().strip()
    plain = re.sub(r"^(the|an?) ", "", plain)
    return plain[:-1] if plain.endswith("s") and not plain.endswith("ss") else plain


def names(row) -> list[str]:
    """The names of an entry: "average precision, AP" has two."""
    return [key(name) for name in re.sub(r"\(.*?\)", "", row[0]).split(",")]


ENTRIES = {name: row for row in ROWS for name in names(row)}
NO_TERMS = {*map(key, LABELS | STRESSED)}


def terms(text: str, but=NO_TERMS) -> list[str]:
    """The terms in the Markdown of a lesson."""
    text, kept, closing = re.sub(r"```.*?```", "", text, flags=re.DOTALL), [], False
    for line in text.splitlines():
        if line.startswith("#"):
            closing = bool(CLOSING.match(line))
        if not closing:
            kept.append(LEADS.sub("", line))
    found = re.findall(r"\*\*([^*]+)\*\*( \((?:19|20)\d\d)?", "\n".join(kept))
    bold = [" ".join(piece.split()) for piece, year in found if not year]
    short = [piece for piece in bold if len(piece.split()) <= 4 and not re.search(r"[.?!:,;]", piece)]
    return [piece for piece in short if re.search(r"[^\W\d_]", piece) and key(piece) not in but]


def test_what_a_term_is():
    text = (
        "**Predict.** Which?\n- **Say**: a **mean field** is **not** one.\n- The **rate** of **Adam**\n| **bold** |\n"
        "**Test time dropout** asks, **Kernel** $k$; **a score is one question** or **so, then**. "
        "**StarDist** (2018): **0.8**\n"
        "**receptive\nfield**\n```\n**no**\n```\n## Recap\n**late**\n## 2 · On\nNow **logits**"
    )
    assert terms(text) == ["mean field", "Adam", "Kernel", "receptive field", "logits"]


TERMS = {name: terms(prose(notebook.cells)) for name, notebook in TEXTS.items()}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_term_of_a_lesson_is_in_the_glossary(path):
    missing = {term for term in TERMS[path.name] if key(term) not in ENTRIES}
    assert not missing, f"{path.name}: add to notebooks/GLOSSARY.md, or, if no term, to LABELS or STRESSED: {missing}"


def test_each_word_that_is_no_term_would_be_taken_for_one():
    assert {key(term) for notebook in TEXTS.values() for term in terms(prose(notebook.cells), but=set())} >= NO_TERMS


def test_no_entry_is_twice_and_all_are_in_order():
    every = [name for row in ROWS for name in names(row)]
    assert len(every) > 100 and sorted({name for name in every if every.count(name) > 1}) == []
    order = [row[0].casefold() for row in ROWS]
    assert order == sorted(order)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_an_entry_is_whole(row):
    term, korean, also, sentence, lesson = row
    assert re.search("[가-힣]", korean), "no Hangul"
    assert also
    assert re.fullmatch(r"[^.]*(?:\d\.\d[^.]*)*\.", sentence), "one sentence"
    number, file = re.fullmatch(r"\[(\w+)\]\((\w+\.ipynb)\)", lesson).groups()
    assert file in TEXTS and file.startswith(f"{number}_")
    said = " ".join("\n".join(cell.source for cell in TEXTS[file].cells).casefold().split())
    assert any(re.search(rf"(?<!\w){re.escape(name)}", said) for name in names(row)), f"not in lesson {number}"
    bold = [name for name, found in TERMS.items() if {*names(row)} & {*map(key, found)}]
    assert not bold or file <= bold[0], f"{bold[0]} introduces {term} earlier"
