"""What has flat faces with corners in space: cars, roofs, the arms of street lights."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from segedu.worlds.street.paint import textures
from segedu.worlds.street.paint.canvas import NEAR, Canvas, whole
from segedu.worlds.street.paint.cars import cars
from segedu.worlds.street.paint.codes import code
from segedu.worlds.street.paint.sprites import post
from segedu.worlds.street.scene import Material, Thing, Wall


class Shape(NamedTuple):
    """The faces of one object, as the camera sees them."""

    number: int  # of the object
    faces: list[tuple[int, int, int]]  # code, first corner, last corner + 1, in the order of painting
    corners: Sequence  # (column, row)


def paint_shapes(canvas: Canvas, shapes: list[Shape], *, rough: bool = False) -> None:
    """Paint shapes, the nearest last, in one image for all, as large as they need; rough: with grain on their faces."""
    if not shapes:
        return
    shapes = sorted(shapes, key=attrgetter("number"))
    count = np.array([len(shape.corners) for shape in shapes])
    start = np.cumsum(count) - count
    # Kept small, because Pillow counts in few bits; the slant of edges to corners so far off does not matter.
    corners = np.clip(np.concatenate([shape.corners for shape in shapes]), -3000, 9000)
    corners = np.floor(corners + 0.5).astype(np.int32)
    low = np.maximum(np.minimum.reduceat(corners, start), 0)
    high = np.minimum(np.maximum.reduceat(corners, start) + 1, (canvas.width, canvas.height))
    seen = (low < high).all(1)
    if not seen.any():
        return
    (left, top), (right, bottom) = low[seen].min(0).tolist(), high[seen].max(0).tolist()
    corners = (corners - (left, top)).ravel().tolist()
    image = Image.new("I", (right - left, bottom - top))
    paint = ImageDraw.Draw(image)
    for (number, faces, _), own in compress(zip(shapes, (2 * start).tolist(), strict=True), seen):
        for fill, first, last in faces:
            paint.polygon(corners[own + 2 * first : own + 2 * last], number * 256 + fill)
    what = canvas.what[top:bottom, left:right]
    values = np.frombuffer(image.tobytes(), np.int32).reshape(what.shape)
    if rough:
        values = values + textures.grain(canvas.height, canvas.width)[top:bottom, left:right] * (values > 0)
    np.maximum(what, values, out=what)


def car_shapes(canvas: Canvas, numbered: list[tuple[Thing, int]]) -> list[Shape]:
    """Cars from wherever the camera is: the faces of each that can be seen, with windows, lamps and wheels."""
    if not numbered:
        return []
    bodies = [cars()[car.style] for car, _ in numbered]
    places = np.array([(canvas.across(car.x, car.z), car.z, *car.turn) for car, _ in numbered])
    ends = np.cumsum([(len(body.faces), len(body.corners)) for body in bodies], 0)
    # The camera from each car's own point of view (ahead, to the right, up) tells which faces look at it.
    x, z, sin, cos = np.repeat(places, [len(body.faces) for body in bodies], 0).T
    eye = (-x * sin - z * cos, z * sin - x * cos, canvas.camera.height)
    centres, normals = (np.concatenate(parts).T for parts in ([b.centres for b in bodies], [b.normals for b in bodies]))
    facing = (sum(normals[k] * (eye[k] - centres[k]) for k in range(3)) > 0).tolist()
    x, z, sin, cos = np.repeat(places, [len(body.corners) for body in bodies], 0).T
    ahead, aside, up = np.concatenate([body.corners for body in bodies]).T
    depth = np.maximum(z + ahead * cos - aside * sin, NEAR)
    column = canvas.middle + canvas.focal * (x + ahead * sin + aside * cos) / depth
    corners = np.stack([column, canvas.horizon + canvas.focal * (canvas.camera.height - up) / depth], 1)
    shapes, face, corner = [], 0, 0
    for (_, number), body, (last_face, last_corner) in zip(numbered, bodies, ends.tolist(), strict=True):
        seen = list(compress(body.faces, facing[face:last_face]))
        shapes.append(Shape(number, seen, corners[corner:last_corner]))
        face, corner = last_face, last_corner
    return shapes


def arm_shape(canvas: Canvas, pole: Thing, number: int) -> Shape:
    """The arm and the lamp of a street light."""
    left, width, y = post(canvas, pole)
    column = canvas.project(pole.x, 0, pole.z)[0]
    reach = canvas.focal * (1.4 if pole.style == "long arm" else 0.6) / pole.z * (-1 if pole.mirrored else 1)
    thick = max(2, width * 2 // 3)
    a, b, c = left + width // 2, whole(column + reach * 0.6), whole(column + reach * 1.2)
    arm = [(a, y), (c, y - thick // 2), (c, y + thick // 2), (a, y + thick)]
    lamp = [(b, y), (c, y - thick // 2), (c, y + thick), (b, y + thick)]
    return Shape(number, [(code(Material.OWN, 14), 0, 4), (code(Material.LIGHT, 12), 4, 8)], arm + lamp)


def roof_shape(canvas: Canvas, wall: Wall, number: int) -> Shape:
    """The slope of a roof, or the pointed end of a house."""
    (x0, z0), (x1, z1), (rise, behind, _) = wall.start, wall.end, wall.roof
    z0 = max(z0, NEAR)
    outline = [canvas.project(x0, wall.top, z0), canvas.project(x1, wall.top, z1)]
    if behind:
        back = behind if x0 > 0 else -behind
        outline.append(canvas.project(x1 + back, wall.top + rise, z1))
        outline.append(canvas.project(x0 + back, wall.top + rise, z0))
    else:
        outline.append(canvas.project((x0 + x1) / 2, wall.top + rise, z0))
    return Shape(number, [(code(Material.OWN, 15), 0, len(outline))], outline)
