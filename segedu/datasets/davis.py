"""DAVIS: short videos, objects outlined in every frame (Perazzi et al. 2016, Pont-Tuset et al. 2017)."""

from __future__ import annotations

import glob
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from segedu import files
from segedu.datasets.base import StoredDataset
from segedu.datasets.grey import read_colours, read_ids, resized
from segedu.labels import OBJECTS

DAVIS = files.RealData(
    name="davis",
    title="Davis",
    megabytes=833,
    licence="Licence: CC BY 4.0; cite Perazzi et al. (2016) and Pont-Tuset et al. (2017).",
    manifest="davis.sha256",
    prefix="DAVIS",
    sources=("https://data.vision.ee.ethz.ch/csergi/share/davis/{path}",),
)

PARTS = ("JPEGImages", "Annotations")


class Davis(StoredDataset):
    """The frames of one clip, in time, with the outlines of its objects: see SegmentationDataset.

    mask: labels.OBJECTS: 1 where an object is. instances: the ids of the objects, which last through the clip; the
        edition of 2016 (values 0 and 255) knows one object, 1, where that of 2017 may know several.
    clip: its name, such as "blackswan"; `Davis.clips()` says which are there.
    size: (height, width), None for that of the files; image antialiased, mask and ids nearest.
    root, download: as in CamVid; about 833 MB, for all clips at once. Reads JPEGImages/480p/CLIP/00000.jpg and
        Annotations/480p/CLIP/00000.png, or the same under another name than 480p.
    names: the file names without suffix, in the order of the index, which is that of time.
    Raises DataMissing where the clip or one of its outlines is not there, OSError for a damaged file, MaskError for
    outlines of another size than their picture.
    """

    labels = OBJECTS

    def __init__(
        self,
        clip: str = "blackswan",
        *,
        size: tuple[int, int] | None = None,
        transform: Callable | None = None,
        instances: bool = False,
        root: str | Path | None = None,
        download: bool = False,
    ):
        super().__init__(
            DAVIS, partial(_find, clip),
            size=size, root=root, download=download, transform=transform, instances=instances,
        )  # fmt: skip
        self.clip = clip
        self.names = [image.stem for image, _ in self._paths]

    @staticmethod
    def clips(root: str | Path | None = None) -> list[str]:
        """The names of the clips that are there, sorted; none where DAVIS is not on this machine."""
        folder = files.find_data(DAVIS.name, root, PARTS)
        return sorted({path.name for path in folder.glob("JPEGImages/*/[!.]*") if path.is_dir()}) if folder else []

    def _read(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        image_path, mask_path = self._paths[index]
        mend = files.fetch_command(DAVIS, image_path.parents[3])
        ids = read_ids(mask_path, image_path, mend)
        ids[ids == 255] = 1
        pixels, ids = resized(read_colours(image_path, mend), ids, self.size)
        return pixels, (ids > 0).astype(np.uint8), ids


def _find(clip: str, root: str | Path | None) -> list[tuple[Path, Path]]:
    """(picture, outlines) of each frame. Raises DataMissing: no DAVIS, no such clip, or not all of its outlines."""
    folder = files.find_data(DAVIS.name, root, PARTS)
    if folder is None:
        reason = f"DAVIS is not in {root}." if root else "DAVIS is not on this machine."
        raise files.missing(DAVIS, reason, root)
    places = folder.glob(f"JPEGImages/*/{glob.escape(clip)}")
    places = sorted(places, key=lambda place: (place.parent.name != "480p", place))
    if not places:
        known = ", ".join(Davis.clips(root))
        raise files.missing(DAVIS, f"{folder} has no clip {clip!r}; it has {known or 'none'}.", folder)
    outlines = files.pictures_in(folder / "Annotations" / places[0].parent.name / clip)
    pairs = [(image, outlines.get(name)) for name, image in files.pictures_in(places[0]).items()]
    lacking = [image.stem for image, mask in pairs if mask is None]
    if lacking or not pairs:
        what = f"{len(lacking)} of {len(pairs)} outlines, first {lacking[0]}" if lacking else "all pictures"
        raise files.missing(DAVIS, f"The clip {clip!r} in {folder} is incomplete: it lacks {what}.", folder)
    return pairs
