"""`make gpu-check`: runs every part in a process of its own, and writes one JSON file (docs/gpu.md).

Needs Python 3.12, torch and torchvision; everything else is in the bundle. Exit codes: 0 all parts are done, or not
done for a stated reason; 1 a part failed; 2 the call was wrong, or there is no CUDA device.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.gpu.part import SKIPPED
from benchmarks.gpu.schedule import LIMIT_S, Part, allotment, parts
from chronav import __version__
from chronav.gpu_report import GpuMachine, GpuPart, GpuReport

ROOT = Path(__file__).parents[2]
SHARD = ROOT / "clips.shard"
_MOST_MINUTES = 7.0
_WRAP_UP_S = 4.0  # a part is told of so much less than it has


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all parts; returns the exit code."""
    given = _parse(arguments)
    begun = time.monotonic()
    machine = subprocess.run(
        _module("benchmarks.gpu.machine", given.device), env=_environment(), stdout=subprocess.PIPE, text=True
    )
    if machine.returncode:
        return machine.returncode
    report = GpuReport(
        format="chronav-gpu/1",
        code_version=__version__,
        begun=datetime.now(UTC).isoformat(timespec="seconds"),
        small=given.small,
        minutes=given.minutes,
        limit_s=LIMIT_S,
        seconds=0.0,
        ok=True,
        machine=GpuMachine.model_validate_json(machine.stdout),
        parts={},
    )
    print(f"gpu-check on {report.machine.device}, at most {LIMIT_S / 60:g} minutes", flush=True)
    plan = parts(given.minutes, given.small)
    for number, part in enumerate(plan):
        seconds = allotment(part, plan[number + 1 :], time.monotonic() - begun)
        done = run_part(part, seconds, given, report.parts)
        report = report.model_copy(
            update={
                "parts": report.parts | {part.name: done},
                "ok": report.ok and done.status != "failed",
                "seconds": time.monotonic() - begun,
            }
        )
        given.json.write_text(report.model_dump_json(indent=1))
        print(f"{part.name}: {done.status} in {done.seconds:.0f} s{_because(done.reason)}", flush=True)
    print(f"{report.seconds:.0f} s; all figures: {given.json}", flush=True)
    return 0 if report.ok else 1


def run_part(part: Part, seconds: float, given: argparse.Namespace, earlier: dict[str, GpuPart]) -> GpuPart:
    """Run a part for at most `seconds`; it is ended where it does not end."""
    if seconds < part.least_s:
        reason = f"{max(seconds, 0.0):.0f} s left, {part.least_s:.0f} s needed"
        return _part("skipped", 0.0, reason, {})
    with tempfile.TemporaryDirectory(prefix="chronav-gpu-part-") as name:
        folder = Path(name)
        task = {
            "part": part.name,
            "seconds": seconds - _WRAP_UP_S,
            "device": given.device,
            "small": given.small,
            "shard": str(given.shard),
            "findings": str(folder / "findings.json"),
            "reason": str(folder / "reason"),
            "earlier": {name: done.figures for name, done in earlier.items()},
        }
        (folder / "task.json").write_text(json.dumps(task))
        begun = time.monotonic()
        code = _run_for(_module("benchmarks.gpu.part", str(folder / "task.json")), seconds)
        spent = time.monotonic() - begun
        return _outcome(part, code, spent, folder)


def _outcome(part: Part, code: int | None, spent: float, folder: Path) -> GpuPart:
    """What a part that ended with `code` (None: that was ended) has found."""
    findings = folder / "findings.json"
    found = json.loads(findings.read_text()) if findings.exists() else {}
    if code == 0:
        return _part("done", spent, None, found)
    if code is None:
        reason = f"not done after {spent:.0f} s"
        return _part("cut" if part.may_be_cut else "failed", spent, reason, found)
    reason_file = folder / "reason"
    reason = reason_file.read_text() if reason_file.exists() else f"the process ended with exit code {code}"
    return _part("skipped" if code == SKIPPED else "failed", spent, reason, found)


def _part(status: Any, seconds: float, reason: str | None, found: dict[str, Any]) -> GpuPart:
    empty: dict[str, Any] = {"settings": {}, "figures": {}, "curve": [], "notes": []}
    return GpuPart.model_validate({"status": status, "seconds": seconds, "reason": reason, **empty, **found})


def _run_for(command: list[str], seconds: float) -> int | None:
    """The exit code of a command; None where it had to be ended, with all that it had started."""
    process = subprocess.Popen(command, env=_environment(), start_new_session=True)
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _module(name: str, *arguments: str) -> list[str]:
    # -P: what lies in the folder that one stands in must not be taken for ours.
    return [sys.executable, "-P", "-m", name, *arguments]


def _environment() -> dict[str, str]:
    known = os.environ.get("PYTHONPATH")
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *([known] if known else [])])}


def _because(reason: str | None) -> str:
    return f" ({reason})" if reason else ""


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="chronav-gpu", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument(
        "--small", action="store_true", help="toy sizes: shows that all parts work, measures nothing"
    )
    parser.add_argument("--minutes", type=float, default=5.0, help="of pre-training, evaluations included")
    parser.add_argument("--json", type=Path, default=Path("chronav-gpu.json"), help="the file to write")
    parser.add_argument("--shard", type=Path, default=SHARD, help="the packed clips")
    given = parser.parse_args(arguments)
    if not 0 < given.minutes <= _MOST_MINUTES:
        parser.error(f"--minutes must be above 0 and at most {_MOST_MINUTES:g}")
    if given.device == "cpu" and not given.small:
        parser.error("--device cpu needs --small: the full sizes would take days")
    if not given.shard.is_file():
        parser.error(f"there are no packed clips at '{given.shard}'")
    return given


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("interrupted; the parts that had ended are in the file", file=sys.stderr)
        sys.exit(130)
