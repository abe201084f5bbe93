"""A training that is killed while it writes goes on with the same numbers, and no file is lost or half-written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the children are forked"),
]


def faults(*words):
    """What benchmarks.faults prints, and its exit code; in a process of its own, since one with threads cannot fork."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.faults", *words], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    return ended.stdout + ended.stderr, ended.returncode


def test_twenty_kills_at_moments_of_writing_lose_nothing():
    printed, code = faults("--kills", "0", "--write-points", "20")
    assert code == 0, printed
    assert "20 kills met a training; 21 trainings gone on with" in printed
    assert "all weights are those of the undisturbed one" in printed


CARELESS = """
import contextlib, sys
from pathlib import Path
from segedu import resources

@contextlib.contextmanager
def straight(path):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    yield Path(path)

resources.atomic_write = straight
sys.argv[1:] = ["--kills", "0", "--write-points", "4"]
from benchmarks import faults
sys.exit(faults.main())
"""


def test_the_measurement_sees_files_that_are_written_in_their_place():
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CARELESS]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ended.returncode == 1 and "is not a whole safetensors file" in ended.stdout, ended.stdout + ended.stderr
