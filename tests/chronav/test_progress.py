from __future__ import annotations

import pytest

from chronav import progress
from chronav.progress import Bar, Rate, format_seconds, say


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (9.6, "0:10"), (75, "1:15"), (3599.4, "59:59"), (3600, "1:00:00"), (7325, "2:02:05")],
)
def test_format_seconds(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


class _Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    clock = _Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_off_a_terminal_a_line_now_and_then_with_time_left(
    clock: _Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with Bar("ingest", total=101, unit="files") as bar:
        clock.now += 50  # start-up: no part of the rate
        bar.update(1)
        for done in range(2, 22):
            clock.now += 1
            bar.update(done)
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert lines[0].startswith("ingest: 1/101 files")
    assert lines[1:] == [
        "ingest: 11/101 files  1.0 files/s, 1:30 left",
        "ingest: 21/101 files  1.0 files/s, 1:20 left",
    ]


def test_the_last_line_is_always_shown(clock: _Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Bar("world", total=3, unit="videos") as bar:
        for done in (1, 2, 3):
            clock.now += 0.5
            bar.update(done, note=f"note {done}")
    assert capsys.readouterr().err.splitlines() == ["world: 3/3 videos  note 3, 2.0 videos/s"]


@pytest.mark.parametrize("steps", [(1, 9, 10), (10,)])
def test_the_last_line_says_the_rate_over_the_whole_time(
    steps: tuple[int, ...], clock: _Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """Results that come all at once, after most of the time, are not taken for fast ones."""
    media = Rate()
    with Bar("ingest", total=10, unit="files") as bar:
        clock.now += 5.0 - 0.01 * (len(steps) - 1)
        for done in steps:
            bar.update(done)
            clock.now += 0.01 if done < 10 else 0
    assert capsys.readouterr().err.splitlines() == ["ingest: 10/10 files  2.0 files/s"]
    assert media.of(30.0) == pytest.approx(6.0)
    assert media.of(0.0) is None


def test_a_bar_that_an_earlier_call_began_says_no_rate_at_its_end(
    clock: _Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with Bar("pretrain", total=1000, unit="steps", resumed=True) as bar:
        for done in range(900, 1001):
            clock.now += 0.5
            bar.update(done)
    lines = capsys.readouterr().err.splitlines()
    assert lines[1] == "pretrain: 939/1000 steps  2.0 steps/s, 0:30 left"
    assert lines[-1].strip() == "pretrain: 1000/1000 steps"


def test_a_bar_of_nothing_does_not_divide_by_it(clock: _Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Bar("ingest", total=0, unit="files") as bar:
        bar.update(0)
    assert "0/0" in capsys.readouterr().err


def test_say_keeps_stdout_clean(capsys: pytest.CaptureFixture[str]) -> None:
    say("hello")
    assert capsys.readouterr() == ("", "hello\n")
