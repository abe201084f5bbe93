"""`fit` and `evaluate`, and what they stand on. Lesson 04 builds the same loop by hand.

`loop`: the step, in sight.   `batches`: which picture comes when.   `first_batch`: what is looked at before learning.
`checkpoints`: weights on disk, checked by `headers`.   `resume`: what makes two trainings one.   `modes`: what is lent.
"""

from segedu.training.checkpoints import CheckpointError, load, save
from segedu.training.loop import History, evaluate, fit

__all__ = ["CheckpointError", "History", "evaluate", "fit", "load", "save"]
