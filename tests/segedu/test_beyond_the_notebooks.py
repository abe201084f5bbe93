"""The lines of the README's "Beyond the notebooks" do, as they stand, what it says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.exports import able

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LINES = re.search(r"## Beyond the notebooks\n.*?```\n(.*?)```", README, re.DOTALL)[1].splitlines()

pytestmark = [
    pytest.mark.slow,
    able,
    pytest.mark.skipif(sys.platform == "win32", reason="on Windows the last line needs other quotes"),
]


@pytest.fixture
def folder(tmp_path):
    """A folder as the README has it: leaves/ with masks, and a large picture beside it."""
    chance = np.random.default_rng(0)
    for name in ("images", "masks"):
        (tmp_path / "leaves" / name).mkdir(parents=True)
    for number in range(10):
        mask = np.zeros((64, 80), np.uint8)
        top, left = chance.integers(5, 30, 2)
        mask[top : top + 28, left : left + 40] = 1
        picture = np.where(mask[:, :, None], (40, 160, 60), (200, 190, 180)) + chance.integers(-20, 20, (64, 80, 3))
        Image.fromarray(picture.astype(np.uint8)).save(tmp_path / "leaves" / "images" / f"{number}.png")
        Image.fromarray(mask).save(tmp_path / "leaves" / "masks" / f"{number}.png")
    (tmp_path / "leaves" / "labels.txt").write_text("table\nleaf\n")
    slide = np.tile(picture.astype(np.uint8), (6, 5, 1))
    Image.fromarray(slide).save(tmp_path / "slide.tif")
    truth = np.tile(mask, (6, 5))
    return tmp_path, truth


def test_the_four_lines(folder):
    place, truth = folder
    scripts = Path(sys.executable).parent
    environment = os.environ | {
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    assert len(LINES) == 4
    told = []
    for line in LINES:
        ran = subprocess.run(
            line,
            shell=True,
            cwd=place,
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
            executable=shutil.which("bash"),
        )
        assert ran.returncode == 0, f"{line}\n{ran.stdout[-2000:]}\n{ran.stderr[-3000:]}"
        told.append(ran.stdout)
    with Image.open(place / "found" / "slide.tif") as written:
        found = np.asarray(written)
    assert found.shape == truth.shape and (found == truth).mean() > 0.95
    assert (place / "leaves.onnx").stat().st_size > 1000
    assert "torch.Size([1, 2, 240, 320])" in told[3]
