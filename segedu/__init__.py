"""segedu: image segmentation from scratch, and tools that work on your own pictures."""

import importlib
import sys

# scipy and scikit-image would take half a second more: whoever needs them imports them inside the function that does.
from segedu import corruptions, datasets, inference, losses, masks, metrics, models, training, transforms
from segedu.inference import instance_segmentation, semantic_segmentation
from segedu.runtime import device, seed_everything
from segedu.training import evaluate, fit, load, save

__version__ = "0.1.0"

__all__ = [
    "check", "corruptions", "datasets", "device", "evaluate", "fit", "instance_segmentation", "load", "losses", "masks",
    "metrics", "models", "plotting", "save", "scoreboard", "seed_everything", "semantic_segmentation", "statistics",
    "transforms", "widgets",
]  # fmt: skip

# Where modules stood before they had rooms of their own: what was written for those names goes on working.
_OLD_DOORS = {
    "checkpoints": training.checkpoints, "instances": inference.instances, "sampling": training.batches,
    "tiling": inference.tiles, "tracking": inference.tracking,
}  # fmt: skip
sys.modules |= {f"{__name__}.{name}": module for name, module in _OLD_DOORS.items()}
globals().update(_OLD_DOORS)

# Lessons use these; some draw, and so need matplotlib or ipywidgets: they are imported when they are first asked for.
_ON_DEMAND = ("check", "plotting", "scoreboard", "statistics", "widgets")


def __getattr__(name: str):
    if name in _ON_DEMAND:
        return importlib.import_module(f"segedu.{name}")
    raise AttributeError(f"segedu has no {name!r}; it has {', '.join(__all__)}.")
