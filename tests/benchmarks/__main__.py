"""Run the measurements in this folder, as `make bench` does: all that only look, or those whose names follow.

`results` and `weights` make what the lessons and the package ship, so they run only when they are named:
make bench ARGS=results. What they make is a change of the project: look at it before you commit it.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
MAKERS = {"results", "weights"}

scripts = {script.stem for script in HERE.glob("[a-z]*.py") if "__main__" in script.read_text(encoding="utf-8")}
names = sys.argv[1:] or sorted(scripts - MAKERS)
if unknown := set(names) - scripts:
    sys.exit(f"There is no measurement {', '.join(sorted(unknown))}; there are {', '.join(sorted(scripts))}.")
for name in names:
    print(f"{name}:", flush=True)
    if subprocess.call([sys.executable, str(HERE / f"{name}.py")]):
        sys.exit(f"{name} failed: see its message above.")
