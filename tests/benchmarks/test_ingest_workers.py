"""What the section on two workers says."""

from __future__ import annotations

from benchmarks.contest import Cost
from benchmarks.ingest_paths import OURS, TWO
from benchmarks.ingest_workers import LOOP, LOOPS, section


def test_how_much_faster_two_are_and_how_busy_the_cores() -> None:
    one, two = Cost(6, 11.0, 10.0, 0.0), Cost(6, 12.0, 6.0, 0.0)  # samples, CPU seconds, seconds, idle
    loop, loops = Cost(6, 8.0, 8.0, 0.0), Cost(6, 8.0, 4.0, 0.0)
    text = section({OURS: [one], TWO: [two], LOOP: [loop], LOOPS: [loops]}, 6, 2)
    head = "## Ingest: two workers 1.67 (1.67 to 1.67) times as fast as one"
    assert f"{head} (goal 1.8; decoding alone 2.00 (2.00 to 2.00))" in text
    assert f"| {LOOPS} | 15 (15 to 15) | 2.00 (2.00 to 2.00) |" in text
    assert f"| {OURS} | 6 (6 to 6) | 1.10 (1.10 to 1.10) |" in text
    assert f"| {TWO} | 10 (10 to 10) | 2.00 (2.00 to 2.00) |" in text
    assert "this machine's 2 cores" in text
