"""Files that decode well and are not wanted: each stays in the ledger with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.config import IngestConfig
from pipelines.result import BadMedia
from pipelines.schema import Reason, Status


def require_streams(has_video: bool, has_sound: bool, config: IngestConfig) -> None:
    """Raise `BadMedia` where a file lacks what the config requires."""
    if config.require_video and not has_video:
        raise BadMedia(Status.REJECTED, Reason.NO_VIDEO, "no video in this file")
    if config.require_audio and not has_sound:
        raise BadMedia(Status.REJECTED, Reason.NO_AUDIO, "no sound in this file")


def require_content(rows: Sequence[Mapping[str, Any]], config: IngestConfig) -> None:
    """Raise `BadMedia` where the segments of a file, rows of the clip table, show and sound nothing of use."""
    seconds = sum(row["duration_s"] for row in rows)
    if seconds < config.min_file_s:
        raise BadMedia(Status.REJECTED, Reason.TOO_SHORT, f"{seconds:.3f} s")
    levels = [row["audio_rms_db"] for row in rows if row["audio_rms_db"] is not None]
    require_streams(True, bool(levels), config)  # it may have sound, but none while there is a picture
    if config.silent_db is not None and levels and max(levels) < config.silent_db:
        raise BadMedia(Status.REJECTED, Reason.SILENT, f"{max(levels):.1f} dB in its loudest segment")
    motions = [row["motion"] for row in rows if row["motion"] is not None]
    if config.still_motion is not None and motions and max(motions) < config.still_motion:
        message = f"motion {max(motions):.2g} in its liveliest segment"
        raise BadMedia(Status.REJECTED, Reason.STILL_PICTURE, message)
