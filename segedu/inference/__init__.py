"""A trained network as a function: class ids of pixels (`semantic`), object ids (`instances`), lasting ids of objects.

From below: `tiles` (how a large picture is cut), `semantic`, `probabilities` (what else a pixel might be), `instances`;
`tracking` needs maps of ids only. `tiffs`, `windows`: pictures larger than memory.
"""

from segedu.inference.instances import Instances, instance_segmentation, objects_by_watershed, split_by_distance
from segedu.inference.probabilities import class_probabilities, entropy
from segedu.inference.semantic import evaluation_mode, predict_logits, semantic_segmentation
from segedu.inference.tiffs import TiffPicture
from segedu.inference.tracking import track
from segedu.inference.windows import segment_by_windows
from segedu.pictures import picture_tensor

__all__ = [
    "Instances",
    "TiffPicture",
    "class_probabilities",
    "entropy",
    "evaluation_mode",
    "instance_segmentation",
    "objects_by_watershed",
    "picture_tensor",
    "predict_logits",
    "segment_by_windows",
    "semantic_segmentation",
    "split_by_distance",
    "track",
]  # fmt: skip
