"""`python -m benchmarks --check` and `--shown-equal`: what they judge, print and write."""

import json
import math

import pytest
import torch
from scipy import stats

from benchmarks import checking, provenance, storing
from segedu.download import DataMissing

STORED = {
    "question": "?",
    "command": "python -m benchmarks.results 99_none --seeds 0 1 2",
    "machine": "x86_64, 1 threads, float32, torch 2.14.1",
    "date": "2026-11-22",
    "commit": "1234567",
    "modules": {"benchmarks.lesson_02": "0" * 12},
    "seeds": [4, 1, 2],
    "arms": {"first": {"score": [0.5, 0.6, 0.7], "loss": [1.0, 1.0, 1.0]}},
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of results in the place of the stored ones, with one file; `folder(of_seed)` runs its arm so."""
    monkeypatch.setattr(storing, "RESULTS", tmp_path)
    monkeypatch.setattr(checking, "EXPERIMENTS", {})
    monkeypatch.setattr(checking, "TABLES", ())
    (tmp_path / "99_none.json").write_text(json.dumps(STORED), encoding="utf-8")

    def with_arm(of_seed):
        def experiment():
            return {"first": of_seed}

        experiment.__module__ = "benchmarks.lesson_02"
        checking.EXPERIMENTS["99_none"] = experiment
        return tmp_path / "99_none.json"

    return with_arm


# --check


def test_the_interval_is_students_for_one_more_number():
    low, high = checking.interval([0.5, 0.6, 0.7], scores=2)
    reach = stats.t.ppf(1 - 0.01 / 2 / 2, 2) * 0.1 * math.sqrt(1 + 1 / 3)
    assert (low, high) == pytest.approx((0.6 - reach, 0.6 + reach))
    assert checking.interval([1.0, 1.0, 1.0], scores=2) == pytest.approx((0.99, 1.01))
    assert checking.interval([100.0], scores=1) == (75, 125)


@pytest.mark.parametrize(
    ("score", "loss", "status", "words"),
    [
        (0.5, 1.0, 0, ["first", "4", "2", "2", "0"]),
        (0.55, 1.005, 0, ["2", "0", "0"]),
        (0.55, 1.02, 1, ["loss: 1.0200 is not in 0.9900 … 1.0100"]),
        (math.nan, 1.0, 1, ["score: nan is not in"]),
    ],
)
def test_a_number_that_does_not_come_out_is_told_and_ends_with_one(folder, capsys, score, loss, status, words):
    folder(lambda seed: {"score": score if seed == 4 else 0.0, "loss": loss, "new": 9.0})
    threads = torch.get_num_threads()
    assert checking.check([]) == status and torch.get_num_threads() == threads
    said = capsys.readouterr().out
    assert all(word in said for word in words), said
    assert [row.split()[-3:] for row in said.splitlines()[1:2]] == [
        ["2", str((score == 0.5) + (loss == 1.0)), str(status)]
    ]


def test_a_score_that_no_longer_comes_out_is_told(folder, capsys):
    folder(lambda seed: {"score": 0.5})
    assert checking.check(["99_none"]) == 1 and "loss: nan is not in" in capsys.readouterr().out


def test_what_needs_missing_pictures_is_skipped_with_a_sentence(folder, capsys):
    def missing(seed):
        raise DataMissing("CamVid is not here.\nFetch it: …")

    folder(missing)
    assert checking.check([]) == 0 and "skipped: CamVid is not here." in capsys.readouterr().out


def test_an_unknown_name_is_told(folder):
    folder(dict)
    with pytest.raises(SystemExit, match="There is no 98_none; there are 99_none"):
        checking.check(["98_none"])


def test_scores_after_a_minute_are_not_judged_at_another_speed():
    rows = {"val": [0.5], "pictures_per_second": [100.0, 100.0]}
    assert checking.other_speed({"val": 0.5, "pictures_per_second": 110.0}, rows) == ""
    assert "70 pictures a second here, 100" in checking.other_speed({"pictures_per_second": 70.0}, rows)
    assert checking.other_speed({"val": 0.5}, {"val": [0.5]}) == ""


def test_rows_of_each_form_of_file():
    assert checking.rows_of(STORED, "first")["score"] == [0.5, 0.6, 0.7]
    table = {"arms": {"net": {"parameters": 7, "val": {"0": 0.5, "1": 0.6}}}}
    assert checking.rows_of(table, "net") == {"parameters": [7], "val": [0.5, 0.6]}
    assert checking.rows_of({"rows": {"tiles": {"megabytes": 3.0}}}, "tiles") == {"megabytes": [3.0]}


@pytest.mark.parametrize("name", checking.ARMS)
def test_the_arms_that_are_run_are_stored(name):
    assert checking.ARMS[name] in storing.read(checking.files()[name])["arms"]


# --shown-equal


def test_what_was_shown_equal_is_written_beside_new_digests(folder, capsys):
    path = folder(dict)
    before = storing.read(path)
    assert "benchmarks.lesson_02" in checking.stale("99_none", before)
    checking.shown_equal(["weights compared to the bit"])
    after = storing.read(path)
    assert checking.stale("99_none", after) == "" and "99_none: benchmarks.lesson_02" in capsys.readouterr().out
    (entry,) = after["shown_equal"]
    assert entry["why"] == "weights compared to the bit" and entry["date"] == provenance.today()
    assert "benchmarks.lesson_02" in entry["modules"]
    kept = ("question", "command", "machine", "date", "commit", "seeds", "arms")
    assert {key: after[key] for key in kept} == {key: before[key] for key in kept}
    checking.shown_equal(["weights compared to the bit", "99_none"])
    assert storing.read(path) == after and "nothing has changed" in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["99_none"], ["equal", "99_none"]])
def test_a_reason_is_asked_for(folder, words):
    path = folder(dict)
    before = path.read_text(encoding="utf-8")
    with pytest.raises(SystemExit, match="First say how it was shown"):
        checking.shown_equal(words)
    assert path.read_text(encoding="utf-8") == before


def test_the_way_out_is_told():
    sentence = checking.stale("02_contest", STORED)
    assert "2026-11-22" in sentence and "--check 02_contest" in sentence
    assert '--shown-equal "…" 02_contest' in sentence and STORED["command"] in sentence


# What tables keep


def test_new_rows_do_not_stand_beside_those_of_other_code(tmp_path):
    path = tmp_path / "tiles.json"
    table = {"date": "2026-11-22", "modules": {}, "arms": {}}
    storing.refuse_other_code(path, table)
    with pytest.raises(SystemExit, match="Remove the file and run all arms anew"):
        storing.refuse_other_code(path, table | {"arms": {"net": {}}})
    now = {"modules": provenance.digests("benchmarks.tiles"), "arms": {"net": {}}}
    storing.refuse_other_code(path, table | now)


def test_a_new_table_and_a_new_row_are_dated(tmp_path):
    table = storing.stored_rows(tmp_path / "tiles.json", "?", 60, "float32")
    assert table["date"] == provenance.today() and table["modules"] == provenance.digests("benchmarks.tiles")
    row = storing.with_row(table | {"date": "2026-01-01"}, "net", 0, {"val": 0.5})
    assert row["date"] == provenance.today() and row["arms"] == {"net": {"val": {"0": 0.5}}}
