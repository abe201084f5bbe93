"""Where stored numbers come from: the day, the commit, and a digest of every module that can change them.

A module's digest is one of what it computes. Comments, layout, docstrings, the types of arguments and the words of
errors do not count: no number hangs on them. Which modules a measurement uses is read from their imports, name by
name: `from segedu.models import UNet` leads to models/unet.py and not to the other networks.
"""

from __future__ import annotations

import ast
import datetime
import hashlib
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OURS = ("segedu", "benchmarks")
# No number hangs on these: what finds and writes files, and what keeps a training to take it up again, as none does.
BOOKKEEPING = {
    "benchmarks.storing", "benchmarks.provenance", "segedu.download", "segedu.resources", "segedu.training.recipe",
    "segedu.training.resume",
}  # fmt: skip


def origin(module: str) -> dict:
    """{"date", "commit", "modules"}: what a file says that a run of this module, begun now, will store."""
    return {"date": today(), "commit": commit(), "modules": digests(module)}


def today() -> str:
    """The day, as 2026-11-30."""
    return datetime.date.today().isoformat()


def commit(folders: tuple[str, ...] = OURS) -> str:
    """The short hash of the commit that is checked out; "… and changes" if these folders have been changed since."""
    try:
        found = _git("rev-parse", "--short", "HEAD")
        return found + " and changes" * bool(_git("status", "--porcelain", "--", *folders))
    except (OSError, subprocess.CalledProcessError):
        return "unknown, no git"


def _git(*words: str) -> str:
    said = subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True)
    return said.stdout.strip()


def changes(recorded: dict[str, str], module: str) -> list[str]:
    """The names of the modules that are not as they were recorded: changed, new among those used, or used no more."""
    now = digests(module)
    return sorted(name for name in recorded.keys() | now.keys() if recorded.get(name) != now.get(name))


def digests(module: str) -> dict[str, str]:
    """{module: 12 hexadecimal digits} of each module that this one uses, itself among them."""
    return {name: digest(_file(name).read_text(encoding="utf-8")) for name in sorted(used_by(module))}


@cache
def digest(source: str) -> str:
    """12 hexadecimal digits that change when the source computes something else."""
    return hashlib.sha256(_computed(ast.parse(source)).encode()).hexdigest()[:12]


def _computed(node: ast.AST | list | object) -> str:
    """The tree as text, without what no number hangs on; the same in every version of Python.

    ast.dump is not: 3.13 leaves out what is empty, and newer versions give the nodes new fields.
    """
    if isinstance(node, list):
        return "[" + ",".join(map(_computed, node)) + "]"
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
        return f"Raise({_computed(node.exc.func)})"
    fields = dict(ast.iter_fields(node))
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node):
        fields["body"] = fields["body"][1:]
    if isinstance(node, ast.arg | ast.FunctionDef | ast.AsyncFunctionDef):
        fields = {name: value for name, value in fields.items() if name not in ("annotation", "returns")}
    if isinstance(node, ast.Constant):
        fields = {"value": node.value}
    told = (f"{name}={_computed(value)}" for name, value in sorted(fields.items()) if _is_told(node, value))
    return f"{type(node).__name__}({','.join(told)})"


def _is_told(node: ast.AST, value: object) -> bool:
    return isinstance(node, ast.Constant) or (value is not None and value != [])


def used_by(module: str) -> set[str]:
    """The modules of OURS whose code a module can run: itself, where the names come from that it imports, and so on."""
    found, left = set(), {module}
    while left:
        name = left.pop()
        found.add(name)
        left |= _next(name) - found - BOOKKEEPING
    return found


@cache
def _next(module: str) -> set[str]:
    """The modules that define what this one takes from others."""
    tree = ast.parse(_file(module).read_text(encoding="utf-8"))
    packages, found = {}, set()
    for name, source in _imports(tree).items():
        if _is_package(source):
            packages[name] = source
        else:
            found |= _defining(source)
    return found | {one for used in _names(tree, packages) for one in _defining(used)}


def _imports(tree: ast.Module) -> dict[str, str]:
    """{name in this source: its full name} of what the source imports from OURS, wherever in it, but for types."""
    found = {}
    for_types = [
        node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    ]
    left_out = {id(inner) for node in for_types for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in left_out:
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name] = alias.name
                if not alias.asname:  # import a.b gives the name a, too
                    found.setdefault(head := alias.name.split(".")[0], head)
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return {name: source for name, source in found.items() if source.split(".")[0] in OURS}


def _names(tree: ast.Module, packages: dict[str, str]) -> set[str]:
    """The full names of what is taken out of packages: segedu.fit; the package's own where it is handed on whole."""
    found, heads = set(), set()
    for node in ast.walk(tree):  # from the outside in: a.b.c before a.b before a
        if isinstance(node, ast.Attribute) and node not in heads:
            words, head = [], node
            while isinstance(head, ast.Attribute):
                words, head = [head.attr, *words], head.value
                heads.add(head)
            if isinstance(head, ast.Name) and head.id in packages:
                found.add(".".join([packages[head.id], *words]))
        elif isinstance(node, ast.Name) and node.id in packages and node not in heads:
            found.add(packages[node.id])
    return found


def _defining(name: str) -> set[str]:
    """The module that defines a full name, through the doors of packages; all that have a door, for a package."""
    words = name.split(".")
    size = next(size for size in range(len(words), 0, -1) if _file(".".join(words[:size])))
    module, rest = ".".join(words[:size]), words[size:]
    if not _is_package(module):
        return {module}
    doors = _imports(ast.parse(_file(module).read_text(encoding="utf-8")))
    if not rest:
        return {module}.union(*map(_defining, doors.values()))
    return _defining(".".join([doors[rest[0]], *rest[1:]])) if rest[0] in doors else {module}


def _file(module: str) -> Path | None:
    path = ROOT.joinpath(*module.split("."))
    return next((one for one in (path.with_suffix(".py"), path / "__init__.py") if one.is_file()), None)


def _is_package(name: str) -> bool:
    return (found := _file(name)) is not None and found.name == "__init__.py"
