"""What a weights file may say: its header, its list of tensors and a training's notes, checked before use.

Text in, sentences out: nothing here opens a file or builds a network. `checkpoints` does both.
"""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from segedu.labels import LabelTable

# What `save` writes, and the JSON of each.
_FACTS = {
    "class": str,
    "config": dict | None,
    "labels": dict | None,
    "precision": str | None,
    "threads": int,
    "torch": str,
    "notes": dict,
}
FLOATS = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64}
DTYPES = FLOATS | {
    "I8": torch.int8, "I16": torch.int16, "I32": torch.int32, "I64": torch.int64, "U8": torch.uint8, "BOOL": torch.bool,
    "U16": torch.uint16, "U32": torch.uint32, "U64": torch.uint64, "C64": torch.complex64,
}  # fmt: skip

Form = tuple[tuple[int, ...], torch.dtype | str]  # of a tensor: its shape and type


class CheckpointError(ValueError):
    """A weights file that cannot be used, or written: the message says what is wrong. Lesson 04."""


def checked_header(path: Path, text: str | None) -> dict:
    """Our JSON, with the keys of _FACTS and values of their types.

    Args:
        path: the file, for the message.
        text: what its header holds under our name; None if there is nothing.

    Raises:
        CheckpointError: for anything else.
    """
    if text is None:
        raise CheckpointError(
            f"{path} was not written by segedu.save: its header does not name the model. Build the network and let it "
            "fill in the weights: model.load_state_dict(safetensors.torch.load_file(path)); then "
            "segedu.save(new_path, model)."
        )
    try:
        header = json.loads(text, object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(damaged(path, f"it is not JSON ({plain(error)})")) from error
    if not isinstance(header, dict):
        raise CheckpointError(damaged(path, f"it is {brief(header)}, not an object"))
    check_keys(path, header, _FACTS, required=_FACTS, where="the header")
    for name, kind in _FACTS.items():
        if not isinstance(header[name], kind) or isinstance(header[name], bool):
            raise CheckpointError(damaged(path, f"{name!r} is {brief(header[name])}"))
    if header["precision"] not in (None, *(str(dtype).removeprefix("torch.") for dtype in FLOATS.values())):
        raise CheckpointError(damaged(path, f"the precision {brief(header['precision'])} is unknown"))
    return header


def check_tensors(path: Path, found: Mapping[str, Form | torch.Tensor], model: nn.Module, prefix: str) -> None:
    """Check that a file's tensors are those of the model's state.

    A floating-point number may be of another precision; other types must be equal.

    Args:
        path: the file, for the message.
        found: its tensors by name, or their forms.
        model: the network that is to have them.
        prefix: what stands before the model's names in the file.

    Raises:
        CheckpointError: names one that is missing, superfluous, or of another form.
    """
    state = {prefix + name: tensor for name, tensor in model.state_dict().items()}
    wanted = {name: None if is_lazy(tensor) else (tuple(tensor.shape), tensor.dtype) for name, tensor in state.items()}
    found = {
        name: (tuple(form.shape), form.dtype) if isinstance(form, torch.Tensor) else form
        for name, form in found.items()
    }
    for kind, names in (("lacks", wanted.keys() - found), ("has, and the network has not,", found.keys() - wanted)):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise CheckpointError(_misfit(path, model, f"the file {kind} {brief(min(names))}{more}"))
    for name, form in wanted.items():
        if form is None:  # whatever its class takes
            continue
        (shape, dtype), (has_shape, has_dtype) = form, found[name]
        if has_shape != shape:
            raise CheckpointError(
                _misfit(path, model, f"{name!r} has the shape {brief(has_shape)}, and {shape} is wanted")
            )
        if has_dtype != dtype and not {has_dtype, dtype} <= set(FLOATS.values()):
            raise CheckpointError(_misfit(path, model, f"{name!r} is of type {has_dtype}, and {dtype} is wanted"))


def check_notes(path: Path, notes: dict, here: dict) -> None:
    """Check that the notes of a file are built as those of a training.

    Args:
        path: the file, for the message.
        notes: what `checkpoints.read` gives.
        here: notes of a training such as this; of its history one entry of each kind.

    Raises:
        CheckpointError: unless they are.
    """
    kinds = {"recipe": dict, "budget": dict, "first_batch": [0.5], "groups": [dict], "scheduler": dict}
    _alike(path, notes, here | kinds, "notes")


def check_training(
    path: Path, tensors: Mapping, notes: dict, here: dict, model: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Check that a file holds a training that can be resumed.

    Args:
        path: the file, for the message.
        tensors: what `checkpoints.read` gives.
        notes: what `checkpoints.read` gives.
        here: the notes of the training that is to go on.
        model: the network that is to go on.
        optimizer: of its weights.

    Raises:
        CheckpointError: unless it does.
    """
    if len(notes["groups"]) != len(here["groups"]):
        raise CheckpointError(
            f"{path} holds {len(notes['groups'])} groups of parameters, not {len(here['groups'])}. {_ANEW}"
        )
    for saved, group in zip(notes["groups"], here["groups"], strict=True):
        _alike(path, saved, group, "groups", complete=False)  # torch's versions differ in what they keep
    _alike(path, notes["scheduler"], here["scheduler"], "scheduler", complete=False)
    if len(notes["history"]["loss"]) != len(notes["history"]["learning_rate"]):
        raise CheckpointError(f"{path}: its history has not as many learning rates as losses. {_ANEW}")
    best = {name: tensor for name, tensor in tensors.items() if name.startswith("best.")}
    if best:
        check_tensors(path, best, model, prefix="best.")
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for name, tensor in tensors.items():
        start, _, rest = name.partition(".")
        index, _, slot = rest.partition(".")
        known = slot and index.isdecimal() and int(index) < len(parameters)
        if start == "optimizer" and not (known and _broadcasts_to(tensor, parameters[int(index)])):
            raise CheckpointError(f"{path}: {brief(name)} of shape {tuple(tensor.shape)} fits no parameter. {_ANEW}")


def _broadcasts_to(tensor: torch.Tensor, parameter: torch.Tensor) -> bool:
    try:
        return torch.broadcast_shapes(tensor.shape, parameter.shape) == parameter.shape
    except RuntimeError:
        return False


def _alike(path: Path, found, like, where: str, complete: bool = True) -> None:
    """Check that a JSON value is built as `like`: the same keys, and the same kinds under them.

    Args:
        path: the file, for the message.
        found: what it holds.
        like: of a list, its first entry stands for any number of such; None for itself or a
            number; a type for anything of that type.
        where: the value's name, for the message.
        complete: whether all keys must be there.

    Raises:
        CheckpointError: unless it is.
    """
    number = isinstance(found, int | float)
    if isinstance(like, type) or like is None:
        right = isinstance(found, like) if like else found is None or number
    elif isinstance(like, dict | str | bool):
        right = type(found) is type(like)
    elif isinstance(like, list | tuple):
        right = isinstance(found, list)
    else:
        right = number and not isinstance(found, bool)
    if not right:
        raise CheckpointError(f"{path}: {where} cannot be {brief(found)}. {_ANEW}")
    if isinstance(like, dict):
        odd = found.keys() - like.keys() or (complete and like.keys() - found.keys())
        if odd:
            raise CheckpointError(
                f"{path}: {where} {'has an unknown' if min(odd) in found else 'lacks'} {brief(min(odd))}. {_ANEW}"
            )
        for key, value in found.items():
            _alike(path, value, like[key], f"{where}[{key!r}]", complete)
    elif isinstance(like, list | tuple) and like:
        for value in found:
            _alike(path, value, like[0], f"an entry of {where}", complete)


def label_table(path: Path, table: dict | None) -> LabelTable | None:
    """The class table of a header's JSON; None for none.

    Raises:
        CheckpointError: unless it is one.
    """
    if table is None:
        return None
    check_keys(path, table, ("names", "colours", "things"), ("names", "colours", "things"), where="the class table")
    for name in ("names", "things"):
        if not isinstance(table[name], list) or not all(isinstance(entry, str) for entry in table[name]):
            raise CheckpointError(damaged(path, f"the class table's {name} are {brief(table[name])}, not texts"))
    colours = table["colours"]
    if not isinstance(colours, list) or not all(
        isinstance(colour, list) and len(colour) == 3 and all(type(v) is int and 0 <= v <= 255 for v in colour)
        for colour in colours
    ):
        raise CheckpointError(damaged(path, f"the class table's colours are {brief(colours)}, not triples in 0…255"))
    try:
        return LabelTable(tuple(table["names"]), tuple(tuple(c) for c in colours), tuple(table["things"]))
    except ValueError as error:
        raise CheckpointError(damaged(path, plain(error))) from error


def check_keys(path: Path, found: dict, known: Iterable[str], required: Iterable[str], where: str) -> None:
    """Check that no key is unknown, and none missing that is required.

    Raises:
        CheckpointError: names the first that is.
    """
    if unknown := sorted(found.keys() - set(known)):
        raise CheckpointError(
            f"{path} cannot be used: {where} has {brief(unknown[0])}, which this segedu does not know. If a newer one "
            "wrote it, install that one."
        )
    if missing := [name for name in required if name not in found]:
        raise CheckpointError(damaged(path, f"{where} lacks {missing[0]!r}"))


def is_of(hint, value) -> bool:
    """Whether a JSON value is of a parameter's type: int, bool, str, float, or a tuple of ints."""
    if hint in (int, bool, str):
        return type(value) is hint
    if hint is float:
        return type(value) in (int, float) and math.isfinite(value)
    return isinstance(value, list) and all(type(entry) is int for entry in value)


def _each_once(pairs: list[tuple[str, object]]) -> dict:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in it")
    return found


_ANEW = "So it is no training that can be gone on with; start anew with another file."


def damaged(path: Path, what: str) -> str:
    """The sentence for a file whose header is wrong, with its way out."""
    return f"{path} cannot be used: in its header, {what}. It is damaged or made by hand; fetch it, or save it, again."


def _misfit(path: Path, model: nn.Module, what: str) -> str:
    return (
        f"The weights in {path} do not fit this {type(model).__name__}: {what}. Build the network as the one that was "
        "saved, or choose the file that belongs to it."
    )


def brief(value) -> str:
    """As in code, at most a line of it: a header may hold a million letters."""
    return reprlib.repr(value)


def plain(error: BaseException) -> str:
    """An error's message in one line, cut where it is very long."""
    text = " ".join(str(error).split()) or type(error).__name__
    return (text if len(text) <= 300 else text[:299] + "…").rstrip(".")
