"""How the measurements keep what they found: files of JSON that say where they come from, whole or seed by seed."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Iterable
from pathlib import Path

import torch

from benchmarks import provenance
from segedu import resources

RESULTS = Path(__file__).resolve().parents[1] / "data" / "results"


def command_line(doc: str, *, seeds: list[int] | None = None, seconds: int | None = None) -> argparse.ArgumentParser:
    """A parser with what the measurements have in common: --dry; and --seeds and --seconds where they are given."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    if seconds is not None:
        parser.add_argument("--seconds", type=int, default=seconds, help=f"of training; {seconds} if not given")
    if seeds is not None:
        told = " ".join(map(str, seeds))
        parser.add_argument("--seeds", nargs="+", type=int, default=seeds, help=f"{told} if not given")
    parser.add_argument("--dry", action="store_true", help="print, and store nothing")
    return parser


def known(names: Iterable[str], all_names: Iterable[str]) -> list[str]:
    """The names, or all if there are none. A name that nobody knows ends the program with a sentence."""
    names, all_names = list(names), list(all_names)
    if unknown := [name for name in names if name not in all_names]:
        sys.exit(f"There is no {', '.join(unknown)}; there are {', '.join(all_names)}.")
    return names or all_names


def machine(precision: str, threads: int | None = None) -> str:
    """This machine in words; threads: those of torch if not given."""
    return f"{platform.machine()}, {threads or torch.get_num_threads()} threads, {precision}, torch {torch.__version__}"


def read(path: Path) -> dict:
    """What is stored in this file."""
    return json.loads(path.read_text(encoding="utf-8"))


def store(path: Path, found: dict) -> None:
    """Write what was found, wholly or not at all."""
    with resources.atomic_write(path) as temporary:
        text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
        temporary.write_text(text, encoding="utf-8", newline="\n")


def stored_rows(path: Path, question: str, seconds: int, precision: str) -> dict:
    """What is stored for this budget of seconds, or a table without rows; precision: as a reader should see it."""
    if path.exists() and (stored := read(path))["seconds"] == seconds:
        return stored
    command = f"python -m benchmarks.{path.stem} --seconds {seconds}"
    told = {"question": question, "command": command, "machine": machine(precision, 2), "seconds": seconds}
    return told | provenance.origin(f"benchmarks.{path.stem}") | {"arms": {}}


def refuse_other_code(path: Path, stored: dict) -> None:
    """End the program where new rows would stand beside rows that other code made."""
    if stored["arms"] and (changed := provenance.changes(stored["modules"], f"benchmarks.{path.stem}")):
        sys.exit(
            f"{path.name} holds rows from {stored['date']}, and since then these modules have changed: "
            f"{', '.join(changed)}. Remove the file and run all arms anew; or, if they compute the same, say so first: "
            f'python -m benchmarks --shown-equal "how this was shown" {path.stem}. --dry runs as they are.'
        )


def with_row(stored: dict, name: str, seed: int, result: dict[str, float]) -> dict:
    """The stored rows and one more result, in the place of an earlier one of this name and seed, dated today."""
    row = stored["arms"].setdefault(name, {})
    for key, value in result.items():
        if key == "parameters":
            row[key] = value
        else:
            row.setdefault(key, {})[str(seed)] = value
    return stored | {"date": provenance.today(), "commit": provenance.commit()}
