"""A network as one file: ONNX for programs without torch (a phone, a server), .pt2 for those without segedu."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import logging
import re
import warnings
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from segedu import resources
from segedu.inference.semantic import SMALLEST
from segedu.inference.tiles import is_unpadded
from segedu.inputs import whole_number
from segedu.labels import LabelTable
from segedu.models.layers import Normalise, unwrapped
from segedu.models.outputs import check_model, full_size, input_channels, logits_of
from segedu.training.checkpoints import checked_labels

LARGER = 64  # where a network cannot be followed from SMALLEST on, as some transformers, the file begins here
LARGEST = 16384  # rows or columns that the file promises to take
EXAMPLE = (96, 128)  # the picture with which the network is followed; its size is left open in the file
TRIED = (2, 14)  # this torch leaves height and width open; 2.6 does not
SIZES = ((32, 32), (96, 128), (97, 131), (120, 160), (255, 64))  # on which each file is compared with its network
EQUAL = 1e-3  # logits are of the order of 10; rounding stays below a ten-thousandth
HOW_TO_INSTALL = 'pip install "segedu[export]" (onnx, onnxscript, onnxruntime)'


def export_onnx(
    path: str | Path, model: nn.Module, *, labels: LabelTable | None = None, side: int | None = None
) -> Path:
    """The path of the ONNX file that is written: pictures of any size → logits of the same size.

    In the file: one input, `image`, (N, C, H, W) float32 in 0…1, any N and any H, W ≥ 32; the first
    output, `logits`, (N, num_classes, H, W) float32; normalisation and upsampling inside. A
    panoptic network also gives `centres` and `offsets`. The file's metadata say in words what goes
    in and what comes out, and hold as JSON the class table (`labels`), the longer side to which
    larger pictures are made smaller first, as `segedu predict` does (`side`, a number or null), and
    what is subtracted and divided by inside (`normalisation`: null, or mean and std, one number a
    channel). Before it is written, wholly or not at all, onnxruntime compares it with the network
    on pictures of five sizes. A network that torch can follow only from 64 pixels on is written for
    these; the metadata say so.

    Args:
        path: ends in `.onnx`; a file that is there is replaced.
        model: of segedu.models, or any network that semantic_segmentation takes and torch.export
            can follow. It stays as it is, and where it is.
        labels: the class table; None for the model's own `.labels`, if it has one.
        side: longer side of a picture, in pixels, at which the network was trained to look; None
            where pictures are not made smaller. `segedu export` takes that of the training.

    Raises:
        ImportError: Where onnx or onnxruntime is not installed.
        TypeError: For what is no network.
        ValueError: For another ending; for a network without padding, whose logits are smaller
            than its picture; for one that cannot be followed with its height and width left open,
            or whose file does not give the same logits.
        CheckpointError: For a table that does not fit the network.

    Example:
        >>> export_onnx("street.onnx", segedu.load("unet_toystreet"))
    """
    return Followed(model, labels, side).write_onnx(path)


def export_torch(
    path: str | Path, model: nn.Module, *, labels: LabelTable | None = None, side: int | None = None
) -> Path:
    """The path of torch's own file (.pt2) that is written: it runs where segedu is not. Lesson 16.

    `torch.export.load(path).module()` is a function: (N, C, H, W) float32 in 0…1, any N and any
    H, W ≥ 32 → a tuple, the logits (N, num_classes, H, W) first. What the metadata of an ONNX file
    say stands in it, too: `torch.export.load(path, extra_files=notes)` fills a dict
    `notes = dict.fromkeys(["labels", "side", "normalisation", "input", "output"], "")`. Before it
    is written, wholly or not at all, it is compared with the network on pictures of five sizes.

    Args:
        path: ends in `.pt2`; a file that is there is replaced.
        model: as for export_onnx, whose translator follows it: torch.export alone leaves height
            and width open only where no number is computed from them.
        labels: the class table; None for the model's own `.labels`, if it has one.
        side: as for export_onnx.

    Raises:
        ImportError, TypeError, ValueError, CheckpointError: As export_onnx.

    Example:
        >>> export_torch("street.pt2", segedu.load("unet_toystreet"))
    """
    return Followed(model, labels, side).write_torch(path)


def largest_difference(file: str | Path | bytes, model: nn.Module, sizes: Sequence[tuple[int, int]]) -> float:
    """The largest difference of any logit between the file, run by onnxruntime, and the network.

    Args:
        file: an ONNX file of export_onnx, or what stands in it.
        model: the network that it was made of.
        sizes: (height, width) of the random pictures, bright and dark, on which both are compared.

    Raises:
        ImportError: Where onnxruntime is not installed.
        ValueError: Where the file does not take such a picture, or gives a map of another size.
    """
    return _largest_difference(_by_onnxruntime(file), _Outputs(unwrapped(model)), sizes)


def _by_onnxruntime(file: str | Path | bytes) -> Callable[[np.ndarray], np.ndarray]:
    """The file as a function: picture → logits."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(f"Running an ONNX file needs onnxruntime: {HOW_TO_INSTALL}") from error
    source = file if isinstance(file, bytes) else str(file)
    session = onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])
    return lambda image: session.run(["logits"], {"image": image})[0]


