"""Where this course is published: its address, and the wheel that the set-up cells install.

    python start.py address [https://github.com/NAME/segedu]
    python start.py release

Both stand in pyproject.toml, and from there are written wherever they are named. `address` needs no .venv. `release`
makes the wheel of the last commit: the same bytes in every clone, whenever it is made, by the same setuptools.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GITHUB = "https://github.com/"
BRANCH = "learner"  # where badges lead: the learner edition of the last release (tools/learner.py)
PLACEHOLDER = f"{GITHUB}your_account/segedu"  # a login has no underscore: nobody can claim it
NOTE = """\
> **No address yet.** `your_account` stands for the GitHub account that will hold this course, and is nobody's:
> until then badges and `git clone` lead nowhere. Whoever publishes the course writes the address everywhere:
> `python start.py address https://github.com/NAME/segedu`.

"""
NOTE_IN_KOREAN = """\
> **아직 주소가 없습니다.** `your_account`는 이 강좌를 올릴 GitHub 계정 대신 적어 둔 말이고, 그런 계정은 없습니다.
> 그래서 아직은 배지도 `git clone`도 열리지 않습니다. 강좌를 올리는 사람이
> `python start.py address https://github.com/NAME/segedu`로 모든 곳에 자기 주소를 적습니다.

"""
NOTES = {"README.md": NOTE, "README.ko.md": NOTE_IN_KOREAN}
PACKAGED = ["segedu", "data", "pyproject.toml", "README.md", "LICENSE", "LICENSE-CC-BY-4.0"]  # what a wheel is made of
ABSENT = 'if importlib.util.find_spec("segedu") is None:'  # below this line, the set-up cell gets segedu


def repository() -> str:
    """The address, without a slash at its end."""
    return _project()["project"]["urls"]["Repository"]


def version() -> str:
    """The course's version; its release has the tag v{version}."""
    return _project()["project"]["version"]


def wheel() -> str:
    """The address of the released wheel and its checksum, as pip takes them; empty before there is one."""
    return _project()["tool"]["segedu"]["wheel"]


def getting(wheel: str) -> str:
    """The line of the set-up cell that gets segedu where it is missing."""
    if wheel:
        return f'    %pip install -q "{wheel}"'
    return (
        '    raise ModuleNotFoundError("segedu is not here, nor released yet: open this lesson in its clone, '
        'or %pip install the wheel that `python start.py release` makes there.")'
    )


def checked(address: str) -> str:
    """The address as it is written everywhere. Ends the program with a sentence if it is none of GitHub's."""
    plain = address.strip().rstrip("/").removesuffix(".git")
    login, name = r"(?=[^/]{1,39}/)[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*", r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}"
    if plain != PLACEHOLDER and not re.fullmatch(f"{re.escape(GITHUB)}{login}/{name}", plain):
        sys.exit(f"{address!r} is not the address of a repository: give one like {GITHUB}NAME/segedu.")
    return plain


def rewritten(address: str, wheel: str) -> dict[Path, str]:
    """Every file that names the address or the wheel, and its text with these; all else in it is as it was."""
    old, new = (where.removeprefix(GITHUB) for where in (repository(), address))
    hosts = r"github\.com|codespaces\.new|colab\.research\.google\.com/github"
    named = re.compile(rf"((?:{hosts})/){re.escape(old)}(?![\w-]|\.\w)")
    lessons = sorted(path for path in (ROOT / "notebooks").rglob("*.ipynb") if path.parent.name[0] != ".")
    texts = {}
    for path in [*(ROOT / name for name in ("pyproject.toml", *NOTES, "CITATION.cff")), *lessons]:
        text = path.read_bytes().decode()  # bytes, there and back: the ends of lines stay, on Windows too
        note = NOTES.get(path.name, NOTE).replace("\n", "\r\n" if "\r\n" in text else "\n")
        text = named.sub(rf"\g<1>{new}", text.replace(note, ""))
        if path.name == "pyproject.toml":
            text = _replaced(r'^(wheel = )"[^"]*"', f'"{wheel}"', text, f'{path.name}: a line `wheel = ""`')
        elif path.name in NOTES and address == PLACEHOLDER:
            text = _replaced(r"\A(# .*\r?\n\r?\n)", note, text, f"{path.name}: a title above an empty line")
        elif path in lessons:
            pattern = rf'({re.escape(_stored(ABSENT))}\\n",\s+")[^\r\n]*(?=\\n",)'
            name = path.relative_to(ROOT / "notebooks").with_suffix("").as_posix()
            name = name.replace("exercises/", "solutions/").removeprefix("ko/")
            cell = f"{path.name}: the set-up cell, which `python start.py notebooks {name}` writes,"
            text = _replaced(pattern, _stored(getting(wheel)), text, cell)
        texts[path] = text
    return texts


