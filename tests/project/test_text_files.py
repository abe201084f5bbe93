"""Text files are read and written alike on all systems: in UTF-8 whatever country Windows is set to, with lines of \\n.

An encoding warning (python -X warn_default_encoding) would see only what a test happens to call.
"""

import ast
from collections import Counter
from pathlib import Path

import nbformat

from tools.cells import ROOT, write_notebook

OURS = [*ROOT.glob("segedu/**/*.py"), *ROOT.glob("tools/**/*.py"), *ROOT.glob("benchmarks/**/*.py"), ROOT / "start.py"]
TEXT = ("read_text", "write_text", "open")
OTHERS = ("Image.open", "tarfile.open", "zipfile.open", "packed.open")  # no text
# Letters that are the same everywhere, and what is thrown away: how many of a file's calls.
PLAIN = {
    "benchmarks/large.py": 1, "benchmarks/sides.py": 1, "benchmarks/tiles.py": 1, "segedu/runtime.py": 3,  # /proc
    "start.py": 3,  # a checksum, and JSON in ASCII
}  # fmt: skip


def calls(source: str) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]


def without_letters(source: str) -> list[str]:
    """The calls that leave the encoding of a text to the system."""
    found = []
    for call in calls(source):
        of_path = isinstance(call.func, ast.Attribute)
        name = call.func.attr if of_path else getattr(call.func, "id", "")
        if name not in TEXT or (not of_path and name != "open") or ast.unparse(call.func) in OTHERS:
            continue
        given = {value.value for value in ast.walk(call) if isinstance(value, ast.Constant)}
        if not given & {"rb", "wb", "ab", "r+b"} and "encoding" not in {word.arg for word in call.keywords}:
            found.append(ast.unparse(call))
    return found


def test_every_text_names_its_letters():
    found = {path.relative_to(ROOT).as_posix(): without_letters(path.read_text(encoding="utf-8")) for path in OURS}
    counts = {name: len(said) for name, said in found.items() if said}
    assert counts == PLAIN, {name: said for name, said in found.items() if len(said) != PLAIN.get(name, 0)}


def test_what_leaves_them_to_the_system_is_seen():
    said = 'open(a); b.read_text(); c.write_text("x"); d.open("w")'
    assert len(without_letters(said)) == 4
    assert without_letters('open(a, "rb"); b.read_text(encoding="utf-8"); Image.open(c); read_text(d)') == []


def test_lines_end_alike_in_every_file_of_the_repository_that_a_tool_writes():
    """Else a lesson stored on Windows would differ in every line."""
    writers = [ROOT / "tools" / f"{name}.py" for name in ("cells", "gallery", "prove")]
    for path in [*writers, ROOT / "benchmarks" / "storing.py"]:
        written = [call for call in calls(path.read_text(encoding="utf-8")) if "write_text" in ast.unparse(call.func)]
        kept = [call for call in written if "startup" not in ast.unparse(call.func)]
        assert kept and all("newline" in {word.arg for word in call.keywords} for call in kept), path.name
    tools = [path for path in OURS if path.parent.name == "tools"]
    used = Counter(ast.unparse(call.func) for path in tools for call in calls(path.read_text(encoding="utf-8")))
    assert not used["nbformat.write"] and used["write_notebook"] >= 4, "tools.cells.write_notebook stores notebooks"


def test_a_notebook_is_stored_as_nbformat_stores_it_here(tmp_path):
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("Straße, 거리")])
    nbformat.write(book, tmp_path / "a.ipynb")
    write_notebook(book, tmp_path / "b.ipynb")
    text = (tmp_path / "b.ipynb").read_bytes()
    assert b"\r" not in text and text == (tmp_path / "a.ipynb").read_bytes().replace(b"\r\n", b"\n")
    assert Path(tmp_path / "b.ipynb").read_text(encoding="utf-8").endswith("}\n")
