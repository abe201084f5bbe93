"""What every stored lesson looks like: the parts that are the same everywhere, and the rules that they are held to.

A rule takes a notebook (and its name) and returns its complaints, a list of sentences: none for a sound notebook.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]

SETUP = f"""\
# Set-up, the same in every lesson: segedu from this clone, or as installed, or (on Colab) from the network.
import importlib.util
import sys
from pathlib import Path

sys.path[:0] = [str(folder) for folder in Path.cwd().parents if (folder / "segedu" / "__init__.py").is_file()]
if importlib.util.find_spec("segedu") is None:
    %pip install -q git+{REPOSITORY}
import torch
from segedu import runtime

runtime.seed_everything(0)
print(f"torch {{torch.__version__}} on {{runtime.device()}}")"""


def badge(name: str) -> str:
    """The line of Markdown that opens lesson `name` (without .ipynb) on Colab."""
    place = REPOSITORY.removeprefix("https://github.com/")
    link = f"https://colab.research.google.com/github/{place}/blob/main/notebooks/{name}.ipynb"
    return f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({link})"


def tags(cell) -> list[str]:
    return cell["metadata"].get("tags", [])


def asks(cell) -> bool:
    """Whether this code cell answers a prediction of the reader's."""
    return cell["cell_type"] == "code" and "check.guess(" in cell["source"]
