"""Whatever moves in a street or is small, by chance: cars, poles, signs, people."""

from __future__ import annotations

from segedu.labels import IGNORE_INDEX
from segedu.worlds.chance import Chance, Colour
from segedu.worlds.street.layout import LEFT, RIGHT, Side, Street
from segedu.worlds.street.scene import (
    BICYCLIST,
    CAR,
    CARS,
    COATS,
    HAIR,
    METAL,
    PAINTS,
    PEDESTRIAN,
    POLE,
    SIGN,
    SKINS,
    TROUSERS,
    Material,
)

Colours = dict[Material, Colour]


def add_traffic(street: Street) -> None:
    """Cars on their way; in a yard, some that stand in it."""
    chance, b, lane = street.chance, street.chance.between, street.half / 2
    if street.kind == "yard":
        turns = ((0, 1), (0, -1), (1, 0), (-1, 0), (0.6, 0.8), (-0.6, 0.8))
        for _ in range(chance.count(4 * street.clutter)):
            _add_car(street, b(-12, 12), street.ahead(8, 48), chance.pick(turns))
        return
    for way, mean in ((1, 1.0), (-1, 1.2)):
        z = street.ahead(8, 64)
        for _ in range(min(5, chance.count(mean * street.clutter))):
            _add_car(street, -way * lane + b(-0.4, 0.4), z, (b(-0.05, 0.05), way))
            z += b(8, 28)
    if street.has_junction and chance.happens(0.45 * street.clutter):
        _add_car(street, b(-9, 9), b(*street.junction), (chance.pick((-1.0, 1.0)), b(-0.2, 0.2)))


def add_parked_cars(street: Street, side: Side) -> None:
    """A row of cars along one side, with gaps."""
    chance, b, in_yard = street.chance, street.chance.between, street.kind == "yard"
    if not chance.happens((0.8 if in_yard else 0.38) * min(1, street.clutter)):
        return
    z, density = b(6, 20), b(0.4, 0.95) * street.clutter
    facing = 1.0 if side.sign == LEFT or chance.happens(0.4) else -1.0
    while z < 70:
        if chance.happens(density) and street.is_open(z - 3, z + 3):
            if in_yard:
                styles, turn, gap = ("hatchback", "estate", "saloon"), (side.sign * 1.0, 0.1), 3
            else:
                styles, turn, gap = ("hatchback", "saloon", "estate", "van"), (b(-0.03, 0.03), facing), 1
            _add_car(street, side.sign * (street.half - gap), z, turn, styles, parked=True)
        z += 2.8 if in_yard else b(5.2, 6.5)


def _add_car(
    street: Street, x: float, z: float, turn: tuple[float, float], styles: tuple[str, ...] = (), parked: bool = False
) -> None:
    """turn: (sin, cos) of the heading, (0, 1) = the way the camera looks."""
    chance = street.chance
    style = chance.pick(styles or ("hatchback",) * 9 + ("saloon",) * 7 + ("estate",) * 6 + ("van",) * 4 + ("bus",))
    half, (sin, cos) = CARS[style].half_length, turn
    along = half * abs(cos) + 0.9 * abs(sin)
    if z - along < 3:
        return
    buses = [(170, 40, 36), (60, 90, 140), (200, 196, 180), (60, 120, 80)]
    colours = {
        Material.OWN: chance.near(chance.pick(buses if style == "bus" else PAINTS)),
        Material.ACCENT: (190, 160, 50),
        Material.GLASS: chance.near((60, 68, 76), 0.4),
    }
    car = street.add_thing("car", CAR, x, z, 1.5, style, colours, turn=turn, parked=parked)
    street.add_spot(x, z, half * abs(sin) + abs(cos) + 0.25, along + 0.2, 0.62, car)


def add_furniture(street: Street, side: Side) -> None:
    """What stands on a pavement: street lights, signs, bollards, boards, bins."""
    chance, b, clutter, sign = street.chance, street.chance.between, street.clutter, side.sign
    metal = {Material.OWN: chance.near(chance.pick(METAL))}
    if chance.happens(0.75):
        _add_street_lights(street, side, metal)
    for _ in range(chance.count(2.2 * clutter)):
        _add_sign(street, side.kerb, street.ahead(7, 62), metal)
    if chance.happens(0.2 * clutter):
        z, paint = b(5, 20), {Material.OWN: chance.pick(((30, 30, 32), (120, 118, 112)))}
        for k in range(chance.whole(3, 9)):
            street.add_thing("pole", POLE, side.kerb, z + 1.8 * k, 0.95, "plain", paint, width=0.14)
    if side.kind == "shops":  # boards that hang out from the houses
        for _ in range(chance.count(2.0 * clutter)):
            size = b(0.5, 1.1)
            x, z, style = sign * (side.front - 0.1 - size / 2), b(7, 45), chance.pick((4, 5, 6, 5))
            street.add_thing("sign", SIGN, x, z, size, style, _board(chance), above=b(2.6, 4.2))
    for _ in range(chance.count(0.35 * clutter)):  # a bin, a letter box, a cone: no class has a place for them
        paint = chance.near(chance.pick([(40, 44, 42), (150, 40, 36), (70, 74, 70), (40, 60, 50)]), 0.3)
        x, z, height = sign * b(street.half + 0.3, side.path), street.ahead(6, 46), b(0.7, 1.4)
        street.add_thing("box", IGNORE_INDEX, x, z, height, chance.whole(0, 3), {Material.OWN: paint})


