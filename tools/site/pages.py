"""The site's sources: the project's own Markdown and notebooks, folded as in JupyterLab, and a page for each module.

Nothing is executed: pages show the outputs that are stored.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
from pathlib import Path

from tools.cells import NOTEBOOKS, REPOSITORY, ROOT, TRANSLATIONS

# The pages of the API, in groups: modules of segedu whose public names have docstrings for readers.
API = {
    "Most called": ["segedu"],
    "Data": ["datasets", "masks", "labels", "transforms", "corruptions", "pictures", "download"],
    "Networks": ["models", "losses", "training", "distributed", "strokes", "inference", "crf", "centres"],
    "Scores": ["metrics", "statistics", "scoreboard"],
    "Figures and answers": ["plotting", "diagrams", "check", "claims"],
    "In the browser": ["widgets", "labelling"],
    "Below": ["runtime", "resources"],
}
FOLDS = {"setup": "Set-up", "proof": "The check", "recorded": "The check, of recorded numbers",
         "checker": "What checks your answer", "solution": "The solution", "hide-input": "The code"}  # fmt: skip
LANGUAGES = {"ko": "한국어"}  # README.ko.md, and lessons in notebooks/ko

BADGE = re.compile(r"\[!\[([^]]*)\]\(https?://[^)]*\)\]\(([^)]*)\)")  # a picture from elsewhere that is a link
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)")
PAGE = re.compile(rf"(?<=\]\(){re.escape(REPOSITORY)}/blob/main/([^)#\s]+\.md)")  # by the address that it has elsewhere
ANCHOR = re.compile(r"(\]\((?!\w+:)[^)#\s]*#)([^)\s]+)")  # of a heading, as JupyterLab or GitHub writes it
LESSONS = {path.stem.partition("_")[0]: path for path in NOTEBOOKS}
SPOKEN = re.compile(r"\b[Ll]essons?\s\d\d[ab]?(?:(?:, |–|,?\sand\s|\sto\s)\d\d[ab]?)*|\b\d\d[ab]?강")
NO_PROSE = re.compile(  # blocks of code, HTML up to the next empty line, headings, links and pictures, code, tags
    r"(^ *```.*?^ *```|^ *<[^\n]*(?:\n[^\n]+)*|^#[^\n]*|!?\[[^]]*\]\([^)]*\)|`[^`]+`|<[^>\n]+>)",
    re.MULTILINE | re.DOTALL,
)


def stage(folder: Path) -> None:
    """Write all sources into `folder`, which is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "data" / "readme", folder / "extra" / "data" / "readme")  # README names them in HTML
    for path in documents():
        place = folder / at(path)
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".ipynb":
            write(place, json.dumps(folded(json.loads(text), path), ensure_ascii=False))
        else:
            write(place, markdown(text, path.parent, folder))
    for name, text in own_pages().items():
        write(folder / name, text)


def write(place: Path, text: str) -> None:
    """Write the text into the file, below what stands there."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("a", encoding="utf-8", newline="\n") as file:
        file.write(text)


def documents() -> list[Path]:
    """Every file that becomes a page: Markdown at the top, for helpers, in notebooks/ and data/; all notebooks."""
    found = [*ROOT.glob("*.md"), *(ROOT / "notebooks").rglob("*.md"), *(ROOT / "notebooks").rglob("*.ipynb")]
    found += [*(ROOT / ".github").glob("[A-Z]*.md"), *(ROOT / "data").glob("*/*.md")]
    return sorted(path for path in found if ".ipynb_checkpoints" not in path.parts)


def at(path: Path) -> str:
    """Where a file stands in the site's sources; hosts of pages leave folders out that begin with a dot."""
    place = path.relative_to(ROOT).as_posix()
    return "index.md" if place == "README.md" else re.sub(r"^\.github/", "project/", place)


