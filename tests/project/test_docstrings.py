"""What a reader sees under Shift-Tab: Google's form, every argument in its place and typed, and the lesson."""

import importlib
import inspect
import re

import pytest

# whose every function and class is for readers; of the other modules, what their package offers in __all__
OPEN = ["centres", "check", "claims", "corruptions", "distributed", "download", "labels", "losses", "pictures",
        "resources", "runtime", "scoreboard", "statistics", "strokes", "transforms"]  # fmt: skip
PACKAGES = ["segedu", *(f"segedu.{name}" for name in
            ["crf", "datasets", "diagrams", "inference", "labelling", "masks", "metrics", "models", "plotting",
             "training", "widgets"])]  # fmt: skip
SECTIONS = {"Args", "Returns", "Yields", "Raises", "Source", "Example", "Examples", "Attributes", "Note"}


def offered() -> dict[str, object]:
    """{name: function or class} of all that the package offers, with the methods of the classes."""
    found = {}
    for name in [f"segedu.{name}" for name in OPEN]:
        module = importlib.import_module(name)
        found |= {f"{name}.{key}": value for key, value in vars(module).items() if value_of(module, key, value)}
    for name in PACKAGES:
        package = importlib.import_module(name)
        found |= {f"{name}.{key}": getattr(package, key) for key in package.__all__}
    found = {name: item for name, item in found.items() if inspect.isfunction(item) or inspect.isclass(item)}
    for name, item in list(found.items()):
        if inspect.isclass(item):
            methods = {key: value for key, value in vars(item).items() if inspect.isfunction(value)}
            found |= {f"{name}.{key}": value for key, value in methods.items() if key[0] != "_" and key != "forward"}
    return found


def value_of(module, key, value) -> bool:
    return not key.startswith("_") and getattr(value, "__module__", None) == module.__name__


def arguments(item) -> list[inspect.Parameter]:
    """What a caller passes; for a class, what its constructor takes; nothing for an exception or a dataclass."""
    if inspect.isclass(item) and (issubclass(item, BaseException) or "__dataclass_fields__" in vars(item)):
        return []
    if inspect.isclass(item) and "__init__" not in vars(item):
        return []
    return [p for p in inspect.signature(item).parameters.values() if p.name not in ("self", "cls")]


def complaints(name: str, item) -> list[str]:
    """What is wrong with the docstring and the types of one name."""
    own = vars(item).get("__doc__") if inspect.isclass(item) else item.__doc__  # a class inherits none here
    text = inspect.getdoc(item) if own else None
    if not text:
        return ["no docstring"]
    taken = arguments(item)
    found = [f"no type for {p.name}" for p in taken if p.annotation is inspect.Parameter.empty]
    found += [f"a line of {len(line)} columns" for line in text.splitlines() if len(line) > 96]
    if not re.search(r"[Ll]essons? \d\d", text) and name.count(".") < 3 and not name.split(".")[-1].endswith("Error"):
        found.append("names no lesson")
    heads = re.findall(r"^([A-Z][a-z]+):$", text, re.MULTILINE)
    found += [f"unknown section {head}" for head in heads if head not in SECTIONS]
    body = re.search(r"^Args:\n((?:    .*\n?|\n)*)", text, re.MULTILINE)
    listed = re.findall(r"^    \*{0,2}(\w+(?:, \w+)*):", body[1], re.MULTILINE) if body else []
    listed = [one for group in listed for one in group.split(", ")]
    if len(taken) > 0 and listed != [p.name for p in taken]:
        found.append(f"Args are {listed}, the signature has {[p.name for p in taken]}")
    return found


@pytest.mark.parametrize("name", sorted(offered()))
def test_a_docstring_is_in_googles_form_and_names_its_lesson(name):
    assert complaints(name, offered()[name]) == []
