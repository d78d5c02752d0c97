"""Both sides of the comparison do the same number of clips, and the table says how they compare."""

from __future__ import annotations

import pytest

from benchmarks.contest import Cost
from benchmarks.features import (
    EXTRACTION,
    FORWARD,
    Setup,
    extraction,
    forward,
    prepare,
    section,
    table_of,
    verdict_of,
)
from benchmarks.media import Stored


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Setup:
    stored = Stored(height=40, width=54, sample_rate=8000, seconds=2.0)
    return prepare(tmp_path_factory.mktemp("features"), "tiny", stored, videos=3, clips=3)


def test_both_sides_run_the_network_on_as_many_clips(setup: Setup) -> None:
    with extraction(setup) as ours, forward(setup) as floor:
        for passes in (ours, floor, ours):  # a pass can be run again
            parts = list(passes())
            assert sum(len(part) for part in parts) == 9
            assert {part.shape[1] for part in parts} == {64}


def test_the_ratio_is_of_cpu_time_round_by_round() -> None:
    costs = {
        FORWARD: [Cost(10, 1.0, 1.0, 0.0), Cost(10, 2.0, 2.0, 0.0), Cost(10, 1.0, 1.0, 0.0)],
        EXTRACTION: [Cost(10, 1.25, 1.3, 0.0), Cost(10, 2.5, 2.6, 0.0), Cost(10, 1.0, 1.0, 0.0)],
    }
    assert verdict_of(costs) == "0.80 of the forward pass alone (goal 0.85: not met)"
    assert "| extraction | 8.00 (4.00 to 10.00) | 0.80 (0.80 to 1.00) |" in table_of(costs)
    page = section({"tiny": table_of(costs)}, [verdict_of(costs)], 3)
    assert "### Recipe `tiny`: 0.80 of the forward pass alone" in page
