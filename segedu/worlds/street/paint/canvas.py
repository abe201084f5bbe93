"""What is painted on: what is seen at each pixel of the picture, and the geometry of the camera.

Objects are numbered from far to near, and a pixel belongs to the highest number that comes: so the order of painting
does not matter, and all walls can be painted at once. No colour is mixed while painting: each pixel only remembers
*what* was painted there, and the colours follow at the end for all at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from segedu.worlds.street.scene import Camera, Colour, Weather

NEAR = 1.3  # metres: what is nearer to the lens is cut off


class Object(NamedTuple):
    """What is painted under one number."""

    label: int
    colours: dict[int, Colour]  # by material, for what differs from the usual
    gain: float = 1.0
    instance: int = 0  # 0: not a thing that is counted
    z: float = 0.0  # metres ahead


class Canvas:
    """What is seen at each pixel, before it has a colour.

    what: object · 256 + code. veil: the object whose see-through part hangs there, 0 for none; it owns the pixel where
    it is before what is seen there, thus has the higher number. light: how bright sky and ground are lit, 128 leaves a
    colour as it is.
    """

    def __init__(self, camera: Camera, weather: Weather, height: int, width: int):
        self.camera, self.height, self.width = camera, height, width
        # A picture of another shape than 4:3 is cut out of the 4:3 view, so nothing beyond the described is seen.
        design = max(width, height * 4 / 3)
        self.focal = camera.zoom * design
        self.middle, self.horizon = width / 2, (camera.horizon - 0.5) * design * 0.75 + height / 2
        self.density = weather.haze
        self.objects: list[Object] = []
        self.standing = 0  # the first object that is not sky or ground
        self.what = np.zeros((height, width), np.int32)
        self.veil = np.zeros((height, width), np.int32)
        self.light = np.full((height, width), 128, np.uint16)
        self.ground_z = np.zeros((height, 1), np.float32)  # metres ahead, row by row; 0 for the sky
        self.wall_z = (0, 0, 0.0)  # objects, columns, metres: the walls, column by column

    def add(self, *described) -> int:
        """Note an object, in front of all that were added; returns its number. described: as Object has it."""
        self.objects.append(Object(*described))
        return len(self.objects) - 1

    def across(self, x, z):
        """Metres to the right of the optical axis: the camera's own place, its turn to the side, the street's bend."""
        return x - self.camera.x + (self.camera.yaw + self.camera.bend * z) * z

    def project(self, x: float, y: float, z: float) -> tuple[float, float]:
        """Column and row of the point x to the right of the street's middle, y above the ground, z ahead (metres)."""
        scale = self.focal / z
        return self.middle + scale * self.across(x, z), self.horizon + scale * (self.camera.height - y)

    def hazy(self, z):
        """0 … 250: how much of what is z metres away is lost in the haze."""
        seen = self.density * z
        return 250 * seen / (1 + seen)


def whole(value: float) -> int:
    """The nearest integer, kept small: Pillow counts in few bits, and slopes of far-off corners do not matter."""
    return int(min(max(value, -3000.0), 9000.0) + 4000.5) - 4000


def runs(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """starts[0], starts[0] + 1, … counts[0] of them; then those of starts[1], …: all positions of many runs at once."""
    ahead = np.cumsum(counts)
    positions = np.arange(ahead[-1] if len(ahead) else 0, dtype=np.int32)
    positions += np.repeat((starts - ahead + counts).astype(np.int32), counts)
    return positions
