"""What stands along a street for years, by chance: houses, fences, trees."""

from __future__ import annotations

from segedu.worlds.chance import Colour
from segedu.worlds.street.layout import END, Side, Street
from segedu.worlds.street.scene import (
    BARRIERS,
    BUILDING,
    FENCE,
    FRAMES,
    LEAVES,
    ROOFS,
    SHOPS,
    TREE,
    TWIGS,
    WALLS,
    Material,
    Roof,
    Wall,
)

Barrier = tuple[str, float, dict[Material, Colour]]  # its name, its height in metres, its colours


def add_row(street: Street, side: Side) -> None:
    """Houses or trees along one side, and what parts them from the pavement."""
    chance, b, kind = street.chance, street.chance.between, side.kind
    barrier = _barrier(street, kind)
    storeys, z = chance.whole(2, 5), b(-6, 3)
    while z < 115:
        length = b(5, 14) if kind == "shops" else b(7, 16)
        if z > 60:
            length *= 2
        corner, beyond = street.junction
        if z < beyond and z + length > corner:
            if z + 3 > corner:
                z = beyond + 1
                continue
            length = corner - z - 0.5
        _add_plot(street, side, z, length, storeys)
        if barrier and z < 80 and chance.happens(0.9):
            _add_barrier(street, side, barrier, z, length)
        z += length + (0.0 if kind == "shops" else b(0, 5))


def _barrier(street: Street, kind: str) -> Barrier | None:
    chance = street.chance
    if not chance.happens(0.12 if kind == "shops" else 0.85):
        return None
    name = chance.pick(list(BARRIERS)[:3] if kind == "shops" else list(BARRIERS))
    height, options = BARRIERS[name]
    colours = {Material.OWN: chance.near(chance.pick(options)), Material.TRIM: chance.near((150, 144, 134))}
    return name, height * chance.between(0.9, 1.15), colours


def _add_barrier(street: Street, side: Side, barrier: Barrier, z: float, length: float) -> None:
    """In two halves, so that what stands before the farther one is not hidden by it."""
    name, height, colours = barrier
    x, middle, parts = side.sign * (side.path + 0.05), z + length / 2, (((name, 0),),)
    label = TREE if name == "hedge" else FENCE
    for near, far in ((z, middle), (middle, z + length)):
        bays = (far - near) / 1.9
        street.items.append(Wall(label, (x, near), (x, far), 0, height, parts, colours, side.lit, far - 0.01, bays))


def _add_plot(street: Street, side: Side, z: float, length: float, storeys: int) -> None:
    """A house or a few trees, and perhaps a tree before it."""
    chance, b, kind = street.chance, street.chance.between, side.kind
    if chance.happens({"shops": 0.96, "homes": 0.8, "open": 0.3, "yard": 0.4}[kind]):
        floors = chance.whole(1, 4) if kind == "homes" else max(1, storeys + chance.whole(-1, 2))
        _add_house(street, side, side.front + (b(0, 1.5) if kind == "homes" else 0.0), z, z + length, floors)
    else:
        for _ in range(chance.whole(1, 4)):
            _add_tree(street, side.sign * (side.front + b(0.5, 9)), z + b(0, length), b(5, 13))
    if chance.happens({"shops": 0.08, "homes": 0.35, "open": 0.8, "yard": 0.1}[kind]):
        _add_tree(street, side.sign * (side.path + b(0.4, 3)), z + b(0, length), b(4, 11))


def _add_house(street: Street, side: Side, front: float, z0: float, z1: float, storeys: int) -> None:
    chance, b, sign, facing = street.chance, street.chance.between, side.sign, street.weather.lit.facing
    wall, style = chance.whole(0, 3), chance.pick(("sash", "sash", "wide", "twin", "tall", "ribbon"))
    if style == "ribbon" and side.kind == "homes":
        style = "wide"
    bays = max(1, int((z1 - z0) / b(2.6, 3.6) + 0.5))
    parts = tuple(_storey(street, side.kind, wall, style, bays, storey == 0) for storey in range(storeys))
    top, depth, own = storeys * b(2.6, 3.3) + b(0, 1), b(7, 11), chance.near(chance.pick(WALLS))
    colours = {
        Material.OWN: own,
        Material.TRIM: chance.near(chance.pick(FRAMES)),
        Material.ACCENT: chance.near(chance.pick(SHOPS)),
        Material.GLASS: chance.near((88, 98, 108), 0.35),
    }
    rise = b(1.5, 3.2) if chance.happens(0.55 if side.kind == "shops" else 0.8) else 0.0
    roof = Roof(rise, depth / 2, chance.near(chance.pick(ROOFS))) if rise else None
    x, back = sign * front, sign * (front + depth)
    street.items.append(Wall(BUILDING, (x, z0), (x, z1), 0, top, parts, colours, side.lit, z1, bays, roof))
    if z0 > 1 and side.tops[int(z0) - 1] < top + rise:  # its end shows above the house before it
        style = "blank" if chance.happens(0.6) else style
        parts = (((f"blank{wall}", 0), (f"{style}{wall}", 1)),) * storeys
        gable = Roof(rise, 0.0, own) if rise else None
        street.items.append(Wall(BUILDING, (x, z0), (back, z0), 0, top, parts, colours, facing, z1 + 0.01, 2, gable))
    if rise and z0 < 50 and chance.happens(0.6):  # a chimney on the ridge
        z, ridge, foot = z0 + b(0, 0.9) * (z1 - z0), x + sign * depth / 2, top + rise - 0.6
        start, end, tip = (ridge, z), (ridge + sign * 0.9, z), top + rise + b(0.8, 1.6)
        street.items.append(Wall(BUILDING, start, end, foot, tip, ((("blank0", 0),),), colours, facing, z1 + 0.02, 1))
    for metre in range(max(0, int(z0)), min(END, int(z1) + 1)):
        side.tops[metre] = top + rise / 2


