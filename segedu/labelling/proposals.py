"""What a network makes of the pixels that nobody has painted yet, from those that are painted."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from segedu import models, runtime
from segedu.datasets.files import resized_picture, smaller
from segedu.inference.semantic import evaluation_mode, predict_logits
from segedu.labels import IGNORE_INDEX, LabelTable
from segedu.strokes import learn_from_strokes
from segedu.training import fit

SIDE = 256  # longer side, in pixels, at which networks look: a few seconds on a CPU
BATCH = 4
ROWS = 256  # of a proposal that are computed at once, so that a large picture takes little memory


def from_strokes(picture: np.ndarray, mask: np.ndarray, labels: LabelTable) -> np.ndarray:
    """(H, W) uint8: the classes that a network sees everywhere which has learnt from what is painted in this picture.

    Raises ValueError where fewer than two classes are painted.
    """
    picture_small, mask_small = small(picture, mask)
    strokes = _as_strokes(mask_small, labels)
    network = learn_from_strokes(picture_small, strokes, labels, brush=1)
    return classes(network, picture_small, mask.shape)


def train(network: nn.Module | None, painted: list[tuple], labels: LabelTable, seconds: float) -> nn.Module:
    """A network, new or trained on, that has learnt so long from (picture, mask) pairs, as `small` makes them."""
    if network is None:
        with runtime.preserved_rng():
            runtime.seed_everything(0)
            network = models.QuickUNet(len(labels), width=16)
    data = _Painted(painted)
    fit(network, data, minutes=seconds / 60, batch_size=min(BATCH, len(data)), progress=False)
    return network


def classes(network: nn.Module, picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(height, width) uint8: the network's classes of a small picture (h, w, 3), its scores enlarged to the size."""
    image = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode(), evaluation_mode(network):
        logits = predict_logits(network, image).cpu()
    height, width = size
    found = np.empty(size, np.uint8)
    for top in range(0, height, ROWS):
        rows = (torch.arange(top, min(top + ROWS, height)) + 0.5) * 2 / height - 1
        grid = torch.stack(torch.meshgrid(rows, (torch.arange(width) + 0.5) * 2 / width - 1, indexing="ij")[::-1], -1)
        part = F.grid_sample(logits, grid[None], mode="bilinear", padding_mode="border", align_corners=False)
        found[top : top + ROWS] = part[0].argmax(0).numpy()
    return found


def small(picture: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Picture and mask with a longer side of SIDE pixels at most; a stroke that is thinner than a pixel is kept."""
    size = smaller(mask.shape, SIDE)
    if size is None:
        return picture, mask
    (height, width), (rows, columns) = mask.shape, size
    nearest = np.ix_(*(((np.arange(n) + 0.5) * m / n).astype(int) for n, m in zip(size, mask.shape, strict=True)))
    thin = np.full(size, IGNORE_INDEX, np.uint8)
    y, x = np.nonzero(mask != IGNORE_INDEX)
    thin[y * rows // height, x * columns // width] = mask[y, x]
    reduced = mask[nearest]
    return resized_picture(picture, size), np.where(reduced == IGNORE_INDEX, thin, reduced)


def _as_strokes(mask: np.ndarray, labels: LabelTable) -> list[tuple]:
    """Strokes of a brush of one pixel that paint exactly this mask: its runs of equal pixels, row by row."""
    found = []
    for y, row in enumerate(mask):
        ends = [*np.flatnonzero(np.diff(row)).tolist(), len(row) - 1]
        for start, end in zip([0, *(end + 1 for end in ends)], ends, strict=False):
            if row[start] != IGNORE_INDEX:
                found.append((labels.names[row[start]], [(start, y), (end, y)]))
    return found


class _Painted(Dataset):
    """Small pictures and masks, all as large as the largest, void around them, mirrored by chance."""

    def __init__(self, painted: list[tuple]):
        self.painted = painted
        self.size = tuple(max(mask.shape[axis] for _, mask in painted) for axis in (0, 1))

    def __len__(self) -> int:
        return len(self.painted)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        picture, mask = self.painted[index]
        border = [(0, whole - side) for whole, side in zip(self.size, mask.shape, strict=True)]
        image = torch.from_numpy(np.pad(picture, [*border, (0, 0)], mode="edge")).permute(2, 0, 1).float() / 255
        target = torch.from_numpy(np.pad(mask, border, constant_values=IGNORE_INDEX)).long()
        if torch.rand(()) < 0.5:
            image, target = image.flip(-1), target.flip(-1)
        return image, target
