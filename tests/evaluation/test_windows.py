from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.windows import Window, crop_squares, frame_indices, spread


def test_one_segment_is_covered_from_end_to_end() -> None:
    assert [w.start for w in spread([(0, 160)], 16, 10)] == [0, 16, 32, 48, 64, 80, 96, 112, 128, 144]
    assert [w.start for w in spread([(0, 20)], 16, 3)] == [0, 2, 4]


def test_one_clip_begins_at_the_start() -> None:
    assert spread([(5, 105)], 16, 1) == [Window(0, 5)]


def test_windows_stay_inside_the_segment_that_holds_their_centre() -> None:
    # Two segments of 20: starts 0, 12, 24 of 40; the second would cross the border at 20, its centre is 20.
    assert spread([(0, 20), (0, 20)], 16, 3) == [Window(0, 0), Window(1, 0), Window(1, 4)]


def test_valid_ranges_shift_the_windows() -> None:
    assert spread([(100, 140), (0, 0), (7, 47)], 40, 2) == [Window(0, 100), Window(2, 7)]


def test_windows_that_coincide_are_given_once() -> None:
    assert spread([(0, 17)], 16, 10) == [Window(0, 0), Window(0, 1)]


def test_a_short_segment_is_marked() -> None:
    assert spread([(0, 10)], 16, 10) == [Window(0, 0, short=True)]
    assert spread([(3, 10)], 16, 2) == [Window(0, 3, short=True)]
    assert spread([(0, 0)], 16, 10) == []
    assert spread([], 16, 10) == []


@given(
    sizes=st.lists(st.integers(0, 200), min_size=1, max_size=6),
    begin=st.integers(0, 50),
    length=st.integers(1, 40),
    clips=st.integers(1, 12),
)
def test_no_window_leaves_its_segment(sizes: list[int], begin: int, length: int, clips: int) -> None:
    spans = [(begin, begin + size) for size in sizes]
    windows = spread(spans, length, clips)
    assert len(windows) <= clips
    assert bool(windows) == (sum(sizes) > 0)
    assert len(set(windows)) == len(windows)
    order = [(w.segment, w.start) for w in windows]
    assert order == sorted(order)
    for window in windows:
        low, high = spans[window.segment]
        assert low < high
        assert window.short == (high - low < length)
        assert low <= window.start
        if not window.short:
            assert window.start + length <= high


def test_a_short_segment_is_played_round_and_round() -> None:
    assert frame_indices(3, 0, 8) == [0, 1, 2, 0, 1, 2, 0, 1]
    assert frame_indices(100, 7, 4) == [7, 8, 9, 10]


@pytest.mark.parametrize(
    ("size", "crops", "expected"),
    [
        ((128, 170), 1, [(0, 21, 128)]),
        ((128, 170), 3, [(0, 0, 128), (0, 21, 128), (0, 42, 128)]),
        ((170, 128), 3, [(0, 0, 128), (21, 0, 128), (42, 0, 128)]),
        ((64, 64), 3, [(0, 0, 64)] * 3),
    ],
)
def test_crops_are_squares_along_the_longer_side(size: tuple[int, int], crops: int, expected: list) -> None:
    assert crop_squares(*size, crops) == expected
