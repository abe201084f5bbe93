"""The architectures, one a file. What each of them owes stands in `layers.SegmentationModel`."""

from segedu.models.backbone_unet import BackboneUNet
from segedu.models.deeplab import DeepLab
from segedu.models.fcn import FCN
from segedu.models.panoptic import PanopticDeepLab, PanopticOutput
from segedu.models.papers import PaperDeepLab, PaperFCN
from segedu.models.quick import QuickUNet
from segedu.models.segformer import SegFormer
from segedu.models.smallnet import SmallNet
from segedu.models.unet import PaperUNet, UNet

__all__ = [
    "FCN",
    "BackboneUNet",
    "DeepLab",
    "PanopticDeepLab",
    "PanopticOutput",
    "PaperDeepLab",
    "PaperFCN",
    "PaperUNet",
    "QuickUNet",
    "SegFormer",
    "SmallNet",
    "UNet",
]
