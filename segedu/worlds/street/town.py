"""The road and the houses, fences and trees along it, by chance."""

from __future__ import annotations

from segedu.labels import IGNORE_INDEX
from segedu.worlds.chance import Chance
from segedu.worlds.street.scene import (
    BARRIERS,
    BUILDING,
    FENCE,
    FRAMES,
    LEAVES,
    PAVEMENT,
    ROAD,
    ROOFS,
    SHOPS,
    TREE,
    TWIGS,
    WALLS,
    Camera,
    Ground,
    Mark,
    Material,
    Spot,
    Thing,
    Wall,
    Weather,
)

LEFT, RIGHT, FACING = range(3)  # places in Weather.lit; the first two are also the sides of the street
SIGNS = (-1, 1)  # of x on these sides
END = 160  # metres: the street is described so far


class Town:
    """The road, and what stands along it for years: each method adds one kind of it to `items`."""

    def __init__(self, chance: Chance, clutter: float, scale: float, weather: Weather):
        self.chance, self.clutter, self.weather = chance, clutter, weather
        self.items, self.ids = [], 0
        b = chance.between
        self.kind = chance.pick(("shops",) * 7 + ("homes",) * 4 + ("open",) * 3 + ("yard",))
        self.half = b(
            *{"shops": (3.2, 5), "homes": (3.2, 5), "open": (3.8, 7), "yard": (9, 14)}[self.kind]
        )  # of the road
        paths = [0.4 if chance.happens(0.05) else b(1.2, 3.4) for _ in SIGNS]
        self.kinds = [self.kind if chance.happens(0.75) else chance.pick(("shops", "homes", "open")) for _ in SIGNS]
        setback = {"shops": (0, 0), "homes": (1.5, 6), "open": (4, 14), "yard": (0, 8)}
        self.kerbs = [sign * (self.half + 0.45) for sign in SIGNS]
        self.paths = [self.half + path for path in paths]  # where the pavement ends, and where the houses begin
        self.fronts = [path + b(*setback[kind]) for path, kind in zip(self.paths, self.kinds, strict=True)]
        self.tops = [[0.0] * END, [0.0] * END]  # how high the houses are, a number a metre ahead, for their shadows
        near = b(12, 55)
        self.junction = (near, near + b(6, 11)) if chance.happens(0.45) else (2.0 * END, 2.0 * END)
        self.camera = Camera(
            x=b(-3, 3) if self.kind == "yard" else -self.half * b(0.25, 0.55),
            height=b(1.25, 1.5),
            yaw=b(-0.09, 0.09),
            bend=b(-0.0016, 0.0016) if chance.happens(0.5) else 0.0,
            zoom=b(0.88, 1.12) * scale,
            horizon=b(0.46, 0.55),
        )
        self.ground = self._ground()
        for side in (LEFT, RIGHT):
            self._row(side)
        self._cast_shadows()
        self._backdrop()
        self._street_trees()

    # ---- what all methods use
    def _open(self, z0: float, z1: float) -> bool:
        """Whether the side of the road is free from z0 to z1: no street turns off there."""
        return z1 < self.junction[0] or z0 > self.junction[1]

    def _ahead(self, near: float, far: float) -> float:
        """A distance, more often a short one."""
        return near + (far - near) * self.chance.between(0, 1) * self.chance.between(0, 1)

    def _light_at(self, x: float, z: float) -> float:
        weather = self.weather
        if not weather.sun:
            return (sum(weather.lit) + weather.ground) / 4
        side = RIGHT if weather.sun > 0 else LEFT
        edge = self.fronts[side] - self.tops[side][min(max(int(z), 0), END - 1)] * weather.reach
        return weather.ground * (weather.shadow if x * SIGNS[side] > edge else 1.0)

    def _thing(
        self, kind: str, label: int, x: float, z: float, height: float, style: int | str, colours: dict, **more
    ) -> None:
        counted = label != IGNORE_INDEX and label != TREE
        self.ids += counted
        gain = more.pop("gain", None) or self._light_at(x, z)
        self.items.append(Thing(kind, label, x, z, height, style, colours, gain, self.ids if counted else 0, **more))

    def _spot(self, x: float, z: float, across: float, along: float, strength: float, owner: int = 0) -> None:
        if z - along < 40:  # farther away, a shadow on the ground is thinner than a pixel
            self.ground.spots.append(Spot(x, z, across, along, strength, owner))

    # ---- the road and the houses
    def _ground(self) -> Ground:
        chance, b = self.chance, self.chance.between
        grey = b(62, 118)
        road = (ROAD, (grey * b(0.97, 1.03), grey, grey * b(0.97, 1.08)))
        strips, borders = [road], []
        for side in (LEFT, RIGHT):
            stone = grey * b(0.8, 1.5)
            path = (PAVEMENT, (stone * b(1.0, 1.08), stone, stone * b(0.9, 1.02)))
            kerb = (PAVEMENT, chance.near((grey * 1.2, grey * 1.2, grey * 1.18), 0.12))
            grass = (TREE, chance.near((78, 88, 46), 0.25))
            kind = self.kinds[side]
            verge = grass if kind == "open" and chance.happens(0.6) else path
            yard = path if kind == "shops" or chance.happens(0.3) else grass
            if kind == "open" and chance.happens(0.25):
                yard = road
            end = self.paths[side]
            edge = [
                (self.half, kerb),
                (self.half + 0.16, path),
                (end, verge),
                (max(self.fronts[side], end + 0.2), yard),
            ]
            for x, strip in edge:
                if side == LEFT:
                    borders, strips = [-x, *borders], [strip, *strips]
                else:
                    borders, strips = [*borders, x], [*strips, strip]
        weather = self.weather
        ground = Ground(borders, strips, 4, weather.ground, chance.pick((0, 1, 1, 2)), weather.shine, weather.shadow)
        ground.crossings.append(self.junction)
        self._road_marks(ground.marks)
        return ground

    def _road_marks(self, marks: list[Mark]) -> None:
        chance, b, half = self.chance, self.chance.between, self.half
        if self.kind == "yard":
            for x in (b(-half, half) for _ in range(chance.whole(2, 6))):
                marks.append(Mark(x, x + 0.12, b(2, 8), b(12, 40)))
            return
        if chance.happens(0.85):
            period = chance.pick((4.0, 6.0, 9.0))
            marks.append(Mark(-0.06, 0.06, period=period, dash=period * chance.pick((0.33, 0.66)), phase=b(0, 9)))
        if half > 5 and chance.happens(0.6):
            marks.append(Mark(-half / 2 - 0.05, -half / 2 + 0.05, period=6, dash=2, phase=b(0, 6)))
        for sign in SIGNS:
            if chance.happens(0.45):
                white = chance.happens(0.35)
                for x in (sign * (half - 0.25), sign * (half - 0.45)):
                    marks.append(Mark(x - 0.045, x + 0.045, white=white))
        near, lane = b(6, 25), -half / 2
        if chance.happens(0.12):  # a zebra crossing
            marks.append(Mark(-half, half, near, near + 2.6, stripes=1.2))
        elif chance.happens(0.25):  # an arrow
            marks.append(Mark(lane - 0.1, lane + 0.1, near, near + 3))
            marks.append(Mark(lane - 0.35, lane + 0.35, near + 2.2, near + 2.9))
        if self.junction[0] < 40:
            marks.append(Mark(-half, 0, self.junction[0] - 1.0, self.junction[0] - 0.7))

    def _row(self, side: int) -> None:
        """Houses or trees along one side, and what parts them from the pavement."""
        chance, b, kind, sign = self.chance, self.chance.between, self.kinds[side], SIGNS[side]
        barrier = None
        if chance.happens(0.12 if kind == "shops" else 0.85):
            barrier = chance.pick(list(BARRIERS)[:3] if kind == "shops" else list(BARRIERS))
            height, options = BARRIERS[barrier]
            paint = {Material.OWN: chance.near(chance.pick(options)), Material.TRIM: chance.near((150, 144, 134))}
            height *= b(0.9, 1.15)
        storeys, z = chance.whole(2, 5), b(-6, 3)
        built = {"shops": 0.96, "homes": 0.8, "open": 0.3, "yard": 0.4}[kind]
        while z < 115:
            length = b(5, 14) if kind == "shops" else b(7, 16)
            if z > 60:
                length *= 2
            if z < self.junction[1] and z + length > self.junction[0]:
                if z + 3 > self.junction[0]:
                    z = self.junction[1] + 1
                    continue
                length = self.junction[0] - z - 0.5
            if chance.happens(built):
                floors = chance.whole(1, 4) if kind == "homes" else max(1, storeys + chance.whole(-1, 2))
                self._house(side, self.fronts[side] + (b(0, 1.5) if kind == "homes" else 0.0), z, z + length, floors)
            else:
                for _ in range(chance.whole(1, 4)):
                    self._tree(sign * (self.fronts[side] + b(0.5, 9)), z + b(0, length), b(5, 13))
            if chance.happens({"shops": 0.08, "homes": 0.35, "open": 0.8, "yard": 0.1}[kind]):
                self._tree(sign * (self.paths[side] + b(0.4, 3)), z + b(0, length), b(4, 11))
            if barrier and z < 80 and chance.happens(0.9):
                x, half_way, end = sign * (self.paths[side] + 0.05), z + length / 2, z + length
                label = TREE if barrier == "hedge" else FENCE
                for start, stop in ((z, half_way), (half_way, end)):
                    self.items.append(
                        Wall(
                            label,
                            (x, start),
                            (x, stop),
                            0,
                            height,
                            (((barrier, 0),),),
                            paint,
                            self.weather.lit[side],
                            stop - 0.01,
                            (stop - start) / 1.9,
                        )
                    )
            z += length + (0.0 if kind == "shops" else b(0, 5))

    def _house(self, side: int, x: float, z0: float, z1: float, storeys: int) -> None:
        chance, b, kind, sign = self.chance, self.chance.between, self.kinds[side], SIGNS[side]
        wall, style = chance.whole(0, 3), chance.pick(("sash", "sash", "wide", "twin", "tall", "ribbon"))
        if style == "ribbon" and kind == "homes":
            style = "wide"
        bays, parts = max(1, int((z1 - z0) / b(2.6, 3.6) + 0.5)), []
        common, blank, happens, whole = f"{style}{wall}", f"blank{wall}", chance.happens, chance.whole
        for storey in range(storeys):
            below = f"shop{wall}" if kind == "shops" and happens(0.9) else None
            names = []
            for _ in range(bays):
                name = common if happens(0.92) else blank
                if storey == 0 and (below or happens(0.35)):
                    name = below or chance.pick((f"door{wall}", f"door{wall}", f"garage{wall}"))
                names.append((name, whole(0, 3)))
            parts.append(tuple(names))
        top, depth, own = storeys * b(2.6, 3.3) + b(0, 1), b(7, 11), chance.near(chance.pick(WALLS))
        colours = {
            Material.OWN: own,
            Material.TRIM: chance.near(chance.pick(FRAMES)),
            Material.ACCENT: chance.near(chance.pick(SHOPS)),
            Material.GLASS: chance.near((88, 98, 108), 0.35),
        }
        rise = b(1.5, 3.2) if chance.happens(0.55 if kind == "shops" else 0.8) else 0.0
        roof = (rise, depth / 2, chance.near(chance.pick(ROOFS))) if rise else None
        x, front, facing, depth = sign * x, self.weather.lit[side], self.weather.lit[FACING], sign * depth
        self.items.append(Wall(BUILDING, (x, z0), (x, z1), 0, top, tuple(parts), colours, front, z1, bays, roof))
        tops = self.tops[side]
        if z0 > 1 and tops[int(z0) - 1] < top + rise:  # its end shows above the house before it
            style = "blank" if chance.happens(0.6) else style
            parts = (((f"blank{wall}", 0), (f"{style}{wall}", 1)),) * storeys
            gable = (rise, 0.0, own) if rise else None
            self.items.append(
                Wall(BUILDING, (x, z0), (x + depth, z0), 0, top, parts, colours, facing, z1 + 0.01, 2, gable)
            )
        if rise and z0 < 50 and chance.happens(0.6):  # a chimney on the ridge
            z, ridge = z0 + b(0, 0.9) * (z1 - z0), x + depth / 2
            self.items.append(
                Wall(
                    BUILDING,
                    (ridge, z),
                    (ridge + sign * 0.9, z),
                    top + rise - 0.6,
                    top + rise + b(0.8, 1.6),
                    ((("blank0", 0),),),
                    colours,
                    facing,
                    z1 + 0.02,
                    1,
                )
            )
        for metre in range(max(0, int(z0)), min(END, int(z1) + 1)):
            tops[metre] = top + rise / 2

    def _cast_shadows(self) -> None:
        if self.weather.sun:
            side = RIGHT if self.weather.sun > 0 else LEFT
            reach = [SIGNS[side] * (self.fronts[side] - top * self.weather.reach) for top in self.tops[side]]
            self.ground.shadows.append((SIGNS[side], reach))

    def _backdrop(self) -> None:
        """What closes the view: trees and houses far off, and sometimes a row of houses where the street ends."""
        chance, b, gain = self.chance, self.chance.between, self.weather.lit[FACING]
        rows = [(150.0, 0.45, 14, 40)] + ([(b(60, 120), 1.0, 12, 26)] if chance.happens(0.45) else [])
        for z, houses, narrow, broad in rows:
            x = -90.0 if z == 150 else -60.0
            while x < -self.camera.x + 90:
                width = b(narrow, broad)
                if chance.happens(houses):
                    wall, storeys = chance.whole(0, 3), chance.whole(2, 5)
                    line = [((f"sash{wall}", chance.whole(0, 3)), (f"sash{wall}", chance.whole(0, 3)))] * storeys
                    line[0] = ((f"shop{wall}", 0), (f"door{wall}", 0))
                    colours = {
                        Material.OWN: chance.near(chance.pick(WALLS)),
                        Material.TRIM: chance.pick(FRAMES),
                        Material.ACCENT: chance.pick(SHOPS),
                    }
                    self.items.append(
                        Wall(
                            BUILDING,
                            (x, z),
                            (x + width, z),
                            0,
                            storeys * 3 + b(0, 2),
                            tuple(line),
                            colours,
                            gain,
                            z,
                            int(width / 3),
                        )
                    )
                else:
                    leaves = {Material.OWN: chance.near(chance.pick(LEAVES + TWIGS))}
                    self.items.append(
                        Wall(
                            TREE,
                            (x, z),
                            (x + width, z),
                            0,
                            b(5, 14),
                            ((("far trees", 0),),),
                            leaves,
                            gain,
                            z,
                            width / 12,
                        )
                    )
                x += width

    def _tree(self, x: float, z: float, height: float, style: int | None = None) -> None:
        chance, weather = self.chance, self.weather
        if z < 4 or not self._open(z, z):
            return
        style = chance.whole(0, 14) if style is None else style
        bare = style > 8
        colours = {
            Material.OWN: chance.near(chance.pick(TWIGS if bare else LEAVES), 0.4),
            Material.TRIM: chance.near((84, 72, 60), 0.3),
        }
        gain = (self._light_at(x, z) + 1) / 2 * chance.between(0.8, 1.7 if bare else 1.4)
        self._thing(
            "bare tree" if bare else "tree", TREE, x, z, height, style, colours, gain=gain, mirrored=chance.happens(0.5)
        )
        aside = weather.sun * height * 0.4 * min(1, weather.reach)
        self._spot(x - aside, z, height * 0.35, height * 0.3, 0.45 if weather.sun else 0.2)

    def _street_trees(self) -> None:
        for side in (LEFT, RIGHT):
            if self.chance.happens(0.3):
                step, z, style = self.chance.between(8, 16), self.chance.between(6, 14), self.chance.whole(0, 14)
                while z < 90:
                    self._tree(self.kerbs[side], z, self.chance.between(5, 9), style)
                    z += step
