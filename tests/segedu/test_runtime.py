"""A container's or a hub's CPU quota bounds torch's threads, once, and never against what the user chose."""

import math
import os
import runpy

import pytest
import torch

from segedu import runtime

V1 = {"cpu.cfs_quota_us": "{}\n", "cpu.cfs_period_us": "100000\n"}
V2 = {"cpu.max": "{} 100000\n"}


@pytest.fixture
def quota(tmp_path):
    """Writes groups as Linux shows them ({folder: microseconds in 100,000}) and asks for the quota of a process."""

    def quota(mine: str, files: dict[str, str], groups: dict[str, str]) -> float:
        for folder, microseconds in groups.items():
            (tmp_path / "groups" / folder).mkdir(parents=True, exist_ok=True)
            for name, text in files.items():
                (tmp_path / "groups" / folder / name).write_text(text.format(microseconds))
        (tmp_path / "mine").write_text(mine)
        return runtime.cpu_quota(tmp_path / "groups", tmp_path / "mine")

    return quota


@pytest.mark.parametrize(
    ("mine", "files", "groups", "expected"),
    [
        ("0::/\n", V2, {".": "150000"}, 1.5),  # in a container with control groups of its own
        ("0::/user/ada\n", V2, {"user": "max", "user/ada": "50000"}, 0.5),
        ("0::/user/ada\n", V2, {"user": "200000", "user/ada": "400000"}, 2),  # the group above grants less
        ("0::/user/ada\n", V2, {"user": "max", "user/ada": "max"}, math.inf),
        ("0::/user/ada\n", V2, {"user/eve": "50000"}, math.inf),  # somebody else's
        ("4:cpu,cpuacct:/\n1:name=systemd:/\n0::/\n", V1, {"cpu": "300000"}, 3),
        ("4:cpu:/user/ada\n", V1, {"cpu": "-1", "cpu/user/ada": "150000"}, 1.5),
        ("4:cpuacct,cpu:/user/ada\n", V1, {"cpuacct,cpu/user/ada": "150000"}, 1.5),
        ("4:cpu:/docker/0a1b\n", V1, {"cpu": "200000"}, 2),  # the host's name for what the container sees as the root
        ("4:cpu:/\n", V1, {"cpu": "-1"}, math.inf),
        ("5:cpuset:/user\n4:cpu:/\n", V1, {"cpuset/user": "50000"}, math.inf),
        ("4:cpu:/\n0::/ada\n", V2, {"unified/ada": "50000"}, 0.5),
        ("", V2, {}, math.inf),
    ],
)
def test_the_quota_is_read_as_linux_shows_it(quota, mine, files, groups, expected):
    assert quota(mine, files, groups) == expected


def test_where_linux_shows_nothing_there_is_no_quota(tmp_path):
    assert runtime.cpu_quota(tmp_path, tmp_path / "none") == math.inf


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="quotas are Linux's")
@pytest.mark.parametrize(
    ("granted", "threads", "environment", "left"),
    [
        (math.inf, 8, {}, 8),
        (1.5, 8, {}, 2),
        (0.2, 8, {}, 1),
        (1.5, 4, {}, 2),  # four cores with two processors each, as torch counts
        (16, 8, {}, 8),
        (1.5, 3, {}, 3),  # torch.set_num_threads(3) before the import
        (1.5, 8, {"OMP_NUM_THREADS": "8"}, 8),
        (1.5, 8, {"MKL_NUM_THREADS": "8"}, 8),
    ],
)
def test_threads_heed_the_quota_but_never_overrule_the_user(monkeypatch, granted, threads, environment, left):
    set_to = [threads]
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(runtime, "cpu_quota", lambda: granted)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)))
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(torch, "set_num_threads", set_to.append)
    runtime._heed_cpu_quota()
    assert set_to[-1] == left


def test_the_quota_is_heeded_when_segedu_is_imported(monkeypatch):
    asked = []
    monkeypatch.setattr(torch, "get_num_threads", lambda: asked.append("threads") or 1)
    runpy.run_path(runtime.__file__)
    assert asked
