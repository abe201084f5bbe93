"""How a street comes about: weather, road, houses, and everything that stands or moves between them, by chance."""

from __future__ import annotations

from segedu.datasets._street_scene import *  # noqa: F403


def weather_of(chance, name, noise):
    """The light: clear, overcast, fog, rain or dusk, and a camera that exposes for the street, so that the sky is often white."""
    if name is None:
        name = WEATHERS[sum(chance.between(0, 1) > limit for limit in [0]) * 0] if False else chance.pick(
            ("clear",) * 9 + ("overcast",) * 5 + ("dusk",) * 4 + ("rain",) * 2 + ("fog",) * 1)
    b = chance.between
    sun, warm = 0, b(-0.06, 0.06)
    sky, gradient, clouds, haze, fog, shine, ground, shadow, reach = (236, 240, 242), b(-8, 12), b(0, 0.4), 0.0008, (225, 230, 232), 0, 1.0, 0.6, 0
    level = b(0.62, 1.15)
    base = b(0.85, 1.1)
    lit = [base * b(0.6, 1.0), base * b(0.6, 1.0), base * b(0.6, 1.0)]
    if name == "clear":
        sun = chance.pick((-1, 1, 0))
        sky = chance.pick([(248, 252, 254), (214, 236, 252), (190, 216, 244), (252, 252, 252)])
        gradient, clouds, reach, shadow = b(0, 34), b(0, 0.5), b(0.6, 2.2), b(0.42, 0.65)
        if sun:
            lit[0 if sun > 0 else 1], lit[1 if sun > 0 else 0], lit[2] = b(1.15, 1.55), b(0.35, 0.6), b(0.5, 1.3)
        else:
            lit = [b(0.4, 0.8), b(0.4, 0.8), b(0.3, 0.7)]
        ground = b(0.9, 1.25)
        level = b(0.6, 1.1)
    elif name == "overcast":
        clouds, gradient = b(0.1, 0.7), b(-14, 22)
    elif name == "fog":
        haze, sky, gradient, clouds = b(0.008, 0.035), (214, 218, 220), 0, 0.1
        fog = (214, 218, 220)
    elif name == "rain":
        sky, clouds, shine, haze, level = (190, 198, 206), b(0.3, 0.8), b(0.8, 2.5), b(0.002, 0.007), b(0.5, 0.85)
        fog = (176, 184, 190)
        ground = b(0.6, 0.85)
    else:
        sky = chance.pick([(150, 164, 186), (186, 176, 170), (128, 138, 152), (200, 190, 184)])
        gradient, clouds, level, ground = b(10, 60), b(0.5, 1.1), b(0.3, 0.55), b(0.8, 1.1)
        sky = tuple(min(255, c * 0.85 / level) for c in sky)
        fog = tuple(c * 0.7 for c in sky)
    if name != "dusk" and name != "rain":
        sky = tuple(c * b(1.0, 1.12) / max(level, 0.5) ** 0.7 if False else c * max(1.0, 0.97 / level) for c in sky)
    exposure = (level * (1 + warm), level, level * (1 - warm + b(-0.02, 0.06)))
    return Weather(name, sky, gradient, clouds, chance.whole(0, 256), sun, tuple(lit), ground, shadow, reach, haze, fog, shine,
                   exposure, chance.happens(0.7), noise * b(1.5, 6.0), chance.whole(0, 12))


