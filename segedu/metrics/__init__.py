"""Scores: how far a prediction is from the truth."""

from segedu.metrics.boundary import border_band
from segedu.metrics.semantic import ConfusionMatrix

__all__ = ["ConfusionMatrix", "border_band"]
