"""From the description of a scene to pixels, classes and ids: a small software renderer.

Everything is painted from far to near. No colour is mixed while painting: each pixel only remembers *what* was painted
there (object and code), and the colours follow at the end for all objects at once.
Floats meet only + − · / and comparisons, which round alike on all machines; pixels are integers.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from segedu.datasets._street import looks
from segedu.datasets._street.cars import cars
from segedu.datasets._street.looks import DARK, GLASS, LIGHT, OWN, RED, TILE, code
from segedu.datasets._street.scene import Camera, Ground, Scene, Thing, Wall, Weather
from segedu.labels import IGNORE_INDEX

SUPERSAMPLING = 2
NEAR = 1.3  # metres: what is nearer to the lens is cut off
PALETTE = [(0, 0, 0)] * 8  # of an object that names no colours of its own
PALETTE[DARK], PALETTE[LIGHT], PALETTE[GLASS], PALETTE[RED] = (28, 28, 30), (235, 235, 230), (70, 78, 86), (150, 24, 20)
KERB_YELLOW = (176, 150, 70)


class Canvas:
    """What was painted at each pixel (object · 256 + code), whose it is, and its air: light · 256 + haze.

    Light 128 leaves a colour as it is; haze 255 hides it.
    """

    def __init__(self, camera: Camera, weather: Weather, height: int, width: int):
        self.camera, self.height, self.width = camera, height, width
        # A picture of another shape than 4:3 is cut out of the 4:3 view, so nothing beyond the described is seen.
        design = max(width, height * 4 / 3)
        self.focal = camera.zoom * design
        self.middle, self.horizon = width / 2, (camera.horizon - 0.5) * design * 0.75 + height / 2
        self.density = weather.haze
        self.what = np.zeros((height, width), np.int32)
        self.owner = np.zeros((height, width), np.uint16)
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

    def stamp(self, codes: np.ndarray, top: int, left: int, number: int, air) -> None:
        """Paint codes (h, w) with their first pixel at (top, left), cut at the edges; code 0 is not painted."""
        bottom, right = min(top + codes.shape[0], self.height), min(left + codes.shape[1], self.width)
        y, x = max(top, 0), max(left, 0)
        if y >= bottom or x >= right:
            return
        codes = codes[y - top : bottom - top, x - left : right - left]
        place = np.s_[y:bottom, x:right]
        np.copyto(self.owner[place], number, where=codes > 0)
        opaque = codes >= 32
        np.add(codes, np.int32(number * 256), out=self.what[place], where=opaque)
        np.copyto(self.air[place], air, where=opaque)

    def polygons(self, faces: list, points: np.ndarray, number: int, z: float, grain: int = 0) -> None:
        """Paint the faces [(code, first corner, last corner + 1), …] of one object, in this order.

        points: (corners, 2) columns and rows. grain: a divisor, the smaller the rougher; 0 for plain faces.
        """
        # Kept small, because Pillow counts in few bits; the slant of edges to corners so far off does not matter.
        points = np.floor(np.minimum(np.maximum(points, -3000), 9000) + 0.5).astype(np.int32)
        (left, top), (right, bottom) = np.maximum(points.min(0), 0).tolist(), (points.max(0) + 1).tolist()
        right, bottom = min(right, self.width), min(bottom, self.height)
        if left >= right or top >= bottom:
            return
        image = Image.new("L", (right - left, bottom - top))
        paint = ImageDraw.Draw(image)
        corners = (points - (left, top)).ravel().tolist()
        for fill, first, last in faces:
            paint.polygon(corners[2 * first : 2 * last], fill)
        codes = np.frombuffer(image.tobytes(), np.uint8).reshape(bottom - top, right - left)
        if grain:
            rough = looks.noise(8, 64)
            rough = rough.take(range(left, right), 1, mode="wrap").take(range(top, bottom), 0, mode="wrap") // grain
            codes = (codes + rough * (codes > 0)).astype(np.uint8)
        self.stamp(codes, top, left, number, self.air_at(z))

    def air_at(self, z):
        return (128 << 8) + int(self.hazy(z))

    def sprite(self, codes: np.ndarray, thing: Thing, number: int) -> None:
        """Paint a sprite that stands upright on the spot of a thing and is as high as that."""
        column, row = self.project(thing.x, thing.above, thing.z)
        rows = max(3, int(self.focal * thing.height / thing.z + 0.5))
        columns = max(2, int(rows * codes.shape[1] / codes.shape[0] + 0.5))
        top, left = whole(row) - rows, whole(column - columns / 2)
        first, last, y0, y1 = max(-left, 0), min(columns, self.width - left), max(-top, 0), min(rows, self.height - top)
        if first >= last or y0 >= y1:
            return
        pick_y = (np.arange(y0, y1) * 2 + 1) * codes.shape[0] // (2 * rows)
        pick_x = (np.arange(first, last) * 2 + 1) * codes.shape[1] // (2 * columns)
        if thing.mirrored:
            pick_x = codes.shape[1] - 1 - pick_x
        self.stamp(codes[pick_y[:, None], pick_x], top + y0, left + first, number, self.air_at(thing.z))

    def wall(self, wall: Wall, number: int) -> None:
        """Paint an upright wall. Its texture covers the height once and is repeated along it."""
        (x0, z0), (x1, z1) = wall.start, wall.end
        begin, share = 0.0, 1.0  # the part of the wall that is not behind the camera
        if z0 < NEAR:
            begin = (NEAR - z0) / (z1 - z0)
            x0, z0, share = x0 + begin * (x1 - x0), NEAR, 1 - begin
        a, b = self.across(x0, z0), self.across(x1, z1)
        u0, u1 = self.middle + self.focal * a / z0, self.middle + self.focal * b / z1
        first, last = max(0, whole(min(u0, u1))), min(self.width, whole(max(u0, u1)))
        if first >= last:
            return
        ray = (np.arange(first, last) + (0.5 - self.middle)) / self.focal
        along = (ray * z0 - a) / ((b - a + 1e-9) - ray * (z1 - z0))
        along = np.minimum(np.maximum(along, 0), 0.9999)
        z = z0 + along * (z1 - z0)
        upper = self.horizon + self.focal * (self.camera.height - wall.top) / z
        lower = self.horizon + self.focal * (self.camera.height - wall.bottom) / z
        nearest = 0 if z[0] < z[-1] else -1
        y0 = max(0, int(min(upper[nearest], upper[-1 - nearest])))
        y1 = min(self.height, int(max(lower[nearest], lower[-1 - nearest])) + 1)
        if y0 >= y1:
            return
        texture = looks.texture(wall.parts)  # an empty row below and above
        storeys, repeat = texture.shape[0] - 2, texture.shape[1]
        column = ((begin + along * share) * (wall.bays * TILE)).astype(np.int32) % repeat
        slope = (storeys / (lower - upper)).astype(np.float32)
        rows = (np.arange(y0, y1, dtype=np.float32) + np.float32(0.5))[:, None]
        up = (lower.astype(np.float32) * slope + 1) - rows * slope
        np.maximum(up, 0, out=up)
        np.minimum(up, storeys + 1, out=up)
        at = up.astype(np.int32)
        at *= repeat
        at += column
        self.stamp(texture.ravel().take(at), y0, first, number, ((128 << 8) + self.hazy(z)).astype(np.uint16))

    def darken_ground(self, x: float, z: float, across: float, along: float, strength: float) -> None:
        """Darken an ellipse on the ground (half axes in metres), softly; strength 0 … 1."""
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
        left, right = max(0, int(centre.min() - reach)), min(self.width, int(centre.max() + reach) + 1)
        if left >= right:
            return
        off = (np.arange(left, right) + 0.5 - centre) * (depth / (self.focal * across))
        away = off * off + ((depth - z) / along) * ((depth - z) / along)
        left_over = 256 - (256 * strength * np.minimum(np.maximum(2 - 2 * away, 0), 1)).astype(np.int32)
        air = self.air[top:bottom, left:right]
        air[:] = ((air >> 8) * left_over & 0xFF00) + (air & 255)


def whole(value: float) -> int:
    """The nearest integer, kept small: Pillow counts in 32 bits and slopes of far-off corners do not matter."""
    return int(min(max(value, -3000.0), 9000.0) + 4000.5) - 4000


def draw(scene: Scene, size: tuple[int, int], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Picture (H, W, 3) uint8, mask (H, W) uint8 with 255 = void, ids of the things (H, W) int32 with 0 = none."""
    canvas = Canvas(scene.camera, scene.weather, size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING)
    _sky(canvas, scene.weather)
    _ground(canvas, scene.ground)
    for item in sorted(scene.items, key=lambda item: -item.depth):
        if isinstance(item, Wall):
            _wall(canvas, item)
        elif item.z > NEAR:
            _thing(canvas, item)
    mask, ids = _truth(canvas)
    return _develop(canvas, scene.weather, rng), mask, ids


