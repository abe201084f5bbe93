"""Data sets, rendered and real: each gives pictures with their masks (see base.SegmentationDataset)."""

from segedu.datasets.camvid import CamVid
from segedu.datasets.photographs import Photographs
from segedu.datasets.toystreet import ToyStreet

__all__ = ["CamVid", "Photographs", "ToyStreet"]
