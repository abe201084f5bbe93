"""The latency of an exported network beside torch: both answer, in turns, and the table tells which is faster."""

from functools import partial

import numpy as np
import pytest
import torch

from benchmarks import export_latency
from segedu.exporting import export_onnx
from segedu.models import SmallNet
from tests.exports import able

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
SMALL = partial(SmallNet, 11)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return export_onnx(tmp_path_factory.mktemp("net") / "net.onnx", export_latency.built(SMALL))


@able
def test_both_engines_give_the_same_logits_of_the_same_picture(file):
    image = np.random.default_rng(0).random((1, 3, 32, 48), np.float32)
    threads = torch.get_num_threads()  # others would be left to every test after this one
    one, other = (engine(SMALL, file, threads)(image) for engine in export_latency.ENGINES.values())
    assert one.shape == (1, 11, 32, 48) and np.abs(one - other).max() < 1e-4 < one.std()


@able
@pytest.mark.slow
def test_engines_in_processes_of_their_own_take_turns(file):
    found = export_latency.measure(SMALL, file, threads=1, sizes=["32x32", "256x256"], rounds=3, answers=2)
    for engine in export_latency.ENGINES:
        small, large = (found[size][engine] for size in ("32x32", "256x256"))
        assert len(small) == len(large) == 3 and 0 < min(small) < min(large)


def test_a_row_has_medians_and_the_factors_within_a_round():
    times = {"torch": [0.010, 0.040, 0.012], "onnxruntime": [0.005, 0.010, 0.012]}
    # 2, 4 and 1 times as fast; the medians' own factor would be 1.2
    assert export_latency.row(times) == "12.0 | 10.0 | 2.00 (1.00 … 4.00)"
