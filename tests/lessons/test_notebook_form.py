"""The rules for notebooks see what they are meant to see: a sound lesson passes, and each fault is named."""

import copy

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools import notebook_form as form

NAME = "04_training"
CAPTION = "The loss falls."
DETAILS = "<details><summary>Why?</summary>\n\nIt learns.\n\n</details>"


def stream(text: str, name: str = "stdout"):
    return new_output("stream", name=name, text=text)


def picture(alternative: str = CAPTION):
    return new_output("display_data", data={"image/png": "iVBORw0="}, metadata={"image/png": {"alt": alternative}})


def caption():
    return new_output("display_data", data={"text/markdown": f"*{CAPTION}*"})


def folded(tag: str) -> dict:
    closed = {"jupyter": {"source_hidden": True}, "cellView": "form", "_kg_hide-input": True}
    return {"tags": [tag, "hide-input"], **closed}


def sound_lesson():
    """A lesson that breaks no rule: two figures, three predictions, six claims."""
    opening = f"# 04 Training\n\n{form.badge(NAME)}\n\n**You will be able to** fit.\n\n**You need** 03.\n\n**Time**: 9"
    cells = [
        new_markdown_cell(opening),
        new_code_cell(form.SETUP, metadata=folded("setup"), outputs=[stream("torch 2.14.1 on cpu\n")]),
        new_markdown_cell("What falls here?\n\n"),
        new_code_cell("show(curve)", outputs=[picture(), caption()]),
    ]
    answer = {"collapsed": True, "jupyter": {"outputs_hidden": True}}
    for number in range(3):
        cells += [
            new_markdown_cell("What do you expect?"),
            new_code_cell("guess = 3"),
            new_code_cell("check.guess(guess, truth)", metadata=copy.deepcopy(answer), outputs=[stream("right\n")]),
            new_markdown_cell(f"{DETAILS}\n\nIt is so."),
            new_code_cell(f"assert truth == {number}\ntorch.testing.assert_close(a, b)", metadata=folded("proof")),
        ]
    cells += [
        new_markdown_cell("An error."),
        new_code_cell("1 / 0", metadata={"tags": ["raises-exception"]}, outputs=[error()]),
        new_markdown_cell("On real photographs."),
        new_code_cell("announce()", metadata={"tags": ["real-data"]}, outputs=[stream("real data: camvid not here\n")]),
        new_markdown_cell("## Recap\n\nWe trained.\n\n## What differs from the papers\n\nAll."),
        new_markdown_cell("## References\n\nLong et al., *Fully Convolutional Networks*, 2015, § 4.1."),
    ]
    lesson = new_notebook(cells=cells, metadata=copy.deepcopy(form.METADATA))
    for count, cell in enumerate(form.code(lesson), 1):
        cell.execution_count = count
    return lesson


def error():
    return new_output("error", ename="ZeroDivisionError", evalue="division by zero", traceback=["ZeroDivisionError"])


def find(lesson, beginning: str):
    return next(cell for cell in lesson.cells if cell.source.startswith(beginning))


def test_a_sound_lesson_has_no_complaints():
    lesson = sound_lesson()
    nbformat.validate(lesson)
    assert form.all_complaints(lesson, NAME) == []


def out_of_order(lesson):
    form.code(lesson)[3].execution_count = 9


def not_executed(lesson):
    form.code(lesson)[-1].execution_count = None


def without_cells(lesson):
    lesson.cells = [cell for cell in lesson.cells if cell.cell_type != "code"]


def widget_state(lesson):
    lesson.metadata["widgets"] = {}


def widget(lesson):
    find(lesson, "show").outputs.append(new_output("display_data", data={form.WIDGET: {}, "text/plain": "Box()"}))


def same_ids(lesson):
    lesson.cells[3].id = lesson.cells[2].id


def accident(lesson):
    find(lesson, "show").outputs.append(error())


def intended_error_missing(lesson):
    find(lesson, "1 / 0").outputs = []


def stderr(lesson):
    find(lesson, "show").outputs.append(stream("step 3\n", "stderr"))


def says(text):
    def fault(lesson):
        find(lesson, "show").outputs.append(stream(text))

    fault.__name__ = f"says {text!r}"
    return fault


def path_in_source(lesson):
    find(lesson, "show").source = "show(open('/tmp/curve.png'))"


def other_set_up(lesson):
    form.code(lesson)[0].source += "\nimport os"


