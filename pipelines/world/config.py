"""What the generated world is made of: its size, its media settings and its seed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from chronav.config import Config


class WorldConfig(Config):
    """Settings of the small audible moving world; video i of a class depends on (seed, class, group, clip)."""

    videos_per_class: int = Field(40, ge=2, le=100_000, description="videos of each class")
    groups_per_class: int = Field(10, ge=2, le=99, description="groups; the clips of one share their look")
    size: int = Field(64, ge=16, le=512, multiple_of=2, description="side of the square frame, pixels")
    fps: int = Field(16, ge=2, le=120, description="frames per second")
    duration_s: float = Field(10.0, ge=2.0, le=120.0, description="length of a video, seconds")
    sample_rate: int = Field(16_000, ge=8_000, le=48_000, description="sound samples per second")
    codec: Literal["h264", "lossless"] = Field("h264", description="H.264 + AAC, or lossless H.264 + FLAC")
    seed: int = Field(0, ge=0, lt=2**32, description="seed of everything that is drawn")
    processes: int = Field(0, ge=0, le=1024, description="worker processes; 0: one a core")

    @model_validator(mode="after")
    def _every_group_has_a_clip(self) -> WorldConfig:
        if self.videos_per_class < self.groups_per_class:
            raise ValueError("videos_per_class must not be less than groups_per_class")
        return self

    @property
    def frames(self) -> int:
        """Frames of a video."""
        return round(self.duration_s * self.fps)

    @property
    def samples(self) -> int:
        """Sound samples of a video: exactly as long as its frames."""
        return round(self.frames / self.fps * self.sample_rate)
