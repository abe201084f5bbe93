"""Build the site in build/site; with --pdf also a PDF of each lesson, printed by Chromium. Other options are Sphinx's.

python -m tools.site [--pdf] [-j 1 ...]
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tools.cells import NOTEBOOKS, ROOT
from tools.site.pages import stage


def build(folder: Path, *options: str) -> int:
    """Write sources and site into this folder. Sphinx's exit status: a warning is an error."""
    from sphinx.cmd.build import main

    sources, site = folder / "site-sources", folder / "site"
    stage(sources)
    shutil.rmtree(site, ignore_errors=True)
    how = ["-b", "html", "-E", "-q", "-W", "--keep-going", "-D", f"html_extra_path={sources / 'extra'}", *options]
    return main([*how, "-c", *map(str, [ROOT / "tools" / "site", "-d", folder / "site-doctrees", sources, site])])


def print_lessons(site: Path, lessons: list[Path] = NOTEBOOKS) -> None:
    """A PDF beside the page of each of these lessons."""
    programs = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
    browser = next(filter(None, map(shutil.which, programs)), None)
    if browser is None:
        sys.exit("Chromium or Chrome prints the PDF, and neither is on the PATH: install one. The pages are there.")
    for lesson in lessons:
        page = site / "notebooks" / f"{lesson.stem}.html"
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
        command = [browser, *options, f"--print-to-pdf={page.with_suffix('.pdf')}", page.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode or not page.with_suffix(".pdf").exists():
            sys.exit(f"{browser} did not print {page.name}:\n{done.stderr}")


if __name__ == "__main__":
    status = build(ROOT / "build", *(word for word in sys.argv[1:] if word != "--pdf"))
    if status:
        sys.exit("The site has faults: see above.")
    if "--pdf" in sys.argv:
        print_lessons(ROOT / "build" / "site")
    print(f"Open {ROOT / 'build' / 'site' / 'index.html'}.")
