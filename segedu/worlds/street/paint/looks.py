"""How surfaces and small things look: tiles for walls, sprites for people, trees and signs, made once.

They consist of codes: material · 32 + shade. Shade 16 is the material's own colour, 0 is black, 31 twice as bright.
Codes 1 … 31 are see-through: they belong to the object (the gaps of a railing, the air in a bare tree) but show what
lies behind, as in CamVid's labels. Code 0 is outside of the object.
"""

from __future__ import annotations

import functools

import numpy as np
from PIL import Image, ImageDraw

from segedu.worlds.chance import noise
from segedu.worlds.street.scene import ACCENT, DARK, GLASS, LIGHT, OWN, SKIN, TRIM

RED = SKIN  # of a car: nobody needs both
VEILED = {"railing", "mesh", "guard rail", "bare tree", "cyclist"}  # what has see-through codes
TILE = 64  # texels of one bay of a wall, each way


def code(material: int, shade: int = 16) -> int:
    return material * 32 + shade


# ---- textures, made once
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
    return np.clip(shade, 6, 27) + code(OWN, 0)


def _opening(
    tile: np.ndarray, top: int, left: int, bottom: int, right: int, panes: tuple[int, int], glass: int
) -> None:
    """Cut a window into a tile: reveal, frame, glass with a reflected gradient, glazing bars, sill."""
    tile[top - 3 : top, left - 1 : right + 1] = code(TRIM, 13)
    tile[top:bottom, left:right] = code(TRIM, 16)
    height, width = bottom - top - 4, right - left - 4
    rows = np.arange(height)[:, None]
    pane = glass + (height - rows) * 5 // height + noise(3, 16)[rows, np.arange(width)] // 16
    tile[top + 2 : bottom - 2, left + 2 : right - 2] = code(GLASS, 0) + np.clip(pane, 2, 31)
    tile[top : top + 3, left:right] = code(DARK, 16)
    for k in range(1, panes[0]):
        tile[top + k * (bottom - top) // panes[0]][left:right] = code(TRIM, 15)
    for k in range(1, panes[1]):
        tile[top:bottom, left + k * (right - left) // panes[1]] = code(TRIM, 15)
    tile[bottom : bottom + 2, left - 2 : right + 2] = code(TRIM, 14)
    tile[bottom + 2 : bottom + 3, left - 2 : right + 2] = code(DARK, 24)


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
            tile[60:] = code(DARK, 20)
            tile[4:16] = code(ACCENT, 16) + noise(glass, 32)[4:16, :TILE] // 40
            lettering = noise(glass + 40, 64)[8:12, 10:50] > 0
            tile[8:12, 10:50][lettering] = code(LIGHT, 15)
            tile[16:18] = code(DARK, 18)
            tile[30:60, 44:58] = code(ACCENT, 11)
            tile[33:56, 46:56] = code(GLASS, glass + 3)
            keep(f"shop{wall}", tile)
        tile = _masonry(wall)
        tile[22:, 8:28] = code(TRIM, 15)
        tile[25:, 10:26] = code(ACCENT, 15)
        tile[28:36, 13:23] = code(GLASS, 10)
        _opening(tile, 20, 36, 50, 58, (2, 2), 8)
        keep(f"door{wall}", tile)
        tile = _masonry(wall)
        tile[20:, 6:58] = code(DARK, 20)
        tile[22:, 8:56] = code(ACCENT, 15)
        tile[24::8, 8:56] = code(ACCENT, 11)
        keep(f"garage{wall}", tile)

    rows, columns = np.mgrid[:TILE, :TILE]
    tile = np.where(columns % 8 < 2, code(OWN, 15), 1)
    tile[(rows % 64 < 5) | (rows > 56)] = code(OWN, 18)
    tile[:, :3] = code(OWN, 12)
    keep("railing", tile)
    tile = code(OWN, 15) + noise(63, 16)[columns // 8 * 7, rows // 32] // 14 + noise(2, 64)[:TILE, :TILE] // 24
    tile[columns % 8 == 0] = code(OWN, 7)
    tile[(rows < 3) | (columns % 32 < 3)] = code(OWN, 12)
    keep("boards", tile)
    tile = _masonry(0)
    tile[:7] = code(TRIM, 14)
    tile[7:9] = code(OWN, 9)
    keep("brick wall", tile)
    tile = _masonry(1) + noise(21, 32)[:TILE, :TILE] // 16
    tile[:6] = code(TRIM, 12)
    keep("stone wall", tile)
    tile = np.where(((rows + columns) % 8 == 0) | ((rows - columns) % 8 == 0), code(OWN, 17), 1)
    tile[(rows < 3) | (columns % 64 < 3)] = code(OWN, 14)
    keep("mesh", tile)
    tile = np.where((rows % 24 > 3) & (rows % 24 < 13), code(OWN, 18) - rows % 24 // 3, 1)
    tile[:, 28:34] = code(OWN, 11)
    keep("guard rail", tile)
    leaves = code(OWN, 0) + np.clip(
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
    solid = {name for name, numbers in names.items() if (made[numbers] >= 32).all()}
    return flat, places, solid


# ---- sprites, made once
def _crown(seed: int, shape: str) -> np.ndarray:
    """A tree, (256, 192) codes: clumps of leaves lit from above, over a trunk."""
    rng = np.random.default_rng([77, seed])
    rows, columns = np.mgrid[:256, :192].astype(np.int32)
    sprite = np.zeros((256, 192), np.int32)
    half = 9 if shape == "round" else 6
    trunk = (abs(columns - 96) < half - (256 - rows) // 40) & (rows > 110)
    sprite[trunk] = (code(TRIM, 14) + noise(seed, 32)[rows, columns] // 12 - (columns - 96) // 4)[trunk]
    ragged = noise(seed + 50, 32)[rows, columns] * 2 + noise(seed + 60, 128)[rows, columns]
    for k in range(42):
        along = k / 41
        if shape == "round":
            y, spread, size = 34 + 142 * along, 64 * (1 - (2 * along - 1) ** 4), 25
        elif shape == "cone":
            y, spread, size = 24 + 205 * along, 8 + 62 * along, 18
        else:
            y, spread, size = 22 + 190 * along, 22 * (1 - (2 * along - 1) ** 2) + 6, 20
        x, radius = 96 + spread * (2 * rng.random() - 1), size * (0.7 + 0.6 * rng.random())
        inside = (columns - int(x)) ** 2 + (rows - int(y)) ** 2 + ragged * 5 < int(radius) ** 2
        lit = 15 + (int(y) - rows) // 4 + (int(x) - columns) // 9 + noise(seed + 70, 64)[rows, columns] // 7
        sprite[inside] = (code(OWN, 0) + np.clip(lit, 3, 30))[inside]
    return sprite.astype(np.uint8)


def _bare_tree(seed: int) -> np.ndarray:
    """A tree in winter, (256, 192) codes: branches, twigs, and see-through air between them."""
    rng = np.random.default_rng([78, seed])
    image = Image.new("L", (192, 256))
    draw = ImageDraw.Draw(image)
    tips = []

    def grow(x: float, y: float, dx: float, dy: float, width: float) -> None:
        end_x, end_y = x + dx, y + dy
        draw.line((int(x), int(y), int(end_x), int(end_y)), code(TRIM, 13), max(1, int(width)))
        tips.append((int(end_x), int(end_y), width))
        if width < 1.2:
            return
        for turn in (-0.55 + 0.4 * rng.random(), 0.55 - 0.4 * rng.random(), 0.5 * rng.random() - 0.25):
            shrink = 0.68 + 0.2 * rng.random()
            grow(end_x, end_y, (dx - dy * turn) * shrink * 0.93, (dy + dx * turn) * shrink * 0.93, width * 0.62)

    grow(96, 256, 6 * rng.random() - 3, -70, 10)
    air = Image.new("L", image.size)
    draw_air = ImageDraw.Draw(air)
    for x, y, width in tips:
        if width < 6:
            draw_air.ellipse((x - 11, y - 11, x + 11, y + 11), 1)
    sprite = np.maximum(np.array(air), np.array(image)).astype(np.int32)
    twigs = (sprite == 1) & (noise(seed + 80, 64)[:256, :192] + noise(seed + 81, 256)[:256, :192] > 22)
    sprite[twigs] = code(OWN, 15) + noise(seed + 82, 128)[:256, :192][twigs] // 12
    return sprite.astype(np.uint8)


def _limb(draw: ImageDraw.ImageDraw, points: list[tuple[int, int]], width: int, fill: int) -> None:
    draw.line(points, fill, width)
    for x, y in points:
        draw.ellipse((x - width // 2, y - width // 2, x + width // 2, y + width // 2), fill)


def _person(pose: int) -> np.ndarray:
    """Somebody on foot, (256, 112) codes: OWN coat, TRIM trousers, ACCENT hair or bag."""
    image = Image.new("L", (112, 256))
    draw = ImageDraw.Draw(image)
    stride, side = (4, 14, 24, 10)[pose % 4], pose % 2 == 0
    hip, knee_drop = 128, 190
    for sign, shade in ((-1, 12), (1, 16)):
        spread = sign * stride
        _limb(
            draw,
            [(56 + sign * 6, hip), (56 + spread, knee_drop), (56 + spread - (4 if side else 0), 244)],
            18,
            code(TRIM, shade),
        )
        foot = 56 + spread
        draw.ellipse((foot - 12, 240, foot + 12, 255), code(DARK, 14))
    coat = 150 if pose % 3 == 0 else 132
    draw.polygon([(34, 52), (78, 52), (80, 96), (78, coat), (34, coat), (32, 96)], code(OWN, 16))
    draw.polygon([(64, 54), (78, 52), (80, 96), (78, coat), (68, coat)], code(OWN, 12))
    for sign, shade in ((-1, 18), (1, 11)):
        swing = sign * stride // 2
        _limb(
            draw,
            [(56 + sign * 22, 60), (56 + sign * 26 + swing, 98), (56 + sign * 24 + swing * 2, 130)],
            13,
            code(OWN, shade),
        )
        hand = 56 + sign * 24 + swing * 2
        draw.ellipse((hand - 6, 128, hand + 6, 142), code(SKIN, 15))
    draw.rectangle((50, 36, 62, 54), code(SKIN, 12))
    draw.ellipse((40, 2, 72, 44), code(SKIN, 16))
    draw.pieslice((38, 0, 74, 44), 170, 370, code(ACCENT, 16))
    if pose % 4 == 1:
        draw.rectangle((76, 124, 98, 170), code(ACCENT, 18))
    return np.array(image)


def _wheel(draw: ImageDraw.ImageDraw, x: int, y: int, radius: int) -> None:
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), 1, code(DARK, 10), 8)
    draw.line((x - radius, y, x + radius, y), code(LIGHT, 8), 2)
    draw.line((x, y - radius, x, y + radius), code(LIGHT, 8), 2)


def _cyclist(view: int) -> np.ndarray:
    """Somebody on a bicycle, 256 high: seen from the side (0, 1) or from behind or ahead (2, 3)."""
    if view < 2:
        image = Image.new("L", (260, 256))
        draw = ImageDraw.Draw(image)
        _wheel(draw, 52, 202, 50)
        _wheel(draw, 206, 202, 50)
        for line in (
            [(52, 202), (104, 140), (118, 204), (52, 202)],
            [(104, 140), (182, 136), (118, 204)],
            [(206, 202), (178, 114)],
        ):
            draw.line(line, code(ACCENT, 15), 8)
        _limb(draw, [(108, 130), (152, 158), (112 + 20 * view, 214 - 14 * view)], 20, code(TRIM, 16))
        _limb(draw, [(104, 130), (146, 148 + 20 * view), (132, 220)], 18, code(TRIM, 11))
        draw.polygon([(88, 132), (118, 140), (168, 74), (140, 50), (116, 62)], code(OWN, 16))
        _limb(draw, [(150, 66), (166, 104), (186, 114)], 14, code(OWN, 12))
        draw.ellipse((144, 10, 180, 54), code(SKIN, 16))
        draw.pieslice((140, 4, 182, 52), 160, 360, code(LIGHT if view else ACCENT, 16))
        draw.line((170, 112, 194, 110), code(DARK, 14), 8)
    else:
        image = Image.new("L", (120, 256))
        draw = ImageDraw.Draw(image)
        draw.rectangle((54, 160, 66, 255), code(DARK, 12))
        for sign in (-1, 1):
            lift = 14 * sign * (1 if view == 2 else -1)
            _limb(
                draw,
                [(60 + sign * 10, 138), (60 + sign * 20, 178 + lift // 2), (60 + sign * 14, 222 + lift)],
                18,
                code(TRIM, 14 + sign * 2),
            )
            _limb(
                draw, [(60 + sign * 24, 62), (60 + sign * 38, 96), (60 + sign * 32, 124)], 13, code(OWN, 14 + sign * 3)
            )
        draw.line((22, 124, 98, 124), code(DARK, 14), 7)
        draw.polygon([(36, 54), (84, 54), (86, 100), (76, 146), (44, 146), (34, 100)], code(OWN, 16))
        draw.polygon([(68, 54), (84, 54), (86, 100), (76, 146), (66, 146)], code(OWN, 12))
        draw.ellipse((43, 4, 77, 50), code(SKIN, 15))
        draw.pieslice((40, 0, 80, 52), 180, 360, code(ACCENT, 16))
        if view == 3:
            draw.ellipse((54, 150, 66, 164), code(LIGHT, 28))
    return np.array(image)


def _sign(kind: int) -> np.ndarray:
    """The face of a sign or a traffic light; OWN is its ground, ACCENT its rim and writing."""
    if kind == 0 or kind == 1:  # red ring; blue disc
        image = Image.new("L", (64, 64))
        draw = ImageDraw.Draw(image)
        draw.ellipse((0, 0, 63, 63), code(ACCENT))
        draw.ellipse((10, 10, 53, 53), code(OWN))
        draw.rectangle((20, 27, 44, 37), code(DARK if kind == 0 else LIGHT))
    elif kind == 2:  # warning triangle
        image = Image.new("L", (64, 58))
        draw = ImageDraw.Draw(image)
        draw.polygon([(32, 0), (63, 57), (0, 57)], code(ACCENT))
        draw.polygon([(32, 18), (50, 49), (14, 49)], code(OWN))
        draw.rectangle((29, 28, 35, 44), code(DARK))
    elif kind == 3:  # traffic light on its backing board
        image = Image.new("L", (48, 104), code(DARK, 12))
        draw = ImageDraw.Draw(image)
        draw.rectangle((2, 2, 45, 101), code(DARK, 8), code(LIGHT, 9), 2)
        for k, lamp in enumerate((code(RED, 7), code(DARK, 26), code(DARK, 22))):
            draw.ellipse((12, 8 + 31 * k, 36, 32 + 31 * k), lamp)
        draw.ellipse((12, 8, 36, 32), code(ACCENT, 20))
    else:  # boards with writing: direction, shop, poster
        image = Image.new("L", ((96, 60, 44)[kind - 4], (60, 60, 88)[kind - 4]), code(LIGHT, 13))
        draw = ImageDraw.Draw(image)
        width, height = image.size
        draw.rectangle((3, 3, width - 4, height - 4), code(OWN))
        for y in range(12, height - 12, 14):
            draw.rectangle((10, y, width - 12 - y * 7 % 24, y + 6), code(ACCENT))
    return np.array(image)


def _box(kind: int) -> np.ndarray:
    """Street furniture without a class: a bin, a letter box, a traffic cone."""
    image = Image.new("L", (64, 96))
    draw = ImageDraw.Draw(image)
    if kind == 2:
        draw.polygon([(28, 0), (36, 0), (56, 88), (8, 88)], code(OWN))
        draw.polygon([(22, 34), (42, 34), (46, 54), (18, 54)], code(LIGHT))
        draw.rectangle((2, 86, 61, 95), code(DARK, 20))
    else:
        draw.rectangle((6, 10, 57, 95), code(OWN, 15))
        draw.rectangle((40, 10, 57, 95), code(OWN, 11))
        draw.ellipse((6, 0, 57, 22), code(OWN, 20))
        draw.rectangle((16, 24, 46, 32), code(DARK, 8))
    return np.array(image)


@functools.cache
def sprites() -> dict[str, list[np.ndarray]]:
    trees = (
        [_crown(k, "round") for k in range(5)]
        + [_crown(k, "cone") for k in (5, 6)]
        + [_crown(k, "column") for k in (7, 8)]
    )
    return {
        "tree": trees,
        "bare tree": [_bare_tree(k) for k in range(5)],
        "person": [_person(k) for k in range(12)],
        "cyclist": [_cyclist(k) for k in range(4)],
        "sign": [_sign(k) for k in range(7)],
        "box": [_box(k) for k in range(3)],
    }
