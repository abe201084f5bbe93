"""Whatever stands upright on one spot: sprites, and the posts of poles."""

from __future__ import annotations

import functools

import numpy as np

from segedu.worlds.street.paint.canvas import Canvas, runs, whole
from segedu.worlds.street.paint.codes import OPAQUE, VEILED, code
from segedu.worlds.street.paint.sprite_art import sprites
from segedu.worlds.street.scene import Material, Thing

HOLE = -(2**30)  # how deep below all numbers of objects a sprite is where it is not opaque


@functools.cache
def _sprites() -> dict[str, list[np.ndarray]]:
    """The sprites in int32, where holes and what is see-through are so far below zero that no object's number counts.

    See-through texels stay apart: HOLE + code.
    """
    return {
        kind: [np.where(codes < OPAQUE, codes + np.int32(HOLE), codes) for codes in drawn]
        for kind, drawn in sprites().items()
    }


def paint_sprites(canvas: Canvas, numbered: list[tuple[Thing, int]]) -> None:
    """Paint the sprites of things, as high as those; numbered: (thing, its number)."""
    seen, lines = [], []  # lines: first seen row, how many, all rows begin at, how many, of how many; so for columns
    for thing, number in reversed(numbered):  # what is hidden by nearer ones need not be drawn
        drawn = _sprites()[thing.kind]
        codes = drawn[thing.style % len(drawn)]
        column, row = canvas.project(thing.x, thing.above, thing.z)
        rows = max(3, int(canvas.focal * thing.height / thing.z + 0.5))
        columns = max(2, int(rows * codes.shape[1] / codes.shape[0] + 0.5))
        top, left = whole(row) - rows, whole(column - columns / 2)
        y, x = max(top, 0), max(left, 0)
        height, width = min(top + rows, canvas.height) - y, min(left + columns, canvas.width) - x
        if height > 0 and width > 0:
            seen.append((thing, number, codes, np.s_[y : y + height, x : x + width]))
            lines += (y, height, top, rows, codes.shape[0]), (x, width, left, columns, codes.shape[1])
    if not seen:
        return
    first, count, begin, length, texels = np.array(lines).T
    picks = (runs(first - begin, count) * 2 + 1) * np.repeat(texels, count) // np.repeat(2 * length, count)
    end = np.cumsum(count)
    picks = [picks[start:stop] for start, stop in zip((end - count).tolist(), end.tolist(), strict=True)]
    for (thing, number, codes, place), pick_y, pick_x in zip(seen, picks[::2], picks[1::2], strict=True):
        what = canvas.what[place]
        if what.min() >= number * 256:
            continue
        pick_x = codes.shape[1] - 1 - pick_x if thing.mirrored else pick_x
        codes = codes.take(pick_y, 0, mode="clip").take(pick_x, 1, mode="clip")  # no check of the range: faster
        if thing.kind in VEILED:
            veil = canvas.veil[place]
            np.copyto(veil, number, where=(codes > HOLE) & (codes < 0) & (veil < number))
        codes += np.int32(number * 256)
        np.maximum(what, codes, out=what)


def paint_posts(canvas: Canvas, numbered: list[tuple[Thing, int]]) -> None:
    """Paint upright posts, lit from the left; numbered: (pole, its number)."""
    for pole, number in numbered:
        left, width, head = post(canvas, pole)
        rows = slice(max(head, 0), max(whole(canvas.project(pole.x, 0, pole.z)[1]), 0))
        for part, shade in ((width, 14), (width // 3, 20)):
            what = canvas.what[rows, max(left, 0) : max(left + part, 0)]
            np.maximum(what, number * 256 + code(Material.OWN, shade), out=what)


def post(canvas: Canvas, pole: Thing) -> tuple[int, int, int]:
    """The first column of a pole, its width, and its upper end."""
    column, head = canvas.project(pole.x, pole.height, pole.z)
    width = max(3, whole(canvas.focal * pole.width / pole.z))
    return whole(column - width / 2), width, whole(head)
