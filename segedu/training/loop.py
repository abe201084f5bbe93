"""`fit` and `evaluate`: one short loop for every model, loss and data set. Lesson 04 builds the same loop by hand."""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from segedu import runtime
from segedu.inference.semantic import evaluation_mode, predict_logits
from segedu.inputs import check_dataset, check_unit_range, collated, positive, whole_number
from segedu.losses import cross_entropy
from segedu.metrics import ConfusionMatrix
from segedu.models import outputs
from segedu.training import checkpoints, first_batch, headers
from segedu.training import resume as same
from segedu.training.batches import Batches, Seeded, mix, same_size_batches
from segedu.training.modes import lent_to, training_mode

POLY_POWER = 0.9  # DeepLab, arXiv 1606.00915, section 4.1


@dataclass
class History:
    """What a training did: lists with one entry a step, and one a validation.

    loss, learning_rate: one number a step.   validations: {"step", "mean_iou", "pixel_accuracy"} each.
    seconds: wall time of all runs together.   pictures: how many were learnt from.
    interrupted: True if Ctrl-C ended it.     best_step: the step whose weights the model holds; None without `val`.
    skipped: how many steps of a float16 training left the weights as they were, because the gradients overflowed.
    """

    loss: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    validations: list[dict] = field(default_factory=list)
    seconds: float = 0.0
    pictures: int = 0
    interrupted: bool = False
    best_step: int | None = None
    skipped: int = 0

    @property
    def pictures_per_second(self) -> float:
        return self.pictures / self.seconds if self.seconds else math.nan


# One entry of each kind, for the form of a history.
EXAMPLE = History([0.0], [0.0], [{"step": 0, "mean_iou": 0.0, "pixel_accuracy": 0.0}])


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
    """The history of training `model` on `train`; the model itself holds what was learnt.

    model: a part that is in eval mode while the model is in train mode is frozen and stays so; all others learn, and
        afterwards each is in the mode where it was. Freeze by model.train(), then part.eval() for each of its parts.
    train, val: data sets of (image, mask, …): tensors or arrays, images (C, H, W) in 0…1, masks (H, W). Batches are
        cut from an endless row of shuffled passes, so that all have `batch_size` pictures; an epoch is as many steps
        as it takes to see len(train) pictures.
    steps, epochs, minutes: the budget, exactly one of them.
    loss: called as loss(output, *targets), targets being all that a sample holds behind its image. Logits at 1/2 … 1/32
        of the picture's size are enlarged before; of a dict that the loss cannot read it gets the logits.
    optimizer: called as optimizer(parameters, lr=learning_rate). The rate falls to 0 by the "poly" schedule,
        (1 − step/steps)^0.9 (DeepLab, arXiv 1606.00915, section 4.1).
    precision: "float32", "bfloat16", "float16" (its gradients scaled by torch's GradScaler, which leaves a step out
        where they overflow; slow on the CPU, not on mps), or "auto" for what `runtime.precision` says is fast here.
    seed: fixes the order, the augmentation and the dropout. Each picture's chance comes from (seed, step, place) alone,
        so it does not depend on num_workers, and the caller's random state is as it was afterwards.
    val: scored after each epoch and at the end; the model ends with the weights of the best mean IoU.
    checkpoint: a file that is written after each epoch, at the end, and on Ctrl-C. With resume=True training goes on
        from it, with the same numbers as if it had never stopped (same precision and thread count); another loss,
        optimiser, budget or first batch is refused. Without, an existing file is refused, not overwritten.
    Ctrl-C ends the training after the running step and keeps what was learnt. The model learns on `runtime.device()`,
    and is afterwards on the device where it was before.
    Raises MaskError, TypeError or ValueError, as a sentence, if the first batch, the budget or the checkpoint is wrong.
    """
    seed, batch_size = whole_number(seed, "seed", 0), whole_number(batch_size, "batch_size", 1)
    learning_rate, num_workers = positive(learning_rate, "learning_rate"), whole_number(num_workers, "num_workers", 0)
    first_batch.check_data(model, train, val)
    budget = _Budget(steps, epochs, minutes, steps_per_epoch=math.ceil(len(train) / batch_size))
    precision = runtime.checked_precision(precision)
    recipe = {"seed": seed, "batch_size": batch_size, "learning_rate": learning_rate, "precision": precision}
    recipe |= {"loss": same.in_words(loss), "optimizer": same.in_words(optimizer)}
    with lent_to(runtime.device(), model):
        run = _Run(model, optimizer(model.parameters(), lr=learning_rate), budget, recipe, checkpoint)
        run.begin(resume, train)
        batches = Batches(len(train), batch_size, seed, first_step=run.step, steps=budget.steps)
        loader = DataLoader(
            Seeded(train), batch_sampler=batches, num_workers=num_workers, collate_fn=collated,
            generator=torch.Generator(),
        )  # fmt: skip
        with runtime.preserved_rng(), training_mode(model), _stop_request() as stopped, run.bar(progress):
            for images, *targets in loader:
                if run.step == run.first_step:
                    first_batch.check_batch(images, targets, loss)
                    run.remember([images, *targets])
                runtime.seed_everything(mix(seed, run.step))
                images, *targets = (tensor.to(runtime.device()) for tensor in (images, *targets))
                with runtime.autocast(precision), first_batch.sizes_explained(images):
                    output = model(outputs.as_input(model, images))
                if run.step == run.first_step:
                    read = first_batch.reader(model, images, output, targets, loss, train)
                value = loss(read(output), *targets)
                run.learn(value, len(images))
                if budget.epoch_ends_at(run.step) or run.finished():
                    run.validate(val)
                    run.write()
                if stopped() or run.finished():
                    break
        run.end(interrupted=stopped())
    return run.history


