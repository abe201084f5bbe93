"""Plots of scores: bars, dots of seeds, learning curves, the confusion matrix."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from segedu import statistics
from segedu.labels import LabelTable
from segedu.metrics import ConfusionMatrix
from segedu.plotting.look import (
    BLUE,
    COLUMN,
    CSS,
    CYCLE,
    DASHES,
    FONT_LABEL,
    FONT_SMALL,
    GREY,
    LIGHT,
    WIDE,
    baseline,
    columns_of,
)


def bars(
    values: Mapping,
    columns: Mapping[str, str] | None = None,
    *,
    label: str = "",
    baselines: Mapping | None = None,
    order: str = "falling",
    ours: str | None = None,
    digits: int = 1,
) -> Figure:
    """A figure of horizontal bars from 0, each with its number at its end. Lesson 01b.

    Args:
        values: {name: number}, or {name: {score: number}} for several plots side by side.
        columns: {score: what to write below its plot}; which scores, in which order.
        label: what to write below the plot of plain numbers, with its unit: "pixels (%)".
        baselines: {name: number}, lines across the bars; with `columns`, {score: {name: number}}.
        order: "falling" by the first score, or "given".
        ours: the name whose bar is dark while the others' are light; None: all dark.
        digits: behind the point.

    Raises:
        ValueError: If there is nothing to draw, or a score is missing.

    Example:
        >>> figure = plotting.bars({"road": 38.2, "pole": 0.9}, label="pixels (%)")
    """
    plots = columns_of(values, columns)
    if order not in ("falling", "given"):
        raise ValueError(f'order={order!r} should be "falling" or "given".')
    first = next(iter(plots.values()))[1]
    names = sorted(first, key=lambda name: -float(first[name])) if order == "falling" else list(first)
    figure, axes = _strips(names, plots, label)
    for axis, (score, (_, column)) in zip(axes, plots.items(), strict=True):
        axis.spines["bottom"].set_visible(False)
        axis.set_xticks([])  # each bar has its number
        axis.axvline(0, color=GREY, linewidth=0.8)
        heights = np.array([float(column[name]) for name in names])
        colours = [BLUE if ours in (None, name) else LIGHT for name in names]
        axis.barh(range(len(names)), heights, height=0.62, color=colours)
        lines = _lines(baselines, score)
        ends = [0, *heights[np.isfinite(heights)], *lines.values()]
        axis.set_xlim(min(ends) * 1.15, max(max(ends), 1e-9) * 1.15)
        for place, value in enumerate(heights):
            axis.annotate(
                f"{value:.{digits}f}", (value, place), (3 if value >= 0 else -3, 0), textcoords="offset points",
                va="center", ha="left" if value >= 0 else "right", fontsize=FONT_SMALL,
            )  # fmt: skip
        _baselines_above(axis, lines)
    return figure


def seeds(
    runs: Mapping,
    columns: Mapping[str, str] | None = None,
    *,
    label: str = "",
    baselines: Mapping | None = None,
    start: float | None = None,
    digits: int = 1,
) -> Figure:
    """A figure of dot strips: a dot a seed, and the mean of an arm with its 95 % interval. Lesson 04.

    The interval is Student's, over the seeds; one seed alone has none. The mean stands in numbers
    at the right.

    Args:
        runs: {arm: numbers of its seeds}, or {arm: {score: numbers}}, as resources.stored_runs
            gives, for several plots side by side. NaN are left out.
        columns: {score: what to write below its plot}; which scores, in which order.
        label: what to write below the plot of plain numbers, with its unit.
        baselines: {name: number}, lines across the plot; with `columns`, {score: {name: number}}.
        start: where the axis begins; None: a little left of the lowest dot or baseline.
        digits: behind the point of the mean.

    Raises:
        ValueError: If there is nothing to draw, or a score is missing.

    Example:
        >>> runs = segedu.resources.stored_runs("05_fusion", scale=100)
        >>> figure = plotting.seeds(runs, {"mean_iou": "mean IoU (%)"})
    """
    plots = columns_of(runs, columns)
    names = list(runs)
    figure, axes = _strips(names, plots, label)
    for axis, (score, (_, column)) in zip(axes, plots.items(), strict=True):
        lines, everything = _lines(baselines, score), []
        for place, name in enumerate(names):
            dots = np.asarray(column[name], float).ravel()
            dots = dots[np.isfinite(dots)]
            everything += dots.tolist()
            # the golden ratio's multiples fill 0…1 evenly, and the same way every time
            jitter = (np.arange(len(dots)) * 0.618 % 1 - 0.5) * 0.44
            axis.plot(dots, place + jitter, "o", color=BLUE, alpha=0.6, markersize=5, markeredgewidth=0)
            if len(dots):
                mean, half = mean_interval(dots)
                if half:
                    axis.plot([mean - half, mean + half], [place] * 2, color="black", linewidth=1.6, zorder=3)
                axis.plot([mean] * 2, [place - 0.3, place + 0.3], color="black", linewidth=2, zorder=3)
                axis.annotate(
                    f"{mean:.{digits}f}", (1, place), (4, 0), xycoords=axis.get_yaxis_transform(), va="center",
                    textcoords="offset points", fontsize=FONT_SMALL,
                )  # fmt: skip
                everything += [mean - half, mean + half]
        ends = everything + list(lines.values())
        if not ends:
            raise ValueError(f"No arm has a number in {score or 'its seeds'!r}; there is nothing to draw.")
        margin = 0.06 * (max(ends) - min(ends)) or 1
        axis.set_xlim(min(ends) - margin if start is None else start, max(ends) + margin)
        axis.grid(axis="x", color="#E6E6E6", linewidth=0.7)
        axis.set_axisbelow(True)
        _baselines_above(axis, lines)
    return figure


def mean_interval(numbers: np.ndarray) -> tuple[float, float]:
    """The mean, and half the width of statistics.mean_interval; 0 for one number, which has none. Lesson 04."""
    if len(numbers) < 2:
        return float(numbers[0]), 0.0
    found = statistics.mean_interval(numbers)
    return found.mean, found.high - found.mean


def learning_curves(histories: Mapping, *, smooth: int = 10, baselines: Mapping[str, float] | None = None) -> Figure:
    """A figure of the loss over the steps, and of mean IoU if there are validations. Lesson 04.

    Args:
        histories: {"name": History, …}; each curve has its name at its end.
        smooth: steps; each point of the loss is the mean of as many.
        baselines: {name: mean IoU in %}, lines across the plot of scores.

    Example:
        >>> curves = {"SmallNet": history}
        >>> figure = plotting.learning_curves(curves, baselines={"average street": 12.7})
    """
    if not histories:
        raise ValueError("There is nothing to draw: give {name: history, …}.")
    scored = any(history.validations for history in histories.values())
    figure, axes = plt.subplots(
        1, 1 + scored, squeeze=False, layout="constrained", figsize=(WIDE if scored else 5, 2.8)
    )  # fmt: skip
    ends: tuple[list, list] = ([], [])
    for number, (name, history) in enumerate(histories.items()):
        style = {"linestyle": DASHES[number % 4], "color": CYCLE[number % 5]}
        loss = np.asarray(history.loss, float)
        if len(loss) >= smooth:
            loss = np.convolve(loss, np.ones(smooth) / smooth, mode="valid")
        steps = np.arange(len(loss)) + len(history.loss) - len(loss) + 1
        axes[0, 0].plot(steps, loss, **style)
        if len(loss):
            ends[0].append((steps[-1], loss[-1], name, style["color"]))
        if scored and history.validations:
            scores = [(v["step"], 100 * v["mean_iou"]) for v in history.validations]
            axes[0, 1].plot(*zip(*scores, strict=True), marker="o", markersize=3.5, **style)
            ends[1].append((*scores[-1], name, style["color"]))
    axes[0, 0].set(xlabel="step", ylabel="training loss (nats)", ylim=(0, None))
    if scored:
        axes[0, 1].set(xlabel="step", ylabel="validation mean IoU (%)", ylim=(0, None))
        top = max([axes[0, 1].get_ylim()[1], *(1.1 * value for value in (baselines or {}).values())])
        axes[0, 1].set_ylim(0, top)
        for name, value in (baselines or {}).items():
            baseline(axes[0, 1], value, name)
    for axis, where in zip(axes.flat, ends, strict=False):
        axis.grid(axis="y", color="#E6E6E6", linewidth=0.7)
        axis.set_axisbelow(True)
        if len(histories) > 1:
            _named_ends(axis, where)
    return figure


def confusion(matrix: ConfusionMatrix, labels: LabelTable) -> Figure:
    """A figure of a ConfusionMatrix: of each true class, where its pixels went. Lesson 02.

    In per cent of the row, one a true class; a class without a true pixel has an empty row. Shares
    below 0.5 % are not written.

    Args:
        matrix: a metrics.ConfusionMatrix.
        labels: the classes' names.
    """
    counts = matrix.counts.double().numpy()
    with np.errstate(invalid="ignore"):
        share = 100 * counts / counts.sum(1, keepdims=True)
    size = min(1.6 + 0.42 * len(labels), WIDE - 0.8)
    figure, axis = plt.subplots(layout="constrained", figsize=(size + 0.8, size))
    axis.imshow(share, cmap="Blues", vmin=0, vmax=100)
    axis.set_xticks(range(len(labels)), labels.names, rotation=60, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(len(labels)), labels.names)
    axis.tick_params(length=0, labelsize=FONT_LABEL)
    axis.set(xlabel="predicted class", ylabel="true class")
    axis.set_title("Where each true class's pixels went (%)", loc="left")
    for (row, column), value in np.ndenumerate(share):
        if value >= 0.5:
            colour = "white" if value > 55 else "black"
            axis.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=FONT_SMALL, color=colour)
    return figure


def _strips(names: list[str], plots: Mapping, label: str) -> tuple[Figure, list[Axes]]:
    """A figure with a plot for each score, whose rows are the names, from above."""
    wide = WIDE if len(plots) > 1 else 0.75 * COLUMN / CSS
    figure, axes = plt.subplots(
        1, len(plots), squeeze=False, sharey=True, layout="constrained", figsize=(wide, 0.8 + 0.3 * len(names))
    )  # fmt: skip
    for axis, (title, _) in zip(axes.flat, plots.values(), strict=True):
        axis.set(xlabel=title or label, yticks=range(len(names)), ylim=(len(names) - 0.45, -0.55))
        axis.set_yticklabels(names, fontsize=FONT_LABEL)
        axis.spines["left"].set_visible(False)
        axis.tick_params(axis="y", length=0)
    return figure, list(axes.flat)


def _lines(baselines: Mapping | None, score: str) -> dict[str, float]:
    """{name: value} of one plot's baselines."""
    lines = (baselines or {}).get(score, {}) if score else baselines or {}
    return {name: float(value) for name, value in lines.items()}


