"""Do the stored numbers still come out? Of every file in data/results, one arm is run anew from one seed.

    python -m benchmarks --check [NAME ...]
    python -m benchmarks --shown-equal "how it was shown" [NAME ...]

A score holds if it lies in the prediction interval of the stored seeds (Student's t), which is wide where they are
five: 99 % for all scores of a file together. Most come out as stored to the last digit on a like machine, and the table
counts those, too. The second line says of files whose modules have changed that their numbers have not.
"""

from __future__ import annotations

import math
import re
import statistics
import sys
import time
from pathlib import Path

import torch
from scipy import stats

from benchmarks import (
    fifteen_minutes,
    fifteen_minutes_choices,
    learning_per_minute,
    provenance,
    real_cells,
    seconds_to_score,
    sides,
    storing,
    tiles,
)
from benchmarks.results import EXPERIMENTS
from benchmarks.scoring import Scores
from segedu.download import DataMissing

# tiles first: what others leave in memory would count
TABLES = (
    "tiles", "learning_per_minute", "real_cells", "seconds_to_score", "sides", "fifteen_minutes",
    "fifteen_minutes_choices",
)  # fmt: skip
# The arm that is run: the first, unless another is the cheapest of those that train.
ARMS = {
    "02_contest": "network",
    "05_ladder": "16s",
    "06_parts": "no skips",
    "06_quarter": "+ bilinear",
    "11_drawn": "plain, components",
    "11_nuclei": "plain, components",
    "fifteen_minutes": fifteen_minutes.PRETRAINED,
    "learning_per_minute": "FCN-8s",
    "real_cells": "membranes, UNet, from drawings only",
    "seconds_to_score": seconds_to_score.FROM_TOYSTREET,
    "sides": "U-Net, 512",
}
NO_SCORES = {"parameters", "pictures_per_second", "pieces_per_second", "seconds", "minutes"}
MISSES = 0.01  # how often a file's numbers are called wrong by chance, if the scores' deviations are normal
ROOM = 0.01  # scores that hardly change from seed to seed change more from machine to machine
ALONE = 0.25  # a number of which one run is stored may be so far from it
AS_FAST = 0.2  # where the time is given, other speeds give other scores


def files() -> dict[str, Path]:
    """{name: path} of what the measurements stored."""
    return {name: path for name in [*TABLES, *EXPERIMENTS] if (path := storing.RESULTS / f"{name}.json").exists()}


def module_of(name: str) -> str:
    """The module that makes this file."""
    return EXPERIMENTS[name].__module__ if name in EXPERIMENTS else f"benchmarks.{name}"


def stale(name: str, stored: dict) -> str:
    """What has changed since these numbers were recorded, and the way out; "" if nothing has."""
    if not (changed := provenance.changes(stored["modules"], module_of(name))):
        return ""
    return (
        f"data/results/{name}.json was recorded on {stored['date']}, and since then these modules compute otherwise: "
        f"{', '.join(changed)}. If their outputs were compared, and are equal, say how: "
        f'python -m benchmarks --shown-equal "…" {name}. If not, see whether one arm still comes out: '
        f"python -m benchmarks --check {name}; or measure anew: {stored['command']}"
    )


def again(name: str, stored: dict) -> tuple[str, int, Scores]:
    """The arm and the seed that were run anew, and their scores; DataMissing where pictures are not at hand."""
    if name == "tiles":
        row = f"tiles, {tiles.WHOLE} megapixels"
        return row, 0, tiles.measured({row: (tiles.WHOLE, tiles.TILE)})[row]
    arm = ARMS.get(name, next(iter(stored["arms"])))
    if name == "sides":
        return arm, 0, sides.in_a_fresh_process(*arm.split(", "))
    if name in EXPERIMENTS:
        seed = stored["seeds"][0]
        return arm, seed, EXPERIMENTS[name]()[arm](seed)
    if name == "real_cells":
        task, _, kind = arm.partition(", ")
        return arm, 0, real_cells.run(real_cells.ARMS[kind], real_cells.TASKS[task](), stored["seconds"], 0)
    if name == "fifteen_minutes":
        return arm, 0, fifteen_minutes.run(arm, fifteen_minutes.by_drive(), stored["seconds"], 0)
    if name == "fifteen_minutes_choices":
        street = fifteen_minutes_choices.to_choose_on()
        return arm, 0, fifteen_minutes_choices.run(arm, street, stored["seconds"], 0)
    street = learning_per_minute.Street()
    if name == "seconds_to_score":
        budgets = seconds_to_score.BUDGETS[arm]
        return arm, 0, seconds_to_score.run(seconds_to_score.ALL_ARMS[arm], street, budgets, 0)
    return arm, 0, learning_per_minute.run(learning_per_minute.ARMS[arm], street, stored["seconds"], 0)


