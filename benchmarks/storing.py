"""How the measurements keep what they found: whole files of JSON, and tables that grow seed by seed."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import torch

from segedu import files


def store(path: Path, found: dict) -> None:
    with files.whole(path) as temporary:
        temporary.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def stored_rows(path: Path, question: str, seconds: int, precision: str) -> dict:
    """What is stored for this budget of seconds, or a table without rows; precision: as a reader should see it."""
    if path.exists() and (stored := json.loads(path.read_text(encoding="utf-8")))["seconds"] == seconds:
        return stored
    machine = f"{platform.machine()}, 2 threads, {precision}, torch {torch.__version__}"
    command = f"python -m benchmarks.{path.stem} --seconds {seconds}"
    return {"question": question, "command": command, "machine": machine, "seconds": seconds, "arms": {}}


def with_row(stored: dict, name: str, seed: int, result: dict[str, float]) -> dict:
    """The stored rows and one more result, in the place of an earlier one of this name and seed."""
    row = stored["arms"].setdefault(name, {})
    for key, value in result.items():
        if key == "parameters":
            row[key] = value
        else:
            row.setdefault(key, {})[str(seed)] = value
    return stored
