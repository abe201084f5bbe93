"""Colours, light, haze; then the camera: exposure, blur, stray light, sensor noise."""

from __future__ import annotations

import numpy as np

from segedu.worlds.street.paint.canvas import Canvas
from segedu.worlds.street.paint.looks import DARK, GLASS, LIGHT, RED
from segedu.worlds.street.scene import Weather

PALETTE = np.zeros((8, 3))  # of an object that names no colours of its own
PALETTE[[DARK, LIGHT, GLASS, RED]] = (28, 28, 30), (235, 235, 230), (70, 78, 86), (150, 24, 20)


def pack(rgb) -> np.ndarray:
    """(…, 3) numbers → three times 16 bits in a uint64, so that one look-up and one product serve three channels."""
    rgb = np.asarray(rgb).astype(np.uint64)
    return rgb[..., 0] | rgb[..., 1] << np.uint64(16) | rgb[..., 2] << np.uint64(32)


def develop(canvas: Canvas, weather: Weather, rng: np.random.Generator) -> np.ndarray:
    """The picture (H, W, 3) uint8 of a canvas (2 · H, 2 · W)."""
    colour = _colours(canvas)
    light = canvas.light - np.uint16(128)
    light *= canvas.what < canvas.standing * 256  # things have a gain of their own
    light += np.uint16(128)
    colour *= light
    lanes = colour.view(np.uint16)  # (H, 4 · W): three channels, and one that stays empty
    lanes >>= 7
    np.minimum(lanes, np.full(lanes.shape[1], 255, np.uint16), out=lanes)  # numpy is slower with one number
    if weather.haze > 0.002:
        haze = _haze(canvas)
        colour *= 255 - haze
        colour += haze * pack(weather.fog)
        lanes >>= 8
    colour = colour[::2] + colour[1::2]
    colour = colour[:, ::2] + colour[:, 1::2]
    height, width = colour.shape
    colour = np.ascontiguousarray(colour.view(np.uint16).reshape(height, width, 4)[..., :3].transpose(2, 0, 1))
    if weather.blur:
        colour[..., 1:-1] = (colour[..., :-2] + colour[..., 1:-1] * 6 + colour[..., 2:]) >> 3
        colour[:, 1:-1] = (colour[:, :-2] + colour[:, 1:-1] * 6 + colour[:, 2:]) >> 3
    colour = colour.astype(np.int32)
    colour *= np.array([int(256 * gain) for gain in weather.exposure], np.int32)[:, None, None]
    colour >>= 10
    colour += _noise(colour.shape, weather, rng)
    np.maximum(colour, np.zeros(width, np.int32), out=colour)
    np.minimum(colour, np.full(width, 255, np.int32), out=colour)
    colour = colour.astype(np.uint8)
    picture = np.empty((height, width, 3), np.uint8)
    for channel in range(3):
        picture[..., channel] = colour[channel]
    return picture


def _colours(canvas: Canvas) -> np.ndarray:
    """(H, W) uint64: the packed colour of each pixel, before the light of sky and ground is on it."""
    what = canvas.what.astype(np.intp)
    used = np.zeros(len(canvas.objects) * 256, bool)
    used[what] = True
    used = np.flatnonzero(used)  # far fewer than there are
    seen = np.flatnonzero(np.bincount(used >> 8)).tolist()
    places = [8 * number + material for number in seen for material in canvas.objects[number].colours]
    colours = [colour for number in seen for colour in canvas.objects[number].colours.values()]
    palettes = np.tile(PALETTE, (len(canvas.objects), 1))
    palettes[places] = colours
    gains = np.array([thing.gain for thing in canvas.objects])
    rgb = palettes.take(used >> 5, 0) * gains.take(used >> 8)[:, None]
    table = np.zeros(len(canvas.objects) * 256, np.uint64)
    table[used] = pack(np.minimum(rgb * ((used & 31) / 16)[:, None] + 0.5, 255))
    return table.take(what, mode="clip")  # no check of the range: less than half the time


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
    """(H, W) uint64, 0 … 250: how much of each pixel is lost in the haze."""
    z = np.repeat(np.array([thing.z for thing in canvas.objects])[:, None], canvas.width, 1)
    z[canvas.wall_z[:2]] = canvas.wall_z[2]
    number = canvas.what >> 8
    haze = canvas.hazy(z).astype(np.uint64).take(number * canvas.width + np.arange(canvas.width))
    return np.where(number < canvas.standing, canvas.hazy(canvas.ground_z).astype(np.uint64), haze)
