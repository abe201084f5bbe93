"""What `fit` looks at before it learns, most of it once, at the first batch.

`evaluate` checks its masks by the same. Each check raises a sentence that says what is wrong and
the way out. What can still go wrong later stands in `each_step`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from segedu import distributed, runtime
from segedu.inference.tiles import is_unpadded
from segedu.inputs import check_dataset, check_unit_range, collated, sample_of
from segedu.labels import IGNORE_INDEX, LabelTable
from segedu.masks import MaskError, validate_mask
from segedu.masks.check import check_values, class_ids
from segedu.models import outputs
from segedu.training import each_step
from segedu.training.batches import SeededBatchSampler, SeededDataset

# The same as the logits of object or not, in a form that every loss for classes takes.
TWO_CLASSES = "torch.cat([torch.zeros_like(logits), logits], 1)"


def check_data(model: nn.Module, train: Dataset, val: Dataset | None) -> None:
    """Check the data sets and the weights before anything is learnt.

    Args:
        model: the network to train.
        train: the data set to train on.
        val: the one to score on, or None.

    Raises:
        TypeError, ValueError, MaskError: for those that cannot be learnt with.
    """
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


def check_truth(dataset: Dataset) -> None:
    """Check that the masks of a data set show objects, or no void.

    Raises:
        MaskError: if none of them shows more than class 0 and 255, and one of them has 255.
    """
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
    """Check a batch of masks against its images.

    Args:
        masks: (N, H, W) class ids, 255 ignored.
        images: (N, C, H, W).
        num_classes: of the network.

    Raises:
        MaskError: for masks of another size, or with values that are no class.
        ValueError: for more classes than there are ids.
    """
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


def of(train: Dataset, *, batch_size: int, seed: int, **_rest) -> list[torch.Tensor]:
    """The batch with which a training begins: [images, masks, …].

    Args:
        train: the data set.
        batch_size: how many pictures it holds.
        seed: of the training.
        **_rest: what else a recipe says.
    """
    with runtime.preserved_rng():
        samples = next(iter(SeededBatchSampler(len(train), batch_size, seed, first_step=0, steps=1)))
        return collated([SeededDataset(train)[sample] for sample in samples])


def check_batch(images: torch.Tensor, targets: list[torch.Tensor], loss: Callable) -> None:
    """Check the first batch's pictures, and that the loss takes its targets.

    Args:
        images: (N, C, H, W).
        targets: what the samples hold behind their image.
        loss: as in `fit`.

    Raises:
        ValueError: for pictures that are not in 0…1, and for void (255) that the loss counts.
        TypeError: for what is no loss, and for one that takes other targets.
    """
    check_unit_range(images, "Pictures of the first batch must be floats in")
    if not callable(loss) or isinstance(loss, type):
        raise TypeError(
            f"loss={loss!r} should be a function, or a module that is built: segedu.losses.cross_entropy, or "
            "torch.nn.CrossEntropyLoss(ignore_index=255), with its brackets."
        )
    counts_void = loss is F.cross_entropy or isinstance(loss, nn.CrossEntropyLoss | nn.NLLLoss)
    if counts_void and getattr(loss, "ignore_index", None) != IGNORE_INDEX and each_step.shows_void(targets):
        raise ValueError(each_step.COUNTS_VOID)
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


def reader(
    model: nn.Module, images: torch.Tensor, output: object, targets: list[torch.Tensor], loss: Callable, train: Dataset
) -> Callable:
    """The function that makes of a network's output what the loss takes, in float32.

    That is all of it, or its logits; those at 1/2 … 1/32 of the images' size are upsampled.

    Args:
        model: the network.
        images: (N, C, H, W), the first batch.
        output: what the network gives for it.
        targets: what the samples hold behind their image.
        loss: as in `fit`.
        train: the data set, whose label table, if it has one, says which classes there are.

    Raises:
        TypeError, ValueError, MaskError: if they do not fit together.
    """
    own_size = is_unpadded(outputs.described(model))
    size = images.shape[-2:]

    def everything(output):
        return as_float(output) if own_size else outputs.upsampled(as_float(output), size)

    def logits_alone(output):
        return everything(outputs.logits_of(output))

    takes_all = isinstance(output, torch.Tensor) or _can_read(loss, everything(output), targets)
    read = everything if takes_all else logits_alone
    logits = logits_alone(output) if read is logits_alone else getattr(output, "logits", output)
    num_classes = None
    if isinstance(logits, torch.Tensor) and logits.ndim == 4:
        num_classes = max(logits.shape[1], 2)
        if _is_ours(loss):
            _check_logits(logits)
    if _is_ours(loss) and isinstance(logits, torch.Tensor):
        _check_sizes(logits, targets[0], images, own_size)
    if _is_ours(loss) or not targets[0].is_floating_point():  # else distances, or what a loss of one's own may want
        _check_first_masks(distributed.gathered(targets[0]), num_classes, getattr(train, "labels", None))
    return read


def _check_sizes(logits: torch.Tensor, masks: torch.Tensor, images: torch.Tensor, own_size: bool) -> None:
    """Raise ValueError for logits or masks that segedu's losses cannot lay on each other."""
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
    """Raise MaskError for masks (N, H, W) with values that are no class of network or label table."""
    known = [num_classes, len(labels) if isinstance(labels, LabelTable) else None]
    known = [number for number in known if number is not None]
    if known and masks.ndim == 3:
        # as one tall picture: a single crop of class 0 and void is sound, a whole batch of such is not
        validate_mask(masks.flatten(0, 1), min(known), name="The first batch of masks")


def as_float(output: object) -> object:
    """The output in float32, so that losses never sum in 16 bits.

    Args:
        output: a tensor, or a tuple, list or dict of such, which keeps its type.
    """
    return each_tensor(output, lambda tensor: tensor.float() if tensor.is_floating_point() else tensor)


def each_tensor(output: object, change: Callable) -> object:
    """The output with each tensor in it changed.

    Args:
        output: a tensor, or a tuple, list or dict of such, which keeps its type.
        change: what becomes of a tensor.
    """
    if isinstance(output, torch.Tensor):
        return change(output)
    if isinstance(output, Mapping):
        return type(output)(**{name: each_tensor(part, change) for name, part in output.items()})
    if isinstance(output, (tuple, list)):
        parts = [each_tensor(part, change) for part in output]
        return type(output)(*parts) if hasattr(output, "_fields") else type(output)(parts)
    return output


def _can_read(loss: Callable, output, targets: list[torch.Tensor]) -> bool:
    """Whether the loss takes this output, which is no tensor, as a whole.

    Raises:
        TypeError: for a tuple that it does not take: who learns from a part of it should say so.
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
    """Raise ValueError for logits that segedu's losses would take, and learn something else from."""
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
