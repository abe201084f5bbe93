"""How a street comes about, by chance: the weather, the town, and in it whatever moves or is small."""

from __future__ import annotations

import numpy as np

from segedu.labels import IGNORE_INDEX
from segedu.worlds.chance import Chance, Colour
from segedu.worlds.street.scene import (
    BICYCLIST,
    CAR,
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
    Scene,
    Weather,
)
from segedu.worlds.street.town import END, LEFT, RIGHT, SIGNS, Town
from segedu.worlds.street.weather import plan_weather

# Metres from a car's middle to either end, and a little more: room that is kept free, and its shadow.
HALF_LENGTHS = {"hatchback": 2.1, "saloon": 2.3, "estate": 2.4, "van": 2.6, "bus": 5.0}


def plan_street(
    town: np.random.Generator,
    sky: np.random.Generator,
    *,
    noise: float,
    clutter: float,
    scale: float,
    weather: str | None,
) -> Scene:
    """The description of one street. The knobs are those of ToyStreet.

    town, sky: two sources of chance, so that the same street can be seen in another weather.
    """
    street = Street(Chance(town), clutter, scale, plan_weather(Chance(sky), weather, noise))
    return Scene(street.camera, street.weather, street.ground, street.items)


class Street(Town):
    """A town with its traffic, its signs and its people."""

    def __init__(self, chance: Chance, clutter: float, scale: float, weather: Weather):
        super().__init__(chance, clutter, scale, weather)
        self._traffic()
        for side in (LEFT, RIGHT):
            self._parked(side)
            self._furniture(side)
        self._traffic_lights()
        self._people()

    def _car(
        self, x: float, z: float, turn: tuple[float, float], styles: tuple[str, ...] = (), parked: bool = False
    ) -> None:
        """turn: (sin, cos) of the heading, (0, 1) = the way the camera looks."""
        chance = self.chance
        style = chance.pick(styles or ("hatchback",) * 9 + ("saloon",) * 7 + ("estate",) * 6 + ("van",) * 4 + ("bus",))
        half = HALF_LENGTHS[style]
        along = half * abs(turn[1]) + 0.9 * abs(turn[0])
        if z - along < 3:
            return
        paint = (
            chance.pick([(170, 40, 36), (60, 90, 140), (200, 196, 180), (60, 120, 80)])
            if style == "bus"
            else chance.pick(PAINTS)
        )
        colours = {
            Material.OWN: chance.near(paint),
            Material.ACCENT: (190, 160, 50),
            Material.GLASS: chance.near((60, 68, 76), 0.4),
        }
        self._thing("car", CAR, x, z, 1.5, style, colours, turn=turn, parked=parked)
        self._spot(x, z, half * abs(turn[0]) + abs(turn[1]) + 0.25, along + 0.2, 0.62, self.ids)

    def _traffic(self) -> None:
        chance, b, lane = self.chance, self.chance.between, self.half / 2
        if self.kind == "yard":
            for _ in range(chance.count(4 * self.clutter)):
                self._car(
                    b(-12, 12),
                    self._ahead(8, 48),
                    chance.pick(((0, 1), (0, -1), (1, 0), (-1, 0), (0.6, 0.8), (-0.6, 0.8))),
                )
            return
        for way, mean in ((1, 1.0), (-1, 1.2)):
            z = self._ahead(8, 64)
            for _ in range(min(5, chance.count(mean * self.clutter))):
                self._car(-way * lane + b(-0.4, 0.4), z, (b(-0.05, 0.05), way))
                z += b(8, 28)
        if self.junction[0] < END and chance.happens(0.45 * self.clutter):
            self._car(b(-9, 9), b(*self.junction), (chance.pick((-1.0, 1.0)), b(-0.2, 0.2)))

    def _parked(self, side: int) -> None:
        chance, b = self.chance, self.chance.between
        if not chance.happens((0.8 if self.kind == "yard" else 0.38) * min(1, self.clutter)):
            return
        z, density = b(6, 20), b(0.4, 0.95) * self.clutter
        facing = 1.0 if side == LEFT or chance.happens(0.4) else -1.0
        while z < 70:
            if chance.happens(density) and self._open(z - 3, z + 3):
                if self.kind == "yard":
                    self._car(
                        SIGNS[side] * (self.half - 3),
                        z,
                        (SIGNS[side] * 1.0, 0.1),
                        ("hatchback", "estate", "saloon"),
                        parked=True,
                    )
                else:
                    self._car(
                        SIGNS[side] * (self.half - 1.0),
                        z,
                        (b(-0.03, 0.03), facing),
                        ("hatchback", "saloon", "estate", "van"),
                        parked=True,
                    )
            z += 2.8 if self.kind == "yard" else b(5.2, 6.5)

    def _furniture(self, side: int) -> None:
        chance, b, sign, kerb = self.chance, self.chance.between, SIGNS[side], self.kerbs[side]
        metal = {Material.OWN: chance.near(chance.pick(METAL))}
        if chance.happens(0.75):
            z, step, height, x = (
                b(5, 30),
                b(18, 32),
                b(6, 9),
                chance.pick((kerb, kerb, kerb, sign * (self.paths[side] + 0.1))),
            )
            style = chance.pick(("short arm", "long arm", "plain"))
            while z < 110:
                self._thing("pole", POLE, x, z, height, style, metal, width=0.15, mirrored=side == RIGHT)
                z += step
        for _ in range(chance.count(2.2 * self.clutter)):
            self._sign(kerb, self._ahead(7, 62), metal)
        if chance.happens(0.2 * self.clutter):  # bollards
            z, paint = b(5, 20), {Material.OWN: chance.pick(((30, 30, 32), (120, 118, 112)))}
            for k in range(chance.whole(3, 9)):
                self._thing("pole", POLE, kerb, z + 1.8 * k, 0.95, "plain", paint, width=0.14)
        if self.kinds[side] == "shops":  # boards that hang out from the houses
            for _ in range(chance.count(2.0 * self.clutter)):
                size = b(0.5, 1.1)
                self._thing(
                    "sign",
                    SIGN,
                    sign * (self.fronts[side] - 0.1 - size / 2),
                    b(7, 45),
                    size,
                    chance.pick((4, 5, 6, 5)),
                    self._board(),
                    above=b(2.6, 4.2),
                )
        for _ in range(chance.count(0.35 * self.clutter)):  # a bin, a letter box, a cone: no class has a place for them
            paint = {
                Material.OWN: chance.near(chance.pick([(40, 44, 42), (150, 40, 36), (70, 74, 70), (40, 60, 50)]), 0.3)
            }
            x = sign * b(self.half + 0.3, self.paths[side])
            self._thing("box", IGNORE_INDEX, x, self._ahead(6, 46), b(0.7, 1.4), chance.whole(0, 3), paint)

    def _board(self) -> dict[int, Colour]:
        chance = self.chance
        ground = chance.pick(
            [(230, 228, 220), (30, 90, 60), (40, 70, 140), (214, 180, 60), (40, 40, 42), (150, 40, 40)]
        )
        return {
            Material.OWN: chance.near(ground, 0.15),
            Material.ACCENT: (40, 40, 44) if sum(ground) > 380 else (226, 226, 220),
        }

    def _sign(self, x: float, z: float, metal: dict) -> None:
        chance = self.chance
        if not self._open(z, z):
            return
        style, top = chance.pick((0, 0, 1, 2, 4, 4, 5, 6)), chance.between(2.2, 3.3)
        height = (1.0 if style == 6 else 0.7) * chance.between(0.8, 1.25)
        red, blue = (
            {Material.OWN: (226, 226, 220), Material.ACCENT: (178, 36, 34)},
            {Material.OWN: (36, 70, 150), Material.ACCENT: (36, 70, 150)},
        )
        self._thing("pole", POLE, x, z + 0.02, top, "plain", metal, width=0.08)
        self._thing(
            "sign", SIGN, x, z, height, style, {0: red, 1: blue, 2: red}.get(style) or self._board(), above=top - height
        )

    def _traffic_lights(self) -> None:
        chance = self.chance
        if not chance.happens((0.6 if self.junction[0] < END else 0.25) * min(1, self.clutter)):
            return
        z = self.junction[0] - 1 if self.junction[0] < END else chance.between(9, 40)
        lamp = {Material.ACCENT: chance.pick(((220, 40, 30), (40, 200, 120), (60, 20, 20)))}
        for x in self.kerbs:
            self._thing("pole", POLE, x, z + 0.02, 3.0, "plain", {Material.OWN: (60, 62, 64)}, width=0.12)
            self._thing("sign", SIGN, x, z, 1.05, 3, lamp, gain=1.0, above=2.1)

    def _people(self) -> None:
        chance, b = self.chance, self.chance.between
        for _ in range(chance.count(3.6 * self.clutter)):
            side = chance.whole(0, 2)
            x, z = SIGNS[side] * b(self.half + 0.3, self.paths[side]), self._ahead(6, 66)
            if chance.happens(0.12):
                x, z = b(-self.half, self.half), z + 6
            for _ in range(chance.pick((1, 1, 2))):
                tall = b(1.55, 1.9) if chance.happens(0.88) else b(1.0, 1.4)
                self._thing(
                    "person", PEDESTRIAN, x, z, tall, chance.whole(0, 12), self._clothes(), mirrored=chance.happens(0.5)
                )
                self._spot(x, z, 0.4, 0.5, 0.4, self.ids)
                x, z = x + b(-0.7, 0.7), z + b(-0.8, 0.8)
        for _ in range(chance.count(0.9 * self.clutter)):
            side, style = chance.pick((LEFT, LEFT, RIGHT)), chance.pick((2, 2, 3, 2, 3, 0))
            self._cyclist(SIGNS[side] * (self.half - b(0.5, 1.3)), self._ahead(7, 50), style)
        if self.junction[0] < END and chance.happens(0.12 * self.clutter):
            self._cyclist(b(-6, 6), b(*self.junction), chance.whole(0, 2))

    def _clothes(self) -> dict[int, Colour]:
        return {
            material: self.chance.near(self.chance.pick(options))
            for material, options in (
                (Material.OWN, COATS),
                (Material.TRIM, TROUSERS),
                (Material.ACCENT, HAIR),
                (Material.EXTRA, SKINS),
            )
        }

    def _cyclist(self, x: float, z: float, style: int) -> None:
        chance, colours = self.chance, self._clothes()
        if chance.happens(0.15):
            colours[Material.OWN] = (180, 200, 60)  # a vest that is meant to be seen
        self._thing("cyclist", BICYCLIST, x, z, chance.between(1.6, 1.85), style, colours, mirrored=chance.happens(0.5))
        self._spot(x, z, 0.9 if style < 2 else 0.35, 0.4 if style < 2 else 0.9, 0.45, self.ids)
