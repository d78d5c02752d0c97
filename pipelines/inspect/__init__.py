"""What a clip table holds: numbers, and a page with samples to see and to hear."""

from __future__ import annotations

from pipelines.inspect.config import InspectConfig
from pipelines.inspect.job import inspect, log_overview, write_page

__all__ = ["InspectConfig", "inspect", "log_overview", "write_page"]
