"""The street before anything stands in it, by chance: its width, its two sides, its ground, the camera's place."""

from __future__ import annotations

from dataclasses import dataclass, field

from segedu.labels import IGNORE_INDEX
from segedu.worlds.chance import Chance, Colour
from segedu.worlds.street.scene import PAVEMENT, ROAD, TREE, Camera, Ground, Mark, Material, Spot, Thing, Wall, Weather

END = 160  # metres: the street is described so far
LEFT, RIGHT = -1, 1  # the sign of x there


@dataclass
class Side:
    """One side of the street: what stands there has x = sign · metres from the middle of the road."""

    sign: int  # LEFT or RIGHT
    kind: str  # "shops", "homes", "open" or "yard"
    kerb: float  # x of the poles along the road
    path: float  # metres from the middle to where the pavement ends
    front: float  # metres from the middle to where the houses begin
    lit: float  # how bright its walls are
    tops: list[float] = field(default_factory=lambda: [0.0] * END)  # how high houses are, metre by metre ahead


@dataclass
class Street:
    """What is known of a street so far. Each step draws from the same chance, and adds to `items`."""

    chance: Chance
    clutter: float
    weather: Weather
    kind: str  # as a side's
    half: float  # metres: half the width of the road
    sides: tuple[Side, Side]
    junction: tuple[float, float]  # metres ahead: a street turns off from here to there; beyond END: none does
    camera: Camera
    ground: Ground
    items: list[Wall | Thing] = field(default_factory=list)
    counted: int = 0  # the last instance id

    @property
    def has_junction(self) -> bool:
        """Whether a street turns off."""
        return self.junction[0] < END

    def is_open(self, near: float, far: float) -> bool:
        """Whether the sides of the road are free from near to far: no street turns off there."""
        return far < self.junction[0] or near > self.junction[1]

    def ahead(self, near: float, far: float) -> float:
        """A distance, more often a short one."""
        return near + (far - near) * self.chance.between(0, 1) * self.chance.between(0, 1)

    def light_at(self, x: float, z: float) -> float:
        """How bright it is on the ground: the shadow of houses reaches far when the sun is low."""
        weather = self.weather
        if not weather.sun:
            return (sum(weather.lit) + weather.ground) / 4
        side = self.sides[weather.sun > 0]
        edge = side.front - side.tops[min(max(int(z), 0), END - 1)] * weather.reach
        return weather.ground * (weather.shadow if x * side.sign > edge else 1.0)

    def add_thing(
        self,
        kind: str,
        label: int,
        x: float,
        z: float,
        height: float,
        style: int | str,
        colours: dict[Material, Colour],
        gain: float | None = None,
        **more,
    ) -> Thing:
        """Put a thing into the street and return it; gain None: as bright as it is there; more: as Thing has it."""
        instance = 0
        if label not in (IGNORE_INDEX, TREE):
            instance = self.counted = self.counted + 1
        gain = self.light_at(x, z) if gain is None else gain
        thing = Thing(kind, label, x, z, height, style, colours, gain, instance, **more)
        self.items.append(thing)
        return thing

    def add_spot(self, x: float, z: float, across: float, along: float, strength: float, owner: Thing) -> None:
        """Put a soft shadow on the ground."""
        if z - along < 40:  # farther away, a shadow on the ground is thinner than a pixel
            self.ground.spots.append(Spot(x, z, across, along, strength, owner.instance))