def rows_of(stored: dict, arm: str) -> dict[str, list[float]]:
    """{score: [one number a seed]} of an arm, from any of the three forms of file."""
    found = stored["rows"][arm] if "rows" in stored else stored["arms"][arm]
    listed = {score: list(row.values()) if isinstance(row, dict) else row for score, row in found.items()}
    return {score: row if isinstance(row, list) else [row] for score, row in listed.items()}


def interval(row: list[float], scores: int) -> tuple[float, float]:
    """Where one more number would lie beside these; scores: how many are looked at together."""
    middle = statistics.mean(row)
    if len(row) == 1:
        return middle * (1 - ALONE), middle * (1 + ALONE)
    t = stats.t.ppf(1 - MISSES / (2 * scores), len(row) - 1)
    reach = max(t * statistics.stdev(row) * math.sqrt(1 + 1 / len(row)), ROOM)
    return middle - reach, middle + reach


def outside(found: Scores, rows: dict[str, list[float]]) -> dict[str, str]:
    """{score: a sentence} of each stored score that did not come out where its seeds predict it."""
    wrong = {}
    for score, row in rows.items():
        low, high = interval(row, len(rows))
        if not low <= found.get(score, math.nan) <= high:
            wrong[score] = f"{found.get(score, math.nan):.4f} is not in {low:.4f} … {high:.4f}"
    return wrong


def other_speed(found: Scores, rows: dict[str, list[float]]) -> str:
    """Why scores after a given time cannot be judged on this machine, or on a busy one; "" if they can be."""
    here, there = found.get("pictures_per_second", 1), statistics.mean(rows.get("pictures_per_second", [1]))
    if abs(here / there - 1) <= AS_FAST:
        return ""
    return f"not judged: {here:.0f} pictures a second here, {there:.0f} where it was recorded"


def check(names: list[str]) -> int:
    """1 if a score of one arm and seed, run anew, does not lie where the stored seeds predict; the table is printed."""
    threads, status = torch.get_num_threads(), 0
    print(f"{'file':20} {'arm':36} seed seconds  scores as stored outside")
    for name in storing.known(names, files()):
        stored = storing.read(files()[name])
        torch.set_num_threads(int(re.search(r"(\d+) threads", stored["machine"])[1]))
        started = time.perf_counter()
        try:
            arm, seed, found = again(name, stored)
        except DataMissing as missing:
            print(f"{name:20} skipped: {str(missing).splitlines()[0]}", flush=True)
            continue
        rows, seconds = rows_of(stored, arm), time.perf_counter() - started
        if sentence := other_speed(found, rows):
            print(f"{name:20} {arm:36} {seed:4} {seconds:7.0f} {sentence}", flush=True)
            continue
        rows = {score: row for score, row in rows.items() if score not in NO_SCORES}
        wrong = outside(found, rows)
        same = sum(round(found.get(score, math.nan), 4) == row[0] for score, row in rows.items())
        print(f"{name:20} {arm:36} {seed:4} {seconds:7.0f} {len(rows):7} {same:9} {len(wrong):7}", flush=True)
        for score, sentence in wrong.items():
            print(f"{'':20} {score}: {sentence}", flush=True)
        status = status or int(bool(wrong))
    torch.set_num_threads(threads)
    return status


def shown_equal(words: list[str]) -> None:
    """Write the digests of today's modules into files whose numbers do not change by what has changed in these.

    words: how that was shown, and names of files; without names, all files whose modules have changed.
    """
    why, *names = words or [""]
    if len(why.split()) < 3 or why in files():
        sys.exit('First say how it was shown: python -m benchmarks --shown-equal "weights compared to the bit" NAME …')
    for name in storing.known(names, files()):
        stored = storing.read(files()[name])
        for key, value in (("date", provenance.today()), ("commit", provenance.commit()), ("modules", {})):
            stored.setdefault(key, value)  # a file that was stored before files said where they come from
        changed = provenance.changes(stored["modules"], module_of(name))
        if not changed:
            print(f"{name}: nothing has changed since {stored['date']}") if names else None
            continue
        entry = {"date": provenance.today(), "commit": provenance.commit(), "modules": changed, "why": why}
        stored["modules"] = provenance.digests(module_of(name))
        stored["shown_equal"] = [*stored.get("shown_equal", []), entry]
        last = {key: stored.pop(key) for key in ("seeds", "arms", "rows") if key in stored}  # the numbers stay last
        storing.store(files()[name], stored | last)
        print(f"{name}: {', '.join(changed)}")
