"""How surfaces look: clouds, grain, and the tiles of walls, made once. They consist of codes, see `codes`."""

from __future__ import annotations

import functools

import numpy as np

from segedu.worlds.chance import noise
from segedu.worlds.street.paint.codes import OPAQUE, code
from segedu.worlds.street.scene import Material

TILE = 64  # texels of one bay of a wall, each way


@functools.lru_cache(maxsize=4)
def clouds(width: int) -> np.ndarray:
    """(256, width) int32: the clouds of the whole sky, as wide as the picture."""
    columns = np.arange(width) * 256 // width & 255
    return (noise(90, 4) + noise(91, 16)[np.arange(256) * 2 & 255] // 2)[:, columns]


@functools.cache
def flat_noise(seed: int, coarsest: int) -> np.ndarray:
    """(256 · 256,) int16: noise, row after row."""
    return noise(seed, coarsest).ravel().astype(np.int16)


@functools.lru_cache(maxsize=4)
def grain(height: int, width: int) -> np.ndarray:
    """(height, width) int32, to be added to the codes of roofs."""
    more = [(0, max(0, length - 256)) for length in (height, width)]
    return np.pad(noise(8, 64) // 24, more, mode="wrap")


def _masonry(kind: int) -> np.ndarray:
    grain = noise(kind, 16)[:TILE, :TILE] // 24 + noise(kind + 9, 128)[:TILE, :TILE] // 20
    shade = 16 + grain
    if kind == 0:  # bricks: courses, each shifted by half a brick
        rows, columns = np.mgrid[:TILE, :TILE]
        shade += noise(5, 256)[rows // 4, (columns + rows // 4 % 2 * 4) // 8] // 18
        shade[(rows % 4 == 0) | ((columns + rows // 4 % 2 * 4) % 8 == 0)] += 3
    elif kind == 2:  # stone blocks or panels
        shade[::16] -= 4
        shade[:, ::32] -= 3
    return np.clip(shade, 6, 27) + code(Material.OWN, 0)


def _opening(
    tile: np.ndarray, top: int, left: int, bottom: int, right: int, panes: tuple[int, int], glass: int
) -> None:
    """Cut a window into a tile: reveal, frame, glass with a reflected gradient, glazing bars, sill."""
    tile[top - 3 : top, left - 1 : right + 1] = code(Material.TRIM, 13)
    tile[top:bottom, left:right] = code(Material.TRIM, 16)
    height, width = bottom - top - 4, right - left - 4
    rows = np.arange(height)[:, None]
    pane = glass + (height - rows) * 5 // height + noise(3, 16)[rows, np.arange(width)] // 16
    tile[top + 2 : bottom - 2, left + 2 : right - 2] = code(Material.GLASS, 0) + np.clip(pane, 2, 31)
    tile[top : top + 3, left:right] = code(Material.DARK, 16)
    for k in range(1, panes[0]):
        tile[top + k * (bottom - top) // panes[0]][left:right] = code(Material.TRIM, 15)
    for k in range(1, panes[1]):
        tile[top:bottom, left + k * (right - left) // panes[1]] = code(Material.TRIM, 15)
    tile[bottom : bottom + 2, left - 2 : right + 2] = code(Material.TRIM, 14)
    tile[bottom + 2 : bottom + 3, left - 2 : right + 2] = code(Material.DARK, 24)


@functools.cache
def tiles() -> tuple[np.ndarray, dict[str, list[int]]]:
    """(number, TILE, TILE) uint8 codes, row 0 at the bottom, and which of them make which part of a wall."""
    made, parts = [], {}

    def keep(part: str, tile: np.ndarray) -> None:
        parts.setdefault(part, []).append(len(made))
        made.append(tile[::-1].astype(np.uint8))

    windows = {
        "sash": [(14, 21, 48, 43, (2, 2))],
        "wide": [(14, 8, 46, 56, (1, 3))],
        "twin": [(16, 8, 46, 26, (2, 1)), (16, 38, 46, 56, (2, 1))],
        "tall": [(9, 24, 54, 42, (4, 2))],
        "ribbon": [(18, 0, 48, 64, (1, 4))],
    }
    for wall in range(3):
        for style, holes in windows.items():
            for glass in (4, 10, 17):
                tile = _masonry(wall)
                for top, left, bottom, right, panes in holes:
                    _opening(tile, top, left, bottom, right, panes, glass)
                keep(f"{style}{wall}", tile)
        keep(f"blank{wall}", _masonry(wall))
        for glass in (3, 9, 20):  # a shop: fascia, glass to the ground, a door
            tile = _masonry(wall)
            _opening(tile, 19, 3, 60, 61, (1, 3), glass)
            tile[60:] = code(Material.DARK, 20)
            tile[4:16] = code(Material.ACCENT, 16) + noise(glass, 32)[4:16, :TILE] // 40
            lettering = noise(glass + 40, 64)[8:12, 10:50] > 0
            tile[8:12, 10:50][lettering] = code(Material.LIGHT, 15)
            tile[16:18] = code(Material.DARK, 18)
            tile[30:60, 44:58] = code(Material.ACCENT, 11)
            tile[33:56, 46:56] = code(Material.GLASS, glass + 3)
            keep(f"shop{wall}", tile)
        tile = _masonry(wall)
        tile[22:, 8:28] = code(Material.TRIM, 15)
        tile[25:, 10:26] = code(Material.ACCENT, 15)
        tile[28:36, 13:23] = code(Material.GLASS, 10)
        _opening(tile, 20, 36, 50, 58, (2, 2), 8)
        keep(f"door{wall}", tile)
        tile = _masonry(wall)
        tile[20:, 6:58] = code(Material.DARK, 20)
        tile[22:, 8:56] = code(Material.ACCENT, 15)
        tile[24::8, 8:56] = code(Material.ACCENT, 11)
        keep(f"garage{wall}", tile)

    rows, columns = np.mgrid[:TILE, :TILE]
    tile = np.where(columns % 8 < 2, code(Material.OWN, 15), 1)
    tile[(rows % 64 < 5) | (rows > 56)] = code(Material.OWN, 18)
    tile[:, :3] = code(Material.OWN, 12)
    keep("railing", tile)
    tile = code(Material.OWN, 15) + noise(63, 16)[columns // 8 * 7, rows // 32] // 14 + noise(2, 64)[:TILE, :TILE] // 24
    tile[columns % 8 == 0] = code(Material.OWN, 7)
    tile[(rows < 3) | (columns % 32 < 3)] = code(Material.OWN, 12)
    keep("boards", tile)
    tile = _masonry(0)
    tile[:7] = code(Material.TRIM, 14)
    tile[7:9] = code(Material.OWN, 9)
    keep("brick wall", tile)
    tile = _masonry(1) + noise(21, 32)[:TILE, :TILE] // 16
    tile[:6] = code(Material.TRIM, 12)
    keep("stone wall", tile)
    tile = np.where(((rows + columns) % 8 == 0) | ((rows - columns) % 8 == 0), code(Material.OWN, 17), 1)
    tile[(rows < 3) | (columns % 64 < 3)] = code(Material.OWN, 14)
    keep("mesh", tile)
    tile = np.where((rows % 24 > 3) & (rows % 24 < 13), code(Material.OWN, 18) - rows % 24 // 3, 1)
    tile[:, 28:34] = code(Material.OWN, 11)
    keep("guard rail", tile)
    leaves = code(Material.OWN, 0) + np.clip(
        15 + noise(31, 16)[:TILE, :TILE] // 9 + noise(32, 128)[:TILE, :TILE] // 10 - rows // 10, 3, 29
    )
    hedge = leaves.copy()
    hedge[rows < 5 + noise(33, 32)[:1, :TILE] // 12] = 0
    keep("hedge", hedge)
    far = leaves.copy()
    far[rows < 20 + noise(34, 16)[:1, :TILE] // 4 + noise(35, 64)[:1, :TILE] // 8] = 0
    keep("far trees", far)
    return np.stack(made), parts


@functools.cache
def atlas() -> tuple[np.ndarray, dict[tuple[str, int], int], set[str]]:
    """All tiles end to end, an empty one first; where the tile (part, which of them) starts; parts without holes."""
    made, names = tiles()
    flat = np.concatenate([np.zeros(TILE * TILE, np.uint8), made.ravel()])
    places = {
        (name, k): (numbers[k % len(numbers)] + 1) * TILE * TILE for name, numbers in names.items() for k in range(3)
    }
    solid = {name for name, numbers in names.items() if (made[numbers] >= OPAQUE).all()}
    return flat, places, solid
