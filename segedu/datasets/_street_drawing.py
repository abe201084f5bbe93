"""From the description of a scene to pixels, classes and ids: a small software renderer.

Everything is painted from far to near. No colour is mixed while painting: each pixel only remembers *what* was painted there
(object and code), and the colours follow at the end for all objects at once.
Floats meet only + − · / and comparisons, which round alike on all machines; pixels are integers.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from segedu.datasets import _street_looks as looks
from segedu.datasets._street_looks import ACCENT, DARK, GLASS, LIGHT, OWN, RED, TILE, TRIM, code
from segedu.labels import IGNORE_INDEX

SUPERSAMPLING = 2
NEAR = 1.3  # metres: what is nearer to the lens is cut off
WHITE, ASPHALT_DARK = (235, 235, 230), (26, 26, 30)

# Cars from the side: (metres from the middle, height), from the front bumper round over the roof to the rear; where the glass is.
CARS = {
    "hatchback": ([(2.0, 0.3), (1.95, 0.72), (1.0, 0.95), (0.35, 1.42), (-1.45, 1.45), (-1.9, 0.95), (-2.0, 0.3)], 1.68, (2, 4)),
    "saloon": ([(2.25, 0.3), (2.2, 0.72), (1.1, 0.93), (0.4, 1.4), (-1.0, 1.4), (-1.6, 0.98), (-2.2, 0.95), (-2.25, 0.3)], 1.76, (2, 4)),
    "estate": ([(2.3, 0.3), (2.25, 0.75), (1.2, 1.0), (0.5, 1.52), (-2.0, 1.55), (-2.25, 1.0), (-2.3, 0.3)], 1.78, (2, 4)),
    "van": ([(2.5, 0.3), (2.45, 0.95), (1.9, 1.2), (1.3, 2.1), (-2.45, 2.2), (-2.5, 1.3), (-2.5, 0.3)], 1.95, (2, 4)),
    "bus": ([(5.0, 0.3), (5.0, 1.2), (4.98, 1.3), (4.8, 3.0), (-4.9, 3.05), (-5.0, 1.3), (-5.0, 0.3)], 2.5, (2, 4)),
}  # fmt: skip


class Canvas:
    """Four numbers a pixel: what was painted (object · 256 + code), whose it is, its light (128 = 1) and its haze (255 = all)."""

    def __init__(self, scene, height: int, width: int):
        self.camera, self.height, self.width = scene.camera, height, width
        # A picture of another shape than 4:3 is cut out of the 4:3 view, so nothing outside the described street is seen.
        design = max(width, height * 4 // 3)
        self.focal = scene.camera.zoom * design
        self.middle, self.horizon = width / 2, scene.camera.horizon * design * 0.75 - (design * 0.75 - height) / 2
        self.density = scene.weather.haze
        self.what = np.zeros((height, width), np.int32)
        self.owner = np.zeros((height, width), np.int32)
        self.light = np.full((height, width), 128, np.uint8)
        self.haze = np.zeros((height, width), np.uint8)
        self.palettes, self.labels, self.ids = [], [], []

    def add(self, label: int, colours: dict, gain: float = 1.0, instance: int = 0) -> int:
        """A new object; returns its number. colours: material → (r, g, b)."""
        palette = np.zeros((8, 3))
        palette[DARK], palette[LIGHT], palette[GLASS], palette[RED] = (28, 28, 30), WHITE, (70, 78, 86), (150, 24, 20)
        for material, colour in colours.items():
            palette[material] = colour
        self.palettes.append(palette * gain)
        self.labels.append(label)
        self.ids.append(instance)
        return len(self.labels) - 1

    def project(self, x: float, y: float, z: float) -> tuple[float, float]:
        """Column and row of the point x to the right of the street's middle, y above the ground, z ahead (metres)."""
        return self.middle + self.focal * self.across(x, z) / z, self.horizon + self.focal * (self.camera.height - y) / z

    def across(self, x, z):
        """Metres to the right of the optical axis: the camera's own place, its turn to the side, the street's bend."""
        return x - self.camera.x + self.camera.yaw * z + self.camera.bend * z * z

    def hazy(self, z):
        """0 … 250: how much of what is z metres away is lost in the haze."""
        seen = self.density * z
        return 250 * seen / (1 + seen)

    def stamp(self, codes: np.ndarray, top: int, left: int, number: int, haze, light=128) -> None:
        """Paint codes (h, w) with their first pixel at (top, left), cut at the picture's edge; code 0 is not painted."""
        bottom, right = min(top + codes.shape[0], self.height), min(left + codes.shape[1], self.width)
        y, x = max(top, 0), max(left, 0)
        if y >= bottom or x >= right:
            return
        codes = codes[y - top : bottom - top, x - left : right - left]
        place = np.s_[y:bottom, x:right]
        if isinstance(haze, np.ndarray):
            haze = haze[..., x - left : right - left]
        opaque = codes >= 32
        np.copyto(self.owner[place], number, where=codes > 0)
        np.copyto(self.what[place], codes + np.int32(number * 256), where=opaque)
        np.copyto(self.haze[place], np.uint8(haze) if np.isscalar(haze) else haze, where=opaque)
        np.copyto(self.light[place], light, where=opaque)

    def polygons(self, faces: list, number: int, z: float, grain: int = 0) -> None:
        """Paint faces [(code, [(column, row), …]), …] of one object, in this order. grain: strength of a texture, 0 none."""
        points = [point for _, outline in faces for point in outline]
        left, right = int(min(p[0] for p in points)) - 1, int(max(p[0] for p in points)) + 2
        top, bottom = int(min(p[1] for p in points)) - 1, int(max(p[1] for p in points)) + 2
        left, right, top, bottom = max(left, -8), min(right, self.width + 8), max(top, -8), min(bottom, self.height + 8)
        if left >= right or top >= bottom:
            return
        image = Image.new("L", (right - left, bottom - top))
        draw = ImageDraw.Draw(image)
        for fill, outline in faces:
            # Clamped, because Pillow's integers are small; at this distance the slant of an edge does not change visibly.
            draw.polygon([(_clamp(x) - left, _clamp(y) - top) for x, y in outline], fill)
        codes = np.array(image)
        if grain:
            rough = looks.noise(8, 64)[: codes.shape[0] % 256 or 256, :256]
            rough = np.resize(rough, codes.shape) if rough.shape != codes.shape else rough
            codes = np.where(codes >= 32, codes + rough // (64 // grain), codes).astype(np.uint8)
        self.stamp(codes, top, left, number, self.hazy(z))

    def sprite(self, codes: np.ndarray, x: float, y: float, z: float, height: float, number: int, mirrored: bool = False) -> None:
        """Paint a sprite that stands with its lower middle at (x, y, z) and is `height` metres high."""
        if z < NEAR:
            return
        column, row = self.project(x, y, z)
        rows = max(3, int(self.focal * height / z + 0.5))
        columns = max(2, int(rows * codes.shape[1] / codes.shape[0] + 0.5))
        top, left = int(row + 0.5) - rows, int(column - columns / 2 + 0.5)
        if left >= self.width or left + columns <= 0 or top >= self.height or top + rows <= 0:
            return
        pick_y = (np.arange(rows) * 2 + 1) * codes.shape[0] // (2 * rows)
        pick_x = (np.arange(columns) * 2 + 1) * codes.shape[1] // (2 * columns)
        self.stamp(codes[pick_y[:, None], pick_x[::-1] if mirrored else pick_x], top, left, number, self.hazy(z))

    def wall(self, start, end, bottom: float, top: float, texture: np.ndarray, bays: float, number: int, ends_at: float = 0) -> None:
        """Paint an upright wall between two places (x, z) on the ground, `bottom` to `top` metres high.

        texture: (rows, columns) codes, row 0 at the bottom, stretched over the wall's height and repeated `bays` times along it.
        """
        (x0, z0), (x1, z1) = start, end
        if min(z0, z1) < NEAR:
            if max(z0, z1) <= NEAR:
                return
            part = (NEAR - z0) / (z1 - z0)
            if z0 < z1:
                return self.wall((x0 + part * (x1 - x0), NEAR), end, bottom, top, texture, bays, number, part)
            return self.wall(start, (x0 + part * (x1 - x0), NEAR), bottom, top, texture, bays * part, number)
        a, b = self.across(x0, z0), self.across(x1, z1)
        u0, u1 = self.middle + self.focal * a / z0, self.middle + self.focal * b / z1
        first, last = max(0, int(min(u0, u1) + 0.5)), min(self.width, int(max(u0, u1) + 0.5))
        if first >= last:
            return
        ray = (np.arange(first, last) + 0.5 - self.middle) / self.focal
        along = np.clip((ray * z0 - a) / (b - a - ray * (z1 - z0) + 1e-9), 0, 0.9999)
        z = z0 + along * (z1 - z0)
        upper = self.horizon + self.focal * (self.camera.height - top) / z
        lower = self.horizon + self.focal * (self.camera.height - bottom) / z
        y0, y1 = max(0, int(upper.min())), min(self.height, int(lower.max()) + 1)
        if y0 >= y1:
            return
        rows = (np.arange(y0, y1) + 0.5)[:, None]
        up = ((lower - rows) * (texture.shape[0] / (lower - upper))).astype(np.int32)
        inside = (rows >= upper) & (rows < lower)
        if ends_at:
            along = ends_at + along * (1 - ends_at)
        column = (along * (bays * texture.shape[1])).astype(np.int32) % texture.shape[1]
        codes = texture[np.clip(up, 0, texture.shape[0] - 1), column] * inside
        self.stamp(codes, y0, first, number, self.hazy(z).astype(np.uint8))

    def shade_ground(self, x: float, z: float, across: float, along: float, strength: float) -> None:
        """Darken an ellipse on the ground (half axes in metres); strength 0 … 1."""
        z0, z1 = max(z - along, NEAR), z + along
        if z1 <= NEAR:
            return
        top, bottom = int(self.project(0, 0, z1)[1]), int(self.project(0, 0, z0)[1]) + 1
        top, bottom = max(top, int(self.horizon) + 1), min(bottom, self.height)
        if top >= bottom:
            return
        depth = (self.focal * self.camera.height / (np.arange(top, bottom) + 0.5 - self.horizon))[:, None]
        centre = self.middle + self.focal * self.across(x, depth) / depth
        reach = self.focal * across / z0
        left, right = max(0, int(centre.min() - reach)), min(self.width, int(centre.max() + reach) + 1)
        if left >= right:
            return
        off = (np.arange(left, right) + 0.5 - centre) * (depth / self.focal) / across
        away = off * off + (depth - z) * (depth - z) / (along * along)
        place = np.s_[top:bottom, left:right]
        self.light[place] = self.light[place] * (1 - strength * np.clip(2 - 2 * away, 0, 1))


def _clamp(value: float) -> int:
    return int(min(max(value, -4000.0), 4000.0) + 4000.5) - 4000


def draw(scene, size: tuple[int, int], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Picture (H, W, 3) uint8, mask (H, W) uint8 with 255 = void, ids of the things (H, W) int32 with 0 = none."""
    canvas = Canvas(scene, size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING)
    _sky(canvas, scene)
    _ground(canvas, scene)
    for item in sorted(scene.items, key=lambda item: -item.depth):
        paint(canvas, item)
    mask, ids = _truth(canvas)
    return _develop(canvas, scene.weather, size, rng), mask, ids


def _sky(canvas: Canvas, scene) -> None:
    weather = scene.weather
    canvas.add(0, {OWN: weather.sky})
    canvas.what[:] = code(OWN)
    rows = np.arange(canvas.height)[:, None]
    v, u = rows * 240 // canvas.height, np.arange(canvas.width) * 256 // canvas.width
    v = (v + weather.cloud_place) % 256
    clouds = looks.noise(90, 4)[v, u] + looks.noise(91, 16)[v * 2 % 256, u] // 2
    falling = (canvas.horizon - rows) * (weather.gradient / canvas.horizon)
    canvas.light[:] = np.clip(128 - falling + clouds * weather.clouds, 20, 255)


def _ground(canvas: Canvas, scene) -> None:
    camera, ground = canvas.camera, scene.ground
    top = max(0, int(canvas.horizon) + 1)
    if top >= canvas.height:
        return
    z = (canvas.focal * camera.height / (np.arange(top, canvas.height) + 0.5 - canvas.horizon)).astype(np.float32)[:, None]
    x = (np.arange(canvas.width, dtype=np.float32) + np.float32(0.5 - canvas.middle)) * (z / np.float32(canvas.focal))
    x -= (canvas.across(0.0, z)).astype(np.float32)
    strip = np.zeros(x.shape, np.int32)
    for border in ground.borders:
        strip += x > border
    for near, far in ground.crossings:
        strip[(z[:, 0] > near) & (z[:, 0] < far)] = ground.road
    numbers = np.array([canvas.add(label, {OWN: colour, LIGHT: WHITE}, ground.gain) for label, colour in ground.strips], np.int32)
    fade = np.clip(60 / z, 4, 24).astype(np.int32)  # far away, grain averages out
    ix, iz = (x * 24).astype(np.int32) & 255, (z * 24).astype(np.int32) & 255
    grain = looks.noise(92, 128)[iz, ix] * fade >> 8
    wide = looks.noise(93, 16)[(z * 5).astype(np.int32) & 255, (x * 9).astype(np.int32) & 255] >> 4
    codes = np.clip(16 + (grain + wide * ground.patches), 3, 30) + code(OWN, 0)
    slabs = (strip != ground.road) & (z < 14) & (((x * 16).astype(np.int32) % 12 == 0) | ((z * 16).astype(np.int32) % 12 == 0))
    codes[slabs] -= 3
    on_road = strip == ground.road
    worn = grain + wide * 2 < 6
    for mark in ground.marks:
        there = (x > mark.left) & (x < mark.right) & on_road
        if mark.far < 200:
            there &= (z > mark.near) & (z < mark.far)
        if mark.period:
            there &= (z + mark.phase) % mark.period < mark.dash
        if mark.stripes:
            there &= (x + 50) % mark.stripes < mark.stripes / 2
        codes[there & worn] = code(LIGHT, 13) if mark.white else code(RED, 16)
    owner = numbers[strip]
    canvas.owner[top:], canvas.what[top:] = owner, owner * 256 + codes
    for number in numbers:
        canvas.palettes[number][RED] = np.array((176, 150, 70)) * ground.gain  # the yellow of British kerb lines
    canvas.haze[top:] = canvas.hazy(z)
    light = np.full(x.shape, 128, np.float32)
    if ground.shine:
        light += np.clip((z - 3) * np.float32(ground.shine), 0, 90)
    for side, edges in ground.shadows:  # the shadow of the houses: (side, x to which it reaches for every metre ahead)
        reach = np.array(edges, np.float32)[np.minimum(z[:, 0], len(edges) - 1).astype(np.int32)][:, None]
        light[x * side > reach * side] *= np.float32(ground.shadow_gain)
    canvas.light[top:] = np.clip(light, 0, 255)
    for x0, z0, across, along, strength in ground.spots:
        canvas.shade_ground(x0, z0, across, along, strength)


def paint_car(canvas: Canvas, car, number: int) -> None:
    """A car as a body between two outlines, seen from wherever the camera is; car.turn = (sin, cos) of its heading."""
    outline, width, (screen, rear) = CARS[car.style]
    sin, cos = car.turn
    half = width / 2

    def at(t: float, side: float, y: float) -> tuple[float, float]:
        if y > 1.15:
            side *= 0.84  # cabins narrow towards the roof
        x, z = car.x + t * sin + side * half * cos, car.z + t * cos - side * half * sin
        return canvas.project(x, y, max(z, NEAR))

    def seen(face: list) -> bool:
        area = sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(face, face[1:] + face[:1], strict=True))
        return area > 0

    faces = []
    low, high = outline[0][1], max(y for _, y in outline)
    belt = outline[screen][1]
    nose, tail = outline[0][0], outline[-1][0]
    # The dark underside first, then the skin from front to rear, then the two sides.
    faces.append((code(DARK, 6), [at(nose * 0.8, -1, 0.02), at(nose * 0.8, 1, 0.02), at(nose, 1, low + 0.1), at(nose, -1, low + 0.1)]))
    faces.append((code(DARK, 6), [at(tail * 0.8, 1, 0.02), at(tail * 0.8, -1, 0.02), at(tail, -1, low + 0.1), at(tail, 1, low + 0.1)]))
    for s in (-1, 1):
        faces.append((code(DARK, 6), [at(t, s, y) for t, y in ((nose * 0.9, 0.05), (nose, low + 0.1), (tail, low + 0.1), (tail * 0.9, 0.05))]))
    skins = []
    for k, ((t0, y0), (t1, y1)) in enumerate(zip(outline, outline[1:], strict=False)):
        face = [at(t0, -1, y0), at(t0, 1, y0), at(t1, 1, y1), at(t1, -1, y1)]
        if not seen(face):
            continue
        flat = abs(y1 - y0) < 0.3 * abs(t1 - t0)
        skins.append((code(OWN, 23 if flat else 15), face))
        if k in (screen, rear) and y0 + y1 > 1.8:
            inset = 0.8
            m0, m1 = (t0 * 0.93 + t1 * 0.07, y0 * 0.93 + y1 * 0.07), (t0 * 0.12 + t1 * 0.88, y0 * 0.12 + y1 * 0.88)
            glass = [at(m0[0], -inset, m0[1]), at(m0[0], inset, m0[1]), at(m1[0], inset, m1[1]), at(m1[0], -inset, m1[1])]
            skins.append((code(GLASS, 10 if k == screen else 8), glass))
    sides = []
    for s in (-1, 1):
        face = [at(t, s, y) for t, y in outline]
        if s < 0:
            face = face[::-1]
        if not seen(face):
            continue
        sides.append((code(OWN, 13), face))
        if belt < 1.25:
            lit = [(t, y) for t, y in outline if y > belt - 0.06][0 : screen + 4]
            window = [at(t * 0.9, s, belt + (y - belt) * 0.85 + 0.03) for t, y in lit if y >= belt or abs(t) < 1.9]
            if len(window) > 2:
                sides.append((code(GLASS, 7), window))
                sides.append((code(OWN, 11), [at(-0.15, s, belt), at(-0.05, s, belt), at(-0.05, s, high - 0.1), at(-0.15, s, high - 0.1)]))
        wheel = 0.32 if belt < 1.25 else 0.4
        for t in (nose * 0.62, tail * 0.62):
            for radius, fill in ((wheel, code(DARK, 9)), (wheel * 0.6, code(LIGHT, 8))):
                ring = [at(t + radius * c, s * 1.01, wheel + radius * r) for c, r in RING]
                sides.append((fill, ring))
    ends = []
    for t, away, lamp, plate in ((nose, outline[1], code(LIGHT, 17), code(LIGHT, 14)), (tail, outline[-2], code(RED, 18), code(ACCENT, 15))):
        if not seen([at(t, -1, low), at(t, 1, low), at(t, 1, low + 0.5), at(t, -1, low + 0.5)][:: 1 if t > 0 else -1]):
            continue
        ends.append((code(DARK, 14), [at(t, -1, low), at(t, 1, low), at(t, 1, low + 0.14), at(t, -1, low + 0.14)]))
        y0, y1 = away[1] - 0.26, away[1] - 0.06
        for s in (-1, 1):
            ends.append((lamp, [at(t, s * 0.96, y0), at(t, s * 0.62, y0), at(t, s * 0.62, y1), at(t, s * 0.96, y1)]))
            ends.append((code(DARK, 5), [at(t, s * 0.95, 0), at(t, s * 0.7, 0), at(t, s * 0.7, low), at(t, s * 0.95, low)]))
        ends.append((plate, [at(t, -0.28, low + 0.17), at(t, 0.28, low + 0.17), at(t, 0.28, low + 0.3), at(t, -0.28, low + 0.3)]))
    order = skins + sides + ends
    canvas.polygons(faces + order, number, car.z)


RING = [(1, 0), (0.87, 0.5), (0.5, 0.87), (0, 1), (-0.5, 0.87), (-0.87, 0.5), (-1, 0), (-0.87, -0.5), (-0.5, -0.87), (0, -1),
        (0.5, -0.87), (0.87, -0.5)]  # fmt: skip


def _truth(canvas: Canvas) -> tuple[np.ndarray, np.ndarray]:
    """The class that fills more than half of a pixel's samples; where none does, the pixel lies on a border: void."""
    owners = [canvas.owner[y::2, x::2] for y in (0, 1) for x in (0, 1)]
    table = np.array(canvas.labels, np.uint8)
    a, b, c, d = (table[owner] for owner in owners)
    first = (a == b).astype(np.uint8) + (a == c) + (a == d) >= 2
    mask = np.where(first, a, np.where((b == c) & (b == d), b, np.uint8(IGNORE_INDEX)))
    ids = np.array(canvas.ids, np.int32)[np.where(first, owners[0], owners[1])]
    return mask, ids * (mask != IGNORE_INDEX)


def _develop(canvas: Canvas, weather, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Colours, light, haze; then the camera: exposure, blur, sensor noise."""
    shades = np.arange(32) / 16
    table = np.array(canvas.palettes)[:, :, None, :] * shades[None, None, :, None]
    table = np.clip(table + 0.5, 0, 255).astype(np.uint16).reshape(-1, 3)
    colour = table[canvas.what] * canvas.light[..., None]
    colour >>= 7
    np.minimum(colour, 255, out=colour)
    if weather.haze:
        haze = canvas.haze[..., None].astype(np.uint16)
        colour = (colour * (255 - haze) + np.array(weather.fog, np.uint16) * haze) >> 8
    height, width = size
    colour = colour[0::2, 0::2] + colour[0::2, 1::2] + colour[1::2, 0::2] + colour[1::2, 1::2]
    colour = colour.astype(np.int32)
    if weather.blur:
        colour[:, 1:-1] = (colour[:, :-2] + colour[:, 1:-1] * 2 + colour[:, 2:]) >> 2
        colour[1:-1] = (colour[:-2] + colour[1:-1] * 2 + colour[2:]) >> 2
    colour = colour * np.array([int(256 * g) for g in weather.exposure]) >> 10
    if weather.noise:
        # The sum of four uniform bytes is close to a normal number and, unlike one, the same on every machine.
        grains = np.frombuffer(rng.bytes(height * width * 12), np.uint8).reshape(4, height, width, 3)
        grains = grains.astype(np.int32).sum(0) - 510
        colour = colour + (grains * int(weather.noise * 16) // (148 * 16))
    return np.clip(colour + weather.lift, 0, 255).astype(np.uint8)


def paint(canvas: Canvas, item) -> None:
    if item.kind in ("wall", "gable"):
        paint_wall(canvas, item)
        return
    if item.z < NEAR:
        return
    number = canvas.add(item.label, item.colours, item.gain, item.instance)
    if item.kind == "car":
        paint_car(canvas, item, number)
    elif item.kind == "pole":
        paint_pole(canvas, item, number)
    elif item.kind == "box":
        x, half = item.x, item.height * 0.3
        corners = [(x - half, 0), (x + half, 0), (x + half, item.height), (x - half, item.height)]
        faces = [(code(OWN, 15), [canvas.project(a, y, item.z) for a, y in corners])]
        faces.append((code(OWN, 22), [canvas.project(a, y, z) for a, y, z in (
            (x - half, item.height, item.z), (x + half, item.height, item.z), (x + half, item.height, item.z + half), (x - half, item.height, item.z + half))]))
        canvas.polygons(faces, number, item.z, 3)
    else:
        drawn = looks.sprites()[item.kind]
        canvas.sprite(drawn[item.style % len(drawn)], item.x, item.above, item.z, item.height, number, item.mirrored)


def paint_pole(canvas: Canvas, pole, number: int) -> None:
    column, foot = canvas.project(pole.x, 0, pole.z)
    _, head = canvas.project(pole.x, pole.height, pole.z)
    width = max(3.0, canvas.focal * pole.above / pole.z)
    left = int(column - width / 2 + 0.5)
    right = left + int(width + 0.5) - 1
    faces = [(code(OWN, 15), [(left, foot), (left, head), (right, head), (right, foot)])]
    if right - left > 3:
        faces.append((code(OWN, 21), [(left, foot), (left, head), (left + (right - left) // 3, head), (left + (right - left) // 3, foot)]))
    if pole.style < 2 and pole.height > 4:
        reach = canvas.focal * (1.4 if pole.style else 0.5) / pole.z * (-1 if pole.mirrored else 1)
        thick = max(2.0, width * 0.7)
        faces.append((code(OWN, 14), [(column, head), (column + reach, head - thick * 0.5), (column + reach, head + thick), (column, head + thick)]))
        faces.append((code(LIGHT, 12), [(column + reach * 0.6, head), (column + reach * 1.2, head - thick * 0.5), (column + reach * 1.2, head + thick), (column + reach * 0.6, head + thick)]))
    canvas.polygons(faces, number, pole.z)


def paint_wall(canvas: Canvas, wall) -> None:
    number = canvas.add(wall.label, wall.colours, wall.gain)
    tiles, names = looks.tiles()
    (x0, z0), (x1, z1) = wall.start, wall.end
    if wall.roof and z1 > NEAR:
        rise, behind, colour = wall.roof
        roof = canvas.add(wall.label, {OWN: colour}, wall.gain)
        z0c = max(z0, NEAR)
        if wall.kind == "gable":
            canvas.polygons([(code(OWN, 15), [canvas.project(x0, wall.top, z0c), canvas.project(x1, wall.top, z0c), canvas.project((x0 + x1) / 2, wall.top + rise, z0c)])], roof, z0c, 3)
        else:
            back = behind * (1 if x0 > 0 else -1)
            canvas.polygons([(code(OWN, 15), [canvas.project(x0, wall.top, z0c), canvas.project(x1, wall.top, z1),
                                              canvas.project(x1 + back, wall.top + rise, z1), canvas.project(x0 + back, wall.top + rise, z0c)])], roof, z1, 3)
    which = np.array([[names[name][k % len(names[name])] for name, k in line] for line in wall.parts])
    texture = tiles[which].transpose(0, 2, 1, 3).reshape(which.shape[0] * TILE, which.shape[1] * TILE)
    canvas.wall(wall.start, wall.end, wall.bottom, wall.top, texture, wall.bays / which.shape[1], number)
