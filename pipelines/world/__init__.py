"""A small audible moving world: generated videos whose classes differ by motion and sound alone."""

from pipelines.world.config import WorldConfig
from pipelines.world.make import WorldSummary, make_world
from pipelines.world.scene import CLASSES, Rendered, render_video

__all__ = ["CLASSES", "Rendered", "WorldConfig", "WorldSummary", "make_world", "render_video"]
