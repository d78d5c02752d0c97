"""What a failed Ray Train job says, in one line."""

from __future__ import annotations

from chronav.errors import ChronavError, JobError


def failure_of(error: BaseException) -> ChronavError:
    """The worker's own error where it is one of ours, else one line of what Ray says."""
    seen: list[BaseException] = [error]
    while seen:
        current = seen.pop()
        if isinstance(current, ChronavError):
            return current
        failures = getattr(current, "worker_failures", None) or {}
        seen += [e for e in (*failures.values(), getattr(current, "cause", None), current.__cause__) if e]
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return JobError(f"training failed: {lines[-1] if lines else error!r}", code="training_failed")
