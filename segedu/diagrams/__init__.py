"""Diagrams for lessons, drawn from what is measured: shapes by hooks, numbers by the operation itself."""

from segedu.diagrams.convolutions import convolution, dilation
from segedu.diagrams.fields import receptive_field
from segedu.diagrams.ladder import ladder
from segedu.diagrams.networks import network
from segedu.diagrams.resizing import pooling, transposed_convolution
from segedu.diagrams.scores import band, iou, matrix
from segedu.diagrams.stories import pipeline, split
from segedu.diagrams.training import batch, descent

__all__ = [
    "band",
    "batch",
    "convolution",
    "descent",
    "dilation",
    "iou",
    "ladder",
    "matrix",
    "network",
    "pipeline",
    "pooling",
    "receptive_field",
    "split",
    "transposed_convolution",
]
