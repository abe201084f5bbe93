"""Scores: how far a prediction is from the truth."""

from segedu.metrics.boundary import border_band, boundary_iou
from segedu.metrics.instance import rand_error
from segedu.metrics.semantic import ConfusionMatrix

__all__ = ["ConfusionMatrix", "border_band", "boundary_iou", "rand_error"]
