"""The weights that ship: small, described, in float32 when loaded, and as good as their notes say."""

import pytest
import torch

import segedu
from benchmarks.weighing import class_weights
from benchmarks.weights import FOLDER, WEIGHTS, scores
from segedu import files
from segedu.training.checkpoints import read
from tests.tiny import Boxes

SHIPPED = sorted(file.stem for file in FOLDER.glob("*.safetensors"))


def test_what_ships_is_what_the_script_makes():
    assert set(SHIPPED) == set(WEIGHTS)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights_are_small_described_and_load_as_float32(name):
    assert (FOLDER / f"{name}.safetensors").stat().st_size <= 2e6
    model = segedu.load(name)
    assert all(tensor.dtype != torch.float16 for tensor in model.state_dict().values())
    notes = read(FOLDER / f"{name}.safetensors")[1]["notes"]
    card = files.shipped("weights", "README.md").read_text(encoding="utf-8")
    assert notes["command"] in card
    row = next(line for line in card.splitlines() if line.startswith(f"| `{name}`"))
    assert f"| {notes['steps']} |" in row and f"| {100 * notes['val_mean_iou']:.1f} |" in row


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights_score_what_their_notes_say(name):
    notes = read(FOLDER / f"{name}.safetensors")[1]["notes"]
    found = scores(segedu.load(name), WEIGHTS[name].val(), panoptic=WEIGHTS[name].panoptic)
    assert set(found) == {key for key in notes if key.startswith("val_")}
    for score, value in found.items():
        # a single object may change sides by rounding alone
        assert value == pytest.approx(notes[score], abs=2e-3 if "mean" in score or "pixel" in score else 6e-3), score


def test_class_weights_are_one_over_the_root_of_the_share():
    boxes = Boxes(length=3)
    masks = torch.stack([mask for _, mask in boxes])
    shares = torch.tensor([(masks == k).sum() / (masks != 255).sum() for k in range(3)])
    assert torch.allclose(class_weights(boxes), shares**-0.5)
