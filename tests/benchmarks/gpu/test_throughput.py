from __future__ import annotations

import pytest

from benchmarks.gpu import throughput
from benchmarks.gpu.throughput import Search, largest_batch


def search(
    threshold: int, calls: int = 1000, first: int = 16, cap: int = 1024, step: int = 8
) -> tuple[Search, list]:
    tried: list[int] = []

    def fits(size: int) -> str | None:
        tried.append(size)
        return None if size <= threshold else "out of memory"

    return largest_batch(fits, first, cap, step, lambda: len(tried) < calls), tried


@pytest.mark.parametrize("threshold", [8, 9, 15, 16, 17, 31, 40, 100, 104, 511, 1000, 1023])
def test_finds_the_largest_multiple_that_fits(threshold):
    found, tried = search(threshold)
    assert found.largest == threshold // 8 * 8
    assert "out of memory" in found.limit
    assert len(tried) == len(set(tried)) <= 14


def test_the_ends_of_the_search():
    assert search(5000)[0] == Search(1024, "the cap of the search, 1024")
    assert search(7)[0].largest == 0
    found, tried = search(100, calls=3)
    assert tried == [16, 32, 64]
    assert found == Search(64, "the time of the search, before 128 was tried")
    assert search(20, first=16, cap=20)[0].largest == 20


def test_measures_at_the_largest_batch(work):
    part = work()
    throughput.run(part)
    figures = part.findings.figures
    assert figures["batch"] == part.amounts.batch_cap
    assert figures["samples_per_s"] == pytest.approx(figures["batch"] / figures["step_s"])
    assert figures["flops_per_s"] == pytest.approx(figures["samples_per_s"] * figures["flops_per_sample"])
    assert figures["model_flop_utilisation"] is None
    assert "peak is not known" in part.findings.notes[0]


def test_a_batch_that_does_not_fit_ends_the_search_and_not_the_part(work, monkeypatch):
    part, real = work(), throughput.optimise

    def short_of_memory(learner, batches, *rest):
        if len(batches[0]) > 4:
            raise throughput.torch.OutOfMemoryError("CUDA out of memory")
        return real(learner, batches, *rest)

    monkeypatch.setattr(throughput, "optimise", short_of_memory)
    throughput.run(part)
    assert part.findings.figures["batch"] == 4
    assert part.findings.settings["search_ended_by"] == "out of memory at 6"
