"""The file that `make gpu-check` writes, and its way into MLflow (docs/gpu.md)."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import Field

from chronav import storage
from chronav.config import Config, validate
from chronav.errors import CallError
from chronav.outcome import Outcome


class GpuMachine(Config):
    """Where the check ran."""

    device: str = Field(description="name of the device; `cpu` for a run without one")
    memory_bytes: int | None = Field(description="of the device")
    peak_flops: float | None = Field(description="dense bfloat16 peak, FLOP/s; null: not in the table")
    cpus: int = Field(ge=1, description="cores that the process may use")
    python: str
    torch: str
    torchvision: str
    cuda: str | None


class GpuPart(Config):
    """One part of the check."""

    status: Literal["done", "cut", "skipped", "failed"] = Field(
        description="cut: its time ran out, `figures` holds what was measured until then"
    )
    seconds: float = Field(ge=0)
    reason: str | None = Field(description="why it is not done")
    settings: dict[str, Any] = Field(description="what was measured, and how")
    figures: dict[str, float | None] = Field(description="docs/gpu.md says what each means")
    curve: list[dict[str, float]] = Field(description="values by `step`")
    notes: list[str] = Field(description="what a reader of the figures has to know")


class GpuReport(Config):
    """All parts of one check."""

    format: Literal["chronav-gpu/1"]
    code_version: str
    begun: str = Field(description="UTC, ISO 8601")
    small: bool = Field(description="the small run: shows that all parts work; its figures mean nothing")
    minutes: float = Field(gt=0, description="given to the pre-training, evaluations included")
    limit_s: float = Field(gt=0, description="what all parts together must not take longer than")
    seconds: float = Field(ge=0)
    ok: bool = Field(description="no part failed")
    machine: GpuMachine
    parts: dict[str, GpuPart]


def read_report(path: str) -> GpuReport:
    """Read a report; raises `CallError` with one line for a file that is missing or is no report."""
    if not storage.is_file(path):
        raise CallError(f"there is no file '{path}'", code="missing_file", path=path)
    try:
        values = json.loads(storage.read_bytes(path))
    except ValueError as error:
        raise CallError(f"'{path}' is not JSON: {error}", code="bad_file", path=path) from None
    if not isinstance(values, dict):
        raise CallError(f"'{path}' is not a report of gpu-check", code="bad_file", path=path)
    try:
        return validate(GpuReport, values)
    except CallError as error:
        raise CallError(
            f"'{path}' is not a report of gpu-check: {error}", code="bad_file", path=path
        ) from None


def import_report(path: str) -> Outcome:
    """Enter a report into MLflow as one run of `chronav/gpu`; returns the outcome that `--json` prints."""
    from chronav.tracking import Run

    report = read_report(path)
    statuses = {name: part.status for name, part in report.parts.items()}
    tags = {f"chronav.gpu.{name}": status for name, status in statuses.items()}
    run = Run.start("gpu", f"gpu-check {report.machine.device}", tags)
    try:
        _log(run, report)
        run.text("gpu-check.json", storage.read_bytes(path).decode())
    except BaseException:
        run.finish("FAILED")
        raise
    run.finish("FINISHED" if report.ok else "FAILED")
    return {
        "mlflow_run_id": run.run_id,
        "device": report.machine.device,
        "small": report.small,
        "ok": report.ok,
        "parts": statuses,
    }


def _log(run: Any, report: GpuReport) -> None:
    settings = {name: part.settings for name, part in report.parts.items() if part.settings}
    about = report.model_dump(include={"code_version", "begun", "small", "minutes", "limit_s"})
    run.params(about | {"machine": report.machine.model_dump(), "parts": settings})
    totals = {"seconds": report.seconds}
    for name, part in report.parts.items():
        totals[f"{name}/seconds"] = part.seconds
        totals |= {f"{name}/{key}": value for key, value in part.figures.items() if value is not None}
        for point in part.curve:
            values = {f"{name}/{key}": value for key, value in point.items() if key != "step"}
            run.metrics(values, int(point["step"]))
    run.metrics(totals)
