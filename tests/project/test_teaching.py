"""TEACHING.md has a plan of one form for each lesson, and all that it quotes still stands where it says.

What a plan quotes is marked: “…” is a heading, a question or an exercise; the two captions after *Project* are in
italics. A number that a teacher is told to say stands in the lesson.
"""

import functools
import re

import nbformat
import pytest

from tools.cells import NOTEBOOKS, ROOT

PAGE = (ROOT / "notebooks" / "TEACHING.md").read_text(encoding="utf-8")
PRINTED = ("PRINT_shapes_and_values.md", "PRINT_scores.md")
AFTER = {"16"}  # lessons that are no part of the eight weeks

LESSONS = {path.stem.partition("_")[0]: path for path in NOTEBOOKS}
PLANS = {part.split(" · ")[0]: part for part in re.split(r"^## (?=\d\d[ab]? · )", PAGE, flags=re.MULTILINE)[1:]}
SCHEDULES = PAGE.partition("## Schedules")[2].partition("\n## ")[0]
CLOSING = re.compile(r"Recap|What differs|References|Where this is today|Questions that every class asks")
FORM = re.compile(
    r".+\n\n\[Lesson\]\((?P<lesson>[^)]+)\) · \[exercises\]\((?P<exercises>[^)]+)\)\n\n"
    r"\| minutes \| cells \|\n\| ---: \| --- \|\n(?P<cut>(?:\| \d+ \| .+ \|\n)+)\n"
    r"- \*\*Leave out\*\* (?P<out>.+)\.\n- \*\*Group task\*\*, in threes: “(?P<task>.+?)”; .+\.\n"
    r"- \*\*Project\*\* \*(?P<one>.+)\* and \*(?P<two>.+)\*\n"
    r"(?P<guesses>(?:- \*\*They guess\*\* [^“]+: “.+?” \*\*Say\*\*: .+\n){3})"
)


@functools.cache
def plan(number: str) -> re.Match:
    found = FORM.match(PLANS[number])
    assert found, f"the plan of lesson {number} has another form than the rest"
    return found


@functools.cache
def sections(number: str) -> dict[str, str]:
    """{heading: sources and printed text below it}; above the first heading stands the opening, ""."""
    found, heading = {"": ""}, ""
    for cell in nbformat.read(LESSONS[number], as_version=4).cells:
        for line in cell.source.splitlines():
            if cell.cell_type == "markdown" and (title := re.match(r"###? (.+)", line)):
                heading = title[1]
                found[heading] = ("## " if line.startswith("## ") else "### ") + "\n"
            found[heading] += line + "\n"
        for output in cell.get("outputs", []):
            found[heading] += output.get("text", "") + output.get("data", {}).get("text/markdown", "") + "\n"
            found[heading] += output.get("data", {}).get("text/plain", "") + "\n"
    return found


def whole(number: str) -> list[str]:
    """The headings of its sections, without those of their parts."""
    return [heading for heading, text in sections(number).items() if text.startswith("## ")]


def quoted(text: str) -> list[str]:
    return re.findall("“(.+?)”", text)


def cut_of(number: str) -> str:
    """All text of the opening and of the sections that the cut keeps, with their parts."""
    kept, found = "", {""} | {*quoted(plan(number)["cut"])}
    inside = True
    for heading, text in sections(number).items():
        inside = heading in found if heading == "" or text.startswith("## ") else inside or heading in found
        kept += text * inside
    return kept


def minutes(table: str) -> int:
    return sum(map(int, re.findall(r"^\| (?:\d+:\d\d \| )?(\d+) \| ", table, re.MULTILINE)))


def table(title: str) -> str:
    """The table of the schedule with this title."""
    return SCHEDULES.partition(f"**{title}**")[2].partition("\n| ")[2].partition("\n\n")[0]


def test_every_lesson_has_a_plan_and_no_other():
    assert [*PLANS] == [*LESSONS]


@pytest.mark.parametrize("number", PLANS)
def test_a_plan_has_the_form_of_the_others_and_is_short(number):
    title = re.search(r"^# (.+)$", nbformat.read(LESSONS[number], as_version=4).cells[0].source, re.MULTILINE)[1]
    assert PLANS[number].startswith(f"{title}\n")
    assert plan(number)["lesson"] == LESSONS[number].name
    assert plan(number)["exercises"] == f"exercises/{number}.ipynb"
    assert plan(number)[0].count("\n") <= 24 and all(len(line) <= 420 for line in plan(number)[0].splitlines())


@pytest.mark.parametrize("number", PLANS)
def test_a_cut_takes_ninety_minutes_and_keeps_or_leaves_each_section(number):
    cut, out = plan(number)["cut"], quoted(plan(number)["out"])
    assert minutes(cut) == 90
    assert cut.count("| the group task |") == cut.count("the opening") == cut.count("| 5 | “Recap") == 1
    kept = [heading for heading in quoted(cut) if heading in whole(number) and not CLOSING.match(heading)]
    assert {*quoted(cut)} <= {*sections(number)}
    expected = [heading for heading in whole(number) if not CLOSING.match(heading)]
    assert [heading for heading in expected if heading in kept] == kept
    assert sorted(out + kept) == sorted(expected)


