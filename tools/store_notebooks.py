"""Run lessons and store their outputs, as `make notebooks` does.

    python -m tools.store_notebooks [NAME ...] [--avx2]

NAME is the beginning of a lesson's file name ("04"), or of its solutions' ("solutions/04"), from which the exercises
are made; without one, all run, one after the other, on two threads, on the CPU and without real pictures. A lesson is
stored only when the whole of it ran, and its translation follows it. With --avx2 the processor pretends to be a
laptop's, whose minutes these are.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from tools import exercises, notebook_form, translations
from tools.cells import METADATA, NOTEBOOKS, SETUP, SOLUTIONS, WIDGET, metadata, tags, with_badge, write_notebook
from tools.notebook_form import real_data_stays_out
from tools.prove import AVX2


def name_of(path: Path) -> str:
    """The place of a notebook in notebooks/, without .ipynb: "02_scores", "solutions/02"."""
    return f"solutions/{path.stem}" if path.parent.name == "solutions" else path.stem


def prepare(notebook, name: str) -> None:
    """Put the badge under the title, the set-up cell before the first code, and an id on every cell."""
    notebook.nbformat_minor = max(notebook.nbformat_minor, 5)
    for number, cell in enumerate(notebook.cells):
        cell.setdefault("id", f"cell-{number}")
    notebook.cells[0].source = with_badge(notebook.cells[0].source, name)
    setups = [cell for cell in notebook.cells if "setup" in tags(cell)]
    if not setups:
        setups = [nbformat.v4.new_code_cell(id="setup", metadata={"tags": ["setup"]})]
        first = next((i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"), len(notebook.cells))
        notebook.cells.insert(first, setups[0])
    setups[0].source = SETUP


def clean(notebook) -> None:
    """Leave what a reader wants to see: no widgets, no stderr, no machine's traces; answers and proofs folded."""
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict(metadata(cell))
        if cell.cell_type == "code":
            cell.outputs = [output for output in map(cleaned, cell.outputs) if output is not None]


def cleaned(output):
    """The output as it is stored, or None where nothing of it is."""
    if output.output_type == "stream":
        text = "".join(line.rstrip() + "\n" for line in re.sub(r"[^\n]*\r(?!\n)", "", output.text).splitlines())
        output.text = text.rstrip("\n") + "\n"
        return output if output.name == "stdout" and text.strip() else None
    if output.output_type == "error":  # an intended one: its sentence teaches, the paths of this machine do not
        output.traceback = [f"{output.ename}: {output.evalue}"]
        return output
    if WIDGET in output.data:
        return None
    if len(output.data) > 1 and re.fullmatch(r"<.*>", output.data.get("text/plain", "")):
        del output.data["text/plain"]  # "<Figure size 640x480 with 1 Axes>"
    return output


def warnings_of(notebook) -> list[str]:
    """The lines of stderr that are warnings: a lesson does not train its readers to overlook them."""
    streams = [o for cell in notebook.cells for o in cell.get("outputs", []) if o.get("name") == "stderr"]
    return [line for stream in streams for line in stream.text.splitlines() if "Warning" in line]


def run(notebook, folder: Path) -> list[float]:
    """Execute the notebook in place, in `folder`; the seconds of each cell. Raises CellExecutionError."""
    seconds = []
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
        on_cell_execute=lambda **_: seconds.append(-time.perf_counter()),
        on_cell_executed=lambda **_: seconds.append(seconds.pop() + time.perf_counter()),
    )
    client.execute()
    return seconds


def store(path: Path) -> bool:
    """Run one lesson and write it back; whether that went well."""
    notebook, name = nbformat.read(path, as_version=4), name_of(path)
    prepare(notebook, name)
    try:
        seconds = run(notebook, path.parent)
    except CellExecutionError as error:
        print(f"{path.name}: NOT stored, a cell failed.\n{error}", flush=True)
        return False
    if warned := warnings_of(notebook):
        print(f"{path.name}: NOT stored, it warns:", *warned, sep="\n  ", flush=True)
        return False
    clean(notebook)
    if shown := real_data_stays_out(notebook, path.stem):
        print(f"{path.name}: NOT stored:", *shown, sep="\n  ", flush=True)
        return False
    write_notebook(notebook, path)
    kilobytes = path.stat().st_size / 1000
    print(f"{path.name}: {sum(seconds):.0f} s, slowest cell {max(seconds):.0f} s, {kilobytes:.0f} kB", flush=True)
    if path in SOLUTIONS:
        exercises.write(path)
    for complaint in (exercises if path in SOLUTIONS else notebook_form).all_complaints(notebook, name):
        print(f"  its form: {complaint}", flush=True)
    for complaint in translations.follow(path):
        print(f"  its translation: {complaint}", flush=True)
    return True


def be_a_plain_machine(scratch: Path, avx2: bool) -> None:
    """Set this process's environment, which the kernels inherit: two threads, a CPU, no data but weights.

    A check that fails stops its lesson.
    """
    os.environ.update(OMP_NUM_THREADS="2", OMP_WAIT_POLICY="PASSIVE", CUDA_VISIBLE_DEVICES="", SEGEDU_STRICT="1")
    if avx2:
        os.environ.update(AVX2)
    weights = Path(os.environ.pop("SEGEDU_DATA", scratch / "none")) / "weights"
    (scratch / "data").mkdir()
    if weights.is_dir():
        shutil.copytree(weights, scratch / "data" / "weights")
    os.environ["SEGEDU_DATA"] = str(scratch / "data")


def main() -> int:
    """Run the lessons and store their outputs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="beginnings of lessons' names; all lessons if none")
    parser.add_argument("--avx2", action="store_true", help="as slow as a laptop, to measure its minutes")
    options = parser.parse_args()
    names = tuple(options.names or [""])
    chosen = [path for path in [*NOTEBOOKS, *SOLUTIONS] if name_of(path).startswith(names)]
    if not chosen:
        return f"No lesson in notebooks/ begins with {' or '.join(options.names) or 'anything'}."
    with tempfile.TemporaryDirectory() as scratch:
        be_a_plain_machine(Path(scratch), options.avx2)
        stored = [store(path) for path in chosen]  # each, also after one that failed
        return int(not all(stored))


if __name__ == "__main__":
    sys.exit(main())
