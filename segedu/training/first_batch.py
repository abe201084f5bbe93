"""What `fit` looks at before it learns, most of it once, at the first batch; `evaluate` checks its masks by the same.

Each check raises a sentence that says what is wrong and the way out.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import nn

from segedu import runtime
from segedu.inference.tiles import is_unpadded
from segedu.inputs import check_dataset, check_unit_range, collated, sample_of
from segedu.labels import IGNORE_INDEX, LabelTable
from segedu.masks import MaskError, validate_mask
from segedu.masks.check import check_values, class_ids
from segedu.models import outputs
from segedu.training.batches import SeededBatchSampler, SeededDataset

# The same as the logits of object or not, in a form that every loss for classes takes.
TWO_CLASSES = "torch.cat([torch.zeros_like(logits), logits], 1)"


def check_data(model: nn.Module, train, val) -> None:
    """Raises TypeError or ValueError for data sets, or weights, that cannot be learnt with."""
    outputs.check_model(model)
    check_dataset(train, "The data set to train on")
    if val is not None:
        check_dataset(val, "The data set val")
        check_truth(val)
    learnt = [p for p in model.parameters() if p.requires_grad]
    if not learnt:
        raise ValueError("No weight of the model may change: model.requires_grad_(True)")
    if any(p.is_floating_point() and p.dtype.itemsize < 4 for p in learnt):
        raise ValueError(
            f"The model's weights are {str(learnt[0].dtype).removeprefix('torch.')}, in which small steps are lost: "
            "model.float(), and precision='auto' computes in 16 bits where that is faster."
        )


def check_truth(dataset) -> None:
    """Raises MaskError if no mask of a whole data set shows more than class 0 and 255, and one of them has 255."""
    suspect = None
    with runtime.preserved_rng():
        for index in range(len(dataset)):
            mask = sample_of(dataset, index, parts=2)[1]
            if ((mask != 0) & (mask != IGNORE_INDEX)).any():
                return
            if suspect is None and (mask == IGNORE_INDEX).any():
                suspect = index, mask
    if suspect is not None:
        validate_mask(suspect[1], 2, name=f"The mask of picture {suspect[0]} (and no other shows an object)")


def check_masks(masks: torch.Tensor, images: torch.Tensor, num_classes: int) -> None:
    """Raises MaskError for masks (N, H, W) of another size than their images, or with values that are no class."""
    if num_classes > outputs.MOST_CLASSES:
        raise ValueError(
            f"The network has {num_classes} classes, but in masks {IGNORE_INDEX} means “ignore”: evaluate scores "
            f"{outputs.MOST_CLASSES} at most. Count by hand: metrics.ConfusionMatrix({num_classes}, ignore_index=-1)"
        )
    _check_shape(masks, images)
    check_values(class_ids(masks.flatten(0, 1), "The mask"), num_classes, "The mask")


def _check_shape(masks: torch.Tensor, images: torch.Tensor) -> None:
    wanted, found = (len(images), *images.shape[-2:]), tuple(masks.shape)
    if found == wanted:
        return
    cure = "Resize both alike: segedu.transforms.resize, or nearest neighbour for the mask"
    if masks.ndim == 4:
        # drawn with channels: one, or one for each class
        axis = 0 if found[2:] == wanted[1:] else 2
        cure = f"Take the axis of length 1 away: mask.squeeze({axis})"
        if found[axis + 1] > 1:
            cure = f"If it is one-hot: mask.argmax({axis}); if it holds colours: segedu.masks.from_colours"
    elif found[1:] == wanted[:0:-1]:
        cure = "Height and width are exchanged: mask.T, or the picture was turned upright and its mask was not"
    raise MaskError(f"Masks must be (N, H, W) = {wanted} as their pictures, got {found}. {cure}")


def of(train, *, batch_size: int, seed: int, **_rest) -> list[torch.Tensor]:
    """The batch with which a training begins."""
    with runtime.preserved_rng():
        samples = next(iter(SeededBatchSampler(len(train), batch_size, seed, first_step=0, steps=1)))
        return collated([SeededDataset(train)[sample] for sample in samples])


def check_optimizer(optimizer) -> None:
    """Raises TypeError for what cannot be called with the parameters and lr=."""
    if not callable(optimizer):
        raise TypeError(
            f"optimizer is {optimizer!r:.60}; wanted is a class such as torch.optim.SGD, which fit calls with the "
            "parameters and lr=learning_rate. With settings: functools.partial(torch.optim.SGD, momentum=0.9)"
        )


def check_batch(images: torch.Tensor, targets: list[torch.Tensor], loss: Callable) -> None:
    """Raises ValueError for pictures that are not in 0…1, TypeError for a loss that takes other targets."""
    check_unit_range(images, "Pictures of the first batch must be floats in")
    if not callable(loss) or isinstance(loss, type):
        raise TypeError(
            f"loss={loss!r} should be a function, or a module that is built: segedu.losses.cross_entropy, or "
            "torch.nn.CrossEntropyLoss(ignore_index=255), with its brackets."
        )
    try:
        inspect.signature(loss.forward if isinstance(loss, nn.Module) else loss).bind(None, *targets)
    except ValueError:  # a built-in function does not say
        return
    except TypeError as error:
        raise TypeError(
            f"A sample holds {len(targets)} tensors behind its image, and the loss does not take as many ({error}). "
            "With instances=True a data set gives objects, too, for losses.panoptic_loss; for a loss of the mask alone "
            "leave it out, or give loss=lambda output, mask, *rest: segedu.losses.cross_entropy(output, mask)."
        ) from error


def reader(model: nn.Module, images: torch.Tensor, output, targets: list[torch.Tensor], loss: Callable, train):
    """The function that makes of a network's output what the loss takes, in float32: all of it, or its logits.

    Logits at 1/2 … 1/32 of the images' size are enlarged. Raises, as a sentence, if at this first batch the output, the
    loss, the masks and the labels of `train` do not fit together.
    """
    own_size = is_unpadded(outputs.described(model))
    size = images.shape[-2:]

    def whole(output):
        return as_float(output) if own_size else outputs.enlarged(as_float(output), size)

    def logits_alone(output):
        return whole(outputs.logits_of(output))

    read = whole if isinstance(output, torch.Tensor) or _can_read(loss, whole(output), targets) else logits_alone
    logits = logits_alone(output) if read is logits_alone else getattr(output, "logits", output)
    num_classes = None
    if isinstance(logits, torch.Tensor) and logits.ndim == 4:
        num_classes = max(logits.shape[1], 2)
        if _is_ours(loss):
            _check_logits(logits)
    if _is_ours(loss) and isinstance(logits, torch.Tensor):
        _check_sizes(logits, targets[0], images, own_size)
    if _is_ours(loss) or not targets[0].is_floating_point():  # else distances, or what a loss of one's own may want
        _check_first_masks(targets[0], num_classes, getattr(train, "labels", None))
    return read


def check_loss(value: torch.Tensor, step: int, learning_rate: float, precision: str) -> None:
    """Raises FloatingPointError, before it is learnt from, for the loss of a batch that is no finite number.

    TypeError or ValueError for what is no loss to learn from: no tensor, several numbers, or without a gradient.
    """
    if not isinstance(value, torch.Tensor) or value.numel() != 1:
        given = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else type(value).__name__
        raise TypeError(f"The loss gives {given}; wanted is a tensor of one number, such as the mean over pixels.")
    if not value.requires_grad:
        raise ValueError(
            "The loss does not follow from the network's output by steps with a gradient, so nothing can be learnt: "
            "leave out no_grad, detach, item, argmax and comparisons."
        )
    if torch.isfinite(value):
        return
    way_out = f"learning_rate={learning_rate / 10:g}"
    if precision == "float16":
        way_out += ", or precision='float32', as float16 ends at 65504"
    raise FloatingPointError(
        f"The loss became {value.item()} at step {step}. A learning rate that is too high is the usual "
        f"cause; try {way_out} (lesson 04, 'the loss does not fall')."
    )


def _check_sizes(logits: torch.Tensor, masks: torch.Tensor, images: torch.Tensor, own_size: bool) -> None:
    """Raises ValueError for logits or masks that segedu's losses cannot lay on each other."""
    if not own_size:
        outputs.full_size(logits, images.shape[-2:])
        _check_shape(masks, images)
    elif masks.shape[-2:] == images.shape[-2:] != logits.shape[-2:]:
        raise MaskError(
            f"This network has no padding: its logits are {tuple(logits.shape[-2:])}, its masks "
            f"{tuple(masks.shape[-2:])}. Cut the masks: from torchvision.transforms.functional import center_crop, and "
            "loss=lambda logits, mask: segedu.losses.cross_entropy(logits, center_crop(mask, logits.shape[-2:]))"
        )


