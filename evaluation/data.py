"""What is measured on: a clip table, or media in a known layout, which is ingested into a cache."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import soundfile
from deltalake import DeltaTable

from chronav import storage
from chronav.config import validate
from chronav.errors import CallError
from evaluation.coverage import measurable_folds
from evaluation.embedder import Modality
from evaluation.items import Video, groups_of, labels_of
from evaluation.official import check_labels, layout_of
from evaluation.preflight import is_table
from evaluation.protocols.base import FoldData
from evaluation.seen import refuse_seen, seen_test_items
from evaluation.splits import Fold, dataset_of, divide, of_dataset
from pipelines.sources.names import real_path
from pipelines.table import RowGroup, read_meta, read_row_group

if TYPE_CHECKING:
    from evaluation.describe import Measurement
    from pipelines.sources.base import SourceItem
    from trainer.export import ExportConfig


@dataclass(frozen=True)
class Data:
    """A clip table, and, where it was made of media, what their layout and annotations say of each file now.

    `dataset`: which of the table's data sets is meant; None: the only one.
    """

    table: str
    dataset: str | None
    items: Mapping[str, SourceItem] | None = None  # by uri
    annotations: str | None = None


def find_data(data: str, dataset: str | None, annotations: str | None, task: Measurement) -> Data:
    """The clip table for `data`: itself, or a table made of the media that it holds.

    `data`: a clip table, or a folder, glob or table of uris of media laid out as `dataset`.
    Raises `CallError` where there is none of these, and, before anything is decoded, where the media have no such
    split, a label is unknown to the official class list, or test items were seen in pre-training.
    """
    if is_table(data, dataset):
        return Data(data, dataset, None, annotations)
    assert dataset is not None
    if annotations is None and layout_of(dataset) == "esc50" and storage.is_dir(storage.join(data, "meta")):
        annotations = storage.join(data, "meta")  # the data set brings its official list along
    items = labelled_items(data, dataset, annotations)
    _check_listing(items, dataset, annotations, task)
    table = ingest_media(data, dataset, annotations, task.export.config, task.config.cache)
    # Files of no known layout may be called anything by a table of uris.
    named = None if dataset == "folder" else dataset
    return Data(table, named, {item.uri: item for item in items}, annotations)


def labelled_items(data: str, dataset: str, annotations: str | None) -> list[SourceItem]:
    """The media of a source as its layout lists them; files of a plain folder are of the class that it is in."""
    from pipelines.sources import list_source

    items = list_source(data, layout_of(dataset), annotations).items
    if dataset != "folder" or not storage.is_dir(data):
        return items
    root = storage.absolute(data).rstrip("/") + "/"
    return [replace(item, label=item.label or _first_folder(item.uri.removeprefix(root))) for item in items]


def _first_folder(below: str) -> str | None:
    return below.partition("/")[0] if "/" in below else None


def _check_listing(
    items: Sequence[SourceItem], dataset: str, annotations: str | None, task: Measurement
) -> None:
    about = [
        Video(item.video_id, item.dataset, item.label, item.group, item.splits, (), uri=item.uri)
        for item in items
    ]
    name = dataset_of(about, None if dataset == "folder" else dataset)
    videos = of_dataset(about, name)
    if annotations is not None:
        check_labels(videos, annotations, name)
    videos = [video for video in videos if video.label]
    if not videos:
        raise CallError("none of the media has a label", code="nothing_to_measure", key="data")
    division = divide(videos, name, task.split, task.config, annotations is not None)
    labels, units = labels_of(videos), groups_of(videos)
    for export, asked in task.asked(division.folds):
        seen = export.seen_videos()
        hashed = _with_hashes(videos, asked) if any(seen.values()) else videos
        refuse_seen(seen_test_items(hashed, asked, seen), asked, task.config.allow_seen)
    for fold in measurable_folds(labels, division.folds)[0]:
        task.method.check(FoldData(labels, units, fold.train, fold.test, np.empty(0, np.int64)), task.config)


def _with_hashes(videos: list[Video], folds: Sequence[Fold]) -> list[Video]:
    """The videos, those to be tested with the hashes of their files; remote files are left to the ingest."""
    wanted = {index for fold in folds for index in fold.test.tolist()}
    return [
        replace(video, sha256=storage.sha256(real_path(video.uri)))
        if index in wanted and video.uri and not storage.is_url(video.uri)
        else video
        for index, video in enumerate(videos)
    ]


def ingest_media(data: str, dataset: str, annotations: str | None, export: ExportConfig, cache: str) -> str:
    """The clip table of media in the cache, brought up to date, at the export's frame and sample rate."""
    from pipelines.config import IngestConfig
    from pipelines.job import ingest

    layout = layout_of(dataset)
    rates = {"fps": export.fps, "short_side": export.short_side, "sample_rate": export.sample_rate}
    # An export that was trained without one modality has no rate for it; then ingest's own default holds.
    # Official lists may name one content under several ids: each is to be answered.
    wanted = {name: rate for name, rate in rates.items() if rate} | {"duplicates": "keep"}
    settings = validate(IngestConfig, wanted)
    key = (
        f"{storage.absolute(data)} {annotations and storage.absolute(annotations)} {settings.content_hash()}"
    )
    table = storage.join(cache, f"{layout}-{hashlib.sha256(key.encode()).hexdigest()[:12]}")
    ingest(data, table, settings, layout, annotations)
    return table


def with_items(videos: Sequence[Video], items: Mapping[str, SourceItem]) -> list[Video]:
    """The videos of the files that are listed now, with what is said of them now: a table keeps what once was."""
    return [
        replace(video, label=item.label, group=item.group, splits=dict(item.splits))
        for video in videos
        if (item := items.get(video.uri or "")) is not None
    ]


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
