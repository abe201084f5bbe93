"""Real data: where it lies on this machine, and fetching it, by checksum (the only door to the network)."""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import re
import shutil
import stat
import sys
import unicodedata
import urllib.error
import urllib.parse
import urllib.request
import zipfile
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from segedu import resources

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
TIMEOUT = 30  # seconds without a byte before the next source is tried
MOST_PACKED = 200  # times its own size that an archive may hold; a bomb holds 1000 times
# Where another source does not help.
NOT_WRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)


class DataMissing(FileNotFoundError):
    """A real data set, or a part of it, is not on this machine. Lesson 01b.

    The message holds the one line that brings it.
    """


class NoSuchFolder(NotADirectoryError, ValueError):
    """SEGEDU_DATA names no folder. Lesson 01b."""


class FetchError(OSError):
    """No source gave the file; the message names each one tried and what to do by hand."""


@dataclass(frozen=True)
class RealData:
    """A data set that is fetched, not shipped: what is said of it, and its sources. Lesson 01b.

    Attributes:
        name: as in folders and in `segedu data fetch`: "camvid".
        title: the class that reads it: "CamVid".
        megabytes: said before a byte is fetched, and wherever the data is missing.
        licence: said there, too.
        manifest: its file in data/manifests: lines of sha256 and path, all paths inside the folder
            `prefix`. A file that ends in .zip is unpacked where it lies; its paths, too, are
            inside the folder `prefix`.
        prefix: that folder.
        sources: addresses to try in turn, with {path} (inside `prefix`) or {sha256} to fill in.
    """

    name: str
    title: str
    megabytes: int
    licence: str
    manifest: str
    prefix: str
    sources: tuple[str, ...]


def manifest(data: RealData) -> dict[str, str]:
    """The files of a real data set: {path inside its folder, with "/": sha256}. Lesson 01b.

    Args:
        data: of which.
    """
    lines = resources.data_path("manifests", data.manifest).read_text(encoding="utf-8").splitlines()
    return {path.removeprefix(f"{data.prefix}/"): sha256 for sha256, path in map(str.split, lines)}


# Where real data is


def find_data(name: str, root: str | os.PathLike | None = None, holding: Sequence[str] = ()) -> Path | None:
    """The folder of a real data set, or None where this machine does not have it. Lesson 05.

    Looks in `root` and nowhere else, if it is given; without it in the folder that the variable
    SEGEDU_DATA names (if set and not empty), then in cache_folder(). In each, the data set is the
    subfolder `name` (capitals do not matter) or the folder itself.

    Args:
        name: of the data set, such as "camvid".
        root: where to look. In it and in SEGEDU_DATA ~ and $VARIABLES are filled in.
        holding: subfolders that it must have to count.

    Raises:
        ValueError: where SEGEDU_DATA is a relative path.
        NotADirectoryError: where it names no folder.
    """
    for place in _places(root):
        children = sorted(place.iterdir()) if place.is_dir() else []
        candidates = [child for child in children if child.name.lower() == name.lower() and child.is_dir()]
        if holding or place.name.lower() == name.lower():
            candidates.append(place)
        for folder in candidates:
            if all((folder / part).is_dir() for part in holding):
                return folder
    return None


def cache_folder() -> Path:
    """The user's folder for fetched data, which may not exist yet. Lesson 01b.

    Linux has ~/.cache/segedu and honours XDG_CACHE_HOME; macOS has ~/Library/Caches/segedu;
    Windows has %LOCALAPPDATA%/segedu.
    """
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", ""))
        if not base.is_absolute():  # the XDG specification wants a relative one ignored
            base = Path.home() / ".cache"
    return base / "segedu"


def pictures_in(folder: Path) -> dict[str, Path]:
    """{name without suffix: path} of the pictures in a folder, sorted. Lesson 01b.

    Suffixes count in any case. Hidden files, such as macOS's ._a.png, are no pictures. Names are
    composed (Unicode's NFC), as macOS may store the same umlaut in two ways.

    Args:
        folder: one that is not there has no pictures.

    Raises:
        ValueError: where two files have one name (a.png and a.PNG, a.jpg and a.png).
    """
    found = {}
    for path in by_name(folder) if folder.is_dir() else []:
        if path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".") and path.is_file():
            name = unicodedata.normalize("NFC", path.stem)
            if name in found:
                raise ValueError(
                    f"{folder} has two pictures of one name, {found[name].name} and {path.name}. "
                    "Take one of them away: nothing says which is meant."
                )
            found[name] = path
    return found


