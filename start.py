"""Set up and start: python start.py lab [--no-browser] [--fresh] | test | fast | notebooks [NAME ...] | lint | bench
| prove [NAME ...] | address [ADDRESS] | release.

Makes .venv beside this file, installs the project into it when pyproject.toml is new, and runs what was asked."""
import sys

if sys.version_info < (3, 11):
    sys.exit("segedu needs Python 3.11 or newer, and this is %d.%d: get one from python.org." % sys.version_info[:2])

import hashlib
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV, LESSONS, WORKING_COPY = ROOT / ".venv", ROOT / "notebooks", ROOT / "my_lessons"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
NBVAL = ["--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=600"]
COMMANDS = {
    "lab": ["-m", "jupyterlab", WORKING_COPY],
    "test": ["-m", "pytest", *NBVAL],
    "fast": ["-m", "pytest", "tests", "-m", "not slow"],
    "notebooks": [ROOT / "tests" / "store_notebooks.py"],
    "lint": ["-m", "ruff", "check", "."],
    "bench": [ROOT / "tests" / "benchmarks"],
    "prove": [ROOT / "tools" / "prove.py"],
    "address": [ROOT / "tests" / "publish.py", "address"],
    "release": [ROOT / "tests" / "publish.py", "release"],
}


def install():
    """Make .venv and install the project with its extras, unless that was done for this very pyproject.toml."""
    stamp, wanted = VENV / "installed", hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    if not PYTHON.exists() and subprocess.call([sys.executable, "-m", "venv", VENV]):
        shutil.rmtree(VENV, ignore_errors=True)
        sys.exit("Python could not make the folder .venv: see its message above.")
    print("Installing into .venv (once; some minutes, mostly for PyTorch) ...", flush=True)
    if subprocess.call([PYTHON, "-m", "pip", "install", "-e", ".[lab,test]"], cwd=ROOT):
        sys.exit("The installation failed: see pip's message above, then run the same command again.")
    stamp.write_text(wanted)


def refresh_working_copy(fresh):
    """Bring lessons that my_lessons/ lacks there, without outputs. What is there is the reader's: never overwritten."""
    if fresh and WORKING_COPY.exists():
        WORKING_COPY.rename(ROOT / time.strftime("my_lessons-%Y-%m-%d-%H%M%S"))
    for source in sorted(LESSONS.rglob("*.ipynb")):
        target = WORKING_COPY / source.relative_to(LESSONS)
        if ".ipynb_checkpoints" in source.parts or target.exists():
            continue
        notebook = json.loads(source.read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                cell.update(outputs=[], execution_count=None)
                cell["metadata"].pop("collapsed", None)  # stored answers are folded; the reader's own are not
                cell["metadata"].get("jupyter", {}).pop("outputs_hidden", None)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(notebook, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def main(name="", *arguments):
    if name not in COMMANDS:
        sys.exit(__doc__)
    if name == "address":  # only changes texts: any Python does
        sys.exit(subprocess.call([sys.executable, *COMMANDS[name], *arguments]))
    install()
    if name == "lab":
        refresh_working_copy("--fresh" in arguments)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle threads sleep: two processes do not starve each other
    process = subprocess.Popen([PYTHON, *COMMANDS[name], *(a for a in arguments if a != "--fresh")], cwd=ROOT)
    while True:
        try:
            sys.exit(process.wait())
        except KeyboardInterrupt:  # the program got Ctrl-C too, and decides
            pass


if __name__ == "__main__":
    main(*sys.argv[1:])
