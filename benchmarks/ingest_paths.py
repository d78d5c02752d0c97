"""The contestants of `benchmarks.ingest`: what is done with a set of media files, and by whom.

Each is entered in a process of its own and gives a function that goes through all files once, and yields those
done. What is written goes into a fresh folder, which is deleted afterwards.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np

from benchmarks.contest import Opener, Passes

FLOOR, FFMPEG_FLOOR = "floor: decord, decode and scale", "floor: ffmpeg, decode and scale to null"
OURS, OURS_TASKS = "chronav ingest, one worker", "chronav, its tasks without Ray"
TWO = "chronav ingest, two workers"
FPS, SHORT_SIDE, RATE = 16, 128, 16_000
Done = Iterator[list[str]]

_V2D = """
import sys
from importlib.util import find_spec
from types import ModuleType
at = find_spec("video2dataset").submodule_search_locations[0]
for name, path in (("video2dataset", at), ("video2dataset.subsamplers", at + "/subsamplers")):
    sys.modules[name] = ModuleType(name)  # what it imports beside its steps takes seconds
    sys.modules[name].__path__ = [path]
from video2dataset.subsamplers.frame_subsampler import FrameSubsampler
from video2dataset.subsamplers.resolution_subsampler import ResolutionSubsampler
steps = [ResolutionSubsampler("scale", height={side}), FrameSubsampler({fps})]
for line in sys.stdin:
    media = open(line.strip(), "rb").read()
    streams = {{"video": [media]}}
    for step in steps:
        streams, meta, error = step(streams)
        assert error is None, error
    with open(sys.argv[1] + "/" + str(abs(hash(line))) + ".mp4", "wb") as file:
        file.write(streams["video"][0])
    print(line, end="", flush=True)
