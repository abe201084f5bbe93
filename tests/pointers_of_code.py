"""Rules for pointers to commands and to names of the code, in the form of those of pointers.py."""

import argparse
import ast
import builtins
import functools
import importlib
import inspect
import io
import keyword
import pkgutil
import re
import shlex
import tokenize

import matplotlib.axes
import numpy as np
import PIL.Image
import scipy.ndimage
import torch

import segedu
from segedu import cli
from tests.pointers import CODE, LESSONS, cells, lesson_of
from tests.project.test_forge import OWN
from tools.cells import ROOT, SOLUTIONS

# Commands


def flags_of(parser: argparse.ArgumentParser, words: list[str]) -> str:
    """What a parser does not know of these words: a command, or an option; "" if it knows all."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) and words and not words[0].startswith("-"):
            if re.fullmatch(r"COMMAND|ACTION|…|\.\.\.|\|", words[0]):
                return ""
            known = action.choices.get(words[0])
            return flags_of(known, words[1:]) if known else f"no command {words[0]}"
    options = {word.partition("=")[0] for word in words if word.startswith("--")}
    return " ".join(sorted(options - parser._option_string_actions.keys()))


@functools.cache
def options_of_ours() -> set[str]:
    """Every --option that start.py, tools, benchmarks or tests' writers of tables look at."""
    passed_on = {"--no-browser"}  # to JupyterLab
    texts = [path.read_text(encoding="utf-8") for path in [*CODE, ROOT / "tests" / "project" / "test_signatures.py"]]
    return passed_on | {*re.findall(r"[\"'](--[a-z][\w-]*)", "\n".join(texts))}


@functools.cache
def targets() -> set[str]:
    return {*re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)}


BEGINS = re.compile(
    r"make [a-z]|segedu [a-z]|"
    r"(?:\S*python3?(?:\.exe)?|torchrun .*?) (?:start\.py |-m (?:segedu|tools|benchmarks|tests)\b)"
)


def commands(piece):
    """What begins as a command of ours, in backticks, in a block of code, or in a docstring on a line of its own."""
    spans = [(found.start(), found[1]) for found in re.finditer(r"`([^`]+)`", without_blocks(piece.text))]
    blocks = [(found.start(1), found[1]) for found in re.finditer(r"^ *```\w*\n(.*?)^ *```", piece.text, BLOCK)]
    if piece.kind == "code":
        line = re.compile(r"^ *(?:[!%]?(?:python|torchrun)|[!%] ?segedu) .*$", re.MULTILINE)
        blocks += [(found.start(), found[0]) for found in line.finditer(piece.text)]
    for start, block in blocks:
        joined = block.replace("\\\n", "  ")  # a command on several lines
        at = start
        for line in joined.split("\n"):
            spans.append((at, line.strip(" !%$")))
            at += len(line) + 1
    for at, text in spans:
        text = " ".join(re.split(r"  [(#]|\]|\)", text)[0].split())
        if BEGINS.match(text):
            try:
                words = shlex.split(text)
            except ValueError:
                words = text.split()
            if complaint := _command(words):
                yield at, text, complaint


BLOCK = re.MULTILINE | re.DOTALL


def without_blocks(text: str) -> str:
    """Markdown with blanks in place of its blocks of code, so that every place stays."""
    return re.sub(r"^ *```.*?^ *```", lambda block: re.sub(r"\S", " ", block[0]), text, flags=BLOCK)


def _command(words: list[str]) -> str:
    """What is wrong with a command of ours; "" if nothing is."""
    if words[0] == "make":
        arguments = " ".join(words[2:])
        if words[1] not in targets():
            return "no such target"
        return _options([word.partition("=")[2] if "=" in word[:5] else word for word in arguments.split()])
    if words[0] == "segedu":
        return flags_of(cli._parser(), words[1:])
    if "start.py" in words:
        rest = words[words.index("start.py") + 1 :]
        return _options(rest) if not rest or rest[0] in OWN else "start.py has no such command"
    rest = words[words.index("-m") + 1 :]
    if rest[0] == "segedu":
        return flags_of(cli._parser(), rest[1:])
    module = ROOT / rest[0].replace(".", "/")
    if "NAME" not in rest[0] and not module.with_suffix(".py").exists() and not (module / "__main__.py").exists():
        return "no such module"
    return _options(rest)


def _options(words: list[str]) -> str:
    return " ".join({word.partition("=")[0] for word in words if re.match(r"--[a-z]", word)} - options_of_ours())


# Names

WORD = re.compile(r"[A-Za-z_]\w*")
LIBRARIES = [builtins, torch, torch.nn, torch.nn.functional, torch.optim, torch.optim.lr_scheduler, torch.utils.data,
             torch.Tensor, torch.nn.Module, np, np.ndarray, scipy.ndimage, PIL.Image, PIL.Image.Image,
             matplotlib.axes.Axes, str, list, dict]  # fmt: skip