def evaluate(model: nn.Module, dataset: Dataset, *, batch_size: int = 16) -> ConfusionMatrix:
    """The confusion matrix of the model's class maps over a whole data set of (image, mask, …); 255 is left out.

    Pictures of one size that follow each other go through the model together, at most batch_size at once.
    The model works in eval mode without gradients, on the device where it is; its mode is put back afterwards.
    model: as in semantic_segmentation; one with one output has two classes.
    Raises MaskError, TypeError or ValueError, as a sentence, for data that fit refuses, and for logits that are NaN.
    """
    batch_size = whole_number(batch_size, "batch_size", 1)
    check_dataset(dataset, "The data set to evaluate on")
    first_batch.check_truth(dataset)
    matrix = None
    with evaluation_mode(model), torch.inference_mode():
        for images, masks in same_size_batches(dataset, batch_size):
            check_unit_range(images)
            logits = outputs.class_logits(predict_logits(model, images))
            first_batch.check_masks(masks, images, logits.shape[1])
            matrix = matrix or ConfusionMatrix(logits.shape[1])
            matrix.update(logits.argmax(1), masks)
    return matrix


@dataclass
class _Budget:
    """How long to train: exactly one of steps, epochs and minutes."""

    steps: int | None
    epochs: float | None
    minutes: float | None
    steps_per_epoch: int

    def __post_init__(self):
        given = {name: v for name in ("steps", "epochs", "minutes") if (v := getattr(self, name)) is not None}
        try:
            ((name, value),) = given.items()
            setattr(self, name, whole_number(value, name, 1) if name == "steps" else positive(value, name))
        except ValueError:
            raise ValueError(
                f"Give fit exactly one budget above 0, steps= (whole), epochs= or minutes=; got {given or 'none'}."
            ) from None
        if self.epochs is not None:
            self.steps = math.ceil(self.epochs * self.steps_per_epoch)

    def epoch_ends_at(self, step: int) -> bool:
        return step % self.steps_per_epoch == 0

    def schedule(self, optimizer: torch.optim.Optimizer, seconds: Callable[[], float]):
        """The poly schedule: by steps, or by the part of the minutes that is used up."""
        if self.steps is not None:
            return torch.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=self.steps, power=POLY_POWER)

        def rate(_step: int) -> float:
            return max(0.0, 1 - seconds() / (60 * self.minutes)) ** POLY_POWER

        return torch.optim.lr_scheduler.LambdaLR(optimizer, rate)


