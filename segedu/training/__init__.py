"""`fit` and `evaluate`, and what they stand on. Lesson 04 builds the same loop by hand.

`loop`: the step, in sight.   `history`: what it did.   `batches`: which picture comes when.
`first_batch`: what is looked at before learning.   `each_step`: what can go wrong later.
`budget`: how long, and at which learning rate.   `modes`: what is set meanwhile, and put back.
`together`: what makes the step of several processes the step of one.
`resume`: a training kept and taken up again, as one if its `recipe` is the same.
`checkpoints`: weights on disk, checked by `headers`.
"""

from segedu.training.checkpoints import CheckpointError, load, save
from segedu.training.loop import History, evaluate, fit

__all__ = ["CheckpointError", "History", "evaluate", "fit", "load", "save"]