NO_PYTHON = re.compile(  # files, a released network, a placeholder, a score, a command
    r"[\w./…-]*(?:/|\w-)[\w./-]*|[\w.-]+\.(?:py|md|m|ipynb|png|txt)|Makefile|HUB|mAP@.*|.* \.venv.*"
)
FOREIGN = {  # names of other libraries and programs, and parts of file names
    "GroupKFold", "GroupShuffleSplit", "ChildFailedError", "deeplabv3_resnet50", "replace_stride_with_dilation",
    "from_pretrained", "segments_info", "zero_division", "cellpose", "zero_where",
}  # fmt: skip


@functools.cache
def modules() -> dict[str, object]:
    """{name below segedu: module} of the whole package."""
    names = [module.name for module in pkgutil.walk_packages(segedu.__path__, "segedu.")]
    return {name.removeprefix("segedu."): importlib.import_module(name) for name in names if "__main__" not in name}


@functools.cache
def classes() -> dict[str, type]:
    return {key: value for module in modules().values() for key, value in vars(module).items()
            if inspect.isclass(value) and value.__module__.startswith("segedu")}  # fmt: skip


@functools.cache
def functions() -> dict[str, object]:
    """{name: function or class} of what segedu's packages and modules hold, where the name has one meaning."""
    found: dict[str, set] = {}
    for module in modules().values():
        for key, value in vars(module).items():
            if (inspect.isfunction(value) or inspect.isclass(value)) and value.__module__.startswith("segedu"):
                found.setdefault(key, set()).add(value)
    return {key: values.pop() for key, values in found.items() if len(values) == 1}


def words_of(source: str) -> set[str]:
    """Every name of the code, and every word of its strings but docstrings."""
    found = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME or (token.type == tokenize.STRING and "\n" not in token.string):
            found.update(WORD.findall(token.string))
    return found


@functools.cache
def known() -> set[str]:
    """Every word that our code has, and every name of the libraries that lessons use."""
    found = {*keyword.kwlist, *FOREIGN, *modules(), *classes()}
    found.update(*(words_of(path.read_text(encoding="utf-8")) for path in [*CODE, ROOT / "setup.py"]))
    return found.union(*(dir(library) for library in LIBRARIES))


@functools.cache
def words_of_lesson(number: str) -> set[str]:
    """Every word of the code of a lesson, of its exercises and of its solutions."""
    paths = [LESSONS[number], *(path for path in SOLUTIONS if path.stem == number)]
    sources = [cell["source"] for path in paths for cell in cells(path) if cell["cell_type"] == "code"]
    return {*WORD.findall("\n".join(sources))}


def names(piece):
    """What is in backticks and reads as Python: each name is there, a dotted one where it says; arguments, too."""
    if piece.path.suffix not in (".py", ".md", ".ipynb"):
        return
    text = without_blocks(piece.text)
    own = words_of_lesson(lesson_of(piece.path)) if lesson_of(piece.path) in LESSONS else set()
    for found in re.finditer(r"(?<![`\w])`([^`]+)`(?!`)", text):
        if NO_PYTHON.fullmatch(found[1]):
            continue
        try:
            tree = ast.parse(" ".join(found[1].replace("…", "...").split()), mode="eval")
        except SyntaxError:
            continue
        for node in ast.walk(tree):
            if complaint := _name(node, own):
                yield found.start(), found[1], complaint


def _name(node: ast.AST, own: set[str]) -> str:
    """What is wrong with one name, attribute or call of an expression; "" if nothing is."""
    if isinstance(node, ast.Name) and len(node.id) > 1 and node.id not in own and node.id not in known():
        return f"nothing is called {node.id}"
    if isinstance(node, ast.Attribute):
        if node.attr not in own and node.attr not in known():
            return f"nothing is called {node.attr}"
        path = ast.unparse(node)
        if re.fullmatch(r"[\w.]+", path) and not resolved(path):
            return f"{path} is not there"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
        first, _, last = ast.unparse(node.func).rpartition(".")
        function = functions().get(last) if first.split(".")[0] in {"", "segedu", *modules(), *classes()} else None
        taken = inspect.signature(function).parameters if function else {}
        loose = not taken or any(one.kind is inspect.Parameter.VAR_KEYWORD for one in taken.values())
        lost = {word.arg for word in node.keywords} - {*taken, None}
        return f"{function.__name__} takes no {', '.join(sorted(lost))}" if lost and not loose else ""
    return ""


VARIABLES = {"ids", "labels", "masks", "pictures", "centres", "claims", "statistics", "losses", "worlds", "commands"}


def resolved(path: str) -> bool:
    """Whether segedu has what a dotted name says; True for what begins with no name of segedu's, or as a variable."""
    first, *rest = path.split(".")
    if first == "segedu":
        place, at = segedu, "segedu"
    elif first in modules() and "." not in first and first not in VARIABLES:
        place, at = modules()[first], f"segedu.{first}"
    elif first in classes():
        place, at = classes()[first], ""
    else:
        return True
    for part in rest:
        at = f"{at}.{part}" if at else ""
        if hasattr(place, part):
            place = getattr(place, part)
        elif at.removeprefix("segedu.") in modules():
            place = modules()[at.removeprefix("segedu.")]
        else:  # what only an instance has
            return inspect.isclass(place) and bool(re.search(rf"\b(?:self\.)?{part}\b *[:=]", inspect.getsource(place)))
    return True
