"""Run the measurements in this folder, as `make bench` does: all that only look, or one, with arguments of its own.

    python -m benchmarks [NAME [ARGUMENT ...]]

`results` and `weights` make what the lessons and the package ship, so they run only when they are named:
make bench ARGS="results 04_leak". What they make is a change of the project: look at it before you commit it.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
MAKERS = {"results", "weights"}

scripts = {script.stem for script in HERE.glob("[a-z]*.py") if "__main__" in script.read_text(encoding="utf-8")}
name, *arguments = sys.argv[1:] or [""]
if name and name not in scripts:
    sys.exit(f"There is no measurement {name}; there are {', '.join(sorted(scripts))}.")
for script in [name] if name else sorted(scripts - MAKERS):
    print(f"{script}:", flush=True)
    if subprocess.call([sys.executable, "-m", f"benchmarks.{script}", *arguments], cwd=HERE.parent):
        sys.exit(f"{script} failed: see its message above.")