def _largest_difference(function: Callable[[np.ndarray], np.ndarray], network: _Outputs, sizes) -> float:
    """As largest_difference; `function` is the file: picture → logits."""
    chance, worst = np.random.default_rng(0), 0.0
    for number, size in enumerate(sizes):
        image = chance.random((1, network.example.shape[1], *size), np.float32) * np.float32(0.1 if number % 2 else 1)
        with torch.inference_mode():
            wanted = network(torch.from_numpy(image))[0].numpy()
        try:
            with torch.inference_mode():
                found = function(image)
        except Exception as error:  # onnxruntime's classes of errors have no common one but this
            raise ValueError(
                f"The file would not give the network's logits: it does not take a picture of {size[0]} × {size[1]} "
                f"pixels{_too_old()}. {str(error).splitlines()[0]}"
            ) from error
        if found.shape != wanted.shape:
            raise ValueError(f"For a picture of {size} the file gives {found.shape}, the network {wanted.shape}.")
        worst = max(worst, float(np.abs(found - wanted).max()))
    return worst


class Followed:
    """A network that is followed once, of which several files can be written: each is compared with it first.

    Args:
        model: as for export_onnx.
        labels: as for export_onnx.
        side: as for export_onnx.
    """

    def __init__(self, model: nn.Module, labels: LabelTable | None = None, side: int | None = None):
        check_model(model)
        self.side = None if side is None else whole_number(side, "side", 1, floats=False)
        self.labels = checked_labels(model, labels)
        self.network = unwrapped(model)
        if is_unpadded(self.network):
            raise ValueError(
                f"This {type(self.network).__name__} has no padding: its logits are smaller than its picture, and only "
                "some sizes fit. Export one with padding, which takes pictures of any size."
            )
        self.smallest = SMALLEST  # rows and columns that the file takes

    def write_onnx(self, path: str | Path) -> Path:
        """The path of the ONNX file that is written, wholly or not at all."""
        path = _named(path, ".onnx")
        return _written(path, self.onnx_file())

    def write_torch(self, path: str | Path) -> Path:
        """The path of torch's own file that is written, wholly or not at all."""
        path = _named(path, ".pt2")
        return _written(path, self._equal(self._torch_file))

    def onnx_file(self) -> bytes:
        """What stands in an ONNX file, once it is compared with the network."""
        return self._equal(self._onnx_file)

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """(height, width) of the pictures on which a file is compared with the network."""
        return [size for size in SIZES if min(size) >= self.smallest]

    def _equal(self, made: Callable[[], bytes]) -> bytes:
        """What a file holds that gives the network's logits: for pictures from SMALLEST on, else from LARGER on."""
        try:
            return made()
        except ValueError:
            if self.smallest == LARGER:
                raise
            self._begin_at(LARGER)
            with contextlib.suppress(ValueError):
                return made()
            self._begin_at(SMALLEST)
            raise

    def _begin_at(self, smallest: int) -> None:
        self.smallest = smallest
        self.__dict__.pop("_program", None)

    def _torch_file(self) -> bytes:
        written = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of weights that share their memory
            torch.export.save(self._program.exported_program, written, extra_files=self._metadata())
        written.seek(0)
        read = torch.export.load(written).module()
        self._check_equal(lambda image: read(torch.from_numpy(image))[0].numpy())
        return written.getvalue()

    def _onnx_file(self) -> bytes:
        file = self._program.model_proto
        for key, value in self._metadata().items():
            entry = file.metadata_props.add()
            entry.key, entry.value = key, value
        data = file.SerializeToString()
        self._check_equal(_by_onnxruntime(data))
        return data

    @cached_property
    def _outputs(self) -> _Outputs:
        return _Outputs(self.network)

    @cached_property
    def _program(self) -> torch.onnx.ONNXProgram:
        return _followed(self._outputs, self.smallest)

    def _metadata(self) -> dict[str, str]:
        part, normalisation = getattr(self.network, "normalise", None), None
        if isinstance(part, Normalise):
            normalisation = {"mean": part.mean.flatten().tolist(), "std": part.std.flatten().tolist()}
        return {
            "made_by": "segedu",
            "network": type(self.network).__name__,
            "input": f"image: float32 (N, {input_channels(self.network)}, H, W) in 0...1, H and W from {self.smallest} "
            "on; normalisation is inside",
            "output": "logits: float32 (N, num_classes, H, W); the class of a pixel is the argmax over num_classes",
            "labels": json.dumps(vars(self.labels) if self.labels else None),
            "side": json.dumps(self.side),
            "normalisation": json.dumps(normalisation),
        }

    def _check_equal(self, function: Callable[[np.ndarray], np.ndarray]) -> None:
        """ValueError where the file, as a function, gives other logits than the network."""
        worst = _largest_difference(function, self._outputs, self.sizes)
        if not worst < EQUAL:
            raise ValueError(
                f"The file of this {type(self.network).__name__} would not give the network's logits: they differ by "
                f"up to {worst:.1g}{_too_old()}. Nothing was written."
            )


