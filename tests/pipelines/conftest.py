"""Media made on the spot, with what they show and sound known exactly."""

from __future__ import annotations

import hashlib
import io
import subprocess
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import simplejpeg
import soundfile

from pipelines.config import IngestConfig
from pipelines.result import FileResult
from pipelines.schema import Reason, Status
from pipelines.sources.base import SourceItem

BITS = 8  # frame numbers up to 255
BLOCK = 16  # pixels a bit


@pytest.fixture(scope="session")
def ffmpeg() -> Callable[..., None]:
    """Runs the bundled ffmpeg; `frames` (n, h, w, 3) uint8 are its standard input."""

    def run(*args: object, frames: np.ndarray | None = None) -> None:
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *map(str, args)]
        subprocess.run(command, input=None if frames is None else frames.tobytes(), check=True)

    return run


@pytest.fixture(scope="session")
def numbered(ffmpeg: Callable[..., None]) -> Callable[..., Path]:
    """Makes a video whose frame n shows n as black and white squares."""

    def make(path: Path, count: int, fps: float, *options: object) -> Path:
        bits = (np.arange(count)[:, None] >> np.arange(BITS)) & 1  # (count, BITS)
        rows = np.repeat(bits.astype(np.uint8) * 255, BLOCK, axis=1)  # (count, BITS * BLOCK)
        frames = np.broadcast_to(rows[:, None, :, None], (count, 32, BITS * BLOCK, 3))
        size = f"{BITS * BLOCK}x32"
        source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", fps, "-i", "-"]
        ffmpeg(*source, *(options or ("-c:v", "libx264")), "-pix_fmt", "yuv420p", path, frames=frames)
        return path

    return make


@pytest.fixture(scope="session")
def read_number() -> Callable[[np.ndarray], int]:
    """The number that a frame (h, w, 3) of a numbered video shows."""

    def read(frame: np.ndarray) -> int:
        columns = (np.arange(BITS) + 0.5) * frame.shape[1] / BITS
        lit = frame[frame.shape[0] // 2, columns.astype(int)].mean(-1) > 127
        return int((lit << np.arange(BITS)).sum())

    return read


@pytest.fixture(scope="session")
def tiny(ffmpeg: Callable[..., None]) -> Callable[..., Path]:
    """Makes a moving test picture of a few seconds, with a tone unless `tone` is None."""

    def make(path: Path, seconds: float = 2.0, tone: int | None = 440, *options: object) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        inputs = ["-f", "lavfi", "-i", f"testsrc=d={seconds}:s=64x48:r=25"]
        if tone is not None:
            inputs += ["-f", "lavfi", "-i", f"sine=f={tone}:d={seconds}:r=16000"]
        codec = ["-c:v", "mpeg4"] if path.suffix == ".avi" else ["-c:v", "libx264", "-pix_fmt", "yuv420p"]
        ffmpeg(*inputs, *codec, *options, path)
        return path

    return make


@pytest.fixture(scope="session")
def as_item() -> Callable[[Path], SourceItem]:
    """A file as a source lists it."""

    def make(path: Path) -> SourceItem:
        stat = path.stat()
        return SourceItem(str(path), stat.st_size, stat.st_mtime, path.stem, "folder")

    return make


@pytest.fixture(scope="session")
def pictures() -> Callable[[dict], np.ndarray]:
    """The frames of a row: uint8 (n, h, w, 3)."""
    return lambda row: np.stack([simplejpeg.decode_jpeg(data) for data in row["frames"]])


@pytest.fixture(scope="session")
def samples() -> Callable[[dict], tuple[np.ndarray, int]]:
    """The sound of a row: float32 (n,), and its rate."""
    return lambda row: soundfile.read(io.BytesIO(row["audio"]), dtype="float32")


@pytest.fixture
def no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs run in this process, without Ray, MLflow or decoders; `fake_media` are the files that they read."""
    without_ray(monkeypatch)


def without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines import execute, job, task

    def start(*_: object, **__: object) -> FakeRun:
        return FakeRun()

    monkeypatch.setattr(job, "connected", nullcontext)
    monkeypatch.setattr(job.Run, "start", start)
    monkeypatch.setattr(job, "log_overview", lambda *_: None)  # made-up media are no pictures to show
    monkeypatch.setattr(execute, "connected", nullcontext)
    monkeypatch.setattr(execute, "_cpus", lambda: 1)
    monkeypatch.setattr(execute, "_run", lambda tasks, work, table: map(work, tasks))
    monkeypatch.setattr(task, "decode_guarded", fake_decode)


class FakeRun:
    """A run of no MLflow store."""

    run_id = "none"

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


@pytest.fixture(scope="session")
def clip() -> Callable[..., dict]:
    """A row of a clip table, made up; odd ones of a video have no sound."""
    return fake_clip


@pytest.fixture(scope="session")
def fake_media() -> Callable[..., Path]:
    """A file that `no_ray` jobs decode into `clips` clips, or, with 0, into a failure.

    A signature in its `text` is how it looks. Its name is part of its content unless `same`.
    """

    def make(path: Path, clips: int = 1, text: str = "", same: bool = False) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{clips} {'' if same else path.name} {text}")
        return path

    return make


def fake_decode(item: SourceItem, config: IngestConfig, known_sha256: str | None = None) -> FileResult:
    data = Path(item.uri).read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest == known_sha256:
        return FileResult(Status.OK, digest, unchanged=True)
    clips = int(data.split()[0])
    if clips == 0:
        return FileResult(Status.FAILED, digest, Reason.UNREADABLE, "nothing in it")
    said = {
        "dataset": item.dataset,
        "label": item.label,
        "group": item.group,
        "splits": list(item.splits.items()),
    }
    rows = [
        fake_clip(item.video_id, item.uri, index, data + b"%g" % config.fps) | said for index in range(clips)
    ]
    looks = next((word.decode() for word in data.split() if b":" in word), None)
    return FileResult(Status.OK, digest, rows=rows, picture_hash=looks)


def fake_clip(video_id: str, uri: str, index: int = 0, data: bytes = b"data", frames: int = 4) -> dict:
    sound = {"audio": data, "audio_valid_start_s": 0.0, "audio_valid_end_s": 9.5} if index % 2 == 0 else {}
    return {
        "clip_id": f"{video_id}:{index}",
        "video_id": video_id,
        "splits": [("s/1", "test")],
        "start_s": 10.0 * index,
        "duration_s": 10.0,
        "n_frames": frames,
        "frames": [data + b"%d" % n for n in range(frames)],
        "source_uri": uri,
        **sound,
    }
