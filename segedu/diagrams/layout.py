"""Where the steps of a network stand: one row a size, one column a convolution, so that a U is a U."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from segedu.diagrams.trace import RESIZE, Step, halvings


@dataclass(eq=False)
class Block:
    """A feature map that is drawn.

    Attributes:
        shape: (C, H, W).
        role: Its colour.
        col, row: Column, and how often the picture's size was halved.
        lane: How far below (above) its row's middle a parallel path runs, in paths; None off such paths.
        beside: The block on whose left it stands, joined ("") or added ("+") to it.
        sign: See `beside`.
        label: The shape that is written below; None for none.
        note: Small print above, such as "rate 4".
        frame: The height that is cut out of it for a skip; 0 for none.
    """

    shape: tuple[int, int, int]
    role: str
    col: int
    row: int
    lane: float | None = None
    beside: Block | None = None
    sign: str = ""
    label: tuple[int, int, int] | None = None
    note: str = ""
    frame: int = 0


@dataclass
class Line:
    """An arrow: kind "conv", "down", "up", "skip", "loop" (past the blocks between) or "plain"."""

    kind: str
    start: Block
    end: Block


def layout(steps: list[Step]) -> tuple[list[Block], list[Line]]:
    """All blocks and lines of a network's steps; the first block is the picture, the last the output."""
    consumers = Counter(feed.source for step in steps for feed in step.feeds)
    lanes, waiting = parallel_lanes(steps, consumers), side_steps(steps, consumers)
    blocks = {0: Block(steps[0].shape, "picture", 0, 0, label=steps[0].shape)}
    resized: dict[tuple, Block] = {}
    more, lines = [], []

    def enlarged_or_pooled(step: Step) -> Block:
        """What goes into a step: its main feed's block, or, at another size, one of its own below or above that."""
        feed, size, source = step.main, step.taken[1:], blocks[step.main.source]
        shape = (source.shape[0] if len(step.feeds) > 1 else step.taken[0], *size)
        if not feed.has(*RESIZE) or source.shape[1:] == size or size == (1, 1):
            return source
        if (feed.source, shape) not in resized:
            down = halvings(source.shape, shape)
            role = "decoder" if down < 0 else "encoder" if source.role == "picture" else source.role
            block = Block(shape, role, source.col, source.row + down)
            source.label = source.shape
            resized[feed.source, shape] = block
            more.append(block)
            lines.append(Line("down" if down > 0 else "up", source, block))
        return resized[feed.source, shape]

    for number, step in enumerate(steps[1:-1], start=1):
        if number in waiting:
            continue  # it is placed where its map is joined
        given = enlarged_or_pooled(step)
        join(steps, blocks, more, lines, step, given, waiting, lanes, enlarged_or_pooled)
        down = step.halved
        up = down < 0
        block = Block(step.shape, step.role, given.col + (not up), given.row + down, lane=lanes.get(number))
        block.note = f"rate {step.dilation}" if step.dilation > 1 else "mean" if step.taken[1:] == (1, 1) else ""
        if number not in lanes and any(feed.source in lanes for feed in step.feeds):
            block.col = max(blocks[feed.source].col for feed in step.feeds) + 1
        if number not in lanes and (down or step.shape[0] == steps[-1].shape[0]):
            block.label = step.shape
        if (up or (number in lanes and given.lane is None)) and given.label is None:
            given.label = given.shape
        blocks[number] = block
        kind = "down" if down > 0 else "up" if up else "conv"
        starts = [blocks[feed.source] for feed in step.feeds if feed.source in lanes] or [given]
        lines += [Line(kind, start, block) for start in starts]

    return finish(steps, blocks, more, lines, lanes, waiting, enlarged_or_pooled)


