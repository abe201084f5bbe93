"""TextureMosaic: photographed brick, grass and gravel, cut into random regions; only what lies around a pixel tells."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ClassVar

import numpy as np

from segedu.datasets.rendered import RenderedWorld
from segedu.labels import LabelTable
from segedu.worlds.chance import Chance, noise

# Photographs of 512×512 pixels in every scikit-image from 0.22 on, in the wheel itself (CC0, from CC0Textures).
TEXTURES = LabelTable(names=("brick", "grass", "gravel"), colours=((190, 55, 9), (29, 166, 103), (188, 161, 251)))
# The columns of the photographs that a split is cut from.
COLUMNS = {"train": slice(0, 256), "val": slice(256, 384), "test": slice(384, 512)}
DARKEST, LEVELS = 64, 128  # greys of a photograph: 64 … 191, each as often as any other
GRAIN = 36  # the noise is a sum of three whole numbers from −GRAIN … GRAIN: as strong as the textures themselves
BEND = 8  # by about so many pixels borders are bent, at most


class TextureMosaic(RenderedWorld):
    """Mosaics of three photographed textures, where a pixel's own grey says nothing. Lesson 08.

    ds[i] → image (1, H, W), mask (H, W)[, instances (H, W)], as SegmentationDataset says, but with
    one channel. The textures are scikit-image's photographs of brick, grass and gravel, which lie
    in its wheel: no network is needed. The plane is cut into regions with bent borders, large and
    small; each is filled with a window of a photograph, turned and mirrored at random. Instances
    are the regions, 1 … n: connected pixels of one texture.

    Each photograph's greys are replaced by their rank, so that all three have every grey equally
    often: the same mean, the same spread, the same everything that one pixel can show. What is
    left is how pixels lie beside each other. The truth is exact, and there is no void (255).

    The splits are cut from different columns of the photographs: what is seen in "val" was not in
    "train". The same arguments give the same bits in every process and on every machine.

    Args:
        split: "train", "val" or "test".
        length: number of pictures, as many as you like; by default 800, 50 and 100. Picture i is
            the same for every length.
        seed: any integer ≥ 0; another seed is another set of pictures.
        size: (height, width), each at least 32 pixels. A larger picture shows more regions, not
            larger ones. From 129 pixels on, "val" and "test" mirror their part of the photographs.
        transform: called as transform(image, mask[, instances]); may be random.
        instances: whether samples have the ids of regions as their third part.
        noise: strength of the grain, 0 … 2; at 1 it varies as much as the textures do, so that a
            few pixels say little, and many are needed.
        scale: how large regions are, 0.25 … 4; the textures stay as they are.

    Raises:
        ValueError: for a value out of range, and where the installed scikit-image ships other
            photographs than the ones that this was made for.
    """

    labels = TEXTURES
    lengths: ClassVar = {"train": 800, "val": 50, "test": 100}
    knobs: ClassVar = {"noise": (0.0, 2.0), "scale": (0.25, 4.0)}

    def __init__(
        self,
        split: str = "train",
        *,
        length: int | None = None,
        seed: int = 0,
        size: tuple[int, int] = (96, 96),
        transform: Callable | None = None,
        instances: bool = False,
        noise: float = 1.0,
        scale: float = 1.0,
    ):
        settings = {"noise": noise, "scale": scale}
        super().__init__(split, length, seed, size, transform=transform, instances=instances, **settings)

    def _read(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        from scipy import ndimage  # half a second that `import segedu` shall not take

        chance, grain = Chance(self._chance(index, 0)), self._chance(index, 1)
        mask = _mosaic(chance, self.size, self.settings["scale"])
        regions, image = np.zeros(self.size, np.int32), np.zeros(self.size, np.int32)
        for texture in range(len(TEXTURES)):
            parts, count = ndimage.label(mask == texture)
            for part in range(1, count + 1):
                inside = parts == part
                regions[inside] = regions.max() + 1
                image[inside] = _window(chance, _photograph(texture, self.split), self.size)[inside]
        shaken = sum(grain.integers(-GRAIN, GRAIN + 1, self.size, dtype=np.int32) for _ in range(3))
        image += np.floor(self.settings["noise"] * shaken + 0.5).astype(np.int32)
        return image.clip(0, 255).astype(np.uint8)[..., None], mask, regions


def _mosaic(chance: Chance, size: tuple[int, int], scale: float) -> np.ndarray:
    """(H, W) uint8: a texture a pixel. Each pixel belongs to the nearest of random points, some of which reach farther.

    Whole numbers only, so that no machine rounds otherwise.
    """
    height, width = size
    apart = int(scale * chance.between(28, 88))  # about how far the points lie from each other
    rows, columns = np.indices(size, np.int32)
    rows, columns = rows + _bend(chance, size), columns + _bend(chance, size)
    nearest = np.full(size, np.iinfo(np.int32).max, np.int32)
    mask = np.zeros(size, np.uint8)
    for _ in range(2 + height * width // (apart * apart)):
        y, x = chance.whole(-apart // 2, height + apart // 2), chance.whole(-apart // 2, width + apart // 2)
        gap = (rows - y) ** 2 + (columns - x) ** 2 - chance.whole(0, apart * apart)
        texture, nearer = chance.whole(0, len(TEXTURES)), gap < nearest
        nearest[nearer], mask[nearer] = gap[nearer], texture
    return mask


def _bend(chance: Chance, size: tuple[int, int]) -> np.ndarray:
    """(H, W) int32 in about ±BEND: by how much places are moved before they are compared."""
    cloud = _smooth_cloud()
    down, right = chance.whole(0, cloud.shape[0]), chance.whole(0, cloud.shape[1])
    wrapped = np.ix_((np.arange(size[0]) + down) % cloud.shape[0], (np.arange(size[1]) + right) % cloud.shape[1])
    return cloud[wrapped] * BEND // 64


@functools.cache
def _smooth_cloud() -> np.ndarray:
    """(256, 256) int32 in about −64 … 64: clouds without their finest detail, so that borders have no crumbs."""
    near = range(-4, 5)
    return sum(np.roll(noise(80, 8), (down, right), (0, 1)) for down in near for right in near) // len(near) ** 2


def _window(chance: Chance, photograph: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W): a part of the photograph, turned and mirrored at random; mirrored on where it ends."""
    turned = np.rot90(photograph, chance.whole(0, 4))
    turned = turned[:, ::-1] if chance.happens(0.5) else turned
    places = []
    for side, wanted in zip(turned.shape, size, strict=True):
        start = chance.whole(0, max(side - wanted, 0) + 1)
        there = (start + np.arange(wanted)) % (2 * side)
        places.append(np.minimum(there, 2 * side - 1 - there))
    return turned[np.ix_(*places)]


@functools.cache
def _photograph(texture: int, split: str) -> np.ndarray:
    """(512, n) int32: the columns of a split, each grey of DARKEST … DARKEST + LEVELS − 1 equally often.

    Pixels are put in the order of their grey, equal ones in that of the 3×3 pixels around them.
    """
    import skimage.data  # slow to import

    name = TEXTURES.names[texture]
    pixels = getattr(skimage.data, name)()
    if pixels.shape != (512, 512) or pixels.dtype != np.uint8:
        raise ValueError(
            f"The photograph {name} of the installed scikit-image is {pixels.shape} {pixels.dtype}, but the mosaics "
            "were made for (512, 512) uint8; try another version of scikit-image."
        )
    pixels = pixels[:, COLUMNS[split]].astype(np.int32)
    around = sum(np.roll(pixels, (down, right), (0, 1)) for down in (-1, 0, 1) for right in (-1, 0, 1))
    greys = np.empty(pixels.size, np.int32)
    greys[np.lexsort((around.ravel(), pixels.ravel()))] = DARKEST + np.arange(pixels.size) * LEVELS // pixels.size
    return greys.reshape(pixels.shape)
