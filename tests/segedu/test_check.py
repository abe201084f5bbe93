"""The checker says right when it is right, and only then: it is tried with wrong answers first."""

import numpy as np
import pytest
import torch

from segedu.check import function, guess


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


@pytest.mark.parametrize(("nothing", "name"), [(None, "None"), (..., "...")])
def test_without_a_guess_it_says_how_to_make_one_and_not_the_truth(nothing, name, capsys):
    guess(nothing, 71, unit="pixels")
    said = capsys.readouterr().out
    assert said == f"No guess yet: write one in place of {name} above, and run both cells again.\n"


@pytest.mark.parametrize(("answer", "truth"), [("four", 4), (4, "four"), (1, (1, 2)), (1, True)])
def test_another_kind_is_refused_with_an_example(answer, truth):
    with pytest.raises(TypeError, match="write it like this"):
        guess(answer, truth)


# function

COUNTS = [torch.tensor([[5, 1, 0], [1, 5, 0], [0, 1, 2]]), torch.tensor([[3, 1], [2, 4]])]


def iou(counts):
    hits = counts.diag()
    return hits / (counts.sum(0) + counts.sum(1) - hits)


def recall(counts):
    return counts.diag() / counts.sum(1)


def dice(counts):
    return 2 * counts.diag() / (counts.sum(0) + counts.sum(1))


MISTAKES = {"That is recall.": recall, "That is Dice.": dice}


@pytest.fixture
def said(capsys, monkeypatch):
    """What check.function prints about these functions, as it does outside of the tests."""
    monkeypatch.delenv("SEGEDU_STRICT", raising=False)

    def said(yours, reference=iou, cases=COUNTS, **mistakes):
        assert function(yours, reference, cases, **mistakes) is None
        printed = capsys.readouterr().out
        assert printed.count("\n") == 1, "one line"
        return printed.strip()

    return said


def in_place(counts):
    hits = counts.diag().clone()
    counts.fill_diagonal_(0)
    return hits / (counts.sum(0) + counts.sum(1) + hits)


def test_right_functions(said):
    assert said(iou) == "Right in all 2 cases."
    assert said(lambda counts: iou(counts.double()), mistakes=MISTAKES) == "Right in all 2 cases.", "more precise"
    assert said(iou, cases=COUNTS[:1]) == "Right."


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (recall, "Case 1 of 2, [[5, 1, 0], [1, 5, 0], [0, 1, 2]]: 2 of 3 values are wrong, most of all at [1]: 0.8333"),
        (lambda c: iou(c)[None], r"its shape is (1, 3), wanted is (3,)"),
        (lambda c: iou(c).long(), "its dtype is torch.int64, wanted is torch.float32"),
        (lambda c: iou(c).numpy(), "wanted is a tensor of shape (3,)"),
        (lambda c: iou(c).mean().item(), "it gives 0.6687, wanted is a tensor of shape (3,)"),
        (lambda c: iou(c) + 2e-4, "3 of 3 values are wrong"),
        (lambda c: iou(c[:3, :3] if len(c) == 3 else c.T @ c), "Case 2 of 2, [[3, 1], [2, 4]]: 2 of 2 values"),
        (lambda c: torch.where(c.diag() == 2, torch.nan, iou(c)), "1 of 3 values are wrong, most of all at [2]: nan"),
        (lambda c: c[7], "[0, 1, 2]]: your function stops with IndexError: index 7"),
        (lambda: None, "your function stops with TypeError"),
        (lambda c: iou(c) if len(c) == 3 else None, "Case 2 of 2, [[3, 1], [2, 4]]: it gives None"),
        (in_place, "your function changes what it was handed"),
    ],
)
def test_wrong_functions_are_told_where(said, wrong, words):
    answer = said(wrong)
    assert answer.startswith("Not yet. Case ") and words in answer


def test_a_usual_mistake_gets_its_sentence(said):
    assert said(recall, mistakes=MISTAKES).endswith("That is recall.")
    assert said(lambda c: dice(c).double(), mistakes=MISTAKES).endswith("That is Dice.")
    other = said(lambda c: iou(c) ** 2, mistakes=MISTAKES)
    assert not any(sentence in other for sentence in MISTAKES)


def raises(counts):
    raise NotImplementedError


@pytest.mark.parametrize("nothing", [..., None, lambda counts: ..., lambda counts: None, raises])
def test_an_unwritten_function_is_told_so_even_in_the_tests(nothing, said, monkeypatch, capsys):
    assert said(nothing).startswith("Not answered yet: write your lines in place of ...")
    monkeypatch.setenv("SEGEDU_STRICT", "1")
    function(nothing, iou, COUNTS)
    assert "Not answered yet" in capsys.readouterr().out


def test_in_the_tests_a_wrong_solution_raises(monkeypatch):
    monkeypatch.setenv("SEGEDU_STRICT", "1")
    with pytest.raises(AssertionError, match=r"Not yet\. Case 1"):
        function(recall, iou, COUNTS)


@pytest.mark.parametrize(
    ("right", "fine", "wrong"),
    [
        (0.5, torch.tensor(0.5), 0.51), (torch.tensor(0.5), 0.5, torch.tensor(0.6)), (3, 3.0, 4), (True, True, False),
        (True, True, 1), ("road", "road", "sky"), ((2, 3), [2, 3], (3, 2)), ((2, 3), (2, 3), (2, 3, 4)),
        ([0.5, "a"], [0.5, "a"], [0.5, "b"]), (float("nan"), float("nan"), 0.0), (float("inf"), float("inf"), 1e9),
        (np.array([1, 2]), np.array([1, 2]), np.array([1, 3])), (np.array([1, 2]), np.array([1, 2]), [1, 2]),
        (torch.tensor([True]), torch.tensor([True]), torch.tensor([1])),
        (torch.tensor([1]), torch.tensor([1]), torch.tensor([1], dtype=torch.uint8)),
        (torch.tensor([torch.nan]), torch.tensor([torch.nan]), torch.tensor([0.0])),
        (torch.tensor([torch.inf]), torch.tensor([torch.inf]), torch.tensor([-torch.inf])),
        (torch.zeros(0), torch.zeros(0), torch.zeros(1)), ({"a": 1}, {"a": 1}, {"a": 2}),
    ],
)  # fmt: skip
def test_every_kind_of_answer_is_compared(said, right, fine, wrong):
    assert said(lambda n: fine, lambda n: right, [1]) == "Right."
    assert said(lambda n: wrong, lambda n: right, [1]).startswith("Not yet. Case 1 of 1, 1: ")


def test_a_case_of_two_arguments(said):
    assert said(lambda a, b: a - b, lambda a, b: b - a, [(1, 1), (2, 5)]).startswith("Not yet. Case 2 of 2, 2, 5: ")


def test_nobody_is_handed_what_another_has_changed(said):
    assert "changes what it was handed" in said(in_place)
    assert said(iou, in_place) == "Right in all 2 cases."


def test_the_checker_itself_is_checked():
    with pytest.raises(ValueError, match=r"do not tell the mistake 'Always one\.'"):
        function(iou, iou, [torch.eye(3)], mistakes={"Always one.": lambda counts: torch.ones(len(counts))})
    with pytest.raises(ValueError, match="needs a case"):
        function(iou, iou, [])
    with pytest.raises(TypeError, match="without brackets"):
        function(iou(COUNTS[0]), iou, COUNTS)