def _storey(street: Street, kind: str, wall: int, style: str, bays: int, ground_floor: bool) -> tuple:
    """The tiles of one storey, from left to right."""
    chance = street.chance
    shop = kind == "shops" and chance.happens(0.9)
    names = []
    for _ in range(bays):
        name = f"{style}{wall}" if chance.happens(0.92) else f"blank{wall}"
        if ground_floor and shop:
            name = f"shop{wall}"
        elif ground_floor and chance.happens(0.35):
            name = chance.pick((f"door{wall}", f"door{wall}", f"garage{wall}"))
        names.append((name, chance.whole(0, 3)))
    return tuple(names)


def cast_shadows(street: Street) -> None:
    """Where the shadow of the houses ends, metre by metre, if the sun stands behind them."""
    weather = street.weather
    if weather.sun:
        side = street.sides[weather.sun > 0]
        reach = [side.sign * (side.front - top * weather.reach) for top in side.tops]
        street.ground.shadows.append((side.sign, reach))


def add_backdrop(street: Street) -> None:
    """What closes the view: trees and houses far off, and sometimes a row of houses where the street ends."""
    chance, b = street.chance, street.chance.between
    rows = [(150.0, 0.45, 14, 40)] + ([(b(60, 120), 1.0, 12, 26)] if chance.happens(0.45) else [])
    for z, houses, narrow, broad in rows:
        x = -90.0 if z == 150 else -60.0
        while x < -street.camera.x + 90:
            width = b(narrow, broad)
            add = _add_far_house if chance.happens(houses) else _add_far_trees
            add(street, x, z, width)
            x += width


def _add_far_house(street: Street, x: float, z: float, width: float) -> None:
    chance, gain = street.chance, street.weather.lit.facing
    wall, storeys = chance.whole(0, 3), chance.whole(2, 5)
    windows = ((f"sash{wall}", chance.whole(0, 3)), (f"sash{wall}", chance.whole(0, 3)))
    parts = (((f"shop{wall}", 0), (f"door{wall}", 0)), *[windows] * (storeys - 1))
    colours = {
        Material.OWN: chance.near(chance.pick(WALLS)),
        Material.TRIM: chance.pick(FRAMES),
        Material.ACCENT: chance.pick(SHOPS),
    }
    top = storeys * 3 + chance.between(0, 2)
    street.items.append(Wall(BUILDING, (x, z), (x + width, z), 0, top, parts, colours, gain, z, int(width / 3)))


def _add_far_trees(street: Street, x: float, z: float, width: float) -> None:
    chance, gain = street.chance, street.weather.lit.facing
    colours, top = {Material.OWN: chance.near(chance.pick(LEAVES + TWIGS))}, chance.between(5, 14)
    parts = ((("far trees", 0),),)
    street.items.append(Wall(TREE, (x, z), (x + width, z), 0, top, parts, colours, gain, z, width / 12))


def _add_tree(street: Street, x: float, z: float, height: float, style: int | None = None) -> None:
    chance, weather = street.chance, street.weather
    if z < 4 or not street.is_open(z, z):
        return
    style = chance.whole(0, 14) if style is None else style
    bare = style > 8
    colours = {
        Material.OWN: chance.near(chance.pick(TWIGS if bare else LEAVES), 0.4),
        Material.TRIM: chance.near((84, 72, 60), 0.3),
    }
    gain = (street.light_at(x, z) + 1) / 2 * chance.between(0.8, 1.7 if bare else 1.4)
    kind, mirrored = "bare tree" if bare else "tree", chance.happens(0.5)
    tree = street.add_thing(kind, TREE, x, z, height, style, colours, gain, mirrored=mirrored)
    aside = weather.sun * height * 0.4 * min(1, weather.reach)
    street.add_spot(x - aside, z, height * 0.35, height * 0.3, 0.45 if weather.sun else 0.2, tree)


def add_street_trees(street: Street) -> None:
    """Trees of one kind along the kerb, on either side perhaps."""
    chance = street.chance
    for side in street.sides:
        if chance.happens(0.3):
            step, z, style = chance.between(8, 16), chance.between(6, 14), chance.whole(0, 14)
            while z < 90:
                _add_tree(street, side.kerb, z, chance.between(5, 9), style)
                z += step
