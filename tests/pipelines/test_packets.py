from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace

import pytest

from pipelines.packets import Packets, TimeLine, lost_from, out_of_order, stamp


def packet(pts: int | None, dts: int | None) -> SimpleNamespace:
    return SimpleNamespace(pts=pts, dts=dts, time_base=Fraction(1, 10))


def test_when_a_packet_is_shown() -> None:
    assert [stamp(packet(*at)) for at in ((7, 5), (None, 5), (None, None))] == [0.7, 0.5, None]


def test_a_time_line_turns_back_by_more_than_frames_are_reordered() -> None:
    line = TimeLine()
    steps = [0, 4, 3, None, 20, 11, 30]  # tenths of a second
    assert not any(line.turns_back(packet(0, dts)) for dts in steps)
    assert line.turns_back(packet(0, 19))


@pytest.mark.parametrize(
    ("found", "listed", "lost"),
    [
        ([5, 6, 7], [5, 6, 7], None),
        ([5, 6, 7], [], None),  # no index
        ([5, 6, 7, 8], [5, 6, 7], None),
        ([5, 7, 8], [5, 6, 7, 8], 1),
        ([5, 6], [5, 6, 7, 8], 2),  # the end is missing
        ([], [5], 0),
    ],
)
def test_the_first_frame_that_the_index_lists_and_the_file_lacks(
    found: list[int], listed: list[int], lost: int | None
) -> None:
    assert lost_from(Packets(times=[0.1 * i for i in range(len(found))], sizes=found), listed) == lost


def test_a_frame_far_from_where_it_is_stored() -> None:
    pyramid = [0, 4, 2, 1, 3, 8, 6, 5, 7, *range(9, 60)]
    assert not out_of_order(pyramid)
    assert not out_of_order([])
    assert out_of_order([time if time != 20 else 45.5 for time in pyramid])
    assert not out_of_order([time if time < 30 else time + 1000.0 for time in pyramid])


def test_decoded_frames_come_in_the_order_in_which_they_are_shown() -> None:
    def frames(*times: float | None) -> list[SimpleNamespace]:
        return [SimpleNamespace(time=time) for time in times]

    line = TimeLine("matroska,webm")
    assert not line.shown_back(frames(0.0, 0.04, None, 0.04, 0.08))
    assert line.shown_back(frames(0.04))
    assert not TimeLine("avi").shown_back(frames(1.0, 0.0))
