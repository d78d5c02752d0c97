from __future__ import annotations

import numpy as np
import pytest

from pipelines.segments import cut, cut_spans, frame_count, instants, split_at_jumps, within


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


def test_damaged_videos_are_cut_span_by_span() -> None:
    spans = [(1.0, 13.5), (20.0, 20.5), (30.0, 34.0)]
    segments = cut_spans(spans, fps=16.0, segment_s=10.0, min_s=2.0)
    assert [(s.index, s.start_s, s.duration_s) for s in segments] == [
        (0, 1.0, 6.25), (1, 7.25, 6.25), (2, 30.0, 4.0),
    ]  # fmt: skip
    assert cut_spans([(0.0, 12.01)], 16.0, 10.0, 2.0) == cut(0.0, 12.01, 10.0, 2.0)


def test_the_longest_span_may_be_short_but_not_without_time() -> None:
    assert [s.start_s for s in cut_spans([(0.0, 0.5), (2.0, 3.0)], 16.0, 10.0, 2.0)] == [2.0]
    assert cut_spans([(0.0, 0.1)], 16.0, 10.0, 2.0) == []


@pytest.mark.parametrize("announced", [None, 4.0])
def test_time_stamps_that_jump_end_a_span(announced: float | None) -> None:
    times = np.concatenate([np.arange(50) / 25, 1e9 + np.arange(50) / 25])
    (a, b), (c, d) = split_at_jumps(times, 1e9 + 2.0, announced)
    assert (a, b, c, d) == pytest.approx((0.0, 2.0, 1e9, 1e9 + 2.0))


def test_a_last_frame_that_stays_on_for_years() -> None:
    times = np.arange(50) / 25
    assert split_at_jumps(times, 1e9, 2.0) == [(0.0, pytest.approx(2.0))]
    assert split_at_jumps(times, 62.0, 62.0) == [(0.0, 62.0)]


def test_slides_and_what_the_header_announces_are_no_jumps() -> None:
    slides = np.arange(10) * 30.0
    assert split_at_jumps(slides, 300.0, None) == [(0.0, 300.0)]
    screen = np.array([0.0, 0.04, 0.08, 45.0, 45.04])
    assert split_at_jumps(screen, 45.08, 45.1) == [(0.0, 45.08)]


def test_what_two_lists_of_spans_share() -> None:
    assert within([(0, 5), (6, 9)], [(1, 2), (4, 7), (9, 11)]) == [(1, 2), (4, 5), (6, 7)]
