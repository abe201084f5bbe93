"""Draws data/broken_masks: one street of ToyStreet, its correct mask, and ten masks as people really bring them.

python -m tools.make_broken_masks      writes the files again; a test holds that they stay what they are.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from segedu import masks, resources
from segedu.datasets import ToyStreet
from segedu.labels import IGNORE_INDEX, STREET

FOLDER = Path(__file__).resolve().parents[1] / "data" / "broken_masks"
SIZE = (96, 128)
NUMBER = 15  # of the street in ToyStreet("val")
# Another data set's colours for the same eleven classes, in the same order.
FOREIGN_COLOURS = np.uint8(
    [
        (70, 130, 180), (70, 70, 70), (153, 153, 153), (128, 64, 128), (244, 35, 232), (107, 142, 35),
        (220, 220, 0), (190, 153, 153), (0, 0, 142), (220, 20, 60), (119, 11, 32),
    ]
)  # fmt: skip


def draw(factor: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """The picture (H, W, 3) uint8 and its class ids (H, W) uint8; 255 where no class fills most of a pixel."""
    image, ids = ToyStreet("val", size=(factor * SIZE[0], factor * SIZE[1]))[NUMBER]
    return (255 * image.permute(1, 2, 0)).round().byte().numpy(), ids.byte().numpy()


def without_void(ids: np.ndarray) -> np.ndarray:
    """The class ids, and where they are void that of the nearest pixel that has a class."""
    nearest = ndimage.distance_transform_edt(ids == IGNORE_INDEX, return_distances=False, return_indices=True)
    return ids[tuple(nearest)]


def contents() -> dict[str, np.ndarray]:
    """File name → what the file holds; `empty.png` has no pixels, and `mask.png` is the correct mask."""
    picture, ids = draw()
    mask, ids = masks.void_border(ids), without_void(ids)
    neighbours = np.pad(ids[:, 1:], ((0, 0), (0, 1)), mode="edge")
    _, fine = draw(4)
    coverage = (fine == STREET.index("car")).reshape(SIZE[0], 4, SIZE[1], 4).mean((1, 3))
    return {
        "picture.png": picture,
        "mask.png": mask,
        "white_on_black.png": np.where(coverage >= 0.5, 255, 0).astype(np.uint8),
        "foreign_colours.png": FOREIGN_COLOURS[ids],
        "smeared.jpg": masks.to_colours(mask, STREET),
        "soft_edges.png": (coverage * 255).round().astype(np.uint8),
        "fractions.tiff": (ids + neighbours.astype(np.float32)) / 2,
        "one_hot.npy": np.eye(len(STREET), dtype=np.uint8)[ids],
        "half_size.png": mask[::2, ::2],
        "class_11.png": np.where(mask == IGNORE_INDEX, 11, mask).astype(np.uint8),
        "empty.png": np.zeros((0, 0), np.uint8),
        "all_void.png": np.full(SIZE, IGNORE_INDEX, np.uint8),
    }


def encode(name: str, content: np.ndarray) -> bytes:
    """The bytes of the file `name`: class ids as palette PNG, the rest as its ending says."""
    if content.size == 0:
        return b""
    file = io.BytesIO()
    if name.endswith(".npy"):
        np.save(file, content)
        return file.getvalue()
    picture = Image.fromarray(content)
    if name in ("mask.png", "half_size.png", "class_11.png", "all_void.png"):
        picture.putpalette(STREET.palette.ravel().tolist())
    picture.save(file, format={"jpg": "JPEG", "tiff": "TIFF", "png": "PNG"}[name.split(".")[1]])
    return file.getvalue()


if __name__ == "__main__":
    for name, content in contents().items():
        with resources.atomic_write(FOLDER / name) as temporary:
            temporary.write_bytes(encode(name, content))
    sys.stdout.write(f"{len(contents())} files written to {FOLDER.name}\n")
