"""What stands in a street: a scene as plain data, in metres and in colours, before anything is drawn.

x: to the right of the middle of the road, y: up, z: ahead of the camera. Traffic keeps to the left, as in Cambridge.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import ClassVar, NamedTuple

from segedu.labels import STREET
from segedu.worlds.chance import Colour

SKY, BUILDING, POLE, ROAD, PAVEMENT, TREE, SIGN, FENCE, CAR, PEDESTRIAN, BICYCLIST = range(len(STREET))
WEATHERS = ("clear", "overcast", "fog", "rain", "dusk")


class Material(IntEnum):
    """What a part of an object is made of; the object names the colours of its materials."""

    OWN = 1  # the paint of a car, a coat, a wall, leaves
    TRIM = 2  # frames of windows, trousers, the trunk of a tree
    ACCENT = 3  # doors and shop fronts, hair, the rim of a sign
    GLASS = 4
    DARK = 5
    LIGHT = 6
    EXTRA = 7  # skin, yellow lines on a road; of all else red, as the tail lamps of cars


# Colours of things, of which each thing takes its own shade.
# fmt: off
WALLS = [(150, 110, 80), (128, 82, 62), (176, 152, 112), (188, 178, 160), (206, 200, 188), (120, 112, 100),
    (98, 74, 60), (164, 140, 120), (140, 132, 124), (92, 88, 84), (214, 206, 180), (110, 94, 78)]
ROOFS = [(84, 70, 64), (70, 70, 76), (112, 72, 56), (92, 86, 80), (60, 58, 60)]
SHOPS = [(150, 36, 34), (30, 50, 110), (24, 70, 50), (30, 30, 32), (190, 180, 160), (90, 30, 60), (196, 150, 50),
    (60, 90, 120)]
PAINTS = [(30, 32, 36), (60, 62, 66), (120, 124, 128), (172, 176, 180), (214, 216, 214), (190, 194, 200),
    (226, 228, 228), (36, 52, 96), (120, 28, 30), (40, 70, 60), (84, 88, 98), (20, 24, 34), (150, 150, 140),
    (70, 94, 130)]
COATS = [(20, 20, 24), (26, 30, 44), (16, 18, 20), (40, 36, 34), (58, 60, 64), (24, 30, 40), (110, 40, 40),
    (46, 56, 48), (150, 146, 138), (60, 70, 110)]
TROUSERS = [(22, 22, 26), (32, 40, 60), (58, 54, 48), (30, 32, 40), (90, 84, 74)]
HAIR = [(30, 24, 20), (60, 42, 28), (110, 86, 56), (20, 20, 22), (90, 88, 86)]
SKINS = [(196, 152, 128), (170, 124, 100), (120, 84, 64), (206, 168, 146)]
LEAVES = [(62, 76, 42), (82, 88, 50), (50, 64, 44), (96, 92, 56), (72, 70, 50), (44, 56, 36)]
TWIGS = [(84, 76, 66), (104, 92, 76), (66, 60, 54), (92, 90, 88)]
METAL = [(70, 74, 76), (110, 114, 116), (44, 48, 50), (140, 142, 140), (50, 60, 54)]
FRAMES = [(214, 212, 204), (200, 196, 188), (96, 90, 84), (60, 58, 56)]
# fmt: on
# What parts the pavement from the gardens: height in metres, colours.
BARRIERS = {
    "railing": (1.1, METAL),
    "brick wall": (1.1, WALLS[:7]),
    "stone wall": (1.2, WALLS[2:]),
    "hedge": (1.5, LEAVES),
    "boards": (1.7, [(104, 78, 54), (84, 70, 60)]),
    "guard rail": (0.8, METAL),
    "mesh": (2.0, METAL),
}  # fmt: skip


class CarModel(NamedTuple):
    """The shape of a car, in metres. The windscreen follows the outline's third corner, the rear window the fifth."""

    outline: list[tuple[float, float]]  # (ahead of the middle, height), from the front bumper over the roof to the rear
    width: float
    half_length: float  # and a little more: half of the room that is kept free, and of the shadow

    @property
    def nose(self) -> float:
        """Metres from the middle to the front end."""
        return self.outline[0][0]