def no_set_up(lesson):
    form.code(lesson)[0].metadata = {}


def late_set_up(lesson):
    lesson.cells.insert(1, new_code_cell("import os", execution_count=1))


def without(cell: str, text: str):
    def fault(lesson):
        found = find(lesson, cell)
        assert text in found.source
        found.source = found.source.replace(text, "")

    fault.__name__ = f"without {text}"
    return fault


def no_title(lesson):
    lesson.cells[0].source = "Training\n\n" + lesson.cells[0].source


def far_recap(lesson):
    lesson.cells += [new_markdown_cell("And so on.") for _ in range(form._CLOSING_CELLS - 1)]


def two_predictions(lesson):
    lesson.cells.remove(find(lesson, "check.guess"))


def open_answer(lesson):
    find(lesson, "check.guess").metadata = {}


def five_claims(lesson):
    find(lesson, "assert truth == 1").source = "assert truth == 1"


def open_claim(lesson):
    find(lesson, "show").source = "show(curve)\nassert curve"


def empty_proof(lesson):
    find(lesson, "assert truth == 1").source = "print(truth)"


def open_proof(lesson):
    find(lesson, "assert truth == 1").metadata = {"tags": ["proof"]}


def unfolded_on_colab(lesson):
    del find(lesson, "assert truth == 1").metadata["cellView"]


def unfolded_on_kaggle(lesson):
    del find(lesson, "assert truth == 1").metadata["_kg_hide-input"]


def inside_a_line(lesson):
    lesson.cells[2].source += DETAILS.replace("<details>", "Why? <details>")


def without_blank_lines(lesson):
    lesson.cells[2].source += DETAILS.replace("</summary>\n\n", "</summary>\n")


def text_right_below(lesson):
    lesson.cells[2].source += DETAILS + "\nSo it falls."


def never_closed(lesson):
    lesson.cells[2].source += DETAILS.replace("</details>", "")


def unfolded_on_a_site(lesson):
    find(lesson, "assert truth == 1").metadata["tags"] = ["proof"]


def only_stored(lesson):
    find(lesson, "assert truth == 1").source = "assert stored_runs('04_leak')['a'].mean() > 3"


def not_stored(lesson):
    find(lesson, "assert truth == 1").metadata["tags"] = ["recorded", "hide-input"]


def proof_before_reading(lesson):
    lesson.cells.remove(find(lesson, "<details>"))


def two_kinds(lesson):
    find(lesson, "show").source = "truth = []\nshow(curve)"
    find(lesson, "announce").source = "truth = {}\nannounce()"


def long_cells(lesson):
    for cell in form.code(lesson)[1:]:
        cell.source += "\nx = 1" * 7


def long_cell(lesson):
    find(lesson, "show").source += "\nx = 1\n# why\n" * 25


def large(lesson):
    find(lesson, "show").outputs[0].data["image/png"] = "A" * 900_000


def late_picture(lesson):
    find(lesson, "show").outputs = []
    find(lesson, "guess").source += "\nx = 1" * 24
    find(lesson, "1 / 0").outputs += [picture(), caption()]


def no_picture(lesson):
    find(lesson, "show").outputs = []


def picture_without_words(lesson):
    find(lesson, "show").outputs[0].metadata = {}


def picture_without_caption(lesson):
    del find(lesson, "show").outputs[1]


def two_pictures_one_caption(lesson):
    find(lesson, "show").outputs.insert(0, picture())


def linked_picture(lesson):
    lesson.cells[2].source += "![a net](https://example.org/net.png)"


def wordless_linked_picture(lesson):
    lesson.cells[2].source += "![](net.png)"


def real_picture(lesson):
    find(lesson, "announce").outputs += [picture(), caption()]


def silent_about_real_data(lesson):
    find(lesson, "announce").outputs = []


def stored_with_real_data(lesson):
    find(lesson, "announce").outputs = [stream("real data: camvid 367/101\n")]


