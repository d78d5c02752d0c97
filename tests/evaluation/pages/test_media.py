from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import simplejpeg
import soundfile

from evaluation.items import read_videos
from evaluation.pages.media import SOUND_S, read_media, spectrogram, square
from pipelines.table import open_table


def test_pictures_and_sounds_are_those_of_the_video(colour_table: str) -> None:
    videos, groups = read_videos(open_table(colour_table))
    wanted = [i for i, video in enumerate(videos) if video.video_id in ("v_red_g00", "v_blue_g06")]
    found = read_media(videos, groups, wanted, 3, 16, sound=True)
    assert set(found) == set(wanted)
    for index in wanted:
        assert found[index].pictures.shape == (3, 16, 16, 3)
        strongest = found[index].pictures.reshape(-1, 3).mean(axis=0).argmax()
        assert strongest == (0 if videos[index].label == "red" else 2)
        samples, rate = soundfile.read(io.BytesIO(found[index].sound or b""))
        tone = np.abs(np.fft.rfft(samples)).argmax() * rate / samples.size
        assert tone == pytest.approx(300.0 if videos[index].label == "red" else 2400.0, abs=5)
    silent = read_media(videos, groups, wanted, 1, 16, sound=False)
    assert all(media.sound is None for media in silent.values())


def test_what_has_no_pictures_shows_its_sound_and_a_long_one_is_cut(
    tmp_path: Path, kit: SimpleNamespace
) -> None:
    flac = kit.flac(np.random.default_rng(0), 440.0, 9.0)
    rows = [
        kit.clip_row("a", audio=flac, audio_valid_start_s=1.0, audio_valid_end_s=9.0),
        kit.clip_row("void"),
    ]
    videos, groups = read_videos(open_table(kit.write_table(tmp_path / "t", rows)))
    found = read_media(videos, groups, [0, 1], 3, 24, sound=True)
    assert list(found) == [0], "nothing is shown of a video without anything"
    assert found[0].pictures.shape == (1, 24, 24, 3)
    samples, rate = soundfile.read(io.BytesIO(found[0].sound or b""))
    assert samples.size == SOUND_S * rate


def test_spectrogram_rises_with_the_tone() -> None:
    t = np.arange(16_000) / 16_000
    sweep = np.sin(2 * np.pi * (200 * t + 2500 * t**2)).astype(np.float32)
    picture = spectrogram(sweep, 48)
    assert picture.shape == (48, 48, 3)
    rows = picture[:, :, 0].argmax(axis=0)
    assert rows[40] < rows[20] < rows[4]
    assert spectrogram(np.zeros(10, np.float32), 8).shape == (8, 8, 3)


def test_a_square_is_the_middle() -> None:
    frame = np.zeros((40, 80, 3), np.uint8)
    frame[:, 20:60] = 250
    file = simplejpeg.encode_jpeg(frame, quality=95)
    assert square(file, 20).mean() > 240
    assert square(file, 64).shape == (64, 64, 3)
