"""Scores: how far a prediction is from the truth."""

from segedu.metrics.boundary import border_band, boundary_iou, trimap_curve
from segedu.metrics.calibration import (
    coverage_curve,
    expected_calibration_error,
    fit_temperature,
    reliability_curve,
)
from segedu.metrics.objects import average_precision, rand_error, size_stratified_iou
from segedu.metrics.panoptic import panoptic_quality
from segedu.metrics.semantic import ConfusionMatrix
from segedu.metrics.video import id_metrics, temporal_consistency

__all__ = [
    "ConfusionMatrix", "average_precision", "border_band", "boundary_iou", "coverage_curve",
    "expected_calibration_error", "fit_temperature", "id_metrics", "panoptic_quality", "rand_error",
    "reliability_curve", "size_stratified_iou", "temporal_consistency", "trimap_curve",
]  # fmt: skip
