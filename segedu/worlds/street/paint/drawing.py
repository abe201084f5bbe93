"""From the description of a scene to pixels, classes and ids: a small software renderer.

All objects are numbered from far to near, then painted kind by kind: what is nearer hides what has a lower number.
Floats meet only + − · / and comparisons, which round alike on all machines; pixels are integers.
"""

from __future__ import annotations

from operator import attrgetter

import numpy as np

from segedu.labels import IGNORE_INDEX
from segedu.worlds.street.paint.canvas import NEAR, Canvas
from segedu.worlds.street.paint.develop import develop
from segedu.worlds.street.paint.ground import darken_ground, paint_ground, paint_sky
from segedu.worlds.street.paint.shapes import arm_shape, car_shapes, paint_shapes, roof_shape
from segedu.worlds.street.paint.sprites import paint_posts, paint_sprites
from segedu.worlds.street.paint.walls import in_view, paint_fronts
from segedu.worlds.street.scene import Material, Scene

SUPERSAMPLING = 2


def draw(scene: Scene, size: tuple[int, int], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Picture (H, W, 3) uint8, mask (H, W) uint8 with 255 = void, ids of the things (H, W) int32 with 0 = none."""
    canvas = Canvas(scene.camera, scene.weather, size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING)
    paint_sky(canvas, scene.weather)
    paint_ground(canvas, scene.ground)
    darken_ground(canvas, scene.ground.spots)
    canvas.standing = len(canvas.objects)
    walls, roofs, sprites, poles, arms, cars = _numbered(canvas, scene.items)
    paint_fronts(canvas, walls)
    paint_sprites(canvas, sprites)
    paint_posts(canvas, poles)
    paint_shapes(canvas, [roof_shape(canvas, *roof) for roof in roofs], rough=True)
    paint_shapes(canvas, [arm_shape(canvas, *arm) for arm in arms] + car_shapes(canvas, cars))
    mask, ids = _truth(canvas)
    return develop(canvas, scene.weather, rng), mask, ids


def _numbered(canvas: Canvas, items: list) -> tuple[list, list, list, list, list, list]:
    """What is in view, from far to near, as (item, number): walls, their roofs, sprites, poles, their arms, cars."""
    walls, roofs, sprites, poles, arms, cars = [], [], [], [], [], []
    for item in sorted(items, key=attrgetter("depth"), reverse=True):  # of two at one depth, the later is in front
        if item.kind == "wall":
            if in_view(canvas, item):
                if item.roof:
                    roofs.append(
                        (item, canvas.add(item.label, {Material.OWN: item.roof.colour}, item.gain, 0, item.end[1]))
                    )
                walls.append((item, canvas.add(item.label, item.colours, item.gain)))
        elif item.z > NEAR:
            described = item.label, item.colours, item.gain, item.instance, item.z
            if item.kind == "pole" and item.style != "plain":
                arms.append((item, canvas.add(*described)))
            kind = {"car": cars, "pole": poles}.get(item.kind, sprites)
            kind.append((item, canvas.add(*described)))
    return walls, roofs, sprites, poles, arms, cars


def _truth(canvas: Canvas) -> tuple[np.ndarray, np.ndarray]:
    """The class that fills more than half of a pixel's four samples; elsewhere is a border: void."""
    owner = np.maximum(canvas.what >> 8, canvas.veil)
    labels = np.array([thing.label for thing in canvas.objects], np.uint8).take(owner, mode="clip")
    a, b, c, d = (labels[y::2, x::2].copy() for y in (0, 1) for x in (0, 1))
    first = ((a == b) & ((a == c) | (a == d))) | ((a == c) & (a == d))
    mask, owners = np.full_like(a, IGNORE_INDEX), owner[::2, 1::2].copy()  # copyto is sooner than np.where
    np.copyto(mask, b, where=(b == c) & (b == d))
    np.copyto(mask, a, where=first)
    np.copyto(owners, owner[::2, ::2], where=first)
    ids = np.array([thing.instance for thing in canvas.objects], np.int32).take(owners, mode="clip")
    ids *= mask != IGNORE_INDEX
    return mask, ids
