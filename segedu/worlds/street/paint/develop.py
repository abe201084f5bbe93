"""Colours, light, haze; then the camera: exposure, blur, stray light, sensor noise."""

from __future__ import annotations

import numpy as np

from segedu.worlds.street.paint.canvas import Canvas
from segedu.worlds.street.scene import Material, Weather

PALETTE = np.zeros((8, 3))  # of an object that names no colours of its own
PALETTE[[Material.DARK, Material.LIGHT, Material.GLASS, Material.EXTRA]] = (
    (28, 28, 30),
    (235, 235, 230),
    (70, 78, 86),
    (150, 24, 20),
)


def develop(canvas: Canvas, weather: Weather, rng: np.random.Generator) -> np.ndarray:
    """The picture (H, W, 3) uint8 of a canvas (2 · H, 2 · W)."""
    colour = _colours(canvas)
    light = canvas.light.copy()
    np.copyto(light, 128, where=canvas.what >= canvas.standing * 256)  # things have a gain of their own
    colour *= light
    colour >>= 7
    np.minimum(colour, 255, out=colour)
    if weather.haze > 0.002:
        haze = _haze(canvas)
        colour *= 255 - haze
        colour += haze * np.array(weather.fog).astype(np.uint16)[:, None, None]
        colour >>= 8
    colour = colour[:, ::2] + colour[:, 1::2]
    colour = colour[:, :, ::2] + colour[:, :, 1::2]  # the sum of a pixel's four samples
    if weather.blur:
        colour[:, :, 1:-1] = (colour[:, :, :-2] + colour[:, :, 1:-1] * 6 + colour[:, :, 2:]) >> 3
        colour[:, 1:-1] = (colour[:, :-2] + colour[:, 1:-1] * 6 + colour[:, 2:]) >> 3
    colour = colour.astype(np.int32)
    colour *= np.array([int(256 * gain) for gain in weather.exposure], np.int32)[:, None, None]
    colour >>= 10
    colour += _noise(colour.shape, weather, rng)
    return np.stack(np.clip(colour, 0, 255).astype(np.uint8), axis=-1)


def _colours(canvas: Canvas) -> np.ndarray:
    """(3, H, W) uint16: the colour of each pixel, 0 … 255, before the light of sky and ground is on it."""
    what = canvas.what.astype(np.intp)
    used = np.zeros(len(canvas.objects) * 256, bool)
    used[what] = True
    used = np.flatnonzero(used)  # far fewer than there are
    number, material, shade = used >> 8, used >> 5 & 7, used & 31
    seen = np.unique(number).tolist()
    palettes = np.tile(PALETTE, (len(canvas.objects), 1, 1))  # (objects, materials, 3)
    places = [(one, own) for one in seen for own in canvas.objects[one].colours]
    palettes[tuple(np.array(places).T)] = [colour for one in seen for colour in canvas.objects[one].colours.values()]
    gains = np.array([thing.gain for thing in canvas.objects])
    rgb = palettes[number, material] * gains[number, None] * (shade / 16)[:, None]
    table = np.zeros((3, len(canvas.objects) * 256), np.uint16)
    table[:, used] = np.minimum(rgb + 0.5, 255).T
    return table.take(what, 1, mode="clip")  # no check of the range: faster


def _noise(shape: tuple[int, int, int], weather: Weather, rng: np.random.Generator) -> np.ndarray:
    """The sum of four uniform bytes is close to a normal number and, unlike one, the same on every machine."""
    count = shape[1] * shape[2] * 12
    # The same bytes as rng.bytes(count), sooner: a number of its source of chance (PCG64) has eight of them.
    drawn = rng.bit_generator.random_raw(-(-count // 8)).astype("<u8", copy=False)
    grains = drawn.view(np.uint8)[:count].reshape(3, 4, *shape[1:])
    grain = grains.sum(1, dtype=np.int16).astype(np.int32) - 510  # standard deviation 148
    grain *= int(weather.noise * 16)
    grain //= 148 * 16
    grain += weather.lift
    return grain


def _haze(canvas: Canvas) -> np.ndarray:
    """(H, W) uint16, 0 … 250: how much of each pixel is lost in the haze."""
    z = np.repeat(np.array([thing.z for thing in canvas.objects])[:, None], canvas.width, 1)
    z[canvas.wall_z[:2]] = canvas.wall_z[2]
    number = canvas.what >> 8
    haze = canvas.hazy(z).astype(np.uint16).take(number * canvas.width + np.arange(canvas.width))
    return np.where(number < canvas.standing, canvas.hazy(canvas.ground_z).astype(np.uint16), haze)
