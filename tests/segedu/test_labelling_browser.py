"""label_folder as a reader uses it: a real JupyterLab and browser, mouse, keys, and pages closed in the middle."""

import time

import nbformat
import numpy as np
import pytest
from PIL import Image

from segedu.datasets import PictureFolder
from tests import lab

REASON = lab.why_not()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(REASON), reason=REASON or "")]

HEIGHT, WIDTH = 40, 60
LEAF, BACKGROUND = (230, 159, 0), (24, 28, 38)
CELLS = [
    'from segedu import widgets\nwork = widgets.label_folder("leaves", ["background", "leaf"], brush=5)\nwork',
    'cells = widgets.label_folder("cells", ["background", "cell"], instances=True, brush=5)\ncells',
    "print(work.name, cells.name)",
    "work.choose('leaf'); work.stroke([(50, 35)])",
]
NAMES, STROKE = 2, 3


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "labelling.ipynb")
    with lab.laboratory(folder) as running:
        for home in ("leaves", "cells"):
            (running.folder / home / "images").mkdir(parents=True)
            for number, name in enumerate("abc"):
                picture = np.full((HEIGHT, WIDTH, 3), (60, 90 + number, 60), np.uint8)
                picture[:, WIDTH // 2 :] = (200, 180, 60)
                Image.fromarray(picture).save(running.folder / home / "images" / f"{name}.png")
        (running.folder / "leaves" / "masks").mkdir()
        Image.fromarray(np.zeros((9, 9), np.uint8)).save(running.folder / "leaves" / "masks" / "c.png")
        running.page = opened(running, folder)
        yield running


def opened(running, folder):
    page = running.open_lesson(folder / "labelling.ipynb")
    for cell in (0, 1):
        running.run_cell(page, cell, seconds=300)  # the first imports torch
    page.locator(".segedu-painting").nth(1).wait_for()
    return page


@pytest.fixture
def work(laboratory):
    figure = laboratory.page.locator(".segedu-labeller").nth(0)
    figure.scroll_into_view_if_needed()
    return figure


def place(figure, x, y):
    box = figure.locator(".segedu-painting").bounding_box()
    return box["x"] + (x + 0.5) * box["width"] / WIDTH, box["y"] + (y + 0.5) * box["height"] / HEIGHT


def draw(figure, points, up=True):
    page = figure.page
    figure.locator(".segedu-viewport").scroll_into_view_if_needed()
    page.mouse.move(*place(figure, *points[0]))
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*place(figure, *point), steps=10)
    if up:
        page.mouse.up()


def ids_of(path):
    """What the file holds, void where there is no file."""
    return np.array(Image.open(path)) if path.exists() else np.full((HEIGHT, WIDTH), 255, np.uint8)


def until(true, what):
    """Wait for the kernel's work to be seen in a file, or on the screen."""
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def on_screen(figure):
    colours = lab.canvas_pixels(figure, ".segedu-painting")
    ids = np.full(colours.shape[:2], 255, np.uint8)
    for class_id, colour in enumerate((BACKGROUND, LEAF)):
        ids[(colours == (*colour, 255)).all(2)] = class_id
    return ids


def shows(figure, path):
    until(lambda: (on_screen(figure) == ids_of(path)).all(), f"the page shows what {path.name} holds")


def test_a_stroke_is_in_the_file_and_the_file_on_the_screen(laboratory, work):
    mask = laboratory.folder / "leaves" / "masks" / "a.png"
    draw(work, [(10, 10), (30, 20), (30, 30)])
    until(mask.exists, "saved")
    work.get_by_text("saved in leaves/masks/a.png").wait_for()
    shows(work, mask)
    ids = ids_of(mask)
    assert ids[10, 10] == ids[30, 30] == ids[20, 30] == 1 and 100 < (ids == 1).sum() < 400
    work.get_by_role("button", name="background").click()
    draw(work, [(5, 35), (50, 35)])
    until(lambda: 0 in ids_of(mask), "saved")
    shows(work, mask)
    (_, read), *_ = PictureFolder(laboratory.folder / "leaves", strict=False)
    assert (read.numpy() == ids_of(mask)).all()


def test_everything_by_keys(laboratory, work):
    page, mask = laboratory.page, laboratory.folder / "leaves" / "masks" / "a.png"
    active = page.evaluate("() => jupyterapp.shell.currentWidget.content.activeCellIndex")
    before = ids_of(mask)
    work.locator(".segedu-painting").focus()
    page.keyboard.press("2")
    page.keyboard.press("f")
    page.mouse.click(*place(work, 55, 5))
    until(lambda: (ids_of(mask) == 1).sum() > 1000, "filled")
    page.keyboard.press("z")
    until(lambda: (ids_of(mask) == before).all(), "undone")
    page.keyboard.press("Control+y")
    until(lambda: (ids_of(mask) == 1).sum() > 1000, "done again")
    page.keyboard.press("Control+z")
    until(lambda: (ids_of(mask) == before).all(), "undone")
    page.keyboard.press("e")
    for _ in range(4):
        page.keyboard.press(".")
    assert work.get_by_text("13 px").is_visible()
    page.mouse.click(*place(work, 10, 10))
    until(lambda: (before != ids_of(mask)).sum() > 30, "erased")
    page.keyboard.press("y")
    page.keyboard.press("z")
    until(lambda: (ids_of(mask) == before).all(), "undone")
    shows(work, mask)
    for _ in range(5):
        page.keyboard.press(",")
    page.keyboard.press("b")
    page.keyboard.press("?")
    assert not work.locator(".segedu-keys span", has_text="new object").is_visible()
    page.keyboard.press("?")
    assert work.locator(".segedu-keys span", has_text="new object").is_visible()
    page.keyboard.press("n")
    work.get_by_text("no mask yet").wait_for()
    assert work.get_by_label("Picture", exact=True).input_value() == "1"
    assert (on_screen(work) == 255).all()
    page.keyboard.press("n")
    work.get_by_text("c.png is 9 × 9").wait_for()
    draw(work, [(10, 10), (20, 20)])
    assert (on_screen(work) == 255).all(), "a mask that does not fit is not painted on"
    page.keyboard.press("Shift+N")
    page.keyboard.press("Shift+N")
    shows(work, mask)
    assert page.evaluate("() => jupyterapp.shell.currentWidget.content.activeCellIndex") == active


