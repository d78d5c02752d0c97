"""Sound of any number of channels becomes one, as loud as it is, and never costs the pictures beside it."""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from pipelines.audio import SoundReader
from pipelines.config import IngestConfig
from pipelines.decode import decode_file
from pipelines.result import FileResult
from pipelines.schema import Reason, Status

CONFIG = IngestConfig(fps=8.0, sample_rate=16_000)
RATE = 48_000


def mixed(layout: str, channels: np.ndarray) -> np.ndarray:
    """Channels float32 (c, n) of a layout -> what a reader makes of them at their own rate, (n,)."""
    packed = np.ascontiguousarray(channels.T).reshape(1, -1)  # PyAV makes no planar ones of more than 8
    frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=layout)
    frame.sample_rate = RATE
    reader = SoundReader(RATE)
    reader._add(frame)
    sound = reader.finish()
    assert sound is not None
    return sound.samples


def noise(channels: int) -> np.ndarray:
    return np.random.default_rng(channels).uniform(-0.9, 0.9, (channels, 4800)).astype(np.float32)


@pytest.mark.parametrize("layout", ["mono", "stereo", "5.1", "7.1", "9 channels", "64 channels", "22.2"])
def test_what_is_in_all_channels_is_as_loud_as_it_is(layout: str) -> None:
    one = noise(1)
    count = av.AudioLayout(layout).nb_channels
    np.testing.assert_allclose(mixed(layout, np.repeat(one, count, axis=0)), one[0], atol=2e-4)


@pytest.mark.parametrize(("layout", "count"), [("stereo", 2), ("3 channels", 3), ("20 channels", 20)])
def test_channels_of_equal_standing_become_their_mean(layout: str, count: int) -> None:
    channels = noise(count)
    np.testing.assert_allclose(mixed(layout, channels), channels.mean(0), atol=2e-4)


def test_no_mix_is_louder_than_the_loudest_channel() -> None:
    for layout in ("stereo", "2.1", "4.0", "5.1", "7.1"):
        channels = noise(av.AudioLayout(layout).nb_channels)
        assert np.abs(mixed(layout, channels)).max() <= np.abs(channels).max() + 1e-3, layout


def test_of_a_sound_field_its_omnidirectional_channel_is_taken() -> None:
    channels = noise(4)
    np.testing.assert_allclose(mixed("ambisonic 1", channels), channels[0], atol=2e-4)


def test_a_layout_that_ffmpeg_cannot_mix_is_averaged() -> None:
    channels = noise(2)
    np.testing.assert_allclose(mixed("binaural", channels), channels.mean(0), atol=2e-4)


def test_a_stream_that_changes_its_channels_goes_on() -> None:
    reader = SoundReader(RATE)
    for number, layout in enumerate(("stereo", "mono", "stereo")):
        count = av.AudioLayout(layout).nb_channels
        frame = av.AudioFrame.from_ndarray(
            np.full((count, RATE), 0.5, np.float32), format="fltp", layout=layout
        )
        frame.sample_rate, frame.pts, frame.time_base = RATE, number * RATE, Fraction(1, RATE)
        reader._add(frame)
    sound = reader.finish()
    assert sound is not None and reader.error is None
    np.testing.assert_allclose(sound.samples, np.full(3 * RATE, 0.5), atol=1e-3)


@pytest.fixture
def many_channels(tmp_path: Path, ffmpeg: Callable) -> Callable[[int], Path]:
    """A MOV of 3 s with PCM sound of so many equal channels, a sine of peak 0.5."""

    def make(channels: int) -> Path:
        wave = np.sin(2 * np.pi * 440 * np.arange(3 * 16_000) / 16_000) / 2
        soundfile.write(tmp_path / "s.wav", np.repeat(wave[:, None], channels, axis=1), 16_000)
        path = tmp_path / f"{channels}.mov"
        picture = ["-f", "lavfi", "-i", "testsrc=d=3:s=64x48:r=25"]
        codecs = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "copy"]
        ffmpeg(*picture, "-i", tmp_path / "s.wav", *codecs, path)
        return path

    return make