"""


@dataclass(frozen=True)
class Files:
    """A set of media files of one stored size. `silent`: those without sound, of which ffmpeg has to be told.
    `video2dataset`: a Python that has it, if there is one.
    """

    paths: tuple[str, ...]
    width: int
    height: int
    silent: frozenset[str] = frozenset()
    video2dataset: str | None = None


def _in_folder(files: Files, work: Callable[[Files, str], Done]) -> Done:
    folder = tempfile.mkdtemp(prefix="chronav-bench-")
    try:
        yield from work(files, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _without_ray(work: Callable[[Files, str], Done], files: Files) -> Iterator[Passes]:
    yield partial(_in_folder, files, work)


@contextmanager
def _with_ray(cpus: int, work: Callable[[Files, str], Done], files: Files) -> Iterator[Passes]:
    with one_ray(cpus):
        yield partial(_in_folder, files, work)


@contextmanager
def one_ray(cpus: int) -> Iterator[None]:
    """A private Ray with `cpus` workers, and an MLflow store of its own."""
    with tempfile.TemporaryDirectory(prefix="chronav-bench-") as folder:
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray
        from ray.data import DataContext

        ray.init(address="local", num_cpus=cpus, include_dashboard=False, log_to_driver=False)
        DataContext.get_current().enable_progress_bars = False
        try:
            yield
        finally:
            ray.shutdown()


def decord_floor(files: Files, _: str) -> Done:
    """Decode, and scale the frames that an ingest stores: every frame of it, nothing else."""
    from pipelines.decord_cpu import decord

    for path in files.paths:
        reader = decord.VideoReader(path, width=files.width, height=files.height, num_threads=1)
        step = reader.get_avg_fps() / FPS
        count = int(len(reader) / step)
        reader.get_batch(np.unique((np.arange(count) * step).astype(int))).asnumpy()
        yield [path]


def ffmpeg_floor(files: Files, _: str) -> Done:
    """Decode and scale, one thread, to nowhere; a process a file."""
    scale = f"fps={FPS},scale={files.width}:{files.height}"
    for path in files.paths:
        _ffmpeg("-threads", "1", "-i", path, "-an", "-filter_threads", "1", "-vf", scale, "-f", "null", "-")
        yield [path]


def ffmpeg_files(files: Files, folder: str) -> Done:
    """As much as an ingest: a JPEG a frame, and FLAC; a process a file, and a folder a file."""
    scale = f"fps={FPS},scale={files.width}:{files.height}"
    for number, path in enumerate(files.paths):
        place = Path(folder, str(number))
        place.mkdir()
        sound = ["-map", "0:a:0", "-ac", "1", "-ar", str(RATE), "-c:a", "flac", str(place / "sound.flac")]
        _ffmpeg(
            "-threads", "1", "-i", path, "-filter_threads", "1",
            "-map", "0:v:0", "-vf", scale, "-c:v", "mjpeg", "-threads", "1", "-q:v", "3", str(place / "%05d.jpg"),
            *([] if path in files.silent else sound),
        )  # fmt: skip
        yield [path]


def _ffmpeg(*options: str) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *options]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def tasks(files: Files, folder: str) -> Done:
    """What the tasks of an ingest do: decoding in a process apart, clips into part files; no table, no Ray."""
    from pipelines.config import IngestConfig
    from pipelines.task import make_tasks, run_task

    config = IngestConfig()
    for row in make_tasks(items_of(files.paths), {}, config.files_per_task, config.files_per_commit):
        run_task(row, folder, config)
    yield list(files.paths)


def items_of(paths: tuple[str, ...]) -> list[Any]:
    """The files as a source lists them."""
    from pipelines.sources.base import SourceItem

    found = [(path, os.stat(path)) for path in paths]
    return [SourceItem(path, at.st_size, at.st_mtime, path, "folder") for path, at in found]


def ingest(files: Files, folder: str) -> Done:
    """The whole job: listing, MLflow, decoding, commits, the overview."""
    from pipelines.config import IngestConfig
    from pipelines.job import ingest as job

    table = Path(folder, "uris.csv")
    table.write_text("\n".join(["uri", *files.paths]) + "\n")
    outcome = job(str(table), f"{folder}/table", IngestConfig())
    assert outcome["ok"] == len(files.paths), outcome["reasons"]
    yield list(files.paths)


def ray_videos(files: Files, folder: str) -> Done:
    """Ray's own reader and writer: scaled pictures as they are, every `round(source / 16)`th; no sound."""
    import ray.data

    sized = (files.height, files.width)
    frames = ray.data.read_videos(list(files.paths), resize=sized, fps=FPS, include_paths=True)
    frames.write_parquet(f"{folder}/frames")
    yield list(files.paths)


def video2dataset(files: Files, folder: str) -> Done:
    """Its own steps for pictures, one after the other without its sharding: scale, frame rate; stores H.264."""
    if files.video2dataset is None:
        return
    binaries = Path(folder, "bin")
    binaries.mkdir()
    (binaries / "ffmpeg").symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
    script = _V2D.format(side=SHORT_SIDE, fps=FPS)
    environment = {"PATH": f"{binaries}:{os.environ['PATH']}", "HOME": folder}
    subprocess.run(
        [files.video2dataset, "-c", script, folder], input="\n".join([*files.paths, ""]), text=True, check=True,
        stdout=subprocess.DEVNULL, stderr=sys.stderr, env=environment,
    )  # fmt: skip
    yield list(files.paths)


PATHS: Mapping[str, Opener] = {
    FLOOR: partial(_without_ray, decord_floor),
    FFMPEG_FLOOR: partial(_without_ray, ffmpeg_floor),
    OURS_TASKS: partial(_without_ray, tasks),
    OURS: partial(_with_ray, 1, ingest),
    TWO: partial(_with_ray, 2, ingest),
    "ffmpeg: JPEG files and FLAC": partial(_without_ray, ffmpeg_files),
    "ray.data.read_videos, write_parquet": partial(_with_ray, 1, ray_videos),
    "video2dataset: scale, then frame rate": partial(_without_ray, video2dataset),
}