CARS = {
    "hatchback": CarModel(
        [(2, 0.3), (1.95, 0.72), (1, 0.95), (0.35, 1.42), (-1.45, 1.45), (-1.9, 0.95), (-2, 0.3)], 1.68, 2.1),
    "saloon": CarModel(
        [(2.25, 0.3), (2.2, 0.72), (1.1, 0.93), (0.4, 1.4), (-1, 1.4), (-1.6, 0.98), (-2.2, 0.95), (-2.25, 0.3)],
        1.76, 2.3),
    "estate": CarModel(
        [(2.3, 0.3), (2.25, 0.75), (1.2, 1), (0.5, 1.52), (-2, 1.55), (-2.25, 1), (-2.3, 0.3)], 1.78, 2.4),
    "van": CarModel(
        [(2.5, 0.3), (2.45, 0.95), (1.9, 1.2), (1.3, 2.1), (-2.45, 2.2), (-2.5, 1.3), (-2.5, 0.3)], 1.95, 2.6),
    "bus": CarModel([(5, 0.3), (5, 1.2), (4.98, 1.3), (4.8, 3), (-4.9, 3.05), (-5, 1.3), (-5, 0.3)], 2.5, 5.0),
}  # fmt: skip


@dataclass(frozen=True)
class Camera:
    """Where the camera is and how it looks."""

    x: float  # metres to the right of the middle of the road
    height: float
    yaw: float  # how far the view turns to the left, as a slope
    bend: float  # 1 / metres: x grows by bend · z² along the road
    zoom: float  # focal length / width of a 4:3 picture
    horizon: float  # as a part of the height of a 4:3 picture, from above


class WallLight(NamedTuple):
    """How bright walls are: on the left side of the street, on the right side, and facing the camera."""

    left: float
    right: float
    facing: float


@dataclass(frozen=True)
class Weather:
    """The light of a day, and what the camera makes of it."""

    name: str
    sky: Colour
    gradient: float  # how much darker the sky is at the top, in 1 / 128 of its brightness; negative: brighter
    clouds: float
    cloud_place: int
    sun: int  # −1: from the left, 1: from the right, 0: no direct sun
    lit: WallLight
    ground: float
    shadow: float  # brightness of what lies in a cast shadow
    reach: float  # metres of shadow a metre of height
    haze: float  # 1 / metres: at 1 / haze metres half of the colour is lost
    fog: Colour
    shine: float  # wet roads mirror the sky
    exposure: Colour
    blur: bool
    noise: float  # standard deviation in grey levels
    lift: int  # grey levels that stray light adds everywhere


@dataclass(slots=True)
class Mark:
    """Paint on the road between two x, from near to far; dashed along z or striped across x where a period is given."""

    left: float
    right: float
    near: float = 0
    far: float = 200
    period: float = 0
    dash: float = 0
    phase: float = 0
    stripes: float = 0
    white: bool = True


class Spot(NamedTuple):
    """A soft shadow on the ground, an ellipse."""

    x: float
    z: float
    across: float  # half its width
    along: float  # half its length
    strength: float  # 0 … 1
    owner: int = 0  # the instance id of the thing that goes with it, 0: it stays


@dataclass
class Ground:
    """Strips from left to right: one more than borders between them."""

    borders: list[float]
    strips: list[tuple[int, Colour]]  # class and colour
    road: int  # which strip is the road
    gain: float
    patches: float
    shine: float
    shadow_gain: float
    crossings: list[tuple[float, float]] = field(default_factory=list)  # from z to z, the road goes off to both sides
    marks: list[Mark] = field(default_factory=list)
    shadows: list[tuple[int, list[float]]] = field(default_factory=list)
    spots: list[Spot] = field(default_factory=list)


class Roof(NamedTuple):
    """What stands above a wall: a slope, or with behind = 0 a gable."""

    rise: float  # metres from the eaves to the ridge
    behind: float  # metres from the wall to the ridge
    colour: Colour


@dataclass(slots=True)
class Wall:
    """Anything upright and flat: houses, fences, hedges."""

    label: int
    start: tuple[float, float]  # x, z
    end: tuple[float, float]
    bottom: float
    top: float
    parts: tuple[tuple[tuple[str, int], ...], ...]  # its tiles (name, which), storey by storey from below, along it
    colours: dict[Material, Colour]
    gain: float  # how bright it is
    depth: float  # z, a little more or less to be hidden by, or to hide, what else is there
    bays: float  # how many times its tiles fit along it
    roof: Roof | None = None
    kind: ClassVar[str] = "wall"


@dataclass(slots=True)
class Thing:
    """Anything that stands on one spot. instance 0: not a thing that is counted."""

    kind: str
    label: int
    x: float
    z: float
    height: float
    style: int | str
    colours: dict[Material, Colour]
    gain: float  # how bright it is
    instance: int = 0
    mirrored: bool = False
    turn: tuple[float, float] = (0.0, 1.0)  # (sin, cos) of the heading, (0, 1) = the way the camera looks
    above: float = 0.0  # metres over the ground
    width: float = 0.0  # of a pole
    parked: bool = False  # a car that never drives

    @property
    def depth(self) -> float:
        """As a wall has it."""
        return self.z


@dataclass(frozen=True)
class Scene:
    """All that there is to draw."""

    camera: Camera
    weather: Weather
    ground: Ground
    items: list[Wall | Thing]
