"""What README, CITATION and LICENSE say is so: addresses, the table of lessons, files, versions."""

import re
import tomllib

import yaml

import segedu
from tests.project.test_floors import FLOORS
from tools import publish
from tools.cells import NOTEBOOKS, REPOSITORY, ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
NAME = REPOSITORY.rpartition("/")[2]
ADDRESS = re.compile(rf"(?:github\.com|colab\.research\.google\.com/github)/([\w.-]+/{re.escape(NAME)})(?![\w-])")


def test_the_repository_has_one_address():
    inside = [path for name in ("notebooks", "segedu", "data") for path in (ROOT / name).rglob("*.*")]
    paths = [path for path in [*ROOT.glob("*.*"), *inside] if path.is_file()]
    texts = {path: path.read_bytes().decode(errors="replace") for path in paths}
    texts |= {ROOT / name: texts[ROOT / name].replace(note, "") for name, note in publish.NOTES.items()}
    named = {path.name: set(ADDRESS.findall(text)) for path, text in texts.items() if ADDRESS.search(text)}
    assert named.keys() >= {"pyproject.toml", *publish.NOTES, "CITATION.cff", *(path.name for path in NOTEBOOKS)}
    assert set.union(*named.values()) == {REPOSITORY.removeprefix(publish.GITHUB)}, named
    assert f"git clone {REPOSITORY} segedu && cd segedu\n" in README
    assert CITATION["repository-code"] == REPOSITORY


def test_a_placeholder_is_called_one_at_the_top():
    assert README.split("\n\n", 1)[1].startswith(publish.NOTE) == (REPOSITORY == publish.PLACEHOLDER)
    assert (publish.NOTE in README) == (REPOSITORY == publish.PLACEHOLDER)


def test_the_table_has_a_row_for_each_lesson():
    rows = re.findall(r"^\| *\[.*?\]\(notebooks/(\S+)\.ipynb\) *\|(.*)\|(.*)\|(.*)\|$", README, re.MULTILINE)
    assert [name for name, *_ in rows] == [path.stem for path in NOTEBOOKS]
    for name, idea, minutes, built in rows:
        assert idea.strip() and built.strip(), name
        assert re.fullmatch(r"\d+(\.\d)?", minutes.strip()), f"{name}: measure its minutes"


def test_the_map_of_the_package_has_every_room_on_its_floor():
    rows = re.findall(r"^\| (\d) \| (.*) \|$", README, re.MULTILINE)
    rooms = {name: int(floor) for floor, row in rows for name in re.findall(r"`(\w+)/?`", row)}
    assert rooms == FLOORS


def test_every_file_and_folder_of_the_map_is_there():
    mapped = re.findall(r"`(.*?)`", "".join(re.findall(r"^\| `.*?` \|", README, re.MULTILINE)))
    assert "segedu/" in mapped and [name for name in mapped if not (ROOT / name).exists()] == []


def test_one_version_and_one_name():
    assert CITATION["version"] == PROJECT["version"] == segedu.__version__
    assert CITATION["cff-version"] == "1.2.0" and CITATION["message"] and CITATION["authors"]
    assert CITATION["title"].startswith(PROJECT["name"])


def test_both_licences_are_named():
    files = {
        "BSD-3-Clause": ("LICENSE", "BSD 3-Clause License"),
        "CC-BY-4.0": ("LICENSE-CC-BY-4.0", "Creative Commons"),
    }
    assert PROJECT["license"] == " AND ".join(files) and PROJECT["license-files"] == [
        name for name, _ in files.values()
    ]
    for name, words in files.values():  # a forge knows a licence by its text, from its first line on
        assert (ROOT / name).read_text(encoding="utf-8").startswith(words)
    assert "BSD-3-Clause" in README and "CC BY 4.0" in README and CITATION["license"] == "BSD-3-Clause"
