"""One source file -> rows of the clip table, or the reason why there are none. Needs no Ray."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from chronav import storage
from pipelines.audio import align, encode_flac, rms_db
from pipelines.config import IngestConfig
from pipelines.filters import require_content, require_streams
from pipelines.isolate import scratch_prefix
from pipelines.near_duplicates import Signature
from pipelines.result import BadMedia, FileResult, one_line
from pipelines.schema import SCHEMA_VERSION, Reason, Status
from pipelines.segments import Segment
from pipelines.sight import see
from pipelines.sources.base import SourceItem, file_name
from pipelines.sources.names import real_path
from pipelines.streams import Media, read_media

Row = dict[str, Any]


def decode_file(item: SourceItem, config: IngestConfig, known_sha256: str | None = None) -> FileResult:
    """Decode one file; never raises for what is wrong with the file.

    A file whose content still has the hash `known_sha256` is not decoded: the result is `unchanged`.
    """
    begun = time.monotonic()
    digest = None
    try:
        with _local_file(item.uri) as (path, digest):
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
    if media.sound is None and media.sound_error is not None and config.require_audio:
        raise BadMedia(Status.REJECTED, Reason.CORRUPT_SOUND, media.sound_error)
    require_streams(media.video is not None, media.sound is not None, config)
    sight = see(path, media, config)
    if media.sound_error is not None:
        media.warnings[Reason.CORRUPT_SOUND] = media.sound_error
    if media.warnings and not config.keep_partial:
        reason, message = next(iter(media.warnings.items()))
        raise BadMedia(Status.REJECTED, reason, message)
    common = _common(item, config)
    rows = [
        common | _place(item, segment) | columns | _hearing(media, segment, config)
        for segment, columns in zip(sight.segments, sight.columns, strict=True)
    ]
    require_content(rows, config)
    signature = Signature.of(sum(segment.duration_s for segment in sight.segments), sight.hashes)
    return FileResult(
        Status.OK,
        reason=next(iter(media.warnings), None),
        message="; ".join(media.warnings.values()) or None,
        rows=rows,
        picture_hash=str(signature) if signature else None,
    )


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
def _local_file(uri: str) -> Iterator[tuple[str, str]]:
    """A local path of the file's content and its hash; decoders can open neither URLs nor names that are no text.

    A copy goes at the end.
    Raises `BadMedia` where there is none to be had.
    """
    with ExitStack() as stack:
        try:
            real = real_path(uri)
            if real == uri and not storage.is_url(uri):
                path, digest = uri, storage.sha256(uri)
            else:
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix=scratch_prefix()))
                path = os.path.join(folder, file_name(uri))
                if real != uri:
                    os.symlink(real, path)
                    digest = storage.sha256(real)
                else:
                    digest = storage.download(uri, path)
        except OSError as error:
            what = "no such file" if isinstance(error, FileNotFoundError) else one_line(error)
            raise BadMedia(Status.FAILED, Reason.UNREACHABLE, f"cannot be fetched: {what}") from error
        yield path, digest
