"""A network as one HTML file that runs it: in a browser, without a server, without a network."""

from __future__ import annotations

import base64
import gzip
import html
import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from torch import nn

from segedu import pages, resources
from segedu.exporting.files import Followed
from segedu.labels import LabelTable
from segedu.models.outputs import input_channels

PACKAGE = "onnxruntime-web"  # on npm's registry
RUNTIME, MACHINE = "dist/ort.wasm.bundle.min.mjs", "dist/ort-wasm-simd-threaded.wasm"  # its parts that a page needs
WANTED = (RUNTIME, MACHINE, "package.json")


def export_page(
    path: str | Path,
    model: nn.Module,
    *,
    labels: LabelTable | None = None,
    side: int | None = None,
    runtime: str | Path | None = None,
) -> Path:
    """The path of the HTML file that is written: whoever opens it segments pictures. Lesson 16.

    One file, about 5 MB and the network: it opens by a double click, asks no server, and no picture
    leaves the browser. In it are the network as `export_onnx` writes it and onnxruntime-web, which
    runs it on one thread. Pictures are made smaller to the longest side that the visitor chooses.

    Args:
        path: ends in `.html`; a file that is there is replaced.
        model: as for export_onnx, of pictures with 1 or 3 channels. It stays as it is.
        labels: the class table, whose names and colours the page shows; None for the model's own.
        side: as for export_onnx; the page begins with it.
        runtime: the npm package onnxruntime-web, its `.tgz` or the folder that it unpacks to; None
            to fetch it by npm (33 MB).

    Raises:
        FileNotFoundError: Where `runtime` is None and npm is not installed or cannot fetch it, or
            where `runtime` lacks a part.
        ImportError: As export_onnx.
        ValueError: For another ending, for no class table, for other channels; and as export_onnx.

    Example:
        >>> export_page("street.html", segedu.load("unet_toystreet"))
    """
    return write_page(path, Followed(model, labels, side), runtime)


def write_page(path: str | Path, followed: Followed, runtime: str | Path | None = None) -> Path:
    """As export_page, of a network of which other files may have been written."""
    path, labels = Path(path), followed.labels
    if path.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f'{path} does not end in ".html", by which browsers know a page: {path.stem}.html')
    if labels is None:
        raise ValueError("The page needs names and colours of the classes, and this network has no table: give labels=")
    if (channels := input_channels(followed.network)) not in (1, 3):
        raise ValueError(f"A browser's pictures are grey or coloured, and this network wants {channels} channels.")
    parts = _runtime(runtime)
    model = followed.onnx_file()  # from how many pixels on it takes pictures is known then
    about = {
        "channels": channels, "names": labels.names, "colours": labels.colours, "side": followed.side,
        "smallest": followed.smallest,
    }  # fmt: skip
    texts = {
        "title": html.escape(f"Segmentation into {len(labels)} classes ({type(followed.network).__name__})"),
        "version": html.escape(str(json.loads(parts["package.json"]).get("version", ""))),
        "style": pages.style(),
        "about": json.dumps(about).replace("<", "\\u003c"),  # a name must not end the element that it stands in
        "script": pages.script("network_page.js"),
        "model": _packed(model),
        "runtime": _packed(parts[RUNTIME]),
        "machine": _packed(parts[MACHINE]),
    }
    page = re.sub(r"{{(\w+)}}", lambda place: texts[place[1]], pages.text("network_page.html"))
    with resources.atomic_write(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def _packed(data: bytes) -> str:
    """As text that the page's script unpacks."""
    return base64.b64encode(gzip.compress(data, mtime=0)).decode("ascii")


def _runtime(place: str | Path | None) -> dict[str, bytes]:
    """The parts of onnxruntime-web, out of a folder, a .tgz, or fetched by npm."""
    if place is not None:
        return _parts(Path(place))
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError(
            f"The page holds {PACKAGE}, which npm fetches, and npm is not installed. Install Node.js, or give a copy "
            "of that package: runtime=, or --runtime on the command line."
        )
    with tempfile.TemporaryDirectory() as folder:
        told = subprocess.run(
            [npm, "pack", PACKAGE, "--silent"], cwd=folder, capture_output=True, encoding="utf-8", errors="replace"
        )
        fetched = sorted(Path(folder).glob("*.tgz"))
        if told.returncode or not fetched:
            reason = (told.stderr.strip().splitlines() or ["it says nothing"])[-1]
            raise FileNotFoundError(
                f"npm could not fetch {PACKAGE}: {reason}. Try again with a connection, or give a copy of that "
                "package: runtime=, or --runtime on the command line."
            )
        return _parts(fetched[0])


def _parts(place: Path) -> dict[str, bytes]:
    """What the page needs of the package: read by name, nothing is unpacked onto the disk."""
    found = {}
    if place.is_file():
        try:
            with tarfile.open(place) as archive:
                for part in WANTED:
                    member = archive.extractfile(f"package/{part}")
                    found[part] = member.read() if member else b""
        except (KeyError, tarfile.TarError, EOFError, OSError):
            pass  # what is missing is said below
    else:
        found = {part: (place / part).read_bytes() for part in WANTED if (place / part).is_file()}
    missing = [part for part in WANTED if not found.get(part)]
    if missing:
        raise FileNotFoundError(f"{place} is not the npm package {PACKAGE}, or not a whole one: it lacks {missing[0]}.")
    return found
