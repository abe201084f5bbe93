"""Draws data/broken_masks: one street scene, its correct mask, and ten masks as people really bring them.

python -m tools.make_broken_masks      writes the files again; a test holds that they stay what they are.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from segedu import files, masks
from segedu.labels import IGNORE_INDEX, STREET

FOLDER = Path(__file__).resolve().parents[1] / "data" / "broken_masks"
SIZE = (96, 128)
CAR = [(18, 78), (20, 66), (29, 64), (34, 56), (52, 56), (59, 64), (66, 67), (67, 78)]
SCENE = [
    ("sky", [(0, 0), (128, 0), (128, 60), (0, 60)]),
    ("building", [(0, 8), (30, 8), (30, 22), (48, 22), (48, 60), (0, 60)]),
    ("tree", [(84, 26), (94, 12), (108, 8), (122, 16), (128, 30), (122, 44), (104, 48), (90, 42)]),
    ("pavement", [(0, 54), (128, 54), (128, 96), (0, 96)]),
    ("road", [(0, 66), (56, 54), (72, 54), (128, 82), (128, 96), (0, 96)]),
    ("pole", [(104, 44), (108, 44), (108, 62), (104, 62)]),
    ("car", CAR),
    ("pedestrian", [(92, 46), (97, 46), (98, 56), (97, 70), (92, 70), (91, 56)]),
]
PAINT = {
    "sky": (150, 185, 215), "building": (160, 120, 100), "pole": (70, 70, 75), "road": (95, 95, 100),
    "pavement": (170, 165, 155), "tree": (75, 110, 60), "sign symbol": (200, 60, 50), "fence": (120, 100, 80),
    "car": (165, 40, 45), "pedestrian": (60, 75, 120), "bicyclist": (200, 170, 60),
}  # fmt: skip
# Another data set's colours for the same eleven classes, in the same order.
FOREIGN_COLOURS = np.uint8(
    [
        (70, 130, 180), (70, 70, 70), (153, 153, 153), (128, 64, 128), (244, 35, 232), (107, 142, 35),
        (220, 220, 0), (190, 153, 153), (0, 0, 142), (220, 20, 60), (119, 11, 32),
    ]
)  # fmt: skip


def draw() -> tuple[np.ndarray, np.ndarray]:
    """The picture (H, W, 3) uint8 and its class ids (H, W) uint8, without void."""
    ids = masks.from_polygons([(STREET.index(name), points) for name, points in SCENE], SIZE)
    # RandomState, not default_rng: its numbers are promised never to change.
    noise = np.random.RandomState(0).randint(-12, 13, SIZE)[..., None]
    light = np.linspace(20, -20, SIZE[0]).astype(int)[:, None, None]
    paint = np.array([PAINT[name] for name in STREET.names])
    return (paint[ids] + light + noise).clip(0, 255).astype(np.uint8), ids


def contents() -> dict[str, np.ndarray]:
    """File name → what the file holds; `empty.png` has no pixels, and `mask.png` is the correct mask."""
    picture, ids = draw()
    mask = masks.void_border(ids)
    neighbours = np.pad(ids[:, 1:], ((0, 0), (0, 1)), mode="edge")
    four_times = masks.from_polygons([(1, np.multiply(CAR, 4))], (4 * SIZE[0], 4 * SIZE[1]))
    coverage = four_times.reshape(SIZE[0], 4, SIZE[1], 4).mean((1, 3))
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
        with files.whole(FOLDER / name) as temporary:
            temporary.write_bytes(encode(name, content))
    sys.stdout.write(f"{len(contents())} files written to {FOLDER.name}\n")
