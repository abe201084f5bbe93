"""Sky, road and pavements: what lies behind all that stands in the street."""

from __future__ import annotations

import numpy as np

from segedu.worlds.street.paint import textures
from segedu.worlds.street.paint.canvas import NEAR, Canvas, runs
from segedu.worlds.street.paint.codes import code
from segedu.worlds.street.scene import Ground, Mark, Material, Spot, Weather

KERB_YELLOW = (176, 150, 70)


def paint_sky(canvas: Canvas, weather: Weather) -> None:
    """Paint the sky behind all, with clouds, brighter or darker towards the top."""
    canvas.add(0, {Material.OWN: weather.sky})
    canvas.what[:] = code(Material.OWN)
    horizon = min(max(int(canvas.horizon) + 2, 1), canvas.height)
    rows = np.arange(horizon)
    light = textures.clouds(canvas.width)[rows * 240 // canvas.height + weather.cloud_place & 255] * weather.clouds
    light += (128 - (horizon - rows) * (weather.gradient / horizon))[:, None]
    canvas.light[:horizon] = np.clip(light, 20, 255)


def paint_ground(canvas: Canvas, ground: Ground) -> None:
    """Paint the strips of the ground below the horizon, with what is marked on the road, and light them."""
    top = max(0, int(canvas.horizon) + 1)
    if top >= canvas.height:
        return
    z = canvas.focal * canvas.camera.height / (np.arange(top, canvas.height) + (0.5 - canvas.horizon))
    off = canvas.across(0.0, z).astype(np.float32)[:, None]
    z = z.astype(np.float32)[:, None]
    x = (np.arange(canvas.width, dtype=np.float32) + np.float32(0.5 - canvas.middle)) * (z / np.float32(canvas.focal))
    x -= off
    canvas.ground_z[top:] = z
    strip = np.zeros(x.shape, np.uint8)
    for border in ground.borders:
        strip += (x > np.float32(border)).view(np.uint8)
    for near, far in ground.crossings:
        strip[(z[:, 0] > near) & (z[:, 0] < far)] = ground.road
    first = len(canvas.objects)
    for label, colour in ground.strips:
        canvas.add(label, {Material.OWN: colour, Material.EXTRA: KERB_YELLOW}, ground.gain)
    what = canvas.what[top:]
    what[:] = strip
    what += first
    what <<= 8
    what += _surface(ground, x, z, strip == ground.road)
    _light_ground(canvas.light[top:], ground, x, z)


def _surface(ground: Ground, x: np.ndarray, z: np.ndarray, on_road: np.ndarray) -> np.ndarray:
    """(rows, columns) int16 codes: grain and patches everywhere, joints between slabs, paint on the road."""
    fade = np.clip(36 / z, 3, 14).astype(np.int16)  # far away, grain averages out
    grain = _noise(92, 128, x * 24, z * 24)
    grain *= fade
    grain >>= 8
    patches = _noise(93, 16, x * 9, z * 5)
    patches >>= 5
    codes = np.clip(patches * np.int16(ground.patches) + grain, -13, 14) + code(Material.OWN)
    close = int((z > 14).sum())  # only near by can joints be seen
    across, along = (x[close:] * 16).astype(np.int32), (z[close:] * 16).astype(np.int32)
    joints = (across // 12 * 12 == across) | (along // 12 * 12 == along)
    joints &= ~on_road[close:]
    codes[close:] -= np.int16(3) * joints
    worn = on_road & (2 * patches + grain < 6)
    for mark in ground.marks:
        _paint_mark(codes, mark, x, z, worn)
    return codes


def _light_ground(canvas_light: np.ndarray, ground: Ground, x: np.ndarray, z: np.ndarray) -> None:
    """How bright each pixel of the ground is: wet roads shine far off, houses cast shadows."""
    light = np.full(z.shape, 128, np.float32)
    if ground.shine:
        light += np.minimum((z - 3) * np.float32(ground.shine), 90)
    canvas_light[:] = light
    dark = (light * np.float32(ground.shadow_gain)).astype(np.uint16)
    for side, reach in ground.shadows:
        edge = np.array(reach, np.float32)[np.minimum(z[:, 0], len(reach) - 1).astype(np.int32)][:, None]
        np.copyto(canvas_light, dark, where=x * side > edge * side)


def _noise(seed: int, coarsest: int, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Noise (rows, columns) int16 at the places x (rows, columns), z (rows, 1)."""
    place = (z.astype(np.int32) & 255) * 256 + (x.astype(np.int32) & 255)
    return textures.flat_noise(seed, coarsest).take(place, mode="clip")  # no check of the range: faster


def _paint_mark(codes: np.ndarray, mark: Mark, x: np.ndarray, z: np.ndarray, worn: np.ndarray) -> None:
    rows = (z > mark.near) & (z < mark.far)
    if mark.period:
        rows &= (z + np.float32(mark.phase)) % np.float32(mark.period) < mark.dash
    picked = np.flatnonzero(rows)
    if not len(picked):
        return
    part = slice(picked[0], picked[-1] + 1)
    there = (x[part] > mark.left) & (x[part] < mark.right)
    there &= worn[part]
    there &= rows[part]
    if mark.stripes:
        there &= (x[part] + 50) % np.float32(mark.stripes) < mark.stripes / 2
    np.copyto(codes[part], code(Material.LIGHT, 13) if mark.white else code(Material.EXTRA), where=there)


def darken_ground(canvas: Canvas, spots: list[Spot]) -> None:
    """Darken the spots on the ground, softly."""
    scale = canvas.focal * canvas.camera.height
    seen = []
    for x, z, across, along, strength, _ in spots:
        top = max(0, int(canvas.horizon + scale / max(z + along, NEAR)))
        bottom = min(int(canvas.horizon + scale / max(z - along, NEAR)) + 1, canvas.height)
        if z + along > NEAR and top < bottom:
            seen.append((x, z, across, along, strength, top, bottom))
    if not seen:
        return
    x, z, across, along, strength, top, bottom = np.array(seen).T
    height = (bottom - top).astype(np.int32)
    starts = np.cumsum(height) - height
    spot = np.repeat(np.arange(len(seen)), height)
    x, z, across, along, strength = (values.take(spot) for values in (x, z, across, along, strength))
    depth = scale / (runs(top, height) + (0.5 - canvas.horizon))
    centre = canvas.middle + canvas.focal * canvas.across(x, depth) / depth
    reach = canvas.focal * across / depth + 1
    left = np.clip(np.minimum.reduceat(centre - reach, starts), 0, canvas.width).astype(np.int32)
    right = np.clip(np.maximum.reduceat(centre + reach, starts), 0, canvas.width).astype(np.int32)
    width = right - left  # of the box around a spot; from here on, one number a pixel
    columns = width.take(spot)
    dark = runs(left.take(spot), columns) + 0.5
    dark -= np.repeat(centre, columns)
    dark *= np.repeat(depth / (canvas.focal * across), columns)
    dark *= dark
    dark += np.repeat(((depth - z) / along) * ((depth - z) / along), columns)
    dark = np.clip(2 - 2 * dark, 0, 1)
    dark *= np.repeat(256 * strength, columns)
    kept = 256 - dark.astype(np.uint16)
    place = 0
    for y, x, h, w in np.stack([top, left, height, width], 1).astype(int).tolist():
        light = canvas.light[y : y + h, x : x + w]
        light *= kept[place : place + h * w].reshape(h, w)
        light >>= 8
        place += h * w
