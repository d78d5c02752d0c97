from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
import soundfile

from pipelines.inspect import sample
from pipelines.inspect.sample import COLUMNS, FRAMES, SHOWN_S, draw, read_sheets, sheet
from pipelines.table import RowGroup, open_table, row_groups

GROUPS = [RowGroup("p", 0, 3), RowGroup("p", 1, 1), RowGroup("q", 0, 4)]


def test_a_draw_is_by_seed_without_repeats_and_knows_its_places() -> None:
    assert draw(GROUPS, 5, 7) == draw(GROUPS, 5, 7)
    assert draw(GROUPS, 5, 7) != draw(GROUPS, 5, 8)
    assert draw(GROUPS, 100, 0) == [(group, row) for group in GROUPS for row in range(group.rows)]
    assert draw([], 5, 0) == draw(GROUPS, 0, 0) == []


def test_every_row_is_as_likely() -> None:
    seen = Counter(place for seed in range(800) for place in draw(GROUPS, 2, seed))
    assert len(seen) == 8
    assert min(seen.values()) > 140  # of 200 expected; six standard deviations are 73


def grey(jpeg: bytes) -> int:
    return round(float(simplejpeg.decode_jpeg(jpeg).mean()))


def test_frames_stand_at_their_instants(clip: Callable) -> None:
    shown = sheet(clip("a:0", 4.0))  # 32 frames, frame k as grey as 4 k
    assert [grey(jpeg) for jpeg in shown.frames] == pytest.approx([4 * 4 * k for k in range(FRAMES)], abs=1)
    assert shown.frames[0] == clip("a:0", 4.0)["frames"][0]  # small ones are as they are stored
    assert "frames" not in shown.row


def test_the_wave_shows_a_click_where_it_is(clip: Callable, flac: Callable) -> None:
    samples = np.zeros(4 * 8000)
    samples[3 * 8000] = 0.9
    row = clip("a:0", 4.0, audio=flac(samples), audio_valid_start_s=1.0, audio_valid_end_s=3.5)
    wave = sheet(row).wave
    assert wave is not None
    assert np.flatnonzero(wave.high > 0.5).tolist() == [COLUMNS * 3 // 4]
    assert wave.valid == (0.25, 0.875)


def test_of_a_long_segment_the_beginning_is_shown(clip: Callable, flac: Callable, jpeg: Callable) -> None:
    samples = np.zeros(20 * 8000)
    samples[-1] = 1.0
    frames = [jpeg(k) for k in range(160)]
    shown = sheet(clip("a:0", 20.0, audio=flac(samples), frames=frames))
    assert shown.shown_s == SHOWN_S
    assert shown.sound is not None
    heard, rate = soundfile.read(io.BytesIO(shown.sound))
    assert (len(heard) / rate, heard.max()) == (SHOWN_S, 0.0)
    assert grey(shown.frames[-1]) == pytest.approx(SHOWN_S * 7 / 8 * 8, abs=1)


def test_large_frames_are_scaled_down(clip: Callable, jpeg: Callable) -> None:
    row = clip("a:0", 1.0, frames=[jpeg(9, 720, 1280)] * 8, height=720, width=1280)
    height, width, *_ = simplejpeg.decode_jpeg_header(sheet(row).frames[0])
    assert 160 <= height <= 180
    assert width / height == pytest.approx(1280 / 720, rel=0.02)


def test_sight_alone_and_sound_alone(clip: Callable) -> None:
    mute = sheet(clip("a:0", sound=False))
    assert (mute.wave, mute.sound, len(mute.frames)) == (None, None, FRAMES)
    blind = sheet(clip("a:0", n_frames=0, frames=[]))
    assert blind.frames == [] and blind.sound is not None


def test_sounds_that_do_not_fit_are_left_out(small: str) -> None:
    groups = row_groups(open_table(small))
    places = draw(groups, 4, 0)
    everything = read_sheets(places, 10**9)
    assert [one.sound is not None for one in everything].count(True) == 3
    room = everything[0].size + everything[1].size
    some = read_sheets(places, room)
    assert [one.row["clip_id"] for one in some] == [one.row["clip_id"] for one in everything]
    assert sum(len(one.sound or b"") for one in some) < sum(len(one.sound or b"") for one in everything)


def test_only_the_row_groups_of_the_sample_are_read_and_once(
    tmp_path: Path, clip: Callable, make_table: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = [[clip(f"{i}:{k}", 1.0) for k in range(2)] for i in range(6)]
    groups = row_groups(open_table(make_table(tmp_path / "t", parts)))
    read: list[RowGroup] = []

    def reading(group: RowGroup) -> object:
        read.append(group)
        return real(group)

    real = sample.read_row_group
    monkeypatch.setattr(sample, "read_row_group", reading)
    places = [(groups[1], 0), (groups[3], 0), (groups[3], 1)]
    clips = [one.row["clip_id"] for one in read_sheets(places, 10**9)]
    assert [clip_id[-1] for clip_id in clips] == ["0", "0", "1"]
    assert clips[1][0] == clips[2][0] != clips[0][0]
    assert read == [groups[1], groups[3]]
