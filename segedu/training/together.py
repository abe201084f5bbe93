"""What makes a step of several processes the step of one: gradients, loss and batch normalisation of the whole batch.

Each process has a share of the batch. Alone, nothing here changes anything.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from segedu import distributed
from segedu.ids import ignored_id
from segedu.labels import IGNORE_INDEX
from segedu.losses import cross_entropy, focal_loss
from segedu.metrics import ConfusionMatrix
from segedu.training.first_batch import each_tensor


def learner(model: nn.Module) -> nn.Module:
    """What to call for the network's output: the model, or torch's DistributedDataParallel around it.

    That starts all processes from the first one's weights, and in `backward` gives each parameter
    the mean of the processes' gradients.

    Args:
        model: on the device where it learns.
    """
    if distributed.size() == 1:
        return model
    _warn_into_the_void()
    _give_buffers_their_own_memory(model)
    return nn.parallel.DistributedDataParallel(model, find_unused_parameters=True)


def _give_buffers_their_own_memory(model: nn.Module) -> None:
    """Into each buffer torch writes the first process's numbers, which it cannot where one stands for many.

    FixedBilinear has one kernel for all channels.
    """
    for part in model.modules():
        for name, buffer in part.named_buffers(recurse=False):
            if 0 in buffer.stride():
                setattr(part, name, buffer.contiguous())


def _warn_into_the_void() -> None:
    """A loss need not use all weights, so torch has to look which it does; that this takes time, it says once, here.

    It does so past Python's warnings, and of every network that uses all of its weights.
    """
    usual = os.dup(2)
    try:
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            os.dup2(nowhere.fileno(), 2)
            nn.parallel.DistributedDataParallel(nn.Linear(1, 1), find_unused_parameters=True)(torch.zeros(1, 1))
    finally:
        os.dup2(usual, 2)
        os.close(usual)


def loss_of_batch(loss: Callable, output: object, targets: list[torch.Tensor]) -> torch.Tensor:
    """The loss of the whole batch; its gradient, averaged over the processes, is the whole batch's, too.

    A mean over pixels is put together from the processes' means, each weighted by the pixels that
    it counts. Any other loss is computed in each process on the outputs of all.

    Args:
        loss: as in `fit`.
        output: what the loss takes, of this process's pictures.
        targets: of this process's pictures.
    """
    processes = distributed.size()
    if processes == 1:
        return loss(output, *targets)
    weight = divisor(loss, targets)
    if weight is None:
        value = loss(each_tensor(output, distributed.gathered), *map(distributed.gathered, targets))
        if not isinstance(value, torch.Tensor) or value.numel() != 1:
            return value  # which is no loss, and will be told
        number = value.detach()
    else:
        whole = distributed.summed(weight).clamp(min=torch.finfo(weight.dtype).tiny)
        value = loss(output, *targets) * (weight / whole)
        number = distributed.summed(value)
    return number + processes * (value - value.detach())  # the mean over the processes makes a sum of it again


def divisor(loss: Callable, targets: list[torch.Tensor]) -> torch.Tensor | None:
    """By what the loss divides its sum: how many pixels count, or their weight. None if it is no such mean.

    Args:
        loss: segedu's cross_entropy or focal_loss, also as a partial with settings; of any other
            it is not known.
        targets: the masks (N, H, W), and what else the loss takes.
    """
    settings = {}
    while isinstance(loss, functools.partial) and not loss.args:
        loss, settings = loss.func, loss.keywords | settings
    if loss not in (cross_entropy, focal_loss) or len(targets) > 1 or settings.get("pixel_weights") is not None:
        return None
    counted = targets[0] != ignored_id(settings.get("ignore_index", IGNORE_INDEX))
    if settings.get("class_weights") is None:
        return counted.sum().double()
    weights = torch.as_tensor(settings["class_weights"], dtype=torch.float64, device=counted.device)
    return weights[targets[0][counted]].sum()


def whole_matrix(matrix: ConfusionMatrix | None) -> ConfusionMatrix:
    """The sum of the processes' confusion matrices.

    Args:
        matrix: of this process's share of the pictures; None if that is empty.
    """
    classes = max(distributed.all_items([matrix.num_classes if matrix else 0]))
    matrix = matrix or ConfusionMatrix(classes)
    matrix.counts = distributed.summed(matrix.counts)
    return matrix


def shared_statistics() -> contextlib.AbstractContextManager:
    """A `with` block in which batch normalisation takes mean and spread from all processes' pictures."""
    return _SharedStatistics() if distributed.size() > 1 else contextlib.nullcontext()


