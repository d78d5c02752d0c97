"""`chronav embed`: the features of a clip table, or of media, as a Parquet file."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from chronav import load_export, storage
from chronav.errors import CallError
from chronav.outcome import Outcome
from evaluation.config import EmbedConfig
from evaluation.data import check_fits, ingest_media, labelled_items, with_items
from evaluation.describe import clip_shape
from evaluation.embedder import ClipShape
from evaluation.features import windows_of
from evaluation.fill import Cut, Pool, fill
from evaluation.items import Video, read_videos
from evaluation.networks import exported
from evaluation.store import Kept, Store, TableVersion, vectors_column
from pipelines.table import open_table, table_exists

_NAME = "export"


def embed(
    export: str,
    source: str,
    out: str,
    config: EmbedConfig,
    dataset: str = "folder",
    annotations: str | None = None,
) -> Outcome:
    """Write the features of `source` to the Parquet file `out`; returns `rows`, `dim`, `path`, `videos`, `level`.

    `source`: a clip table, or media laid out as `dataset`, which are ingested into the cache at the export's rates.
    Raises `CallError` for a wrong call, among them: a table at another frame or sample rate.
    """
    started = time.monotonic()
    opened = load_export(export)
    shape = clip_shape(opened, config.modality, config.crops, config.window_s, "embed")
    if storage.is_dir(out):
        raise CallError(f"'{out}' is a folder; --out names the file to write", code="bad_value", key="out")
    if not out.endswith((".parquet", ".pq")):
        raise CallError(
            f"'{out}' would be a Parquet file: --out must end in .parquet", code="bad_value", key="out"
        )
    is_table = table_exists(source)
    items = None if is_table else {item.uri: item for item in labelled_items(source, dataset, annotations)}
    table = source if is_table else ingest_media(source, dataset, annotations, opened.config, config.cache)
    delta = open_table(table)
    videos, groups = read_videos(delta)
    check_fits(delta, videos, groups, opened.config, config.modality)
    videos = videos if items is None else with_items(videos, items)
    videos = [video for video in videos if video.has(config.modality)]
    if not videos:
        raise CallError(f"'{source}' holds no {config.modality}", code="nothing_to_embed", path=source)
    network = exported(_NAME, opened, storage.absolute(export))
    assert network.identity is not None
    about = TableVersion(storage.absolute(table), str(delta.metadata().id), delta.version())
    store = Store(config.cache, network.identity, about, shape, config.clips)
    kept = {_NAME: store.read()}
    cut = Cut(videos, groups, shape, config.clips)
    pool = Pool(config.batch_size, config.workers)
    made = fill(cut, range(len(videos)), [network], {_NAME: store}, kept, pool)
    rates = {"video": opened.config.fps, "audio": float(opened.config.sample_rate)}
    features = [kept[_NAME][video.video_id] for video in videos]
    rows = feature_rows(videos, features, shape, config, rates[config.modality])
    buffer = io.BytesIO()
    pq.write_table(rows, buffer)
    storage.write_bytes(out, buffer.getvalue())
    return {
        "rows": rows.num_rows,
        "dim": features[0].vectors.shape[1],
        "path": storage.absolute(out),
        "videos": len(videos),
        "level": config.level,
        "clips_embedded": made.get(_NAME, 0),
        "seconds": time.monotonic() - started,
    }


def feature_rows(
    videos: Sequence[Video], features: Sequence[Kept], shape: ClipShape, config: EmbedConfig, rate: float
) -> pa.Table:
    """The columns of the file; `rate`: frames (samples) a second.

    By clip: `video_id`, `label`, `group`, `clip`, `crop`, `start_s` (in the video), `features`. By video: without the
    three about clips.
    """
    if config.level == "video":
        owner = np.arange(len(videos))
        vectors = np.stack([kept.vectors.mean(axis=0, dtype=np.float64) for kept in features])
        return pa.table(_about(videos, owner) | {"features": vectors_column(vectors.astype(np.float32))})
    owner = np.concatenate([np.full(len(kept.vectors), i) for i, kept in enumerate(features)])
    clip = np.concatenate([kept.clip for kept in features])
    starts = [_starts(video, shape, config.clips, rate) for video in videos]
    columns = _about(videos, owner) | {
        "clip": pa.array(clip, pa.int32()),
        "crop": pa.array(_crops(owner, clip), pa.int32()),
        "start_s": pa.array([starts[i][c] for i, c in zip(owner, clip, strict=True)], pa.float64()),
        "features": vectors_column(np.concatenate([kept.vectors for kept in features])),
    }
    return pa.table(columns)


def _about(videos: Sequence[Video], owner: npt.NDArray[np.intp]) -> dict[str, pa.Array]:
    return {
        name: pa.array([getattr(videos[i], name) for i in owner], pa.string())
        for name in ("video_id", "label", "group")
    }


def _starts(video: Video, shape: ClipShape, clips: int, rate: float) -> list[float]:
    """Where each clip begins, in seconds of the video."""
    return [video.segments[w.segment].start_s + w.start / rate for w in windows_of(video, shape, clips)]


def _crops(owner: npt.NDArray[np.intp], clip: npt.NDArray[np.int64]) -> list[int]:
    """The number of each row among those of its clip."""
    crops, last = [], None
    for key in zip(owner.tolist(), clip.tolist(), strict=True):
        crops.append(crops[-1] + 1 if key == last else 0)
        last = key
    return crops
