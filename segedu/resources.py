"""What ships with segedu, found in the clone or in the installed package; and files written wholly or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterator, Sized
from pathlib import Path

import torch

_PACKAGE = Path(__file__).resolve().parent


def data_path(*parts: str) -> Path:
    """The path of a file or folder that ships with segedu. Lessons 01a, 07.

    Looks in the folder `data` of the clone, then in the installed package (`segedu/_data`, put
    there with the wheel).

    Args:
        *parts: of the path inside `data`, such as "cards", "camvid.md".

    Raises:
        FileNotFoundError: where neither has it.
    """
    in_clone = (_PACKAGE.parent / "pyproject.toml").is_file()
    for folder in ([_PACKAGE.parent / "data"] if in_clone else []) + [_PACKAGE / "_data"]:
        if (path := folder.joinpath(*parts)).exists():
            return path
    raise FileNotFoundError(
        f"segedu ships no {'/'.join(parts)}. Look for a slip in the name; if there is none, install segedu again."
    )


def stored_runs(name: str, *, scale: float = 1.0) -> dict[str, dict[str, torch.Tensor]]:
    """{arm: {score: (seeds,) float32}} of what a measurement that ships has found. Lessons 02 to 13.

    Args:
        name: of the file in data/results, without its ending: "06_few".
        scale: what every score is multiplied by: 100 for %.

    Raises:
        FileNotFoundError: no such file ships.

    Example:
        few = segedu.resources.stored_runs("06_few", scale=100)
        few["U-Net, 8 streets"]["mean_iou"].mean()  # in %
    """
    arms = _stored(name)["arms"]
    return {arm: {score: scale * torch.tensor(row) for score, row in scores.items()} for arm, scores in arms.items()}


def recorded(name: str) -> str:
    """When a measurement that ships was made: "recorded 2026-11-22, 10 runs each". Lessons 02 to 13.

    Args:
        name: of the file in data/results, without its ending: "06_few".

    Returns:
        The day, and how many runs each arm has: one from each seed, or on each clip.

    Raises:
        FileNotFoundError: no such file ships.

    Example:
        print(segedu.resources.recorded("06_few"))
    """
    stored = _stored(name)
    rows = (row for arm in stored.get("arms", {}).values() for row in arm.values() if isinstance(row, Sized))
    runs = sorted({len(row) for row in rows})
    told = f", {'–'.join(map(str, [runs[0], *runs[1:][-1:]]))} runs each" if runs else ""
    told = ", one run each" if runs == [1] else told
    return f"recorded {stored['date']}{told}"


def _stored(name: str) -> dict:
    return json.loads(data_path("results", f"{name}.json").read_text(encoding="utf-8"))


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[Path]:
    """A `with` block that writes a file wholly or not at all. Lesson 04: it keeps checkpoints sound.

    It hands out the path of a temporary file in the same folder (made if need be) with the same
    suffix, for the block to write. At the end that file takes the place of `path` in one step,
    once its bytes are on the disk. If the block raises, the temporary file is removed, and
    whatever stood at `path` before stands there still.

    Args:
        path: of the file.

    Example:
        with atomic_write("net.bin") as temporary:
            save(temporary)
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not tempfile's: its files can be read by their owner only, and a class shares one folder of weights and data.
    temporary = path.with_name(f".unfinished-{secrets.token_hex(4)}-{path.name}")
    try:
        yield temporary
        replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def replace(temporary: Path, path: Path) -> None:
    """Put a finished file in the place of another, in one step, once its bytes are on the disk.

    What atomic_write and fetch end with. Lesson 04.

    Args:
        temporary: the finished file.
        path: whose place it takes.
    """
    with open(temporary, "r+b") as file:  # Windows flushes only files that are open for writing
        os.fsync(file.fileno())
    os.replace(temporary, path)