def _named(path: str | Path, ending: str) -> Path:
    """The path, if its name ends so."""
    path = Path(path)
    if path.suffix.lower() != ending:
        raise ValueError(
            f'{path} does not end in "{ending}", by which other programs know such files: {path.stem}{ending}'
        )
    return path


def _written(path: Path, data: bytes) -> Path:
    """The path, once the data stand there."""
    with resources.atomic_write(path) as temporary:
        temporary.write_bytes(data)
    return path


class _Outputs(nn.Module):
    """A network's copy whose output is a tuple of maps, the logits first, all as large as the picture."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = copy.deepcopy(network).cpu().float()
        self.eval()
        self.example = torch.full((2, input_channels(network), *EXAMPLE), 0.5)  # a batch of one would be a fixed one
        with torch.inference_mode():
            output = self.network(self.example)
        self.names = getattr(output, "_fields", ("logits",))
        logits = logits_of(output)
        full_size(logits, EXAMPLE)  # checks its form: once, not while it is followed
        self.upsample = tuple(logits.shape[-2:]) != EXAMPLE

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(N, C, H, W) in 0…1 → (logits,), or (logits, centres, offsets)."""
        output = self.network(image)
        if len(self.names) > 1:
            return tuple(output)
        logits = logits_of(output)
        if self.upsample:
            logits = F.interpolate(logits, size=image.shape[-2:], mode="bilinear", align_corners=False)
        return (logits,)


def _followed(copied: _Outputs, smallest: int) -> torch.onnx.ONNXProgram:
    """The network's steps, in ONNX's form and in torch's, its height and width left open."""
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError(f"Writing an ONNX file needs onnx and onnxscript: {HOW_TO_INSTALL}") from error
    side = {name: torch.export.Dim(name, min=smallest, max=LARGEST) for name in ("height", "width")}
    shapes = {"image": {0: torch.export.Dim("batch", min=1, max=1024), 2: side["height"], 3: side["width"]}}
    talk = logging.getLogger("torch.onnx")
    level = talk.level
    talk.setLevel(logging.ERROR)  # it warns of versions of its own translations
    try:
        return torch.onnx.export(
            copied, (copied.example,), dynamo=True, verbose=False, dynamic_shapes=shapes,
            input_names=["image"], output_names=list(copied.names),
        )  # fmt: skip
    except Exception as error:  # whatever torch.export raises for code that it cannot follow
        raise ValueError(
            f"This {type(copied.network).__name__} cannot be followed by torch.export with its height and width left "
            "open. Its forward must not look at single numbers of a picture, nor compute sizes of which torch finds no "
            "bounds: of -side % 8 it finds none, of (side + 7) // 8 * 8 - side it does"
            f"{_too_old()}. {_first_line(error)}"
        ) from error
    finally:
        talk.setLevel(level)


def _first_line(error: Exception) -> str:
    """What torch says of what it was made of, without the colours of a terminal."""
    words = str(error.__cause__ or error) or type(error.__cause__ or error).__name__
    return re.sub(r"\x1b\[[0-9;]*m", "", words).splitlines()[0]


def _too_old() -> str:
    """Half a sentence, where torch is older than the one that this was tried with."""
    here = tuple(map(int, torch.__version__.split(".")[:2]))
    if here >= TRIED:
        return ""
    return f"; and torch {torch.__version__} may be too old, {TRIED[0]}.{TRIED[1]} can do it (2.6 cannot)"
