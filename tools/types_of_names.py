"""Which names of a lesson change their type, as far as its source tells without being run.

A kind is what a reader would call it: a number, a list, a SmallNet. What most calls give back is unknown here and
decides nothing: the plain changes are found (a number that becomes a list, a network of another class), others may
stay unseen. None and `...` stand for what is still to come, and are no kind.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

_DISPLAYS = {
    ast.JoinedStr: "a text",
    ast.List: "a list",
    ast.ListComp: "a list",
    ast.Tuple: "a tuple",
    ast.Dict: "a dict",
    ast.DictComp: "a dict",
    ast.Set: "a set",
    ast.SetComp: "a set",
    ast.GeneratorExp: "a generator",
    ast.Lambda: "a function",
}
_CONSTANTS = {bool: "a boolean", int: "a number", float: "a number", str: "a text"}
_CALLS = {
    "len": "a number",
    "int": "a number",
    "float": "a number",
    "str": "a text",
    "list": "a list",
    "sorted": "a list",
    "dict": "a dict",
    "set": "a set",
    "tuple": "a tuple",
    "range": "a range",
    "item": "a number",  # of a tensor
    "tolist": "a list",
}
_TENSORS = {"arange", "cat", "full", "linspace", "ones", "rand", "randint", "randn", "stack", "tensor", "zeros"}


def changes(cells: list) -> Iterator[tuple[str, str, str, object]]:
    """(name, its first kind, another one, the cell that gives it that) for each name that changes its kind."""
    kinds: dict[str, str] = {}
    for cell in cells:
        python = [line for line in cell.source.splitlines() if not line.lstrip().startswith(("%", "!"))]
        for name, kind in _bound(ast.parse("\n".join(python)).body, kinds):
            if name != "_" and kind is not None and kind != kinds.setdefault(name, kind):
                yield name, kinds[name], kind, cell


def _bound(statements: list[ast.stmt], kinds: dict[str, str]) -> Iterator[tuple[str, str | None]]:
    """The names that these lines bind at a cell's own level, in their order, each with its kind."""
    for node in statements:
        match node:
            case ast.FunctionDef():
                yield node.name, "a function"
            case ast.ClassDef():
                yield node.name, "a class"
            case ast.Import():
                yield from ((one.asname or one.name.split(".")[0], "a module") for one in node.names)
            case ast.Assign():
                for target in node.targets:
                    yield from _pairs(target, node.value, kinds)
            case ast.AnnAssign(value=ast.expr() as value):
                yield from _pairs(node.target, value, kinds)
            case ast.For():
                yield from _pairs(node.target, _element(node.iter), kinds)
        for block in ("body", "orelse", "finalbody") if not isinstance(node, ast.FunctionDef | ast.ClassDef) else ():
            yield from _bound(getattr(node, block, []), kinds)


def _pairs(target: ast.expr, value: ast.expr | None, kinds: dict[str, str]) -> Iterator[tuple[str, str | None]]:
    """Names of a target and their kinds: `a, b = 1, []` binds a number and a list."""
    if isinstance(target, ast.Name):
        yield target.id, _kind(value, kinds)
    elif isinstance(target, ast.Tuple | ast.List):
        parts = value.elts if isinstance(value, ast.Tuple | ast.List) else []
        alone = len(parts) == len(target.elts) and not any(isinstance(e, ast.Starred) for e in [*parts, *target.elts])
        for place, part in enumerate(target.elts):
            yield from _pairs(part, parts[place] if alone else None, kinds)


def _element(iterated: ast.expr) -> ast.expr | None:
    """What a loop's name is bound to: a number in range(…), the first part of a tuple that is written down."""
    match iterated:
        case ast.Call(func=ast.Name("range")):
            return ast.Constant(0)
        case ast.Call(func=ast.Name("enumerate")):
            return ast.Tuple([ast.Constant(0), ast.Constant(None)])
        case ast.Tuple(elts=[first, *_]) | ast.List(elts=[first, *_]):
            return first
    return None


def _kind(value: ast.expr | None, kinds: dict[str, str]) -> str | None:
    """What an expression is, or None where that is not plain."""
    match value:
        case ast.Constant():
            return _CONSTANTS.get(type(value.value))
        case ast.Name():
            return kinds.get(value.id)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
            return _kind(value.operand, kinds)
        case ast.BinOp():
            left, right = _kind(value.left, kinds), _kind(value.right, kinds)
            return left if left == right else None
        case ast.Call(func=ast.Attribute(value=ast.Name("torch"), attr=name)) if name in _TENSORS:
            return "a tensor"
        case ast.Call(func=ast.Name(name) | ast.Attribute(attr=name)):
            return f"a {name}" if name[:1].isupper() and not name.isupper() else _CALLS.get(name)
    return _DISPLAYS.get(type(value))
