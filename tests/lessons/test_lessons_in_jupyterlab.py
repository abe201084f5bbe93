"""The first lessons as a reader meets them: JupyterLab in a browser, every cell run, then a hand on the figures."""

import re

import nbformat
import pytest

from tests import lab
from tools.cells import NOTEBOOKS

REASON = lab.why_not()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(REASON), reason=REASON or "")]

RUN_ALL_SECONDS = 300  # three times what a lesson may take on a laptop, and JupyterLab's own


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory):
    with lab.laboratory(tmp_path_factory.mktemp("lessons")) as running:
        yield running


def opened(laboratory, number: str):
    """The page of a lesson of which every cell has run, and the sources of its cells."""
    (path,) = [path for path in NOTEBOOKS if path.name.startswith(number)]
    page = laboratory.open_lesson(path)
    laboratory.run_all(page, RUN_ALL_SECONDS)
    return page, [cell.source for cell in nbformat.read(path, as_version=4).cells]


def widget_of(page, sources, call):
    """(number of the cell whose source holds `call`, the interactive figure below it, scrolled into view)."""
    (index,) = [index for index, source in enumerate(sources) if call in source]
    page.evaluate(
        """async (index) => {
            const notebook = jupyterapp.shell.currentWidget.content;
            notebook.activeCellIndex = index;
            await notebook.scrollToItem(index, 'start');
        }""",
        index,
    )
    figure = page.locator(f'.jp-Cell[data-windowed-list-index="{index}"] .segedu')
    figure.locator("canvas").wait_for()
    figure.scroll_into_view_if_needed()
    return index, figure


def drag(page, canvas, start, end):
    """Draw with the mouse from one place to another, both parts of the canvas's width and height."""
    box = canvas.bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)]
    page.mouse.move(*places[0])
    page.mouse.down()
    page.mouse.move(*places[1], steps=8)
    page.mouse.up()


def console_errors(laboratory):
    """What the browser complained of, but for the badge: its picture lies in the network, where a test does not go."""
    return [error for error in laboratory.console_errors if "colab-badge.svg" not in error]


def fade(page, figure):
    """Move the opacity to its end; what the reader sees before and after."""
    frame = figure.locator(".segedu-frame")
    before = frame.screenshot()
    slider = figure.get_by_label("opacity")
    slider.focus()
    page.keyboard.press("End")
    return before, frame.screenshot()


def test_lesson_00_learns_from_a_stroke_of_the_reader(laboratory):
    page, sources = opened(laboratory, "00")
    assert laboratory.errors_of_cells(page) == []

    (score,) = [index for index, source in enumerate(sources) if "segment(painter.strokes)" in source]
    said = laboratory.printed(page, score)
    assert said.startswith("14 strokes")
    cell, painter = widget_of(page, sources, "painter = widgets.scribble(")
    beside = page.locator(f'.jp-Cell[data-windowed-list-index="{cell}"]')
    beside.get_by_text("Learnt from 14 strokes.").wait_for()
    before, shown = lab.canvas_pixels(painter), beside.locator("img.widget-image").get_attribute("src")
    drag(page, painter.locator("canvas"), (0.4, 0.3), (0.6, 0.4))
    painter.get_by_text("15 strokes, ").wait_for()
    assert (lab.canvas_pixels(painter) != before).any(2).sum() > 50
    beside.get_by_text("Learnt from 15 strokes.").wait_for(timeout=60_000)
    assert beside.locator("img.widget-image").get_attribute("src") != shown, "the cut-out does not follow the stroke"
    laboratory.run_cell(page, score, 60)
    now = laboratory.printed(page, score)
    assert now.startswith("15 strokes") and now != said.replace("14", "15"), "the network did not hear of the stroke"
    assert re.search(r"IoU 0\.\d\d", now)

    before, after = fade(page, widget_of(page, sources, "widgets.overlay(")[1])
    assert before != after
    assert laboratory.errors_of_cells(page) == [] and console_errors(laboratory) == []


def test_lesson_01a_shows_a_mask_to_the_pointer(laboratory):
    page, sources = opened(laboratory, "01a")
    assert laboratory.errors_of_cells(page) == []

    _, street = widget_of(page, sources, "widgets.overlay(")
    before, after = fade(page, street)
    assert before != after
    street.locator("canvas").hover(position={"x": 3, "y": 3})
    assert "building (1)" in street.get_by_role("status").inner_text()
    assert console_errors(laboratory) == []


def test_lesson_01b_takes_two_outlines(laboratory):
    page, sources = opened(laboratory, "01b")
    assert laboratory.errors_of_cells(page) == []

    (score,) = [number for number, source in enumerate(sources) if source.startswith("points = {")]
    said = "yours: nothing is painted yet\nyour neighbour's: nothing is painted yet\n"
    assert laboratory.printed(page, score) == said
    for painter in ("your_painter = ", "neighbours_painter = "):
        drag(page, widget_of(page, sources, painter)[1].locator("canvas"), (0.4, 0.2), (0.5, 0.8))
    said = laboratory.run_until(page, score, lambda said: "nothing is painted" not in said, 30).splitlines()
    assert len(said) == 3 and all(re.search(r": IoU with the careful outline 0\.\d{3}$", line) for line in said[:2])
    assert re.fullmatch(r"yours and your neighbour's: [01]\.\d{3}", said[2])
    assert laboratory.errors_of_cells(page) == [] and console_errors(laboratory) == []


def test_lesson_03_runs(laboratory):
    page, _ = opened(laboratory, "03")
    assert laboratory.errors_of_cells(page) == [] and console_errors(laboratory) == []
