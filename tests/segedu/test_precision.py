"""The precision that `fit` trains in: what "auto" takes where, float16 with its scaled gradients, refusals."""

import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.learning_per_minute import CLASSES
from benchmarks.precision import measure, table
from segedu import runtime
from segedu.losses import cross_entropy
from segedu.models import FCN
from tests.segedu.test_training import WithDropout, fit, interrupt_at, noisy, same, small_net
from tests.tiny import Boxes

CPUINFO = Path("/proc/cpuinfo")
ROOT = Path(__file__).resolve().parents[2]
MEASUREMENTS = [
    path.stem
    for path in sorted((ROOT / "benchmarks").glob("[a-z]*.py"))
    if "__main__" in path.read_text(encoding="utf-8")
]


def pretend(monkeypatch, kind, *, native=False, capability=(7, 5), avx512=False, amx=False, onednn=True):
    """Make torch say these things of the machine."""
    monkeypatch.setattr(runtime, "device", lambda: torch.device(kind))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or native)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: onednn)


@pytest.mark.parametrize(
    ("kind", "facts", "expected"),
    [
        ("cuda", {"native": True, "capability": (8, 0)}, "bfloat16"),
        ("cuda", {"capability": (7, 5)}, "float16"),  # Colab's T4
        ("cuda", {"capability": (6, 1)}, "float32"),  # multiplies float16 at 1/64 of the speed of float32
        ("mps", {"avx512": True}, "float32"),
        ("cpu", {}, "float32"),
        ("cpu", {"amx": True}, "bfloat16"),
        ("cpu", {"avx512": True}, "bfloat16"),
        ("cpu", {"avx512": True, "onednn": False}, "float32"),
    ],
)
def test_auto_goes_by_what_the_machine_says(kind, facts, expected, monkeypatch):
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        monkeypatch.delenv(name, raising=False)
    pretend(monkeypatch, kind, **facts)
    assert runtime.precision() == runtime.checked_precision("auto") == expected


@pytest.mark.parametrize("name", ["ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"])
def test_where_onednn_may_not_use_the_instructions_auto_is_float32(name, monkeypatch):
    for other in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        monkeypatch.delenv(other, raising=False)
    pretend(monkeypatch, "cpu", avx512=True)
    for limit, expected in {
        "AVX512_CORE": "float32",
        "avx512_core_vnni": "float32",
        "AVX512_CORE_BF16": "bfloat16",
        "": "bfloat16",
    }.items():
        monkeypatch.setenv(name, limit)
        assert runtime.precision() == expected, limit


@pytest.mark.skipif(not CPUINFO.exists(), reason="only Linux lists what its processor can do")
def test_torch_and_linux_say_the_same_of_the_processor():
    flags = set(CPUINFO.read_text(encoding="utf-8").split())
    assert runtime._has_bfloat16() == bool(flags & {"avx512_bf16", "amx_tile"})


@pytest.mark.skipif(runtime.device().type != "cpu", reason="oneDNN computes on the CPU")
def test_with_onednn_kept_at_avx2_auto_is_float32():
    """In a process of its own: oneDNN reads its limit once. bfloat16 would be emulated there."""
    code = "from segedu import runtime; print(runtime.precision())"
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2", "PYTHONPATH": str(Path(runtime.__file__).parents[1])}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "float32"


@pytest.mark.parametrize("asked", ["half", "fp16", "", None, 16, torch.bfloat16])
def test_an_unknown_precision_is_refused_before_anything_happens(asked):
    with pytest.raises(ValueError, match=re.escape(f"'float16' or 'auto', got {asked!r}")):
        fit(small_net(), precision=asked)


def test_float16_is_refused_where_torch_cannot_scale_gradients(monkeypatch):
    pretend(monkeypatch, "mps")
    with pytest.raises(ValueError, match="not on mps; take 'float32' or 'bfloat16'"):
        fit(small_net(), precision="float16")
    assert runtime.checked_precision("bfloat16") == "bfloat16"


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_network_learns_in_16_bits_and_its_weights_stay_in_32(precision):
    seen = []
    model = small_net()
    model.score.register_forward_hook(lambda layer, arguments, output: seen.append(output.dtype))
    history = fit(model, Boxes(24), steps=12, batch_size=2, learning_rate=1e-2, precision=precision)
    assert set(seen) == {getattr(torch, precision)}
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
    assert np.mean(history.loss[-5:]) < 0.5 * history.loss[0] and history.skipped == 0


def test_auto_trains_as_the_precision_that_it_chose(monkeypatch):
    monkeypatch.setattr(runtime, "precision", lambda: "float16")
    assert fit(small_net(), steps=3, precision="auto").loss == fit(small_net(), steps=3, precision="float16").loss
    assert fit(small_net(), steps=3, precision="auto").loss != fit(small_net(), steps=3).loss


