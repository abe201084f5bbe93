"""DAVIS: short videos, objects outlined in every frame (Perazzi et al. 2016, Pont-Tuset et al. 2017)."""

from __future__ import annotations

import glob
from collections.abc import Callable
from pathlib import Path

import numpy as np

from segedu.datasets.base import StoredDataset
from segedu.datasets.files import read_colours, read_ids, resized
from segedu.download import RealData, find_data, missing
from segedu.labels import OBJECTS

DAVIS = RealData(
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
    """The frames of one clip, in time, with the outlines of its objects. Lesson 13.

    ds[i] → image (3, H, W), mask (H, W)[, instances (H, W)], as SegmentationDataset says. The
    mask (labels.OBJECTS) is 1 where an object is. The ids of the objects last through the clip;
    the edition of 2016 (values 0 and 255) knows one object, 1, where that of 2017 may know
    several. Reads JPEGImages/480p/CLIP/00000.jpg and Annotations/480p/CLIP/00000.png, or the same
    under another name than 480p.

    Args:
        clip: its name, such as "blackswan"; `Davis.clips()` says which are there.
        size: (height, width), None for that of the files; image antialiased, mask and ids nearest.
        transform: called as transform(image, mask[, instances]); may be random.
        instances: whether samples have the ids of objects as their third part.
        root: as in CamVid.
        download: fetch what is missing, about 833 MB, all clips at once.

    Attributes:
        names: the file names without suffix, in the order of the index, which is that of time.

    Raises:
        DataMissing: where the clip or one of its outlines is not there.
        OSError: for a damaged file.
        MaskError: for outlines of another size than their picture.

    Source:
        Perazzi et al., CVPR 2016; Pont-Tuset et al., arXiv 1704.00675.
    """

    data = DAVIS
    labels = OBJECTS
    called = "DAVIS"
    folders = PARTS
    lacking = "{} of {} outlines"

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
        self.clip = clip
        self.start = f"The clip {clip!r} in "
        super().__init__(size=size, root=root, download=download, transform=transform, instances=instances)

    @staticmethod
    def clips(root: str | Path | None = None) -> list[str]:
        """The names of the clips that are there, sorted; none where DAVIS is not on this machine. Lesson 13.

        Args:
            root: as in CamVid.
        """
        folder = find_data(DAVIS.name, root, PARTS)
        return sorted({path.name for path in folder.glob("JPEGImages/*/[!.]*") if path.is_dir()}) if folder else []

    def _places(self, folder: Path) -> list[Path]:
        places = folder.glob(f"JPEGImages/*/{glob.escape(self.clip)}")
        places = sorted(places, key=lambda place: (place.parent.name != "480p", place))
        if not places:
            known = ", ".join(Davis.clips(folder)) or "none"
            raise missing(DAVIS, f"{folder} has no clip {self.clip!r}; it has {known}.", folder)
        return [places[0], folder / "Annotations" / places[0].parent.name / self.clip]

    def _read(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        image_path, mask_path = self._paths[index]
        ids = read_ids(mask_path, image_path, self._fetch_hint)
        ids[ids == 255] = 1
        pixels, ids = resized(read_colours(image_path, self._fetch_hint), ids, self.size)
        return pixels, (ids > 0).astype(np.uint8), ids
