"""What every stored lesson looks like: the rules that it is held to.

A rule takes a notebook (and its name) and returns its complaints, a list of sentences: none for a sound notebook.
"""

from __future__ import annotations

import re
import statistics

import nbformat

from tools.cells import CHECKS, METADATA, SETUP, WIDGET, badge, code, has_image, lines, metadata, prose, tags, text_of
from tools.recorded import recorded_cells
from tools.types_of_names import changes

# Traces of one machine or one moment, which differ for every reader.
_PATHS = re.compile(r"(?<![\w.:/~-])/(?:home|root|work|tmp|Users|content|opt|usr)/\w[^\s'\"]*|\b[A-Z]:\\\\?\w[^\s'\"]*")
_DEBRIS = {
    "a progress bar": re.compile(r"\d ?it/s|s/it\b|\d%\||█"),
    "a time of day": re.compile(r"\b[0-2]?\d:[0-5]\d:[0-5]\d\b"),
    "a date": re.compile(r"(?<!recorded )\b20\d\d-[01]\d-[0-3]\d\b"),  # that of a stored measurement changes with it
    "an address in memory": re.compile(r"\bat 0x[0-9a-f]{6,}"),
    "an overwritten line": re.compile(r"\r(?!\n)"),
}
_ASSERT = re.compile(r"^\s*(?:assert\b|(?:torch|np|numpy)\.testing\.)", re.MULTILINE)
_OPENING = {"what you will be able to do": r"able to|you will", "what you need": r"need", "minutes": r"minutes|time"}
_CLOSING = {"recap": r"recap", "what differs from the papers": r"differ|changed", "references": r"references|sources"}
_CLOSING_CELLS = 8
# As every place folds it: at the beginning of a line, and Markdown inside of it, which a blank line begins.
_DETAILS = re.compile(r"^<details><summary>[^\n]+</summary>\n\n.+?\n</details>$(?=\n\n|\Z)", re.MULTILINE | re.DOTALL)


def _start(cell) -> str:
    """Names a cell in a complaint."""
    return repr(cell.source.strip().split("\n")[0][:60])


# The rules


def executed_in_order(notebook, name):
    """The cells are stored as run once, from top to bottom."""
    counts = [cell.execution_count for cell in code(notebook)]
    if not counts:
        return ["it has no code cells"]
    return [] if counts == list(range(1, len(counts) + 1)) else [f"not stored as run from top to bottom: {counts}"]


def plain_metadata(notebook, name):
    """The notebook's metadata are the runner's, and no two cells share an id."""
    complaints = [] if notebook.metadata == METADATA else [f"metadata {sorted(notebook.metadata)}: use the runner's"]
    if len({cell.id for cell in notebook.cells}) < len(notebook.cells):
        complaints.append("two cells have the same id")
    return complaints


def no_widgets(notebook, name):
    """No stored output is a widget, which shows nothing on GitHub."""
    return [
        f"a widget, which shows nothing on GitHub, is stored in {_start(cell)}"
        for cell in code(notebook)
        if any(WIDGET in output.get("data", {}) for output in cell.outputs)
    ]


def errors_only_where_intended(notebook, name):
    """A cell that stores an error is tagged raises-exception, and the other way round."""
    complaints = []
    for cell in code(notebook):
        failed = any(output.output_type == "error" for output in cell.outputs)
        if failed and "raises-exception" not in tags(cell):
            complaints.append(f"a stored error in {_start(cell)}")
        if not failed and "raises-exception" in tags(cell):
            complaints.append(f"{_start(cell)} is tagged raises-exception, and raised nothing")
    return complaints


