"""Eight photographs that scikit-image ships, with outlines drawn for this course: real pictures without a download."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable

import numpy as np

from segedu import resources
from segedu.datasets.base import SegmentationDataset
from segedu.datasets.files import resized_picture
from segedu.inputs import height_and_width
from segedu.labels import IGNORE_INDEX, PHOTOGRAPHS
from segedu.masks import from_polygons


class Photographs(SegmentationDataset):
    """Eight real photographs, four in colour and four in grey, with masks. Lessons 00, 01b, 03, 09.

    ds[i] or ds["coffee"] → image (3, H, W), mask (H, W)[, instances (H, W)], as
    SegmentationDataset says; grey ones have three equal channels. The outlines are polygons in
    data/photographs; data/cards/photographs.md says how they were made.

    Args:
        split: "all", the only one: eight pictures are for looking and for small experiments, not
            for splitting.
        size: (height, width) of what comes back; None keeps each picture's own. Images are
            resized antialiased; outlines are drawn at the new size (the class of each pixel's
            centre, never a mixture).
        transform: called as transform(image, mask[, instances]); may be random.
        instances: whether samples have the ids of objects as their third part.

    Attributes:
        names: the names of the pictures, in the order of the index.

    Raises:
        ValueError: for another split, and where the installed scikit-image ships a picture of
            another size than the one that the outlines were drawn on.
        KeyError: for an unknown name.
    """

    labels = PHOTOGRAPHS
    names = ("chelsea", "coffee", "astronaut", "rocket", "camera", "coins", "cell", "clock")

    def __init__(
        self,
        split: str = "all",
        *,
        size: tuple[int, int] | None = None,
        transform: Callable | None = None,
        instances: bool = False,
    ):
        if split != "all":
            raise ValueError(f'Photographs has no split {split!r}; its eight pictures are one split, "all".')
        super().__init__(transform=transform, instances=instances)
        self.size = None if size is None else height_and_width(size)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int | str):
        if isinstance(index, str):
            if index not in self.names:
                raise KeyError(f"There is no photograph {index!r}; the photographs are {', '.join(self.names)}.")
            index = self.names.index(index)
        return super().__getitem__(index)

    def _read(self, index: int) -> tuple[np.ndarray, ...]:
        name = self.names[index]
        outlines = json.loads(resources.data_path("photographs", f"{name}.json").read_text(encoding="utf-8"))
        image = _photograph(name)
        if list(image.shape[:2]) != outlines["size"]:
            raise ValueError(
                f"The photograph {name} of the installed scikit-image is {image.shape[0]}×{image.shape[1]} pixels, "
                f"but its outlines were drawn on {outlines['size'][0]}×{outlines['size'][1]}; "
                "try another version of scikit-image."
            )
        if self.size is not None:
            image = resized_picture(image, self.size)
        return image, *draw(outlines, image.shape[:2])


def draw(outlines: dict, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The mask (H, W) uint8, 255 where the border is uncertain, and the object ids (H, W) int32, 0 = none.

    Args:
        outlines: what a file of data/photographs holds. "size": (height, width) of the photograph;
            "objects", painted in their order, later over earlier: "class", "id" (the parts of one
            object share it), "polygon" [[x, y], …] in pixels of the photograph with (0, 0) the
            upper left corner, "holes" (polygons) and "border": the width in pixels of the void
            band along the outline, half of it on either side; "void": polygons in which nobody
            can tell, painted last.
        size: (height, width) to draw at; the void band shrinks with the picture, but not below one
            pixel.
    """
    scale = np.array([size[1] / outlines["size"][1], size[0] / outlines["size"][0]])
    mask = np.zeros(size, np.uint8)
    instances = np.zeros(size, np.int32)
    inside_of, parts = defaultdict(lambda: np.zeros(size, int)), []
    for thing in outlines["objects"]:
        outer, *holes = [np.array(ring) * scale for ring in [thing["polygon"], *thing.get("holes", [])]]
        inside = from_polygons([(1, outer), *((0, hole) for hole in holes)], size) == 1
        inside_of[thing["id"]] += inside
        parts.append((thing, [outer, *holes], inside))
    for thing, rings, inside in parts:
        mask[inside] = PHOTOGRAPHS.index(thing["class"])
        instances[inside] = thing["id"]
        # Where two parts of one object meet or overlap there is no border.
        elsewhere = inside_of[thing["id"]] - inside > 0
        for ring in rings:
            band = _near_outline(ring, max(thing["border"] * scale.min(), 1) / 2, size)
            mask[band & ~elsewhere] = IGNORE_INDEX
    for ring in outlines.get("void", []):
        mask[from_polygons([(1, np.array(ring) * scale)], size) == 1] = IGNORE_INDEX
    return mask, instances


def _photograph(name: str) -> np.ndarray:
    """The photograph as (H, W, 3) uint8."""
    import skimage.data  # slow to import, and only this data set needs it

    image = getattr(skimage.data, name)()
    return image if image.ndim == 3 else np.stack([image] * 3, axis=-1)


def _near_outline(ring: np.ndarray, distance: float, size: tuple[int, int]) -> np.ndarray:
    """(H, W) bool: pixels whose centre lies within `distance` of the closed polygon `ring`.

    Its edges along the frame of the picture are left out: there the object is cut off, its border is not seen.
    """
    height, width = size
    near = np.zeros(size, bool)
    for start, end in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        if any(start[axis] == end[axis] and start[axis] in (0, (width, height)[axis]) for axis in (0, 1)):
            continue
        low = np.maximum(np.floor(np.minimum(start, end) - distance), 0).astype(int)
        high = np.ceil(np.maximum(start, end) + distance).astype(int) + 1
        window = (slice(low[1], high[1]), slice(low[0], high[0]))
        rows, columns = np.nonzero(np.ones_like(near[window]))
        centres = np.stack([columns + low[0] + 0.5, rows + low[1] + 0.5], axis=-1)
        edge = end - start
        along = np.clip((centres - start) @ edge / max(edge @ edge, 1e-12), 0, 1)
        gap = np.linalg.norm(centres - start - along[:, None] * edge, axis=-1)
        near[window] |= (gap <= distance).reshape(near[window].shape)
    return near
