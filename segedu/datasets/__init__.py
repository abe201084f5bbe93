"""Data sets, rendered and real: each gives pictures with their masks (see base.SegmentationDataset)."""

from segedu.datasets.camvid import CamVid

__all__ = ["CamVid"]
