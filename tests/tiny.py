"""A world for tests that need a data set but no particular one: bright and dark boxes, learnt in seconds."""

import numpy as np

from segedu.datasets.base import SegmentationDataset
from segedu.labels import LabelTable

BOXES = LabelTable(names=("ground", "bright box", "dark box"), colours=((0, 0, 0), (255, 255, 0), (0, 0, 255)))


class Boxes(SegmentationDataset):
    """Pictures of 32×40 pixels (or of growing sizes) with one bright and one dark box, and a column that is ignored."""

    labels = BOXES

    def __init__(self, length=12, growing=False, **options):
        super().__init__(**options)
        self.length, self.growing = length, growing

    def __len__(self):
        return self.length

    def _read(self, index):
        random = np.random.default_rng(index)
        height, width = (32, 40) if not self.growing else (32 + index, 40 + 3 * index)
        mask = np.zeros((height, width), np.uint8)
        for value, column in ((1, 2), (2, width // 2 + 2)):
            top, left = random.integers(2, 14), column + random.integers(0, 6)
            mask[top : top + 14, left : left + 10] = value
        image = np.array([110, 200, 30])[mask] + random.normal(0, 25, mask.shape)
        image = np.repeat(image.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
        mask[:, 0] = 255
        return image, mask
