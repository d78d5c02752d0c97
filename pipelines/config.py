"""What `chronav ingest` can be told."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from chronav.config import Config

NEAR_BITS = 8.0  # re-coding changes 1 to 4, other videos of the same scene differ by more

CONTENT_KEYS = (
    "fps",
    "short_side",
    "sample_rate",
    "segment_s",
    "min_s",
    "jpeg_quality",
    "keep_partial",
    "require_video",
    "require_audio",
    "min_file_s",
    "silent_db",
    "still_motion",
    "duplicates",
    "near_duplicate_bits",
)


class IngestConfig(Config):
    """The content keys decide what is stored and cannot change within a table; the others may."""

    fps: float = Field(16.0, gt=0, le=240, description="frames per second that are stored")
    short_side: int = Field(
        128,
        ge=16,
        le=2160,
        description="short side of stored frames, pixels; smaller pictures are not enlarged",
    )
    sample_rate: int = Field(16_000, ge=4_000, le=192_000, description="samples per second of stored sound")
    segment_s: float = Field(10.0, gt=0, description="length of a segment that is aimed at, seconds")
    min_s: float = Field(2.0, ge=0, description="a rest up to this long lengthens the others, seconds")
    jpeg_quality: int = Field(85, ge=1, le=100, description="JPEG quality of stored frames")
    keep_partial: bool = Field(
        True, description="keep what is whole of damaged files, instead of rejecting them"
    )
    require_video: bool = Field(False, description="reject files without video")
    require_audio: bool = Field(False, description="reject files without sound")
    min_file_s: float = Field(0.0, ge=0, description="reject files that are shorter, seconds")
    silent_db: float | None = Field(
        None,
        ge=-120,
        le=0,
        description="reject files with sound below this level throughout, dB of full scale",
    )
    still_motion: float | None = Field(
        None, gt=0, le=1, description="reject files with less motion than this throughout, grey levels 0 to 1"
    )
    duplicates: Literal["reject", "keep"] = Field(
        "reject", description="what becomes of files whose content, byte for byte, is that of another one"
    )
    near_duplicate_bits: float | None = Field(
        NEAR_BITS,
        ge=0,
        le=32,
        description="mark videos that look like an earlier one: bits of 64 by which pictures may differ, on average",
    )
    files_per_task: int = Field(8, ge=1, description="source files that one task decodes, at most")
    files_per_commit: int = Field(64, ge=1, description="source files after which the table is committed")
    timeout_s: float = Field(
        300.0, gt=0, description="seconds that a file may take for each 16 MiB of it begun"
    )

    @model_validator(mode="after")
    def _rest_is_shorter(self) -> IngestConfig:
        if self.min_s >= self.segment_s:
            raise ValueError(f"min_s ({self.min_s:g}) must be less than segment_s ({self.segment_s:g})")
        return self

    def content(self) -> dict[str, Any]:
        """The keys that decide what is stored."""
        return self.model_dump(mode="json", include=set(CONTENT_KEYS))

    def content_hash(self) -> str:
        """`config_hash` of the rows that this config makes."""
        return self.digest(CONTENT_KEYS)
