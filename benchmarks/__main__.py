"""Run the measurements in this folder, as `make bench` does: all that only look, or one, with arguments of its own.

    python -m benchmarks [NAME [ARGUMENT ...]]
    python -m benchmarks --check [FILE ...]
    python -m benchmarks --shown-equal "how it was shown" [FILE ...]

`cat`, `results` and `weights` make what the lessons and the package ship, so they run only when they are named:
make bench ARGS="results 04_leak". What they make is a change of the project: look at it before you commit it.
--check runs one arm of each file in data/results anew, and --shown-equal says of files whose modules have changed that
their numbers have not: see checking.py.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
MAKERS = {"cat", "results", "weights"}

scripts = {script.stem for script in HERE.glob("[a-z]*.py") if "__main__" in script.read_text(encoding="utf-8")}
name, *arguments = sys.argv[1:] or [""]
if name in ("--check", "--shown-equal"):
    from benchmarks import checking

    sys.exit(checking.check(arguments) if name == "--check" else checking.shown_equal(arguments))
if name and name not in scripts:
    sys.exit(f"There is no measurement {name}; there are {', '.join(sorted(scripts))}, --check and --shown-equal.")
for script in [name] if name else sorted(scripts - MAKERS):
    print(f"{script}:", flush=True)
    if subprocess.call([sys.executable, "-m", f"benchmarks.{script}", *arguments], cwd=HERE.parent):
        sys.exit(f"{script} failed: see its message above.")
