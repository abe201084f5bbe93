"""Objects in colours: each found one in that of its true one; what is merged, split, invented or missed is marked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from segedu.ids import object_ids
from segedu.metrics.objects import overlap
from segedu.pictures import picture_tensor
from segedu.plotting.images import _columns, draw_picture, legend_below, pale
from segedu.plotting.look import AMBER, BLUE, GREEN, PURPLE, SKY, WRONG, YELLOW, grid_of

_COLOURS = (BLUE, AMBER, GREEN, PURPLE, SKY, YELLOW)
_NEAR = 4  # pixels: objects that lie closer get two colours


@dataclass(frozen=True)
class Faults:
    """Which ids of a map are which fault, beside the truth: sets of ids. Lesson 11a.

    Attributes:
        partner: {found id: the true id that it shares most with}; none for invented ones.
        merged: found ids that cover more than half of each of several true objects.
        split: found ids that lie mostly in one true object, of which another one has more.
        invented: found ids that neither cover half of a true object nor lie half in one.
        missed: true ids that no found id has for partner or covers more than half of.
    """

    partner: dict[int, int]
    merged: set[int]
    split: set[int]
    invented: set[int]
    missed: set[int]


def faults(found: Any, true: Any) -> Faults:
    """Which found objects are merged, split or invented, and which true ones missed. Lesson 11a.

    Args:
        found: (H, W) object ids, 0 for none.
        true: (H, W) object ids, 0 for none.

    Raises:
        ValueError: If the maps differ in size.
    """
    both = overlap(found, true)
    covered: dict[int, list[int]] = {}  # by found id
    inside: dict[int, list[tuple[int, int]]] = {}  # by true id: (pixels, found id)
    best: dict[int, tuple[int, int]] = {}
    for (i, j), shared in zip(both.pairs.tolist(), both.shared.tolist(), strict=True):
        name, truth = int(both.found[i]), int(both.true[j])
        covers, lies_in = 2 * shared > both.true_area[j], 2 * shared > both.found_area[i]
        if covers:
            covered.setdefault(name, []).append(truth)
        if lies_in:
            inside.setdefault(truth, []).append((shared, name))
        if covers or lies_in:
            best[name] = max(best.get(name, (0, 0)), (shared, truth))
    partner = {name: truth for name, (_, truth) in best.items()}
    pieces = [name for parts in inside.values() for _, name in sorted(parts)[:-1]]
    met = set(partner.values()) | {truth for truths in covered.values() for truth in truths}
    return Faults(
        partner,
        merged={name for name, truths in covered.items() if len(truths) > 1},
        split=set(pieces),
        invented=set(both.found.tolist()) - set(partner),
        missed=set(both.true.tolist()) - met,
    )


def instances(
    ids: Any,
    like: Any = None,
    *,
    image: Any = None,
    columns: int | None = None,
    width: float | None = None,
    legend: bool = True,
    axis: Axes | None = None,
) -> Figure:
    """A figure of objects in colours; found ones have the colour of their true object. Lesson 11a.

    Neighbours differ in colour. With `like`, faults are marked and counted in the legend: merged
    ones are hatched, the smaller pieces of split ones dotted, invented ones grey with a red dashed
    outline; missed true ones have a dotted outline.

    Args:
        ids: (H, W) object ids, 0 for none. Or {"name": ids, …} for several panels; a picture in it,
            (3, H, W) or (H, W, 3), is drawn as it is.
        like: the true ids (H, W), or {"name": true ids} by panel: then an id has one colour in all
            of them. None: the colours follow `ids` themselves, and nothing is marked.
        image: a picture to draw below in pale grey, or {"name": picture} by panel. None: white.
        columns: panels in a row, as in `pictures`.
        width: CSS pixels of one panel at most, as in `pictures`.
        legend: say below the figure which mark is which fault, and how often.
        axis: where to draw one map, in a figure of your own.

    Raises:
        MaskError: If a map holds no object ids.
        ValueError: If the maps of a panel differ in size.

    Example:
        >>> shown = {"Image": image, "Truth": ids, "Watershed": found}
        >>> figure = plotting.instances(shown, like=ids)
    """
    panels = dict(ids) if isinstance(ids, Mapping) else {"": ids}
    maps = {name: None if np.ndim(panel) == 3 else object_ids(panel) for name, panel in panels.items()}
    truths = {name: _of(like, name) for name in panels}
    truths = {
        name: object_ids(true, "like") for name, true in truths.items() if true is not None and maps[name] is not None
    }
    colours = _colours([truths.get(name, ids) for name, ids in maps.items() if ids is not None])
    shapes = {
        name: panel.shape if panel is not None else picture_tensor(panels[name]).shape[1:]
        for name, panel in maps.items()
    }
    if axis is None:
        columns = columns or _columns(len(panels))
        names = list(panels)
        rows = [[(name, tuple(shapes[name])) for name in names[i : i + columns]] for i in range(0, len(names), columns)]
        figure, axes = grid_of(rows, width)
    else:
        figure, axes = axis.figure, [axis]
    counts = dict.fromkeys(("merged", "split", "invented", "missed"), 0)
    for axis, (name, panel) in zip(axes, maps.items(), strict=True):
        if panel is None:
            draw_picture(axis, _picture(panels[name]))
            continue
        _draw(axis, panel, truths.get(name), _of(image, name), colours, counts)
    if legend:
        legend_below(figure, [_MARKS[kind](f"{kind}: {n}") for kind, n in counts.items() if n])
    return figure


_MARKS = {
    "merged": lambda text: Patch(facecolor="white", edgecolor="black", hatch="////", linewidth=0.8, label=text),
    "split": lambda text: Line2D([], [], color="black", linestyle=":", linewidth=1.6, label=text),
    "invented": lambda text: Patch(facecolor="#BDBDBD", edgecolor=WRONG, linestyle="--", linewidth=1.4, label=text),
    "missed": lambda text: Patch(facecolor="white", edgecolor=WRONG, linestyle=":", linewidth=1.4, label=text),
}


def _of(given, name: str):
    """What belongs to one panel: of a dict its own, else what is given for all."""
    return given.get(name) if isinstance(given, Mapping) else given


def _picture(image) -> np.ndarray:
    return picture_tensor(image).permute(1, 2, 0).numpy()


def _draw(axis: Axes, ids: np.ndarray, true: np.ndarray | None, image, colours: dict, counts: dict) -> None:
    """One map of objects, with its marks; the faults are added to the counts."""
    found = None if true is None else faults(ids, true)
    ground = np.ones((*ids.shape, 3), np.float32) if image is None else pale(_picture(image))
    if ground.shape[:2] != ids.shape:
        raise ValueError(f"The picture is {ground.shape[:2]}, its objects {ids.shape}; they must be one size.")
    table = np.ones((int(ids.max(initial=0)) + 1, 3), np.float32)
    for name in np.unique(ids[ids > 0]).tolist():
        own = name if found is None else found.partner.get(name)
        table[name] = to_rgb(colours[own]) if own is not None else to_rgb("#BDBDBD")
    drawn = np.where((ids > 0)[..., None], table[ids], ground)
    axis.imshow(drawn, interpolation="nearest")
    _between(axis, ids)
    if found is None:
        return
    for name in found.merged:
        axis.contourf(ids == name, levels=[0.5, 1.5], colors="none", hatches=["////"])
    _outline(axis, ids, found.merged, color="black", linewidth=0.9)
    _outline(axis, ids, found.split, color="black", linewidth=1.4, linestyle=":")
    _outline(axis, ids, found.invented, color=WRONG, linewidth=1.6, linestyle="--")
    _outline(axis, true, found.missed, color=WRONG, linewidth=1.4, linestyle=":")
    for kind in counts:
        counts[kind] += len(getattr(found, kind))


def _outline(axis: Axes, ids: np.ndarray, names, **look) -> None:
    """A line around each of these objects, along the edges of its pixels."""
    lines = [line for name in names for line in _joined(_edges(np.pad(ids == name, 1), shift=1))]
    axis.add_collection(LineCollection(lines, **look))


def _between(axis: Axes, ids: np.ndarray) -> None:
    """A thin white line wherever two objects touch."""
    edges = _edges(ids, both=True)
    axis.add_collection(LineCollection(edges, colors="white", linewidth=0.8))


def _edges(ids: np.ndarray, *, shift: int = 0, both: bool = False) -> list[tuple[tuple, tuple]]:
    """The sides between pixels of different ids, as two corners (x, y); both: only where neither of them is 0."""
    sides = []
    for (one, other), along in (((ids[1:], ids[:-1]), (1, 0)), ((ids[:, 1:], ids[:, :-1]), (0, 1))):
        different = (one != other) & ((one != 0) & (other != 0) if both else True)
        for row, column in np.argwhere(different) - shift:
            end = (float(column) + 0.5, float(row) + 0.5)
            sides.append(((end[0] - along[0], end[1] - along[1]), end))
    return sides


def _joined(edges: list) -> list:
    """Edges of pixels joined to closed lines, so that dashes run on around a corner."""
    after: dict[tuple, list] = {}
    for a, b in edges:
        after.setdefault(a, []).append(b)
        after.setdefault(b, []).append(a)
    lines = []
    for start in list(after):
        while after[start]:
            line = [start]
            while after[line[-1]]:
                following = after[line[-1]].pop()
                after[following].remove(line[-1])
                line.append(following)
            lines.append(line)
    return lines


def _colours(maps: list[np.ndarray]) -> dict[int, str]:
    """{id: colour} for the ids of all maps; ids that lie near each other in one of them differ where six colours do."""
    from skimage.segmentation import expand_labels

    near: dict[int, set[int]] = {}
    places: dict[int, np.ndarray] = {}
    for ids in maps:
        for name in np.unique(ids[ids > 0]).tolist():
            near.setdefault(name, set())
            places.setdefault(name, np.argwhere(ids == name).mean(0))
        wide = expand_labels(ids, _NEAR)
        for a, b in ((wide[1:], wide[:-1]), (wide[:, 1:], wide[:, :-1])):
            for one, other in np.unique(np.stack([a, b], -1)[(a != b) & (a > 0) & (b > 0)], axis=0).tolist():
                near[one].add(other)
                near[other].add(one)
    chosen: dict[int, str] = {}
    for name in near:
        taken = {chosen[other] for other in near[name] if other in chosen}
        free = [colour for colour in _COLOURS if colour not in taken] or list(_COLOURS)

        def nearest(colour, name=name):
            """How far away the colour occurs already."""
            away = [np.hypot(*(places[name] - places[o])) for o, c in chosen.items() if c == colour]
            return min(away, default=np.inf)

        chosen[name] = max(free, key=nearest)
    return chosen
