"""Weights on disk: one safetensors file that says by itself which model it belongs to.

A file may be a stranger's, so `load` believes none of it: the header's facts are checked one by one, the network is
built first on the meta device, where it takes no memory, and the names, shapes and kinds of its tensors are compared
with the file's list of them. Only then are tensors read. Nothing in a file is ever run.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import reprlib
import typing
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as in_bytes
from torch import nn
from torch.nn.parameter import is_lazy

from segedu import models, resources
from segedu.labels import LabelTable
from segedu.models.layers import unwrapped
from segedu.training import headers
from segedu.training.headers import CheckpointError

_HEADER = "segedu"  # safetensors headers hold text by name; ours is one JSON text under this name
_MODEL = "model."
_ARCHITECTURES = {
    name: kind
    for name in models.__all__
    if isinstance(kind := getattr(models, name), type) and issubclass(kind, nn.Module)
}


def save(
    path: str | Path,
    model: nn.Module,
    *,
    labels: LabelTable | None = None,
    tensors: Mapping[str, torch.Tensor] | None = None,
    notes: Mapping | None = None,
) -> Path:
    """Write the model's weights, with all that `load` needs to build it again. Lesson 04.

    The file is written beside `path` under a temporary name and moved there in one step: a crash at
    any byte leaves what was there before. Weights are stored as they are, on the CPU; shared
    tensors are stored once for each name.

    Args:
        path: the file; one that is there is replaced.
        model: of segedu.models, or one of your own, which `load` then asks for. Out of
            DataParallel, DistributedDataParallel and torch.compile, the model inside is saved, so
            that its file loads anywhere.
        labels: the class table, one name a class of the model; None for the model's own
            `.labels`, if it has one.
        tensors: further tensors to keep beside the weights (an optimiser's state); names must not
            start with "model.".
        notes: further facts for the header (the step, the command, a score); anything that JSON
            can hold, and numbers of numpy and torch.

    Returns:
        The path.

    Raises:
        CheckpointError: for a model without weights, and for labels, names or notes that are not
            as said here.

    Example:
        >>> model = segedu.models.SmallNet(11)
        >>> path = segedu.save("street.safetensors", model, labels=segedu.labels.STREET)
        >>> model = segedu.load(path)
    """
    if not isinstance(model, nn.Module):
        raise CheckpointError(f"segedu.save takes a model (nn.Module), got {type(model).__name__}.")
    labels = checked_labels(model, labels)
    model = unwrapped(model)
    for name, facts in (("tensors", tensors), ("notes", notes)):
        if facts is not None and not isinstance(facts, Mapping):
            raise CheckpointError(f"{name}= takes a dict, such as {{'step': 7}}, got {type(facts).__name__}.")
    if Path(path).is_dir():
        raise CheckpointError(f"{path} is a folder; name a file in it: {Path(path) / 'model.safetensors'}")
    weights = model.state_dict()
    if not weights:
        raise CheckpointError(f"This {type(model).__name__} has no weights, so there is nothing to save in {path}.")
    everything = {_MODEL + name: tensor for name, tensor in weights.items()} | dict(tensors or {})
    _check_storable(everything)
    if overwritten := [name for name in tensors or {} if name.startswith(_MODEL)]:
        raise CheckpointError(
            f"Names of further tensors must not start with {_MODEL!r}, as {overwritten[0]!r} does: the weights do."
        )
    floats = [tensor.dtype for tensor in weights.values() if tensor.is_floating_point()]
    header = {
        "class": type(model).__name__,
        "config": model.config if _is_ours(model) else None,  # a class of one's own has to be built by its owner
        "labels": vars(labels) if labels else None,
        "precision": str(min(floats, key=lambda dtype: dtype.itemsize)).removeprefix("torch.") if floats else None,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "notes": dict(notes or {}),
    }
    try:
        text = json.dumps(header, default=_as_python)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"notes= must be what JSON can hold (numbers, text, lists, dicts): {error}.") from error
    everything = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in everything.items()}
    with resources.atomic_write(path) as temporary:  # not by its save_file, whose files only their owner can read
        temporary.write_bytes(in_bytes(everything, metadata={_HEADER: text}))
    return Path(path)


def checked_labels(model: nn.Module, labels: LabelTable | None) -> LabelTable | None:
    """The class table to save with a model: the one given, else its own, else None.

    Args:
        model: may be wrapped.
        labels: the table, or None.

    Raises:
        CheckpointError: for what is no table, and for one whose number of names is not that of
            the model's classes; a model of segedu with one logit has two.
    """
    labels = labels or _own_labels(model)
    if labels is None:
        return None
    if not isinstance(labels, LabelTable):
        raise CheckpointError(f"labels must be a segedu.labels.LabelTable, got {type(labels).__name__}.")
    inner = unwrapped(model)
    if _is_ours(inner) and len(labels) != (classes := max(inner.config["num_classes"], 2)):
        raise CheckpointError(
            f"The class table has {len(labels)} names ({', '.join(labels.names[:3])}, …), and this "
            f"{type(inner).__name__} {classes} classes. Give labels= with one name a class, or build the network for "
            f"{len(labels)} classes."
        )
    return labels


def _is_ours(model: nn.Module) -> bool:
    """Whether `load` can build it: an architecture of segedu.models itself, no class made from one."""
    return _ARCHITECTURES.get(type(model).__name__) is type(model)


def _check_storable(tensors: Mapping[str, torch.Tensor]) -> None:
    for name, tensor in tensors.items():
        if not isinstance(tensor, torch.Tensor):
            raise CheckpointError(f"A weights file holds tensors; {name!r} is of type {type(tensor).__name__}.")
        if is_lazy(tensor) or tensor.is_meta or tensor.layout != torch.strided:
            kind = "sparse: to_dense()" if tensor.layout != torch.strided else "empty: run the model once, or fill it"
            raise CheckpointError(f"A weights file holds plain numbers; {name!r} is {kind}.")
        if tensor.is_floating_point() and tensor.dtype not in headers.FLOATS.values():
            raise CheckpointError(f"{name!r} is {tensor.dtype}, which `load` does not take: model.float() before.")


def load(path_or_name: str | Path, model: nn.Module | None = None) -> nn.Module:
    """The model of a weights file, in eval mode on the CPU. Lesson 04.

    Its class table is its `.labels`, None if it has none. Weights come in float32, in whichever
    precision they are stored. A file that asks for a network other than the one whose tensors it
    holds is refused before any memory is taken; nothing in a file is ever run.

    Args:
        path_or_name: a file, or the name of weights that ship with segedu ("fcn8s_toystreet").
        model: only for a class of your own that segedu.models does not know: build it, its weights
            are filled in, on the device and in the precision where it is.

    Raises:
        FileNotFoundError: lists the shipped names.
        CheckpointError: for a damaged or a foreign file.

    Example:
        >>> mask = segedu.semantic_segmentation(segedu.load("fcn8s_toystreet"), image)
    """
    path = _find(path_or_name)
    if model is not None and not isinstance(model, nn.Module):
        raise CheckpointError(f"model= takes a network of your own, already built, not {reprlib.repr(model)}.")
    with _opened(path) as file:
        header = headers.checked_header(path, (file.metadata() or {}).get(_HEADER))
        table = headers.label_table(path, header["labels"])
        found = {name: _form(file, name) for name in file.keys() if name.startswith(_MODEL)}
        inner = _checked(path, header, found) if model is None else unwrapped(model)
        headers.check_tensors(path, found, inner, prefix=_MODEL)
        weights = {name.removeprefix(_MODEL): file.get_tensor(name) for name in found}
    try:
        inner.load_state_dict(weights)
    except RuntimeError as error:  # rules that the class has of its own
        raise CheckpointError(f"The weights in {path} do not fit this {type(inner).__name__}: {error}") from error
    model = inner if model is None else model
    model.labels = inner.labels = table
    return model.eval()


def read(path: str | Path) -> tuple[dict[str, torch.Tensor], dict]:
    """All tensors of a file by name, on the CPU, and its header as a dict.

    Raises:
        CheckpointError: as `load` does.
    """
    with _opened(Path(path)) as file:
        return {name: file.get_tensor(name) for name in file.keys()}, headers.checked_header(
            Path(path), (file.metadata() or {}).get(_HEADER)
        )


_FETCH = "It is another kind of file, or was cut on its way; fetch it again."


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[safe_open]:
    """The file, its list of tensors read and found sound; else a CheckpointError says what it is."""
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder; pass a weights file in it.")
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no file {path}.") from None
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            _foreign(path) or f"{path} is not a whole safetensors file ({headers.plain(error)}). {_FETCH}"
        ) from error


def _foreign(path: Path) -> str | None:
    """What to say of a file of torch.save: a ZIP or, before 1.6, a pickle.

    It is never unpickled, which may run any code.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(9)
        pickled = start[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05") and start[8:] != b"{"
        if not pickled and not any(name.endswith("data.pkl") for name in zipfile.ZipFile(path).namelist()):
            return f"{path} is a ZIP archive, not a weights file. If one is in it, unpack it, and pass that."
    except (OSError, zipfile.BadZipFile):
        return None
    return (
        f"{path} is not of segedu.save, but a pickle, as torch.save writes it; opened, it may run any code, so segedu "
        "does not. If you trust it, build the network, call "
        f"model.load_state_dict(torch.load({str(path)!r}, weights_only=True)) (with the name under which it holds the "
        'weights behind it, such as ["state_dict"], if it holds more), and then segedu.save(new_path, model).'
    )


def _checked(path: Path, header: dict, found: Mapping[str, headers.Form]) -> nn.Module:
    """The network that the header names, built once the file is seen to hold just its tensors."""
    name, config = header["class"], header["config"]
    architecture = _ARCHITECTURES.get(name)
    if architecture is None or config is None:
        raise CheckpointError(
            f"{path} holds the weights of a class {headers.brief(name)} that segedu.models does not know; "
            "build it yourself and call segedu.load(path, model=your_model)."
        )
    hints = typing.get_type_hints(architecture.__init__)
    parameters = inspect.signature(architecture).parameters.values()
    required = [parameter.name for parameter in parameters if parameter.default is parameter.empty]
    headers.check_keys(path, config, hints, required, where=f"the config of this {name}")
    for key, value in config.items():
        if not headers.is_of(hints[key], value):
            raise CheckpointError(headers.damaged(path, f"{key!r} is {headers.brief(value)}"))
    try:
        with torch.device("meta"):  # shapes without memory
            shadow = architecture(**config)
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise CheckpointError(
            headers.damaged(path, f"such a {name} cannot be built: {headers.plain(error)}")
        ) from error
    headers.check_tensors(path, found, shadow, prefix=_MODEL)
    odd = [
        (weight, dtype)
        for weight, (_, dtype) in found.items()
        if dtype in headers.FLOATS.values()
        and str(dtype).removeprefix("torch.") not in (header["precision"], "float32")
    ]
    if odd:
        raise CheckpointError(headers.damaged(path, f"{odd[0][0]!r} is of type {odd[0][1]}, not {header['precision']}"))
    return architecture(**config)


def _form(file: safe_open, name: str) -> headers.Form:
    """A tensor's shape and type, without reading it."""
    part = file.get_slice(name)
    return tuple(part.get_shape()), headers.DTYPES.get(part.get_dtype(), part.get_dtype())


def _own_labels(model: nn.Module) -> LabelTable | None:
    """The class table that a model, or the model in it, has as `.labels`.

    Other libraries' `.labels` are none.
    """
    own = (getattr(one, "labels", None) for one in (model, unwrapped(model)))
    return next((labels for labels in own if isinstance(labels, LabelTable)), None)


def _as_python(value):
    """Numpy's and torch's numbers as Python's, for JSON."""
    if getattr(value, "ndim", None) == 0:
        return value.item()
    raise TypeError(f"{headers.brief(value)} is of type {type(value).__name__}")


def _find(path_or_name: str | Path) -> Path:
    path = Path(path_or_name)
    if path.is_file():
        return path
    try:
        return resources.data_path("weights", f"{path_or_name}.safetensors")
    except FileNotFoundError:
        if path.exists():  # a folder, which _opened will say
            return path
        try:
            shipped = sorted(file.stem for file in resources.data_path("weights").glob("*.safetensors"))
        except FileNotFoundError:
            shipped = []
        raise FileNotFoundError(
            f"There is no file {path_or_name}, and no shipped weights of that name; "
            f"shipped are: {', '.join(shipped) or 'none'}."
        ) from None