def _sky(canvas: Canvas, weather: Weather) -> None:
    canvas.add(0, {OWN: weather.sky})
    canvas.what[:] = code(OWN)
    horizon = min(max(int(canvas.horizon) + 2, 1), canvas.height)
    rows = np.arange(horizon)[:, None]
    v, u = rows * 240 // canvas.height + weather.cloud_place & 255, np.arange(canvas.width) * 256 // canvas.width & 255
    clouds = looks.noise(90, 4)[v, u] + looks.noise(91, 16)[v * 2 & 255, u] // 2
    light = 128 - (horizon - rows) * (weather.gradient / horizon) + clouds * weather.clouds
    canvas.air[:horizon] = np.minimum(np.maximum(light, 20), 255).astype(np.uint16) << 8


def _ground(canvas: Canvas, ground: Ground) -> None:
    top = max(0, int(canvas.horizon) + 1)
    if top >= canvas.height:
        return
    z = canvas.focal * canvas.camera.height / (np.arange(top, canvas.height) + (0.5 - canvas.horizon))
    off = canvas.across(0.0, z).astype(np.float32)[:, None]
    z = z.astype(np.float32)[:, None]
    x = (np.arange(canvas.width, dtype=np.float32) + np.float32(0.5 - canvas.middle)) * (
        z / np.float32(canvas.focal)
    ) - off
    strip = np.zeros(x.shape, np.uint8)
    for border in ground.borders:
        strip += x > np.float32(border)
    for near, far in ground.crossings:
        strip[(z[:, 0] > near) & (z[:, 0] < far)] = ground.road
    on_road = strip == ground.road
    first = len(canvas.labels)
    for label, colour in ground.strips:
        canvas.add(label, {OWN: colour, RED: KERB_YELLOW}, ground.gain)
    fade = np.minimum(np.maximum(36 / z, 3), 14).astype(np.int32)  # far away, grain averages out
    grain = (
        looks.noise(92, 128).ravel().take(((z * 24).astype(np.int32) & 255) * 256 + ((x * 24).astype(np.int32) & 255))
        * fade
    ) >> 8
    patches = (
        looks.noise(93, 16).ravel().take(((z * 5).astype(np.int32) & 255) * 256 + ((x * 9).astype(np.int32) & 255)) >> 5
    )
    codes = np.minimum(np.maximum(grain + patches * ground.patches, -13), 14) + code(OWN)
    close = int((z > 14).sum())  # only near by can joints between slabs be seen
    joints = ((x[close:] * 16).astype(np.int32) % 12 == 0) | ((z[close:] * 16).astype(np.int32) % 12 == 0)
    codes[close:] -= 3 * (joints & ~on_road[close:])
    worn = on_road & (grain + patches * 2 < 6)
    for mark in ground.marks:
        rows = (z > mark.near) & (z < mark.far)
        if mark.period:
            rows &= (z + np.float32(mark.phase)) % np.float32(mark.period) < mark.dash
        picked = np.nonzero(rows[:, 0])[0]
        if not len(picked):
            continue
        part = slice(picked[0], picked[-1] + 1)
        there = (x[part] > mark.left) & (x[part] < mark.right) & worn[part] & rows[part]
        if mark.stripes:
            there &= (x[part] + 50) % np.float32(mark.stripes) < mark.stripes / 2
        codes[part][there] = code(LIGHT, 13) if mark.white else code(RED)
    owner = strip + np.int32(first)
    canvas.owner[top:], canvas.what[top:] = owner, owner * 256 + codes
    light = np.full(x.shape, 128, np.float32)
    if ground.shine:
        light += np.minimum((z - 3) * np.float32(ground.shine), 90)
    for side, reach in ground.shadows:
        edge = np.array(reach, np.float32)[np.minimum(z[:, 0], len(reach) - 1).astype(np.int32)][:, None]
        light[x * side > edge * side] *= np.float32(ground.shadow_gain)
    canvas.air[top:] = (light.astype(np.uint16) << 8) + canvas.hazy(z).astype(np.uint16)
    for spot in ground.spots:
        canvas.darken_ground(*spot)


