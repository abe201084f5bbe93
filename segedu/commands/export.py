"""`segedu export MODEL --onnx FILE`: a network for programs that have no torch, or no segedu, or are a browser."""

from __future__ import annotations

import argparse

from segedu.commands.saved import ASKED, named_model, side_of
from segedu.exporting.files import Followed
from segedu.exporting.page import write_page

_HELP = """
The file has one input, image: float32 (N, 3, H, W) in 0...1, any height and width from 32 on; and
one output, logits: (N, classes, H, W). Normalisation is inside; in the file's metadata are the class table, the
side of the training, to which segedu predict makes larger pictures smaller, and the normalisation's numbers.
Before it is written it is compared with the network on pictures of five sizes. A page holds such a file and
runs it in any browser, without a server. Needs: pip install "segedu[export]"
"""


def add_to(commands) -> None:
    """The options of this command."""
    command = commands.add_parser(
        "export", help="write a network for other programs", description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    command.add_argument("model", metavar="MODEL", help=ASKED)
    command.add_argument("--onnx", metavar="FILE", help="write this .onnx file, for programs without torch")
    command.add_argument("--torch", metavar="FILE", help="write this .pt2 file, for programs with torch only")
    command.add_argument("--page", metavar="FILE", help="write this .html file, which segments pictures in a browser")
    command.add_argument(
        "--runtime", metavar="PLACE",
        help="for --page: the npm package onnxruntime-web, its .tgz or folder (default: npm fetches it)",
    )  # fmt: skip
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the files. 0."""
    if not (options.onnx or options.torch or options.page):
        raise ValueError("segedu export needs to know what to write: --onnx FILE, --torch FILE or --page FILE.")
    if options.runtime and not options.page:
        raise ValueError(f"--runtime {options.runtime} is a part of a page, and no --page FILE is asked for.")
    network = Followed(named_model(options.model), side=side_of(options.model))  # once for all files
    paths = [network.write_onnx(options.onnx)] if options.onnx else []
    if options.torch:
        paths.append(network.write_torch(options.torch))
    if options.page:
        paths.append(write_page(options.page, network, options.runtime))
    for path in paths:
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB; on {len(network.sizes)} sizes its logits are the network's")
    return 0
