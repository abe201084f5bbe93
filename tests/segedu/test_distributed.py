"""Several processes learn, score and segment what one does; and when one of them ends, nothing is lost."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import segedu
from segedu import distributed
from segedu.datasets import ToyCells
from segedu.training import checkpoints
from tests import several

ROOT = Path(__file__).resolve().parents[2]
ENOUGH = 400  # seconds, after which a test fails and does not wait on

pytestmark = pytest.mark.skipif(
    not torch.distributed.is_available() or not torch.distributed.is_gloo_available(),
    reason="this torch is built without torch.distributed, or without gloo",
)


def surroundings(**more) -> dict:
    """This tree's segedu, one thread a process, and the machine itself for the only network."""
    loopback = {"linux": "lo", "darwin": "lo0"}.get(sys.platform)
    return {
        **os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "PYTHONUTF8": "1",
        **({"GLOO_SOCKET_IFNAME": loopback} if loopback else {}), **more,
    }  # fmt: skip


def together(task: str, folder: Path, number: int = 2) -> list[tuple[int, str, str]]:
    """(exit code, stdout, stderr) of each of the processes, started as torchrun does."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    started = []
    for rank in map(str, range(number)):
        told = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": str(number), "MASTER_ADDR": "127.0.0.1"}
        command = [sys.executable, "-m", "tests.several", task, str(folder)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "encoding": "utf-8"}
        started.append(
            subprocess.Popen(command, env=surroundings(**told, MASTER_PORT=port), cwd=ROOT, **pipes),
        )
    try:
        said = [process.communicate(timeout=ENOUGH) for process in started]
        return [(process.returncode, *texts) for process, texts in zip(started, said, strict=True)]
    finally:
        for process in started:
            process.kill()


def furthest(found: dict, expected: dict) -> float:
    """The largest difference of a tensor's numbers, in parts of its largest number."""
    assert found.keys() == expected.keys()
    return max(
        ((found[name].double() - expected[name].double()).abs().max() / expected[name].double().abs().max()).item()
        for name in found
        if expected[name].any()
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("several")


@pytest.fixture(scope="module")
def uninterrupted(home):
    """The training of `several.begun`, whole, in one process."""
    return several.on(home / "whole.safetensors")


@pytest.fixture(scope="module")
def learnt(home):
    """{1: what one process found, 2: what the first of two did, "second"}; one process left half a training to them."""
    assert several.begun(home / "half.safetensors", several.ctrl_c).interrupted
    several.all_that_is_learnt(home)
    for code, _, error in together("learn", home):
        assert code == 0, error
    one, two, second = (torch.load(home / f"of {name}.pt") for name in ("1, 0", "2, 0", "2, 1"))
    return {1: one, 2: two, "second": second}


# the steps


@pytest.mark.parametrize("name", several.LEARN)
def test_a_step_of_two_processes_is_that_of_one(learnt, name):
    one, two = learnt[1][name], learnt[2][name]
    assert two["loss"] == pytest.approx(one["loss"], rel=2e-6)
    assert two["pictures"] == one["pictures"] == several.BATCH * len(one["loss"])
    assert furthest(two["weights"], one["weights"]) < 2e-5
    before = several.LEARN[name][0]().state_dict()
    assert furthest(one["weights"], before) > 1e-3, "something was learnt"


def test_both_processes_hold_the_same_network_after_the_same_steps(learnt):
    for name in several.LEARN:
        assert furthest(learnt["second"][name]["weights"], learnt[2][name]["weights"]) == 0
    assert learnt["second"]["minutes"] == learnt[2]["minutes"] > 0


def test_what_the_loss_does_not_take_stays_as_it_was(learnt):
    before = several.TwoHeads().state_dict()
    assert torch.equal(learnt[2]["two heads"]["weights"]["aux.weight"], before["aux.weight"])


def test_batch_normalisation_is_that_of_the_whole_batch(learnt):
    for found, expected in zip(learnt[2]["normalised"], learnt[1]["normalised"], strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_one_confusion_matrix_also_where_a_share_is_empty(learnt):
    for found, expected in zip(learnt[2]["scored"], learnt[1]["scored"], strict=True):
        assert torch.equal(found, expected) and expected.sum() > 0


def test_the_processes_know_together_what_each_has(learnt):
    assert learnt[2]["whole"][0].tolist() == [[False, False], [True, True], [True, True]]
    assert learnt[2]["any"] == [True, False]
    assert learnt[2]["clock"] == learnt["second"]["clock"] == 10


def test_two_processes_end_what_one_began(learnt, uninterrupted):
    assert learnt[2]["resumed"]["loss"] == pytest.approx(uninterrupted["loss"], rel=1e-5)
    assert furthest(learnt[2]["resumed"]["weights"], uninterrupted["weights"]) < 1e-4


def test_what_cannot_be_shared_is_told(learnt):
    few, differ, sizes = learnt[2]["errors"]
    assert few.startswith("A step of 1 pictures cannot be shared by 2 processes: batch_size=2 or more")
    assert differ == "They differ: 0, 1"
    assert "of one size" in sizes and "(2, 3), (2, 4)" in sizes


@pytest.mark.slow
def test_three_processes_of_one_and_two_pictures_find_what_one_does(tmp_path):
    several.some_that_is_learnt(tmp_path)
    for code, _, error in together("learn some", tmp_path, 3):
        assert code == 0, error
    one, *three = (torch.load(tmp_path / f"of {name}.pt") for name in ("1, 0", "3, 0", "3, 1", "3, 2"))
    for name in several.FEW:
        assert three[0][name]["loss"] == pytest.approx(one[name]["loss"], rel=2e-6)
        assert furthest(three[0][name]["weights"], one[name]["weights"]) < 2e-5
        assert all(furthest(other[name]["weights"], three[0][name]["weights"]) == 0 for other in three)
    for found, expected in zip(three[0]["scored"], one["scored"], strict=True):
        assert torch.equal(found, expected) and expected.sum() > 0
    for found, expected in zip(three[0]["normalised"], one["normalised"], strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


# the end


def test_ctrl_c_to_one_stops_all_and_one_process_goes_on(home, uninterrupted):
    for code, _, error in together("stop", home):
        assert code == 0, error
    history = checkpoints.read(home / "stopped.safetensors")[1]["notes"]["history"]
    assert len(history["loss"]) == 8 and history["interrupted"]
    assert history["loss"] == pytest.approx(uninterrupted["loss"][:8], rel=1e-5)
    resumed = several.on(home / "stopped.safetensors")
    assert furthest(resumed["weights"], uninterrupted["weights"]) < 1e-4
    assert resumed["validations"][-1] == pytest.approx(uninterrupted["validations"][-1], rel=1e-5)


def test_a_killed_process_leaves_a_checkpoint_of_the_last_whole_step(home, uninterrupted):
    (code, _, error), (killed, _, _) = together("die", home)
    assert killed != 0 and code == 1
    assert "Another process of this training has ended" in error and "up to step 7 is in" in error
    assert len(checkpoints.read(home / "lost.safetensors")[1]["notes"]["history"]["loss"]) == 7
    resumed = several.on(home / "lost.safetensors")
    assert furthest(resumed["weights"], uninterrupted["weights"]) < 1e-4


# the commands


@pytest.fixture(scope="module")
def cells(home):
    """Nine rendered pictures of cells with masks, in folders for one and for two processes."""
    for place in ("one", "two"):
        for name in ("images", "masks"):
            (home / place / "cells" / name).mkdir(parents=True)
        for index, (image, mask) in enumerate(ToyCells("train", length=9, size=(64, 80))):
            for name, array in (("images", image[0]), ("masks", mask)):
                picture = Image.fromarray((255 * array.numpy()).astype(np.uint8))
                picture.save(home / place / "cells" / name / f"{index}.png")
    return home


def test_the_commands_give_the_same_files_and_the_same_table(cells, capsys):
    one, two = cells / "one", cells / "two"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the two have: with more, sums are taken in another order
    try:
        several.commands(one)
    finally:
        torch.set_num_threads(threads)
    alone = capsys.readouterr()
    shutil.copy(one / "given.safetensors", two)
    (code, first, error), (code2, second, error2) = together("commands", two)
    assert code == code2 == 0, error + error2

    names = {path.relative_to(one) for path in one.rglob("*")}
    assert names == {path.relative_to(two) for path in two.rglob("*")} and len(names) > 50
    for name in names:
        if name.parts[0] == "found" and (one / name).is_file():
            assert (one / name).read_bytes() == (two / name).read_bytes(), name
    weights = [torch.cat([p.flatten() for p in segedu.load(place / "network.safetensors").parameters()]).detach()
               for place in (one, two)]  # fmt: skip
    assert (weights[1] - weights[0]).abs().median() < 1e-4, "a U-Net enlarges rounding: the tests of steps are strict"

    table = alone.out[alone.out.index("9 pictures, at most") : alone.out.index("1 of 9: ")]
    assert table in first and "mean" in table and "IoU" not in second and "Classes" not in second
    for number in range(1, 10):
        assert (first.count(f"{number} of 9: "), second.count(f"{number} of 9: ")) == (number < 5, number >= 5)
    assert "9 pictures: " in first and "9 pictures: " not in second
    told = "segedu: There is no folder"
    assert alone.err.count(told) == (error + error2).count(told) == 1, "what all find wrong is told once"


def children(process: int) -> dict[str, int]:
    """{RANK: number of the process} of the processes that torchrun has started."""
    found = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    told = {pid: Path(f"/proc/{pid}/environ").read_text().split("\0") for pid in found}
    return {word[5:]: int(pid) for pid, words in told.items() for word in words if word.startswith("RANK=")}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks for torchrun's processes as Linux shows them")
@pytest.mark.parametrize("event", ["Ctrl-C", "the kernel kills a process"])
def test_torchrun_ends_in_a_checkpoint_from_which_one_process_goes_on(cells, tmp_path, event):
    out, steps = tmp_path / "network.safetensors", 200
    train = ["train", cells / "one" / "cells", "--steps", steps, "--model", "quick", "--precision", "float32"]
    train = [str(word) for word in [*train, "--out", out]]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "segedu"]
    log = tmp_path / "log.txt"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*launcher, *train], cwd=ROOT, env=surroundings(), stdout=file, stderr=file, start_new_session=True
        )
    try:
        end = time.monotonic() + ENOUGH
        while not re.search(rf"[3-9]/{steps} \[", log.read_text(encoding="utf-8")):
            assert process.poll() is None and time.monotonic() < end, log.read_text(encoding="utf-8")
            time.sleep(0.05)
        if event == "Ctrl-C":
            process.send_signal(signal.SIGINT)
        else:
            os.kill(children(process.pid)["1"], signal.SIGKILL)
        assert process.wait(timeout=ENOUGH) != 0
    finally:
        process.kill()
    said = log.read_text(encoding="utf-8")
    unfinished = out.with_suffix(".unfinished.safetensors")
    assert unfinished.exists(), said
    taken = len(checkpoints.read(unfinished)[1]["notes"]["history"]["loss"])
    assert 3 <= taken < steps
    if event == "Ctrl-C":
        assert f"Stopped after step {taken}" in said and said.count("Stopped early. To go on") == 1 and out.is_file()
    else:
        assert f"What was learnt up to step {taken} is in {unfinished}" in said and not out.exists(), said

    assert several.call(*train, "--resume") == 0
    assert checkpoints.read(out)[1]["notes"]["steps"] == steps and not unfinished.exists()


def test_without_torchrun_nothing_is_shared():
    assert not distributed.launched()
    with distributed.processes():
        assert (distributed.size(), distributed.rank(), distributed.is_first()) == (1, 0, True)
        items, tensor = [1, 2, 3], torch.ones(2)
        assert distributed.share(items) == items and distributed.all_items(items) is items
        assert distributed.gathered(tensor) is tensor and distributed.summed(tensor) is tensor