def test_zoomed_and_moved_the_pointer_paints_the_pixel_under_it(laboratory, work):
    page, mask = laboratory.page, laboratory.folder / "leaves" / "masks" / "a.png"
    work.locator(".segedu-painting").focus()
    width = work.locator(".segedu-painting").bounding_box()["width"]
    for _ in range(2):
        page.keyboard.press("+")
    assert work.locator(".segedu-painting").bounding_box()["width"] == pytest.approx(3 * width, rel=0.01)
    view = work.locator(".segedu-viewport")
    left = view.evaluate("(node) => node.scrollLeft")
    page.keyboard.press("ArrowRight")
    assert view.evaluate("(node) => node.scrollLeft") == left + 60
    page.keyboard.press("2")
    draw(work, [(33, 15)])
    until(lambda: ids_of(mask)[15, 33] == 1, "saved")
    page.keyboard.press("z")
    until(lambda: ids_of(mask)[15, 33] == 255, "undone")
    page.keyboard.press("h")
    assert work.locator(".segedu-painting").bounding_box()["width"] == pytest.approx(width, rel=0.01)


def test_python_paints_and_the_page_shows_it(laboratory, work):
    laboratory.run_cell(laboratory.page, STROKE)
    mask = laboratory.folder / "leaves" / "masks" / "a.png"
    assert ids_of(mask)[35, 50] == 1
    shows(work, mask)


def test_a_proposal_is_seen_accepted_and_corrected(laboratory, work):
    page, mask = laboratory.page, laboratory.folder / "leaves" / "masks" / "a.png"
    before = ids_of(mask)
    work.locator(".segedu-painting").focus()
    page.keyboard.press("p")
    work.get_by_text("The proposal is hatched").wait_for(timeout=300_000)
    assert (lab.canvas_pixels(work, ".segedu-proposal")[..., 3][before == 255] == 255).all()
    assert (ids_of(mask) == before).all()
    page.keyboard.press("a")
    until(lambda: not (ids_of(mask) == 255).any(), "accepted")
    assert (ids_of(mask)[before != 255] == before[before != 255]).all()
    shows(work, mask)
    assert (lab.canvas_pixels(work, ".segedu-proposal")[..., 3] == 0).all()
    page.keyboard.press("z")
    until(lambda: (ids_of(mask) == before).all(), "undone")


def test_each_object_has_its_id(laboratory):
    page, home = laboratory.page, laboratory.folder / "cells"
    cells = page.locator(".segedu-labeller").nth(1)
    for number, x in enumerate((10, 30, 50), 1):
        draw(cells, [(x, 10), (x, 30)])
        page.keyboard.press("o")
        cells.get_by_text(f"{number} object").wait_for()
    ids = np.array(Image.open(home / "instances" / "a.png"))
    assert [ids[20, x] for x in (10, 30, 50)] == [1, 2, 3]
    _, mask, objects = PictureFolder(home, instances=True)[0]
    assert ((mask == 1).numpy() == (ids > 0)).all() and (objects.numpy() == ids).all()


def test_a_page_closed_in_the_middle_of_a_stroke_loses_nothing(laboratory, work, tmp_path_factory):
    mask = laboratory.folder / "leaves" / "masks" / "a.png"
    page = laboratory.page
    work.locator(".segedu-painting").focus()
    page.keyboard.press("2")
    draw(work, [(5, 3), (30, 3), (55, 3)], up=False)
    until(lambda: ids_of(mask)[3, 55] == 1, "a long stroke is saved piece by piece")
    page.close()
    kept = ids_of(mask)
    assert (kept[3, 5:56] == 1).all()

    laboratory.page = opened(laboratory, laboratory.folder.parent)
    laboratory.run_cell(laboratory.page, NAMES)
    assert laboratory.printed(laboratory.page, NAMES) == "b b\n", "the first without a mask"
    again = laboratory.page.locator(".segedu-labeller").nth(0)
    again.get_by_label("Picture", exact=True).select_option("0")
    again.get_by_text("saved in leaves/masks/a.png").wait_for()
    shows(again, mask)
    draw(again, [(5, 8), (55, 8)])
    until(lambda: ids_of(mask)[8, 30] == 1, "and it goes on")
    assert (ids_of(mask)[kept == 1] == 1).all()


def test_no_error_in_the_console_nor_below_a_cell(laboratory):
    assert laboratory.console_errors == [] and laboratory.errors_of_cells(laboratory.page) == []