@pytest.mark.parametrize("channels", [2, 9, 20])
def test_a_video_keeps_its_pictures_and_its_sound(
    channels: int, many_channels: Callable, as_item: Callable
) -> None:
    result = decode_file(as_item(many_channels(channels)), CONFIG)
    assert (result.status, result.reason, result.message) == (Status.OK, None, None)
    [row] = result.rows
    assert row["n_frames"] == 24
    sound, _ = soundfile.read(io.BytesIO(row["audio"]))
    assert np.abs(sound).max() == pytest.approx(0.5, abs=0.01)
    assert row["audio_rms_db"] == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.1)


def test_a_stream_without_a_decoder_costs_only_itself(
    tmp_path: Path, tiny: Callable, as_item: Callable
) -> None:
    whole = tiny(tmp_path / "whole.mkv", 2.0, 440, "-c:a", "flac").read_bytes()

    def without(codec: bytes) -> FileResult:
        path = tmp_path / "odd.mkv"
        assert whole.count(codec) == 1
        path.write_bytes(whole.replace(codec, codec[:2] + b"Q" * (len(codec) - 2)))
        return decode_file(as_item(path), CONFIG)

    silent = without(b"A_FLAC")
    assert (silent.status, silent.reason) == (Status.OK, Reason.CORRUPT_SOUND)
    assert silent.message == "audio: no decoder for its codec"
    assert [(row["n_frames"], row["audio"]) for row in silent.rows] == [(16, None)]
    unseen = without(b"V_MPEG4/ISO/AVC")
    assert (unseen.status, unseen.reason) == (Status.OK, Reason.CORRUPT_FRAMES)
    assert unseen.message == "video: no decoder for its codec"
    assert [row["n_frames"] for row in unseen.rows] == [0] and unseen.rows[0]["audio"]


def test_another_stream_takes_the_place_of_one_without_a_decoder(
    tmp_path: Path, ffmpeg: Callable, as_item: Callable
) -> None:
    inputs = [
        "-f", "lavfi", "-i", "testsrc=d=2:s=64x48:r=25", "-f", "lavfi", "-i", "testsrc2=d=2:s=64x48:r=25",
        "-f", "lavfi", "-i", "sine=d=2:r=16000", "-f", "lavfi", "-i", "sine=f=600:d=2:r=16000",
    ]  # fmt: skip
    streams = ["-map", 0, "-map", 1, "-map", 2, "-map", 3]
    codecs = ["-c:v:0", "mpeg4", "-c:v:1", "libx264", "-c:a:0", "libvorbis", "-c:a:1", "flac"]
    ffmpeg(*inputs, *streams, *codecs, "-pix_fmt", "yuv420p", tmp_path / "two.mkv")
    data = (tmp_path / "two.mkv").read_bytes()
    for codec in (b"V_MPEG4/ISO/ASP", b"A_VORBIS"):
        assert data.count(codec) == 1
        data = data.replace(codec, codec[:2] + b"Q" * (len(codec) - 2))
    (tmp_path / "two.mkv").write_bytes(data)
    result = decode_file(as_item(tmp_path / "two.mkv"), CONFIG)
    assert (result.status, result.reason) == (Status.OK, None), result.message
    assert [row["n_frames"] for row in result.rows] == [16] and result.rows[0]["audio"]


def test_sound_that_cannot_be_decoded_alone_is_said_to_be(tmp_path: Path, as_item: Callable) -> None:
    soundfile.write(tmp_path / "s.flac", np.zeros(16_000), 16_000)
    path = tmp_path / "s.mka"
    with av.open(str(tmp_path / "s.flac")) as source, av.open(str(path), "w", format="matroska") as copy:
        stream = copy.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.size:
                packet.stream = stream
                copy.mux(packet)
    path.write_bytes(path.read_bytes().replace(b"A_FLAC", b"A_QQQQ"))
    result = decode_file(as_item(path), CONFIG)
    assert (result.status, result.reason) == (Status.FAILED, Reason.UNREADABLE)
    assert result.message == "audio: no decoder for its codec"
