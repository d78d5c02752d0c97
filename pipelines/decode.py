"""One source file -> rows of the clip table, or the reason why there are none. Needs no Ray."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chronav import storage
from pipelines.audio import align, encode_flac, rms_db
from pipelines.complaints import Suspicious
from pipelines.config import IngestConfig
from pipelines.damage import whole_spans
from pipelines.decord_frames import decord_frames
from pipelines.filters import require_content, require_streams
from pipelines.frames import FrameSource, encode_jpeg, motion, stored_size
from pipelines.pyav_frames import pyav_frames
from pipelines.result import BadMedia, FileResult, one_line
from pipelines.schema import SCHEMA_VERSION, Reason, Status
from pipelines.segments import Segment, Span, cut_spans, instants
from pipelines.sources.base import SourceItem, file_name
from pipelines.streams import Media, read_media

Row = dict[str, Any]
FRAME_SOURCES = (decord_frames, pyav_frames)  # in the order in which they are tried
_NOTHING_SEEN: Row = {
    "height": 0,
    "width": 0,
    "n_frames": 0,
    "source_fps": None,
    "frames": [],
    "motion": None,
}


def decode_file(item: SourceItem, config: IngestConfig, known_sha256: str | None = None) -> FileResult:
    """Decode one file; never raises for what is wrong with the file.

    A file whose content still has the hash `known_sha256` is not decoded: the result is `unchanged`.
    """
    begun = time.monotonic()
    digest = None
    try:
        with _local_copy(item.uri) as path:
            digest = storage.sha256(path)
            if digest == known_sha256:
                return FileResult(Status.OK, digest, unchanged=True)
            result = _decode(path, item, config)
    except BadMedia as bad:
        result = FileResult(bad.status, reason=bad.reason, message=one_line(bad))
    except Exception as error:
        # Decoders fail in ways nobody has listed; one odd file among many must not end the job.
        message = f"{type(error).__name__}: {one_line(error)}"
        result = FileResult(Status.FAILED, reason=Reason.UNREADABLE, message=message)
    result.sha256 = digest
    for row in result.rows:
        row["source_sha256"] = digest
    result.seconds = time.monotonic() - begun
    return result


def _decode(path: str, item: SourceItem, config: IngestConfig) -> FileResult:
    media = read_media(path, config.sample_rate)
    require_streams(media.video is not None, media.sound is not None, config)
    segments, sights = _see(path, media, config)
    if media.warnings and not config.keep_partial:
        reason, message = next(iter(media.warnings.items()))
        raise BadMedia(Status.REJECTED, reason, message)
    common = _common(item, config)
    rows = [
        common | _place(item, segment) | sight | _hearing(media, segment, config)
        for segment, sight in zip(segments, sights, strict=True)
    ]
    require_content(rows, config)
    notes = [*media.warnings.values()] + ([media.sound_error] if media.sound_error else [])
    return FileResult(
        Status.OK, reason=next(iter(media.warnings), None), message="; ".join(notes) or None, rows=rows
    )


def _see(path: str, media: Media, config: IngestConfig) -> tuple[list[Segment], list[Row]]:
    """The segments that a file is cut into, and the columns of their frames; adds what it finds to the warnings."""
    video = media.video
    if video is None:
        assert media.sound is not None
        segments = _cut([(media.sound.start_s, media.sound.end_s)], config)
        if not segments:
            raise BadMedia(Status.REJECTED, Reason.TOO_SHORT, f"{media.sound.duration_s:.3f} s")
        return segments, [dict(_NOTHING_SEEN) for _ in segments]
    size = stored_size(video, config.short_side)
    segments = _cut(video.spans, config)
    if not segments:
        if len(video.times) == 1:
            raise BadMedia(Status.REJECTED, Reason.STILL_PICTURE, "one single frame")
        raise BadMedia(Status.REJECTED, Reason.TOO_SHORT, f"{video.duration_s:.3f} s")
    for opened in FRAME_SOURCES if video.fault is None else ():
        try:
            with opened(path, video, size) as source:
                return segments, [_sight(source, segment, video.rate, config) for segment in segments]
        except Suspicious:
            continue
    spans, wrong = whole_spans(path, video)
    media.warnings.setdefault(Reason.CORRUPT_FRAMES, wrong or video.fault or "frames are missing")
    segments = _cut(spans, config)
    if not segments:
        raise BadMedia(Status.FAILED, Reason.CORRUPT_FRAMES, media.warnings[Reason.CORRUPT_FRAMES])
    with pyav_frames(path, video, size, strict=False) as source:
        return segments, [_sight(source, segment, video.rate, config) for segment in segments]


def _cut(spans: list[Span], config: IngestConfig) -> list[Segment]:
    return cut_spans(spans, config.fps, config.segment_s, config.min_s)


def _sight(source: FrameSource, segment: Segment, rate: float, config: IngestConfig) -> Row:
    frames = source.at(instants(segment, config.fps))  # (n_frames, height, width, 3)
    return {
        "height": frames.shape[1],
        "width": frames.shape[2],
        "n_frames": len(frames),
        "source_fps": rate,
        "frames": encode_jpeg(frames, config.jpeg_quality),
        "motion": motion(frames),
    }


def _hearing(media: Media, segment: Segment, config: IngestConfig) -> Row:
    """The columns of the sound of a segment."""
    sound = align(media.sound, segment) if media.sound is not None else None
    if sound is None:
        return dict.fromkeys(("audio", "audio_valid_start_s", "audio_valid_end_s", "audio_rms_db"))
    return {
        "audio": encode_flac(sound.samples, config.sample_rate),
        "audio_valid_start_s": sound.valid_start_s,
        "audio_valid_end_s": sound.valid_end_s,
        "audio_rms_db": rms_db(sound, config.sample_rate),
    }


def _common(item: SourceItem, config: IngestConfig) -> Row:
    return {
        "video_id": item.video_id,
        "dataset": item.dataset,
        "label": item.label,
        "group": item.group,
        "splits": list(item.splits.items()),
        "fps": config.fps,
        "source_uri": item.uri,
        "config_hash": config.content_hash(),
        "schema_version": SCHEMA_VERSION,
    }


def _place(item: SourceItem, segment: Segment) -> Row:
    return {
        "clip_id": f"{item.video_id}:{segment.index}",
        "start_s": segment.start_s,
        "duration_s": segment.duration_s,
    }


@contextmanager
def _local_copy(uri: str) -> Iterator[str]:
    """A local path of the file's content: decoders cannot open URLs."""
    if not storage.is_url(uri):
        yield uri
        return
    with tempfile.TemporaryDirectory(prefix="chronav-") as folder:
        path = os.path.join(folder, file_name(uri))
        with open(path, "wb") as file:
            file.write(storage.read_bytes(uri))
        yield path
