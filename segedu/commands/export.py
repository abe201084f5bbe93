"""`segedu export MODEL --onnx FILE`: a network for programs that have no torch."""

from __future__ import annotations

import argparse
import importlib.util

from segedu.commands.saved import ASKED, named_model
from segedu.exporting import export_onnx, largest_difference

SIZES = [(32, 32), (96, 128), (97, 131), (120, 160), (255, 64)]  # on which the file is compared with the network
EQUAL = 1e-3  # logits are of the order of 10; rounding stays below a ten-thousandth
_HELP = """
The file has one input, image: float32 (N, 3, H, W) in 0...1, any height and width from 32 on; and
one output, logits: (N, classes, H, W). Normalisation is inside, the class table in the file's metadata.
It is compared with the network on five pictures before the command ends (with onnxruntime, if it is there).
--onnx needs: pip install "segedu[export]"
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
    """Write the file. 0; 1 where what was written does not give what the network gives."""
    model = named_model(options.model)
    path = export_onnx(options.onnx, model)
    if importlib.util.find_spec("onnxruntime") is None:
        print(f"{path} (not compared with the network: onnxruntime is not installed)")
        return 0
    worst = largest_difference(path, model, SIZES)
    print(
        f"{path}: {path.stat().st_size / 1e6:.1f} MB; on {len(SIZES)} sizes its logits are the network's to {worst:.0e}"
    )
    return 0 if worst < EQUAL else 1
