"""The benchmark of fifteen minutes: choices on other pictures than scores, whole pictures, a table that is whole."""

import json
import statistics
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from benchmarks import fifteen_minutes, fifteen_minutes_choices, learning_per_minute
from benchmarks.fifteen_minutes import BUDGETS, OURS, PEER, PRETRAINED, RELEASED, WITH_RENDERED
from benchmarks.fifteen_minutes_choices import CANDIDATES, AtSize
from segedu.datasets import ToyStreet
from segedu.download import DataMissing
from segedu.models import FCN


def street(**scored):
    def train(size):
        return ToyStreet("train", length=8, size=size)

    return SimpleNamespace(train=train, scored=scored)


@pytest.fixture
def small(monkeypatch):
    """Every candidate a small FCN on small pictures, and a clock that tells one second more at each reading."""
    for name, candidate in CANDIDATES.items():
        monkeypatch.setitem(CANDIDATES, name, replace(candidate, build=partial(FCN, 11, width=2), size=(32, 48)))
    readings = iter(range(1_000_000))
    monkeypatch.setattr(learning_per_minute.time, "thread_time", lambda: next(readings))


@pytest.fixture
def trained(monkeypatch):
    """The data sets that were learnt from, in their order."""
    trained, plain = [], fifteen_minutes_choices.fit_for
    monkeypatch.setattr(
        fifteen_minutes_choices, "fit_for", lambda *given, **how: trained.append(given[2]) or plain(*given, **how)
    )
    return trained


def test_a_network_at_one_size_sees_that_size_and_answers_at_the_pictures():
    inner, seen = nn.Conv2d(3, 11, 1), []
    inner.register_forward_pre_hook(lambda layer, args: seen.append(args[0]))
    picture = torch.full((1, 3, 60, 90), 0.25)
    assert AtSize(inner, (40, 60))(picture).shape == (1, 11, 60, 90)
    assert seen[0].shape == (1, 3, 40, 60) and torch.allclose(seen[0], torch.tensor(0.25))


def test_a_candidate_learns_from_its_size_with_its_augmentation_and_answers_at_the_whole(small, trained):
    toy = street(chosen_on=ToyStreet("val", length=2, size=(64, 96)))
    found = fifteen_minutes_choices.run("U-Net at a quarter, more augmentation", toy, seconds=6, seed=0)
    assert 0 <= found["chosen_on"] <= 1 and found["pictures_per_second"] > 0
    window, *_, colours = trained[0].transform.transforms
    assert window.high == 2.0 and colours.brightness == (0.5, 1.5), "the transform of another candidate"
    assert trained[0][0][0].shape == (3, 32, 48)


def test_rendered_streets_are_learnt_from_beside_the_photographs_augmented_alike(small, trained):
    candidate = replace(CANDIDATES[WITH_RENDERED], rendered=5)
    ours = replace(CANDIDATES[OURS], build=candidate.build)
    assert replace(candidate, rendered=0) == ours, "they differ in more than the streets"
    fifteen_minutes_choices.learn(candidate, street(), 6, 0)
    photographs, streets = trained[0].datasets
    assert (len(photographs), len(streets)) == (8, 5) and streets.size == (32, 48)
    kinds = [[type(part) for part in data.transform.transforms] for data in (photographs, streets)]
    assert kinds[0] == kinds[1]


def test_every_point_of_a_curve_is_a_training_of_its_own_and_late_ones_are_left_out(small, monkeypatch):
    monkeypatch.setitem(BUDGETS, OURS, (3, 6, 900))
    learnt, plain = [], fifteen_minutes.learn
    monkeypatch.setattr(fifteen_minutes, "learn", lambda *given: learnt.append(given[2:]) or plain(*given))
    toy = ToyStreet("val", length=2, size=(32, 48))
    found = fifteen_minutes.run(OURS, street(val=toy, by_drive=toy), seconds=6, seed=5)
    assert learnt == [(3, 5), (6, 5)]
    assert found.keys() == {
        "parameters", "pictures_per_second", "val, 3 s", "by_drive, 3 s", "val, 6 s", "by_drive, 6 s",
    }  # fmt: skip


def test_the_released_row_is_run_where_its_pictures_are(monkeypatch, capsys):
    def camvid(split):
        if split == "test":
            raise DataMissing("not here")

    monkeypatch.setattr(fifteen_minutes, "CamVid", camvid)
    assert RELEASED not in fifteen_minutes.names() and "camvid/test is not here" in capsys.readouterr().out
    monkeypatch.setattr(fifteen_minutes, "CamVid", lambda split: None)
    assert fifteen_minutes.names() == [*BUDGETS]


def test_the_released_row_learns_from_and_is_scored_on_what_was_released(small, monkeypatch):
    monkeypatch.setitem(BUDGETS, RELEASED, (3,))
    toy = ToyStreet("val", length=2, size=(32, 48))
    monkeypatch.setattr(fifteen_minutes, "as_released", lambda: street(test=toy))
    found = fifteen_minutes.run(RELEASED, street(by_drive=toy), seconds=3, seed=0)
    assert found.keys() == {"parameters", "pictures_per_second", "test, 3 s"}


@pytest.mark.skipif(not fifteen_minutes_choices.STORED.exists(), reason="nothing is stored yet")
def test_the_best_of_each_kind_goes_on():
    stored = json.loads(fifteen_minutes_choices.STORED.read_text(encoding="utf-8"))
    assert stored["arms"].keys() == CANDIDATES.keys()
    means = {name: statistics.mean(row["chosen_on"].values()) for name, row in stored["arms"].items()}
    assert means.pop(WITH_RENDERED) > means[OURS]  # the same with more pictures: a row of its own
    kinds = {"smp": PEER, "SqueezeNet": PRETRAINED, "": OURS}
    best = dict.fromkeys(kinds.values(), "")
    for name, mean in means.items():
        kind = next(chosen for beginning, chosen in kinds.items() if name.startswith(beginning))
        best[kind] = name if mean > means.get(best[kind], 0) else best[kind]
    assert best == {chosen: chosen for chosen in kinds.values()}


@pytest.mark.skipif(not fifteen_minutes.STORED.exists(), reason="nothing is stored yet")
def test_the_stored_table_is_whole():
    stored = json.loads(fifteen_minutes.STORED.read_text(encoding="utf-8"))
    assert stored["command"] == "python -m benchmarks.fifteen_minutes --seconds 900"
    assert BUDGETS.keys() - {RELEASED} <= stored["arms"].keys() <= BUDGETS.keys()
    for name, row in stored["arms"].items():
        scored = ("val", "test") if name == RELEASED else ("val", "by_drive")
        wanted = {f"{score}, {seconds} s" for score in scored for seconds in BUDGETS[name]}
        assert row.keys() == wanted | {"parameters", "pictures_per_second"}, name
        assert all(0 <= value <= 1 for key in wanted for value in row[key].values())
