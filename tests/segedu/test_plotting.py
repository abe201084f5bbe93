"""Figures carry their caption as alternative text, draw ignored pixels apart, and name the classes that occur."""

import io

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from segedu import plotting
from segedu.labels import CELLS, STREET
from segedu.metrics import ConfusionMatrix
from segedu.strokes import painted_over
from segedu.training.loop import History
from tests.tiny import BOXES, Boxes


def drawn(figure: Figure) -> np.ndarray:
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3]


def test_panels_come_in_the_one_order():
    image, mask = Boxes()[0]
    figure = plotting.panels(image, mask, torch.zeros_like(mask), labels=BOXES)
    assert [axis.get_title() for axis in figure.axes] == ["image", "truth", "prediction", "error"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "ground",
        "bright box",
        "dark box",
        "ignored",
    ]


def test_rows_and_several_predictions():
    images, masks = zip(*(Boxes()[i] for i in range(3)), strict=True)
    predictions = {"a": list(masks), "b": [torch.zeros_like(m) for m in masks]}
    figure = plotting.panels(list(images), list(masks), predictions, labels=BOXES)
    titles = [axis.get_title() for axis in figure.axes if axis.get_title()]
    assert titles == ["image", "truth", "a", "error of a", "b", "error of b"] and len(figure.axes) == 18


def test_the_error_is_white_where_right_dark_where_wrong_and_striped_where_ignored():
    truth = np.zeros((40, 60), np.uint8)
    truth[:, :20] = 255
    prediction = truth.copy()
    prediction[:, 40:] = 1
    wrong = plotting._error(prediction, truth)
    assert set(np.unique(wrong[:, :20])) == {255} and not wrong[:, 20:40].any() and (wrong[:, 40:] == 1).all()
    figure = plotting.panels(np.zeros((40, 60, 3), np.uint8), truth, prediction, labels=BOXES, legend=False)
    error_axis = figure.axes[-1]
    picture = drawn(figure)
    box = error_axis.get_window_extent()
    rows = picture[
        int(picture.shape[0] - box.y1) + 4 : int(picture.shape[0] - box.y0) - 4, int(box.x0) + 4 : int(box.x1) - 4
    ]
    third = rows.shape[1] // 3
    ignored, right, bad = rows[:, : third - 4], rows[:, third + 4 : 2 * third - 4], rows[:, 2 * third + 4 :]
    assert right.min() > 240 and bad.max() < 60
    assert ignored.std() > 30 and {tuple(c) for c in ignored.reshape(-1, 3)} >= {(255, 255, 255), (128, 128, 128)}


def test_show_gives_the_caption_as_alternative_text_and_below(monkeypatch):
    shown = []
    monkeypatch.setattr(plotting, "display", lambda *what, **how: shown.append((what[0], how)))
    plotting.show(plotting.overlay(*Boxes()[0], BOXES), "Two boxes on the ground.")
    (picture, how), (caption, _) = shown
    assert (
        picture["image/png"].startswith(b"\x89PNG")
        and how["metadata"]["image/png"]["alt"] == "Two boxes on the ground."
    )
    assert caption.data == "*Two boxes on the ground.*"
    with pytest.raises(ValueError, match="needs a caption"):
        plotting.show(Figure(), "  ")


def test_confusion_rows_are_percentages_of_the_truth():
    matrix = ConfusionMatrix(3).update(torch.tensor([0, 0, 0, 1]), torch.tensor([0, 0, 1, 1]))
    figure = plotting.confusion(matrix, BOXES)
    written = {(int(t.get_position()[1]), int(t.get_position()[0])): t.get_text() for t in figure.axes[0].texts}
    assert written == {(0, 0): "100", (1, 0): "50", (1, 1): "50"}


def test_learning_curves_have_a_second_panel_only_with_validations():
    plain = History(loss=[1.0, 0.5, 0.2])
    scored = History(loss=[1.0] * 20, validations=[{"step": 20, "mean_iou": 0.4, "pixel_accuracy": 0.8}])
    assert len(plotting.learning_curves({"a": plain}).axes) == 1
    assert len(plotting.learning_curves({"a": plain, "b": scored}).axes) == 2


def test_pictures_stand_under_their_names_in_rows():
    shown = {name: np.full((20, 30, 3), value, np.uint8) for name, value in (("a", 0), ("b", 99), ("c", 200))}
    figure = plotting.pictures(shown, columns=2)
    assert [axis.get_title() for axis in figure.axes] == ["a", "b", "c", ""]
    brightest = [255 * float(axis.images[0].get_array().max()) for axis in figure.axes[:3]]
    assert brightest == pytest.approx([0, 99, 200])
    assert len(plotting.pictures(shown).axes) == 3 and not figure.axes[3].images


def test_the_colours_of_rare_classes_survive_in_the_stored_picture(monkeypatch):
    shown = []
    monkeypatch.setattr(plotting, "display", lambda *what, **how: shown.append(what[0]))
    random = np.random.default_rng(0)
    mask = random.integers(0, 2, (60, 80))
    for k in range(2, 11):  # a handful of pixels each
        mask[5 * k : 5 * k + 4, 5:15] = k
    photograph = random.integers(0, 256, (60, 80, 3), np.uint8)
    plotting.show(plotting.panels(photograph, mask, labels=STREET), "Noise and its classes.")
    stored = np.array(Image.open(io.BytesIO(shown[0]["image/png"])).convert("RGB")).reshape(-1, 3).astype(int)
    for name, colour in zip(STREET.names, STREET.colours, strict=True):
        assert np.abs(stored - colour).max(1).min() <= 6, name


def test_maps_come_as_validate_mask_takes_them():
    image, mask = np.zeros((20, 30, 3), np.uint8), np.eye(20, 30) > 0
    for given in (mask, torch.from_numpy(mask), mask.astype(">i4"), mask.tolist()):
        drawn = plotting.overlay(image, given, CELLS).axes[0].images[1].get_array()
        assert np.array_equal(drawn, CELLS.palette[mask.astype(int)])
        assert np.array_equal(painted_over(image, given, CELLS), CELLS.palette[mask.astype(int)])
    plotting.panels(image, mask, mask[None], labels=CELLS)
    for wrong, says in (
        (mask * 1.0, "float64"), (mask[..., None], "squeeze"), (mask * -1, "holds -1"), (mask * 256, "holds 256"),
        (mask[:, :9], "one size"),
    ):  # fmt: skip
        for draw in (plotting.overlay, painted_over):
            with pytest.raises(ValueError, match=says):
                draw(image, wrong, CELLS)
    with pytest.raises(ValueError, match="1 pictures, but 2 maps of 'truth'"):
        plotting.panels(image, [mask, mask], labels=CELLS)
    with pytest.raises(ValueError, match="one size"):
        plotting.panels(image, mask, mask[:1], labels=CELLS)
