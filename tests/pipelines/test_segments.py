from __future__ import annotations

import numpy as np
import pytest

from pipelines.segments import cut, frame_count, instants


@pytest.mark.parametrize(
    ("duration", "parts"),
    [(0.5, 1), (2.0, 1), (10.0, 1), (10.02, 1), (12.0, 1), (12.01, 2), (22.0, 2), (22.1, 3), (600.0, 60)],
)
def test_count_follows_the_contract(duration: float, parts: int) -> None:
    assert len(cut(0.0, duration, segment_s=10.0, min_s=2.0)) == parts


def test_parts_are_equal_and_cover_the_video() -> None:
    segments = cut(0.5, 35.0, segment_s=10.0, min_s=2.0)
    assert [s.index for s in segments] == [0, 1, 2, 3]
    np.testing.assert_allclose([s.start_s for s in segments], [0.5, 9.25, 18.0, 26.75])
    assert {s.duration_s for s in segments} == {8.75}


def test_a_duration_summed_from_time_stamps_does_not_open_another_segment() -> None:
    assert len(cut(0.0, sum([0.04] * 300), segment_s=10.0, min_s=2.0)) == 1
    assert frame_count(sum([0.0625] * 160), 16.0) == 160
    assert frame_count(300 * 1001 / 30000, 16.0) == 160


def test_instants_are_a_grid_from_the_segments_start() -> None:
    segment = cut(1.5, 4.0, segment_s=2.0, min_s=0.5)[1]
    np.testing.assert_allclose(instants(segment, 4.0), [3.5, 3.75, 4.0, 4.25, 4.5, 4.75, 5.0, 5.25])
