"""VOC: photographs from the web with twenty kinds of objects cut out (Pascal VOC 2012, Everingham et al. 2015)."""

from __future__ import annotations

from pathlib import Path

from torch.utils.data import Dataset

from segedu.datasets.of_torchvision import TorchvisionDataset
from segedu.labels import LabelTable

# Pascal VOC's twenty classes behind background, in VOC's order and colours; but car's is void's here, and another.
CLASSES = LabelTable(
    names=(
        "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
        "dining table", "dog", "horse", "motorbike", "person", "potted plant", "sheep", "sofa", "train", "tv monitor",
    ),
    colours=(
        (0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128), (0, 128, 128),
        (192, 192, 192), (64, 0, 0), (192, 0, 0), (64, 128, 0), (192, 128, 0), (64, 0, 128), (192, 0, 128),
        (64, 128, 128), (192, 128, 128), (0, 64, 0), (128, 64, 0), (0, 192, 0), (128, 192, 0), (0, 64, 128),
    ),
    things=(
        "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "dining table", "dog",
        "horse", "motorbike", "person", "potted plant", "sheep", "sofa", "train", "tv monitor",
    ),
)  # fmt: skip


class VOC(TorchvisionDataset):
    """Photographs with twenty classes and background, of many sizes; the papers' yardstick. Lesson 15.

    ds[i] → image (3, H, W), mask (H, W), as SegmentationDataset says; the classes are VOC.labels.
    Void, 255 in the files as here, lies along every border and on what is too hard to tell: leave
    it out of the loss and the score. Read by torchvision.datasets.VOCSegmentation from its layout:
    VOCdevkit/VOC2012 with JPEGImages, SegmentationClass and ImageSets/Segmentation.

    Args:
        split: "train", 1,464 pictures, "val", 1,449, or "trainval", both. The masks of test are
            not public; papers often learn from 10,582 pictures, "trainaug", with masks from
            elsewhere.
        size: (height, width), None for that of the files, which differ. Image antialiased, mask
            nearest.
        transform: called as transform(image, mask); may be random.
        root: the folder in which VOCdevkit lies; None: SEGEDU_DATA, then the user's cache.
        download: let torchvision fetch it, about 2 GB.

    Attributes:
        names: the file names without suffix, such as "2007_000033", in the order of the list.

    Raises:
        DataMissing: where it is not there.
        OSError: for a picture that is damaged.
        MaskError: for a mask with a value from 21 to 254, or of another size.
        ValueError: for another split or size.

    Source:
        Everingham et al., The Pascal Visual Object Classes Challenge: A Retrospective, IJCV 2015.
    """

    labels = CLASSES
    splits = ("train", "val", "trainval")
    folder = "VOCdevkit"
    told = (
        "About 2 GB. The photographs are Flickr's, under its terms of use: for research. Cite Everingham et al. (2015)."
    )

    def _loader(self, root: Path, download: bool) -> Dataset:
        from torchvision.datasets import VOCSegmentation

        pictures = VOCSegmentation(str(root), "2012", self.split, download=download)
        self.names = [Path(path).stem for path in pictures.images]
        return pictures
