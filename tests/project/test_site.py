"""The site has every lesson and every public name, folds what is folded, asks nobody, and can be used by everybody."""

import contextlib
import functools
import http.server
import importlib.util
import json
import re
import subprocess
import sys
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests import lab
from tests.project import test_docstrings
from tools.cells import EXERCISES, NOTEBOOKS, ROOT, SOLUTIONS
from tools.site import __main__ as site_builder
from tools.site import pages

PNG, JPEG = "image/png", "image/jpeg"
MODULES = ("sphinx", "myst_nb", "pydata_sphinx_theme", "latex2mathml")
MISSING = [name for name in MODULES if importlib.util.find_spec(name) is None]
needs_sphinx = pytest.mark.skipif(bool(MISSING), reason=f"not here: {', '.join(MISSING)}; pip install -e '.[site]'")


def cell(source, *tags, outputs=(), **metadata):
    kind = metadata.pop("kind", "code")
    made = {"id": "a", "cell_type": kind, "source": source, "metadata": {"tags": [*tags], **metadata}}
    return made | ({"outputs": [*outputs]} if kind == "code" else {})


def figure(alt, kind=PNG):
    return {"output_type": "display_data", "data": {kind: "AA=="}, "metadata": {kind: {"alt": alt, "width": 300}}}


def folded(*cells, path=ROOT / "notebooks" / "99_new.ipynb"):
    return pages.folded({"cells": [*cells]}, path)["cells"]


# What needs no Sphinx


def test_the_lessons_stand_in_their_order_each_with_its_exercises_and_solutions():
    own = pages.own_pages()
    assert re.findall(r"^notebooks/\w+$", own["lessons.md"], re.MULTILINE) == [
        f"notebooks/{path.stem}" for path in NOTEBOOKS
    ]
    for lesson, exercise, solution in zip(NOTEBOOKS, EXERCISES, SOLUTIONS, strict=True):
        last = pages.folded(json.loads(lesson.read_text(encoding="utf-8")), lesson)["cells"][-1]["source"]
        assert f"Exercises <exercises/{exercise.stem}>\nSolutions <solutions/{solution.stem}>\n" in last


def test_every_document_has_one_place_in_the_contents():
    trees = "\n".join(text for name, text in pages.own_pages().items() if not name.startswith("api/"))
    for path in pages.documents():
        if path.parent.name in ("exercises", "solutions") or path == ROOT / "README.md":
            continue
        (name,) = pages.names([path])
        places = (re.sub(r".*<(.*)>", r"\1", line) for line in trees.splitlines())
        found = [place for place in places if place in (name, name.removeprefix("data/"))]
        assert len(found) == 1, name
    assert {"camvid.md", "02_scores.ipynb", "04.ipynb"} <= {path.name for path in pages.documents()}


def test_every_public_name_is_on_a_page_of_the_api():
    listed = [name for group in pages.API.values() for name in group]
    public = {*test_docstrings.OPEN, *(name.removeprefix("segedu.") for name in test_docstrings.PACKAGES)}
    assert len(listed) == len(set(listed)) and set(listed) == public
    own = pages.own_pages()
    assert ":members: VOC, CamVid," in own["api/datasets.rst"] and ":imported-members:" in own["api/datasets.rst"]
    assert ":members: device, evaluate, fit," in own["api/segedu.rst"]
    assert ":members: \n" in own["api/losses.rst"] and "imported" not in own["api/losses.rst"]


def test_what_jupyterlab_folds_is_folded_and_a_guess_is_not_asked_for():
    asked = {"output_type": "stream", "name": "stdout", "text": ["No guess yet: write one in place of ..."]}
    told = {"output_type": "stream", "name": "stdout", "text": ["by class: 0.5"]}
    answer, check, plain = folded(
        cell("check.guess(guess, 2)", outputs=[asked, told], jupyter={"outputs_hidden": True}),
        cell("assert True", "proof", "hide-input"),
        cell("x = 1"),
    )
    assert "hide-output" in answer["metadata"]["tags"] and answer["outputs"] == [told]
    assert check["metadata"]["tags"] == ["proof", "hide-input"]
    assert check["metadata"]["mystnb"]["code_prompt_show"] == "The check"
    assert plain["metadata"]["tags"] == []


def test_solutions_are_folded_and_called_so():
    path = ROOT / "notebooks" / "solutions" / "99.ipynb"
    title, greeting, answer, checker, why = folded(
        cell("# 99 · New: exercises", kind="markdown"),
        cell("These are the solutions. Try first.", "solution", kind="markdown"),
        cell("guess = 1  # --- solution"),
        cell("check.guess(guess, 1)", "checker", "hide-input"),
        cell("Because.", "solution", kind="markdown"),
        path=path,
    )
    assert title["source"] == "# 99 · New: solutions"
    assert greeting["source"].startswith("These")
    assert "hide-cell" in answer["metadata"]["tags"] and "hide-cell" in checker["metadata"]["tags"]
    assert why["source"] == "<details><summary>Why</summary>\n\nBecause.\n\n</details>"


