"""The examples in docstrings run, and show what they say."""

import doctest
import inspect

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torchvision import tv_tensors

import segedu
from segedu import check, diagrams, plotting, scoreboard, statistics
from segedu.datasets import ToyStreet
from segedu.labels import STREET
from tests.project.test_docstrings import offered

ROOMS = {"check": check, "diagrams": diagrams, "plotting": plotting, "scoreboard": scoreboard, "statistics": statistics}
GLOBALS = {"np": np, "torch": torch, "segedu": segedu, "tv_tensors": tv_tensors, **ROOMS}
# what lessons call most: each of them shows how
SHOWN = (
    "segedu.semantic_segmentation", "segedu.instance_segmentation", "segedu.metrics.ConfusionMatrix",
    "segedu.metrics.average_precision", "segedu.crf.dense_crf", "segedu.losses.cross_entropy",
    "segedu.losses.dice_loss", "segedu.transforms.augment",
)  # fmt: skip


@pytest.fixture(scope="module")
def at_hand() -> dict:
    """What an example may speak of without making it: a street with its truth, its objects, a map, a network."""
    image, mask, ids = ToyStreet("val", instances=True)[0]
    prediction = torch.roll(mask, 2, 1)
    model, found = segedu.models.SmallNet(len(STREET)), torch.roll(ids, 1, 1)
    history = segedu.fit(model, [(image, mask)] * 2, steps=2, batch_size=2, progress=False)
    street = {"image": image, "truth": mask, "mask": mask, "prediction": prediction, "ids": ids, "found": found}
    return {**GLOBALS, **street, "labels": STREET, "STREET": STREET, "model": model,
            "logits": model(image[None])[0].detach(), "history": history}  # fmt: skip


def examples() -> dict[str, list[doctest.Example]]:
    """{name: the examples in its own docstring}, of all names for readers that have some."""
    # of a class its own docstring, not its parent's
    own = {name: vars(item) if inspect.isclass(item) else {"__doc__": item.__doc__} for name, item in offered().items()}
    texts = {name: of_item.get("__doc__") or "" for name, of_item in own.items()}
    found = {name: doctest.DocTestParser().get_examples(text) for name, text in texts.items()}
    return {name: lines for name, lines in found.items() if lines}


def failures(name: str, lines: list[doctest.Example], item, at_hand: dict) -> str:
    """What doctest says about the examples that do not show what stands below them; else nothing."""
    told = []
    around = {**at_hand, item.__name__: item}
    test = doctest.DocTest(lines, around, name, None, None, None)
    doctest.DocTestRunner(verbose=False).run(test, out=told.append)
    return "".join(told)


EXAMPLES = examples()


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_an_example_runs_and_shows_what_it_says(name, at_hand, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    assert not failures(name, EXAMPLES[name], offered()[name], at_hand)
    plt.close("all")


def test_what_lessons_call_most_is_shown():
    assert set(SHOWN) <= EXAMPLES.keys()


def test_an_example_that_is_wrong_is_seen():
    wrong = doctest.DocTestParser().get_examples(">>> len([1])\n2\n")
    assert "Expected:" in failures("wrong", wrong, len, GLOBALS)
    assert "NameError" in failures("unknown", doctest.DocTestParser().get_examples(">>> nothing_such\n"), len, GLOBALS)
