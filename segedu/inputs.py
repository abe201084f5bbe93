"""What comes in: data sets, their samples, pictures and numbers, each checked at one place for all who take them."""

from __future__ import annotations

import math
import operator
import reprlib

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, IterableDataset, default_collate

WANTED = "Wanted is a data set of tuples (image, mask, …) of tensors: image (C, H, W) floats in 0…1, mask (H, W) int64"


def check_dataset(dataset, name: str) -> None:
    """Nothing for a data set that has a length and an index and holds pictures; else TypeError or ValueError."""
    if isinstance(dataset, DataLoader):
        raise TypeError(
            f"{name} is a DataLoader; batches are made here. Give its data set: loader.dataset, and "
            f"batch_size={dataset.batch_size or 16}."
        )
    indexed = all(hasattr(dataset, x) for x in ("__len__", "__getitem__"))
    if not indexed or isinstance(dataset, (str, bytes, dict, IterableDataset)):
        raise TypeError(
            f"{name} is of type {type(dataset).__name__}. {WANTED}. A list of such tuples is one, "
            "and list(…) makes one of whatever gives them one by one."
        )
    if isinstance(dataset, (np.ndarray, torch.Tensor)) or (
        isinstance(dataset, tuple) and dataset and all(isinstance(x, (np.ndarray, torch.Tensor)) for x in dataset)
    ):
        raise TypeError(f"{name} is one array, or a tuple of such. {WANTED}; of two stacks: list(zip(images, masks))")
    if len(dataset) == 0:
        raise ValueError(f"{name} holds no picture.")
    two_lists = isinstance(dataset, (tuple, list)) and [type(x) in (tuple, list) for x in dataset] == [True] * 2
    if two_lists and [{np.ndim(x) for x in side} for side in dataset] == [{3}, {2}]:
        raise TypeError(f"{name} is a list of images and a list of masks. {WANTED}: list(zip(images, masks))")


def sample_of(dataset, index: int, *, parts: int | None = None) -> tuple[torch.Tensor, ...]:
    """The image, the mask and what else the data set has at this index, as tensors; numpy's arrays become such.

    A mask of whole numbers becomes int64. parts: how many are looked at; None: all. Numbers stay as they are.
    Raises TypeError or ValueError, as a sentence, for other forms.
    """
    sample = dataset[index]
    if isinstance(sample, dict):
        image, mask = (
            next((key for key in names if key in sample), names[0])
            for names in (("image", "pixel_values", "img"), ("mask", "labels", "label", "masks"))
        )
        raise TypeError(
            f"Sample {index} is a dict with {', '.join(map(repr, sample))}. {WANTED}: "
            f"data = [(sample[{image!r}], sample[{mask!r}]) for sample in data]"
        )
    if not isinstance(sample, (tuple, list)) or len(sample) < 2:
        held = f" of {len(sample)}" if isinstance(sample, (tuple, list)) else ""
        raise TypeError(f"Sample {index} is a {type(sample).__name__}{held}. {WANTED}.")
    sample = tuple(_as_tensor(item, index, place) for place, item in enumerate(sample[:parts]))
    shape = f"The image of sample {index} has the shape {tuple(sample[0].shape)}; wanted is (channels, height, width)."
    if sample[0].ndim != 3:
        way_out = "One picture of a batch is images[0]." if sample[0].ndim == 4 else "A grey one becomes image[None]."
        raise ValueError(f"{shape} {way_out}")
    if sample[0].shape[0] > 4 >= sample[0].shape[2]:
        raise ValueError(f"{shape} Its channels are last: torch.as_tensor(image).permute(2, 0, 1)")
    return sample


def _as_tensor(item, index: int, place: int):
    name = ("image", "mask")[place] if place < 2 else f"item at place {place}"
    if isinstance(item, np.ndarray) and item.dtype.kind in "buif":
        if np.ma.is_masked(item):
            cure = "mask.astype(int).filled(255), which is ignored" if place else "image.filled(0)"
            raise ValueError(f"In sample {index} the {name} is a masked array; say what stands for no value: {cure}")
        item = torch.from_numpy(native(item))
    if isinstance(item, torch.Tensor):
        check_plain(item, f"In sample {index} the {name}")
        return item.long() if place == 1 and not item.is_floating_point() else item
    if place > 1 and isinstance(item, (int, float)):
        return item
    way_out = "Leave it out: data = [(image, mask) for image, mask, *_ in data]"
    if isinstance(item, Image.Image):
        way_out = "Make tensors: segedu.pictures.picture_tensor(image) and torch.from_numpy(np.array(mask)).long()"
    elif place < 2:
        way_out = f"{WANTED}."
    raise TypeError(f"In sample {index} the {name} is of type {type(item).__name__}, not a tensor. {way_out}")