def test_every_figure_keeps_its_alternative_text():
    words = {"output_type": "display_data", "data": {"text/markdown": "*A point.*"}, "metadata": {}}
    first, second = folded(cell("show()", outputs=[figure("a street"), words, figure("a mask", JPEG), words]))
    assert first["metadata"]["mystnb"]["image"] == {"alt": "a street"} and len(first["outputs"]) == 2
    assert second["metadata"]["mystnb"]["image"] == {"alt": "a mask"} and second["outputs"][1] == words
    assert second["metadata"]["tags"] == ["remove-input"] and first["id"] != second["id"]


def test_nothing_comes_from_elsewhere_and_headings_are_found():
    badge = "[![Open in Colab](https://colab.research.google.com/badge.svg)](https://colab.research.google.com/x)"
    (cell_,) = folded(cell(f"{badge} [test](#Before-lesson-01a), [b](../02.ipynb#Dice-is-F1?)", kind="markdown"))
    assert cell_["source"] == (
        "[Open in Colab](https://colab.research.google.com/x) [test](#before-lesson-01a), [b](../02.ipynb#dice-is-f1)"
    )


def test_a_lesson_that_is_spoken_of_is_a_link():
    """And only there: not in code, headings, links or HTML, and no lesson is a link to itself."""
    five, six = "[lesson 05](05_fcn.ipynb)", "06_unet.ipynb"
    sound = {
        "In lesson 05, and **Next: lesson 05**.": f"In {five}, and **Next: {five}**.",
        "lessons 05, 06 to 99": f"lessons [05](05_fcn.ipynb), [06]({six}) to 99",
        "| in lesson\n05 |": "| in [lesson\n05](05_fcn.ipynb) |",
        "> Lesson 06's": f"> [Lesson 06]({six})'s",
    }
    for text, wanted in sound.items():
        assert folded(cell(text, kind="markdown"))[0]["source"] == wanted
    kept = [
        "## Before lesson 05", "`lesson 05`", "```\nlesson 05\n```", "[see lesson 05](x.ipynb)", "lesson 99, lesson 5",
        "<details><summary>lesson 05</summary>", "<b>a\nlesson 05</b>", "![lesson 05](a.png)", '<img alt="lesson 05">',
    ]  # fmt: skip
    for text in kept:
        assert folded(cell(text, kind="markdown"))[0]["source"] == text
    assert folded(cell("x  # lesson 05"))[0]["source"] == "x  # lesson 05"
    itself = folded(cell("lesson 05", kind="markdown"), path=ROOT / "notebooks" / "05_fcn.ipynb")
    assert itself[0]["source"] == "lesson 05"
    korean = folded(cell("00강과 05강", kind="markdown"), path=ROOT / "notebooks" / "ko" / "04_training.ipynb")
    assert korean[0]["source"] == "[00강](00_a_cup_from_a_few_strokes.ipynb)과 [05강](../05_fcn.ipynb)"
    page = pages.markdown("see lesson 05", ROOT / "data" / "cards", ROOT / "build")
    assert page == "see [lesson 05](../../notebooks/05_fcn.ipynb)"


def test_a_lesson_leads_to_a_page_of_this_site_where_it_names_its_address():
    address = f"{pages.REPOSITORY}/blob/main"
    told = f"[Korean]({address}/README.ko.md), [none]({address}/none.md), [code]({address}/start.py)"
    (words,) = folded(cell(told, kind="markdown"), path=ROOT / "notebooks" / "ko" / "99_new.ipynb")
    assert words["source"] == told.replace(f"{address}/README.ko.md", "../../README.ko.md")


def test_a_link_to_a_file_of_the_project_is_kept(tmp_path):
    text = "[a](LICENSE) [b](data/cards) [c](README.md#start) [d](data/cards/voc.md) [e](https://x.org/LICENSE)"
    found = pages.markdown(text, ROOT, tmp_path)
    folder = f"{pages.REPOSITORY}/tree/main/data/cards"
    assert found == f"[a](LICENSE) [b]({folder}) [c](index.md#start) [d](data/cards/voc.md) [e](https://x.org/LICENSE)"
    assert [path.name for path in tmp_path.iterdir()] == ["LICENSE"]
    assert pages.markdown("[c](../../README.md)", ROOT / "data" / "cards", tmp_path) == "[c](../../index.md)"
    assert pages.markdown("[f](.github/SUPPORT.md)", ROOT, tmp_path) == "[f](project/SUPPORT.md)"
    text = "[g](CODE_OF_CONDUCT.md) [h](../README.md)"
    assert pages.markdown(text, ROOT / ".github", tmp_path) == "[g](CODE_OF_CONDUCT.md) [h](../index.md)"


def test_without_a_browser_no_pdf_is_promised(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="Chromium or Chrome prints the PDF"):
        site_builder.print_lessons(tmp_path)