class Street:
    def __init__(self, chance, noise, clutter, scale, weather):
        self.chance, self.clutter = chance, clutter
        b = chance.between
        self.weather = weather_of(chance, weather, noise)
        self.kind = chance.pick(("shops",) * 5 + ("homes",) * 4 + ("open",) * 3 + ("yard",))
        self.half = b(3.2, 5.0) if self.kind in ("shops", "homes") else b(3.8, 7.0)
        if self.kind == "yard":
            self.half = b(9, 14)
        self.paths = [b(1.2, 3.4), b(1.2, 3.4)]
        if chance.happens(0.08):
            self.paths[chance.whole(0, 2)] = 0.3
        self.camera = Camera(x=-self.half * b(0.25, 0.55) if self.kind != "yard" else b(-3, 3), height=b(1.25, 1.5), yaw=b(-0.09, 0.09),
                             bend=b(-0.0016, 0.0016) if chance.happens(0.5) else 0.0, zoom=b(0.88, 1.12) * scale, horizon=b(0.46, 0.55))
        self.items, self.ids = [], 0
        self.tops = [[0.0] * 160, [0.0] * 160]
        self.junction = None
        if chance.happens(0.45):
            near = b(12, 55)
            self.junction = (near, near + b(6, 11))
        self.fronts = [self.half + self.paths[0], self.half + self.paths[1]]
        self.setbacks, self.kinds = [0, 0], []
        for side in (0, 1):
            kind = self.kind if chance.happens(0.75) else chance.pick(("shops", "homes", "open"))
            self.kinds.append(kind)
            self.setbacks[side] = {"shops": 0.0, "homes": b(1.5, 6), "open": b(4, 14), "yard": b(0, 8)}[kind]
        self.ground()
        for side in (0, 1):
            self.row(side)
        self.backdrop()
        self.traffic()
        self.parked()
        self.furniture()
        self.people()
        self.cast()
        self.scene = Scene(self.camera, self.weather, self.ground_, self.items)

    def new_id(self):
        self.ids += 1
        return self.ids

    def light(self, side):
        return self.weather.lit[side]

    def thing(self, kind, label, x, z, height, style, colours, gain=None, **more):
        gain = self.light_at(x, z) if gain is None else gain
        self.items.append(Thing(kind, label, x, z, height, style, colours, gain, **more))

    def light_at(self, x, z):
        w = self.weather
        gain = (w.lit[0] + w.lit[1] + w.lit[2] + w.ground) / 4
        if w.sun:
            side = 1 if w.sun > 0 else 0
            reach = self.fronts[side] + self.setbacks[side] - self.tops[side][max(0, min(159, int(z)))] * w.reach
            shaded = x * (1 if side else -1) > reach
            gain = w.ground * (w.shadow if shaded else 1.0)
        return gain

    def ground(self):
        c, b = self.chance, self.chance.between
        grey = b(62, 118)
        road = (ROAD, (grey * b(0.97, 1.03), grey, grey * b(0.97, 1.08)))
        strips, borders = [], []
        for side in (0, 1):
            g = grey * b(0.8, 1.5)
            path = (PAVEMENT, (g * b(1.0, 1.08), g, g * b(0.9, 1.02)))
            kerb = (PAVEMENT, c.near((g * 1.2, g * 1.2, g * 1.18), 0.12))
            kind = self.kinds[side]
            grass = (TREE, c.near((78, 88, 46), 0.25))
            yard = path if kind == "shops" or c.happens(0.3) else grass
            verge = grass if kind == "open" and c.happens(0.6) else path
            if kind == "yard" or (kind == "open" and c.happens(0.25)):
                yard = road
            f = self.fronts[side]
            edge = [(self.half, kerb), (self.half + 0.16, path), (f, verge), (f + max(self.setbacks[side], 0.2), yard)]
            if self.kind == "yard":
                edge = [(f, path)]
            if side == 0:
                strips = [s for _, s in edge[::-1]] + [road]
                borders = [-x for x, _ in edge[::-1]]
            else:
                strips += [s for _, s in edge]
                borders += [x for x, _ in edge]
        road_at = strips.index(road) if self.kind == "yard" else 4
        road_at = len([1 for x in borders if x < 0])
        w = self.weather
        ground = Ground(borders, strips, road_at, w.ground, c.pick((0, 1, 1, 2)), w.shine, w.shadow)
        self.ground_ = ground
        if self.junction:
            ground.crossings.append(self.junction)
        marks, half = ground.marks, self.half
        if self.kind == "yard":
            for k in range(c.whole(2, 6)):
                x = b(-half, half)
                marks.append(Mark(x, x + 0.12, b(2, 8), b(12, 40)))
        else:
            if c.happens(0.85):
                period = c.pick((4.0, 6.0, 9.0))
                marks.append(Mark(-0.06, 0.06, period=period, dash=period * c.pick((0.33, 0.66)), phase=b(0, 9)))
            if half > 5 and c.happens(0.6):
                marks.append(Mark(-half / 2 - 0.05, -half / 2 + 0.05, period=6, dash=2, phase=b(0, 6)))
            for sign in (-1, 1):
                if c.happens(0.45):
                    yellow = c.happens(0.65)
                    for off in (0.25, 0.45):
                        x = sign * (half - off)
                        marks.append(Mark(x - 0.045, x + 0.045, white=not yellow))
            if c.happens(0.12):
                near = b(6, 25)
                marks.append(Mark(-half, half, near, near + 2.6, stripes=1.2))
        if self.junction and self.junction[0] < 40:
            marks.append(Mark(-half, 0, self.junction[0] - 1.0, self.junction[0] - 0.7))
        if c.happens(0.25):
            near, x = b(6, 18), -half * 0.5
            marks.append(Mark(x - 0.1, x + 0.1, near, near + 3))
            marks.append(Mark(x - 0.35, x + 0.35, near + 2.2, near + 2.9))

    def clear(self, z0, z1):
        return not self.junction or z1 < self.junction[0] or z0 > self.junction[1]

    def row(self, side):
        c, b, kind = self.chance, self.chance.between, self.kinds[side]
        sign, front = (-1, 1)[side], self.fronts[side] + self.setbacks[side]
        z = b(-6, 3)
        storeys = c.whole(2, 4)
        barrier = c.pick(BARRIERS) if kind != "shops" and c.happens(0.85) else (c.pick(BARRIERS[:3]) if c.happens(0.12) else None)
        bar_c = self.barrier_colours(barrier)
        while z < 140:
            length = b(5, 14) if kind == "shops" else b(7, 16)
            if self.junction and z < self.junction[1] and z + length > self.junction[0]:
                if z + 3 < self.junction[0]:
                    length = self.junction[0] - z - 0.5
                else:
                    z = self.junction[1] + 1
                    continue
            built = {"shops": 0.93, "homes": 0.72, "open": 0.22, "yard": 0.3}[kind]
            if c.happens(built):
                s = max(1, storeys + c.whole(-1, 2)) if kind != "homes" else c.whole(1, 3) + (c.happens(0.3))
                self.house(side, sign * (front + (b(0, 1.5) if kind == "homes" else b(0, 0.3))), z, z + length, s, kind)
                if kind != "shops":
                    z += b(0, 4)
            else:
                for _ in range(c.whole(1, 4)):
                    self.tree(sign * (front + b(0.5, 9)), z + b(0, length), b(5, 13))
            if barrier and c.happens(0.9):
                x = sign * (self.fronts[side] + 0.05)
                self.barrier(barrier, bar_c, side, x, z, z + length)
            if kind == "open" or (kind == "homes" and c.happens(0.35)) or c.happens(0.05):
                if c.happens(0.6):
                    self.tree(sign * (self.fronts[side] + b(0.4, 3)), z + b(0, length), b(4, 11))
            z += length + (b(0, 0.0) if kind == "shops" else b(0, 2))
        if self.paths[side] > 2 and c.happens(0.3):  # street trees along the kerb
            step, z = b(8, 16), b(6, 14)
            style = c.whole(0, 14)
            while z < 110:
                if self.clear(z, z):
                    self.tree(sign * (self.half + 0.6), z, b(5, 9), style)
                z += step

    def barrier_colours(self, name):
        c = self.chance
        own = {"hedge": c.pick(LEAVES), "brick wall": c.pick(WALLS[:7]), "stone wall": c.pick(WALLS[2:]), "boards": (104, 78, 54)}.get(name, c.pick(METAL))
        return {1: c.near(own), 2: c.near((150, 144, 134))}

    def barrier(self, name, colours, side, x, z0, z1):
        c, b = self.chance, self.chance.between
        height = {"hedge": 1.5, "brick wall": 1.1, "stone wall": 1.2, "boards": 1.7, "railing": 1.1, "mesh": 2.0, "guard rail": 0.8}[name] * b(0.9, 1.15)
        label = TREE if name == "hedge" else FENCE
        while z0 < z1:
            end = min(z0 + 5, z1)
            self.items.append(Wall(label, (x, z0), (x, end), 0, height, (((name, 0),),), colours, self.light(side), end - 0.01, (end - z0) / 1.9))
            z0 = end

    def house(self, side, x, z0, z1, storeys, kind):
        c, b, sign = self.chance, self.chance.between, (-1, 1)[side]
        wall, style = c.whole(0, 3), c.pick(("sash", "sash", "wide", "twin", "tall", "ribbon"))
        if style == "ribbon" and kind == "homes":
            style = "wide"
        floor_height = b(2.6, 3.3)
        bays = max(1, int((z1 - z0) / b(2.6, 3.6) + 0.5))
        parts = []
        for s in range(storeys):
            line = []
            for bay in range(bays):
                if s == 0 and kind == "shops":
                    name = f"shop{wall}" if c.happens(0.9) else f"door{wall}"
                elif s == 0 and c.happens(0.35):
                    name = c.pick((f"door{wall}", f"door{wall}", f"garage{wall}"))
                else:
                    name = f"{style}{wall}" if c.happens(0.92) else f"blank{wall}"
                line.append((name, c.whole(0, 3)))
            parts.append(tuple(line))
        top = storeys * floor_height + b(0, 1)
        own = c.near(c.pick(WALLS))
        colours = {1: own, 2: c.near(c.pick([(214, 212, 204), (200, 196, 188), (96, 90, 84), (60, 58, 56)])), 3: c.near(c.pick(SHOPS)),
                   4: c.near((88, 98, 108), 0.35)}
        depth = b(7, 11)
        roof = None
        if c.happens(0.8 if kind != "shops" else 0.55):
            roof = (b(1.5, 3.2), depth / 2, c.near(c.pick(ROOFS)))
        gain = self.light(side)
        self.items.append(Wall(BUILDING, (x, z0), (x, z1), 0, top, tuple(parts), colours, gain, z1, bays, roof))
        blank = tuple(((f"blank{wall}", 0), (f"blank{wall}" if c.happens(0.6) else f"{style}{wall}", 1)) for _ in range(storeys))
        self.items.append(Wall(BUILDING, (x, z0), (x + sign * depth, z0), 0, top, blank, colours, self.light(2), z1 + 0.01, 2,
                               (roof[0], 0.0, own) if roof else None, "gable" if roof else "wall"))
        if roof and c.happens(0.5):
            cz = z0 + b(0, 0.9) * (z1 - z0)
            self.items.append(Wall(BUILDING, (x + sign * depth / 2, cz), (x + sign * (depth / 2 + 0.9), cz), top + roof[0] - 0.6, top + roof[0] + b(0.8, 1.6),
                                   ((("blank0", 0),),), {1: c.near(own)}, self.light(2), z1 + 0.02, 1))
        for metre in range(max(0, int(z0)), min(160, int(z1) + 1)):
            self.tops[side][metre] = top + (roof[0] * 0.5 if roof else 0)

    def tree(self, x, z, height, style=None):
        c = self.chance
        if z < 4 or not self.clear(z, z):
            return
        style = c.whole(0, 14) if style is None else style
        bare = style > 8 or c.happens(0.25)
        label = TREE
        colours = {1: c.near(c.pick(TWIGS if bare else LEAVES), 0.3), 2: c.near((84, 72, 60), 0.3)}
        self.thing("bare tree" if bare else "tree", label, x, z, height, style, colours, gain=(self.light_at(x, z) + 1) / 2 * self.chance.between(0.7, 1.2), mirrored=c.happens(0.5))
        self.ground_.spots.append((x - self.weather.sun * height * 0.4 * min(1, self.weather.reach), z, height * 0.35, height * 0.3, 0.45 if self.weather.sun else 0.2))

    def backdrop(self):
        c, b = self.chance, self.chance.between
        far = 150
        x = -90.0
        while x < 90:
            width = b(6, 26)
            if c.happens(0.55):
                self.items.append(Wall(TREE, (x, far), (x + width, far), 0, b(5, 14), ((("far trees", 0),),), {1: c.near(c.pick(LEAVES + TWIGS))}, self.weather.lit[2], 200, width / 12))
            else:
                s = c.whole(2, 5)
                parts = tuple(tuple((f"sash{k % 3}", k % 3) for k in range(max(1, int(width / 3)))) for _ in range(s))
                self.items.append(Wall(BUILDING, (x, far), (x + width, far), 0, s * 3 + b(0, 3), parts, {1: c.near(c.pick(WALLS)), 2: (170, 168, 160), 3: (90, 60, 50)},
                                       self.weather.lit[2], 201, len(parts[0])))
            x += width
        if c.happens(0.45):  # the street ends at a cross-street
            z, x = b(60, 120), -60
            while x < 60:
                width = b(8, 18)
                s = c.whole(2, 4)
                wall = c.whole(0, 3)
                parts = tuple(tuple((f"sash{wall}" if k else f"shop{wall}", c.whole(0, 3)) for _ in range(max(1, int(width / 3)))) for k in range(s))
                self.items.append(Wall(BUILDING, (x, z), (x + width, z), 0, s * 3.0, parts, {1: c.near(c.pick(WALLS)), 2: (180, 176, 170), 3: c.pick(SHOPS)}, self.weather.lit[2], z, len(parts[0])))
                x += width

    def car(self, x, z, turn, style=None):
        c = self.chance
        style = style or c.pick(("hatchback",) * 5 + ("saloon",) * 4 + ("estate",) * 3 + ("van",) * 2 + ("bus",))
        half = {"hatchback": 2.1, "saloon": 2.3, "estate": 2.4, "van": 2.6, "bus": 5.0}[style]
        long_z = half * abs(turn[1]) + 0.9 * abs(turn[0])
        if z - long_z < 3.0:
            return
        paint = c.near(c.pick(PAINTS)) if style != "bus" else c.pick([(170, 40, 36), (60, 90, 140), (200, 196, 180), (60, 120, 80)])
        self.thing("car", CAR, x, z, 1.5, style, {1: paint, 3: (190, 160, 50), 4: c.near((60, 68, 76), 0.4)}, instance=self.new_id(), turn=turn)
        self.ground_.spots.append((x, z, half * abs(turn[0]) + 1.0 * abs(turn[1]) + 0.25, long_z + 0.2, 0.62))

    def traffic(self):
        c, b = self.chance, self.chance.between
        lane = self.half * 0.5
        if self.kind == "yard":
            for _ in range(c.whole(2, 6)):
                a = c.pick(((0, 1), (0, -1), (1, 0), (-1, 0), (0.6, 0.8), (-0.6, 0.8)))
                self.car(b(-12, 12), 8 + 40 * b(0, 1) * b(0, 1), a)
            return
        z = 5 + 55 * b(0, 1) * b(0, 1)
        for _ in range(min(4, c.count(1.0 * self.clutter))):
            self.car(-lane + b(-0.4, 0.4), z + 3, (b(-0.04, 0.04), 1.0))
            z += b(7, 30)
        z = 5 + 60 * b(0, 1) * b(0, 1)
        for _ in range(min(5, c.count(1.2 * self.clutter))):
            self.car(lane + b(-0.4, 0.5), z + 3, (b(-0.05, 0.05), -1.0))
            z += b(7, 25)
        if self.junction and c.happens(0.45 * min(2, self.clutter)):
            self.car(b(-9, 9), b(*self.junction), (c.pick((-1.0, 1.0)), b(-0.2, 0.2)), c.pick((None, None, "hatchback")))

    def parked(self):
        c, b = self.chance, self.chance.between
        for side in (0, 1):
            if not c.happens(0.38 if self.kind != "yard" else 0.8):
                continue
            sign, z = (-1, 1)[side], b(6, 20)
            facing = 1.0 if side == 0 or c.happens(0.4) else -1.0
            density = b(0.4, 0.95) * min(1.4, self.clutter)
            while z < 80:
                if c.happens(density) and self.clear(z - 3, z + 3):
                    if self.kind == "yard":
                        self.car(sign * (self.half - 3), z, (sign * 1.0, 0.1))
                    else:
                        self.car(sign * (self.half - 1.0), z, (b(-0.03, 0.03), facing), c.pick((None, "hatchback", "estate")))
                z += b(5.2, 6.5) if self.kind != "yard" else 2.8

    def furniture(self):
        c, b = self.chance, self.chance.between
        metal = c.near(c.pick(METAL))
        for side in (0, 1):
            sign = (-1, 1)[side]
            kerb = sign * (self.half + 0.45)
            if c.happens(0.75):  # lamp posts
                z, step, height = b(5, 30), b(18, 32), b(6, 9)
                kind = c.whole(0, 3)
                while z < 120:
                    self.pole(kerb if c.happens(0.8) else sign * (self.fronts[side] + 0.1), z, height, 0.15, metal, kind, sign)
                    z += step
            for _ in range(c.count(2.2 * self.clutter)):
                z = 5 + 60 * b(0, 1) * b(0, 1)
                self.sign(kerb, z, metal)
            if c.happens(0.2 * self.clutter):  # bollards
                z = b(5, 20)
                for k in range(c.whole(3, 9)):
                    self.pole(sign * (self.half + 0.35), z + 1.8 * k, 0.95, 0.14, c.pick(((30, 30, 32), (120, 118, 112))), 2, sign)
            if self.kinds[side] == "shops" and self.setbacks[side] == 0:
                for _ in range(c.count(2.0 * self.clutter)):
                    size = b(0.5, 1.1)
                    self.thing("sign", SIGN, sign * (self.fronts[side] - 0.1 - size / 2), b(7, 45), size, c.pick((4, 5, 6, 5)), self.sign_colours(4),
                               instance=self.new_id(), above=b(2.6, 4.2))
            for _ in range(c.count(0.35 * self.clutter)):  # litter bins, boxes, cones: no class of theirs, void
                self.thing("box", IGNORE_INDEX, sign * (self.half + b(0.4, max(0.6, self.paths[side]))), 6 + 40 * b(0, 1) * b(0, 1), b(0.7, 1.6), c.whole(0, 2),
                           {1: c.near(c.pick([(40, 44, 42), (150, 40, 36), (70, 74, 70), (40, 60, 50)]), 0.3)})
        if self.junction and c.happens(0.6):  # traffic lights
            for sign in (-1, 1):
                self.light_post(sign * (self.half + 0.4), self.junction[0] - 1.0, metal)
                if c.happens(0.5):
                    self.light_post(sign * (self.half + 0.4), self.junction[1] + 0.5, metal)
        elif c.happens(0.25):
            z = b(9, 40)
            for sign in (-1, 1):
                self.light_post(sign * (self.half + 0.4), z, metal)

    def pole(self, x, z, height, width, colour, style, sign):
        self.thing("pole", POLE, x, z, height, style, {1: colour}, instance=self.new_id(), mirrored=sign > 0, above=width)

    def sign_colours(self, style):
        c = self.chance
        if style in (0, 2):
            return {1: (226, 226, 220), 3: (178, 36, 34)}
        if style == 1:
            return {1: (36, 70, 150), 3: (36, 70, 150)}
        if style == 3:
            return {3: c.pick(((220, 40, 30), (40, 200, 120), (60, 20, 20)))}
        ground = c.near(c.pick([(230, 228, 220), (30, 90, 60), (40, 70, 140), (214, 180, 60), (40, 40, 42), (150, 40, 40)]), 0.15)
        return {1: ground, 3: (40, 40, 44) if sum(ground) > 380 else (226, 226, 220)}

    def sign(self, x, z, metal):
        c = self.chance
        if not self.clear(z, z):
            return
        style, top = c.pick((0, 0, 1, 2, 4, 4, 5, 6)), c.between(2.2, 3.3)
        height = {0: 0.7, 1: 0.7, 2: 0.75, 4: 0.7, 5: 0.7, 6: 1.0}[style] * c.between(0.8, 1.25)
        self.pole(x, z + 0.02, top, 0.08, metal, 2, 1)
        self.thing("sign", SIGN, x, z, height, style, self.sign_colours(style), instance=self.new_id(), above=top - height)

    def light_post(self, x, z, metal):
        self.pole(x, z + 0.02, 3.0, 0.12, metal, 2, 1)
        self.thing("sign", SIGN, x, z, 1.05, 3, self.sign_colours(3), gain=1.0, instance=self.new_id(), above=2.1)

    def people(self):
        c, b = self.chance, self.chance.between
        for _ in range(c.count(3.2 * self.clutter)):
            side = c.whole(0, 2)
            x = (-1, 1)[side] * (self.half + b(0.3, max(0.7, self.paths[side])))
            z = 6 + 60 * b(0, 1) * b(0, 1)
            if c.happens(0.12):
                x = b(-self.half, self.half)
                z += 6
            for _ in range(1 + c.happens(0.3)):
                self.person(x, z)
                x, z = x + b(-0.7, 0.7), z + b(-0.8, 0.8)
        for _ in range(c.count(0.75 * self.clutter)):
            x, z = (-self.half + b(0.5, 1.3), 7 + 40 * b(0, 1) * b(0, 1)) if c.happens(0.7) else (self.half - b(0.5, 1.3), 8 + 50 * b(0, 1) * b(0, 1))
            self.cyclist(x, z, c.pick((2, 2, 3, 2, 3, 0)))
        if self.junction and c.happens(0.12 * self.clutter):
            self.cyclist(b(-6, 6), b(*self.junction), c.whole(0, 2))

    def person(self, x, z):
        c = self.chance
        self.thing("person", PEDESTRIAN, x, z, c.between(1.55, 1.9) if c.happens(0.88) else c.between(1.0, 1.4), c.whole(0, 12), self.clothes(), instance=self.new_id(), mirrored=c.happens(0.5))
        self.ground_.spots.append((x, z, 0.4, 0.5, 0.4))

    def clothes(self):
        c = self.chance
        return {1: c.near(c.pick(COATS)), 2: c.near(c.pick(TROUSERS)), 3: c.near(c.pick(HAIR)), 7: c.near(c.pick(SKINS))}

    def cyclist(self, x, z, style):
        c = self.chance
        colours = self.clothes()
        if c.happens(0.15):
            colours[1] = (180, 200, 60)
        self.thing("cyclist", BICYCLIST, x, z, c.between(1.6, 1.85), style, colours, instance=self.new_id(), mirrored=c.happens(0.5))
        self.ground_.spots.append((x, z, 0.9 if style < 2 else 0.35, 0.4 if style < 2 else 0.9, 0.45))

    def cast(self):
        w = self.weather
        if w.sun:
            side = 1 if w.sun > 0 else 0
            sign = (-1, 1)[side]
            front = self.fronts[side] + self.setbacks[side]
            self.ground_.shadows.append((sign, [sign * (front - t * w.reach) for t in self.tops[side]]))


BARRIERS = ("railing", "brick wall", "stone wall", "hedge", "boards", "guard rail", "mesh", "brick wall", "hedge", "railing")


def plan_street(rng, *, noise, clutter, scale, weather):
    return Street(Chance(rng), noise, clutter, scale, weather).scene
