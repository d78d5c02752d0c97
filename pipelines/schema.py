"""Contract 1: the columns of a clip table and of its ledger, and the reason codes."""

from __future__ import annotations

from enum import StrEnum

import pyarrow as pa

SCHEMA_VERSION = 1

CLIP_SCHEMA = pa.schema(
    [
        pa.field("clip_id", pa.string(), nullable=False),
        pa.field("video_id", pa.string(), nullable=False),
        pa.field("dataset", pa.string()),
        pa.field("label", pa.string()),
        pa.field("group", pa.string()),
        pa.field("splits", pa.map_(pa.string(), pa.string())),
        pa.field("start_s", pa.float64()),
        pa.field("duration_s", pa.float64()),
        pa.field("fps", pa.float64()),
        pa.field("height", pa.int32()),
        pa.field("width", pa.int32()),
        pa.field("n_frames", pa.int32()),
        pa.field("source_fps", pa.float64()),
        pa.field("frames", pa.list_(pa.binary())),
        pa.field("audio", pa.binary()),
        pa.field("audio_valid_start_s", pa.float64()),
        pa.field("audio_valid_end_s", pa.float64()),
        pa.field("audio_rms_db", pa.float32()),
        pa.field("motion", pa.float32()),
        pa.field("near_duplicate_of", pa.string()),
        pa.field("source_uri", pa.string()),
        pa.field("source_sha256", pa.string()),
        pa.field("config_hash", pa.string()),
        pa.field("batch_id", pa.string()),
        pa.field("schema_version", pa.int32()),
        pa.field("ingested_at", pa.timestamp("us", tz="UTC")),
    ]
)
"""One row a segment; `frames` and `audio` hold the media, everything else is small."""

MEDIA_COLUMNS = ("frames", "audio")
META_COLUMNS = tuple(name for name in CLIP_SCHEMA.names if name not in MEDIA_COLUMNS)
ANNOTATION_COLUMNS = ("dataset", "label", "group", "splits")
"""What a source says of a file; the only columns that change while its content does not."""

LEDGER_SCHEMA = pa.schema(
    [
        pa.field("source_uri", pa.string(), nullable=False),
        pa.field("video_id", pa.string()),
        pa.field("size", pa.int64()),
        pa.field("mtime", pa.float64()),
        pa.field("source_sha256", pa.string()),
        pa.field("config_hash", pa.string()),
        pa.field("status", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("message", pa.string()),
        pa.field("clips", pa.int32()),
        pa.field("picture_hash", pa.string()),
        pa.field("near_duplicate_of", pa.string()),
        pa.field("seconds", pa.float64()),
        pa.field("batch_id", pa.string()),
        pa.field("ingested_at", pa.timestamp("us", tz="UTC")),
        pa.field("annotations_hash", pa.string()),
    ]
)
"""One row a source file. Nullable columns may be missing from what earlier versions wrote."""


class Status(StrEnum):
    """What became of a source file."""

    OK = "ok"
    REJECTED = "rejected"
    FAILED = "failed"


class Reason(StrEnum):
    """Why a source file gave no clips, or fewer than it should have."""

    UNREACHABLE = "unreachable"
    UNREADABLE = "unreadable"
    ENCRYPTED = "encrypted"
    NO_VIDEO = "no_video"
    NO_AUDIO = "no_audio"
    SILENT = "silent"
    STILL_PICTURE = "still_picture"
    TOO_SHORT = "too_short"
    TRUNCATED = "truncated"
    CORRUPT_FRAMES = "corrupt_frames"
    CORRUPT_SOUND = "corrupt_sound"
    TIMEOUT = "timeout"
    CRASHED_DECODER = "crashed_decoder"
    DUPLICATE = "duplicate"


def ledger_path(table: str) -> str:
    """The ledger of the clip table `table`."""
    return f"{table.rstrip('/')}.ledger"