def _thing(canvas: Canvas, thing: Thing) -> None:
    number = canvas.add(thing.label, thing.colours, thing.gain, thing.instance)
    if thing.kind == "car":
        _car(canvas, thing, number)
    elif thing.kind == "pole":
        _pole(canvas, thing, number)
    else:
        drawn = looks.sprites()[thing.kind]
        canvas.sprite(drawn[thing.style % len(drawn)], thing, number)


def _car(canvas: Canvas, car: Thing, number: int) -> None:
    """A car from wherever the camera is: the faces of its body that can be seen, with windows, lamps and wheels."""
    fills, starts, corners, centres, normals = cars()[car.style]
    sin, cos = car.turn
    x = canvas.across(car.x, car.z)
    # The camera from the car's own point of view (ahead, to the right, up) tells which faces look at it.
    eye = (-x * sin - car.z * cos, car.z * sin - x * cos, canvas.camera.height)
    facing = sum(normals[:, k] * (eye[k] - centres[:, k]) for k in range(3)) > 0
    depth = np.maximum(car.z + corners[:, 0] * cos - corners[:, 1] * sin, NEAR)
    column = canvas.middle + canvas.focal * (x + corners[:, 0] * sin + corners[:, 1] * cos) / depth
    row = canvas.horizon + canvas.focal * (canvas.camera.height - corners[:, 2]) / depth
    faces = [(fills[k], starts[k], starts[k + 1]) for k in np.nonzero(facing)[0].tolist()]
    canvas.polygons(faces, np.stack([column, row], 1), number, car.z)


