"""The light in which a street is seen, by chance."""

from __future__ import annotations

from segedu.worlds.chance import Chance
from segedu.worlds.street.scene import WallLight, Weather


def plan_weather(chance: Chance, name: str | None, noise: float) -> Weather:
    """The light of a day. The camera exposes for the street, as cheap ones do, so that the sky is often plain white."""
    b = chance.between
    if name is None:
        name = chance.pick(("clear",) * 9 + ("overcast",) * 5 + ("dusk",) * 3 + ("rain",) * 2 + ("fog",))
    sun, shadow, reach, shine = 0, 0.6, 0.0, 0.0
    sky, gradient, clouds, haze = (244, 247, 248), b(-8, 10), b(0, 0.1), 0.0005
    level, ground = b(0.75, 1.2), b(0.8, 1.15)
    lit = (b(0.55, 1.05), b(0.55, 1.05), b(0.5, 1.0))
    if name == "clear":
        sun = chance.pick((-1, 1, 0))
        sky = chance.pick([(250, 253, 254), (228, 246, 254), (206, 228, 248), (253, 253, 253), (240, 252, 254)])
        gradient, clouds, reach, shadow = b(0, 22), b(0, 0.25), b(0.5, 2.0), b(0.4, 0.65)
        bright, dark = b(1.1, 1.9), b(0.35, 0.7)
        lit = {
            -1: (dark, bright, b(0.4, 1.3)), 1: (bright, dark, b(0.4, 1.3)), 0: (dark, dark * b(0.8, 1.4), dark),
        }[sun]  # fmt: skip
        ground = b(0.85, 1.3) if sun else b(0.6, 0.9)
    elif name == "overcast":
        clouds, gradient = b(0.02, 0.3), b(-10, 16)
    elif name == "fog":
        haze, sky, gradient, clouds = b(0.008, 0.03), (222, 225, 226), 0.0, 0.05
    elif name == "rain":
        sky, clouds, shine, haze = (214, 219, 224), b(0.1, 0.35), b(0.8, 2.5), b(0.002, 0.006)
        level, ground = b(0.6, 0.95), b(0.6, 0.9)
    else:
        sky = chance.pick([(150, 164, 186), (186, 176, 170), (140, 150, 164), (200, 190, 184)])
        gradient, clouds, level, ground = b(5, 40), b(0.2, 0.55), b(0.42, 0.72), b(0.7, 1.0)
    fog = tuple(min(255.0, c * 0.97) for c in sky)
    if name != "dusk":
        sky = tuple(c * max(1.0, 1.08 / level) for c in sky)
    warm = b(-0.06, 0.06)
    return Weather(
        name=name, sky=sky, gradient=gradient, clouds=clouds, cloud_place=chance.whole(0, 256), sun=sun,
        lit=WallLight(*lit), ground=ground, shadow=shadow, reach=reach, haze=haze, fog=fog, shine=shine,
        exposure=(level * (1 + warm), level, level * (1 - warm + b(-0.02, 0.06))),
        blur=chance.happens(0.7), noise=noise * b(1.5, 6.0), lift=chance.whole(0, 10),
    )  # fmt: skip