@pytest.mark.parametrize("number", PLANS)
def test_captions_and_questions_stand_in_what_the_cut_keeps(number):
    kept = cut_of(number)
    captions = re.sub(r"\\(.)", r"\1", kept)
    for caption in (plan(number)["one"], plan(number)["two"]):
        assert f"\n*{caption}*\n" in captions, caption
    for question in quoted(plan(number)["guesses"]):
        assert question in kept, question


@pytest.mark.parametrize("number", PLANS)
def test_what_the_teacher_says_has_numbers_of_the_lesson(number):
    text = "".join(sections(number).values())
    for said in re.findall(r"\*\*Say\*\*: (.+)", plan(number)["guesses"]):
        for figure in re.findall(r"\d[\d.,]*\d|\d", said):
            assert re.search(rf"(?<![\d.]){re.escape(figure)}(?!\d)", text), f"lesson {number} has no {figure}: {said}"


@pytest.mark.parametrize("number", PLANS)
def test_the_group_task_is_an_exercise_of_the_lesson(number):
    exercises = nbformat.read(ROOT / "notebooks" / "exercises" / f"{number}.ipynb", as_version=4)
    assert any(f"## {plan(number)['task']}\n" in f"{cell.source}\n" for cell in exercises.cells)


def test_the_schedules_add_up_and_quote_the_lessons():
    assert minutes(table("90 minutes")) == 90
    for number, heading in re.findall(r"lesson (\d\d[ab]?): (?:the opening; )?“(.+?)”", table("90 minutes")):
        assert heading in sections(number), heading
    rows = re.findall(r"^\| (\d+):(\d\d) \| (\d*) ?\| ", table("One day"), re.MULTILINE)
    starts = [60 * int(hour) + int(minute) for hour, minute, _ in rows]
    assert starts[0] == 9 * 60 and rows[-1][2] == "" and len(rows) > 5
    for start, row, following in zip(starts, rows, starts[1:], strict=False):
        assert start + int(row[2]) == following
    weeks = re.findall(r"^\| (\d) \| lesson (\S+) \| lesson (\S+) \| (.+) \|$", table("Eight weeks"), re.MULTILINE)
    assert [int(week[0]) for week in weeks] == [*range(1, 9)]
    assert f"{len(weeks) * 2 * 90 // 60} hours in all" in SCHEDULES
    taught = [number for week in weeks for number in week[1:3]]
    extra = re.search(r"^Lessons (\S+) and (\S+) are then for those who want them", SCHEDULES, re.MULTILINE)
    assert sorted([*taught, *extra.groups()]) == sorted({*PLANS} - AFTER) and taught == sorted(taught)
    for _, one, other, home in weeks[:7]:
        assert f"exercises {one}, {other}" in home


def test_the_capstone_has_the_criteria_of_lesson_15():
    asked = re.findall(r"^\| \*\*(.+?)\*\* \|", sections("15")["4 · Capstone"], re.MULTILINE)
    marks = PAGE.partition("| criterion | 20 | 10 | 0 |")[2].partition("\n\n")[0]
    marked = re.findall(r"^\| (.+?) \| ", marks, re.MULTILINE)
    assert marked[1:] == asked and len(asked) == 5


def test_the_survey_has_eight_questions():
    survey = PAGE.partition("## Survey")[2].partition("\n## ")[0]
    assert re.findall(r"^(\d)\. ", survey, re.MULTILINE) == [*"12345678"]


@pytest.mark.parametrize("name", PRINTED)
def test_what_is_printed_is_linked_and_fits_a_page(name):
    text = (ROOT / "notebooks" / name).read_text(encoding="utf-8")
    assert f"]({name})" in PAGE and text.count("\n") <= 50 and len(text.split()) < 600


@pytest.mark.parametrize("name", PRINTED)
def test_what_is_printed_tells_no_answer_before_the_lesson_asks(name):
    """Learners have it from the start; what a teacher says after a guess is an answer."""
    text = (ROOT / "notebooks" / name).read_text(encoding="utf-8")
    said = " ".join(re.findall(r"\*\*Say\*\*: (.+)", PAGE))
    answers = {*re.findall(r"\d+\.\d+", said)}
    assert len(answers) > 10 and answers & {*re.findall(r"\d+\.\d+", text)} == set()


def test_the_printed_scores_name_the_lesson_that_explains_them():
    text = (ROOT / "notebooks" / PRINTED[1]).read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+?) \| .+ \[(\w+)\]\((\S+)\) \|$", text, re.MULTILINE)
    assert len(rows) == 10
    for score, number, link in rows:
        assert LESSONS[number].name == link
        word = score.split(" = ")[0] if "objects" not in score else "TP + FP + FN"
        text = "".join(sections(number).values()).replace(r"\text{", "").replace("}", "")
        assert word.casefold() in text.casefold(), score
