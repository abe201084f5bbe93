"""From the description of a scene to pixels, classes and ids: a small software renderer.

After the sky and the ground, everything is painted from near to far, and at the end gets its colours.
Floats meet only + − · / and comparisons, which round alike on all machines; pixels are integers.
"""

from __future__ import annotations

from itertools import chain

import numpy as np

from segedu.datasets._street import looks
from segedu.datasets._street.canvas import NEAR, Canvas, whole
from segedu.datasets._street.cars import cars
from segedu.datasets._street.looks import LIGHT, OWN, RED, code
from segedu.datasets._street.scene import Ground, Scene, Thing, Wall, Weather
from segedu.datasets._street.walls import in_view, outlines, paint_wall
from segedu.labels import IGNORE_INDEX

SUPERSAMPLING = 2
KERB_YELLOW = (176, 150, 70)


def draw(scene: Scene, size: tuple[int, int], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Picture (H, W, 3) uint8, mask (H, W) uint8 with 255 = void, ids of the things (H, W) int32 with 0 = none."""
    canvas = Canvas(scene.camera, scene.weather, size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING)
    _sky(canvas, scene.weather)
    _ground(canvas, scene.ground)
    items = sorted(scene.items, key=lambda item: -item.depth)[::-1]  # of two at one depth, the later is in front
    items = [item for item in items if (in_view(canvas, item) if isinstance(item, Wall) else item.z > NEAR)]
    seen = iter(outlines(canvas, [item for item in items if isinstance(item, Wall)]))
    for item in items:
        if isinstance(item, Wall):
            paint_wall(canvas, item, next(seen))
        else:
            _thing(canvas, item)
    for spot in scene.ground.spots:
        canvas.darken_ground(*spot)
    mask, ids = _truth(canvas)
    return _develop(canvas, scene.weather, rng), mask, ids


def _sky(canvas: Canvas, weather: Weather) -> None:
    canvas.add(0, {OWN: weather.sky})
    canvas.what[:] = code(OWN)
    horizon = min(max(int(canvas.horizon) + 2, 1), canvas.height)
    rows = np.arange(horizon)
    light = looks.clouds(canvas.width)[rows * 240 // canvas.height + weather.cloud_place & 255] * weather.clouds
    light += (128 - (horizon - rows) * (weather.gradient / horizon))[:, None]
    np.maximum(light, 20, out=light)
    np.minimum(light, 255, out=light)
    canvas.air[:horizon] = light.astype(np.uint16) << 8


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
    across, along = (x[close:] * 16).astype(np.int32), (z[close:] * 16).astype(np.int32)
    joints = (across // 12 * 12 == across) | (along // 12 * 12 == along)
    codes[close:] -= np.int32(3) * (joints & ~on_road[close:])
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
    canvas.what[top:] = (strip + np.int32(first)) * 256 + codes
    light = np.full(x.shape, 128, np.float32)
    if ground.shine:
        light += np.minimum((z - 3) * np.float32(ground.shine), 90)
    for side, reach in ground.shadows:
        edge = np.array(reach, np.float32)[np.minimum(z[:, 0], len(reach) - 1).astype(np.int32)][:, None]
        np.multiply(light, np.float32(ground.shadow_gain), out=light, where=x * side > edge * side)
    canvas.air[top:] = (light.astype(np.uint16) << 8) + canvas.hazy(z).astype(np.uint16)


def _thing(canvas: Canvas, thing: Thing) -> None:
    if thing.kind == "car":
        _car(canvas, thing)
    elif thing.kind == "pole":
        _pole(canvas, thing)
    else:
        drawn = looks.sprites()[thing.kind]
        canvas.sprite(drawn[thing.style % len(drawn)], thing)


def _car(canvas: Canvas, car: Thing) -> None:
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
    number = canvas.add(car.label, car.colours, car.gain, car.instance)
    canvas.polygons(faces, np.stack([column, row], 1), number, car.z)


def _pole(canvas: Canvas, pole: Thing) -> None:
    number = canvas.add(pole.label, pole.colours, pole.gain, pole.instance)
    column, foot = canvas.project(pole.x, 0, pole.z)
    head = canvas.project(pole.x, pole.height, pole.z)[1]
    width = max(3, whole(canvas.focal * pole.width / pole.z))
    left = whole(column - width / 2)
    box = canvas.visible(whole(head), whole(foot), left, left + width)
    if box:
        top, bottom, first, last = box
        shade = np.full((bottom - top, width), code(OWN, 14), np.uint8)
        shade[:, : width // 3] = code(OWN, 20)
        canvas.stamp(shade[:, first - left : last - left], top, first, number, canvas.air_at(pole.z))
    if pole.style != "plain":  # the arm and the lamp of a street light
        reach = canvas.focal * (1.4 if pole.style == "long arm" else 0.6) / pole.z * (-1 if pole.mirrored else 1)
        thick = max(2, width * 2 // 3)
        a, b, c = left + width // 2, whole(column + reach * 0.6), whole(column + reach * 1.2)
        y = whole(head)
        arm = [(a, y), (c, y - thick // 2), (c, y + thick // 2), (a, y + thick)]
        lamp = [(b, y), (c, y - thick // 2), (c, y + thick), (b, y + thick)]
        canvas.polygons([(code(OWN, 14), 0, 4), (code(LIGHT, 12), 4, 8)], np.array(arm + lamp), number, pole.z)


def _truth(canvas: Canvas) -> tuple[np.ndarray, np.ndarray]:
    """The class that fills more than half of a pixel's four samples; elsewhere is a border: void."""
    owner = np.where(canvas.veil > 0, canvas.veil, canvas.what >> 8)
    owners = [owner[y::2, x::2] for y in (0, 1) for x in (0, 1)]
    table = np.array(canvas.labels, np.uint8)
    a, b, c, d = (table[owner] for owner in owners)
    first = ((a == b) & ((a == c) | (a == d))) | ((a == c) & (a == d))
    mask = np.where(first, a, np.where((b == c) & (b == d), b, np.uint8(IGNORE_INDEX)))
    ids = np.array(canvas.ids, np.int32)[np.where(first, owners[0], owners[1])]
    return mask, ids * (mask != IGNORE_INDEX)


def _develop(canvas: Canvas, weather: Weather, rng: np.random.Generator) -> np.ndarray:
    """Colours, light, haze; then the camera: exposure, blur, stray light, sensor noise."""
    palettes = np.fromiter(chain.from_iterable(chain.from_iterable(canvas.palettes)), float).reshape(-1, 8, 3)
    table = (palettes * np.array(canvas.gains)[:, None, None]).transpose(2, 0, 1)[..., None] * (np.arange(32) / 16)
    table += 0.5
    np.minimum(table, 255, out=table)
    table = table.astype(np.uint16).reshape(3, -1)  # a row a channel
    light, haze = canvas.air >> 8, canvas.air & 255
    colour = table.take(canvas.what, 1)
    colour *= light
    colour >>= 7
    np.minimum(colour, 255, out=colour)
    if weather.haze > 0.002:
        colour *= 255 - haze
        colour += haze * np.array(weather.fog).astype(np.uint16)[:, None, None]
        colour >>= 8
    pairs = (colour[:, 0::2] + colour[:, 1::2]).view(np.uint32)  # two neighbours of 16 bits in each
    colour = ((pairs & 0xFFFF) + (pairs >> 16)).view(np.int32)
    if weather.blur:
        colour[..., 1:-1] = (colour[..., :-2] + colour[..., 1:-1] * 6 + colour[..., 2:]) >> 3
        colour[:, 1:-1] = (colour[:, :-2] + colour[:, 1:-1] * 6 + colour[:, 2:]) >> 3
    colour *= np.array([int(256 * gain) for gain in weather.exposure], np.int32)[:, None, None]
    colour >>= 10
    # The sum of four uniform bytes is close to a normal number and, unlike one, the same on every machine.
    grains = np.frombuffer(rng.bytes(colour.size * 4), np.uint8).reshape(3, 4, *colour.shape[1:])
    grain = grains.astype(np.int16).sum(1, dtype=np.int16).astype(np.int32) - 510  # standard deviation 148
    colour += (grain * int(weather.noise * 16)) // (148 * 16)
    colour += weather.lift
    np.maximum(colour, 0, out=colour)
    np.minimum(colour, 255, out=colour)
    return np.ascontiguousarray(colour.astype(np.uint8).transpose(1, 2, 0))