def lay_out(chance: Chance, clutter: float, scale: float, weather: Weather) -> Street:
    """A street without houses. clutter and scale are the knobs of ToyStreet."""
    b, signs = chance.between, (LEFT, RIGHT)
    kind = chance.pick(("shops",) * 7 + ("homes",) * 4 + ("open",) * 3 + ("yard",))
    half = b(*{"shops": (3.2, 5), "homes": (3.2, 5), "open": (3.8, 7), "yard": (9, 14)}[kind])
    pavements = [0.4 if chance.happens(0.05) else b(1.2, 3.4) for _ in signs]
    paths = [half + pavement for pavement in pavements]
    kinds = [kind if chance.happens(0.75) else chance.pick(("shops", "homes", "open")) for _ in signs]
    setbacks = {"shops": (0, 0), "homes": (1.5, 6), "open": (4, 14), "yard": (0, 8)}
    fronts = [path + b(*setbacks[own]) for path, own in zip(paths, kinds, strict=True)]
    left, right = (
        Side(sign, own, sign * (half + 0.45), path, front, lit)
        for sign, own, path, front, lit in zip(signs, kinds, paths, fronts, weather.lit[:2], strict=True)
    )
    near = b(12, 55)
    junction = (near, near + b(6, 11)) if chance.happens(0.45) else (2.0 * END, 2.0 * END)
    camera = Camera(
        x=b(-3, 3) if kind == "yard" else -half * b(0.25, 0.55),
        height=b(1.25, 1.5),
        yaw=b(-0.09, 0.09),
        bend=b(-0.0016, 0.0016) if chance.happens(0.5) else 0.0,
        zoom=b(0.88, 1.12) * scale,
        horizon=b(0.46, 0.55),
    )
    ground = _ground(chance, half, (left, right), weather)
    ground.crossings.append(junction)
    if kind == "yard":
        _mark_yard(ground.marks, chance, half)
    else:
        _mark_road(ground.marks, chance, half, junction)
    return Street(chance, clutter, weather, kind, half, (left, right), junction, camera, ground)


def _ground(chance: Chance, half: float, sides: tuple[Side, Side], weather: Weather) -> Ground:
    """The road, and on both sides kerb, pavement, verge and yard."""
    b = chance.between
    grey = b(62, 118)
    road = (ROAD, (grey * b(0.97, 1.03), grey, grey * b(0.97, 1.08)))
    strips, borders = [road], []
    for side in sides:
        stone = grey * b(0.8, 1.5)
        path = (PAVEMENT, (stone * b(1.0, 1.08), stone, stone * b(0.9, 1.02)))
        kerb = (PAVEMENT, chance.near((grey * 1.2, grey * 1.2, grey * 1.18), 0.12))
        grass = (TREE, chance.near((78, 88, 46), 0.25))
        verge = grass if side.kind == "open" and chance.happens(0.6) else path
        yard = path if side.kind == "shops" or chance.happens(0.3) else grass
        if side.kind == "open" and chance.happens(0.25):
            yard = road
        begin = [half, half + 0.16, side.path, max(side.front, side.path + 0.2)]
        outwards = [kerb, path, verge, yard]
        if side.sign == LEFT:
            borders, strips = [*(-x for x in reversed(begin)), *borders], [*reversed(outwards), *strips]
        else:
            borders, strips = [*borders, *begin], [*strips, *outwards]
    return Ground(borders, strips, 4, weather.ground, chance.pick((0, 1, 1, 2)), weather.shine, weather.shadow)


def _mark_yard(marks: list[Mark], chance: Chance, half: float) -> None:
    b = chance.between
    for _ in range(chance.whole(2, 6)):
        x = b(-half, half)
        marks.append(Mark(x, x + 0.12, b(2, 8), b(12, 40)))


def _mark_road(marks: list[Mark], chance: Chance, half: float, junction: tuple[float, float]) -> None:
    b = chance.between
    if chance.happens(0.85):  # the middle
        period = chance.pick((4.0, 6.0, 9.0))
        marks.append(Mark(-0.06, 0.06, period=period, dash=period * chance.pick((0.33, 0.66)), phase=b(0, 9)))
    if half > 5 and chance.happens(0.6):  # two lanes each way
        marks.append(Mark(-half / 2 - 0.05, -half / 2 + 0.05, period=6, dash=2, phase=b(0, 6)))
    for sign in (LEFT, RIGHT):
        if chance.happens(0.45):  # a double line along the kerb
            white = chance.happens(0.35)
            for x in (sign * (half - 0.25), sign * (half - 0.45)):
                marks.append(Mark(x - 0.045, x + 0.045, white=white))
    near, lane = b(6, 25), -half / 2
    if chance.happens(0.12):  # a zebra crossing
        marks.append(Mark(-half, half, near, near + 2.6, stripes=1.2))
    elif chance.happens(0.25):  # an arrow
        marks.append(Mark(lane - 0.1, lane + 0.1, near, near + 3))
        marks.append(Mark(lane - 0.35, lane + 0.35, near + 2.2, near + 2.9))
    if junction[0] < 40:  # give way
        marks.append(Mark(-half, 0, junction[0] - 1.0, junction[0] - 0.7))
