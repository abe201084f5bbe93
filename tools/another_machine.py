"""Inside a lesson's kernel: be another machine, and write down what every assert says. `prove.py` starts it.

Another processor adds the same numbers in another order, so that after a few steps a training has other weights. Here
the weights that an optimiser takes are multiplied by (1 + 1e-6 · noise) instead. Networks of the same shapes get the
same noise: two that were equal stay equal.
"""

from __future__ import annotations

import ast
import json
import operator
from pathlib import Path

import torch

SIZE = 1e-6
_COMPARED = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}  # the comparisons whose distance from the bound can be told


def shake_weights(seed: int, write) -> None:
    """From now on every new optimiser finds its weights changed a little; write(number of optimisers) each time."""
    made, as_it_was = [], torch.optim.Optimizer.__init__

    def shaken(optimizer, *arguments, **named):
        as_it_was(optimizer, *arguments, **named)
        chance = torch.Generator().manual_seed(seed)
        made.append(optimizer.__class__.__name__)
        write(len(made))
        with torch.no_grad():
            for group in optimizer.param_groups:
                for weights in group["params"]:
                    noise = torch.randn(weights.shape, generator=chance).to(weights)
                    weights.mul_(1 + SIZE * noise)

    torch.optim.Optimizer.__init__ = shaken


class Claims(ast.NodeTransformer):
    """Turns each assert of a cell into a call of `self`, which notes the outcome and never stops the lesson."""

    NAME = "_claims"  # under this name the lesson's code finds this object

    def __init__(self, write):
        self.cell, self.write, self.margins = -1, write, {}

    # in the cell's code, before it runs

    def next_cell(self, info) -> None:
        """Count the code cells from 0: IPython's own number is one more during a cell in some versions."""
        self.cell += bool(info.store_history)

    def visit_Assert(self, node: ast.Assert) -> ast.Expr:
        """The assert as a call that notes whether it holds."""
        source = ast.unparse(node.test)
        test = ast.Lambda(ast.arguments([], [], None, [], [], None, []), self._claimed(node.test))
        call = ast.Call(ast.Name(self.NAME, ast.Load()), [ast.Constant(source), test], [])
        return ast.copy_location(ast.Expr(call), node)

    def visit_Module(self, node: ast.Module) -> ast.Module:
        """The cell's code with all asserts replaced."""
        return ast.fix_missing_locations(self.generic_visit(node))

    def _claimed(self, test: ast.expr) -> ast.expr:
        """The same expression; what it claims to be smaller or larger goes through `compare`."""
        match test:
            case ast.BoolOp(op=ast.And()):
                return ast.BoolOp(ast.And(), [self._claimed(value) for value in test.values])
            case ast.Compare() if all(type(op) in _COMPARED for op in test.ops):
                compare = ast.Attribute(ast.Name(self.NAME, ast.Load()), "compare", ast.Load())
                names = ast.Tuple([ast.Constant(type(op).__name__) for op in test.ops], ast.Load())
                place = ast.Constant(ast.unparse(test))
                return ast.Call(compare, [place, names, test.left, *test.comparators], [])
            case ast.Call(func=ast.Name("all"), args=[ast.GeneratorExp() as each]):
                return ast.Call(test.func, [ast.GeneratorExp(self._claimed(each.elt), each.generators)], [])
            case ast.Call(func=ast.Attribute(value=ast.Compare() as compared, attr="all"), args=[]):
                return ast.Call(ast.Attribute(self._claimed(compared), "all", ast.Load()), [], [])
        return test

    # while it runs

    def __call__(self, source: str, test) -> None:
        """Run one assert, and write down whether it held, and by how much."""
        self.margins = {}
        try:
            held, error = bool(test()), None
        except Exception as raised:
            held, error = False, f"{type(raised).__name__}: {raised}"
        self.write({"cell": self.cell, "source": source, "held": held, "error": error, "margins": self.margins})

    def compare(self, place: str, operators: tuple[str, ...], *values):
        """What a chain of comparisons gives, having noted how far each of them was from failing."""
        results = []
        for name, left, right in zip(operators, values, values[1:], strict=False):
            results.append(_COMPARED[getattr(ast, name)](left, right))
            low, high = (left, right) if name.startswith("Lt") else (right, left)
            try:
                distance = torch.as_tensor(high - low).double().min().item()
            except (TypeError, ValueError, RuntimeError):  # sets, text: what is smaller there has no distance
                continue
            key = f"{place} #{len(results)}"
            self.margins[key] = min(distance, self.margins.get(key, distance))
        return results[0] if len(results) == 1 else all(map(bool, results))


def begin(shell, seed: int, record: str) -> None:
    """Change this kernel; every line of the file `record` is then one claim, or the number of optimisers so far."""

    def write(line) -> None:
        with Path(record).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    shake_weights(seed, write)
    claims = Claims(write)
    shell.events.register("pre_run_cell", claims.next_cell)
    shell.user_ns[Claims.NAME] = claims
    shell.ast_transformers.append(claims)
