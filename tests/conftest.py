"""Seconds of every notebook and of its slowest cell, printed at the end; and what lessons say where real data is."""

from __future__ import annotations

import os
import re
import sys
from collections import defaultdict
from pathlib import Path

import pytest

NOTEBOOK_LIMIT, CELL_LIMIT = 90, 40  # seconds on a reader's laptop
TOLERANCE = 3  # machines differ: only beyond this many times its limit does a notebook fail

os.environ.setdefault("OMP_NUM_THREADS", "2")  # the kernels of the notebooks run on two threads, one after the other
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def pytest_configure(config):
    config.pluginmanager.register(Lessons())  # hooks of this file itself would see tests/ only, not notebooks/


@pytest.fixture(autouse=True)
def threads_are_as_they_were():
    """Other threads take sums in another order: a test that leaves some changes the last digits of all after it."""
    if "torch" not in sys.modules:
        yield
        return
    torch = sys.modules["torch"]
    before = torch.get_num_threads()
    yield
    left = torch.get_num_threads()
    torch.set_num_threads(before)
    assert left == before, f"this test found torch with {before} threads and left it with {left}"


def too_slow(cells: list[float]) -> bool:
    """Whether a notebook with these seconds a cell is beyond its limit, or one of its cells, even on a slow machine."""
    return sum(cells) > TOLERANCE * NOTEBOOK_LIMIT or max(cells) > TOLERANCE * CELL_LIMIT


def complain_about_real_data(text: str, root: str) -> None:
    """Raise AssertionError unless `text` has a line `real data: NAME 367/101`, or `root` has no folder NAME."""
    line = re.search(r"^real data: (\w+) (.*)$", text, re.MULTILINE)
    assert line, f"the first cell tagged real-data must print `real data: NAME counts`; it printed: {text!r}"
    found = re.fullmatch(r"\d+(/\d+)*", line[2].strip())
    assert found or not Path(root, line[1]).is_dir(), f"{root} has {line[1]}, but the cell printed: {line[0]}"


class Lessons:
    """A pytest plugin: counts the seconds of tests and notebooks, and reads what the cells tagged real-data print."""

    def __init__(self):
        self.seconds: dict[str, list[float]] = defaultdict(list)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item):
        result = yield
        root = os.environ.get("SEGEDU_DATA")
        if root and item.path.suffix == ".ipynb":
            tagged = [cell for cell in item.parent.nb.cells if "real-data" in cell.metadata.get("tags", [])]
            if tagged and item.cell is tagged[0]:
                complain_about_real_data("".join(output.get("text", "") for output in item.test_outputs), root)
        return result

    def pytest_runtest_logreport(self, report):
        if report.when == "call":
            self.seconds[report.nodeid.partition("::")[0]].append(report.duration)

    @property
    def slow(self) -> list[str]:
        return [name for name, cells in self.seconds.items() if name.endswith(".ipynb") and too_slow(cells)]

    def pytest_sessionfinish(self, session):
        if self.slow:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter):
        terminalreporter.section("seconds")
        for name, cells in sorted(self.seconds.items()):
            terminalreporter.line(f"{sum(cells):7.1f}  {name} (slowest {max(cells):.1f})")
        terminalreporter.line(f"{sum(map(sum, self.seconds.values())):7.1f}  in all")
        for name in self.slow:
            limit = f"{TOLERANCE} × {NOTEBOOK_LIMIT} s, or {TOLERANCE} × {CELL_LIMIT} s a cell"
            terminalreporter.line(f"FAILED {name}: slower than {limit}", red=True)
