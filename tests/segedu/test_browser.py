"""The two figures as a reader uses them: a real JupyterLab, a real browser, a mouse and a keyboard."""

import io

import nbformat
import numpy as np
import pytest
from PIL import Image

from tests import lab

REASON = lab.why_not()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(REASON), reason=REASON or "")]

HEIGHT, WIDTH = 40, 60
PICTURE = (200, 180, 60)
BLUE, ORANGE = (0, 114, 178), (230, 159, 0)
PAINTER, READ_STROKES, READ_MASK, UNDO, OVERLAY = range(1, 6)
CELLS = [
    f"""
import numpy as np
from segedu import widgets

image = np.empty(({HEIGHT}, {WIDTH}, 3), np.uint8)
image[:] = {PICTURE}
mask = np.zeros(({HEIGHT}, {WIDTH}), np.uint8)
mask[:, 30:] = 1
mask[30:] = 255
prediction = np.where(mask == 1, 1, 0)
prediction[:10, 30:] = 0
""",
    'painter = widgets.scribble(image, ["cup", "table"], strokes=[("table", [(50, 35)]), ("cup", [(0, 0)])])\npainter',
    "print(painter.strokes)",
    "print(painter.mask.tobytes().hex())",
    "painter.strokes = painter.strokes[:-1]",
    'widgets.overlay(image, mask, ["cup", "table"], prediction=prediction)',
]


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    cells = [nbformat.v4.new_code_cell(source.strip()) for source in CELLS]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "figures.ipynb")
    with lab.laboratory(folder) as running:
        running.page = running.open_lesson(folder / "figures.ipynb")
        running.run_all(running.page)
        running.page.locator(".segedu canvas").nth(1).wait_for()
        yield running


@pytest.fixture
def painter(laboratory):
    return laboratory.page.locator(".segedu").nth(0)


@pytest.fixture
def overlay(laboratory):
    figure = laboratory.page.locator(".segedu").nth(1)
    figure.scroll_into_view_if_needed()
    return figure


def place(figure, x, y):
    """Where on the screen the middle of the picture's pixel (x, y) is."""
    box = figure.locator("canvas").bounding_box()
    return box["x"] + (x + 0.5) * box["width"] / WIDTH, box["y"] + (y + 0.5) * box["height"] / HEIGHT


def draw(page, figure, points):
    figure.scroll_into_view_if_needed()
    page.mouse.move(*place(figure, *points[0]))
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*place(figure, *point), steps=10)
    page.mouse.up()


def painted_on_screen(figure):
    """The class ids that the browser shows, (H, W) uint8, 255 where the canvas is clear."""
    colours = lab.canvas_pixels(figure)
    ids = np.full((HEIGHT, WIDTH), 255, np.uint8)
    for class_id, colour in enumerate((BLUE, ORANGE)):
        ids[(colours == (*colour, 255)).all(2)] = class_id
    assert ((ids < 255) == (colours[..., 3] > 0)).all()
    return ids


def colour_at(figure, x, y):
    """The colour that a reader sees at the picture's pixel (x, y)."""
    figure.page.mouse.move(0, 0)
    shot = Image.open(io.BytesIO(figure.locator(".segedu-frame").screenshot())).convert("RGB")
    return shot.getpixel((round((x + 0.5) * shot.width / WIDTH), round((y + 0.5) * shot.height / HEIGHT)))


def close_to(colour):
    return pytest.approx(colour, abs=3)


def strokes_in_python(laboratory, number):
    """The painter's strokes as a cell prints them, once there are so many."""
    said = laboratory.run_until(laboratory.page, READ_STROKES, lambda said: len(eval(said)) == number)
    strokes = eval(said)
    assert len(strokes) == number
    return strokes


def test_everything_ran(laboratory):
    assert laboratory.errors_of_cells(laboratory.page) == []
    assert laboratory.printed(laboratory.page, READ_STROKES) == "[('table', [(50, 35)]), ('cup', [(0, 0)])]\n"


def test_a_stroke_of_the_mouse_reaches_python(laboratory, painter):
    page = laboratory.page
    before = painted_on_screen(painter)
    assert before[35, 50] == 1 and before[0, 0] == 255, "a cell of Python has taken the second stroke away"
    draw(page, painter, [(10, 10), (30, 20), (30, 30)])
    assert (painted_on_screen(painter) != before).sum() > 100
    strokes = strokes_in_python(laboratory, 2)
    assert [name for name, _ in strokes] == ["table", "cup"]
    points = strokes[1][1]
    assert points[0] == (10, 10) and points[-1] == (30, 30) and 5 < len(points) < 30

    laboratory.run_cell(page, READ_MASK)
    mask = np.frombuffer(bytes.fromhex(laboratory.printed(page, READ_MASK)), np.uint8).reshape(HEIGHT, WIDTH)
    assert (mask == painted_on_screen(painter)).all(), "Python and the browser paint different pixels"
    share = 100 * (mask != 255).mean()
    assert painter.get_by_role("status").inner_text() == f"2 strokes, {share:.1f} % of the pixels painted"


def test_python_undoes_the_stroke_on_the_screen(laboratory, painter):
    before = painted_on_screen(painter)
    draw(laboratory.page, painter, [(5, 35), (20, 35)])
    painter.get_by_text("3 strokes, ").wait_for()
    strokes_in_python(laboratory, 3)
    laboratory.run_cell(laboratory.page, UNDO)
    painter.get_by_text("2 strokes, ").wait_for()
    assert (painted_on_screen(painter) == before).all()