# The site itself


class Page(HTMLParser):
    """What a page names, loads and offers to be named (anchors); its figures' texts; next and previous."""

    def __init__(self, text):
        super().__init__()
        self.links, self.loads, self.anchors, self.alts, self.turns = [], [], set(), [], {}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.anchors |= {given[key] for key in ("id", "name") if given.get(key)}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if given.get("rel") in ("next", "prev"):
            self.turns[given["rel"]] = given["href"]
        if tag == "link" and given.get("rel") in ("stylesheet", "preload", "icon"):
            self.loads.append(given["href"])
        if given.get("src"):
            self.loads.append(given["src"])
        if tag == "img":
            self.alts.append(given.get("alt"))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of a site that was built without a warning."""
    folder = tmp_path_factory.mktemp("site")
    code = "import sys, pathlib\nfrom tools.site.__main__ import build\nsys.exit(build(pathlib.Path(sys.argv[1])))"
    done = subprocess.run([sys.executable, "-c", code, folder], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


@pytest.fixture(scope="module")
def parsed(site):
    """{path: Page} of the site."""
    found = {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    return {path: page for path, page in found.items() if path.name != "webpack-macros.html"}  # the theme's, no page


def broken(path, page, parsed):
    """The internal links and files of a page that lead nowhere."""
    found = []
    for link in page.links + page.loads:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        named = parts.fragment and target in parsed and unquote(parts.fragment) not in parsed[target].anchors
        if not target.is_file() or named:
            found.append(link)
    return found


@pytest.mark.slow
@needs_sphinx
def test_every_link_leads_somewhere_and_nothing_is_loaded_from_elsewhere(parsed):
    assert {path.name: broken(path, page, parsed) for path, page in parsed.items() if broken(path, page, parsed)} == {}
    elsewhere = [link for page in parsed.values() for link in page.loads if urlsplit(link).netloc]
    assert elsewhere == []
    assert sum(len(page.links) for page in parsed.values()) > 5000


@pytest.mark.slow
@needs_sphinx
def test_pages_show_what_is_stored(site, parsed):
    for path in [*NOTEBOOKS, *EXERCISES, *SOLUTIONS]:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        about = [
            kind for one in cells for output in one.get("outputs", []) for kind in output.get("metadata", {}).values()
        ]
        stored = [kind["alt"] for kind in about if "alt" in kind]
        page = parsed[site / path.relative_to(ROOT).with_suffix(".html")]
        assert page.alts == stored, path.name
    described = set().union(*(page.anchors for path, page in parsed.items() if path.parent.name == "api"))
    assert test_docstrings.offered().keys() <= described
    lesson = parsed[site / "notebooks" / "02_scores.html"]
    assert lesson.turns == {"prev": "solutions/01b.html", "next": "exercises/02.html"}
    assert "<math" in (site / "notebooks" / "09_crf.html").read_text(encoding="utf-8")


@pytest.mark.slow
@needs_sphinx
@pytest.mark.skipif(lab.chromium() is None, reason="Chromium prints the PDF: apt-get install chromium (or Chrome)")
def test_a_lesson_is_printed(site):
    site_builder.print_lessons(site, NOTEBOOKS[:1])
    printed = (site / "notebooks" / f"{NOTEBOOKS[0].stem}.pdf").read_bytes()
    assert printed.startswith(b"%PDF") and len(printed) > 100_000


@contextlib.contextmanager
def served(folder):
    """The address of a server that gives out the folder."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


LOOKED_AT = [
    "index.html", "notebooks/02_scores.html", "notebooks/solutions/04.html", "api/datasets.html",
    "search.html?q=dilation",
]  # fmt: skip
SCREENS = [(1366, 768, "light"), (390, 844, "dark")]


@pytest.mark.slow
@needs_sphinx
@pytest.mark.skipif(bool(lab.why_not()), reason=lab.why_not() or "")
@pytest.mark.parametrize(("width", "height", "scheme"), SCREENS)
def test_a_reader_without_mouse_or_network_has_all_of_a_page(site, width, height, scheme):
    axe_playwright_python = pytest.importorskip("axe_playwright_python", reason="axe is in .[test]")
    from playwright.sync_api import sync_playwright

    axe = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
    with served(site) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=lab.chromium(), args=lab.CHROMIUM_ARGUMENTS)
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        for name in LOOKED_AT:
            page.goto(address + name)
            if "search" in name:
                page.locator("#search-results li").first.wait_for()
            assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} scrolls sideways"
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.textContent").strip() == "Skip to main content"
            page.wait_for_function("document.activeElement.getBoundingClientRect().top >= 0")  # it slides in
            outside = [url for url in asked if not url.startswith((address, "data:"))]
            assert outside == []
            page.evaluate(axe)
            found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
            grave = [one for one in found if one["impact"] in ("serious", "critical")]
            assert [(one["id"], one["nodes"][0]["target"]) for one in grave] == [], name
        browser.close()
