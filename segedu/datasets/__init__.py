"""Data sets, rendered and real: each gives pictures with their masks (see base.SegmentationDataset)."""

from segedu.datasets.camvid import CamVid
from segedu.datasets.davis import Davis
from segedu.datasets.membranes import Membranes
from segedu.datasets.nuclei import Nuclei
from segedu.datasets.photographs import Photographs
from segedu.datasets.toycells import ToyCells
from segedu.datasets.toystreet import ToyStreet

__all__ = ["CamVid", "Davis", "Membranes", "Nuclei", "Photographs", "ToyCells", "ToyStreet"]
