"""What each lesson takes: minutes, cores and memory; for README and TEACHING.

    python -m tools.costs [NAME ...] [--write]

NAME is the beginning of a lesson's file name ("04"); without one, all run, one after another, as a reader's laptop
would run them: two threads, a laptop's instructions (AVX2), no real data. Run it on a Linux machine that does nothing
else: minutes are those of the clock, and "cores" the processor seconds of the kernel in each second. Memory is what the
kernel had at its highest. data/results/costs.json keeps what was seen; --write puts it into the tables (alone, without
NAME, it runs nothing).
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from benchmarks import storing
from benchmarks.provenance import commit, today
from tools.cells import NOTEBOOKS, ROOT
from tools.prove import AVX2

RESULTS = ROOT / "data" / "results" / "costs.json"
READMES = (ROOT / "README.md", ROOT / "README.ko.md")
TEACHING = ROOT / "notebooks" / "TEACHING.md"
LAPTOP = {"OMP_NUM_THREADS": "2", "CUDA_VISIBLE_DEVICES": "", "SEGEDU_DATA": "", "SEGEDU_STRICT": "1", **AVX2}


def processor_seconds(pid: int) -> float:
    """What a process and the children that it has waited for have computed."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def highest_megabytes(pid: int) -> float:
    """What a process held at its highest (VmHWM)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1000


def run(path: Path) -> dict[str, float]:
    """The seconds, cores and megabytes of one lesson, from the start of its kernel to its last cell."""
    client = NotebookClient(nbformat.read(path, as_version=4), timeout=1800, kernel_name="python3")
    started = time.perf_counter()
    with client.setup_kernel(env=os.environ | LAPTOP, cwd=str(path.parent)):
        for index, cell in enumerate(client.nb.cells):
            client.execute_cell(cell, index)
        seconds, pid = time.perf_counter() - started, client.km.provisioner.pid
        computed, megabytes = processor_seconds(pid), highest_megabytes(pid)
    return {"seconds": round(seconds, 1), "cores": round(computed / seconds, 2), "megabytes": round(megabytes)}


def stored() -> dict[str, dict]:
    """{lesson: what it took} as stored."""
    return storing.read(RESULTS)["lessons"] if RESULTS.exists() else {}


def with_minutes(readme: str, lessons: dict[str, dict]) -> str:
    """A README whose table tells these lessons' minutes, in its third column."""
    for stem, cost in lessons.items():
        row = re.compile(rf"^(\| \[[^\]]*\]\(notebooks/(?:ko/)?{stem}\.ipynb\) \| [^|]* \| )[\d.]+( \|)", re.MULTILINE)
        readme = row.sub(lambda found, cost=cost: f"{found[1]}{cost['seconds'] / 60:.1f}{found[2]}", readme)
    return readme


def with_memory(teaching: str, lessons: dict[str, dict]) -> str:
    """TEACHING with a table of these lessons' memory and cores."""
    rows = ["| lesson | peak memory | cores in use |", "| --- | ---: | ---: |"]
    for stem, cost in sorted(lessons.items()):
        memory, cores = f"{cost['megabytes'] / 1000:.1f} GB", f"{cost['cores']:.1f}"
        rows.append(f"| [{stem.partition('_')[0]}]({stem}.ipynb) | {memory} | {cores} |")
    table = "\n".join(rows) + "\n"
    return re.sub(r"^\| lesson \| peak memory \|.*\n(\|.*\n)*", lambda _: table, teaching, flags=re.MULTILINE)


def write(lessons: dict[str, dict]) -> None:
    """Put what is stored into the tables of README, in both languages, and TEACHING."""
    for path in READMES:
        path.write_text(with_minutes(path.read_text(encoding="utf-8"), lessons), encoding="utf-8")
    TEACHING.write_text(with_memory(TEACHING.read_text(encoding="utf-8"), lessons), encoding="utf-8")


def main() -> int | str:
    """Run the lessons, print and store what they take, and write the tables if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="beginnings of lessons' names; all lessons if none")
    parser.add_argument("--write", action="store_true", help="put what is stored into README and TEACHING")
    options = parser.parse_args()
    chosen = [path for path in NOTEBOOKS if path.name.startswith(tuple(options.names or [""]))]
    if not chosen:
        return f"No lesson in notebooks/ begins with {' or '.join(options.names)}."
    for path in [] if options.write and not options.names else chosen:
        cost = run(path)
        print(f"{path.stem}: {cost['seconds']} s, {cost['cores']} cores, {cost['megabytes']} MB", flush=True)
        lessons = dict(sorted((stored() | {path.stem: cost | {"date": today(), "commit": commit()}}).items()))
        storing.store(
            RESULTS, {"command": "python -m tools.costs", "machine": storing.machine("AVX2", 2), "lessons": lessons}
        )
    if options.write:
        write(stored())
    return 0


if __name__ == "__main__":
    sys.exit(main())
