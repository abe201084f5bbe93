"""A street in motion: a camera that looks around, and traffic, cyclists and people that go their ways."""

from __future__ import annotations

from dataclasses import replace

from segedu.worlds.chance import Chance
from segedu.worlds.street.scene import CAR, CARS, Scene, Thing

Velocity = tuple[float, float]  # metres a second to the right and ahead
NEAREST = 1.5  # metres between the camera and the nearest end of a car that is still drawn


class Motion:
    """How a scene moves: the scene at any time, in seconds. Names stay: an item has its instance id at all times.

    Cars of one direction share a speed, so that none drives into another; parked ones stay. The camera stays in its
    place and looks to one side, to the other and back, so that what leaves the picture may return to it.
    """

    def __init__(self, scene: Scene, chance: Chance):
        b = chance.between
        self.scene = scene
        self.swing, self.period = b(0.08, 0.2) * chance.pick((-1, 1)), b(6.0, 10.0)
        speeds = {1: b(4, 10), -1: b(4, 10)}  # of cars that drive away, and of those that come
        self.velocities = [self._velocity(item, chance, speeds) for item in scene.items]
        both = zip(scene.items, self.velocities, strict=True)
        self.of_owner = {item.instance: velocity for item, velocity in both if velocity}

    def _velocity(self, item, chance: Chance, speeds: dict[int, float]) -> Velocity | None:
        """None for whatever stands still."""
        if item.kind == "car":
            if item.parked:
                return None
            speed = speeds[1 if item.turn[1] > 0 else -1]
            return speed * item.turn[0], speed * item.turn[1]
        speed, way = chance.between(0.8, 1.6), chance.pick((-1, 1))
        if item.kind == "person" and chance.happens(0.75):
            return (way * speed, 0.0) if chance.happens(0.25) else (0.0, way * speed)
        if item.kind == "cyclist":  # the first two are seen from the side
            return (way * 3 * speed, 0.0) if item.style < 2 else (0.0, way * 3 * speed)
        return None

    def at(self, seconds: float) -> Scene:
        """The scene after so many seconds; after 0 it is the scene itself."""
        scene = self.scene
        items = [
            item
            if velocity is None
            else replace(item, x=item.x + velocity[0] * seconds, z=item.z + velocity[1] * seconds)
            for item, velocity in zip(scene.items, self.velocities, strict=True)
        ]
        spots = []
        for spot in scene.ground.spots:
            right, ahead = self.of_owner.get(spot.owner, (0.0, 0.0))
            spots.append(spot._replace(x=spot.x + right * seconds, z=spot.z + ahead * seconds))
        camera = replace(scene.camera, yaw=scene.camera.yaw + self.swing * wave(seconds / self.period))
        items = [item for item in items if item.label != CAR or is_before_the_camera(item)]
        return Scene(camera, scene.weather, replace(scene.ground, spots=spots), items)


def wave(periods: float) -> float:
    """−1 … 1, to and fro once a period, from 0: nearly a sine, made of parabolas, which all machines round alike."""
    u = periods % 1
    return 16 * u * (0.5 - u) if u < 0.5 else -16 * (u - 0.5) * (1 - u)


def is_before_the_camera(car: Thing) -> bool:
    """Whether a car is far enough ahead to be drawn."""
    return car.z - CARS[car.style].nose > NEAREST
