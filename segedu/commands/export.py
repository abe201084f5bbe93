"""`segedu export MODEL --onnx FILE`: a network for programs that have no torch."""

from __future__ import annotations

import argparse

from segedu.commands.saved import ASKED, named_model
from segedu.exporting import SIZES, export_onnx

_HELP = """
The file has one input, image: float32 (N, 3, H, W) in 0...1, any height and width from 32 on; and
one output, logits: (N, classes, H, W). Normalisation is inside, the class table in the file's metadata.
Before it is written it is compared with the network on pictures of five sizes. Needs: pip install "segedu[export]"
"""


def add_to(commands) -> None:
    """The options of this command."""
    command = commands.add_parser(
        "export", help="write a network as ONNX, for other programs", description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    command.add_argument("model", metavar="MODEL", help=ASKED)
    command.add_argument("--onnx", required=True, metavar="FILE", help="write this .onnx file")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the file. 0."""
    model = named_model(options.model)
    path = export_onnx(options.onnx, model)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB; on {len(SIZES)} sizes its logits are the network's")
    return 0