def write(address: str, wheel: str) -> list[Path]:
    """Write address and wheel everywhere, after all was found; the files that changed."""
    changed = [(path, text) for path, text in rewritten(address, wheel).items() if path.read_bytes() != text.encode()]
    for path, text in changed:
        path.write_bytes(text.encode())
    return [path for path, _ in changed]


def build(root: Path, folder: Path) -> Path:
    """Make the wheel of the last commit of the clone `root`, in `folder`: neither time nor umask is in its bytes."""
    with tempfile.TemporaryDirectory() as scratch:
        archive = subprocess.check_output(["git", "archive", "--format=zip", "HEAD", *PACKAGED], cwd=root)
        zipfile.ZipFile(io.BytesIO(archive)).extractall(scratch)
        code = "from setuptools.build_meta import build_wheel; build_wheel('wheels')"
        done = subprocess.run([sys.executable, "-c", code], cwd=scratch, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"setuptools could not make the wheel:\n{done.stderr}")
        (made,) = Path(scratch, "wheels").glob("*.whl")
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(made) as source, zipfile.ZipFile(folder / made.name, "w") as target:
            for name in source.namelist():  # which setuptools sorts
                entry = zipfile.ZipInfo(name)  # of 1980, and not compressed, which every zlib does in its own way
                entry.create_system, entry.external_attr = 3, 0o100644 << 16
                target.writestr(entry, source.read(name))
    return folder / made.name


def change_address(address: str = "") -> None:
    """The command `address`: without one, it says which it is."""
    before, released = repository(), wheel()
    if not address:
        sys.exit(f"The address is {before}. To change it: python start.py address {GITHUB}NAME/segedu")
    after = checked(address)
    changed = write(after, released if after == before else "")  # a wheel names the address of its repository
    print(f"The address is {after}: {len(changed)} files changed.")
    if released and after != before:
        print("The released wheel had the old one. Commit this, then: python start.py release")


def release() -> None:
    """The command `release`."""
    if not shutil.which("git"):
        sys.exit("A release is made of a commit: install git, and clone this project with it.")
    status = subprocess.run(["git", "status", "--porcelain", "--", *PACKAGED], cwd=ROOT, capture_output=True, text=True)
    if status.returncode:
        sys.exit(f"A release is made of a commit, and git finds none here: {status.stderr.strip()}")
    made = build(ROOT, ROOT / "dist")
    checksum = hashlib.sha256(made.read_bytes()).hexdigest()
    builder = importlib.metadata.version("setuptools")
    print(f"{made.relative_to(ROOT)}, {made.stat().st_size:,} bytes, by setuptools {builder}\nsha256 {checksum}")
    address, before = repository(), wheel()
    link = f"{address}/releases/download/v{version()}/{made.name}#sha256={checksum}"
    if status.stdout and before != link:
        sys.exit(f"Not released: the wheel is of the last commit, and these have changed since:\n{status.stdout}")
    if address == PLACEHOLDER:
        sys.exit(f"Not released: it has no address yet. python start.py address {GITHUB}NAME/segedu, and commit that.")
    if before != link and before.partition("#")[0] == link.partition("#")[0]:
        sys.exit(
            f"Not released: {version()} was, with other bytes. Commit a new number in pyproject.toml, CITATION.cff and "
            "segedu/__init__.py; or, if that wheel was never uploaded, commit an empty `wheel` in pyproject.toml."
        )
    changed = write(address, link)
    print(f"{len(changed)} files changed: commit them, tag the commit v{version()}, push both, and upload the wheel to")
    print(f"{address}/releases/new?tag=v{version()}")
    print(f"When that is published, a workflow writes the branch {BRANCH}, to which the badges lead.")


def _project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _stored(line: str) -> str:
    """A line of a cell as a notebook's file has it, between quotes."""
    return json.dumps(line)[1:-1]


def _replaced(pattern: str, by: str, text: str, what: str) -> str:
    """The text with `by` behind the pattern's first group, in place of what the rest of it matches."""
    text, count = re.subn(pattern, lambda found: found[1] + by, text, flags=re.MULTILINE)
    if count != 1:
        sys.exit(f"Nothing was changed. {what} must be there once, and is {count} times.")
    return text


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["address", *words] if len(words) <= 1:
            change_address(*words)
        case ["release"]:
            release()
        case _:
            sys.exit(__doc__)