def steep(logits, target):
    """A loss whose gradients, at the scale that GradScaler begins with, are beyond float16's 65504."""
    return 1000 * cross_entropy(logits, target)


def test_a_step_whose_gradients_overflow_is_left_out_and_counted():
    model = small_net()
    with warnings.catch_warnings(action="error"):
        history = fit(model, steps=12, precision="float16", loss=steep)
    assert 0 < history.skipped < 12
    assert len(history.loss) == 12 and np.isfinite(history.loss).all()
    assert history.learning_rate == pytest.approx([3e-3 * (1 - step / 12) ** 0.9 for step in range(12)])
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())
    in_float32 = fit(small_net(), steps=12, loss=steep)
    assert in_float32.skipped == 0 and min(history.loss[-3:]) < history.loss[0]


def test_left_out_steps_alone_leave_the_weights_and_say_so():
    model, fresh = small_net(), small_net()
    with pytest.warns(UserWarning, match="Nothing was learnt"):
        history = fit(model, steps=2, precision="float16", loss=steep)
    assert history.skipped == 2 and len(history.loss) == 2
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), fresh.parameters(), strict=True))


@pytest.mark.parametrize("stop", [1, 4, 9])
def test_a_resumed_float16_training_goes_on_at_the_scale_where_it_stopped(tmp_path, stop, monkeypatch):
    options = {"val": Boxes(3), "steps": 12, "precision": "float16", "loss": steep}
    whole, fresh = WithDropout(), WithDropout()
    once = fit(whole, noisy(), **options)
    options["checkpoint"] = tmp_path / "run.safetensors"
    interrupt_at(monkeypatch, stop)
    with warnings.catch_warnings(action="ignore"):  # after the first step, nothing is learnt yet
        assert len(fit(WithDropout(), noisy(), **options).loss) == stop
    monkeypatch.undo()
    second = fit(fresh, noisy(), **options, resume=True)
    assert second.loss == once.loss and second.skipped == once.skipped > 2
    assert same(whole, fresh) and second.validations == once.validations


def test_infinite_slopes_end_a_float16_training():
    def infinite_slope(logits, target):
        return (0 * logits).sqrt().sum()

    with pytest.raises(FloatingPointError, match="however small .* precision='float32'"):
        fit(small_net(), steps=60, batch_size=1, precision="float16", loss=infinite_slope)


def test_numbers_beyond_float16_are_named_as_a_cause():
    model = small_net()
    with torch.no_grad():
        model.score.weight.mul_(1e6)
    with pytest.raises(FloatingPointError, match="precision='float32', as float16 ends at 65504"):
        fit(model, precision="float16")
    with pytest.raises(FloatingPointError, match="learning_rate=0.0003 "):
        fit(model, loss=lambda logits, target: logits.sum() * float("nan"))


def test_the_benchmark_measures_each_precision_and_says_whether_auto_takes_the_fastest():
    rates = measure({"small": FCN(CLASSES, width=2)}, ["float32", "bfloat16"], rounds=2, seconds=0.01)
    assert rates.keys() == {"small"} and rates["small"].keys() == {"float32", "bfloat16"}
    assert all(len(found) == 2 and min(found) > 0 for found in rates["small"].values())
    rates = {
        "a": {"float32": [10, 20, 30], "bfloat16": [20, 30, 30]},  # 2, 1.5 and 1 times as fast
        "b": {"float32": [10, 10, 10], "bfloat16": [6, 6, 6]},
    }
    told = table(rates, "float32")
    assert re.search(r"a +20.0 +30.0  1.50 \(1.00 … 2.00\)", told)
    assert 'bfloat16 0.95; "auto" takes float32, which is the fastest here' in told  # √(1.5 · 0.6) = 0.949
    assert 'bfloat16 0.95; "auto" takes bfloat16, which is NOT the fastest' in table(rates, "bfloat16")


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_idle_threads_sleep_in_every_measurement_whoever_starts_it(name):
    """Looked at when torch, with which OpenMP comes, is about to be loaded; nothing behind that runs."""
    code = f"""
import os, runpy, sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            sys.exit("torch with " + os.environ.get("OMP_WAIT_POLICY", "nothing"))
sys.meta_path.insert(0, Watch())
runpy.run_module("benchmarks.{name}", run_name="__main__")
"""
    environment = os.environ | {"OMP_WAIT_POLICY": "ACTIVE"}
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert found.stderr.splitlines()[-1] == "torch with PASSIVE"
