"""What a sound mask is, and a sentence for every way in which a mask is not."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from segedu.ids import MaskError, class_ids, first_at, subject
from segedu.inputs import whole_number
from segedu.labels import IGNORE_INDEX, ArrayLike, LabelTable


def validate_mask(
    mask: ArrayLike | Image.Image,
    labels: LabelTable | int,
    *,
    size: tuple[int, int] | None = None,
    name: str | None = None,
) -> None:
    """Nothing for a sound mask, else a MaskError that says where, what, and the way out. Lesson 01a.

    Two of the refused masks *could* be meant: all 255 (nothing to learn from), and 0 with 255 only
    (nearly always an object drawn in white). A mask of one class only, all zeros too, is sound:
    many pictures hold no object. An index mask resized with interpolation cannot be seen by its
    values, nor can a PIL picture of 2 or 4 bits that was copied (`picture.copy()`).

    Args:
        mask: (height, width) whole numbers, each a class id 0 … len(labels) − 1 or 255 (ignored).
            A batch (N, H, W) is checked as one tall picture: masks.flatten(0, 1).
        labels: the label table, or the number of classes.
        size: (height, width) of the mask's picture; None: any.
        name: the file, for the message.

    Raises:
        MaskError: for every other mask.

    Example:
        validate_mask(mask, labels, size=image.shape[-2:], name="0001.png")
    """
    ids = class_ids(mask, name)
    if size is not None and ids.shape != tuple(size):
        raise _wrong_size(ids.shape, tuple(size), name)
    check_values(ids, class_count(labels), name)
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


def several(number: int, word: str) -> str:
    """A number with its noun: "1 pixel", "2 pixels"."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _wrong_size(found: tuple, wanted: tuple, name: str | None) -> MaskError:
    start = f"{subject(name)} is {found[0]} × {found[1]} (height × width), its picture {wanted[0]} × {wanted[1]}. "
    if found == wanted[::-1]:
        return MaskError(
            f"{start}Height and width are exchanged. If size= came from PIL, whose order is (width, height): "
            "size=image.size[::-1]. If the picture was turned upright as the EXIF data of its file say: "
            "mask = np.rot90(mask, -1) for orientation 6, np.rot90(mask) for 8. If neither: mask = mask.T"
        )
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
        raise MaskError(f"{start}A negative value is often another library's “ignore”: {_to_void('mask < 0', ids)}")
    if values.tolist() == [num_classes] and ids.min() > 0:
        raise MaskError(f"{start}No pixel is 0, so the ids start at 1: {_one_less(ids)}")
    if len(values) == 1:
        from_one = ""
        if values[0] == num_classes:
            from_one = " If 0 is void and the classes are 1, 2, …, as in ADE20K: "
            from_one += "mask = np.where((mask == 0) | (mask == 255), 255, mask - 1), in every mask of the set."
        raise MaskError(
            f"{start}If {values[0]} is void: {_to_void(f'mask == {values[0]}', ids)}. "
            f"If it is a class: the label table or num_classes lacks it.{from_one}"
        )
    raise MaskError(
        f"{start}Either the label table is another data set's, or these are grey levels or ids to translate: "
        f"mask = np.select([mask == {values[0]}, mask == {values[1]}], [1, 2], mask)"
    )


def class_count(labels) -> int:
    """The number of classes of a label table, or the number itself, Python's or numpy's."""
    sized = hasattr(labels, "__len__") and not isinstance(labels, np.ndarray | torch.Tensor)
    return whole_number(len(labels) if sized else labels, "labels", 1)


def _to_void(where: str, ids: np.ndarray) -> str:
    """The line of Python that sets pixels to 255, also where the array is read-only or its numbers end at 127."""
    if ids.flags.writeable and np.can_cast(np.uint8, ids.dtype):
        return f"mask[{where}] = 255"
    return f"mask = np.where({where}, 255, mask.astype(int))"


def _one_less(ids: np.ndarray) -> str:
    return "mask[mask != 255] -= 1" if ids.flags.writeable else "mask = np.where(mask == 255, 255, mask - 1)"


def as_bytes(ids: np.ndarray, name: str) -> np.ndarray:
    """(H, W) uint8: the same ids; MaskError where one does not fit into a byte."""
    outside = (ids < 0) | (ids > 255)
    if outside.any():
        raise MaskError(
            f"{name} holds {ids[outside][0]} ({first_at(outside)}); class ids are 0…254, and 255 is ignored. "
            "If these are object ids, read them as instances, not as a mask."
        )
    return ids.astype(np.uint8)
