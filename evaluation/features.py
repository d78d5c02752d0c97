"""Clip features of all videos of a table as a Ray Data job; media is read and decoded once for all networks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from chronav.allocator import keep_freed_memory
from chronav.cluster import fitted_ray_data
from chronav.progress import Bar
from evaluation.embedder import ClipRequest, ClipShape, Embedded, embed_rows
from evaluation.items import Video
from evaluation.networks import Network
from evaluation.windows import Window, spread
from pipelines.table import RowGroup, read_row_group


@dataclass(frozen=True)
class Features:
    """Clip features: `owner` (N,) indexes the list of videos, `clip` (N,) numbers the clips of each.

    `vectors`: name -> (N, D) float32; of several crops of a clip each has its row, in their order.

    `short_clips`: clips that are longer than the segment, whose frames are repeated (sound: filled
    with silence) to full length.
    """

    owner: npt.NDArray[np.int64]
    clip: npt.NDArray[np.int64]
    vectors: dict[str, npt.NDArray[np.float32]]
    short_clips: int

    def of(self, name: str) -> npt.NDArray[np.float32]:
        """The features by one network, (N, D)."""
        return self.vectors[name]


@dataclass(frozen=True)
class Plan:
    """What to embed: the clips of each row group (by its number), and how many clips are short."""

    requests: dict[int, list[ClipRequest]]
    short_clips: int

    @property
    def clips(self) -> int:
        """Clips in the plan."""
        return sum(len(requests) for requests in self.requests.values())


def plan_clips(videos: Sequence[Video], wanted: Sequence[int], shape: ClipShape, clips: int) -> Plan:
    """Up to `clips` windows for each video whose index is in `wanted`, spread over its time line."""
    requests: dict[int, list[ClipRequest]] = {}
    short = 0
    for owner in wanted:
        for clip, window in enumerate(windows_of(videos[owner], shape, clips)):
            segment = videos[owner].segments[window.segment]
            request = ClipRequest(segment.row, int(owner), clip, window.start)
            requests.setdefault(segment.group, []).append(request)
            short += window.short
    return Plan(requests, short)


def windows_of(video: Video, shape: ClipShape, clips: int) -> list[Window]:
    """Where the clips of a video lie, in the order of their numbers."""
    if shape.modality == "video":
        spans = [(0, segment.n_frames) for segment in video.segments]
    else:
        spans = [_sound_span(segment.sound_s, shape.sample_rate) for segment in video.segments]
    return spread(spans, shape.length, clips)


def _sound_span(sound_s: tuple[float, float] | None, sample_rate: int) -> tuple[int, int]:
    if sound_s is None:
        return (0, 0)
    return (round(max(sound_s[0], 0.0) * sample_rate), round(sound_s[1] * sample_rate))


class _Worker:
    """An actor: it loads the networks once and embeds one row group a call."""

    def __init__(self, networks: Sequence[Network], shape: ClipShape, batch_size: int, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        keep_freed_memory()
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self._shape, self._batch_size = shape, batch_size
        self._networks = {network.name: network.load(device) for network in networks}

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        group = RowGroup(str(batch["path"][0]), int(batch["index"][0]), int(batch["rows"][0]))
        requests = [ClipRequest(**request) for request in json.loads(str(batch["requests"][0]))]
        column = "frames" if self._shape.modality == "video" else "audio"
        rows = read_row_group(group, [column])
        embedded = embed_rows(rows, requests, self._shape, self._networks, self._batch_size)
        keys = {"owner": embedded.owner, "clip": embedded.clip}
        return {**keys, **{f"vector.{k}": v for k, v in embedded.vectors.items()}}


def embed_videos(
    plan: Plan,
    groups: Sequence[RowGroup],
    networks: Sequence[Network],
    shape: ClipShape,
    batch_size: int,
    workers: int,
) -> Features:
    """Run the plan on a pool of actors. Ray is connected. The result does not depend on the pool's size."""
    import ray.data

    tasks = [_task(groups[number], plan.requests[number]) for number in sorted(plan.requests)]
    resources = ray.cluster_resources()
    size = max(1, min(workers, int(resources.get("CPU", 1)), len(tasks)))
    with fitted_ray_data():
        dataset = ray.data.from_items(tasks, override_num_blocks=len(tasks)).map_batches(
            _Worker,
            fn_constructor_args=(list(networks), shape, batch_size, 1),
            batch_size=1,
            num_cpus=1,
            num_gpus=min(1.0, resources.get("GPU", 0.0) / size),
            compute=ray.data.ActorPoolStrategy(size=size),
        )
    parts = []
    done, views = 0, 1 if shape.modality == "audio" else shape.crops
    with Bar("embed", total=plan.clips * views, unit="clips") as bar:
        for batch in dataset.iter_batches(batch_size=None, batch_format="numpy"):
            vectors = {network.name: np.asarray(batch[f"vector.{network.name}"]) for network in networks}
            parts.append(Embedded(np.asarray(batch["owner"]), np.asarray(batch["clip"]), vectors))
            done += parts[-1].owner.size
            bar.update(done)
    return gathered(parts, [network.name for network in networks], plan.short_clips)


def _task(group: RowGroup, requests: Sequence[ClipRequest]) -> dict:
    text = json.dumps([asdict(request) for request in requests])
    return {"path": group.path, "index": group.index, "rows": group.rows, "requests": text}


def gathered(parts: Sequence[Embedded], networks: Sequence[str], short_clips: int) -> Features:
    """One array a network, ordered by video and clip whatever order the actors finished in."""
    owner, clip = (np.concatenate([getattr(part, key) for part in parts]) for key in ("owner", "clip"))
    order = np.lexsort((clip, owner))
    vectors = {name: np.concatenate([part.vectors[name] for part in parts])[order] for name in networks}
    return Features(owner[order], clip[order], vectors, short_clips)
