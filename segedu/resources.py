"""What ships with segedu, found in the clone or in the installed package; and files written wholly or not at all."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import secrets
import sys
import time
from collections.abc import Iterator, Sized
from pathlib import Path

import torch

_PACKAGE = Path(__file__).resolve().parent
_PATIENCE = (0.05, 0.1, 0.2, 0.4)  # seconds between attempts to replace a file that another program has open
_UNFINISHED = r"\.unfinished-[0-9a-f]{8}-"  # how the names of atomic_write's temporary files begin

# What keeps a file from being written, and the way out of it.
_WAYS_OUT = {
    errno.ENOSPC: "Make room on that disk, or name a place on another one",
    errno.EDQUOT: "Make room on that disk, or name a place on another one",
    errno.EFBIG: "This system lets no program write so large a file there; name a place on another disk",
    errno.EACCES: "Nothing may be written there; name another folder",
    errno.EPERM: "Nothing may be written there; name another folder",
    errno.EROFS: "Nothing may be written there; name another folder",
    errno.EEXIST: "Where its folder should be there is a file; name another folder",
    errno.ENOTDIR: "Where its folder should be there is a file; name another folder",
    errno.EISDIR: "There is a folder of this name; name a file in it",
    errno.ENAMETOOLONG: "Give it a shorter name",
}


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
    """{arm: {score: (seeds,) float32}} of what a measurement that ships has found. Lessons 02 to 16.

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
    return {
        # some files name the seeds, {"0": 0.25, "1": 0.5}, others list the numbers
        arm: {
            score: scale * torch.tensor([*row.values()] if isinstance(row, dict) else row)
            for score, row in scores.items()
        }
        for arm, scores in arms.items()
    }


def recorded(name: str) -> str:
    """When a measurement that ships was made: "recorded 2026-11-22, 10 runs each". Lessons 02 to 16.

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

    Raises:
        OSError: of the kind that the system raised, as a sentence, where nothing can be written:
            a full disk, a folder that may only be read, a file where a folder should be.

    Example:
        with atomic_write("net.bin") as temporary:
            save(temporary)
    """
    path = Path(path)
    # Not tempfile's: its files can be read by their owner only, and a class shares one folder of weights and data.
    temporary = path.with_name(f".unfinished-{secrets.token_hex(4)}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        replace(temporary, path)
    except OSError as error:
        if not _is_of_writing(error, path):
            raise
        raise write_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):  # of a folder that was never there
            temporary.unlink(missing_ok=True)


def check_writable(path: str | os.PathLike) -> None:
    """Nothing, where a file can be written at `path`; before an hour of work, not after it. Lesson 04.

    Args:
        path: of the file; its folder is made if need be, a file that is there stays as it is.

    Raises:
        OSError: as atomic_write does.
    """
    with contextlib.suppress(_Untouched), atomic_write(path) as temporary:
        temporary.touch()
        raise _Untouched


class _Untouched(Exception):
    """Ends the block of atomic_write, which then writes nothing."""


def remove_unfinished(path: str | os.PathLike) -> None:
    """Nothing; removes what an atomic_write of `path` left whose process was killed. Lesson 04.

    Only for who knows that no other process writes there at this moment.

    Args:
        path: of the file, which stays.
    """
    path = Path(path)
    for other in path.parent.iterdir() if path.parent.is_dir() else []:
        if re.fullmatch(_UNFINISHED + re.escape(path.name), other.name):
            with contextlib.suppress(OSError):
                other.unlink()


def write_error(path: str | os.PathLike, error: OSError) -> OSError:
    """The same kind of error as a sentence: what kept which file from being written. Lesson 04.

    Args:
        path: of the file.
        error: what the system raised.
    """
    stands = " What stood there before stands there still." if Path(path).is_file() else ""
    way_out = _WAYS_OUT.get(error.errno, "Name another place")
    if sys.platform == "win32" and stands and error.errno == errno.EACCES:
        way_out = "Close the program that has it open, or name another file"
    sentence = type(error)(f"{path} could not be written ({error.strerror or error}). {way_out}.{stands}")
    sentence.errno = error.errno
    return sentence


def _is_of_writing(error: OSError, path: Path) -> bool:
    """Whether the system, or Pillow for it, raised this for the file at `path`; else it has a sentence of its own."""
    if error.errno is None:
        return str(error).startswith("encoder error")
    if error.filename is None:
        return True
    named = Path(str(error.filename))
    is_temporary = named.parent == path.parent and re.fullmatch(_UNFINISHED + re.escape(path.name), named.name)
    return named in (path, *path.parents) or bool(is_temporary)


def replace(temporary: Path, path: Path) -> None:
    """Put a finished file in the place of another, in one step, once its bytes are on the disk.

    What atomic_write and fetch end with. Lesson 04.

    Args:
        temporary: the finished file.
        path: whose place it takes.
    """
    with open(temporary, "r+b") as file:  # Windows flushes only files that are open for writing
        os.fsync(file.fileno())
    for wait in (*_PATIENCE, None):
        try:
            os.replace(temporary, path)
            return
        except PermissionError:  # on Windows while another program reads the old file, if only to look for viruses
            if sys.platform != "win32" or wait is None:
                raise
            time.sleep(wait)
