"""The scoreboard's rows are what the lessons' recipes give, and a reader's score finds its place among them."""

from functools import partial

import pytest
import torch
from torch.nn import functional as F

import segedu
from segedu import scoreboard
from segedu.datasets import ToyStreet
from segedu.labels import STREET

STORED = {row.name: row.mean_iou for row in scoreboard.ROWS}


@pytest.fixture(scope="module")
def truths():
    return torch.stack([mask for _, mask in ToyStreet("test", length=scoreboard.STREETS)])


def score(maps, truths) -> float:
    return 100 * segedu.metrics.ConfusionMatrix(11).update(maps, truths).mean_iou()


def test_everything_is_road(truths):
    everywhere = torch.full_like(truths, STREET.index("road"))
    assert score(everywhere, truths) == pytest.approx(STORED["everything is road"], abs=0.05)


def test_frosted_glass(truths):
    shares = torch.stack([(truths == k).float() for k in range(11)], dim=1)
    blocks = F.avg_pool2d(shares, kernel_size=23, ceil_mode=True)
    maps = F.interpolate(blocks, scale_factor=23, mode="bilinear")[..., :120, :160].argmax(1)
    assert score(maps, truths) == pytest.approx(STORED["frosted glass (it knows the truth)"], abs=0.05)


@pytest.mark.slow
def test_the_average_street(truths):
    seen = torch.stack([mask for _, mask in ToyStreet("train", length=300)])
    votes = torch.stack([(seen == k).sum(0) for k in range(11)]).argmax(0)
    assert score(votes.expand_as(truths), truths) == pytest.approx(STORED["the average street"], abs=0.05)


@pytest.mark.slow
def test_smallnet_lies_about_its_row():
    train, test = ToyStreet("train", length=200), ToyStreet("test", length=scoreboard.STREETS)
    seen = torch.stack([mask for _, mask in train])
    share = torch.bincount(seen[seen != 255]) / (seen != 255).sum()
    loss = partial(segedu.losses.cross_entropy, class_weights=share.rsqrt())
    torch.manual_seed(0)
    network = segedu.models.SmallNet(11)
    val = ToyStreet("val", length=40)
    segedu.fit(network, train, val, steps=125, batch_size=8, learning_rate=5e-3, loss=loss)
    found = 100 * segedu.evaluate(network, test).mean_iou()  # 46.1, 43.3 and 46.2 of the seeds 0, 1, 2
    assert found == pytest.approx(STORED["SmallNet, 125 steps, mean of 3 seeds"], abs=4)


@pytest.mark.parametrize(
    ("file", "row"),
    [
        ("fcn32s_toystreet", "FCN-32s, 500 steps, as shipped"),
        ("fcn8s_toystreet", "FCN-8s, 500 steps, as shipped"),
        ("unet_toystreet", "U-Net, 500 steps, as shipped"),
    ],
)
def test_the_shipped_networks(file, row):
    test = ToyStreet("test", length=scoreboard.STREETS)
    assert 100 * segedu.evaluate(segedu.load(file), test).mean_iou() == pytest.approx(STORED[row], abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize(("file", "row"), [("largefov", "LargeFOV"), ("v3plus", "v3+")])
def test_the_shipped_deeplabs(file, row):
    found = segedu.evaluate(segedu.load(f"deeplab_{file}_toystreet"), ToyStreet("test", length=scoreboard.STREETS))
    assert 100 * found.mean_iou() == pytest.approx(STORED[f"DeepLab {row}, 500 steps, as shipped"], abs=0.3)


@pytest.mark.slow
def test_the_shipped_panoptic_deeplab():
    found = segedu.evaluate(segedu.load("panoptic_toystreet"), ToyStreet("test", length=scoreboard.STREETS))
    assert 100 * found.mean_iou() == pytest.approx(STORED["Panoptic-DeepLab, 3,000 steps more, as shipped"], abs=0.3)


def test_a_lesson_shows_what_stood_before_it_and_yours_in_its_place(capsys):
    assert scoreboard.rows("01b") == [] and len(scoreboard.rows("02")) == 3
    assert [row.name for row in scoreboard.rows("13")] == [*STORED]
    scoreboard.show("02", {"network": torch.tensor(46.6), "a guess": 30})
    head, *lines = capsys.readouterr().out.splitlines()
    assert head == "mean IoU in %, 40 streets of ToyStreet test"
    assert [line.split()[0] for line in lines] == ["3.1", "22.3", "30.0", "43.5", "46.6"]
    assert lines[-1].endswith("network, just now") and lines[0].endswith("everything is road, lesson 02")
    scoreboard.show("04", 12.5)
    assert "12.5  ▪▪▪▪▪▪" in (said := capsys.readouterr().out) and "yours, just now" in said and "SmallNet" in said


@pytest.mark.parametrize("wrong", [-1, 101, float("nan")])
def test_a_score_that_is_no_percentage_is_refused(wrong):
    with pytest.raises(ValueError, match=r"score of 'yours' is .* between 0 and 100"):
        scoreboard.show("02", wrong)
