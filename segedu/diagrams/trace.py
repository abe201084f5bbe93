"""What a network does to one picture, measured: each convolution's map, and which maps it came from.

Shapes come from forward hooks. Which map feeds which comes from autograd's own record of the same
forward pass, so that it holds for any module, also where maps are cut, added or laid side by side
by plain functions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fnmatch import fnmatch

import torch
from torch import nn

from segedu.inference.semantic import evaluation_mode
from segedu.models.layers import FixedBilinear
from segedu.models.outputs import as_input, logits_of

LAYERS = (nn.Conv2d, nn.ConvTranspose2d, FixedBilinear)
RESIZE = ("Pool", "Upsample", "huffle", "Convolution")  # of the names of autograd's steps


@dataclass
class Feed:
    """One map that goes into a step: whose it is, and by which of autograd's steps it came."""

    source: int
    ops: frozenset[str]

    def has(self, *names: str) -> bool:
        """Whether one of autograd's steps on the way has one of these in its name."""
        return any(name in op for op in self.ops for name in names)


@dataclass
class Step:
    """A convolution's call, the picture (the first step) or the logits (the last).

    Attributes:
        name: The module's place in the network: "down.0.3".
        role: "picture", "encoder", "decoder" or "head".
        shape: (C, H, W) of what comes out.
        taken: (C, H, W) of what goes in.
        feeds: What goes in.
        dilation: Of the convolution.
        halved: How often it halves the size, by its stride; negative where it doubles it.
        depth: How many steps lead here, at most.
    """

    name: str
    role: str
    shape: tuple[int, int, int]
    taken: tuple[int, int, int]
    feeds: list[Feed] = field(default_factory=list)
    dilation: int = 1
    halved: int = 0
    depth: int = 0

    @property
    def main(self) -> Feed:
        """The feed with the longest way behind it."""
        return self.feeds[0]


def measured(model: nn.Module, image: torch.Tensor) -> tuple[list[Step], torch.Tensor]:
    """The steps of one forward pass, the picture first and the logits last, and the logits (1, C, H, W).

    The model works in eval mode; its mode, gradients and buffers are as they were afterwards.

    Args:
        model: any model of segedu.models, or a module that turns (1, C, H, W) into logits.
        image: (C, H, W) floats in 0…1.
    """
    steps: list[Step] = []
    known: dict = {}

    def keep(module, name, given, out):
        step = Step(name, role(name, steps), tuple(out.shape[1:]), tuple(given.shape[1:]))
        step.feeds = feeds(given.grad_fn, known, steps)
        step.depth = 1 + max((steps[feed.source].depth for feed in step.feeds), default=0)
        step.dilation = getattr(module, "dilation", (1, 1))[0]
        step.halved = halved(module)
        known[out.grad_fn] = len(steps)
        steps.append(step)

    hooks = [
        module.register_forward_hook(lambda module, given, out, name=name: keep(module, name, given[0], out))
        for name, module in model.named_modules()
        if isinstance(module, LAYERS) and not name.endswith("shortcut")
    ]
    try:
        with (
            evaluation_mode(model), torch.inference_mode(False), torch.enable_grad(),
            torch.autograd.graph.saved_tensors_hooks(lambda saved: None, lambda saved: saved),  # nothing goes back
        ):  # fmt: skip
            seen = as_input(model, image.clone()[None]).detach().requires_grad_().clone()
            known[seen.grad_fn] = 0
            steps.append(Step("picture", "picture", tuple(seen.shape[1:]), tuple(seen.shape[1:])))
            logits = logits_of(model(seen))
            steps.append(Step("logits", "picture", tuple(logits.shape[1:]), tuple(logits.shape[1:])))
            steps[-1].feeds = feeds(logits.grad_fn, known, steps)
    finally:
        for hook in hooks:
            hook.remove()
    if not steps[-1].feeds:
        raise ValueError(
            "No convolution of this model leads to its logits, so there is nothing to draw; leave no_grad and detach "
            "out of its forward."
        )
    return wanted(steps), logits.detach().float()


def feeds(reached, known: dict, steps: list[Step]) -> list[Feed]:
    """The steps that lie behind autograd's record `reached`, the one with the longest way first."""
    found, seen, open_ends = {}, set(), [(reached, frozenset())]
    while open_ends:
        node, ops = open_ends.pop()
        if node in known:
            found[known[node]] = found.get(known[node], frozenset()) | ops
        elif node is not None and node not in seen:
            seen.add(node)
            open_ends += [(behind, ops | {node.name()}) for behind, _ in node.next_functions]
    order = sorted(found, key=lambda source: (-steps[source].depth, -source))
    return [Feed(source, found[source]) for source in order]


def wanted(steps: list[Step]) -> list[Step]:
    """The steps that lead to the logits, numbered anew."""
    needed, open_ends = set(), [len(steps) - 1]
    while open_ends:
        number = open_ends.pop()
        if number not in needed:
            needed.add(number)
            open_ends += [feed.source for feed in steps[number].feeds]
    place = {old: new for new, old in enumerate(sorted(needed))}
    for old in needed:
        steps[old].feeds = [Feed(place[feed.source], feed.ops) for feed in steps[old].feeds]
    return [steps[old] for old in sorted(needed)]


def role(name: str, before: list[Step]) -> str:
    """Which colour a layer has, by its name in the course's models; elsewhere by what came before."""
    if fnmatch(name, "*decoder*") or name.startswith(("up", "decode")):
        return "decoder"
    if name.startswith(("score", "head", "paths", "classes", "classifier")):
        return "head"
    return "decoder" if before and before[-1].role == "decoder" else "encoder"


def halved(layer: nn.Module) -> int:
    """How often a layer halves height and width by its stride; negative where it doubles them."""
    if isinstance(layer, FixedBilinear):
        return -round(math.log2(layer.factor))
    return round(math.log2(layer.stride[0])) * (-1 if isinstance(layer, nn.ConvTranspose2d) else 1)


def halvings(large: tuple[int, ...], small: tuple[int, ...]) -> int:
    """How many times the side of (C, H, W) was halved; negative where it was doubled."""
    return round(math.log2(large[1] / small[1]))
