"""What is painted on: one object after the other, from near to far, remembering what is seen at each pixel.

A pixel takes the first object that comes, and what is wholly behind others is not drawn at all. No colour is mixed
while painting: each pixel only remembers *what* was painted there, and the colours follow at the end for all at once.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from segedu.datasets._street import looks
from segedu.datasets._street.looks import DARK, GLASS, LIGHT, RED
from segedu.datasets._street.scene import Camera, Thing, Weather

NEAR = 1.3  # metres: what is nearer to the lens is cut off
PALETTE = [(0, 0, 0)] * 8  # of an object that names no colours of its own
PALETTE[DARK], PALETTE[LIGHT], PALETTE[GLASS], PALETTE[RED] = (28, 28, 30), (235, 235, 230), (70, 78, 86), (150, 24, 20)


class Canvas:
    """What was painted at each pixel (object · 256 + code), and its air: light · 256 + haze.

    Light 128 leaves a colour as it is; haze 255 hides it. free: where no object was painted yet. veil: the object whose
    see-through part hangs before the pixel, to which it then belongs; 0 for none.
    """

    def __init__(self, camera: Camera, weather: Weather, height: int, width: int):
        self.camera, self.height, self.width = camera, height, width
        # A picture of another shape than 4:3 is cut out of the 4:3 view, so nothing beyond the described is seen.
        design = max(width, height * 4 / 3)
        self.focal = camera.zoom * design
        self.middle, self.horizon = width / 2, (camera.horizon - 0.5) * design * 0.75 + height / 2
        self.density = weather.haze
        self.what = np.zeros((height, width), np.int32)
        self.veil = np.zeros((height, width), np.uint16)
        self.free = np.ones((height, width), bool)
        self.air = np.full((height, width), 128 << 8, np.uint16)
        self.palettes, self.gains, self.labels, self.ids = [], [], [], []

    def add(self, label: int, colours: dict, gain: float = 1.0, instance: int = 0) -> int:
        """A new object; returns its number. colours: material → (r, g, b), for what differs from the usual."""
        palette = PALETTE.copy()
        for material, colour in colours.items():
            palette[material] = colour
        self.palettes.append(palette)
        self.gains.append(gain)
        self.labels.append(label)
        self.ids.append(instance)
        return len(self.labels) - 1

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

    def visible(self, top: int, bottom: int, left: int, right: int) -> tuple[int, int, int, int] | None:
        """The part of a box that holds all its free pixels, as top, bottom, left, right; None: nothing can be seen."""
        y, x = max(top, 0), max(left, 0)
        if y >= bottom or x >= right:
            return None
        free = self.free[y:bottom, x:right]
        rows = free.any(1).nonzero()[0]
        if not len(rows):
            return None
        columns = free.any(0).nonzero()[0]
        return y + int(rows[0]), y + int(rows[-1]) + 1, x + int(columns[0]), x + int(columns[-1]) + 1

    def stamp(self, codes: np.ndarray, top: int, left: int, number: int, air, veiled: bool = False) -> None:
        """Paint what is free of codes (h, w), their first pixel at (top, left); code 0 is not painted.

        veiled: whether there are see-through codes among them.
        """
        place = np.s_[top : top + codes.shape[0], left : left + codes.shape[1]]
        free = self.free[place]
        if veiled:
            veil = self.veil[place]
            np.copyto(veil, number, where=(codes > 0) & (codes < 32) & free & (veil == 0))
        opaque = codes >= 32
        opaque &= free
        np.copyto(self.what[place], codes + np.int32(number * 256), where=opaque)
        np.copyto(self.air[place], air, where=opaque)
        free ^= opaque

    def polygons(self, faces: list, points: np.ndarray, number: int, z: float, grain: bool = False) -> None:
        """Paint the faces [(code, first corner, last corner + 1), …] of one object, in this order.

        points: (corners, 2) columns and rows. grain: roughen the faces.
        """
        # Kept small, because Pillow counts in few bits; the slant of edges to corners so far off does not matter.
        points = np.floor(np.minimum(np.maximum(points, -3000), 9000) + 0.5).astype(np.int32)
        (left, top), (right, bottom) = np.maximum(points.min(0), 0).tolist(), (points.max(0) + 1).tolist()
        right, bottom = min(right, self.width), min(bottom, self.height)
        if left >= right or top >= bottom or not self.free[top:bottom, left:right].any():
            return
        image = Image.new("L", (right - left, bottom - top))
        paint = ImageDraw.Draw(image)
        corners = (points - (left, top)).ravel().tolist()
        for fill, first, last in faces:
            paint.polygon(corners[2 * first : 2 * last], fill)
        codes = np.frombuffer(image.tobytes(), np.uint8).reshape(bottom - top, right - left)
        if grain:
            codes = codes + looks.grain(self.height, self.width)[top:bottom, left:right] * (codes > 0)
        self.stamp(codes, top, left, number, self.air_at(z))

    def air_at(self, z):
        return (128 << 8) + int(self.hazy(z))

    def sprite(self, codes: np.ndarray, thing: Thing) -> None:
        """Paint a sprite that stands upright on the spot of a thing and is as high as that."""
        column, row = self.project(thing.x, thing.above, thing.z)
        rows = max(3, int(self.focal * thing.height / thing.z + 0.5))
        columns = max(2, int(rows * codes.shape[1] / codes.shape[0] + 0.5))
        top, left = whole(row) - rows, whole(column - columns / 2)
        box = self.visible(top, top + rows, left, left + columns)
        if not box:
            return
        y0, y1, x0, x1 = box
        pick_y = ((np.arange(y0 - top, y1 - top) * 2 + 1) * codes.shape[0] // (2 * rows))[:, None]
        pick_x = (np.arange(x0 - left, x1 - left) * 2 + 1) * codes.shape[1] // (2 * columns)
        if thing.mirrored:
            pick_x = codes.shape[1] - 1 - pick_x
        number = self.add(thing.label, thing.colours, thing.gain, thing.instance)
        codes = codes.ravel().take(pick_y * codes.shape[1] + pick_x)
        self.stamp(codes, y0, x0, number, self.air_at(thing.z), thing.kind in looks.VEILED)

    def darken_ground(self, x: float, z: float, across: float, along: float, strength: float) -> None:
        """Darken an ellipse on what is free of the ground (half axes in metres), softly; strength 0 … 1."""
        z0, z1 = max(z - along, NEAR), z + along
        if z1 <= NEAR:
            return
        scale = self.focal * self.camera.height
        top, bottom = max(0, int(self.horizon + scale / z1)), min(int(self.horizon + scale / z0) + 1, self.height)
        if top >= bottom:
            return
        depth = (scale / (np.arange(top, bottom) + (0.5 - self.horizon)))[:, None]
        centre = self.middle + self.focal * self.across(x, depth) / depth
        reach = self.focal * across / z0
        box = self.visible(top, bottom, int(centre.min() - reach), min(self.width, int(centre.max() + reach) + 1))
        if not box:
            return
        y0, y1, x0, x1 = box
        depth, centre = depth[y0 - top : y1 - top], centre[y0 - top : y1 - top]
        dark = np.arange(x0, x1) + 0.5 - centre
        dark *= depth / (self.focal * across)
        dark *= dark
        dark += ((depth - z) / along) * ((depth - z) / along)
        dark *= -2
        dark += 2
        np.maximum(dark, 0, out=dark)
        np.minimum(dark, 1, out=dark)
        dark *= 256 * strength
        air = self.air[y0:y1, x0:x1]
        darkened = ((air >> 8) * (256 - dark.astype(np.uint16)) & 0xFF00) + (air & 255)
        np.copyto(air, darkened, where=self.free[y0:y1, x0:x1])


def whole(value: float) -> int:
    """The nearest integer, kept small: Pillow counts in 32 bits and slopes of far-off corners do not matter."""
    return int(min(max(value, -3000.0), 9000.0) + 4000.5) - 4000