def _pole(canvas: Canvas, pole: Thing, number: int) -> None:
    column, foot = canvas.project(pole.x, 0, pole.z)
    head = canvas.project(pole.x, pole.height, pole.z)[1]
    width = max(3, whole(canvas.focal * pole.width / pole.z))
    left, top, bottom = whole(column - width / 2), max(whole(head), 0), min(whole(foot), canvas.height)
    if pole.style != "plain":  # the arm and the lamp of a street light
        reach = canvas.focal * (1.4 if pole.style == "long arm" else 0.6) / pole.z * (-1 if pole.mirrored else 1)
        thick = max(2, width * 2 // 3)
        a, b, c = left + width // 2, whole(column + reach * 0.6), whole(column + reach * 1.2)
        y = whole(head)
        arm = [(a, y), (c, y - thick // 2), (c, y + thick // 2), (a, y + thick)]
        lamp = [(b, y), (c, y - thick // 2), (c, y + thick), (b, y + thick)]
        canvas.polygons([(code(OWN, 14), 0, 4), (code(LIGHT, 12), 4, 8)], np.array(arm + lamp), number, pole.z)
    if top < bottom:
        shade = np.full((bottom - top, width), code(OWN, 14), np.uint8)
        shade[:, : width // 3] = code(OWN, 20)
        canvas.stamp(shade, top, left, number, canvas.air_at(pole.z))


def _wall(canvas: Canvas, wall: Wall) -> None:
    (x0, z0), (x1, z1) = wall.start, wall.end
    if z1 <= NEAR:
        return
    outer = canvas.width / 2 / canvas.focal
    if (
        (x0 > 0) == (x1 > 0)
        and abs(canvas.across(x0, z1)) > outer * z1 + 20
        and abs(canvas.across(x1, z1)) > outer * z1 + 20
    ):
        return
    number = canvas.add(wall.label, wall.colours, wall.gain)
    if wall.roof:
        rise, behind, colour = wall.roof
        roof = canvas.add(wall.label, {OWN: colour}, wall.gain)
        z0 = max(z0, NEAR)
        eaves = [canvas.project(x0, wall.top, z0), canvas.project(x1, wall.top, z1)]
        if behind:
            back = behind if x0 > 0 else -behind
            ridge = [canvas.project(x1 + back, wall.top + rise, z1), canvas.project(x0 + back, wall.top + rise, z0)]
        else:  # the pointed end of a house
            ridge = [canvas.project((x0 + x1) / 2, wall.top + rise, z0)]
        outline = np.array(eaves + ridge)
        canvas.polygons([(code(OWN, 15), 0, len(outline))], outline, roof, z1, 24)
    canvas.wall(wall, number)


def _truth(canvas: Canvas) -> tuple[np.ndarray, np.ndarray]:
    """The class that fills more than half of a pixel's four samples; elsewhere is a border: void."""
    owners = [canvas.owner[y::2, x::2] for y in (0, 1) for x in (0, 1)]
    table = np.array(canvas.labels, np.uint8)
    a, b, c, d = (table[owner] for owner in owners)
    first = ((a == b) & ((a == c) | (a == d))) | ((a == c) & (a == d))
    mask = np.where(first, a, np.where((b == c) & (b == d), b, np.uint8(IGNORE_INDEX)))
    ids = np.array(canvas.ids, np.int32)[np.where(first, owners[0], owners[1])]
    return mask, ids * (mask != IGNORE_INDEX)


def _develop(canvas: Canvas, weather: Weather, rng: np.random.Generator) -> np.ndarray:
    """Colours, light, haze; then the camera: exposure, blur, stray light, sensor noise."""
    table = np.array(canvas.palettes) * np.array(canvas.gains)[:, None, None]  # (objects, materials, 3)
    table = np.minimum(table[:, :, None] * (np.arange(32) / 16)[:, None] + 0.5, 255).astype(np.uint16).reshape(-1, 3)
    table = np.ascontiguousarray(table.T)  # one row a channel
    what = canvas.what.astype(np.intp)  # what `take` needs, converted once
    light, haze = canvas.air >> 8, canvas.air & 255
    picture = np.empty((canvas.height // 2, canvas.width // 2, 3), np.uint8)
    grains = np.frombuffer(rng.bytes(picture.size * 4), np.uint8).reshape(3, 4, *picture.shape[:2])
    for channel in range(3):
        colour = table[channel].take(what)
        colour *= light
        colour >>= 7
        np.minimum(colour, 255, out=colour)
        if weather.haze > 0.002:
            colour = (colour * (255 - haze) + haze * np.uint16(weather.fog[channel])) >> 8
        colour = colour[0::2] + colour[1::2]
        colour = (colour[:, 0::2] + colour[:, 1::2]).astype(np.int32)
        if weather.blur:
            colour[:, 1:-1] = (colour[:, :-2] + colour[:, 1:-1] * 6 + colour[:, 2:]) >> 3
            colour[1:-1] = (colour[:-2] + colour[1:-1] * 6 + colour[2:]) >> 3
        colour = (colour * int(256 * weather.exposure[channel])) >> 10
        # The sum of four uniform bytes is close to a normal number and, unlike one, the same on every machine.
        grain = grains[channel].sum(0, dtype=np.int32) - 510  # standard deviation 148
        colour += weather.lift + ((grain * int(weather.noise * 16)) // (148 * 16))
        picture[..., channel] = np.minimum(np.maximum(colour, 0), 255)
    return picture
