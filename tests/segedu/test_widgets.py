"""The Python side of the figures; what the browser does with them stands in test_browser.py."""

import io
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from segedu import widgets
from segedu.labels import STREET, LabelTable
from segedu.masks import MaskError
from segedu.strokes import draw_strokes

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)
CUP = ("cup", [(1, 2), (4, 2)])
TABLE = ("table", [(8, 5)])


def painter(**options):
    return widgets.scribble(PIXELS, ["cup", "table"], **options)


def test_importing_segedu_brings_no_widgets():
    code = "import segedu, sys; print({'ipywidgets', 'anywidget', 'segedu.widgets'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


def test_without_anywidget_a_sentence_says_what_to_type():
    code = "import sys; sys.modules['anywidget'] = None; import segedu.widgets"
    run = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True)
    assert run.returncode and "pip install anywidget" in run.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "image",
    [PIXELS, Image.fromarray(PIXELS), torch.from_numpy(PIXELS).permute(2, 0, 1) / 255],
    ids=["array", "PIL", "tensor"],
)
def test_every_form_of_a_picture_is_sent_without_loss(image):
    for figure in (widgets.scribble(image, ["cup"]), widgets.overlay(image, np.eye(6, 9, dtype=np.uint8), ["a", "b"])):
        assert (np.array(Image.open(io.BytesIO(figure.picture))) == PIXELS).all()
        assert figure.size == (6, 9)


def test_strokes_at_the_start_are_the_mask():
    figure = painter(strokes=[CUP, (1, np.array([[8, 5]]))], brush=3)
    assert figure.strokes == [CUP, TABLE]
    assert (figure.mask == draw_strokes([CUP, TABLE], figure.labels, (6, 9), 3)).all()
    assert figure.mask[2, 1] == 0 and figure.mask[5, 8] == 1 and figure.mask[0, 8] == 255


def test_what_the_browser_sends_arrives_in_the_form_of_a_cell():
    figure = painter()
    seen = []
    figure.observe(lambda change: seen.append(change.new), "strokes")
    figure.set_state({"strokes": [["cup", [[1, 2], [4, 2]]]]})
    figure.set_state({"strokes": [["cup", [[1, 2], [4, 2]]], ["table", [[8, 5]]]]})
    assert figure.strokes == [CUP, TABLE] and figure.mask[5, 8] == 1
    figure.set_state({"strokes": [["cup", [[1, 2], [4, 2]]]]})  # “Undo”
    assert figure.strokes == [CUP] and figure.mask[5, 8] == 255
    figure.set_state({"strokes": []})  # “Clear”
    assert seen == [[CUP], [CUP, TABLE], [CUP], []] and (figure.mask == 255).all()


def test_refused_strokes_change_nothing():
    figure = painter(strokes=[CUP])
    with pytest.raises(ValueError, match="outside the picture"):
        figure.strokes = [CUP, ("cup", [(9, 0)])]
    assert figure.strokes == [CUP]
    with pytest.raises(KeyError, match="no class 'mug'"):
        painter(strokes=[("mug", [(0, 0)])])
    with pytest.raises(ValueError, match="at least 1"):
        painter(brush=0)


def test_classes_without_colours_get_different_ones():
    figure = widgets.scribble(PIXELS, list("abcdefgh"))
    assert figure.labels.names == tuple("abcdefgh") and len(set(figure.colours)) == 8
    for labels in (list("abcdefghi"), [], "cup"):
        with pytest.raises(ValueError, match="list of 1 to 8 class names"):
            widgets.scribble(PIXELS, labels)


def test_a_label_table_keeps_its_colours():
    table = LabelTable(("a", "b"), ((1, 2, 3), (4, 5, 6)))
    assert widgets.scribble(PIXELS, table).colours == table.colours


