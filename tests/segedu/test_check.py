"""The checker says right when it is right, and only then: it is tried with wrong answers first."""

import pytest
import torch

from segedu.check import guess


@pytest.mark.parametrize(
    ("answer", "truth", "tolerance"),
    [
        (3, 4, 0), (0.5, 0.71, 0.2), ((1, 11, 30, 40), (1, 11, 120, 160), 0), ((1, 2), (1, 2, 3), 0),
        ("road", "sky", 0),
        (True, False, 0), (1.0000001, 1, 0),
        (float("nan"), 1, 5),
    ],
)  # fmt: skip
def test_wrong_answers_are_not_quite(answer, truth, tolerance, capsys):
    guess(answer, truth, tolerance=tolerance)
    assert "not quite" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "truth", "tolerance"),
    [
        (4, 4, 0), (4, torch.tensor(4), 0), (0.6, 0.71, 0.2), ([1, 2], torch.Size([1, 2]), 0), (" Road ", "road", 0),
        (True, torch.tensor(3) > 2, 0), (2.4, torch.tensor(2.4, dtype=torch.float64), 0),
    ],
)  # fmt: skip
def test_right_answers_are_right(answer, truth, tolerance, capsys):
    guess(answer, truth, tolerance=tolerance)
    assert ": right" in capsys.readouterr().out


@pytest.mark.parametrize("nothing", [None, ...])
def test_no_guess_is_no_error(nothing, capsys):
    guess(nothing, 7, unit="pixels")
    assert "It is 7 pixels" in capsys.readouterr().out


@pytest.mark.parametrize(("answer", "truth"), [("four", 4), (4, "four"), (1, (1, 2)), (1, True)])
def test_another_kind_is_refused_with_an_example(answer, truth):
    with pytest.raises(TypeError, match="write it like this"):
        guess(answer, truth)
