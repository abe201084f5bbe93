"""The learner edition: the course that a badge opens, in which no output tells an answer before it is guessed.

    python start.py learner DIR [--release WHEEL]

Lessons and exercises have the same cells as here, and no outputs; solutions are left out. What a lesson folds into
<details> stays, because it is the teaching that follows the guess. Beside them stands what the lessons need: the
package, its data, start.py. On a release, a workflow of GitHub's writes this into the branch to which all badges lead:
with --release only if the released WHEEL is the one that the set-up cells install, holds the package of this very
commit, and the commit has that release's tag. Needs nothing but the standard library.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import start
from tools import publish
from tools.publish import BRANCH, GITHUB, ROOT

KEPT = [
    "segedu", "data", "start.py", "pyproject.toml", "setup.py", "environment.yml", "CITATION.cff", "LICENSE*",
    ".gitattributes", ".gitignore", ".devcontainer",
]  # fmt: skip
LEFT_OUT = shutil.ignore_patterns("__pycache__", ".*", "readme")  # the last: README's pictures of what comes out
TITLE = "# segedu, learner edition"
README = """\
{title}

Learn image segmentation by building FCN, U-Net and DeepLab by hand: version {version} of
[the course]({address}) as its learners get it, not yet run and without solutions. Guess before you run a
cell; what explains the answer is folded below it. Open a lesson by its links; or, with Python 3.11 or newer, all of
them here:

```
python start.py lab
```

| lesson | opens on |
| --- | --- |
{rows}

The exercises of each are in `notebooks/exercises`, the words of the field in the [glossary](notebooks/GLOSSARY.md).
Two pages to print: [shapes and values](notebooks/PRINT_shapes_and_values.md), [scores](notebooks/PRINT_scores.md).
Solutions and tests are in [the whole course]({address}).
"""
SIGNPOST = """\
# {stem} · Solutions

The learner edition leaves them out. Try first, and let the cells below each task check what you have written. The
solutions are in [the whole course]({address}/blob/main/notebooks/solutions/{stem}.ipynb)."""


def make(folder: Path) -> None:
    """Write the learner edition into this folder. Ends with a sentence if the folder is neither new nor empty."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        sys.exit(f"{folder} has something in it: name a folder that is new or empty.")
    if {ROOT / name for name in ("notebooks", *KEPT)} & {folder, *folder.parents}:
        sys.exit(f"{folder} is a part of this course: name a folder elsewhere.")
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(found for name in KEPT for found in ROOT.glob(name)):
        if path.is_dir():
            shutil.copytree(path, folder / path.name, ignore=LEFT_OUT)
        else:
            shutil.copy(path, folder)
    notebooks = folder / "notebooks"
    start.refresh_working_copy(False, notebooks, without=["solutions"])
    for exercises in sorted(notebooks.glob("exercises/*.ipynb")):  # which name their solutions in a link
        post = notebooks / "solutions" / exercises.name
        post.parent.mkdir(exist_ok=True)
        post.write_text(_signpost(exercises), encoding="utf-8")
    words = {"title": TITLE, "address": publish.repository(), "version": publish.version(), "rows": _rows(notebooks)}
    (folder / "README.md").write_text(README.format(**words), encoding="utf-8")


def check_release(wheel: Path) -> str:
    """The tag of the release that this commit is, and whose wheel the set-up cells install. Ends the program if not."""
    if not (ROOT / ".git").exists():
        sys.exit("A release is a commit: clone this project with git, and check out the release's tag.")
    link, tag = publish.wheel(), f"v{publish.version()}"
    begun = f"{publish.repository()}/releases/download/{tag}/"
    if not link.startswith(begun):
        sys.exit(f"No release: the set-up cells install {link or 'nothing'}, not {begun}…: python start.py release")
    written = publish.rewritten(publish.repository(), link)
    if stale := [path.name for path, text in written.items() if path.read_bytes() != text.encode()]:
        sys.exit(f"No release: {', '.join(stale)} is not as `python start.py release` writes it.")
    status = subprocess.check_output(["git", "status", "--porcelain"], cwd=ROOT, text=True)
    if status:
        sys.exit(f"No release: these have changed since the commit:\n{status}")
    if tag not in subprocess.check_output(["git", "tag", "--points-at", "HEAD"], cwd=ROOT, text=True).split():
        sys.exit(f"No release: this commit is not {tag}. git checkout {tag}, or tag this one.")
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != link.rpartition("=")[2]:
        sys.exit(f"No release: {wheel.name} has not the checksum that the set-up cells ask for. Upload the right one.")
    if other := _other_than_here(wheel):
        sys.exit(f"No release: {wheel.name} holds another {other} than {tag}. Release the commit that is tagged.")
    return tag


def _other_than_here(wheel: Path) -> str:
    """A file of the package or of its data in which the wheel and this commit differ; "" if there is none."""
    listed = subprocess.check_output(["git", "ls-files", "-z", "segedu", "data"], cwd=ROOT, encoding="utf-8")
    tracked = listed.split("\0")[:-1]
    here = {re.sub("^data/", "segedu/_data/", name): (ROOT / name).read_bytes() for name in tracked}
    with zipfile.ZipFile(wheel) as archive:
        there = {name: archive.read(name) for name in archive.namelist() if name.startswith("segedu/")}
    return next((name for name in sorted({*here, *there}) if here.get(name) != there.get(name)), "")


def _signpost(exercises: Path) -> str:
    """A notebook of one cell that says where the solutions of these exercises are."""
    notebook = json.loads(exercises.read_text(encoding="utf-8"))
    words = SIGNPOST.format(stem=exercises.stem, address=publish.repository())
    cell = {"cell_type": "markdown", "id": "signpost", "metadata": {}, "source": words}
    return json.dumps(notebook | {"cells": [cell]}, ensure_ascii=False, indent=1) + "\n"


def _rows(notebooks: Path) -> str:
    """A row of README's table for each lesson: its title, and where it can be opened."""
    place, rows = publish.repository().removeprefix(GITHUB), []
    for path in [*sorted(notebooks.glob("*.ipynb")), *sorted(notebooks.glob("ko/*.ipynb"))]:
        source = json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"]
        title = "".join(source).partition("\n")[0].lstrip("# ")
        name = path.relative_to(notebooks).as_posix()
        file = f"{place}/blob/{BRANCH}/notebooks/{name}"
        links = f"[Colab](https://colab.research.google.com/github/{file}) · [Kaggle]({kaggle(file)})"
        rows.append(f"| [{title}](notebooks/{name}) | {links} |")
    return "\n".join(rows)


def kaggle(file: str) -> str:
    """The address that opens this file of GitHub's on Kaggle."""
    return f"https://kaggle.com/kernels/welcome?src={GITHUB}{file}"


def main(folder: str, *options: str) -> None:
    """Write the learner edition, with --release after all checks."""
    tag = ""
    match options:
        case []:
            pass
        case ["--release", wheel] if Path(wheel).is_file():
            tag = check_release(Path(wheel))
        case ["--release", *_]:
            sys.exit("--release needs the released wheel's file behind it.")
        case _:
            sys.exit(__doc__)
    make(Path(folder))
    print(f"The learner edition of {tag or publish.version()} is in {folder}: no outputs, no solutions.")


if __name__ == "__main__":
    main(*sys.argv[1:]) if len(sys.argv) > 1 else sys.exit(__doc__)
