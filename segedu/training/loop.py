"""`fit` and `evaluate`: one loop for every model, loss and data set. Lesson 04 builds it."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from segedu import distributed, runtime
from segedu.inference.semantic import evaluation_mode, predict_logits
from segedu.inputs import check_dataset, check_unit_range, collated, positive, whole_number
from segedu.losses import cross_entropy
from segedu.metrics import ConfusionMatrix
from segedu.models import outputs
from segedu.training import each_step, first_batch, together
from segedu.training.batches import SeededBatchSampler, SeededDataset, derive_seed, same_size_batches
from segedu.training.budget import Budget, quiet_if
from segedu.training.history import History
from segedu.training.modes import catch_ctrl_c, on_device, progress_bar, training_mode
from segedu.training.recipe import in_words
from segedu.training.resume import TrainingState


def fit(
    model: nn.Module,
    train: Dataset,
    val: Dataset | None = None,
    *,
    steps: int | None = None,
    epochs: float | None = None,
    minutes: float | None = None,
    loss: Callable[..., torch.Tensor] = cross_entropy,
    optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.AdamW,
    learning_rate: float = 3e-3,
    batch_size: int = 16,
    precision: str = "float32",
    seed: int = 0,
    num_workers: int = 0,
    checkpoint: str | Path | None = None,
    resume: bool = False,
    progress: bool = True,
) -> History:
    """Train `model` on `train`; the model itself holds what was learnt. Lesson 04.

    Ctrl-C ends the training after the running step and keeps what was learnt. The model learns on
    `runtime.device()`, and is afterwards on the device where it was before. Of several processes
    (`distributed.processes`) each learns from its share of every batch, and their step is that of
    one process to rounding, but for the chance of dropout.

    Args:
        model: parameters whose requires_grad is False stay as they are. A part that is in eval mode
            while the model is in train mode stays so, and its batch normalisation keeps its
            statistics. So a part is frozen by model.train(), part.eval() and
            part.requires_grad_(False). Afterwards each part is in the mode where it was.
        train: data set of (image, mask, …): tensors or arrays, images (C, H, W) in 0…1, masks
            (H, W). Batches are cut from an endless row of shuffled passes, so that all have
            `batch_size` pictures; an epoch is as many steps as it takes to see len(train) of them.
        val: data set of the same kind, scored after each epoch and at the end; the model ends
            with the weights of the best mean IoU.
        steps: the budget, as a number of batches. Exactly one of it and the next two is given.
        epochs: the budget, as a number of passes over `train`; 0.5 is half a pass.
        minutes: the budget, as wall time; validations count.
        loss: called as loss(output, *targets), targets being all that a sample holds behind its
            image. Logits at 1/2 … 1/32 of the picture's size are upsampled before; of a dict that
            the loss cannot read it gets the logits.
        optimizer: called as optimizer(parameters, lr=learning_rate).
        learning_rate: of the first step. It falls to 0 by the "poly" schedule,
            (1 − step/steps)^0.9.
        batch_size: how many pictures each step learns from, in all processes together.
        precision: "float32", "bfloat16", "float16" (its gradients scaled by torch's GradScaler,
            which leaves a step out where they overflow; slow on the CPU, not on mps), or "auto"
            for what `runtime.precision` says is fast here.
        seed: fixes the order, the augmentation and the dropout. Each picture's chance comes from
            (seed, step, place) alone, so it does not depend on num_workers, and the caller's
            random state is as it was afterwards.
        num_workers: how many processes read pictures; 0 for none but this.
        checkpoint: a file that is written after each epoch, at the end, on Ctrl-C, and when
            another process has ended. One that exists is refused, not overwritten, unless it is
            resumed.
        resume: go on from `checkpoint`, if it exists, with the same numbers as if the training
            had never stopped (same precision and thread count; to rounding with another number of
            processes); another loss, optimiser, budget or first batch is refused.
        progress: show a bar.

    Returns:
        The history: loss and learning rate of each step, the scores of each validation.

    Raises:
        MaskError, TypeError, ValueError: as a sentence, if the first batch, the budget or the
            checkpoint is wrong.
        FileExistsError: for a `checkpoint` that is there already, without `resume`.
        ConnectionError: if another process has ended.
        FloatingPointError: when the loss is no number any more (the batch is looked at for the
            cause), or when gradients overflow float16 however small they are made.

    Source:
        The schedule: DeepLab, arXiv 1606.00915, section 4.1.
    """
    seed, batch_size = whole_number(seed, "seed", 0), whole_number(batch_size, "batch_size", 1)
    learning_rate, num_workers = positive(learning_rate, "learning_rate"), whole_number(num_workers, "num_workers", 0)
    distributed.check_enough(batch_size)
    first_batch.check_data(model, train, val)
    each_step.check_optimizer(optimizer)
    budget = Budget(steps, epochs, minutes, steps_per_epoch=math.ceil(len(train) / batch_size))
    precision = runtime.checked_precision(precision)
    recipe = {"seed": seed, "batch_size": batch_size, "learning_rate": learning_rate, "precision": precision}
    recipe |= {"loss": in_words(loss), "optimizer": in_words(optimizer)}
    device = runtime.device()

    with on_device(device, model):
        optimiser = optimizer(model.parameters(), lr=learning_rate)
        each_step.check_built(optimiser)
        budget.start()
        schedule = budget.schedule(optimiser)
        scaler = torch.amp.GradScaler(device.type, enabled=precision == "float16")
        state = TrainingState(model, optimiser, schedule, scaler, budget, recipe, checkpoint)
        state.begin(resume, train)
        distributed.check_same(state.step, f"{checkpoint} must be the same file in all processes; they find the steps")
        learner = together.learner(model)  # the model; of several processes, what makes their gradients one
        batches = SeededBatchSampler(len(train), batch_size, seed, first_step=state.step, steps=budget.steps)
        loader = DataLoader(
            SeededDataset(train),
            batch_sampler=map(distributed.share, batches),
            num_workers=num_workers,
            collate_fn=collated,
            generator=torch.Generator(),
        )
        read = None  # what makes of the network's output what the loss takes: chosen at the first batch
        with (
            runtime.preserved_rng(),
            training_mode(model),
            catch_ctrl_c() as stopped,
            progress_bar(budget.steps, state.step, progress) as show,
            state.saved_if_lost(),
        ):
            for images, *targets in loader:
                if read is None:
                    whole = [distributed.gathered(tensor) for tensor in (images, *targets)]
                    first_batch.check_batch(whole[0], whole[1:], loss)
                    state.remember(whole)
                runtime.seed_everything(derive_seed(seed, state.step) + distributed.rank())
                images, *targets = (tensor.to(device) for tensor in (images, *targets))

                with runtime.autocast(precision), each_step.sizes_explained(images), together.shared_statistics():
                    output = learner(outputs.as_input(model, images))
                with each_step.void_explained(targets):
                    read = read or first_batch.reader(model, images, output, targets, loss, train)
                    value = together.loss_of_batch(loss, read(output), targets)
                each_step.check_loss(value, [images, *targets], train, state.step, recipe)

                optimiser.zero_grad()  # forget the gradient of the last step
                scaler.scale(value).backward()  # compute the new one; it is scaled in float16 only
                learnt = runtime.scaled_step(scaler, optimiser)  # move the weights, if the gradient is finite
                rate = optimiser.param_groups[0]["lr"]
                with quiet_if(not learnt):
                    schedule.step()  # lower the learning rate

                state.record(value.item(), rate, batch_size, skipped=not learnt)
                show(state.history)
                spent = budget.is_spent(state.step)  # asked once: minutes may run out between two questions
                if spent or budget.epoch_ends_at(state.step):
                    if val is not None:
                        state.keep_best(evaluate(model, val))
                    state.save()
                if spent or stopped():
                    break
        state.end(interrupted=stopped())
    return state.history


def evaluate(model: nn.Module, dataset: Dataset, *, batch_size: int = 16) -> ConfusionMatrix:
    """Count how the model's class maps of a whole data set agree with its masks. Lesson 04.

    The model works in eval mode without gradients, on the device where it is; its mode is put back
    afterwards. Several processes share the pictures, and each gets the matrix of all.

    Args:
        model: as in semantic_segmentation; one with one output has two classes.
        dataset: of (image, mask, …), images (C, H, W) in 0…1, masks (H, W); 255 is left out.
        batch_size: how many pictures go through the model together at most. Only neighbours of
            one size do.

    Returns:
        The confusion matrix of all pixels, which gives mean IoU, pixel accuracy and more.

    Raises:
        MaskError, TypeError, ValueError: as a sentence, for data that fit refuses, and for logits
            that are NaN.
    """
    batch_size = whole_number(batch_size, "batch_size", 1)
    check_dataset(dataset, "The data set to evaluate on")
    first_batch.check_truth(dataset)
    matrix = None
    with evaluation_mode(model), torch.inference_mode():
        for images, masks in same_size_batches(dataset, batch_size):
            check_unit_range(images)
            logits = outputs.class_logits(predict_logits(model, images), model)
            first_batch.check_masks(masks, images, logits.shape[1])
            matrix = matrix or ConfusionMatrix(logits.shape[1])
            matrix.update(logits.argmax(1), masks)
    return together.whole_matrix(matrix)