def markdown(text: str, home: Path, folder: Path) -> str:
    """A file of Markdown for the site: nothing in it comes from elsewhere, and the files that it names can be had.

    Args:
        text: the file's.
        home: the folder where it stands.
        folder: where the sources are written; files that the text names and that are no pages are copied there.
    """

    def had(link: re.Match) -> str:
        target = (home / link[1]).resolve()
        if target.is_dir():
            return f"{REPOSITORY}/tree/main/{target.relative_to(ROOT).as_posix()}"
        if not target.is_file():
            return link[1]
        if target not in documents():
            (folder / at(target)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(target, folder / at(target))
        return Path(os.path.relpath(ROOT / at(target), (ROOT / at(home / "x")).parent)).as_posix()

    text = re.sub(r'(?<=href=")(notebooks/[^"]+)\.ipynb(?=")', r"\1.html", text)
    return LINK.sub(had, with_lessons(at_home(text), home / "x"))


def with_lessons(text: str, path: Path) -> str:
    """Markdown of this file in which the lessons that it speaks of are links, but for the lesson that it is itself.

    A lesson in Korean leads to lessons in Korean, where there are.
    """
    places = LESSONS | {one.stem.partition("_")[0]: one for one in TRANSLATIONS if one.parent == path.parent}

    def linked(words: str, number: str) -> str:
        place = places.get(number, path)
        return words if place == path else f"[{words}]({Path(os.path.relpath(place, path.parent)).as_posix()})"

    def spoken(found: re.Match) -> str:
        numbers = re.findall(r"\d\d[ab]?", found[0])
        if len(numbers) == 1:
            return linked(found[0], numbers[0])
        return re.sub(r"\d\d[ab]?", lambda number: linked(number[0], number[0]), found[0])

    parts = NO_PROSE.split(text)
    return "".join(part if odd % 2 else SPOKEN.sub(spoken, part) for odd, part in enumerate(parts))


def at_home(text: str) -> str:
    """Markdown whose badges are links in words, and whose headings are named as the site does it."""
    text = BADGE.sub(r"[\1](\2)", text)
    return ANCHOR.sub(lambda link: link[1] + re.sub(r"[^\w-]", "", link[2].lower()), text)


def beside(text: str, home: Path) -> str:
    """Text of a notebook in `home`, at home; pages of this site that it names by their addresses lie beside it here."""

    def page(link: re.Match) -> str:
        target = ROOT / link[1]
        return Path(os.path.relpath(ROOT / at(target), home)).as_posix() if target in documents() else link[0]

    return PAGE.sub(page, at_home(text))


def folded(notebook: dict, path: Path) -> dict:
    """A notebook for the site: folded, its figures with their alternative texts; below a lesson stand its exercises.

    Args:
        notebook: as JSON; it is changed.
        path: the file that it was read from.
    """
    cells = []
    for cell in notebook["cells"]:
        cell["source"] = beside("".join(cell["source"]), path.parent)
        if cell["cell_type"] == "markdown":
            cell["source"] = with_lessons(cell["source"], path)
        cells += [prose(cell)] if cell["cell_type"] == "markdown" else code(cell)
    if path.parent.name == "solutions":
        cells[0]["source"] = cells[0]["source"].replace(": exercises", ": solutions", 1)
    number = path.stem.partition("_")[0]
    below = [kind for kind in ("exercises", "solutions") if (path.parent / kind / f"{number}.ipynb").exists()]
    if below:
        tree = toctree([f"{kind.title()} <{kind}/{number}>" for kind in below], "hidden")
        cells.append({"cell_type": "markdown", "id": "below", "metadata": {}, "source": tree})
    return notebook | {"cells": cells}


def prose(cell: dict) -> dict:
    """A cell of text; what explains a solution is folded."""
    greets = cell["source"].startswith("These are the solutions")
    if "solution" in cell["metadata"].get("tags", []) and not greets:
        cell["source"] = f"<details><summary>Why</summary>\n\n{cell['source']}\n\n</details>"
    return cell


def code(cell: dict) -> list[dict]:
    """A cell of code, and one more for each figure after its first: myst-nb has one alternative text a cell."""
    tags = cell["metadata"].setdefault("tags", [])
    if cell["metadata"].get("jupyter", {}).get("outputs_hidden"):
        tags.append("hide-output")
    if "# --- solution" in cell["source"]:
        tags += ["solution", "hide-cell"]
    elif "checker" in tags:  # what it prints tells the answer
        tags.append("hide-cell")
    title = next((title for tag, title in FOLDS.items() if tag in tags), "The answer")
    prompts = {"code_prompt_show": title, "code_prompt_hide": title}
    parts = [cell | {"metadata": {"tags": tags, "mystnb": prompts}, "outputs": []}]
    for output in cell["outputs"]:
        if "".join(output.get("text", "")).startswith("No guess yet"):
            continue  # it asks for what a page cannot take
        alt = next((about["alt"] for about in output.get("metadata", {}).values() if "alt" in about), None)
        if alt and "image" in parts[-1]["metadata"]["mystnb"]:
            metadata = {"tags": ["remove-input", *({"hide-output"} & {*tags})], "mystnb": dict(prompts)}
            parts.append(cell | {"id": f"{cell['id']}-{len(parts)}", "metadata": metadata, "outputs": []})
        if alt:
            parts[-1]["metadata"]["mystnb"]["image"] = {"alt": alt}
        parts[-1]["outputs"].append(output)
    return parts


def own_pages() -> dict[str, str]:
    """{file: text} of the pages that only the site has; that of the home page comes below README's."""
    cards = [path for path in documents() if path.is_relative_to(ROOT / "data")]
    texts = [path for path in documents() if path.suffix == ".md" and path not in cards and path != ROOT / "README.md"]
    guides = [path for path in texts if path.is_relative_to(ROOT / "notebooks") and not path.name.startswith("PRINT")]
    doors = {f"README.{code}": f"{language} <README.{code}>" for code, language in LANGUAGES.items()}
    rest = names([path for path in texts if path not in guides])
    top = ["Lessons <lessons>", *(doors[name] for name in rest if name in doors), *names(guides)]
    top += ["Data <data/index>", "API <api/index>", *(name for name in rest if name not in doors)]
    lessons = "# Lessons\n\n" + toctree(names(NOTEBOOKS), "maxdepth: 1")
    for folder, language in LANGUAGES.items():
        translated = [path for path in documents() if path.parent == ROOT / "notebooks" / folder]
        lessons += f"\n## {language}\n\n{toctree(names(translated), 'maxdepth: 1')}" if translated else ""
    data = "# Data\n\nWhere each data set, mask and network comes from, and its known problems.\n\n"
    api = "# API\n\nWhat the package offers, from its docstrings.\n"
    for title, modules in API.items():
        api += f"\n## {title}\n\n" + toctree(modules, "maxdepth: 1")
    return {
        "index.md": "\n" + toctree(top, "hidden"),
        "lessons.md": lessons,
        "data/index.md": data + toctree([name.removeprefix("data/") for name in names(cards)], "maxdepth: 1"),
        "api/index.md": api,
    } | {f"api/{name}.rst": reference(name) for modules in API.values() for name in modules}


def names(paths: list[Path]) -> list[str]:
    """What Sphinx calls the pages of these files."""
    return [at(path).rpartition(".")[0] for path in paths]


def reference(name: str) -> str:
    """A page of the API: the module's docstring, then every public name with its own."""
    module = importlib.import_module("segedu" if name == "segedu" else f"segedu.{name}")
    members, extra = "", ""
    if hasattr(module, "__all__"):  # without modules: they have pages of their own
        members = ", ".join(key for key in module.__all__ if not isinstance(getattr(module, key), type(module)))
        extra = "   :imported-members:\n"
    title = module.__name__
    return f"{title}\n{'=' * len(title)}\n\n.. automodule:: {title}\n   :members: {members}\n{extra}"


def toctree(pages: list[str], option: str) -> str:
    """Markdown that puts these pages, in this order, below the page where it stands."""
    return "\n".join(["```{toctree}", f":{option}" if ":" in option else f":{option}:", "", *pages, "```", ""])
