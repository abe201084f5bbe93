"""Run the measurements in this folder, as `make bench` does: all of them, or those whose names follow."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

for script in sorted(HERE.glob("[a-z]*.py")):
    if len(sys.argv) == 1 or script.stem in sys.argv[1:]:
        print(f"{script.stem}:", flush=True)
        if subprocess.call([sys.executable, str(script)]):
            sys.exit(f"{script.stem} failed: see its message above.")
