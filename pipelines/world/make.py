"""The whole world: every video of every class in parallel, in UCF101's folders and lists."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from chronav import listing, storage
from chronav.errors import CallError
from chronav.progress import Bar
from pipelines.world.config import WorldConfig
from pipelines.world.encode import encode
from pipelines.world.scene import CLASSES, render_video


@dataclass(frozen=True)
class WorldSummary:
    """What was made: how many videos, in how many seconds, and where."""

    videos: int
    seconds: float
    folder: str
    annotations: str


@dataclass(frozen=True, order=True)
class Video:
    """One video's place in the data set; group and clip count from 1."""

    label: str
    group: int
    clip: int

    @property
    def path(self) -> str:
        """`<Class>/v_<Class>_g01_c01.mp4`, as in UCF101."""
        return f"{self.label}/v_{self.label}_g{self.group:02d}_c{self.clip:02d}.mp4"


def make_world(out: str, config: WorldConfig) -> WorldSummary:
    """Write `out/videos` and `out/annotations` (local or URL); files of the same names are replaced.

    Raises `CallError` when `out/videos` holds files that are not of this world, `JobError` when ffmpeg fails.
    """
    start = time.monotonic()
    out = storage.absolute(out)
    folder, annotations = storage.join(out, "videos"), storage.join(out, "annotations")
    videos = list_videos(config)
    _refuse_strangers(folder, videos)
    for name, text in annotation_files(config).items():
        storage.write_bytes(storage.join(annotations, name), text.encode())
    with Bar("world", total=len(videos), unit="videos") as bar:
        for done, _ in enumerate(_made(folder, config, videos), start=1):
            bar.update(done)
    return WorldSummary(len(videos), time.monotonic() - start, folder, annotations)


def list_videos(config: WorldConfig) -> list[Video]:
    """Every video of the world: the clips of a class are dealt to its groups in turn."""
    return sorted(
        Video(label, number % config.groups_per_class + 1, number // config.groups_per_class + 1)
        for label in CLASSES
        for number in range(config.videos_per_class)
    )


def annotation_files(config: WorldConfig) -> dict[str, str]:
    """UCF101's list files, name -> text; the first fifth of the groups (at least one) is the test list."""
    last_test_group = max(config.groups_per_class // 5, 1)
    number = {label: index for index, label in enumerate(CLASSES, start=1)}
    test, train = [], []
    for video in list_videos(config):
        if video.group <= last_test_group:
            test.append(video.path)
        else:
            train.append(f"{video.path} {number[video.label]}")
    lists = {
        "classInd.txt": [f"{number[label]} {label}" for label in CLASSES],
        "trainlist01.txt": train,
        "testlist01.txt": test,
    }
    return {name: "\n".join(lines) + "\n" for name, lines in lists.items()}


def _make_video(folder: str, config: WorldConfig, video: Video) -> None:
    made = render_video(config, video.label, video.group, video.clip)
    data = encode(made.frames, made.sound, config.fps, config.sample_rate, config.codec)
    storage.write_bytes(storage.join(folder, video.path), data)


def _made(folder: str, config: WorldConfig, videos: list[Video]) -> Iterator[None]:
    """Make the videos, yielding once for each that is finished."""
    processes = min(config.processes or os.cpu_count() or 1, len(videos))
    if processes == 1:
        for video in videos:
            _make_video(folder, config, video)
            yield
        return
    # Spawned, not forked: the caller may have threads (Ray, torch), which a fork would copy half-alive.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        jobs = [pool.submit(_make_video, folder, config, video) for video in videos]
        try:
            for job in as_completed(jobs):
                job.result()
                yield
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _refuse_strangers(folder: str, videos: list[Video]) -> None:
    if not storage.is_dir(folder):
        return
    own = {storage.join(folder, video.path) for video in videos}
    strangers = [file.uri for file in listing.list_files(folder) if file.uri not in own]
    if strangers:
        raise CallError(
            f"'{folder}' holds {len(strangers)} files that are not of this world, such as '{strangers[0]}'",
            code="not_empty",
            path=folder,
        )
