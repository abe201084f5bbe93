"""How a street comes about: the steps, in the order in which they draw from chance."""

from __future__ import annotations

import numpy as np

from segedu.worlds.chance import Chance
from segedu.worlds.street.layout import lay_out
from segedu.worlds.street.scene import Scene
from segedu.worlds.street.town import add_backdrop, add_row, add_street_trees, cast_shadows
from segedu.worlds.street.traffic import add_furniture, add_parked_cars, add_people, add_traffic, add_traffic_lights
from segedu.worlds.street.weather import plan_weather


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
    street = lay_out(Chance(town), clutter, scale, plan_weather(Chance(sky), weather, noise))
    for side in street.sides:
        add_row(street, side)
    cast_shadows(street)
    add_backdrop(street)
    add_street_trees(street)
    add_traffic(street)
    for side in street.sides:
        add_parked_cars(street, side)
        add_furniture(street, side)
    add_traffic_lights(street)
    add_people(street)
    return Scene(street.camera, street.weather, street.ground, street.items)