def by_name(folder: Path) -> list[Path]:
    """What lies in a folder, in one order on all systems: capitals first. Lesson 01b.

    Paths themselves are sorted without regard to capitals on Windows. Umlauts are composed, as in
    `pictures_in`.

    Args:
        folder: one that is there.
    """
    return sorted(folder.iterdir(), key=lambda path: (unicodedata.normalize("NFC", path.name), path.name))


def find_picture(folder: Path, path: str) -> Path | None:
    """The file, or the same picture stored with another suffix (JPEG for PNG), or None. Lesson 01b.

    Args:
        folder: where it lies.
        path: inside of the folder.
    """
    wanted = folder / path
    for candidate in [wanted, *(wanted.with_suffix(suffix) for suffix in PICTURE_SUFFIXES)]:
        if candidate.is_file():
            return candidate
    return None


def missing(data: RealData, reason: str, root: str | os.PathLike | None = None) -> DataMissing:
    """The error to raise where a data set lacks something: why, and how to fetch it. Lesson 01b.

    Args:
        data: the data set, whose size and licence are said.
        reason: a sentence, which comes first.
        root: the folder to fetch into, if it is not the cache.
    """
    return DataMissing(
        f"{reason} To fetch it, type: {fetch_command(data, root)} (or in Python: {data.title}(..., download=True)). "
        f"About {data.megabytes} MB. {data.licence}"
    )


def fetch_command(data: RealData, root: str | os.PathLike | None = None) -> str:
    """The line to type that brings a data set, or mends it. Lesson 01b.

    Args:
        data: of which.
        root: the folder to fetch into, if it is not the cache.
    """
    return f"segedu data fetch {data.name}" + (f' --root "{root}"' if root else "")


def _places(root: str | os.PathLike | None) -> list[Path]:
    if root is not None:
        return [expanded(root).resolve()]
    places = [cache_folder()]
    if named := os.environ.get("SEGEDU_DATA"):
        place = expanded(named)
        if not place.is_absolute():
            raise ValueError(
                f"SEGEDU_DATA is {named!r}, a relative path, which would mean another folder for each notebook. "
                f"Give the whole path, perhaps {str(place.resolve())!r}, or unset it."
            )
        if not place.is_dir():
            meant = "" if str(place) == named else f", here {str(place)!r}"
            raise NoSuchFolder(
                f"SEGEDU_DATA is {named!r}{meant}, but there is no such folder. Make or correct it, or unset it."
            )
        places.insert(0, place)
    return places


def expanded(path: str | os.PathLike) -> Path:
    """The path with ~ and $VARIABLES filled in. Lesson 01b.

    A shell does that, but neither %env nor a quoted string.

    Args:
        path: as it was typed.
    """
    return Path(os.path.expanduser(os.path.expandvars(path)))


# Fetching


def fetch_data(data: RealData, root: str | os.PathLike | None = None) -> Path:
    """The folder of a data set after fetching every file of its manifest. Lesson 01b.

    Prints size, licence and place first. Files that are there and sound are kept, damaged ones
    are fetched again, so a second call continues an interrupted one, and is also the way to check
    a folder.

    Args:
        data: what to fetch.
        root: the folder to fetch into; None: cache_folder().

    Raises:
        FetchError: at the first file that no source has, and for an archive that would write
            elsewhere, is a bomb, or has no room on the disk.
    """
    place = cache_folder() if root is None else expanded(root).resolve()
    place.mkdir(parents=True, exist_ok=True)
    wanted = manifest(data)
    inside = any((place / path.split("/")[0]).is_dir() for path in wanted if "/" in path)
    folder = find_data(data.name, place) or (place if inside else place / data.name)
    print(f"{data.title}: {len(wanted)} files, about {data.megabytes} MB, into {folder}\n{data.licence}")

    def fetch_one(entry: tuple[str, str]) -> None:
        path, sha256 = entry
        addresses = [source.format(path=urllib.parse.quote(path), sha256=sha256) for source in data.sources]
        fetch(folder / path, addresses, sha256)

    from tqdm.auto import tqdm  # here: in a notebook it imports ipywidgets, which `import segedu` must not

    # A few at a time, because most of the time for a small file is waiting for the answer.
    with ThreadPoolExecutor(4) as pool, tqdm(total=len(wanted), desc=data.title, unit=" files") as bar:
        for _ in pool.map(fetch_one, wanted.items()):
            bar.update()
    for path in wanted:
        if path.endswith(".zip"):
            _unpack(folder / path, folder, data.prefix)
    return folder


