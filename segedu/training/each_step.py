"""What can go wrong at any step of `fit`: each error is a sentence that says what and the way out."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator

import torch
from torch.utils.data import Dataset

from segedu import distributed
from segedu.inputs import check_unit_range
from segedu.labels import IGNORE_INDEX
from segedu.training.batches import SeededBatchSampler

COUNTS_VOID = (
    f"The masks hold {IGNORE_INDEX}, which means “ignore”, and the loss takes it for a class. Take "
    f"loss=segedu.losses.cross_entropy, which leaves it out, or tell yours: "
    f"torch.nn.CrossEntropyLoss(ignore_index={IGNORE_INDEX})."
)


def check_optimizer(optimizer: Callable) -> None:
    """Check what `fit` is given as optimizer=.

    Raises:
        TypeError: for what cannot be called with the parameters and lr=.
    """
    if not callable(optimizer):
        raise TypeError(
            f"optimizer is {optimizer!r:.60}; wanted is a class such as torch.optim.SGD, which fit calls with the "
            "parameters and lr=learning_rate. With settings: functools.partial(torch.optim.SGD, momentum=0.9)"
        )


def check_built(optimizer: object) -> None:
    """Check what a call of optimizer= gives.

    Raises:
        TypeError: for what is no optimiser, and for one that computes the loss by itself (LBFGS).
    """
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise TypeError(
            f"optimizer gives {type(optimizer).__name__}; wanted is a torch.optim.Optimizer, as from "
            "optimizer=lambda parameters, lr: torch.optim.SGD(parameters, lr=lr, momentum=0.9)."
        )
    closure = inspect.signature(optimizer.step).parameters.get("closure")
    if closure is not None and closure.default is closure.empty:
        raise TypeError(
            f"{type(optimizer).__name__} computes the loss several times a step, by a function that it asks for "
            "(closure); fit computes it once. Take another, such as torch.optim.AdamW, or write the loop by hand as in "
            "lesson 04."
        )


def shows_void(targets: list[torch.Tensor]) -> bool:
    """Whether the first of a batch's targets is a mask that holds 255."""
    return bool(targets) and not targets[0].is_floating_point() and bool((targets[0] == IGNORE_INDEX).any())


@contextlib.contextmanager
def void_explained(targets: list[torch.Tensor]) -> Iterator[None]:
    """A `with` block in which a loss that takes 255 for a class is explained.

    Args:
        targets: of the batch, masks first.

    Raises:
        ValueError: in place of torch's error.
    """
    try:
        yield
    except (IndexError, RuntimeError) as error:
        if "out of bounds" not in str(error) or not shows_void(targets):
            raise
        raise ValueError(f"{COUNTS_VOID} ({error})") from error


@contextlib.contextmanager
def sizes_explained(images: torch.Tensor) -> Iterator[None]:
    """A `with` block in which a network that stops at the pictures' size is explained.

    Args:
        images: (N, C, H, W), the batch that it is given.

    Raises:
        ValueError: in place of torch's error.
    """
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
        fits = tuple(-(-side // 32) * 32 for side in (height, width))
        text = str(error).lower()
        if (height, width) == fits or "channels" in text or not ("size" in text or "shape" in text):
            raise
        raise ValueError(
            f"The network stops at pictures of {height} × {width} ({error}). Many take multiples of 32 only: give the "
            f"data set transform=segedu.transforms.augment({fits}), or resize({fits})."
        ) from error


def check_loss(value: object, batch: list[torch.Tensor], train: Dataset, step: int, recipe: dict) -> None:
    """Check the loss of a batch before it is learnt from.

    Args:
        value: what the loss gives.
        batch: the images, the masks and the rest, from which it comes.
        train: the data set.
        step: how many steps were taken before.
        recipe: of the training: batch_size, seed, learning_rate, precision.

    Raises:
        FloatingPointError: if it is no finite number; the batch is looked at for the cause.
        TypeError, ValueError: for what is no loss to learn from: no tensor, several numbers, or
            without a gradient.
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
    became = f"The loss became {value.item()} at step {step}"
    _check_finite(became, batch, train, step, recipe)
    way_out = f"learning_rate={recipe['learning_rate'] / 10:g}"
    if recipe["precision"] == "float16":
        way_out += ", or precision='float32', as float16 ends at 65504"
    raise FloatingPointError(
        f"{became}. A learning rate that is too high is the usual cause; try {way_out} (lesson 04, 'the loss does not "
        "fall')."
    )


def _check_finite(became: str, batch: list[torch.Tensor], train: Dataset, step: int, recipe: dict) -> None:
    """Raise FloatingPointError, naming the sample, for a batch from which no finite loss can come."""
    how = {"batch_size": recipe["batch_size"], "seed": recipe["seed"]}
    drawn = next(iter(SeededBatchSampler(len(train), **how, first_step=step, steps=step + 1)))
    for (_, index), *sample in zip(distributed.share(drawn), *batch, strict=True):
        try:
            check_unit_range(sample[0], f"Picture {index} of the data set, as augmented, should be floats in")
        except ValueError as error:
            raise FloatingPointError(f"{became}, where not all pictures are sound. {error}") from None
        for place, target in enumerate(sample[1:], start=1):
            if not target.isfinite().all():
                raise FloatingPointError(
                    f"{became}, where not all targets are numbers: in sample {index} of the data set, as augmented, "
                    f"the item at place {place} is NaN or infinite somewhere. Look it up: data[{index}][{place}]"
                )
