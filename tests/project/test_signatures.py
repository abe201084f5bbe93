"""public_signatures.txt: what the package offers, with every default. It changes only where somebody wants it to."""

import ast
import difflib
import importlib
import inspect
import pkgutil
import sys
from pathlib import Path

import pytest

import segedu

TABLE = Path(__file__).with_name("public_signatures.txt")
RENEW = "python -m tests.project.test_signatures --write"  # -m: of this tree, whatever is installed


def modules(package) -> list:
    """The package's public modules: no part of their names begins with an underscore, nor is it a renderer's room."""
    names = [package.__name__]
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not any(part.startswith("_") or part == "worlds" for part in found.name.split(".")):
            names.append(found.name)
    return [importlib.import_module(name) for name in sorted(names)]


def written(signature: inspect.Signature) -> str:
    """Names and defaults without types. A default that is a function or a class is its name: "=cross_entropy"."""

    def plain(parameter: inspect.Parameter) -> inspect.Parameter:
        bare, default = parameter.replace(annotation=inspect.Parameter.empty), parameter.default
        if inspect.isroutine(default) or (inspect.isclass(default) and default is not inspect.Parameter.empty):
            bare = bare.replace(default=Literally(default.__qualname__))
        return bare

    parameters = [plain(parameter) for parameter in signature.parameters.values() if parameter.name != "self"]
    return str(inspect.Signature(parameters))


class Literally(str):
    """Words that show without quotation marks."""

    __repr__ = str.__str__


def members(name: str, item, home: str) -> list[str]:
    """Lines for a function, or for a class with its public methods; none for anything else, or from another module."""
    if not callable(item) or getattr(item, "__module__", None) != home:
        return []
    if not inspect.isclass(item):
        return [name + written(inspect.signature(item))]
    ours = [base for base in item.__mro__ if base.__module__.startswith("segedu")]
    made_here = any(maker in vars(base) for base in ours for maker in ("__init__", "__new__"))
    lines = [name + (written(inspect.signature(item)) if made_here else "")]
    for method, value in sorted(vars(item).items()):
        if method.startswith("_"):
            continue
        if isinstance(value, property):
            lines.append(f"{name}.{method}")
        elif inspect.isroutine(value):
            # bound, so that neither self nor cls is shown
            lines.append(f"{name}.{method}" + written(inspect.signature(getattr(item, method))))
    return lines


def constants(module) -> list[str]:
    """Lines for the numbers, words and tuples of them that the module itself gives a public name in capitals."""
    targets = [
        target.id
        for statement in ast.parse(inspect.getsource(module)).body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name) and target.id.isupper() and not target.id.startswith("_")
    ]
    values = {name: getattr(module, name) for name in targets}
    return [
        f"{module.__name__}.{name} = {v!r}" for name, v in values.items() if isinstance(v, int | float | str | tuple)
    ]


def signatures(package=segedu) -> list[str]:
    """One line a public function, class, method or constant, and one a list of names that a package gives (__all__)."""
    lines = []
    for module in modules(package):
        lines += constants(module)
        if hasattr(module, "__all__"):
            lines.append(f"{module.__name__}: {', '.join(sorted(module.__all__))}")
        for name, item in vars(module).items():
            if not name.startswith("_"):
                lines += members(f"{module.__name__}.{name}", item, module.__name__)
    return sorted(lines)


def test_public_names_and_defaults_are_those_of_the_table():
    known = TABLE.read_text(encoding="utf-8").splitlines()
    changes = [line for line in difflib.ndiff(known, signatures()) if line[0] in "-+"]
    assert not changes, "\n".join([f"{TABLE.name} says otherwise. If that is meant: {RENEW}", *changes])


@pytest.mark.parametrize(
    "line",
    [
        "segedu.datasets.davis.Davis(clip='blackswan', *, size=None, transform=None, instances=False, root=None, "
        "download=False)",
        "segedu.metrics.semantic.ConfusionMatrix.mean_iou()",
        "segedu.models.unet.UNet.paper(num_classes=2, in_channels=1)",
        "segedu.training.history.History.pictures_per_second",
        "segedu.ids.MaskError",
        "segedu.labels.IGNORE_INDEX = 255",
    ],
)
def test_the_table_knows_functions_classes_methods_properties_and_constants(line):
    assert line in signatures()


def test_a_default_a_name_and_an_order_are_seen():
    def lines(source: str) -> list[str]:
        home = {"__name__": "segedu.home"}
        exec(source, home)
        return members("f", home["f"], "segedu.home")

    assert lines("def f(a, *, b=1): pass") == ["f(a, *, b=1)"]
    assert lines("def f(a: int, /, *b: str, c: float = float('inf'), **d) -> int: pass") == ["f(a, /, *b, c=inf, **d)"]
    assert lines("def g(): pass\ndef f(a=g, b=int): pass") == ["f(a=g, b=int)"]
    assert lines("class f:\n def __init__(self, a='1'): pass\n @classmethod\n def m(cls, b=2): pass") == [
        "f(a='1')", "f.m(b=2)",
    ]  # fmt: skip
    assert lines("class f(ValueError):\n def _hidden(self): pass\n @staticmethod\n def m(b): pass") == ["f", "f.m(b)"]
    assert lines("from pathlib import Path as f") == [], "another module's"
    assert not any("0x" in line or "\\" in line for line in signatures()), "an address differs from run to run"


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit(f"To renew {TABLE.name}: {RENEW}")
    TABLE.write_text("\n".join(signatures()) + "\n", encoding="utf-8", newline="\n")