FAULTS = [
    (out_of_order, "executed_in_order", "top to bottom"),
    (not_executed, "executed_in_order", "None"),
    (without_cells, "executed_in_order", "no code cells"),
    (widget_state, "plain_metadata", "widgets"),
    (same_ids, "plain_metadata", "same id"),
    (widget, "no_widgets", "GitHub"),
    (accident, "errors_only_where_intended", "a stored error in 'show(curve)'"),
    (intended_error_missing, "errors_only_where_intended", "raised nothing"),
    (stderr, "nothing_of_the_machine", "stderr"),
    (path_in_source, "nothing_of_the_machine", "/tmp/curve.png"),
    (says("in /home/ada/lessons\n"), "nothing_of_the_machine", "/home/ada/lessons"),
    (says("in /work/segedu\n"), "nothing_of_the_machine", "/work/segedu"),
    (says("in C:\\Users\\ada\n"), "nothing_of_the_machine", "C:\\Users"),
    (says("UserWarning: old\n"), "nothing_of_the_machine", "UserWarning"),
    (says("12.3it/s\n"), "nothing_of_the_machine", "progress"),
    (says(" 30%|███   |\n"), "nothing_of_the_machine", "progress"),
    (says("at 13:05:59\n"), "nothing_of_the_machine", "time of day"),
    (says("on 2026-11-22\n"), "nothing_of_the_machine", "date"),
    (says("<Net at 0x7f3a5c001d50>\n"), "nothing_of_the_machine", "memory"),
    (says("step 1\rstep 2\n"), "nothing_of_the_machine", "overwritten"),
    (other_set_up, "set_up_cell", "not the one"),
    (no_set_up, "set_up_cell", "first code cell"),
    (late_set_up, "set_up_cell", "first code cell"),
    (no_title, "opening", "title"),
    (without("# 04", "**You will be able to**"), "opening", "able to do"),
    (without("# 04", "**You need**"), "opening", "need"),
    (without("# 04", "**Time**"), "opening", "minutes"),
    (without("# 04", form.badge(NAME)), "opening", "badge"),
    (without("## Recap", "## Recap"), "closing", "recap"),
    (without("## Recap", "## What differs from the papers"), "closing", "differs"),
    (without("## References", "## References"), "closing", "references"),
    (without("## References", "§ "), "closing", "section"),
    (far_recap, "closing", "recap"),
    (two_predictions, "predictions", "2 predictions"),
    (open_answer, "folds", "not folded"),
    (five_claims, "proofs", "5 asserted claims"),
    (open_claim, "proofs", "neither proof nor recorded"),
    (empty_proof, "proofs", "asserts nothing"),
    (open_proof, "folds", "not folded"),
    (unfolded_on_colab, "folds", "not folded"),
    (unfolded_on_kaggle, "folds", "not folded"),
    (inside_a_line, "folded_words", "a line <details>"),
    (without_blank_lines, "folded_words", "a line <details>"),
    (text_right_below, "folded_words", "a line <details>"),
    (never_closed, "folded_words", "a line <details>"),
    (unfolded_on_a_site, "folds", "not folded"),
    (only_stored, "recorded", "tag it recorded"),
    (not_stored, "recorded", "tag it proof"),
    (proof_before_reading, "proofs", "reading"),
    (two_kinds, "names_keep_their_type", "truth is a list, and a dict in 'truth = {}'"),
    (long_cells, "sizes", "median"),
    (long_cell, "sizes", "a code cell of 26 lines"),
    (large, "sizes", "kB"),
    (late_picture, "early_picture", "first picture"),
    (no_picture, "early_picture", "no picture"),
    (picture_without_words, "pictures_in_words", "alternative text"),
    (picture_without_caption, "pictures_in_words", "caption"),
    (two_pictures_one_caption, "pictures_in_words", "caption"),
    (linked_picture, "pictures_in_words", "network"),
    (wordless_linked_picture, "pictures_in_words", "alternative text"),
    (real_picture, "real_data_stays_out", "picture"),
    (silent_about_real_data, "real_data_stays_out", "does not say"),
    (stored_with_real_data, "real_data_stays_out", "at hand"),
]


@pytest.mark.parametrize(("fault", "rule", "words"), FAULTS, ids=lambda value: getattr(value, "__name__", ""))
def test_each_fault_is_named_by_its_rule(fault, rule, words):
    lesson = sound_lesson()
    fault(lesson)
    said = getattr(form, rule)(lesson, NAME)
    assert any(words in complaint for complaint in said), said


def test_every_rule_is_tried():
    assert {rule.__name__ for rule in form.RULES} == {rule for _, rule, _ in FAULTS}


@pytest.mark.parametrize("text", ["tensor[10:20]", "13:05 minutes", "https://x.org/work/a", "and/or/home", "3:4:5"])
def test_harmless_output_is_left_alone(text):
    lesson = sound_lesson()
    says(f"{text}\n")(lesson)
    assert form.nothing_of_the_machine(lesson, NAME) == []