def _baselines_above(axis: Axes, lines: Mapping[str, float]) -> None:
    """Lines upwards; a name that would touch the one before stands a line higher."""
    low, high = axis.get_xlim()
    points = axis.get_window_extent().width / axis.figure.dpi * 72 / (high - low)
    ends = []  # of each line of names, where its last one ends
    for name, value in sorted(lines.items(), key=lambda line: line[1]):
        half = 0.3 * FONT_SMALL * len(name) / points
        level = next((i for i, end in enumerate(ends) if value - half > end), len(ends))
        ends[level : level + 1] = [value + half]
        baseline(axis, value, name, vertical=True, level=level)


def _named_ends(axis: Axes, ends: list[tuple]) -> None:
    """Each curve's name at its end, moved apart where two would overlap."""
    low, high = axis.get_ylim()
    apart = 1.3 * FONT_SMALL / (axis.get_window_extent().height / axis.figure.dpi * 72) * (high - low)
    ends = sorted(ends, key=lambda end: end[1])
    places = np.array([end[1] for end in ends], float)
    for _ in range(100):
        for i in range(len(places) - 1):
            lack = apart - (places[i + 1] - places[i])
            if lack > 0:
                places[i : i + 2] += -lack / 2, lack / 2
    for (step, _, name, colour), place in zip(ends, places, strict=True):
        axis.annotate(
            name, (step, place), (6, 0), textcoords="offset points", va="center", fontsize=FONT_SMALL,
            color=colour, annotation_clip=False,
        )  # fmt: skip
