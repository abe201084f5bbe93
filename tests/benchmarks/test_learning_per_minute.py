"""The benchmark of learning per minute: equal budgets, fair doors, and a stored table that is whole."""

import json
import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from benchmarks import learning_per_minute
from benchmarks.learning_per_minute import ARMS, CLASSES, PEERS, STORED, Arm, Peer, interval, run, table, with_row
from segedu.datasets import ToyStreet
from segedu.losses import cross_entropy
from segedu.models import FCN


@pytest.fixture(scope="module")
def street():
    toy = ToyStreet("train", length=8, size=(32, 48))
    return SimpleNamespace(train=toy, scored={"by_drive": toy, "val": toy}, loss=cross_entropy)


def test_every_peer_has_both_rows_and_ours_has_our_recipe():
    for name in PEERS:
        assert ARMS[f"{name}, as documented"].rate is None
        assert ARMS[f"{name}, our recipe"].rate > 0
        assert ARMS[f"{name}, as documented"].build is ARMS[f"{name}, our recipe"].build
    assert ARMS["FCN-8s"].rate > 0


def test_a_peer_sees_a_normalised_picture_filled_up_to_32_and_its_logits_are_cut_back():
    seen = []
    inner = nn.Conv2d(3, CLASSES, 1)
    inner.register_forward_pre_hook(lambda layer, args: seen.append(args[0]))
    picture = torch.full((1, 3, 40, 64), 0.485)
    assert Peer(inner)(picture).shape == (1, CLASSES, 40, 64)
    assert seen[0].shape == (1, 3, 64, 64) and seen[0][0, 0, :40].abs().max() < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("rate", [None, 1e-3])
def test_an_arm_learns_for_its_seconds(street, rate, monkeypatch):
    monkeypatch.setattr(learning_per_minute.time, "thread_time", iter(range(0, 10_000)).__next__)  # a reading, a second
    result = run(Arm(lambda: FCN(CLASSES, width=2), rate), street, seconds=12, seed=0)
    assert result["parameters"] == sum(parameter.numel() for parameter in FCN(CLASSES, width=2).parameters())
    assert 0 < result["pictures_per_second"] <= 8 and 0 <= result["val"] <= 1
    longer = run(Arm(lambda: FCN(CLASSES, width=2), rate), street, seconds=24, seed=0)
    assert longer["pictures_per_second"] == pytest.approx(result["pictures_per_second"], rel=0.3)


def test_rows_are_added_and_the_table_has_the_mean_and_its_interval():
    stored = {"seconds": 60, "machine": "a machine", "arms": {}}
    for seed, score in enumerate((0.40, 0.42, 0.44)):
        result = {"parameters": 1000, "pictures_per_second": 10.0, "by_drive": score, "val": score}
        stored = with_row(stored, "net", seed, result)
    assert stored["arms"]["net"]["val"] == {"0": 0.40, "1": 0.42, "2": 0.44}
    # Student's t for two degrees of freedom is 4.303; 2 / √3 is the standard error in per cent
    assert interval([40, 42, 44]) == f"42.0 ± {4.303 * 2 / math.sqrt(3):.1f}" and "42.0 ± 5.0" in table(stored)
    assert interval([40]) == "40.0"


@pytest.mark.skipif(not STORED.exists(), reason="nothing is stored yet")
def test_the_stored_table_is_whole():
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    assert stored["command"] == f"python -m benchmarks.learning_per_minute --seconds {stored['seconds']}"
    assert stored["arms"].keys() <= ARMS.keys()
    for name, row in stored["arms"].items():
        assert row.keys() == {"parameters", "pictures_per_second", "by_drive", "val"}, name
        assert row["by_drive"].keys() == row["val"].keys() == row["pictures_per_second"].keys()
        assert all(0 <= score <= 1 for key in ("by_drive", "val") for score in row[key].values())
