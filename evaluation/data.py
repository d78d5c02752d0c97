"""What is measured on: a clip table, or media in a known layout, which is ingested into a cache."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import soundfile
from deltalake import DeltaTable

from chronav import storage
from chronav.config import validate
from chronav.errors import CallError
from evaluation.embedder import Modality
from evaluation.items import Video, groups_of, labels_of
from evaluation.protocols.base import FoldData
from evaluation.seen import refuse_seen, seen_test_items
from evaluation.splits import Fold, folds_of, split_key
from pipelines.sources.names import real_path
from pipelines.table import RowGroup, read_meta, read_row_group, table_exists

if TYPE_CHECKING:
    from evaluation.describe import Measurement
    from trainer.export import ExportConfig


def clip_table(data: str, dataset: str | None, annotations: str | None, task: Measurement) -> str:
    """The path of the clip table for `data`: itself, or a table made of the media that it holds.

    Raises `CallError` where there is neither a table nor a folder of media in a named layout, and, before anything
    is decoded, where the media have no such split or test items were seen in pre-training.
    """
    if table_exists(data):
        return data
    if not storage.is_dir(data):
        raise CallError(f"there is no clip table or folder at '{data}'", code="missing_data", path=data)
    if dataset is None:
        raise CallError(
            f"'{data}' is no clip table; for a folder of media name its layout with --dataset",
            code="missing_dataset",
            key="dataset",
        )
    _check_listing(data, dataset, annotations, task)
    return _ingest(data, dataset, annotations, task.export.config, task.config.cache)


def _check_listing(data: str, dataset: str, annotations: str | None, task: Measurement) -> None:
    from pipelines.sources import list_source

    items = list_source(data, dataset, annotations).items
    videos = [Video(item.video_id, dataset, item.label, item.group, item.splits, ()) for item in items]
    folds = folds_of(videos, split_key(videos, dataset, task.split))
    seen = task.export.seen_videos()
    if any(seen.values()):
        videos = _with_hashes(videos, folds, [item.uri for item in items])
    overlap = seen_test_items(videos, folds, seen)
    refuse_seen(overlap, folds, task.config.allow_seen)
    labels, units = labels_of(videos), groups_of(videos)
    for fold in folds:
        task.method.check(FoldData(labels, units, fold.train, fold.test, np.empty(0, np.int64)), task.config)


def _with_hashes(videos: list[Video], folds: Sequence[Fold], uris: Sequence[str]) -> list[Video]:
    """The videos, those to be tested with the hashes of their files; remote files are left to the ingest."""
    wanted = {index for fold in folds for index in fold.test.tolist() if not storage.is_url(uris[index])}
    return [
        replace(video, sha256=storage.sha256(real_path(uris[index]))) if index in wanted else video
        for index, video in enumerate(videos)
    ]


def _ingest(data: str, dataset: str, annotations: str | None, export: ExportConfig, cache: str) -> str:
    from pipelines.config import IngestConfig
    from pipelines.job import ingest

    rates = {"fps": export.fps, "short_side": export.short_side, "sample_rate": export.sample_rate}
    # An export that was trained without one modality has no rate for it; then ingest's own default holds.
    # Official lists may name one content under several ids: each is to be answered.
    wanted = {name: rate for name, rate in rates.items() if rate} | {"duplicates": "keep"}
    settings = validate(IngestConfig, wanted)
    key = (
        f"{storage.absolute(data)} {annotations and storage.absolute(annotations)} {settings.content_hash()}"
    )
    table = storage.join(cache, f"{dataset}-{hashlib.sha256(key.encode()).hexdigest()[:12]}")
    ingest(data, table, settings, dataset, annotations)
    return table


def check_fits(
    table: DeltaTable,
    videos: Sequence[Video],
    groups: Sequence[RowGroup],
    export: ExportConfig,
    modality: Modality,
) -> None:
    """Raise `CallError` where the table's frame (sample) rate is not the one the export was trained at."""
    if modality == "audio":
        rate = _sample_rate(videos, groups)
        if rate is not None and rate != export.sample_rate:
            raise _unfit(
                f"sound at {rate} Hz, the export was trained at {export.sample_rate} Hz", "sample_rate"
            )
        return
    meta = read_meta(table, ("fps", "n_frames"))
    rates = {fps for fps, n in zip(meta["fps"].to_pylist(), meta["n_frames"].to_pylist(), strict=True) if n}
    for fps in sorted(rates - {export.fps}):
        raise _unfit(f"{fps:g} frames a second, the export was trained at {export.fps:g}", "fps")


def _sample_rate(videos: Sequence[Video], groups: Sequence[RowGroup]) -> int | None:
    """Samples a second of the first sound; a table has one rate, for its config cannot change."""
    for video in videos:
        for segment in video.segments:
            if segment.sound_s is not None:
                flac = read_row_group(groups[segment.group], ["audio"])["audio"][segment.row].as_py()
                return int(soundfile.info(io.BytesIO(flac)).samplerate)
    return None


def _unfit(what: str, key: str) -> CallError:
    return CallError(f"the clip table does not fit the export: it holds {what}", code="unfit_table", key=key)
