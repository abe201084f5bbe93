"""The benchmark of seconds to the peer's score: curves that start where they should, and factors that are right."""

import json
import math
from types import SimpleNamespace

import pytest
import torch

from benchmarks import learning_per_minute, seconds_to_score
from benchmarks.learning_per_minute import ARMS, Arm
from benchmarks.seconds_to_score import (
    ALL_ARMS,
    BUDGETS,
    OURS,
    PEERS_SECONDS,
    STORED,
    factors,
    points,
    run,
    seconds_to,
    table,
)
from segedu.datasets import ToyStreet
from segedu.losses import cross_entropy
from segedu.models import FCN


@pytest.fixture(scope="module")
def street():
    toy = ToyStreet("train", length=8, size=(32, 48))
    return SimpleNamespace(train=toy, scored={"by_drive": toy, "val": toy}, loss=cross_entropy)


def test_every_curve_rises_in_seconds_and_peers_are_seen_at_the_second_that_counts():
    assert BUDGETS.keys() <= ALL_ARMS.keys() and OURS in ARMS
    for name, budgets in BUDGETS.items():
        assert list(budgets) == sorted(set(budgets)), name
        assert (0 in budgets) == name.endswith("from ToyStreet"), "who has learnt nothing has no score at 0"
        if name in ARMS:  # the rows of learning_per_minute.py, so that the two tables can be held side by side
            assert PEERS_SECONDS in budgets


@pytest.mark.parametrize("rate", [None, 1e-3])
def test_a_curve_has_a_score_at_each_of_its_seconds(street, rate, monkeypatch):
    readings = iter(range(100_000))
    monkeypatch.setattr(learning_per_minute.time, "thread_time", lambda: next(readings))  # a reading, a second
    curve = run(Arm(lambda: FCN(11, width=2), rate), street, (0, 3, 6) if rate else (3, 6), seed=0)
    seconds = ["0", "3", "6"] if rate else ["3", "6"]
    assert [key for key in curve if key.startswith("val")] == [f"val, {at} s" for at in seconds]
    assert 0 < curve["pictures_per_second"] <= 8 and curve["parameters"] > 0
    assert all(0 <= curve[f"by_drive, {at} s"] <= 1 for at in seconds)


def test_as_documented_one_training_is_scored_on_its_way_and_goes_on_as_if_it_had_not_been(street, monkeypatch):
    readings = iter(range(100_000))
    monkeypatch.setattr(learning_per_minute.time, "thread_time", lambda: next(readings))
    arm, weights = Arm(lambda: FCN(11, width=2)), []

    plain = seconds_to_score.scores

    def kept(model, *given):
        weights.append(torch.cat([value.flatten().double() for value in model.state_dict().values()]))
        return plain(model, *given)

    monkeypatch.setattr(seconds_to_score, "scores", kept)
    run(arm, street, (2, 4), seed=0)
    run(arm, street, (4,), seed=0)
    assert not torch.equal(weights[0], weights[1]) and torch.equal(weights[1], weights[2])


def test_seconds_to_a_score_are_read_between_two_points():
    curve = {0: 0.5, 5: 10.0, 20: 30.0, 80: 30.0, 160: 50.0}
    assert seconds_to(20, curve) == pytest.approx(10)  # half the way from 5 to 20 in factors
    assert seconds_to(30, curve) == pytest.approx(20) and seconds_to(50, curve) == pytest.approx(160)
    assert seconds_to(4, curve) == 5, "an upper bound: what was before the first point nobody has seen"
    assert seconds_to(51, curve) == math.inf


def made(scores: dict[str, dict[int, list[float]]]) -> dict:
    """A stored table of {name: {seconds: one score in % a seed}}."""
    arms = {}
    for name, curve in scores.items():
        seeds = range(len(next(iter(curve.values()))))
        by_drive = {f"by_drive, {at} s": {str(seed): row[seed] / 100 for seed in seeds} for at, row in curve.items()}
        arms[name] = {"parameters": 1000, "pictures_per_second": {str(seed): 9.0 for seed in seeds}, **by_drive}
    return {"machine": "a machine", "seconds": 180, "arms": arms}


def test_the_factor_is_that_of_the_better_peer():
    stored = made({
        OURS: {5: [10, 12], 20: [30, 34], 60: [40, 40]},
        "weak, as documented": {60: [15, 15]},
        "strong, as documented": {60: [20, 23], 180: [30, 30]},
        "other, our recipe": {60: [50, 50]},
    })  # fmt: skip
    found = factors(stored, "as documented")
    assert found["peer"] == "strong, as documented" and found["score"] == pytest.approx(21.5)
    assert found["seconds"] == pytest.approx(5 * 4 ** (10.5 / 21)) and found["factor"] == pytest.approx(60 / 10)
    assert found["each"] == pytest.approx([60 / 10, 60 / (5 * 4 ** (11 / 22))])
    assert factors(stored, "our recipe")["seconds"] == math.inf and factors(stored, "our recipe")["factor"] == 0
    assert "strong, as documented has 21.5 after 60 s" in table(stored) and "6.0 times sooner" in table(stored)


@pytest.mark.skipif(not STORED.exists(), reason="nothing is stored yet")
def test_the_stored_table_is_whole():
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    assert stored["command"] == f"python -m benchmarks.seconds_to_score --seconds {stored['seconds']}"
    assert stored["arms"].keys() == BUDGETS.keys(), "a factor over the best peer needs all of them"
    seeds = list(next(iter(stored["arms"].values()))["pictures_per_second"])
    assert len(seeds) >= 2
    for name, row in stored["arms"].items():
        for score in ("by_drive", "val"):
            curve = points(row, score)
            assert list(curve) == [seconds for seconds in BUDGETS[name] if seconds <= stored["seconds"]], name
            assert all(list(values) == seeds for values in curve.values()), name
            assert all(0 <= value <= 100 for values in curve.values() for value in values.values())