def check_plain(tensor: torch.Tensor, name: str) -> None:
    """Raises TypeError for a tensor that holds no plain real numbers, one after the other."""
    kinds = {
        "that is sparse": (tensor.layout != torch.strided, "tensor.to_dense()"),
        "without values, on the meta device": (tensor.is_meta, "torch.zeros_like(tensor, device='cpu')"),
        "of complex numbers": (tensor.is_complex(), "tensor.abs()"),
        "that is quantized": (tensor.is_quantized, "tensor.dequantize()"),
    }
    for kind, (is_so, way_out) in kinds.items():
        if is_so:
            raise TypeError(f"{name} is a tensor {kind}; wanted are plain real numbers: {way_out}")


def native(array: np.ndarray) -> np.ndarray:
    """A copy that torch takes: this machine's order of bytes, no negative strides, writable, no long double."""
    kind = np.float64 if array.dtype.kind == "f" and array.dtype.itemsize > 8 else array.dtype.newbyteorder("=")
    return np.array(array, dtype=kind)


def check_same_size(samples: list[tuple]) -> None:
    """Raises ValueError, as a sentence, where images, masks and the rest of a batch cannot be laid on each other."""
    first = samples[0]
    for sample in samples[1:]:
        if len(sample) != len(first):
            raise ValueError(f"One sample holds {len(first)} things, another {len(sample)}; all must hold the same.")
        for one, other in zip(first, sample, strict=True):
            if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor) and one.shape != other.shape:
                raise ValueError(
                    f"Pictures of different sizes cannot be one batch: {tuple(one.shape)} and {tuple(other.shape)}. "
                    "Give the data set a transform to one (height, width), such as "
                    "segedu.transforms.augment((128, 160)) or resize((128, 160)), or give fit batch_size=1."
                )


def collated(samples: list[tuple]) -> list[torch.Tensor]:
    """The samples as one batch, [images, masks, …]. Raises what check_same_size raises."""
    check_same_size(samples)
    return default_collate(samples)


def check_unit_range(image: torch.Tensor, rule: str = "Pictures must be floats in") -> None:
    """Raises ValueError, as a sentence that begins with the rule, for pictures that are no floats in 0…1."""
    if image.numel() == 0:
        raise ValueError(f"{rule} 0…1, got the shape {tuple(image.shape)}: no pixel. Was it cropped away?")
    # torch has no aminmax of some types, such as uint16
    values = image.detach() if image.is_floating_point() and image.dtype.itemsize > 1 else image.detach().float()
    low, high = (x.item() for x in values.aminmax())
    if image.is_floating_point() and low >= 0 and high <= 1:
        return
    way_out = "divide by 255, or take the normalisation away: it is part of the model."
    if not math.isfinite(high - low):
        way_out = "where nothing is known, give a number: torch.as_tensor(image).nan_to_num(0, 1, 0)"
    elif image.is_floating_point() and -0.5 <= low and high <= 1.5:
        way_out = "as after a resize that overshoots: image.clip(0, 1)"
    elif low >= 0 and high > 255:
        way_out = "divide by the largest value that it can have, the same for all pictures, such as 4095 of 12 bits."
    raise ValueError(f"{rule} 0…1, got {str(image.dtype).removeprefix('torch.')} in {low:.8g} … {high:.8g}; {way_out}")


def whole_number(value, name: str, least: int, most: int | None = None, *, floats: bool = True) -> int:
    """Python's int of any library's whole number in least … most; ValueError for fractions, booleans and others.

    floats: whether 1e3 is one, as people write steps; a size is none.
    """
    try:
        if floats and isinstance(value, float) and value.is_integer():
            value = int(value)
        number = None if isinstance(value, (bool, np.bool_)) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < least or (most is not None and number > most):
        limits = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name}={reprlib.repr(value)} should be a whole number {limits}.")
    return number


def positive(value, name: str) -> float:
    """Python's float of a number above 0 of any library; ValueError for others."""
    number = _real(value)
    if not 0 < number < math.inf:
        raise ValueError(f"{name}={reprlib.repr(value)} should be a number above 0.")
    return number


def number_within(value, name: str, least: float, most: float, remark: str = "") -> float:
    """Python's float of a number in least … most of any library; ValueError, with the remark, for others."""
    number = _real(value)
    if not least <= number <= most:  # false for NaN, too
        raise ValueError(f"{name}={reprlib.repr(value)} should lie in {least:g} … {most:g}{remark}.")
    return number


def _real(value) -> float:
    """NaN for what is no number."""
    try:
        return math.nan if isinstance(value, (bool, np.bool_, str)) else float(value)
    except (TypeError, ValueError):
        return math.nan


def height_and_width(size, *, least: int = 1) -> tuple[int, int]:
    """(height, width) as Python's ints; ValueError, as a sentence, for anything but two whole numbers ≥ least."""
    try:
        height, width = (whole_number(side, "size", least) for side in size)
    except (TypeError, ValueError):
        raise ValueError(f"size={reprlib.repr(size)} is no (height, width) of at least ({least}, {least}).") from None
    return height, width