def test_class_undo_and_clear_by_keyboard(laboratory, painter):
    page = laboratory.page
    painter.get_by_role("button", name="table").focus()
    page.keyboard.press("Enter")
    assert painter.get_by_role("button", name="table").get_attribute("aria-pressed") == "true"
    assert painter.get_by_role("button", name="cup").get_attribute("aria-pressed") == "false"
    draw(page, painter, [(55, 5)])
    with_dot = painted_on_screen(painter)
    assert with_dot[5, 55] == 1

    painter.get_by_role("button", name="Undo").focus()
    page.keyboard.press("Space")
    assert painted_on_screen(painter)[5, 55] == 255
    draw(page, painter, [(55, 5)])
    painter.get_by_role("button", name="Clear").click()
    assert (painted_on_screen(painter) == 255).all()
    painter.get_by_role("button", name="Undo").click()
    assert (painted_on_screen(painter) == with_dot).all(), "Undo after Clear brings the strokes back"


def test_a_stroke_that_leaves_the_picture_ends_at_its_edge(laboratory, painter):
    painter.get_by_role("button", name="cup").click()
    draw(laboratory.page, painter, [(50, 20), (75, 20)])
    shown = int(painter.get_by_role("status").inner_text().split()[0])
    name, points = strokes_in_python(laboratory, shown)[-1]
    assert name == "cup" and points[0] == (50, 20) and points[-1] == (59, 20)


def test_the_opacity_slider_fades_the_mask(laboratory, overlay):
    slider = overlay.get_by_label("opacity")
    half = [round((a + b) / 2) for a, b in zip(PICTURE, BLUE, strict=True)]
    assert colour_at(overlay, 10, 10) == close_to(half)
    box = slider.bounding_box()
    laboratory.page.mouse.click(box["x"] + box["width"] - 2, box["y"] + box["height"] / 2)
    assert colour_at(overlay, 10, 10) == close_to(BLUE) and colour_at(overlay, 40, 10) == close_to(ORANGE)
    laboratory.page.keyboard.press("ArrowLeft")
    assert slider.input_value() == "0.99", "JupyterLab has taken the arrow key"
    laboratory.page.keyboard.press("Home")
    assert colour_at(overlay, 10, 10) == close_to(PICTURE) and colour_at(overlay, 40, 10) == close_to(PICTURE)
    laboratory.page.keyboard.press("End")


def test_the_pixel_under_the_pointer_is_named(laboratory, overlay):
    page, reading = laboratory.page, overlay.get_by_role("status")
    for x, y, words in [
        (10, 10, "x 10, y 10: cup (0), predicted rightly"),
        (45, 5, "x 45, y 5: table (1), predicted as cup (0)"),
        (59, 39, "x 59, y 39: void (255, ignored), predicted as cup (0)"),
    ]:
        page.mouse.move(*place(overlay, x, y))
        assert reading.inner_text() == words
    page.mouse.move(0, 0)
    assert "Point at the picture" in reading.inner_text()


def test_arrow_keys_name_pixels_and_do_not_leave_the_cell(laboratory, overlay):
    page, reading = laboratory.page, overlay.get_by_role("status")
    overlay.locator("canvas").click(position={"x": 1, "y": 1})
    active = page.evaluate("() => jupyterapp.shell.currentWidget.content.activeCellIndex")
    for key, words in [
        ("ArrowRight", "x 1, y 0: cup"),
        ("ArrowDown", "x 1, y 1: cup"),
        ("Shift+ArrowRight", "x 11, y 1: cup"),
        ("ArrowLeft", "x 10, y 1: cup"),
        ("Shift+ArrowUp", "x 10, y 0: cup"),
    ]:
        page.keyboard.press(key)
        assert reading.inner_text().startswith(words)
    assert page.evaluate("() => jupyterapp.shell.currentWidget.content.activeCellIndex") == active


def test_a_class_goes_and_comes_back(laboratory, overlay):
    names = overlay.get_by_role("group", name="Classes shown").get_by_role("button").all_inner_texts()
    assert names == ["cup", "table", "void", "all", "none"]
    table = overlay.get_by_role("button", name="table")
    table.click()
    assert colour_at(overlay, 40, 10) == close_to(PICTURE) and colour_at(overlay, 10, 10) == close_to(BLUE)
    table.click()
    assert colour_at(overlay, 40, 10) == close_to(ORANGE)
    overlay.get_by_role("button", name="Hide all classes").click()
    assert all(colour_at(overlay, *where) == close_to(PICTURE) for where in [(10, 10), (40, 10), (40, 35)])
    overlay.get_by_role("button", name="Show all classes").click()
    grey = colour_at(overlay, 40, 35)
    assert max(grey) - min(grey) < 5, "void is grey"


def test_prediction_and_errors(laboratory, overlay):
    overlay.get_by_role("button", name="prediction").click()
    assert colour_at(overlay, 40, 5) == close_to(BLUE) and colour_at(overlay, 40, 20) == close_to(ORANGE)
    overlay.get_by_role("button", name="errors").click()
    assert colour_at(overlay, 40, 5) == close_to(BLUE) and colour_at(overlay, 40, 20) == close_to(PICTURE)
    overlay.get_by_role("button", name="mask").click()
    assert colour_at(overlay, 40, 5) == close_to(ORANGE)


def test_zoom_enlarges_and_still_names_the_right_pixel(laboratory, overlay):
    width = overlay.locator("canvas").bounding_box()["width"]
    slider = overlay.get_by_label("zoom")
    slider.focus()
    laboratory.page.keyboard.press("ArrowRight")
    assert overlay.locator("canvas").bounding_box()["width"] == pytest.approx(2 * width, rel=0.01)
    laboratory.page.mouse.move(*place(overlay, 33, 22))
    assert overlay.get_by_role("status").inner_text().startswith("x 33, y 22: table (1)")
    slider.focus()
    laboratory.page.keyboard.press("Home")


def test_no_error_in_the_console(laboratory):
    assert laboratory.console_errors == []
