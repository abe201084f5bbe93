"""Nuclei as fluorescence shows them: bright on dark, in heaps, some out of focus, with specks that are none."""

from __future__ import annotations

import numpy as np

from segedu.worlds.cells.field import Crowd, Ellipse, blur, clouds, direction, grid, photograph, renumbered, uneven
from segedu.worlds.chance import Chance


def draw_nuclei(
    chance: Chance, grain: np.random.Generator, size: tuple[int, int], *, noise: float, clutter: float, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Picture (H, W, 1) uint8 and ids of whole nuclei (H, W) int32, 0 = none. The knobs are those of ToyCells."""
    light = np.zeros(size, np.float32)
    nearest = np.ones(size, np.float32)  # 1 is a nucleus's own edge, 0 its centre
    ids = np.zeros(size, np.int32)
    spread = chance.between(0, 1)
    radius = (4.5 + 9 * spread * spread) * scale
    soft, mottled, bean = chance.between(0.08, 0.25), chance.between(0.05, 0.45), chance.between(0.02, 0.1)
    for number, (y, x, r) in enumerate(_places(chance, size, radius), 1):
        nucleus = Ellipse(y, x, r, chance.between(1, 1.28), direction(chance))
        lobes = bean * chance.between(-1, 1), bean * chance.between(-1, 1)
        focus = soft * chance.between(2, 2.6) if chance.happens(0.15) else soft
        glow = chance.between(0.35, 1) * (0.6 if focus > soft else 1) * (1.6 if chance.happens(0.06) else 1)
        window = nucleus.window(size, r * nucleus.stretch * (1 + 1.5 * bean) * (1 + focus) + 1)
        if window is None:
            continue
        depth = _depth(nucleus, window, lobes)
        mine = depth < nearest[window]
        np.copyto(nearest[window], depth, where=mine)
        np.copyto(ids[window], number, where=mine)
        fade = np.clip((1 + focus - depth) / np.float32(2 * focus), 0, 1)
        dome = np.float32(1.15) - np.float32(0.35) * np.minimum(depth, 1)
        new = fade * fade * (3 - 2 * fade) * dome * np.float32(glow)
        # Light of overlapping nuclei adds up, but not fully: one lies in better focus than the other.
        light[window] += new - np.float32(0.7) * np.minimum(light[window], new)
    light *= 1 + np.float32(mottled) * clouds(chance, size, chance.pick((4, 8)), 70)
    _clutter(chance, light, clutter, radius)
    for _ in range(chance.whole(0, 3)):
        light = blur(light)
    return _expose(chance, grain, light, noise), renumbered(ids)


def _places(chance: Chance, size: tuple[int, int], radius: float) -> list[tuple[float, float, float]]:
    """(y, x, radius) of nuclei: new ones mostly settle beside one that is there, so that heaps grow."""
    height, width = size
    covered, sticky = chance.between(0.12, 0.6), chance.between(0.4, 0.95)
    wanted = int(covered * (height + 2 * radius) * (width + 2 * radius) / (3.1 * radius * radius)) + 2
    crowd = Crowd(radius * 1.45)
    for _ in range(wanted * 3):
        r = radius * chance.between(0.7, 1.4)
        if crowd.discs and chance.happens(sticky):
            other_y, other_x, other = chance.pick(crowd.discs)
            cos, sin = direction(chance)
            apart = (r + other) * chance.between(0.72, 1)
            y, x = other_y + sin * apart, other_x + cos * apart
        else:
            y, x = chance.between(-radius, height + radius), chance.between(-radius, width + radius)
        if -radius < y < height + radius and -radius < x < width + radius:
            crowd.add(y, x, r, 0.7)
        if len(crowd.discs) >= wanted:
            break
    return crowd.discs


def _depth(nucleus: Ellipse, window: tuple[slice, slice], lobes: tuple[float, float]) -> np.ndarray:
    """(h, w) float32: 0 at the centre, 1 on the outline, an ellipse with three bumps (`lobes`: how high)."""
    u, v = nucleus.axes(*grid(window))
    uu, vv = u * u, v * v
    distance = np.sqrt(uu + vv)
    np.maximum(distance, np.float32(0.1), out=distance)
    # cos 3θ and sin 3θ of the direction (u, v), without an angle
    bumps = np.float32(lobes[0]) * u * (uu - 3 * vv) + np.float32(lobes[1]) * v * (3 * uu - vv)
    return distance / (1 + bumps / (distance * distance * distance))


def _clutter(chance: Chance, light: np.ndarray, clutter: float, radius: float) -> None:
    """Add what is no nucleus: specks of debris, and pale blurred light from above and below the plane of focus."""
    area = light.size / (128 * 128)
    for _ in range(chance.count(9 * clutter * area)):
        r = chance.between(0.7, 1.3 + 0.06 * radius)
        _add_glow(chance, light, r, chance.between(0.2, 0.9), r * 2.2)
    for _ in range(chance.count(3 * clutter * area)):
        r = radius * chance.between(1.2, 2.2)
        _add_glow(chance, light, r, chance.between(0.04, 0.14), r * 1.6)


def _add_glow(chance: Chance, light: np.ndarray, radius: float, strength: float, reach: float) -> None:
    height, width = light.shape
    spot = Ellipse(
        chance.between(0, height), chance.between(0, width), radius, chance.between(1, 1.5), direction(chance)
    )
    window = spot.window(light.shape, reach * 1.5)
    if window is not None:
        u, v = spot.axes(*grid(window))
        fade = np.maximum(1 - (u * u + v * v) / 2, 0)
        light[window] += np.float32(strength) * fade * fade


def _expose(chance: Chance, grain: np.random.Generator, light: np.ndarray, noise: float) -> np.ndarray:
    """The camera: uneven light, a pale background, exposure, and noise that grows with the light."""
    level = chance.between(0, 1)
    gain = 45 + 170 * level * level
    background = chance.between(0.02, 0.1)
    haze = clouds(chance, light.shape, 64, 71)
    light = (light + np.float32(background) * (1 + np.float32(0.35) * haze)) * uneven(chance, light.shape, 0.5)
    value = np.maximum(light * np.float32(gain) + np.float32(chance.between(0, 8)), 0)
    reading, counting = chance.between(0.6, 3), chance.between(0.02, 0.25)
    sigma = np.float32(noise) * np.sqrt(np.float32(reading * reading) + np.float32(counting) * value)
    return photograph(value, sigma, grain)
