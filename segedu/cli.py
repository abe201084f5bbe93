"""The command `segedu`: check | train | evaluate | predict | export | data list | data fetch."""

from __future__ import annotations

import argparse
import importlib.metadata
import sys
from collections.abc import Sequence

from segedu import distributed, download, resources
from segedu.commands import check, evaluate, export, predict, train
from segedu.datasets import REAL_DATA

_TOGETHER = (train.run, evaluate.run, predict.run)  # what several processes can share


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code of one command of `segedu`. Lessons 01b and 02 fetch data by it.

    Args:
        arguments: the words after `segedu`; None takes those of the command line.

    Returns:
        0; 1 where `check` or `predict` found something wrong, which is told; 2 for a mistake or a
        missing file, told in words on stderr; 130 for Ctrl-C.
    """
    if hasattr(sys.stdout, "reconfigure"):  # Windows writes into a file or pipe in the letters of one country
        sys.stdout.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    try:
        if distributed.launched() and options.run not in _TOGETHER:
            raise ValueError("torchrun is for train, evaluate and predict; call this command without it.")
        with distributed.processes():
            return options.run(options) or 0
    except (OSError, ValueError, ImportError) as error:
        if distributed.says_it_first(str(error)):
            print(f"segedu: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("segedu: stopped.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="segedu", description="Image segmentation from the command line.")
    parser.add_argument("--version", action="version", version=f"segedu {importlib.metadata.version('segedu')}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in (check, train, evaluate, predict, export):
        command.add_to(commands)

    data = commands.add_parser("data", help="real data sets: which there are, and fetching one")
    actions = data.add_subparsers(metavar="ACTION", required=True)
    root = argparse.ArgumentParser(add_help=False)
    root.add_argument("--root", metavar="FOLDER", help="the only place to look in, or the one to fetch into")
    action = actions.add_parser("list", parents=[root], help="name, size, licence and place of each")
    action.set_defaults(run=_list)
    action = actions.add_parser("fetch", parents=[root], help="fetch one, or repair it: sound files are kept")
    action.add_argument("name", choices=sorted(REAL_DATA), metavar="NAME", help=", ".join(sorted(REAL_DATA)))
    action.set_defaults(run=_fetch)
    return parser


def _list(options: argparse.Namespace) -> None:
    for data in REAL_DATA.values():
        folder = download.find_data(data.name, options.root)
        if folder:
            wanted = download.manifest(data)
            there = sum(download.find_picture(folder, path) is not None for path in wanted)
            place = f"{folder} ({there} of {len(wanted)} files)"
        else:
            place = f"missing; fetch it: {download.fetch_command(data, options.root)}"
        card = resources.data_path("cards", f"{data.name}.md")
        print(f"{data.name}: about {data.megabytes} MB", data.licence, f"Card: {card}", f"Place: {place}", sep="\n  ")


def _fetch(options: argparse.Namespace) -> None:
    folder = download.fetch_data(REAL_DATA[options.name], options.root)
    print(f"{REAL_DATA[options.name].title} is complete: {folder}")