def finish(steps, blocks, more, lines, lanes, waiting, enlarged_or_pooled) -> tuple[list[Block], list[Line]]:
    """The same with the output, in the first row behind all others."""
    last = steps[-1]
    given = blocks[last.main.source]
    summed = [blocks[feed.source] for feed in last.feeds if feed.source in lanes]
    if summed:  # the scores of parallel paths
        given = Block(given.shape, given.role, given.col + 1, given.row, label=given.shape)
        more.append(given)
        lines += [Line("plain", block, given) for block in summed]
    join(steps, blocks, more, lines, last, given, waiting, lanes, enlarged_or_pooled)
    everything = [*blocks.values(), *more]
    output = Block(last.shape, "picture", 1 + max(block.col for block in everything), 0, label=last.shape)
    lines.append(Line("up" if last.main.has(*RESIZE) else "plain", given, output))
    for block in everything:
        following = [line.end for line in lines if line.start is block and line.kind == "conv"]
        if (
            block.lane is None
            and block.label is None
            and block.role != "picture"
            and not following
            and not block.beside
        ):
            block.label = block.shape
    return [*everything, output], lines


def join(steps, blocks, more, lines, step, given, waiting, lanes, enlarged_or_pooled) -> None:
    """What stands on the left of `given` where several maps go into one step."""
    main = steps[step.main.source]
    hidden = [feed for feed in step.feeds[1:] if feed.has("Convolution")]  # a shortcut's 1×1 is no step
    others = [feed for feed in step.feeds[1:] if feed.source not in lanes and feed not in hidden]
    here, joined = blocks[step.main.source], step.main.has("Cat")
    if any(feed.source == steps[main.main.source].main.source for feed in hidden):
        lines.append(Line("loop", enlarged_or_pooled(steps[main.main.source]), here))
    elif others and not joined and {feed.source for feed in others} <= {feed.source for feed in main.feeds}:
        # a residual: what went into the last step is added behind it
        lines.append(Line("loop", blocks[main.main.source], here))
        return
    sign = "" if joined else "+"
    for feed in others:
        if feed.source in waiting:  # a convolution of an earlier map, for this place only
            side = steps[feed.source]
            origin = enlarged_or_pooled(side)
            block = Block(side.shape, side.role, given.col, given.row, beside=given, sign=sign)
        else:
            origin = blocks[feed.source]
            block = Block((origin.shape[0], *given.shape[1:]), "skip", given.col, given.row, beside=given, sign=sign)
            if origin.shape[1:] != given.shape[1:]:
                origin.frame = given.shape[1]
            origin.label = origin.shape
        more.append(block)
        lines.append(Line("skip", origin, block))
    if others:
        given.label = step.taken


def chain(steps: list[Step], number: int, consumers: Counter) -> list[int]:
    """The steps from `number` back to the last one that feeds several: [3, 2, 1]."""
    found = [number]
    while len(steps[found[-1]].feeds) == 1:
        found.append(steps[found[-1]].main.source)
        if consumers[found[-1]] > 1:
            break
    return found


def parallel_lanes(steps: list[Step], consumers: Counter) -> dict[int, float]:
    """{step: its lane} of those on parallel paths: equally many steps from one map to one map."""
    lanes = {}
    for step in steps:
        paths = [chain(steps, feed.source, consumers) for feed in sorted(step.feeds, key=lambda feed: feed.source)]
        ends, lengths = {path[-1] for path in paths}, {len(path) for path in paths}
        if len(paths) > 1 and len(ends) == len(lengths) == 1 < len(paths[0]):
            middle = (len(paths) - 1) / 2
            lanes |= {number: lane - middle for lane, path in enumerate(paths) for number in path[:-1]}
    return lanes


def side_steps(steps: list[Step], consumers: Counter) -> set[int]:
    """The steps whose map only joins a longer way: an FCN's scores of an earlier stage, DeepLab's reduced one."""
    lanes = parallel_lanes(steps, consumers)
    return {
        feed.source
        for step in steps
        for feed in step.feeds[1:]
        if consumers[feed.source] == 1 and feed.source not in lanes
    }
