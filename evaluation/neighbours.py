"""Retrieved neighbours to look at: who was found for whom, and a few pictures of each."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.config import EvaluateConfig
from evaluation.items import Video, read_videos
from evaluation.metrics import cosine_ranking, group_means
from evaluation.report import NeighbourRow, Sheet
from pipelines.table import open_table, read_row_group

_SHOWN = 5


def choose_queries(n: int, wanted: int, seed: int) -> list[int]:
    """`wanted` of `n` queries by a seeded draw, without a look at how well they do."""
    return sorted(np.random.default_rng(seed).permutation(n)[:wanted].tolist())


def nearest(
    videos: Sequence[Video],
    queries: npt.NDArray[np.intp],
    gallery: npt.NDArray[np.intp],
    ranking: npt.NDArray[np.intp],
    wanted: int,
    seed: int,
) -> list[dict[str, Any]]:
    """For some seeded queries the five nearest of the gallery, as plain values for an outcome.

    `ranking` (Q, G): positions in `gallery`, nearest first. `correct` is None where a label is missing.
    """
    rows = []
    for position in choose_queries(queries.size, wanted, seed):
        query = videos[queries[position]]
        found = [videos[gallery[place]] for place in ranking[position, :_SHOWN]]
        rows.append(
            {
                "query": {"video_id": query.video_id, "label": query.label},
                "neighbours": [
                    {"video_id": video.video_id, "label": video.label, "correct": _correct(query, video)}
                    for video in found
                ],
            }
        )
    return rows


def among_all(
    videos: Sequence[Video],
    owner: npt.NDArray[np.int64],
    features: npt.NDArray[np.float32],
    seen: Container[str],
    config: EvaluateConfig,
) -> list[dict[str, Any]]:
    """`nearest` without a split: queries are videos not in `seen` (else all), the gallery is all the others.

    `features` (N, D) are of clips, `owner` (N,) indexes the videos.
    """
    unseen = [i for i, video in enumerate(videos) if video.video_id not in seen]
    queries = np.array(unseen or range(len(videos)), dtype=np.intp)
    everyone = np.arange(len(videos))
    means = group_means(features, owner, len(videos))  # (V, D)
    ranking = cosine_ranking(means[queries], means, config.seed)  # (Q, V)
    others = np.stack([row[row != query] for row, query in zip(ranking, queries, strict=True)])  # (Q, V - 1)
    return nearest(videos, queries, everyone, others, config.neighbour_queries, config.seed)


def _correct(query: Video, found: Video) -> bool | None:
    return None if query.label is None or found.label is None else query.label == found.label


def neighbour_rows(
    table: str, neighbours: Sequence[Mapping[str, Any]], frames: int = 3
) -> list[NeighbourRow]:
    """The sheet of pictures for the `neighbours` of a retrieval outcome; reads `frames` frames a video."""
    ids = {item["video_id"] for row in neighbours for item in (row["query"], *row["neighbours"])}
    pictures = read_frames(table, ids, frames)

    def sheet(item: Mapping[str, Any]) -> Sheet:
        video_id = item["video_id"]
        return Sheet(item["label"] or "", video_id, item.get("correct"), pictures[video_id])

    return [
        NeighbourRow(sheet(row["query"]), [sheet(item) for item in row["neighbours"]]) for row in neighbours
    ]


def read_frames(table: str, video_ids: Iterable[str], frames: int) -> dict[str, list[bytes]]:
    """Video id -> `frames` stored JPEGs, evenly spaced within the video's first segment with pictures."""
    videos, groups = read_videos(open_table(table))
    wanted = set(video_ids)
    by_group: dict[int, list[tuple[str, int]]] = {}
    for video in videos:
        segment = next((segment for segment in video.segments if segment.n_frames > 0), None)
        if video.video_id in wanted and segment is not None:
            by_group.setdefault(segment.group, []).append((video.video_id, segment.row))
    found: dict[str, list[bytes]] = {}
    for number, places in sorted(by_group.items()):
        column = read_row_group(groups[number], ["frames"])["frames"]
        for video_id, row in places:
            found[video_id] = _evenly(column[row].as_py(), frames)
    return found


def _evenly(jpegs: Sequence[bytes], n: int) -> list[bytes]:
    # The middles of n equal parts: not the very first frame, which is often a fade or a cut.
    return [jpegs[int((i + 0.5) * len(jpegs) / n)] for i in range(n)]