def _add_street_lights(street: Street, side: Side, metal: Colours) -> None:
    chance, b, kerb = street.chance, street.chance.between, side.kerb
    z, step, height = b(5, 30), b(18, 32), b(6, 9)
    x = chance.pick((kerb, kerb, kerb, side.sign * (side.path + 0.1)))
    style = chance.pick(("short arm", "long arm", "plain"))
    while z < 110:
        street.add_thing("pole", POLE, x, z, height, style, metal, width=0.15, mirrored=side.sign == RIGHT)
        z += step


def _board(chance: Chance) -> Colours:
    grounds = [(230, 228, 220), (30, 90, 60), (40, 70, 140), (214, 180, 60), (40, 40, 42), (150, 40, 40)]
    ground = chance.pick(grounds)
    writing = (40, 40, 44) if sum(ground) > 380 else (226, 226, 220)
    return {Material.OWN: chance.near(ground, 0.15), Material.ACCENT: writing}


def _add_sign(street: Street, x: float, z: float, metal: Colours) -> None:
    chance = street.chance
    if not street.is_open(z, z):
        return
    style, top = chance.pick((0, 0, 1, 2, 4, 4, 5, 6)), chance.between(2.2, 3.3)
    height = (1.0 if style == 6 else 0.7) * chance.between(0.8, 1.25)
    red = {Material.OWN: (226, 226, 220), Material.ACCENT: (178, 36, 34)}
    blue = {Material.OWN: (36, 70, 150), Material.ACCENT: (36, 70, 150)}
    street.add_thing("pole", POLE, x, z + 0.02, top, "plain", metal, width=0.08)
    face = {0: red, 1: blue, 2: red}.get(style) or _board(chance)
    street.add_thing("sign", SIGN, x, z, height, style, face, above=top - height)


def add_traffic_lights(street: Street) -> None:
    """A pair of traffic lights, mostly where a street turns off."""
    chance = street.chance
    if not chance.happens((0.6 if street.has_junction else 0.25) * min(1, street.clutter)):
        return
    z = street.junction[0] - 1 if street.has_junction else chance.between(9, 40)
    lamp = {Material.ACCENT: chance.pick(((220, 40, 30), (40, 200, 120), (60, 20, 20)))}
    for side in street.sides:
        street.add_thing("pole", POLE, side.kerb, z + 0.02, 3.0, "plain", {Material.OWN: (60, 62, 64)}, width=0.12)
        street.add_thing("sign", SIGN, side.kerb, z, 1.05, 3, lamp, gain=1.0, above=2.1)


def add_people(street: Street) -> None:
    """People on foot, alone or in pairs, and cyclists."""
    chance, b, half = street.chance, street.chance.between, street.half
    for _ in range(chance.count(3.6 * street.clutter)):
        side = chance.pick(street.sides)
        x, z = side.sign * b(half + 0.3, side.path), street.ahead(6, 66)
        if chance.happens(0.12):  # on the road
            x, z = b(-half, half), z + 6
        for _ in range(chance.pick((1, 1, 2))):
            _add_person(street, x, z)
            x, z = x + b(-0.7, 0.7), z + b(-0.8, 0.8)
    left, right = street.sides
    for _ in range(chance.count(0.9 * street.clutter)):
        side, style = chance.pick((left, left, right)), chance.pick((2, 2, 3, 2, 3, 0))
        _add_cyclist(street, side.sign * (half - b(0.5, 1.3)), street.ahead(7, 50), style)
    if street.has_junction and chance.happens(0.12 * street.clutter):
        _add_cyclist(street, b(-6, 6), b(*street.junction), chance.whole(0, 2))


def _add_person(street: Street, x: float, z: float) -> None:
    chance, b = street.chance, street.chance.between
    tall = b(1.55, 1.9) if chance.happens(0.88) else b(1.0, 1.4)
    pose, colours, mirrored = chance.whole(0, 12), _clothes(chance), chance.happens(0.5)
    person = street.add_thing("person", PEDESTRIAN, x, z, tall, pose, colours, mirrored=mirrored)
    street.add_spot(x, z, 0.4, 0.5, 0.4, person)


def _clothes(chance: Chance) -> Colours:
    return {
        material: chance.near(chance.pick(options))
        for material, options in (
            (Material.OWN, COATS),
            (Material.TRIM, TROUSERS),
            (Material.ACCENT, HAIR),
            (Material.EXTRA, SKINS),
        )
    }


def _add_cyclist(street: Street, x: float, z: float, style: int) -> None:
    """style: 0 and 1 are seen from the side, 2 and 3 from behind or ahead."""
    chance, from_side = street.chance, style < 2
    colours = _clothes(chance)
    if chance.happens(0.15):
        colours[Material.OWN] = (180, 200, 60)  # a vest that is meant to be seen
    tall, mirrored = chance.between(1.6, 1.85), chance.happens(0.5)
    cyclist = street.add_thing("cyclist", BICYCLIST, x, z, tall, style, colours, mirrored=mirrored)
    street.add_spot(x, z, 0.9 if from_side else 0.35, 0.4 if from_side else 0.9, 0.45, cyclist)
