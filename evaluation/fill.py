"""Features that a store lacks are made, once for all networks that lack any, and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chronav.cluster import connected
from chronav.errors import JobError
from evaluation.embedder import ClipShape
from evaluation.features import Features, Plan, embed_videos, plan_clips
from evaluation.items import Video
from evaluation.networks import Network
from evaluation.store import Kept, Store
from pipelines.table import RowGroup

VIDEOS_AT_A_TIME = 2000
"""After so many videos features are kept: what is stopped goes on there. Each time starts the actors anew."""


@dataclass(frozen=True)
class Cut:
    """The videos of a table and how clips are cut from them."""

    videos: Sequence[Video]
    row_groups: Sequence[RowGroup]
    shape: ClipShape
    clips: int

    def plan(self, wanted: Sequence[int]) -> Plan:
        """The clips of the videos with these indices."""
        return plan_clips(self.videos, wanted, self.shape, self.clips)


@dataclass(frozen=True)
class Pool:
    """How features are made. `prepared`: what is done to a network that is run at all, and not for nothing."""

    batch_size: int
    workers: int
    prepared: Callable[[Network, ClipShape], Network] = lambda network, _: network


def fill(
    cut: Cut,
    wanted: Sequence[int],
    networks: Sequence[Network],
    stores: Mapping[str, Store],
    kept: Mapping[str, dict[str, Kept]],
    pool: Pool,
) -> dict[str, int]:
    """Complete `kept` (network name -> video id -> features), and the stores; how many clips each network saw.

    `wanted`: indices of videos. Ray is started where something is missing, and only there.
    """
    ids = [video.video_id for video in cut.videos]
    missing = {n.name: [i for i in wanted if ids[i] not in kept[n.name]] for n in networks}
    lacking = [pool.prepared(n, cut.shape) for n in networks if missing[n.name]]
    if not lacking:
        return {}
    owners = sorted({i for network in lacking for i in missing[network.name]})
    counts = dict.fromkeys((network.name for network in lacking), 0)
    with connected(min_cpus=2):
        for first in range(0, len(owners), VIDEOS_AT_A_TIME):
            plan = cut.plan(owners[first : first + VIDEOS_AT_A_TIME])
            made = embed_videos(plan, cut.row_groups, lacking, cut.shape, pool.batch_size, pool.workers)
            for network in lacking:
                mine = np.isin(made.owner, missing[network.name])
                vectors = made.of(network.name)[mine]
                _refuse_not_finite(network.name, vectors, [ids[i] for i in made.owner[mine]])
                stores[network.name].add(ids, made.owner[mine], made.clip[mine], vectors)
                kept[network.name].update(_split(ids, made, mine, vectors))
                counts[network.name] += int(mine.sum())
    return counts


def _refuse_not_finite(name: str, vectors: npt.NDArray[np.float32], ids: Sequence[str]) -> None:
    """Raise `JobError` where a network says what is no number: broken weights, not data to be measured."""
    broken = ~np.isfinite(vectors).all(axis=1)
    if broken.any():
        raise JobError(
            f"{broken.sum()} of {len(vectors)} clips have features by '{name}' that are not finite (such as a clip "
            f"of '{ids[int(broken.argmax())]}'): its weights are broken",
            code="not_finite",
        )


def _split(
    ids: Sequence[str], made: Features, mine: npt.NDArray[np.bool_], vectors: npt.NDArray[np.float32]
) -> dict[str, Kept]:
    """Video id -> its rows; they are sorted by owner."""
    owner, clip = made.owner[mine], made.clip[mine]
    owners, begins = np.unique(owner, return_index=True)
    ends = np.r_[begins[1:], owner.size]
    return {ids[i]: Kept(clip[b:e], vectors[b:e]) for i, b, e in zip(owners, begins, ends, strict=True)}
