"""The files: streams, lengths, and that sight and sound are together, before and after the codecs."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest

from chronav.errors import JobError
from pipelines.world import WorldConfig, render_video
from pipelines.world.encode import encode

CONFIG = WorldConfig(size=48)
# Classes whose movers jump or dart off at the instant of the hit, so that a frame difference shows it.
SUDDEN = ("KickedPuck", "HeartBeat", "PoppingBalloon", "StickSlip")


def decode(data: bytes) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Frames (T, H, W, 3), their times (T,), sound (N,), the time of its first sample."""
    with av.open(io.BytesIO(data)) as container:
        pictures = list(container.decode(video=0))
    with av.open(io.BytesIO(data)) as container:
        sounds = list(container.decode(audio=0))
    frames = np.stack([picture.to_ndarray(format="rgb24") for picture in pictures])
    sound = np.concatenate([s.to_ndarray().mean(axis=0) for s in sounds])
    if sounds[0].format.is_planar is False and sounds[0].format.name.startswith("s"):
        sound = sound / 32768.0
    return frames, np.array([picture.time for picture in pictures]), sound, float(sounds[0].time)


def lags(frames: np.ndarray, sound: np.ndarray, sound_start_s: float = 0.0) -> np.ndarray:
    """Seconds from each of the five largest sound onsets to the first frame that shows a sudden change near it."""
    hop = CONFIG.sample_rate // 100
    level = 10 * np.log10(
        np.square(sound[: len(sound) // hop * hop], dtype=np.float64).reshape(-1, hop).mean(1) + 1e-9
    )
    rise = np.diff(level) * (level[1:] > np.percentile(level, 85))
    change = np.abs(np.diff(frames.astype(np.float32), axis=0)).mean(axis=(1, 2, 3))
    found: list[float] = []
    taken: list[float] = []
    for at in np.argsort(rise)[::-1]:
        onset = sound_start_s + (at + 1) * hop / CONFIG.sample_rate
        if not 0.5 < onset < CONFIG.duration_s - 0.5 or any(abs(onset - other) < 0.3 for other in taken):
            continue
        taken.append(onset)
        near = np.arange(int((onset - 0.2) * CONFIG.fps), int((onset + 0.2) * CONFIG.fps) + 1)
        # The change between frames i and i + 1 is seen at frame i + 1.
        usual, most = np.median(change[near]), change[near].max()
        first = near[np.argmax(change[near] > usual + 0.3 * (most - usual))]
        found.append((first + 1) / CONFIG.fps - onset)
        if len(found) == 5:
            break
    return np.array(found)


@pytest.mark.parametrize("label", SUDDEN)
def test_sound_onsets_are_seen_within_a_frame(label: str) -> None:
    made = render_video(CONFIG, label, 1, 1)
    before = lags(made.frames, made.sound)
    frames, _, sound, start = decode(encode(made.frames, made.sound, CONFIG.fps, CONFIG.sample_rate, "h264"))
    after = lags(frames, sound, start)
    frame = 1 / CONFIG.fps
    for found in (before, after):
        # A contact shows in the first frame after it: up to a frame late, a little more if it moves off slowly.
        assert len(found) == 5
        together = (found > -0.01) & (found < frame + 0.02)
        assert together[0]
        assert together.sum() >= 4


def test_h264_streams() -> None:
    made = render_video(CONFIG, "Rattle", 2, 1)
    data = encode(made.frames, made.sound, CONFIG.fps, CONFIG.sample_rate, "h264")
    with av.open(io.BytesIO(data)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
        assert video.average_rate == CONFIG.fps
        assert (video.width, video.height, audio.rate, audio.layout.name) == (48, 48, 16_000, "mono")
        assert all(packet.is_keyframe for packet in container.demux(video) if packet.size)
    frames, times, sound, start = decode(data)
    assert np.allclose(times, np.arange(160) / 16)
    assert abs(start) < 1e-6
    assert len(sound) / 16_000 == pytest.approx(10.0, abs=0.1)
    assert np.abs(frames.astype(int) - made.frames).mean() < 6
    assert np.corrcoef(sound[: len(made.sound)], made.sound[: len(sound)])[0, 1] > 0.95


def test_lossless_keeps_sound_exactly_and_pictures_to_rounding() -> None:
    made = render_video(CONFIG, "Hopper", 2, 1)
    frames, _, sound, start = decode(
        encode(made.frames, made.sound, CONFIG.fps, CONFIG.sample_rate, "lossless")
    )
    assert start == 0.0
    assert len(sound) == len(made.sound)
    assert np.abs(sound - made.sound).max() < 1e-4
    assert np.abs(frames.astype(int) - made.frames).max() <= 4  # RGB to YUV and back


def test_the_same_input_gives_the_same_bytes() -> None:
    made = render_video(CONFIG, "Hopper", 2, 1)
    first, second = (encode(made.frames, made.sound, 16, 16_000, "h264") for _ in range(2))
    assert first == second


def test_a_failing_ffmpeg_is_one_line() -> None:
    with pytest.raises(JobError, match="ffmpeg could not encode"):
        encode(np.zeros((2, 0, 0, 3), np.uint8), np.zeros(100, np.float32), 16, 16_000, "h264")