def _check_first_masks(masks: torch.Tensor, num_classes: int | None, labels) -> None:
    """Raises MaskError for masks (N, H, W) with values that are no class of the network or of the label table."""
    known = [num_classes, len(labels) if isinstance(labels, LabelTable) else None]
    known = [number for number in known if number is not None]
    if known and masks.ndim == 3:
        # as one tall picture: a single crop of class 0 and void is sound, a whole batch of such is not
        validate_mask(masks.flatten(0, 1), min(known), name="The first batch of masks")


def as_float(output):
    """The output in float32, so that losses never sum in 16 bits; tuples, lists and dicts keep their types."""
    if isinstance(output, torch.Tensor):
        return output.float() if output.is_floating_point() else output
    if isinstance(output, Mapping):
        return type(output)(**{name: as_float(part) for name, part in output.items()})
    if isinstance(output, (tuple, list)):
        parts = [as_float(part) for part in output]
        return type(output)(*parts) if hasattr(output, "_fields") else type(output)(parts)
    return output


@contextlib.contextmanager
def sizes_explained(images: torch.Tensor) -> Iterator[None]:
    """A `with` block in which a network that stops at the pictures' size is explained."""
    number, (height, width) = len(images), images.shape[-2:]
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise ValueError(
            f"{number} picture of {height} × {width} leaves one value a channel for batch normalisation in this "
            f"network, too few for a mean and a spread ({error}). Give larger pictures, or batch_size=2 or more."
        ) from error
    except RuntimeError as error:
        whole = tuple(-(-side // 32) * 32 for side in (height, width))
        text = str(error).lower()
        if (height, width) == whole or "channels" in text or not ("size" in text or "shape" in text):
            raise
        raise ValueError(
            f"The network stops at pictures of {height} × {width} ({error}). Many take multiples of 32 only: give the "
            f"data set transform=segedu.transforms.augment({whole}), or resize({whole})."
        ) from error


def _can_read(loss: Callable, output, targets: list[torch.Tensor]) -> bool:
    """Whether the loss takes this output, which is no tensor, as a whole.

    Raises TypeError for a tuple that it does not take: who learns from a part of it alone should say so.
    """
    try:
        loss(output, *targets)
        return True
    except (TypeError, AttributeError) as error:
        if isinstance(output, (tuple, list)):
            raise TypeError(
                f"The loss cannot read the network's output, a {type(output).__name__} of {len(output)} ({error}). For "
                "a PanopticDeepLab give loss=segedu.losses.panoptic_loss and instances=True; for others a function of "
                "your own: loss=lambda output, mask: segedu.losses.cross_entropy(output[0], mask)."
            ) from error
        return False


def _is_ours(loss: Callable) -> bool:
    while isinstance(loss, functools.partial):
        loss = loss.func
    return getattr(loss, "__module__", "") == "segedu.losses"


def _check_logits(logits: torch.Tensor) -> None:
    """Raises ValueError for logits that segedu's losses would take, and learn something else from."""
    if logits.shape[1] == 1:
        raise ValueError(
            "The network has one output; a loss for classes needs one for each. Build it with two classes, or give "
            f"loss=lambda logits, target: segedu.losses.cross_entropy({TWO_CLASSES}, target), which is the binary "
            "cross-entropy, without the ignored pixels."
        )
    if outputs.are_probabilities(logits.detach()):
        raise ValueError(
            "The network's outputs are probabilities: they are ≥ 0 and add up to 1. The loss takes logits, and makes "
            "the softmax by itself; take the softmax away from the network's end."
        )