def _unpack(archive: Path, folder: Path, prefix: str) -> None:
    """Put what the archive holds in its folder `prefix` into `folder`; what is there and sound is kept.

    Raises FetchError, before anything is written, for an archive that would write elsewhere or fill the disk.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            members = [one for one in packed.infolist() if not one.is_dir() and one.filename.startswith(f"{prefix}/")]
            _check_members(archive, members, folder, prefix)
            for member in members:
                path = folder / member.filename.removeprefix(f"{prefix}/")
                if path.is_file() and zlib.crc32(path.read_bytes()) == member.CRC:
                    continue
                with resources.atomic_write(path) as new, packed.open(member) as source, new.open("wb") as file:
                    shutil.copyfileobj(source, file)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise FetchError(f"{archive} cannot be unpacked ({error}). Remove it, and fetch the data set again.") from error


def _check_members(archive: Path, members: list[zipfile.ZipInfo], folder: Path, prefix: str) -> None:
    for member in members:
        inside = member.filename.removeprefix(f"{prefix}/")
        if re.match(r"[/\\]|[A-Za-z]:", inside) or ".." in re.split(r"[/\\]", inside):
            raise FetchError(f"{archive} holds {member.filename!r}, which lies outside. Do not use this file.")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise FetchError(
                f"{archive} holds {member.filename!r}, a link, which may lead anywhere. Do not use this file."
            )
    size, packed = sum(member.file_size for member in members), archive.stat().st_size
    if size > MOST_PACKED * packed:
        raise FetchError(
            f"{archive} has {packed} bytes, and would become {size}: more than {MOST_PACKED} times as many, which no "
            "pictures do. Do not use this file."
        )
    if size > (free := shutil.disk_usage(folder).free):
        raise FetchError(
            f"{archive} holds {size / 1e6:.0f} MB, and the disk of {folder} has room for {free / 1e6:.0f} MB. Make "
            "room, or fetch into another folder: --root FOLDER"
        )


def fetch(path: str | os.PathLike, sources: Sequence[str], sha256: str) -> Path:
    """The path, which then holds the file with this checksum. Lesson 01b.

    The file is kept if it is there and sound, else fetched. While it is incomplete it is called
    `path`.part; a later call, or the next source, continues it. `path` is never left half-written
    or damaged by this.

    Args:
        path: where the file belongs.
        sources: addresses (http, https), tried in turn; one that has no such file or a damaged one
            is passed over.
        sha256: the checksum, as 64 hexadecimal digits.

    Raises:
        FetchError: if no source gives the file, or its bytes cannot be written.
        OSError: if nothing can be written there at all.
    """
    path = Path(path)
    if path.is_file() and checksum(path) == sha256:
        return path
    resources.check_writable(path)
    part = path.with_name(f"{path.name}.part")
    tried = []
    for source in sources:
        try:
            _fetch_part(part, source, sha256)
            resources.replace(part, path)
            return path
        except (OSError, http.client.HTTPException) as error:
            if getattr(error, "errno", None) in NOT_WRITABLE:
                raise FetchError(str(resources.write_error(part, error))) from error
            tried.append(f"  {source}: {error}")
    raise FetchError(
        "\n".join([f"{path.name} could not be fetched. Tried:", *tried])
        + "\nIf the network is at fault, try again: what is complete is kept. "
        f"By hand: bring the file from one of these addresses and put it at {path}"
    )


def checksum(path: str | os.PathLike) -> str:
    """The sha256 of a file's bytes, as 64 hexadecimal digits. Lesson 01b.

    Args:
        path: of the file.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch_part(part: Path, source: str, sha256: str) -> None:
    """Complete `part`; raise OSError if it cannot be had here. A damaged part is removed, one cut short is kept."""
    continued = part.exists()
    _receive(part, source)
    if continued and checksum(part) != sha256:
        part.unlink()  # what an earlier call left was perhaps not the beginning of this file
        _receive(part, source)
    if checksum(part) != sha256:
        part.unlink()
        raise OSError("it sent a damaged file (its sha256 is not the manifest's)")


def _receive(part: Path, source: str) -> None:
    """Append to `part` what it lacks, or write it anew where the server cannot continue."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "segedu"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(urllib.request.Request(source, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if have and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # nothing follows the bytes we have; the checksum says whether they are right
        raise
    with response, open(part, "ab" if response.status == http.HTTPStatus.PARTIAL_CONTENT else "wb") as file:
        shutil.copyfileobj(response, file)
        if response.length:
            raise ConnectionError(f"the connection ended {response.length} bytes too early")
