"""Figures: sharp and small, with caption and description, panels that wrap, void mid-grey, objects in their colours."""

import io

import numpy as np
import pytest
import torch
from IPython.display import Markdown
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from PIL import Image
from scipy import stats

from segedu import plotting
from segedu.labels import CELLS, STREET
from segedu.metrics import ConfusionMatrix
from segedu.plotting import images, objects, plots, showing
from segedu.strokes import painted_over
from segedu.training.loop import History
from tests.tiny import BOXES, Boxes

PALE = np.arange(166, 256)  # the greys of what is right


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def shown(monkeypatch):
    """What show has displayed, as (what, metadata)."""
    seen = []
    monkeypatch.setattr(showing, "display", lambda what, metadata=None, **_: seen.append((what, metadata)))
    return seen


def titles(figure):
    return [axis.get_title("left") for axis in figure.axes]


def stored(figure) -> tuple[str, np.ndarray, int]:
    kind, data, width = showing.encoded(figure)
    return kind, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int), width


def noise(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def places(figure):
    """The (left, top) of each axis, from the left and from above, as ranks."""
    boxes = [axis.get_position() for axis in figure.axes]
    left, top = sorted({round(b.x0, 6) for b in boxes}), sorted({-round(b.y1, 6) for b in boxes})
    return [(left.index(round(b.x0, 6)), top.index(-round(b.y1, 6))) for b in boxes]


def test_panels_come_in_the_one_order_two_by_two():
    image, mask = Boxes()[0]
    figure = plotting.panels(image, mask, torch.zeros_like(mask), labels=BOXES)
    assert titles(figure) == ["Image", "Truth", "Prediction", "Error"]
    assert places(figure) == [(0, 0), (1, 0), (0, 1), (1, 1)]
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == ["ground", "bright box", "dark box", "void"]


def test_each_prediction_stands_beside_its_error_for_each_picture():
    images, masks = zip(*(Boxes()[i] for i in range(2)), strict=True)
    predictions = {"a": list(masks), "b": [torch.zeros_like(m) for m in masks]}
    figure = plotting.panels(list(images), list(masks), predictions, labels=BOXES)
    assert titles(figure) == ["Image", "Truth", "a", "Error of a", "b", "Error of b"] * 2
    assert places(figure) == [(column, row) for row in range(6) for column in (0, 1)]
    three = plotting.panels(list(images), list(masks), list(masks), labels=BOXES, error=False)
    assert titles(three) == ["Image", "Truth", "Prediction", "", "", ""]  # the first row's titles serve both
    with pytest.raises(ValueError, match="3 kinds of panels, but 1 titles"):
        plotting.panels(images[0], masks[0], masks[0], labels=BOXES, error=False, titles=["one"])


def test_the_error_is_the_grey_picture_with_red_where_wrong_and_mid_grey_where_void():
    truth = np.zeros((40, 60), np.uint8)
    truth[:, :20] = 255
    prediction = truth.copy()
    prediction[:, 40:] = 1
    wrong = images._error(prediction, truth)
    assert set(np.unique(wrong[:, :20])) == {255} and not wrong[:, 20:40].any() and (wrong[:, 40:] == 1).all()
    drawn = (255 * images._error_picture(noise(40, 60) / 255, prediction, truth)).round().astype(int)
    assert (drawn[:, :20] == 128).all() and (drawn[:, 40:] == [213, 94, 0]).all()
    right = drawn[:, 20:40]
    assert (right == right[..., :1]).all() and right.min() >= 165 and right.std() > 3


def test_there_are_no_empty_columns_and_no_thumbnails():
    assert len(plotting.pictures({"a": noise(30, 40)}, columns=4).axes) == 1
    for count, columns, least in ((1, 1, 440), (2, 2, 320), (3, 3, 230), (4, 2, 320), (6, 3, 230)):
        figure = plotting.pictures({str(i): noise(30, 40) for i in range(count)})
        assert len({left for left, _ in places(figure)}) == columns and len(figure.axes) == count
        figure.set_dpi(96)
        widths = [axis.get_window_extent().width for axis in figure.axes]
        assert min(widths) >= least and 96 * figure.get_size_inches()[0] <= 760
    assert 300 < plotting.pictures({"a": noise(30, 40)}, width=320).get_size_inches()[0] * 96 <= 320
    with pytest.raises(ValueError, match="no picture to draw"):
        plotting.pictures({})


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_squares_of_small_pictures_stay_squares(count):
    picture = np.uint8(200 * (np.indices((12, 17)).sum(0) % 2))
    kind, pixels, _ = stored(plotting.pictures({str(i): picture for i in range(count)}))
    middle = pixels[pixels.shape[0] // 2 - (count == 6) * 40, :, 0]
    runs = np.diff(np.flatnonzero(np.diff(middle)))
    squares = runs[(runs > 20) & (runs < 100)]  # between pictures 18
    across = {1: 1, 2: 2, 3: 3, 6: 3}[count]
    assert kind == "image/png" and len(squares) == 17 * across
    assert sorted(squares)[: 2 * across] == [squares.max() - 1] * 2 * across  # the frame lies on half a pixel of them
    assert (squares == squares.max()).sum() == 15 * across


def test_show_says_the_point_below_and_the_description_to_those_who_cannot_see(shown):
    figure = plotting.overlay(*Boxes()[0], BOXES)
    plotting.show(figure, "Boxes are *labelled*.", alt="Two boxes on\n  the ground.")
    (picture, metadata), (caption, _) = shown
    assert picture["image/png"].startswith(b"\x89PNG") and picture["text/plain"] == "Two boxes on the ground."
    width = Image.open(io.BytesIO(picture["image/png"])).width
    assert metadata == {"image/png": {"alt": "Two boxes on the ground.", "width": -(-width // 2)}}
    assert isinstance(caption, Markdown) and caption.data == r"*Boxes are \*labelled\*.*"
    assert not plt.fignum_exists(figure.number)


def test_one_text_serves_for_both_where_a_lesson_has_no_other_yet(shown):
    plotting.show(plotting.pictures({"a": noise(4, 4)}), "Noise.")
    assert shown[0][1]["image/png"]["alt"] == "Noise." and shown[1][0].data == "*Noise.*"


@pytest.mark.parametrize(
    ("texts", "says"),
    [(("  ",), "needs a caption"), (("a", " "), "needs an alternative text"), (("a", "a"), "are the same"),
     ((None,), "needs a caption")],
)  # fmt: skip
def test_a_figure_without_words_is_refused(texts, says):
    with pytest.raises(ValueError, match=says):
        plotting.show(Figure(), *texts)


def test_a_wide_figure_is_760_pixels_of_two_dots_each():
    for inches in (plotting.WIDE, 12):
        figure, axis = plt.subplots(figsize=(inches, 3))
        axis.set_position((0, 0, 1, 1))
        axis.plot([0, 1])
        _, pixels, width = stored(figure)
        assert 758 <= width <= 760 and pixels.shape[1] in (2 * width, 2 * width - 1)


def test_line_drawings_have_a_palette_and_exact_white():
    figure = plotting.learning_curves({"a": History(loss=[1.0, 0.5] * 9), "b": History(loss=[2.0, 0.1] * 9)})
    kind, data, _ = showing.encoded(figure)
    image = Image.open(io.BytesIO(data))
    assert kind == "image/png" and image.mode == "P" and len(data) < 40_000
    pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    assert (pixels[:200] == 255).all() and (pixels == 255).all(1).mean() > 0.8


def test_a_palette_changes_no_pixel_by_more_than_eight():
    ramp = np.tile(np.arange(256, dtype=np.uint8)[None, :, None], (20, 1, 3))
    many = np.concatenate([ramp * np.uint8([1, 0, 0]), ramp * np.uint8([0, 1, 1]), 255 - ramp])
    image = showing._few_colours(many)
    away = np.abs(np.asarray(image.convert("RGB")).astype(int) - many).max()
    assert image.mode == "P" and 0 < away <= 8
    assert np.array_equal(np.asarray(showing._few_colours(ramp).convert("RGB")), ramp)
    assert showing._few_colours(noise(60, 80)) is None


def test_photographs_are_jpegs_and_enlarged_pixels_stay_exact():
    smooth = np.random.default_rng(1).normal(size=(400, 600, 3)).cumsum(0).cumsum(1)
    smooth += 300 * np.random.default_rng(2).normal(size=smooth.shape)
    photograph = np.uint8(255 * (smooth - smooth.min()) / np.ptp(smooth))
    assert stored(plotting.pictures({"a": photograph}))[0] == "image/jpeg"
    kind, pixels, _ = stored(plotting.pictures({"a": noise(60, 80)}))
    assert kind == "image/png" and {tuple(c) for c in noise(60, 80)[1:-1, 1:-1].reshape(-1, 3).tolist()} <= {
        tuple(c) for c in pixels.reshape(-1, 3).tolist()
    }


def test_the_colours_of_rare_classes_survive_in_the_stored_picture():
    mask = np.random.default_rng(0).integers(0, 2, (60, 80))
    for k in range(2, 11):  # a handful of pixels each
        mask[5 * k : 5 * k + 4, 5:15] = k
    _, pixels, _ = stored(plotting.panels(noise(60, 80), mask, labels=STREET))
    for name, colour in zip(STREET.names, STREET.colours, strict=True):
        assert np.abs(pixels.reshape(-1, 3) - colour).max(1).min() <= 6, name


def test_confusion_rows_are_percentages_of_the_truth():
    matrix = ConfusionMatrix(3).update(torch.tensor([0, 0, 0, 1]), torch.tensor([0, 0, 1, 1]))
    figure = plotting.confusion(matrix, BOXES)
    written = {(int(t.get_position()[1]), int(t.get_position()[0])): t.get_text() for t in figure.axes[0].texts}
    assert written == {(0, 0): "100", (1, 0): "50", (1, 1): "50"}
    _, pixels, _ = stored(plotting.confusion(matrix, BOXES))
    assert (pixels[:, 0] == 255).all()  # nothing is cut off at the left


def test_learning_curves_have_a_second_panel_only_with_validations():
    plain = History(loss=[1.0, 0.5, 0.2])
    scored = History(loss=[1.0] * 20, validations=[{"step": 20, "mean_iou": 0.4, "pixel_accuracy": 0.8}])
    assert len(plotting.learning_curves({"a": plain}).axes) == 1
    figure = plotting.learning_curves({"a": plain, "b": scored}, baselines={"all road": 50})
    assert [[t.get_text() for t in axis.texts] for axis in figure.axes] == [["a", "b"], ["all road", "b"]] or [
        [t.get_text() for t in axis.texts] for axis in figure.axes
    ] == [["b", "a"], ["all road", "b"]]
    assert figure.axes[1].get_ylim()[1] >= 50 and figure.axes[1].get_ylim()[0] == 0


def test_bars_start_at_zero_fall_and_have_their_numbers():
    figure = plotting.bars({"pole": 0.9, "road": 38.24}, label="pixels (%)", baselines={"all": 50})
    axis = figure.axes[0]
    assert [text.get_text() for text in axis.get_yticklabels()] == ["road", "pole"]
    assert [text.get_text() for text in axis.texts] == ["38.2", "0.9", "all"]
    assert axis.get_xlim()[0] == 0 and axis.get_xlim()[1] > 50 and axis.get_xscale() == "linear"
    assert [bar.get_width() for bar in axis.patches] == [38.24, 0.9]
    arms = {"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 4}}
    two = plotting.bars(arms, {"y": "the y"}, order="given", ours="b")
    assert [axis.get_xlabel() for axis in two.axes] == ["the y"]
    assert [to_hex(bar.get_facecolor()).upper() for bar in two.axes[0].patches] == [plotting.LIGHT, plotting.BLUE]
    for wrong in ({}, {"a": {"x": 1}, "b": {"y": 1}}):
        with pytest.raises(ValueError, match=r"nothing to draw|'b' has no score 'x'"):
            plotting.bars(wrong)


def test_the_interval_of_seeds_is_students():
    numbers = np.array([38.0, 41.5, 39.2, 40.1, 37.7])
    mean, half = plots.mean_interval(numbers)
    low, high = stats.t.interval(0.95, 4, loc=numbers.mean(), scale=stats.sem(numbers))
    assert (mean - half, mean + half) == pytest.approx((low, high))
    assert plots.mean_interval(numbers[:1]) == (38.0, 0.0)
    figure = plotting.seeds({"a": torch.tensor(numbers), "b": [50.0, np.nan]}, baselines={"all road": 30})
    axis = figure.axes[0]
    dots = axis.lines[0]
    assert np.array_equal(dots.get_xdata(), numbers) and dots.get_alpha() == 0.6
    assert np.ptp(dots.get_ydata()) > 0.2 and np.abs(dots.get_ydata()).max() < 0.3
    assert list(axis.lines[1].get_xdata()) == pytest.approx([low, high])
    assert [text.get_text() for text in axis.texts] == ["39.3", "50.0", "all road"]
    assert axis.get_xlim()[0] < 30 and len(axis.lines) == 3 + 2 + 1  # b has no interval
    again = plotting.seeds({"a": numbers}).axes[0].lines[0].get_ydata()
    assert np.array_equal(again, dots.get_ydata())
    with pytest.raises(ValueError, match="nothing to draw"):
        plotting.seeds({"a": [np.nan]})


TRUE = np.zeros((20, 40), np.int32)
TRUE[2:8, 2:8], TRUE[2:8, 8:14], TRUE[2:8, 20:30], TRUE[12:18, 2:8], TRUE[12:18, 20:26] = 1, 2, 3, 4, 5


def found_with_faults():
    found = np.zeros_like(TRUE)
    found[2:8, 2:14] = 7  # 1 and 2 in one
    found[2:8, 20:26], found[2:8, 26:30] = 8, 9  # 3 in two
    found[12:18, 3:9] = 3  # 4, a little off
    found[12:16, 32:38] = 1  # nothing is there; 5 is missed
    return found


def test_faults_of_objects_are_known_by_overlap():
    faults = objects.faults(found_with_faults(), TRUE)
    assert faults.partner == {7: faults.partner[7], 8: 3, 9: 3, 3: 4} and faults.partner[7] in (1, 2)
    assert (faults.merged, faults.split, faults.invented, faults.missed) == ({7}, {9}, {1}, {5})
    perfect = objects.faults(TRUE, TRUE)
    assert perfect == objects.Faults({i: i for i in range(1, 6)}, set(), set(), set(), set())


def test_found_objects_have_the_colour_of_their_true_object():
    found = found_with_faults()
    figure = plotting.instances({"Truth": TRUE, "Found": found}, like=TRUE)
    truth, answer = (axis.images[0].get_array() for axis in figure.axes)
    assert tuple(answer[3, 21]) == tuple(answer[3, 28]) == tuple(truth[3, 21])
    assert tuple(answer[14, 5]) == tuple(truth[14, 5]) and tuple(answer[3, 3]) in (
        tuple(truth[3, 3]),
        tuple(truth[3, 9]),
    )
    grey = answer[13, 33]
    assert grey[0] == grey[1] == grey[2] and tuple(truth[14, 22]) not in {tuple(c) for c in answer.reshape(-1, 3)}
    assert (answer[0, 0] == 1).all() and tuple(truth[3, 3]) != tuple(truth[3, 9])
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == ["merged: 1", "split: 1", "invented: 1", "missed: 1"]
    outlined = {
        to_hex(line.get_color()[0]).upper(): [path.vertices for path in line.get_paths()]
        for line in figure.axes[1].collections
        if hasattr(line, "get_segments") and line.get_linestyle()[0][1] is not None and len(line.get_segments())
    }
    assert outlined.keys() == {plotting.BLACK, plotting.WRONG}


def test_objects_keep_their_colour_from_picture_to_picture():
    later = np.roll(TRUE, 3, 1)
    figure = plotting.instances({"0 s": TRUE, "1 s": later}, like={"0 s": TRUE, "1 s": later}, image=noise(20, 40))
    first, second = (axis.images[0].get_array() for axis in figure.axes)
    assert np.array_equal(first[TRUE > 0], second[later > 0]) and not figure.legends
    assert PALE.min() <= 255 * first[TRUE == 0].min()  # the picture lies below, in pale grey
    with pytest.raises(ValueError, match="one size"):
        plotting.instances(TRUE, image=noise(4, 4))


def test_neighbours_differ_in_colour():
    ids = np.arange(1, 101, dtype=np.int32).reshape(10, 10).repeat(6, 0).repeat(6, 1)
    colours = objects._colours([ids])
    near = {(a, b) for a in colours for b in (a + 1, a + 10) if b in colours and (b == a + 10 or a % 10)}
    assert all(colours[a] != colours[b] for a, b in near) and set(colours.values()) == set(objects._COLOURS)
    assert plotting.WRONG not in colours.values() and all(max(to_rgb(c)) > 0.4 for c in colours.values())


def test_neighbours_differ_in_colour_where_the_middle_of_one_is_far_away():
    ids = np.zeros((60, 200), np.int32)
    ids[0] = 1  # long, its middle far from where 7 touches it; 2 … 6, which have the other colours, are nearer
    for name in range(2, 7):
        ids[10 * name - 5, 190:] = name
    ids[1:4, 195:] = 7
    assert objects._colours([ids])[7] != objects._colours([ids])[1]


def test_an_outline_closes_around_each_part():
    mask = np.zeros((6, 6), np.int32)
    mask[1:3, 1:4] = 1
    lines = objects._joined(objects._edges(np.pad(mask, 1), shift=1))
    assert len(lines) == 1 and lines[0][0] == lines[0][-1] and len(lines[0]) == 11
    assert {x for x, _ in lines[0]} == {0.5, 1.5, 2.5, 3.5} and {y for _, y in lines[0]} == {0.5, 1.5, 2.5}


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
