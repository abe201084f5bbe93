"""What lesson 07's stored runs and the benchmark on real cells rest on: their scores, samples and stored tables."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torchvision import tv_tensors

from benchmarks import real_cells
from benchmarks.lesson_07 import AUGMENTED, Weighted, samples
from benchmarks.lesson_07_weights import as_printed, evenly, printed_samples, scores
from benchmarks.scoring import CellScores, cell_scores
from benchmarks.tiles import STORED as TILES
from segedu.datasets import ToyCells
from segedu.losses import border_weight_map
from segedu.masks import separate


def test_the_scores_of_four_cells_by_hand():
    ids, parts = np.zeros((2, 4, 12), int)
    ids[:, 0:3], ids[:, 3:6], ids[:, 6:9], ids[:, 10:12] = 1, 2, 3, 4  # 12, 12, 12 and 8 pixels
    parts[:, 0:6] = parts[0, 9] = 7  # holds cells 1 and 2 whole, and a pixel of no cell: IoU 12/25 with each
    parts[:, 6:8] = 8  # 8 of cell 3's 12: IoU ⅔
    parts[0, 10] = 9  # 1 of cell 4's 8
    scores = CellScores().update(parts, ids).scores
    assert scores == pytest.approx(
        {"found": 1 / 4, "merged": 2 / 4, "ap50": 1 / 12, "foreground_iou": 33 / 45}, abs=0.01
    )


def test_scores_are_sums_over_pictures_whatever_the_ids():
    ids = np.repeat([[1, 1, 0, 2, 2]], 5, axis=0)
    table = CellScores().update(ids, ids).update(1000 * ids, ids).update(np.zeros_like(ids), ids)
    assert table.scores == pytest.approx(
        {"found": 2 / 3, "merged": 0, "ap50": 2 / 3, "foreground_iou": 2 / 3}, abs=0.01
    )


def test_a_network_that_knows_the_truth_finds_every_cell_of_the_cut_mask_and_none_merges():
    class Thresholded(nn.Module):
        def forward(self, image):
            return torch.cat([0.5 - image, image - 0.5], dim=1)

    ids = np.kron([[1, 2], [3, 0]], np.ones((6, 6), int))
    apart = torch.from_numpy(separate(ids) > 0)[None].float()
    scores = cell_scores(Thresholded(), [(apart, None, torch.from_numpy(ids))])
    assert scores["found"] == 1 and scores["merged"] == 0
    assert (
        cell_scores(Thresholded(), [(torch.from_numpy(ids > 0)[None].float(), None, torch.from_numpy(ids))])["merged"]
        == 1
    )


def test_samples_hold_the_weights_of_the_line_or_ones():
    cells = ToyCells("train", length=1, size=(64, 64), instances=True)
    (image, mask, weights), ids = samples(cells)[0], cells[0][2]
    assert torch.equal(mask, cells[0][1]) and torch.equal(image, cells[0][0])
    assert torch.equal(weights, border_weight_map(separate(ids), 10, 3, class_weights=(1, 3)))
    _, whole, ones = samples(cells, cut=False, w0=0, class_weights=(1, 1))[0]
    assert torch.equal(whole, (ids > 0).long()) and (ones == 1).all()


def test_augmented_weights_move_with_their_mask():
    ramp = torch.arange(64.0).repeat(64, 1)
    sample = (tv_tensors.Image(ramp[None] / 63), tv_tensors.Mask(ramp.long()), tv_tensors.Mask(ramp))
    torch.manual_seed(0)
    _, mask, weights = Weighted([sample], AUGMENTED)[0]
    assert torch.equal(mask.float(), weights) and not torch.equal(weights, ramp)


def test_both_networks_learn_from_the_same_pieces_by_the_same_loss(monkeypatch):
    cells = ToyCells("train", length=2, size=(64, 64), instances=True, transform=real_cells.pieces(32))
    task = real_cells.Task(cells, cells, batch=2, sigma=3, class_weights=(1, 2), min_size=1)
    assert real_cells.ARMS["UNet"].w0 == real_cells.ARMS["smp Unet resnet18"].w0 == 10
    called = {}
    monkeypatch.setattr(
        real_cells.segedu, "fit", lambda model, train, **how: called.update(how) or SimpleNamespace(pictures=6)
    )
    result = real_cells.run(real_cells.ARMS["UNet"], task, seconds=3, seed=0)
    assert called["minutes"] == 3 / 60 and called["batch_size"] == 2 and result["pieces_per_second"] == 2
    batch = [torch.stack(part) for part in zip(*(cells[i] for i in range(2)), strict=True)]
    assert called["loss"](torch.zeros(2, 2, 32, 32), *batch[1:]).item() == pytest.approx(np.log(2), abs=1e-5)


def test_parts_smaller_than_nearly_all_cells_are_no_cells():
    mask = torch.zeros(16, 16, dtype=torch.int64)
    mask[2:6, 2:6], mask[10:12, 10:12] = 1, 1
    ids = mask.clone()
    ids[10:12, 10:12] = 0  # a speck that is called cell, and is none
    network = nn.Identity()
    network.forward = lambda image: torch.stack([1 - mask, mask])[None].float()
    test = [(torch.zeros(1, 16, 16), mask, ids)]
    assert [real_cells.scores(network, test, size)["ap50"] for size in (4, 5, 17)] == [0.5, 1, 0]


def test_the_stored_tables_are_whole():
    stored = json.loads(real_cells.STORED.read_text(encoding="utf-8"))
    assert stored["command"] == f"python -m benchmarks.real_cells --seconds {stored['seconds']}"
    known = {f"{task}, {arm}" for task in real_cells.TASKS for arm in real_cells.ARMS}
    assert {f"{task}, UNet, from drawings only" for task in real_cells.TASKS} <= set(stored["arms"]) <= known
    for row in stored["arms"].values():
        for name in ("ap50", "merged", "found", "rand_error", "foreground_iou", "mean_iou"):
            assert all(0 <= value <= 1 for value in row[name].values())
    rows = json.loads(TILES.read_text(encoding="utf-8"))["rows"]
    assert {"tiles, 4 megapixels", "tiles, 64 megapixels", "whole, 4 megapixels"} <= set(rows)
    assert all(row["megabytes"] > 0 for row in rows.values())


def touching_pair():
    """One picture of two cells that touch along a column, and a third apart."""
    ids = np.zeros((8, 16), int)
    ids[1:7, 1:5], ids[1:7, 5:9], ids[2:6, 12:15] = 1, 2, 3
    return ids


def test_even_weights_add_up_to_those_of_the_gaps_class_by_class():
    ids = touching_pair()
    mask = torch.from_numpy(separate(ids) > 0).long()
    weights = border_weight_map(separate(ids), 10, 3, class_weights=(1, 3))
    ((_, _, even),) = evenly([(None, mask, weights)])
    assert even[mask == 0].unique().numel() == 1 and (even[mask == 1] == 3).all()
    assert even.sum().item() == pytest.approx(weights.sum().item(), rel=1e-5) and weights[mask == 0].max() > 7


def test_the_formula_as_printed_weighs_where_cells_touch_tenfold_as_cell():
    ids = touching_pair()
    printed = as_printed(ids, w0=10, sigma=3)
    assert printed[3, 4] == printed[3, 5] == pytest.approx(1 + 10 * np.exp(-1 / 18))  # distances 0 and 1
    background = border_weight_map(ids, 10, 3).numpy()
    np.testing.assert_allclose(printed[ids == 0], background[ids == 0], rtol=1e-5)  # there both say the same
    assert (background[ids > 0] == 1).all()
    assert (as_printed(np.where(ids == 1, 1, 0)) == 1).all()  # one cell has no second


def test_samples_as_printed_have_the_line_or_not():
    cells = ToyCells("train", length=1, size=(64, 64), instances=True)
    for cut in (False, True):
        _, mask, weights = printed_samples(cells, cut=cut)[0]
        objects = separate(cells[0][2]) if cut else cells[0][2].numpy()
        assert torch.equal(mask, torch.from_numpy(objects > 0).long())
        torch.testing.assert_close(weights.double(), torch.from_numpy(as_printed(objects)), check_dtype=False)


def test_the_share_of_cells_and_parts_by_hand():
    ids = np.zeros((4, 12), int)
    ids[:, 0:3], ids[:, 4:7], ids[:, 8:11] = 1, 2, 3
    mask = np.where(ids == 3, 0, ids > 0)  # two of three are found, and one speck is none: 2 / (2 + 1 + 1)
    mask[0, 9] = 1
    network = nn.Identity()
    network.forward = lambda image: torch.from_numpy(np.stack([1 - mask, mask])[None]).float()
    assert scores(network, [(torch.zeros(1, 4, 12), None, torch.from_numpy(ids))])["cells_ap"] == 0.5
