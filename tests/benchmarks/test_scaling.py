"""The ring all-reduce, played through, and the seconds that it is said to take."""

import pytest
import torch

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
    head, *rows = capsys.readouterr().out.splitlines()
    assert len(rows) == len(scaling.NETWORKS) and all(link in head for link in scaling.LINKS)
    assert "124.1 MB" in rows[2]  # 31,030,658 weights of four bytes
