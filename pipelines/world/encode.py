"""Frames and sound to an MP4, by one ffmpeg process a video (ffmpeg-python, the bundled binary)."""

from __future__ import annotations

import tempfile
import wave
from pathlib import Path

import ffmpeg
import imageio_ffmpeg
import numpy as np

from chronav.errors import JobError

# Every frame is a key frame (g=1): with key frames in between, x264's quality pulses with their period and
# sharpens a still background after each, which is an arrow of time that no physics put there. At 64 pixels
# that costs bytes (about 0.2 MB a video) and no speed. crf 18 is visually clean; `ultrafast` keeps up.
_INTRA = {"vcodec": "libx264", "preset": "ultrafast", "g": 1}
# ffmpeg's default search for AAC's scale factors takes longer than all the rest; `fast` halves the whole.
_AAC = {"acodec": "aac", "audio_bitrate": "96k", "aac_coder": "fast"}
_CODECS: dict[str, dict[str, object]] = {
    "h264": {**_INTRA, "crf": 18, "pix_fmt": "yuv420p", **_AAC},
    "lossless": {**_INTRA, "qp": 0, "pix_fmt": "yuv444p", "acodec": "flac"},
}
# The same input gives the same bytes: no encoder version, no time stamp of the making, one thread.
_REPRODUCIBLE = {"threads": 1, "map_metadata": -1, "fflags": "+bitexact", "flags:v": "+bitexact"}


def encode(frames: np.ndarray, sound: np.ndarray, fps: int, sample_rate: int, codec: str) -> bytes:
    """An MP4 of frames (T, H, W, 3) uint8 and mono sound (N,) in [-1, 1] whose sample 0 belongs to frame 0.

    `codec`: `h264` (H.264 4:2:0 + AAC) or `lossless` (H.264 4:4:4 at qp 0 + FLAC). Raises `JobError` with
    ffmpeg's last line when it fails.
    """
    _, height, width, _ = frames.shape
    with tempfile.TemporaryDirectory(prefix="chronav-world-") as folder:
        sound_file, target = Path(folder, "sound.wav"), Path(folder, "video.mp4")
        _write_wav(sound_file, sound, sample_rate)
        picture = ffmpeg.input(
            "pipe:", format="rawvideo", pix_fmt="rgb24", s=f"{width}x{height}", framerate=fps
        )
        options = {**_CODECS[codec], **_REPRODUCIBLE, "flags:a": "+bitexact"}
        job = ffmpeg.output(picture, ffmpeg.input(str(sound_file)), str(target), **options)
        try:
            job.global_args("-filter_threads", "1").run(
                cmd=imageio_ffmpeg.get_ffmpeg_exe(), input=frames.tobytes(), quiet=True
            )
        except ffmpeg.Error as error:
            lines = error.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
            raise JobError(f"ffmpeg could not encode a video: {lines[-1]}", code="encode_failed") from None
        return target.read_bytes()


def _write_wav(path: Path, sound: np.ndarray, sample_rate: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(np.rint(32767 * np.clip(sound, -1, 1)).astype("<i2").tobytes())
