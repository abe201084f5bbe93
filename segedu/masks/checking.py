"""What a sound mask is, and a sentence for every way in which a mask is not."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from segedu.labels import IGNORE_INDEX, LabelTable


class MaskError(ValueError):
    """A mask that would teach or measure something wrong; the message says where, which value, and the way out."""


def validate_mask(
    mask: np.ndarray | torch.Tensor | Image.Image,
    labels: LabelTable | int,
    *,
    size: tuple[int, int] | None = None,
    name: str | None = None,
) -> None:
    """Nothing for a sound mask: (height, width) whole numbers, each a class id 0 … len(labels) − 1 or 255 (ignored).

    labels: the label table, or the number of classes. size: (height, width) of the mask's picture.
    name: the file, for the message. A mask of one class only, all zeros too, is sound: many pictures hold no object.
    A batch (N, H, W) is checked as one tall picture: validate_mask(masks.flatten(0, 1), labels).

    Raises MaskError. Two of the refused masks *could* be meant: all 255 (nothing to learn from), and 0 with 255 only
    (nearly always an object drawn in white). An index mask resized with interpolation cannot be seen by its values.
    """
    ids = class_ids(mask, name)
    if size is not None and ids.shape != tuple(size):
        raise _wrong_size(ids.shape, tuple(size), name)
    check_values(ids, labels if isinstance(labels, int) else len(labels), name)
    if (ids == IGNORE_INDEX).all():
        raise MaskError(
            f"{subject(name)} holds 255 (ignore) in all of its {ids.size} pixels: there is nothing to learn, and a "
            "mean over no pixel is nan. Leave this picture out, or look up which value its data set uses for void."
        )
    if set(np.unique(ids).tolist()) == {0, IGNORE_INDEX}:
        raise MaskError(
            f"{subject(name)} holds only 0 and 255. 255 means “ignore”, so {(ids == 255).sum()} pixels would be left "
            "out of loss and score, and all that is learnt is class 0. "
            'If 255 marks the object: mask = (mask == 255).astype("uint8")'
        )


# What follows serves the other modules of masks, too.


def subject(name: str | None) -> str:
    return name if name else "The mask"


def several(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def first_at(where: np.ndarray) -> str:
    row, column = np.argwhere(where)[0]
    return f"first at row {row}, column {column}"


def class_ids(mask, name: str | None) -> np.ndarray:
    """(H, W) whole numbers from an array, tensor or PIL picture; MaskError for every other form."""
    if isinstance(mask, torch.Tensor):
        mask = mask.detach().cpu()
        mask = mask.float().numpy() if mask.is_floating_point() else mask.numpy()
    ids = np.asarray(mask)
    if ids.dtype.kind not in "buif":
        raise TypeError(f"{subject(name)} should be an array, tensor or PIL picture, got {type(mask).__name__}.")
    if ids.size == 0:
        raise MaskError(f"{subject(name)} has the shape {ids.shape}: no pixel. Was it cropped outside the picture?")
    if ids.ndim != 2:
        raise _wrong_shape(ids, name)
    if ids.dtype.kind == "f":
        raise _fractions(ids, name)
    return ids.astype(np.uint8) if ids.dtype.kind == "b" else ids


def _wrong_shape(ids: np.ndarray, name: str | None) -> MaskError:
    start = f"{subject(name)} has the shape {ids.shape}; a mask is (height, width). "
    if ids.ndim == 3 and 1 in (ids.shape[0], ids.shape[2]):
        return MaskError(start + "An axis of length 1 is left over: mask = mask.squeeze()")
    if ids.ndim == 3:
        for axis in (2, 0):
            if np.isin(ids, (0, 1)).all() and (ids.sum(axis) == 1).all():
                return MaskError(
                    f"{start}It is one-hot: {ids.shape[axis]} planes of 0 and 1 along axis {axis}, one for each class: "
                    f"mask = mask.argmax({axis})"
                )
        if ids.shape[2] in (3, 4) and ids.dtype == np.uint8:
            pixel = tuple(ids[0, 0, :3].tolist())
            return MaskError(
                f"{start}It holds colours, {pixel} at row 0, column 0: "
                "mask = segedu.masks.from_colours(mask[..., :3], labels)"
            )
    return MaskError(start + "Check one mask at a time; a batch (N, H, W) as one tall picture: masks.flatten(0, 1)")


def _fractions(values: np.ndarray, name: str | None) -> MaskError:
    start = f"{subject(name)} holds {values.dtype} numbers; class ids are whole numbers. "
    between = (values != np.round(values)) | ~np.isfinite(values)
    if not between.any():
        return MaskError(f'{start}All are whole, such as {values.max():.1f}: mask = mask.astype("uint8")')
    found = f"{values[between][0]:.4g} ({first_at(between)}) is no class. "
    if np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1:
        return MaskError(
            f"{start}{found}All lie in {values.min():.4g}…{values.max():.4g}, as after the division by 255 that "
            'ToTensor makes: mask = (mask * 255).round().astype("uint8")'
        )
    return MaskError(
        f"{start}{found}A resize with interpolation invents such values. Resize the original again with nearest "
        "neighbour: original.resize((width, height), Image.Resampling.NEAREST)"
    )


def _wrong_size(found: tuple, wanted: tuple, name: str | None) -> MaskError:
    start = f"{subject(name)} is {found[0]} × {found[1]} (height × width), its picture {wanted[0]} × {wanted[1]}. "
    if found == wanted[::-1]:
        return MaskError(f"{start}Height and width are exchanged: mask = mask.T")
    return MaskError(
        f"{start}If it shows the same scene, resize it with nearest neighbour: "
        f"Image.fromarray(mask).resize(({wanted[1]}, {wanted[0]}), Image.Resampling.NEAREST)"
    )


def check_values(ids: np.ndarray, num_classes: int, name: str | None) -> None:
    """Raises MaskError for values that are neither a class nor 255."""
    wrong = ((ids < 0) | (ids >= num_classes)) & (ids != IGNORE_INDEX)
    if not wrong.any():
        return
    values, counts = np.unique(ids[wrong], return_counts=True)
    listed = ", ".join(str(value) for value in values[:5].tolist()) + (", …" if len(values) > 5 else "")
    start = (
        f"{subject(name)} holds {several(len(values), 'value')} without a class: {listed} in "
        f"{several(counts.sum(), 'pixel')}, {first_at(wrong)}. Class ids are 0…{num_classes - 1}, and 255 is ignored. "
    )
    black_or_white = np.isin(ids, (0, 255)).mean()
    if black_or_white > 0.5 and (ids == 255).any() and values[-1] >= 128:
        raise MaskError(
            f"{start}Most pixels are 0 or 255: an object drawn in white, with an edge smoothed by a drawing tool, "
            'a resize or JPEG. Cut at the middle: mask = (mask >= 128).astype("uint8")'
        )
    if values[0] < 0:
        raise MaskError(f"{start}A negative value is often another library's “ignore”: mask[mask < 0] = 255")
    if values.tolist() == [num_classes] and ids.min() > 0:
        raise MaskError(f"{start}No pixel is 0, so the ids start at 1: mask[mask != 255] -= 1")
    if len(values) == 1:
        raise MaskError(
            f"{start}If {values[0]} is void: mask[mask == {values[0]}] = 255. "
            "If it is a class: the label table or num_classes lacks it."
        )
    raise MaskError(
        f"{start}Either the label table is another data set's, or these are grey levels or ids to translate: "
        f"mask = np.select([mask == {values[0]}, mask == {values[1]}], [1, 2], mask)"
    )


def as_bytes(ids: np.ndarray, name: str) -> np.ndarray:
    outside = (ids < 0) | (ids > 255)
    if outside.any():
        raise MaskError(
            f"{name} holds {ids[outside][0]} ({first_at(outside)}); class ids are 0…254, and 255 is ignored. "
            "If these are object ids, read them as instances, not as a mask."
        )
    return ids.astype(np.uint8)