def nothing_of_the_machine(notebook, name):
    """No path, warning, time or other trace of the machine is stored."""
    complaints = []
    for cell in notebook.cells:
        outputs = cell.get("outputs", [])
        said = "\n".join(map(text_of, outputs))
        if any(output.get("name") == "stderr" for output in outputs):
            complaints.append(f"stderr is stored in {_start(cell)}")
        if found := _PATHS.search(cell.source + "\n" + said):
            complaints.append(f"an absolute path, {found[0]}, in {_start(cell)}")
        if found := re.search(r"\w*Warning\b", said):
            complaints.append(f"a {found[0]} in {_start(cell)}")
        complaints += [f"{what} in {_start(cell)}" for what, pattern in _DEBRIS.items() if pattern.search(said)]
    return complaints


def set_up_cell(notebook, name):
    """The first code cell is the set-up cell, to the letter."""
    tagged = [cell for cell in notebook.cells if "setup" in tags(cell)]
    if len(tagged) != 1 or tagged[0] is not code(notebook)[0]:
        return ["exactly the first code cell must be tagged setup"]
    return [] if tagged[0].source == SETUP else ["the set-up cell is not the one in tools/cells.py"]


def opening(notebook, name):
    """The first cell has a title, aims, needs, minutes, and the badge."""
    first = notebook.cells[0]
    if first.cell_type != "markdown" or not first.source.startswith("# "):
        return ["the first cell must be Markdown and begin with the title, '# …'"]
    marked = [line for line in first.source.splitlines() if re.match(r"#+ |(?:[-*] )?\*\*", line)]
    complaints = [
        f"the opening cell has no heading, or bold beginning of a line, for {what}"
        for what, pattern in _OPENING.items()
        if not any(re.search(pattern, line, re.IGNORECASE) for line in marked[1:])
    ]
    if badge(name) not in first.source:
        complaints.append("the opening cell lacks the badge that opens this lesson on Colab")
    return complaints


def closing(notebook, name):
    """The last cells have a recap, the differences from the papers, and references with sections."""
    text = prose(notebook.cells[-_CLOSING_CELLS:])
    headings = {
        what: re.search(rf"^#+ .*(?:{pattern}).*$", text, re.IGNORECASE | re.MULTILINE)
        for what, pattern in _CLOSING.items()
    }
    complaints = [f"no heading for {what} in the last cells" for what, heading in headings.items() if not heading]
    references = headings["references"]
    if references and not re.search(r"§|\bsections? \d", text[references.end() :], re.IGNORECASE):
        complaints.append("the references name no section (§)")
    return complaints


def predictions(notebook, name):
    """The reader predicts at least three times, and the answers are folded."""
    asked = sum(cell.source.count("check.guess(") for cell in code(notebook))
    return [] if asked >= 3 else [f"{asked} predictions (check.guess), at least 3 are wanted"]


def folds(notebook, name):
    """Cells are folded as their tags say."""
    return [
        f"{_start(cell)} is not folded as its tags say: python -m tools.retag"
        for cell in notebook.cells
        if cell.metadata != metadata(cell)
    ]


def folded_words(notebook, name):
    """What explains an answer is folded wherever <details> is known."""
    return [
        f"<details> in {_start(cell)} is not as all places fold it: a line <details><summary>…</summary>, a blank "
        "one, the text, a line </details>, a blank one"
        for cell in notebook.cells
        if cell.cell_type == "markdown" and "details>" in _DETAILS.sub("", cell.source)
    ]


def proofs(notebook, name):
    """Claims are asserted in cells tagged proof, folded, below a reading in words."""
    claims, complaints, before = 0, [], None
    for cell in notebook.cells:
        count = len(_ASSERT.findall(cell.source)) if cell.cell_type == "code" else 0
        if CHECKS & {*tags(cell)}:
            claims += count
            if not count:
                complaints.append(f"{_start(cell)} is tagged {tags(cell)[0]}, and asserts nothing")
            if before is None or (before.cell_type != "markdown" and not CHECKS & {*tags(before)}):
                complaints.append(f"the check {_start(cell)} does not follow a reading of its result in words")
        elif count:
            complaints.append(f"{_start(cell)} asserts, and is tagged neither proof nor recorded")
        before = cell
    return complaints + ([] if claims >= 6 else [f"{claims} asserted claims, at least 6 are wanted"])


