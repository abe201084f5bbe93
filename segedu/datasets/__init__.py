"""Data sets, rendered and real: each gives pictures with their masks (see base.SegmentationDataset)."""

from segedu.datasets.camvid import CAMVID, CamVid
from segedu.datasets.davis import DAVIS, Davis
from segedu.datasets.folder import FolderError, PictureFolder
from segedu.datasets.membranes import MEMBRANES, Membranes
from segedu.datasets.nuclei import NUCLEI, Nuclei
from segedu.datasets.pets import Pets
from segedu.datasets.photographs import Photographs
from segedu.datasets.texturemosaic import TextureMosaic
from segedu.datasets.toycells import ToyCells
from segedu.datasets.toystreet import ToyStreet
from segedu.datasets.voc import VOC

__all__ = [
    "VOC", "CamVid", "Davis", "FolderError", "Membranes", "Nuclei", "Pets", "Photographs", "PictureFolder",
    "TextureMosaic", "ToyCells", "ToyStreet",
]  # fmt: skip

# What `segedu data` lists and fetches, by name.
REAL_DATA = {data.name: data for data in (CAMVID, DAVIS, MEMBRANES, NUCLEI)}