def test_the_overlay_sends_one_byte_a_pixel():
    mask = np.arange(54).reshape(6, 9) % 11
    mask[0, 0] = 255
    figure = widgets.overlay(PIXELS, torch.from_numpy(mask), STREET, prediction=np.zeros((6, 9), int))
    assert figure.mask_bytes == mask.astype(np.uint8).tobytes() and figure.prediction_bytes == bytes(54)
    assert widgets.overlay(PIXELS, mask, STREET).prediction_bytes is None


@pytest.mark.parametrize(
    ("image", "changes", "error", "words"),
    [
        (PIXELS, {"mask": np.zeros((9, 6), int)}, MaskError, "The mask is 9 × 6"),
        (PIXELS, {"mask": np.full((6, 9), 11)}, MaskError, "The mask holds 1 value .*: 11 in 54"),
        (PIXELS, {"prediction": np.full((6, 9), 30)}, MaskError, "The prediction holds 1 value .*: 30 in 54"),
        (PIXELS, {"opacity": 50}, ValueError, "from 0 .* to 1 .*, got 50"),
        (PIXELS / 1.0, {}, ValueError, "must lie in 0…1"),
        (PIXELS.transpose(2, 0, 1), {}, ValueError, r"A picture is an array \(H, W\)"),
        ([1, 2], {}, TypeError, "not list"),
    ],
)
def test_errors_are_sentences(image, changes, error, words):
    with pytest.raises(error, match=words):
        widgets.overlay(image, **({"mask": np.zeros((6, 9), int), "labels": STREET} | changes))


def test_two_runs_of_a_cell_store_the_same_text():
    texts = {repr(painter()), repr(painter())}
    assert texts == {"<Scribble 6 × 9: run this cell in Jupyter or Colab>"}


def test_javascript_and_style_travel_and_name_no_address():
    figure = painter()
    assert "function scribble" in str(figure._esm) and ".segedu" in str(figure._css)
    assert "://" not in str(figure._esm) + str(figure._css)


def test_sliders_draw_the_start_and_draw_anew_when_one_moves():
    seen, open_before = [], plt.get_fignums()

    def draw(**values):
        seen.append(values)
        figure = plt.figure(figsize=(values["inches"], 1))
        return figure

    box = widgets.sliders(draw, inches=(1, 4, 2), sigma=(0.0, 5.0, 1.5))
    inches, sigma, picture = box.children
    assert seen == [{"inches": 2, "sigma": 1.5}]
    assert Image.open(io.BytesIO(picture.value)).size == (2 * 192, 192) and picture.layout.width == "192px"
    inches.value, sigma.value = 3, 0.1
    assert seen[1:] == [{"inches": 3, "sigma": 1.5}, {"inches": 3, "sigma": 0.1}]
    assert Image.open(io.BytesIO(picture.value)).size == (3 * 192, 192) and picture.layout.width == "288px"
    assert plt.get_fignums() == open_before


@pytest.mark.parametrize("limits", [(2, 1, 1), (0, 1, 2), (1, 1, 1)])
def test_a_slider_without_a_range_is_refused(limits):
    with pytest.raises(ValueError, match="low ≤ start ≤ high"):
        widgets.sliders(lambda w0: plt.figure(), w0=limits)


def test_the_picture_beside_a_painter_follows_its_strokes():
    def draw(strokes):
        if not strokes:
            raise ValueError("Paint <something>.")
        return np.full((6, 9, 3), 10 * len(strokes), np.uint8)

    def shown():
        return np.array(Image.open(io.BytesIO(picture.value)))[0, 0, 0], said.value

    figure = painter(strokes=[CUP])
    _, beside = widgets.follow(figure, draw).children
    said, picture = beside.children
    assert shown() == (10, "Learnt from 1 strokes.")
    figure.set_state({"strokes": [["cup", [[1, 2], [4, 2]]], ["table", [[8, 5]]]]})
    assert shown() == (20, "Learnt from 2 strokes.")
    figure.set_state({"strokes": []})
    assert shown() == (20, "Paint &lt;something&gt;.")
