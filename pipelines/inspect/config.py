"""What `chronav inspect` can be told."""

from __future__ import annotations

from pydantic import Field

from chronav.config import Config


class InspectConfig(Config):
    """Which segments a page shows. The numbers are always those of the whole table."""

    samples: int = Field(12, ge=0, le=48, description="segments that the page shows with frames and sound")
    seed: int = Field(0, ge=0, description="of the random choice of these segments")
