"""README.ko.md says in Korean what README.md says: the same sections, commands, links and minutes, in one order."""

import re

import pytest

from tools import publish
from tools.cells import ROOT, TRANSLATIONS

ENGLISH, KOREAN = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.ko.md"))
SECTION = re.compile(r"^## ", re.MULTILINE)
LANGUAGES = {"README.md", "README.ko.md"}  # each leads to the other


def fences(text: str) -> list[str]:
    """The blocks of code."""
    return re.findall(r"^```.*?^```$", text, re.MULTILINE | re.DOTALL)


def spans(text: str) -> list[str]:
    """The code inside of sentences, with line breaks as spaces."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose(text))]


def prose(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def links(text: str) -> list[str]:
    """Where links and pictures lead, in order; a lesson's translation counts as the lesson."""
    found = re.findall(r"\]\(([^)\s]+)\)|(?:href|src)=\"([^\"]+)\"", prose(text))
    return [(a or b).replace("notebooks/ko/", "notebooks/") for a, b in found if (a or b) not in LANGUAGES]


def first_difference(ours: list[str], theirs: list[str]) -> str:
    """What stands at the first place in which two lists differ; "" where they are equal."""
    for one, other in zip([*ours, "(the end)"], [*theirs, "(the end)"], strict=False):
        if one != other:
            return f"README.ko.md has {one} where README.md has {other}"
    return ""


def test_the_first_difference_is_named():
    assert first_difference(["a"], ["a"]) == first_difference([], []) == ""
    assert first_difference(["a"], ["a", "b"]).endswith("has (the end) where README.md has b")
    assert first_difference(["a", "c"], ["a"]).endswith("has c where README.md has (the end)")


def test_it_has_the_same_sections():
    assert [len(head) for head in re.findall("^#+ ", prose(KOREAN), re.MULTILINE)] == [
        len(head) for head in re.findall("^#+ ", prose(ENGLISH), re.MULTILINE)
    ]
    assert not [head for head in re.findall("^#+ .*", prose(KOREAN), re.MULTILINE) if not re.search("[가-힣]", head)]


def test_it_has_the_same_blocks_of_code():
    assert first_difference(fences(KOREAN), fences(ENGLISH)) == "" and fences(KOREAN)


def test_it_names_every_command_and_file():
    assert {*spans(ENGLISH)} - {*spans(KOREAN)} == set()


@pytest.mark.parametrize("number", range(len(SECTION.split(ENGLISH))))
def test_its_links_lead_where_the_others_do(number):
    ours, theirs = (links(SECTION.split(text)[number]) for text in (KOREAN, ENGLISH))
    if number == 0:  # the Korean one also says which lessons are in Korean
        ours = [link for link in ours if not link.startswith("notebooks/")]
    assert first_difference(ours, theirs) == ""


def test_its_lessons_have_the_same_minutes():
    row = re.compile(r"^\| \[.*?\]\(notebooks/(?:ko/)?(\S+?)\) \|.*\| ([\d.]+) \|.*\|$", re.MULTILINE)
    assert row.findall(KOREAN) == row.findall(ENGLISH) != []


def test_it_leads_to_every_lesson_in_korean():
    names = [path.name for path in TRANSLATIONS]
    assert re.findall(r"^\| \[.*?\]\(notebooks/ko/(\S+?)\)", KOREAN, re.MULTILINE) == names != []
    assert re.findall(r'href="notebooks/ko/([^"]+)"', KOREAN) == names


def test_its_badges_open_a_lesson_in_korean():
    opened = re.findall(r"notebooks/[^)]*", "".join(re.findall(r"^\[!\[.*", KOREAN, re.MULTILINE)))
    assert len(opened) == 2 and {*opened} <= {f"notebooks/ko/{path.name}" for path in TRANSLATIONS}


def test_every_file_that_it_names_is_there():
    named = re.findall(r"\]\((?!https?:)([^)#]+)\)|(?:href|src)=\"([^\"]+)\"", KOREAN)
    assert named and [a or b for a, b in named if not (ROOT / (a or b)).exists()] == []


def test_each_leads_to_the_other():
    assert "](README.ko.md)" in SECTION.split(ENGLISH)[0] and "](README.md)" in SECTION.split(KOREAN)[0]


def test_every_picture_has_words_in_korean():
    words = re.findall(r'<img [^>]*alt="([^"]*)"', KOREAN) + re.findall(r"^!\[([^]]*)\]", KOREAN, re.MULTILINE)
    assert len(words) > 18 and [alt for alt in words if not re.search("[가-힣]", alt)] == []


def test_a_placeholder_is_called_one_at_the_top():
    start = KOREAN.split("\n\n", 1)[1].startswith(publish.NOTE_IN_KOREAN)
    assert start == (publish.NOTE_IN_KOREAN in KOREAN) == (publish.repository() == publish.PLACEHOLDER)