def recorded(notebook, name):
    """Checks of stored numbers are told from those of what runs here."""
    complaints = []
    for cell, is_recorded in zip(code(notebook), recorded_cells(code(notebook)), strict=True):
        if is_recorded and "proof" in tags(cell):
            complaints.append(f"{_start(cell)} only reads stored numbers: tag it recorded (python -m tools.retag)")
        if is_recorded is False and "recorded" in tags(cell):
            complaints.append(f"{_start(cell)} checks what runs here: tag it proof (python -m tools.retag)")
    return complaints


def names_keep_their_type(notebook, name):
    """A name at a cell's own level is the same kind of thing all through the lesson, as far as the source tells."""
    return [f"{one} is {a}, and {b} in {_start(cell)}: two names" for one, a, b, cell in changes(code(notebook))]


def sizes(notebook, name):
    """Cells and file are small enough to be read and loaded."""
    counts = [lines(cell) for cell in code(notebook)] or [0]
    kilobytes = len(nbformat.writes(notebook).encode()) / 1000
    complaints = []
    if statistics.median(counts) > 6:
        complaints.append(f"the median code cell has {statistics.median(counts):g} lines, at most 6 are wanted")
    if max(counts) > 25:
        complaints.append(f"a code cell of {max(counts)} lines, at most 25 are wanted")
    if kilobytes > 900:
        complaints.append(f"{kilobytes:.0f} kB, at most 900 are wanted")
    return complaints


def early_picture(notebook, name):
    """A picture comes soon."""
    read = 0
    for cell in code(notebook)[1:]:  # the set-up cell is folded
        read += lines(cell)
        if any(map(has_image, cell.outputs)):
            return [] if read <= 30 else [f"the first picture comes after {read} lines of code, at most 30 are wanted"]
    return ["it has no picture"]


def pictures_in_words(notebook, name):
    """Every picture has an alternative text and a caption, and needs no network."""
    complaints = []
    for cell in code(notebook):
        for output, following in zip(cell.outputs, [*cell.outputs[1:], None], strict=False):
            if not has_image(output):
                continue
            if not any(words.get("alt", "").strip() for words in output.metadata.values() if isinstance(words, dict)):
                complaints.append(f"a picture without alternative text in {_start(cell)}: use plotting.show")
            if following is None or has_image(following) or not text_of(following).strip():
                complaints.append(f"a picture without a caption below it in {_start(cell)}: use plotting.show")
    for alternative, source in re.findall(r"!\[([^]]*)\]\(([^)]*)\)", prose(notebook.cells)):
        if not alternative.strip():
            complaints.append(f"a picture in the text without alternative text: {source}")
        if source.startswith("http") and "colab-badge" not in source:
            complaints.append(f"a picture that needs the network: {source}")
    return complaints


def real_data_stays_out(notebook, name):
    """Nothing of real data is stored."""
    tagged = [cell for cell in code(notebook) if "real-data" in tags(cell)]
    complaints = [
        f"a picture in {_start(cell)}, which is tagged real-data"
        for cell in tagged
        if any(map(has_image, cell.outputs))
    ]
    said = "".join(map(text_of, tagged[0].outputs)) if tagged else "real data: none"
    if "real data: " not in said:
        complaints.append("the first cell tagged real-data does not say `real data: …`")
    if re.search(r"real data: \w+ \d", said):
        complaints.append("it was stored with real data at hand")
    return complaints


RULES = [
    executed_in_order, plain_metadata, no_widgets, errors_only_where_intended, nothing_of_the_machine, set_up_cell,
    opening, closing, predictions, folds, folded_words, proofs, recorded, names_keep_their_type, sizes, early_picture,
    pictures_in_words, real_data_stays_out,
]  # fmt: skip


def all_complaints(notebook, name: str) -> list[str]:
    """What all rules have against lesson `name`."""
    return [complaint for rule in RULES for complaint in rule(notebook, name)]