class _Run:
    """All that changes while a model learns, and that a checkpoint has to hold."""

    def __init__(self, model, optimizer, budget: _Budget, recipe: dict, checkpoint):
        self.model, self.optimizer, self.budget, self.recipe = model, optimizer, budget, recipe
        self.checkpoint = None if checkpoint is None else Path(checkpoint)
        self.history, self.step, self.first_step = History(), 0, 0
        self.best: dict[str, torch.Tensor] = {}
        self.first_batch: list[float] | None = None
        self.seconds_before, self.started = 0.0, time.perf_counter()
        self.scheduler = budget.schedule(optimizer, self.seconds)
        self.scaler = torch.amp.GradScaler(runtime.device().type, enabled=recipe["precision"] == "float16")

    def seconds(self) -> float:
        return self.seconds_before + time.perf_counter() - self.started

    def finished(self) -> bool:
        if self.budget.steps is not None:
            return self.step >= self.budget.steps
        return self.seconds() >= 60 * self.budget.minutes

    @contextlib.contextmanager
    def bar(self, progress: bool) -> Iterator[None]:
        from tqdm.auto import tqdm  # here: in a notebook it imports ipywidgets, which `import segedu` must not

        with tqdm(total=self.budget.steps, initial=self.step, unit="step", disable=not progress) as self.progress:
            yield

    def learn(self, value: torch.Tensor, pictures: int) -> None:
        """One step of the optimiser, written into the history."""
        if not torch.isfinite(value):
            way_out = f"learning_rate={self.recipe['learning_rate'] / 10:g}"
            if self.recipe["precision"] == "float16":
                way_out += ", or precision='float32', as float16 ends at 65504"
            raise FloatingPointError(
                f"The loss became {value.item()} at step {self.step}. A learning rate that is too high is the usual "
                f"cause; try {way_out} (lesson 04, 'the loss does not fall')."
            )
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(value).backward()
        learnt = runtime.scaled_step(self.scaler, self.optimizer)
        self.history.skipped += not learnt
        self.history.loss.append(value.item())
        self.history.learning_rate.append(self.optimizer.param_groups[0]["lr"])
        # the schedule goes by batches, learnt or not; after a first one that is not, torch would warn of the order
        with contextlib.nullcontext() if learnt else warnings.catch_warnings(action="ignore"):
            self.scheduler.step()
        self.step += 1
        self.history.pictures += pictures
        self.history.seconds = self.seconds()
        self.progress.set_postfix(self._latest(), refresh=False)
        self.progress.update()

    def _latest(self) -> dict[str, str]:
        latest = {"loss": f"{self.history.loss[-1]:.3f}"}
        if self.history.validations:
            latest["mIoU"] = f"{self.history.validations[-1]['mean_iou']:.3f}"
        return latest

    def validate(self, val: Dataset | None) -> None:
        """Score the model on `val` and keep its weights if they are the best so far."""
        if val is None:
            return
        matrix = evaluate(self.model, val)
        score = {"step": self.step, "mean_iou": matrix.mean_iou(), "pixel_accuracy": matrix.pixel_accuracy()}
        best_before = max((v["mean_iou"] for v in self.history.validations), default=-math.inf)
        self.history.validations.append(score)
        if score["mean_iou"] > best_before or not self.best:
            self.best = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
            self.history.best_step = self.step

    def remember(self, batch: list[torch.Tensor]) -> None:
        """What the very first batch was, so that a run that goes on can see whether its data are the same."""
        if self.step == 0:
            self.first_batch = same.in_numbers(batch)

    def begin(self, resume: bool, train: Dataset) -> None:
        """Take up an earlier run if there is one and it is asked for; refuse to overwrite it otherwise."""
        if self.checkpoint is None:
            if resume:
                raise ValueError("resume=True needs checkpoint=, the file to go on from.")
            return
        if not self.checkpoint.exists():
            return
        if not resume:
            raise FileExistsError(
                f"{self.checkpoint} holds an earlier training. Go on with it by resume=True, or choose another file."
            )
        tensors, header = checkpoints.read(self.checkpoint)
        notes, here = header["notes"], self._notes()
        headers.check_notes(self.checkpoint, notes, here | {"history": asdict(EXAMPLE)})
        for name in ("recipe", "budget"):
            then, now = notes[name], here[name]
            changed = [key for key in then.keys() | now.keys() if then.get(key) != now.get(key)]
            if changed:
                before, after = ({key: side.get(key) for key in sorted(changed)} for side in (then, now))
                raise self._differs(f"{name} {before}", f"it is {after}")
        self.first_batch = notes["first_batch"]
        if not same.alike(self.first_batch, same.in_numbers(first_batch.of(train, **self.recipe))):
            raise self._differs("other pictures, masks or another augmentation", "the first batch is not the same")
        headers.check_training(self.checkpoint, tensors, notes, here, self)
        if notes["threads"] != here["threads"]:
            warnings.warn(
                f"{self.checkpoint} was trained on {notes['threads']} threads, now there are {here['threads']}: "
                "sums are taken in another order, so the last digits will differ.",
                stacklevel=3,
            )
        checkpoints.load(self.checkpoint, self.model)
        self.best = _under(tensors, "best.")
        state = self.optimizer.state_dict()
        state["state"] = _nested(_under(tensors, "optimizer."))
        state["param_groups"] = [
            group | saved for group, saved in zip(state["param_groups"], notes["groups"], strict=True)
        ]
        self.optimizer.load_state_dict(state)
        self.scheduler.load_state_dict(notes["scheduler"])
        self.scaler.load_state_dict(notes["scaler"])
        self.history = History(**notes["history"])
        self.history.interrupted = False
        self.step = self.first_step = len(self.history.loss)
        self.seconds_before = self.history.seconds

    def _differs(self, then: str, now: str) -> ValueError:
        return ValueError(
            f"{self.checkpoint} was trained with {then}, now {now}: the numbers would not be those of one training. "
            "Call fit as before, or start anew with another file."
        )

    def write(self) -> None:
        """Write the checkpoint, if one is asked for: weights, best weights, optimiser, schedule, history."""
        if self.checkpoint is None:
            return
        state = self.optimizer.state_dict()["state"]
        tensors = {f"best.{name}": tensor for name, tensor in self.best.items()}
        for index, slots in state.items():
            tensors |= {f"optimizer.{index}.{slot}": torch.as_tensor(value) for slot, value in slots.items()}
        checkpoints.save(self.checkpoint, self.model, tensors=tensors, notes=self._notes())

    def _notes(self) -> dict:
        groups = [
            {key: same.plain(value) for key, value in group.items() if key != "params"}
            for group in self.optimizer.param_groups
        ]
        return {
            "recipe": self.recipe,
            "budget": asdict(self.budget),
            "threads": torch.get_num_threads(),
            "first_batch": self.first_batch,
            "groups": groups,
            "scheduler": self.scheduler.state_dict(),
            "scaler": self.scaler.state_dict(),
            "history": asdict(self.history),
        }

    def end(self, interrupted: bool) -> None:
        self.history.interrupted = interrupted
        if 0 < self.step == self.history.skipped:
            warnings.warn("Nothing was learnt: gradients overflowed float16 in each step. Train longer.", stacklevel=3)
        if interrupted:
            self.write()
            kept = f"the weights of step {self.history.best_step}, its best" if self.best else "what it has learnt"
            print(f"Stopped after step {self.step}; the model keeps {kept}.")
        if self.best:
            self.model.load_state_dict(self.best)


@contextlib.contextmanager
def _stop_request() -> Iterator[Callable[[], bool]]:
    """Ctrl-C sets a flag that is read between two steps, so no step is cut in half; a second Ctrl-C stops at once."""
    requested = threading.Event()

    def ask(signum, frame):
        if requested.is_set():
            raise KeyboardInterrupt
        requested.set()

    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield requested.is_set
        return
    before = signal.signal(signal.SIGINT, ask)
    try:
        yield requested.is_set
    finally:
        signal.signal(signal.SIGINT, before)


def _under(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _nested(flat: dict[str, torch.Tensor]) -> dict[int, dict[str, torch.Tensor]]:
    """{"3.exp_avg": t} → {3: {"exp_avg": t}}, the form of an optimiser's state."""
    nested: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in flat.items():
        index, slot = name.split(".", 1)
        nested.setdefault(int(index), {})[slot] = tensor
    return nested
