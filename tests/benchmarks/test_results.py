"""The stored runs of data/results: well-formed, made by a script that is there, and repeatable."""

import json
import math
import re
import statistics
from pathlib import Path

import nbformat
import pytest
from scipy import stats

from benchmarks.results import EXPERIMENTS
from tools.cells import NOTEBOOKS

# those of the lessons; other tables beside them have tests of their own
FILES = sorted((Path(__file__).parents[2] / "data" / "results").glob("[0-9]*.json"))
ONCE = {"08_longer"}  # long trainings, one of each: the lesson that reads them says so, and gives no interval
PATH = re.compile(r"(?<![\w.])/\w|[A-Za-z]:\\|\.\./")  # "/home", "C:\", "../": a place on one machine


def complaints(name: str, text: str) -> list[str]:
    """What is wrong with the file NAME.json of this text."""
    stored = json.loads(text)
    missing = {"question", "command", "machine", "seeds", "arms"} - set(stored)
    if missing:
        return [f"it lacks {sorted(missing)}"]
    seeds, arms = stored["seeds"], stored["arms"]
    found = [] if name in EXPERIMENTS else ["benchmarks/results.py knows no experiment of this name"]
    if len(set(seeds)) < 5 and name not in ONCE:
        found.append(f"{len(set(seeds))} seeds, at least 5 are wanted")
    if stored["command"] != f"python -m benchmarks.results {name} --seeds {' '.join(map(str, seeds))}":
        found.append(f"its command is not the one that makes it: {stored['command']}")
    if not re.search(r"\d threads?, float32, torch \d", stored["machine"]):
        found.append(f"its machine says no threads, precision and torch: {stored['machine']}")
    if PATH.search(text):
        found.append(f"it holds a path: {PATH.search(text)[0]}")
    if not arms or not all(arms.values()):
        found.append("it has no arm, or an arm without scores")
    for arm, scores in arms.items():
        found += [f"{arm}, {score}: {fault}" for score, row in scores.items() if (fault := wrong(score, row, seeds))]
    return found


def wrong(score: str, row: list, seeds: list) -> str:
    if len(row) != len(seeds):
        return f"{len(row)} numbers for {len(seeds)} seeds"
    if not all(isinstance(value, float | int) and math.isfinite(value) and value >= 0 for value in row):
        return f"not all are finite numbers ≥ 0: {row}"
    if not score.endswith("loss") and max(row) > 1:
        return f"a score above 1: {max(row)}"
    return ""


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_stored_run_is_well_formed(file):
    assert complaints(file.stem, file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", sorted(ONCE))
def test_a_lesson_that_reads_a_run_of_few_seeds_says_how_many_before_it_shows_them(name):
    assert len(json.loads((FILES[0].parent / f"{name}.json").read_text(encoding="utf-8"))["seeds"]) == 1
    readers = [
        path for path in NOTEBOOKS if f'stored_runs("{name}"' in path.read_text(encoding="utf-8").replace('\\"', '"')
    ]
    assert readers
    for path in readers:
        sources = [cell.source for cell in nbformat.read(path, as_version=4).cells]
        place = next(i for i, source in enumerate(sources) if f'stored_runs("{name}"' in source)
        assert any("there is one of each, and no interval" in source for source in sources[place - 3 : place]), (
            path.name
        )


SOUND = {
    "question": "?",
    "command": "python -m benchmarks.results 04_losses --seeds 0 1 2 3 4",
    "machine": "x86_64, 1 threads, float32, torch 2.14.0",
    "seeds": [0, 1, 2, 3, 4],
    "arms": {"Dice": {"mean_iou": [0.1, 0.2, 0.3, 0.4, 0.5], "val_loss": [1.5, 1.0, 1.0, 1.0, 1.0]}},
}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({}, None),
        ({"command": "python results.py"}, "not the one that makes it"),
        ({"machine": "a laptop"}, "no threads"),
        ({"question": "what is in /home/ada/camvid?"}, "a path"),
        ({"question": r"what is in C:\data?"}, "a path"),
        ({"seeds": [0, 1, 1, 1, 1]}, "2 seeds"),
        ({"arms": {}}, "no arm"),
        ({"arms": {"Dice": {"mean_iou": [0.1]}}}, "1 numbers for 5 seeds"),
        ({"arms": {"Dice": {"mean_iou": [0.1, 0.2, 0.3, 0.4, math.nan]}}}, "finite"),
        ({"arms": {"Dice": {"mean_iou": [0.1, 0.2, 0.3, 0.4, "0.5"]}}}, "finite"),
        ({"arms": {"Dice": {"mean_iou": [0.1, 0.2, 0.3, 0.4, 50.0]}}}, "above 1"),
    ],
)
def test_the_rules_see_what_is_wrong(change, complaint):
    found = complaints("04_losses", json.dumps(SOUND | change))
    assert any(complaint in sentence for sentence in found) if complaint else not found


def test_a_file_without_an_experiment_or_without_a_part_is_seen():
    text = json.dumps(SOUND).replace("04_losses", "99_nothing")
    assert complaints("99_nothing", text) == ["benchmarks/results.py knows no experiment of this name"]
    assert complaints("04_losses", '{"arms": {}}') == ["it lacks ['command', 'machine', 'question', 'seeds']"]


@pytest.mark.slow
def test_one_stored_entry_trained_anew_lies_where_the_other_seeds_predict():
    stored = json.loads(next(file for file in FILES if file.stem == "04_augmentation").read_text(encoding="utf-8"))
    arm, seed = "40 pictures", stored["seeds"][0]
    again = EXPERIMENTS["04_augmentation"]()[arm](seed)
    for score in ("train_mean_iou", "val_mean_iou", "val_pixel_accuracy"):
        others = stored["arms"][arm][score][1:]
        t = stats.t.ppf(0.995, len(others) - 1)
        reach = max(t * statistics.stdev(others) * math.sqrt(1 + 1 / len(others)), 0.02)
        assert abs(again[score] - statistics.mean(others)) < reach, (score, again[score], others)


def test_the_stored_names_are_those_of_todays_tracker():
    """A change of the tracker changes its numbers, and asks for `python -m benchmarks.results 13_names`."""
    stored = json.loads(next(file for file in FILES if file.stem == "13_names").read_text(encoding="utf-8"))
    for arm in ("true masks, motion", "true masks, no motion"):
        again = EXPERIMENTS["13_names"]()[arm](stored["seeds"][4])
        assert again == pytest.approx({score: row[4] for score, row in stored["arms"][arm].items()}, abs=1e-4)
