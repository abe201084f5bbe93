"""What the stored runs of lessons 11a and 11b rest on: their scores, and the ways from a picture to objects."""

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks import lesson_11 as runs
from benchmarks import results
from segedu.masks import border_classes


class Bright(nn.Module):
    """Two classes: cell where the picture is bright; its probability is the brightness."""

    def __init__(self):
        super().__init__()
        self.config = {"in_channels": 1}

    def forward(self, image):
        return torch.cat([1 - image, image], 1).clamp(1e-6).log()


def test_scores_of_objects_by_hand():
    ids, parts = np.zeros((2, 10, 40), int)
    ids[:, 0:8], ids[:, 10:14], ids[:, 14:18], ids[:, 20:26] = 1, 2, 3, 4
    parts[:, 0:3], parts[:, 3:8] = 1, 2  # 1 is split; its larger piece has IoU 5/8
    parts[:, 10:18] = 3  # 2 and 3 are merged; IoU ½ with each, which is not above ½, yet reaches AP's threshold
    parts[:, 20:26], parts[0, 39] = 4, 5  # found, and a speck
    sure = {1: 0.2, 2: 0.9, 3: 0.8, 4: 1.0, 5: 0.1}
    found = runs.object_scores(lambda image: (parts, sure), [(None, None, torch.from_numpy(ids))])
    assert (found["found"], found["merged"], found["split"]) == (2 / 4, 2 / 4, 1 / 4)
    assert found["ap50"] == pytest.approx(3 / 4 * 3 / 5, abs=0.01)
    assert found["ap50_ranked"] == pytest.approx(3 / 4, abs=0.01), "the wrong ones come last"
    assert found["ap"] == pytest.approx((0.45 + 2 * 2 / 4 * 2 / 5 + 7 * 1 / 4 * 1 / 5) / 10, abs=0.01)
    assert found["ap_ranked"] == pytest.approx((0.75 + 2 * 2 / 4 + 7 * 1 / 4) / 10, abs=0.01)


def test_ways_from_a_picture_to_objects():
    picture = torch.full((1, 40, 60), 0.1)
    picture[:, 5:25, 5:25], picture[:, 5:25, 24:44], picture[:, 35:37, 50:52] = 0.9, 0.8, 0.7
    parts, sure = runs.components(Bright(), picture, min_size=5)
    assert len(sure) == 1 and sure[parts[6, 6]] == pytest.approx((400 - 20) / 780 * 0.9 + 400 / 780 * 0.8, abs=1e-4)
    assert len(runs.components(Bright(), picture, min_size=1)[1]) == 2
    ids, sure = runs.watershed_of(Bright(), picture, min_size=5)
    assert set(np.unique(ids)) == {0, *sure}


def test_otsu_finds_bright_and_dark_cells():
    picture = torch.full((1, 40, 40), 0.2)
    picture[:, 5:15, 5:15], picture[:, 20:22, 20:22] = 0.8, 0.7
    for seen in (picture, 1 - picture):
        parts, sure = runs.otsu_components(seen, min_size=5)
        assert np.array_equal(parts > 0, (picture[0] > 0.75).numpy()) and set(sure.values()) == {1.0}
        cut, sure = runs.otsu_watershed(seen, min_dip=0.15, min_size=5)
        assert np.array_equal(cut > 0, parts > 0) and len(sure) == 1


def test_losses_look_at_whole_cells_and_at_borders():
    ids = torch.zeros(1, 12, 16, dtype=torch.int64)
    ids[:, 2:10, 2:8], ids[:, 2:10, 8:14] = 1, 2
    whole = nn.functional.one_hot((ids > 0).long(), 2).permute(0, 3, 1, 2) * 50.0
    assert runs.plain_loss(whole, None, ids).item() < 1e-6
    classes = torch.from_numpy(border_classes(ids[0], 4)).long()[None]
    right = nn.functional.one_hot(classes, 3).permute(0, 3, 1, 2) * 50.0
    weights = runs.border_weights([(None, None, ids[0])])
    assert runs.border_loss(right, None, ids, class_weights=weights).item() < 1e-6
    assert weights.tolist() == pytest.approx([192 / 96, 192 / 64, 192 / 32])


def test_a_run_that_is_stopped_keeps_the_seeds_that_are_done(monkeypatch):
    monkeypatch.setitem(results.EXPERIMENTS, "99_none", lambda: {"arm": lambda seed: {"score": seed / 4}})
    for done, stored in enumerate(results.run("99_none", [3, 1]), start=1):
        assert stored["seeds"] == [3, 1][:done] and stored["arms"] == {"arm": {"score": [0.75, 0.25][:done]}}
        assert stored["command"].endswith("99_none --seeds 3 1"[: 17 + 2 * (done - 1)])
    assert done == 2


def test_a_run_for_more_seeds_goes_on_behind_those_that_the_same_code_has_stored(monkeypatch, tmp_path):
    def scored(seed: int) -> dict:
        asked.append(seed)
        return {"score": seed / 4}

    def arms() -> dict:
        return {"arm": scored}

    arms.__module__ = "benchmarks.lesson_02"  # whose digests stand in the file
    asked: list[int] = []
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    monkeypatch.setitem(results.EXPERIMENTS, "99_none", arms)
    *_, first = results.run("99_none", [0, 1])
    results.store(tmp_path / "99_none.json", first | {"shown_equal": ["how"]})
    *_, more = results.run("99_none", [0, 1, 2])
    assert asked == [0, 1, 2] and more["arms"] == {"arm": {"score": [0, 0.25, 0.5]}} and more["seeds"] == [0, 1, 2]
    assert more["shown_equal"] == ["how"] and more["modules"] == first["modules"]
    list(results.run("99_none", [0, 1])), list(results.run("99_none", [1, 0, 2]))  # the same seeds, and others: anew
    assert asked[3:] == [0, 1, 1, 0, 2]
    changed = first["modules"] | {"benchmarks.lesson_02": "another one"}
    results.store(tmp_path / "99_none.json", first | {"modules": changed})
    list(results.run("99_none", [0, 1, 2]))
    assert asked[8:] == [0, 1, 2]
