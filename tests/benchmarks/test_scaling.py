"""The ring all-reduce, played through, and the seconds that it is said to take."""

from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks import scaling


@pytest.mark.parametrize("processes", [2, 3, 8])
def test_each_process_ends_with_the_sum_and_has_sent_what_the_formula_says(processes):
    parts = [torch.arange(48 * 7) * (p + 1) for p in range(processes)]
    results, sent = scaling.ring_all_reduce(parts)
    assert all(torch.equal(result, sum(parts)) for result in results)
    size = parts[0].numel() * parts[0].itemsize
    assert sent == 2 * (processes - 1) * size // processes
    assert scaling.ring_seconds(processes, size, rate=1.0, delay=0.0) == pytest.approx(sent)
    assert scaling.ring_seconds(processes, 0, rate=1.0, delay=3.0) == 2 * (processes - 1) * 3


def test_the_paper_has_a_row_for_each_network(capsys):
    scaling.main(["--paper"])
    times, memory = capsys.readouterr().out.split("\n\n")
    head, *rows = times.splitlines()
    assert len(rows) == len(scaling.NETWORKS) and all(link in head for link in scaling.LINKS)
    assert [row[:26].strip() for row in memory.splitlines()[1:]] == list(scaling.MEMORY)
    assert "124.1 MB" in rows[2]  # 31,030,658 weights of four bytes


def test_what_is_kept_for_backward_is_counted_as_by_hand():
    def build():
        return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 2, 1), nn.Softmax(1))

    numbers = (3 + 8 + 2) * 64**2  # each convolution's input, once though ReLU keeps it, too, and the softmax
    assert scaling.kept_for_backward(build, 64) == 4 * numbers


def test_the_page_has_the_memory_that_the_benchmark_counts():
    page = (Path(scaling.__file__).parents[1] / "notebooks" / "MANY_PROCESSES.md").read_text(encoding="utf-8")
    for name, (build, side) in scaling.MEMORY.items():
        row = next(line for line in page.splitlines() if line.startswith(f"| {name} |"))
        kept = float(row.split("|")[-2].split()[0].replace(",", ""))
        assert kept == pytest.approx(scaling.kept_for_backward(build, side) / 1e6, abs=0.6), name