class _SharedStatistics(TorchFunctionMode):
    """F.batch_norm, which every such layer calls, goes through here; all else is as it was.

    torch's own SyncBatchNorm does the same on GPUs only.
    """

    def __torch_function__(self, function, types, args=(), kwargs=None):
        call = batch_norm if function is F.batch_norm else function
        return call(*args, **(kwargs or {}))


def batch_norm(
    x: torch.Tensor,
    running_mean: torch.Tensor | None,
    running_var: torch.Tensor | None,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> torch.Tensor:
    """As torch.nn.functional.batch_norm, with the mean and the spread of all processes' pictures.

    Args:
        x: (N, C, …), this process's.
        running_mean: (C,), moved on in place while training; None for none.
        running_var: (C,), as running_mean.
        weight: (C,), what the normalised channels are multiplied by.
        bias: (C,), what is added then.
        training: False normalises by the running numbers, as torch does.
        momentum: the new numbers' part in the running ones.
        eps: what is added to the variance.

    Source:
        Ioffe and Szegedy, arXiv 1502.03167, algorithm 1; the gradient: its section 3.
    """
    if not training:
        return F.batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps)
    axes = [axis for axis in range(x.ndim) if axis != 1]
    wide = torch.promote_types(x.dtype, torch.float32)  # sums over pixels leave 16 bits
    with torch.no_grad():
        var, mean = torch.var_mean(x.to(wide), axes, correction=0)
        count = x.numel() / x.shape[1]
        own = torch.stack([torch.full_like(mean, count), mean, var]).double()
        count, means, variances = distributed.stacked(own).unbind(1)  # (processes, C) each
        total = count.sum(0)
        if total[0] < 2:
            raise ValueError(f"Expected more than 1 value per channel when training, got input size {x.size()}")
        mean = (count * means).sum(0) / total
        var = (count * (variances + (means - mean) ** 2)).sum(0) / total
        if running_mean is not None:
            running_mean.lerp_(mean.to(running_mean), momentum)
            running_var.lerp_((var * total / (total - 1)).to(running_var), momentum)
    return _BatchNorm.apply(x, weight, bias, mean.to(wide), var.to(wide), eps, total.to(wide))


class _BatchNorm(torch.autograd.Function):
    """Forward by given numbers; backward knows that they hang on all processes' pictures."""

    @staticmethod
    def forward(ctx, x, weight, bias, mean, var, eps, total):
        ctx.save_for_backward(x, weight, mean, (var + eps).rsqrt(), total)
        return F.batch_norm(x, mean, var, weight, bias, False, 0.0, eps)

    @staticmethod
    def backward(ctx, slope):
        x, weight, mean, scale, total = ctx.saved_tensors
        each = [1, -1] + [1] * (x.ndim - 2)  # numbers of channels, laid on x
        axes = [axis for axis in range(x.ndim) if axis != 1]
        slope = slope.to(mean.dtype)
        normal = (x - mean.view(each)) * scale.view(each)
        own = torch.stack([slope.sum(axes), (slope * normal).sum(axes)])
        of_bias, of_weight = distributed.summed(own) / total
        scale = scale if weight is None else scale * weight
        of_x = (slope - of_bias.view(each) - normal * of_weight.view(each)) * scale.view(each)
        needed = ctx.needs_input_grad
        return (
            of_x.to(x.dtype),
            own[1].to(weight.dtype) if weight is not None and needed[1] else None,
            own[0].to(weight.dtype) if needed[2] else None,
            *[None] * 4,
        )
