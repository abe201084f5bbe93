"""All that changes while a model learns: kept in a checkpoint, taken up with the same numbers."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import Dataset

from segedu import distributed, resources
from segedu.metrics import ConfusionMatrix
from segedu.training import checkpoints, first_batch, headers
from segedu.training.budget import Budget
from segedu.training.history import EXAMPLE, History
from segedu.training.recipe import alike, in_numbers, plain


class TrainingState:
    """A training between two steps: what it works with, its history and its best weights.

    Args:
        model: the network that learns.
        optimizer: of its weights.
        schedule: of the optimiser's learning rate.
        scaler: of the gradients; enabled for float16 only.
        budget: how long to train; its clock goes on from the seconds of earlier runs.
        recipe: what has to be the same in all runs of one training, as values for JSON.
        checkpoint: the file that `save` writes and `begin` reads; None for no file.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        schedule: torch.optim.lr_scheduler.LRScheduler,
        scaler: torch.amp.GradScaler,
        budget: Budget,
        recipe: dict,
        checkpoint: str | Path | None,
    ):
        self.model, self.optimizer, self.schedule, self.scaler = model, optimizer, schedule, scaler
        self.budget, self.recipe = budget, recipe
        self.checkpoint = None if checkpoint is None else Path(checkpoint)
        self.history = History()
        self.best: dict[str, torch.Tensor] = {}
        self.first_batch: list[float] | None = None
        self.buffers: dict[str, torch.Tensor] = {}

    @property
    def step(self) -> int:
        """How many steps are taken."""
        return len(self.history.loss)

    def remember(self, batch: list[torch.Tensor]) -> None:
        """Note what the very first batch is, for a resumed run to compare with.

        Args:
            batch: the images, the masks and the rest, of all processes; of a later one nothing is
                noted.
        """
        if self.step == 0:
            self.first_batch = in_numbers(batch)

    def record(self, loss: float, learning_rate: float, pictures: int, skipped: bool) -> None:
        """Write one step into the history.

        Args:
            loss: of its batch.
            learning_rate: that it was taken at.
            pictures: how many were in the batch.
            skipped: whether the weights stayed as they were.
        """
        self.history.loss.append(loss)
        self.history.learning_rate.append(learning_rate)
        self.history.pictures += pictures
        self.history.skipped += skipped
        if distributed.size() > 1:  # the next forward pass moves batch normalisation's numbers on
            self.buffers = {name: buffer.clone() for name, buffer in self.model.named_buffers()}
        self.history.seconds = self.budget.seconds()

    def keep_best(self, matrix: ConfusionMatrix) -> None:
        """Write a validation's scores into the history, and keep the best weights so far.

        Args:
            matrix: what `evaluate` counted.
        """
        score = {"step": self.step, "mean_iou": matrix.mean_iou(), "pixel_accuracy": matrix.pixel_accuracy()}
        best_before = max((v["mean_iou"] for v in self.history.validations), default=-math.inf)
        self.history.validations.append(score)
        if score["mean_iou"] > best_before or not self.best:
            self.best = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
            self.history.best_step = self.step

    def end(self, interrupted: bool) -> None:
        """Give the model its best weights.

        Args:
            interrupted: whether Ctrl-C ended the training; it is then told and saved.
        """
        self.history.interrupted = interrupted
        if 0 < self.step == self.history.skipped:
            warnings.warn("Nothing was learnt: gradients overflowed float16 in each step. Train longer.", stacklevel=3)
        if interrupted:
            self.save()
            kept = f"the weights of step {self.history.best_step}, its best" if self.best else "what it has learnt"
            if distributed.is_first():
                print(f"Stopped after step {self.step}; the model keeps {kept}.")
        if self.best:
            self.model.load_state_dict(self.best)

    def save(self) -> None:
        """Write the checkpoint, if one is asked for: weights, optimiser, schedule, history.

        Of several processes, the first writes it.
        """
        if self.checkpoint is not None and distributed.is_first():
            self._write()

    @contextlib.contextmanager
    def saved_if_lost(self) -> Iterator[None]:
        """A `with` block in which the end of another process leaves a checkpoint of the last whole step.

        Raises:
            ConnectionError: as a sentence, then.
        """
        steps_before = self.step
        try:
            yield
        except RuntimeError as error:
            if distributed.size() == 1 or not distributed.is_lost(error):
                raise
            kept = "Nothing new was learnt."
            if self.checkpoint is not None and self.step > steps_before:
                kept = f"What was learnt up to step {self.step} is in {self.checkpoint}: resume it."
                if distributed.rank() < 2:  # two, since one of them may be the process that has ended
                    for name, buffer in self.model.named_buffers():
                        buffer.copy_(self.buffers[name])
                    self._write()
            raise ConnectionError(
                f"Another process of this training has ended, so this one ends, too. {kept}"
            ) from error

    def _write(self) -> None:
        state = self.optimizer.state_dict()["state"]
        tensors = {f"best.{name}": tensor for name, tensor in self.best.items()}
        for index, slots in state.items():
            tensors |= {f"optimizer.{index}.{slot}": torch.as_tensor(value) for slot, value in slots.items()}
        checkpoints.save(self.checkpoint, self.model, tensors=tensors, notes=self._notes())

    def begin(self, resume: bool, train: Dataset) -> None:
        """Take up an earlier run, if there is one.

        Args:
            resume: whether that is asked for.
            train: the data set, whose first batch must be that of the earlier run.

        Raises:
            FileExistsError: for a checkpoint that `resume` does not ask for, so nothing is lost.
            IsADirectoryError: for a folder.
            ValueError: for one of another training.
            CheckpointError: for one that is damaged, or of another network, and for a class table
                of another number of classes than the network has.
            OSError: where no file can be written.
        """
        if self.checkpoint is None:
            if resume:
                raise ValueError("resume=True needs checkpoint=, the file to go on from.")
            return
        checkpoints.checked_labels(self.model, None)  # now, not when the first epoch is to be saved
        resources.check_writable(self.checkpoint)
        if resume and distributed.is_first():
            resources.remove_unfinished(self.checkpoint)  # what a run that was killed has left
        if not self.checkpoint.exists():
            return
        if self.checkpoint.is_dir():
            inside = str(self.checkpoint / "run.safetensors")
            raise IsADirectoryError(f"{self.checkpoint} is a folder; give a file in it: checkpoint={inside!r}")
        if not resume:
            raise FileExistsError(
                f"{self.checkpoint} holds an earlier training. Go on with it by resume=True, or choose another file."
            )
        tensors, header = checkpoints.read(self.checkpoint)
        # Copies: what was read still lies in the file, and Windows replaces no file in which something lies.
        tensors = {name: tensor.clone() for name, tensor in tensors.items()}
        notes, here = header["notes"], self._notes()
        headers.check_notes(self.checkpoint, notes, here | {"history": asdict(EXAMPLE)})
        self._check_same(notes, here, train)
        headers.check_training(self.checkpoint, tensors, notes, here, self.model, self.optimizer)
        if notes["threads"] != here["threads"]:
            warnings.warn(
                f"{self.checkpoint} was trained on {notes['threads']} threads, now there are {here['threads']}: "
                "sums are taken in another order, so the last digits will differ.",
                stacklevel=3,
            )
        self._take_up(tensors, notes)

    def _check_same(self, notes: dict, here: dict, train: Dataset) -> None:
        """Raise ValueError unless recipe, budget and first batch are those of the notes."""
        for name in ("recipe", "budget"):
            then, now = notes[name], here[name]
            changed = [key for key in then.keys() | now.keys() if then.get(key) != now.get(key)]
            if changed:
                before, after = ({key: side.get(key) for key in sorted(changed)} for side in (then, now))
                raise self._differs(f"{name} {before}", f"it is {after}")
        if not alike(notes["first_batch"], in_numbers(first_batch.of(train, **self.recipe))):
            raise self._differs("other pictures, masks or another augmentation", "the first batch is not the same")

    def _differs(self, then: str, now: str) -> ValueError:
        return ValueError(
            f"{self.checkpoint} was trained with {then}, now {now}: the numbers would not be those of one training. "
            "Call fit as before, or start anew with another file."
        )

    def _take_up(self, tensors: dict[str, torch.Tensor], notes: dict) -> None:
        """Become what a checkpoint holds."""
        checkpoints.load(self.checkpoint, self.model)
        self.best, self.first_batch = _with_prefix(tensors, "best."), notes["first_batch"]
        state = self.optimizer.state_dict()
        state["state"] = _unflatten(_with_prefix(tensors, "optimizer."))
        state["param_groups"] = [
            group | saved for group, saved in zip(state["param_groups"], notes["groups"], strict=True)
        ]
        self.optimizer.load_state_dict(state)
        self.schedule.load_state_dict(notes["scheduler"])
        self.scaler.load_state_dict(notes["scaler"])
        self.history = History(**notes["history"])
        self.history.interrupted = False
        self.budget.seconds_before = self.history.seconds

    def _notes(self) -> dict:
        """What a checkpoint holds beside tensors, for its header."""
        groups = [
            {key: plain(value) for key, value in group.items() if key != "params"}
            for group in self.optimizer.param_groups
        ]
        return {
            "recipe": self.recipe,
            "budget": asdict(self.budget),
            "threads": torch.get_num_threads(),
            "first_batch": self.first_batch,
            "groups": groups,
            "scheduler": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
            "history": asdict(self.history),
        }


def _with_prefix(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The tensors whose names begin with the prefix, under what comes behind it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _unflatten(flat: dict[str, torch.Tensor]) -> dict[int, dict[str, torch.Tensor]]:
    """{"3.exp_avg": t} → {3: {"exp_avg": t}}, the form of an optimiser's state."""
    nested: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in flat.items():
        index, slot = name.split(".", 1)
        nested.setdefault(int(index), {})[slot] = tensor
    return nested
