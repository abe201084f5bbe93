"""Scores: how far a prediction is from the truth."""

from segedu.metrics.boundary import border_band, boundary_iou, trimap_curve
from segedu.metrics.instance import rand_error, size_stratified_iou
from segedu.metrics.panoptic import panoptic_quality
from segedu.metrics.precision import average_precision
from segedu.metrics.semantic import ConfusionMatrix

__all__ = [
    "ConfusionMatrix", "average_precision", "border_band", "boundary_iou", "panoptic_quality", "rand_error",
    "size_stratified_iou", "trimap_curve",
]  # fmt: skip
