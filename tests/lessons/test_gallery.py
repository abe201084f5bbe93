"""The README's first lines do what its first picture shows, and its gallery is what the lessons store."""

import re

import numpy as np
import pytest
import torch
from nbformat import v4
from PIL import Image

from segedu.metrics import ConfusionMatrix
from tests.project.test_readme import README
from tools import gallery


@pytest.mark.slow
def test_the_readmes_first_lines_cut_the_cup_out():
    made = {}
    exec(gallery.first_lines(README), made)
    truth = torch.where(made["outline"] == 255, 255, (made["outline"] > 0).long())
    iou = ConfusionMatrix(2).update(torch.as_tensor(np.asarray(made["cup"])).long(), truth).iou()
    assert iou[1] > 0.95


def test_the_gallery_is_what_the_lessons_store():
    found = gallery.heroes()
    assert gallery.written(README, found) == README, "python -m tools.gallery"
    pictures = {path.name for path in gallery.FOLDER.glob("*.jpg")}
    assert pictures == {"opening.jpg", "race.jpg", *(re.match(r"\d+[a-z]?", stem)[0] + ".jpg" for stem in found)}
    for path in gallery.FOLDER.glob("*.jpg"):
        assert path.stat().st_size <= (150_000 if path.stem in ("opening", "race") else gallery.MOST), path.name


def test_the_picture_of_the_race_has_the_words_and_the_content_of_lesson_10s():
    picture, alt = gallery.race()
    assert f"![{alt}](data/readme/race.jpg)" in README
    stored = np.asarray(Image.open(gallery.FOLDER / "race.jpg").convert("L"), dtype=float)
    again = picture.convert("L").resize(stored.shape[::-1], Image.Resampling.LANCZOS)
    assert np.abs(stored - np.asarray(again, dtype=float)).mean() < 3, "python -m tools.gallery"


def test_a_hero_becomes_a_small_picture_with_its_words(monkeypatch, tmp_path):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (400, 800, 3), np.uint8))
    data = gallery.small(noise, gallery.WIDTH, gallery.MOST)
    assert len(data) <= gallery.MOST
    output = v4.new_output("display_data", {"image/jpeg": gallery.base64.b64encode(data).decode()})
    output.metadata = {"image/jpeg": {"alt": 'A "cup".'}}
    lesson = v4.new_notebook(cells=[v4.new_code_cell("1"), v4.new_code_cell("2", outputs=[output])])
    assert gallery.hero(lesson) is None
    lesson.cells[1].metadata["tags"] = ["hero"]
    picture, alt = gallery.hero(lesson)
    assert picture.size == (480, 240) and alt == 'A "cup".'
    text = gallery.written(f"a\n{gallery.START}\nold\n{gallery.END}\nb", {"01a_files": ("01a · Files", alt, picture)})
    assert "old" not in text and text.startswith("a\n") and text.endswith("\nb")
    assert '<a href="notebooks/01a_files.ipynb"><img src="data/readme/01a.jpg" alt="A &quot;cup&quot;.">' in text
