from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace

import pytest

from pipelines.packets import Packets, TimeLine, lost_from, stamp


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
