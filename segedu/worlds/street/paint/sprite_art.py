"""How small things look: people, cyclists, trees, signs, boxes, made once. They consist of codes, see `codes`."""

from __future__ import annotations

import functools

import numpy as np
from PIL import Image, ImageDraw

from segedu.worlds.chance import noise
from segedu.worlds.street.paint.codes import code
from segedu.worlds.street.scene import Material


def _crown(seed: int, shape: str) -> np.ndarray:
    """A tree, (256, 192) codes: clumps of leaves lit from above, over a trunk."""
    rng = np.random.default_rng([77, seed])
    rows, columns = np.mgrid[:256, :192].astype(np.int32)
    sprite = np.zeros((256, 192), np.int32)
    half = 9 if shape == "round" else 6
    trunk = (abs(columns - 96) < half - (256 - rows) // 40) & (rows > 110)
    sprite[trunk] = (code(Material.TRIM, 14) + noise(seed, 32)[rows, columns] // 12 - (columns - 96) // 4)[trunk]
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
        sprite[inside] = (code(Material.OWN, 0) + np.clip(lit, 3, 30))[inside]
    return sprite.astype(np.uint8)


def _bare_tree(seed: int) -> np.ndarray:
    """A tree in winter, (256, 192) codes: branches, twigs, and see-through air between them."""
    rng = np.random.default_rng([78, seed])
    image = Image.new("L", (192, 256))
    draw = ImageDraw.Draw(image)
    tips = []

    def grow(x: float, y: float, dx: float, dy: float, width: float) -> None:
        end_x, end_y = x + dx, y + dy
        draw.line((int(x), int(y), int(end_x), int(end_y)), code(Material.TRIM, 13), max(1, int(width)))
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
    sprite[twigs] = code(Material.OWN, 15) + noise(seed + 82, 128)[:256, :192][twigs] // 12
    return sprite.astype(np.uint8)


def _limb(draw: ImageDraw.ImageDraw, points: list[tuple[int, int]], width: int, fill: int) -> None:
    draw.line(points, fill, width)
    for x, y in points:
        draw.ellipse((x - width // 2, y - width // 2, x + width // 2, y + width // 2), fill)


def _person(pose: int) -> np.ndarray:
    """Somebody on foot, (256, 112) codes: OWN is the coat, TRIM the trousers, ACCENT hair and bag."""
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
            code(Material.TRIM, shade),
        )
        foot = 56 + spread
        draw.ellipse((foot - 12, 240, foot + 12, 255), code(Material.DARK, 14))
    coat = 150 if pose % 3 == 0 else 132
    draw.polygon([(34, 52), (78, 52), (80, 96), (78, coat), (34, coat), (32, 96)], code(Material.OWN, 16))
    draw.polygon([(64, 54), (78, 52), (80, 96), (78, coat), (68, coat)], code(Material.OWN, 12))
    for sign, shade in ((-1, 18), (1, 11)):
        swing = sign * stride // 2
        _limb(
            draw,
            [(56 + sign * 22, 60), (56 + sign * 26 + swing, 98), (56 + sign * 24 + swing * 2, 130)],
            13,
            code(Material.OWN, shade),
        )
        hand = 56 + sign * 24 + swing * 2
        draw.ellipse((hand - 6, 128, hand + 6, 142), code(Material.EXTRA, 15))
    draw.rectangle((50, 36, 62, 54), code(Material.EXTRA, 12))
    draw.ellipse((40, 2, 72, 44), code(Material.EXTRA, 16))
    draw.pieslice((38, 0, 74, 44), 170, 370, code(Material.ACCENT, 16))
    if pose % 4 == 1:
        draw.rectangle((76, 124, 98, 170), code(Material.ACCENT, 18))
    return np.array(image)


def _wheel(draw: ImageDraw.ImageDraw, x: int, y: int, radius: int) -> None:
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), 1, code(Material.DARK, 10), 8)
    draw.line((x - radius, y, x + radius, y), code(Material.LIGHT, 8), 2)
    draw.line((x, y - radius, x, y + radius), code(Material.LIGHT, 8), 2)


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
            draw.line(line, code(Material.ACCENT, 15), 8)
        _limb(draw, [(108, 130), (152, 158), (112 + 20 * view, 214 - 14 * view)], 20, code(Material.TRIM, 16))
        _limb(draw, [(104, 130), (146, 148 + 20 * view), (132, 220)], 18, code(Material.TRIM, 11))
        draw.polygon([(88, 132), (118, 140), (168, 74), (140, 50), (116, 62)], code(Material.OWN, 16))
        _limb(draw, [(150, 66), (166, 104), (186, 114)], 14, code(Material.OWN, 12))
        draw.ellipse((144, 10, 180, 54), code(Material.EXTRA, 16))
        draw.pieslice((140, 4, 182, 52), 160, 360, code(Material.LIGHT if view else Material.ACCENT, 16))
        draw.line((170, 112, 194, 110), code(Material.DARK, 14), 8)
    else:
        image = Image.new("L", (120, 256))
        draw = ImageDraw.Draw(image)
        draw.rectangle((54, 160, 66, 255), code(Material.DARK, 12))
        for sign in (-1, 1):
            lift = 14 * sign * (1 if view == 2 else -1)
            _limb(
                draw,
                [(60 + sign * 10, 138), (60 + sign * 20, 178 + lift // 2), (60 + sign * 14, 222 + lift)],
                18,
                code(Material.TRIM, 14 + sign * 2),
            )
            _limb(
                draw,
                [(60 + sign * 24, 62), (60 + sign * 38, 96), (60 + sign * 32, 124)],
                13,
                code(Material.OWN, 14 + sign * 3),
            )
        draw.line((22, 124, 98, 124), code(Material.DARK, 14), 7)
        draw.polygon([(36, 54), (84, 54), (86, 100), (76, 146), (44, 146), (34, 100)], code(Material.OWN, 16))
        draw.polygon([(68, 54), (84, 54), (86, 100), (76, 146), (66, 146)], code(Material.OWN, 12))
        draw.ellipse((43, 4, 77, 50), code(Material.EXTRA, 15))
        draw.pieslice((40, 0, 80, 52), 180, 360, code(Material.ACCENT, 16))
        if view == 3:
            draw.ellipse((54, 150, 66, 164), code(Material.LIGHT, 28))
    return np.array(image)


def _sign(kind: int) -> np.ndarray:
    """The face of a sign or a traffic light; OWN is its ground, ACCENT its rim and writing."""
    if kind == 0 or kind == 1:  # red ring; blue disc
        image = Image.new("L", (64, 64))
        draw = ImageDraw.Draw(image)
        draw.ellipse((0, 0, 63, 63), code(Material.ACCENT))
        draw.ellipse((10, 10, 53, 53), code(Material.OWN))
        draw.rectangle((20, 27, 44, 37), code(Material.DARK if kind == 0 else Material.LIGHT))
    elif kind == 2:  # warning triangle
        image = Image.new("L", (64, 58))
        draw = ImageDraw.Draw(image)
        draw.polygon([(32, 0), (63, 57), (0, 57)], code(Material.ACCENT))
        draw.polygon([(32, 18), (50, 49), (14, 49)], code(Material.OWN))
        draw.rectangle((29, 28, 35, 44), code(Material.DARK))
    elif kind == 3:  # traffic light on its backing board
        image = Image.new("L", (48, 104), code(Material.DARK, 12))
        draw = ImageDraw.Draw(image)
        draw.rectangle((2, 2, 45, 101), code(Material.DARK, 8), code(Material.LIGHT, 9), 2)
        for k, lamp in enumerate((code(Material.EXTRA, 7), code(Material.DARK, 26), code(Material.DARK, 22))):
            draw.ellipse((12, 8 + 31 * k, 36, 32 + 31 * k), lamp)
        draw.ellipse((12, 8, 36, 32), code(Material.ACCENT, 20))
    else:  # boards with writing: direction, shop, poster
        image = Image.new("L", ((96, 60, 44)[kind - 4], (60, 60, 88)[kind - 4]), code(Material.LIGHT, 13))
        draw = ImageDraw.Draw(image)
        width, height = image.size
        draw.rectangle((3, 3, width - 4, height - 4), code(Material.OWN))
        for y in range(12, height - 12, 14):
            draw.rectangle((10, y, width - 12 - y * 7 % 24, y + 6), code(Material.ACCENT))
    return np.array(image)


def _box(kind: int) -> np.ndarray:
    """Street furniture without a class: a bin, a letter box, a traffic cone."""
    image = Image.new("L", (64, 96))
    draw = ImageDraw.Draw(image)
    if kind == 2:
        draw.polygon([(28, 0), (36, 0), (56, 88), (8, 88)], code(Material.OWN))
        draw.polygon([(22, 34), (42, 34), (46, 54), (18, 54)], code(Material.LIGHT))
        draw.rectangle((2, 86, 61, 95), code(Material.DARK, 20))
    else:
        draw.rectangle((6, 10, 57, 95), code(Material.OWN, 15))
        draw.rectangle((40, 10, 57, 95), code(Material.OWN, 11))
        draw.ellipse((6, 0, 57, 22), code(Material.OWN, 20))
        draw.rectangle((16, 24, 46, 32), code(Material.DARK, 8))
    return np.array(image)


@functools.cache
def sprites() -> dict[str, list[np.ndarray]]:
    """Kind → its looks, each (height, width) uint8 codes."""
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
