"""Which checks of a lesson rest on stored numbers alone: they cannot fail while the reader computes something else.

A name is `stored` if it comes from stored_runs(…), `live` if it comes from anything else that could turn out otherwise
(a data set, a network, a function of segedu), and neither if it comes from constants, Python's and torch's functions. A
check is recorded if all that it rests on is stored.
"""

from __future__ import annotations

import ast
import builtins

STORED, LIVE, NEITHER = frozenset({"stored"}), frozenset({"live"}), frozenset()
_TABLES = {"labels", "resources", "statistics", "plotting", "check", "runtime"}  # of segedu: they compute no result
_CLOSE = ("torch.testing.", "np.testing.", "numpy.testing.")


def recorded_cells(cells: list) -> list[bool | None]:
    """For every code cell: whether its checks are recorded, all of them; None where it checks nothing."""
    lesson = _Lesson()
    return [lesson.read(cell.source) for cell in cells]


class _Lesson(ast.NodeVisitor):
    """The names of a lesson so far, and what each of them rests on."""

    def __init__(self):
        self.rests = dict.fromkeys(dir(builtins), NEITHER)
        self.checks = []

    def read(self, source: str) -> bool | None:
        self.checks = []
        python = [line for line in source.splitlines() if not line.lstrip().startswith(("%", "!"))]
        self.visit(ast.parse("\n".join(python)))
        return all(rests == STORED for rests in self.checks) if self.checks else None

    def visit_Assert(self, node: ast.Assert) -> None:
        self.checks.append(self._of(node.test))

    def visit_Expr(self, node: ast.Expr) -> None:
        if ast.unparse(node).startswith(_CLOSE):
            self.checks.append(self._of(node))
        elif isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):  # found.append(score)
            self._add(node.value.func, self._of(node))

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._bind(target, self._of(node.value))

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._add(node.target, self._of(node.value))

    def visit_For(self, node: ast.For) -> None:
        self._bind(node.target, self._of(node.iter))
        self.generic_visit(node)

    def visit_withitem(self, node: ast.withitem) -> None:
        if node.optional_vars:
            self._bind(node.optional_vars, self._of(node.context_expr))

    def visit_Import(self, node: ast.Import) -> None:
        self.rests |= {(n.asname or n.name.split(".")[0]): self._module(n.name) for n in node.names}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self.rests |= {(n.asname or n.name): self._module(f"{node.module}.{n.name}") for n in node.names}

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.ClassDef) -> None:
        self.rests[node.name] = self._of(node)

    visit_ClassDef = visit_FunctionDef

    def _of(self, node: ast.AST) -> frozenset:
        """What an expression, or the body of a function, rests on: the names in it that it does not bind itself."""
        bound = {argument.arg for argument in ast.walk(node) if isinstance(argument, ast.arg)}
        names = [name for name in ast.walk(node) if isinstance(name, ast.Name)]
        bound |= {name.id for name in names if isinstance(name.ctx, ast.Store)}
        chains = [ast.unparse(part) for part in ast.walk(node) if isinstance(part, ast.Attribute)]
        found = STORED if any(chain.endswith("stored_runs") for chain in chains) else NEITHER
        for name in {name.id for name in names} - bound - {getattr(node, "name", "")}:
            if name == "segedu":
                rooms = {chain.split(".")[1] for chain in chains if chain.startswith("segedu.")}
                found |= NEITHER if rooms and rooms <= _TABLES else LIVE
            else:
                found |= STORED if name == "stored_runs" else self.rests.get(name, LIVE)
        return found

    def _bind(self, target: ast.expr, rests: frozenset) -> None:
        if isinstance(target, ast.Name):
            self.rests[target.id] = rests
        elif isinstance(target, ast.Tuple | ast.List | ast.Starred):
            for part in getattr(target, "elts", None) or [target.value]:
                self._bind(part, rests)
        else:
            self._add(target, rests)

    def _add(self, target: ast.expr, rests: frozenset) -> None:
        """An object that is changed rests on what it did, and on what it is changed by."""
        while isinstance(target, ast.Attribute | ast.Subscript | ast.Call):
            target = target.func if isinstance(target, ast.Call) else target.value
        if isinstance(target, ast.Name):
            self.rests[target.id] = self.rests.get(target.id, NEITHER) | rests

    def _module(self, name: str) -> frozenset:
        first, _, rest = name.partition(".")
        return LIVE if first == "segedu" and rest.split(".")[0] not in _TABLES else NEITHER
