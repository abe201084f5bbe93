"""The only door to disk and network: shipped files, data folders, checksummed fetching, whole-or-nothing writes."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def shipped(*parts: str) -> Path:
    """The path of a file or folder that ships with segedu: shipped("cards", "camvid.md").

    Looks in the folder `data` of the clone, then in the installed package (`segedu/_data`, put there when the wheel is made).
    Raises FileNotFoundError where neither has it.
    """
    in_clone = (_PACKAGE.parent / "pyproject.toml").is_file()
    for folder in ([_PACKAGE.parent / "data"] if in_clone else []) + [_PACKAGE / "_data"]:
        if (path := folder.joinpath(*parts)).exists():
            return path
    raise FileNotFoundError(f"segedu ships no {'/'.join(parts)}; if it should, install segedu again: some of its files are missing.")


@contextlib.contextmanager
def whole(path: str | os.PathLike) -> Iterator[Path]:
    """A `with` block that writes a file wholly or not at all: `with whole("net.safetensors") as temporary: save(temporary)`.

    Hands out the path of a temporary file in the same folder (made if need be) with the same suffix; the block writes it.
    At the end it takes the place of `path` in one step, once its bytes are on the disk. If the block raises, the temporary
    file is removed and whatever stood at `path` before stands there still.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not tempfile's: its files can be read by their owner only, and a class shares one folder of weights and data.
    temporary = path.with_name(f".unfinished-{secrets.token_hex(4)}-{path.name}")
    try:
        yield temporary
        _put_in_place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _put_in_place(temporary: Path, path: Path) -> None:
    with open(temporary, "r+b") as file:  # Windows flushes only files that are open for writing
        os.fsync(file.fileno())
    os.replace(temporary, path)
