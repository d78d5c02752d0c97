"""What each command says at its end, made of its outcome."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_FEW_VIDEOS = 10


def ingest(o: Mapping[str, Any]) -> str:
    """Counts of files, reasons and segments, and what else was done."""
    reasons = ", ".join(f"{code} {count}" for code, count in o["reasons"].items())
    done = f"{o['to_decode']} to decode" if o.get("dry_run") else f"{o['decoded']} decoded"
    relabelled = f" ({o['relabelled']} relabelled)" if o["relabelled"] else ""
    version = "(no table yet)" if o["table_version"] is None else f"version {o['table_version']}"
    lines = [f"{a['action']:<10} {a['uri']}: {a['reason']}" for a in o.get("actions", ())]
    lines += [
        f"{o['files']} files: {o['new']} new, {o['changed']} changed, {o['retried']} retried, "
        f"{o['unchanged']} unchanged{relabelled}, {o['removed']} removed; {done} in {o['seconds']:.1f} s",
        f"ledger: {o['ok']} ok, {o['rejected']} rejected, {o['failed']} failed"
        + (f" ({reasons})" if reasons else ""),
        f"table {o['table']} {version}: {o['segments']} segments, {o['segments_with_sound']} with sound",
    ]
    if o["files"] and not o["ok"] and not o.get("dry_run"):
        lines.append(
            f"none of these files gave anything: is it the right folder? chronav inspect {o['table']} tells why"
        )
    if o["missing"]:
        lines.append(f"{o['missing']} files are named but not there (missing.txt in the MLflow run)")
    if o["ignored"]:
        where = "see above" if o.get("dry_run") else "ignored.txt in the MLflow run, or --dry-run"
        lines.append(f"{o['ignored']} files are left out: not of this layout, or named twice ({where})")
    if o["remaining"]:
        lines.append(f"{o['remaining']} new files are left: run it again to go on")
    if o.get("compacted", {}).get("files"):
        lines.append(f"{o['compacted']['files']} small data files merged into {o['compacted']['into']}")
    for name, what in (("to_vacuum", "to delete"), ("vacuumed", "deleted")):
        if name in o:
            lines.append(f"{o[name]['files']} files of killed runs {what}, {o[name]['bytes']} bytes")
    if "to_compact" in o:
        lines.append(f"{o['to_compact']} small data files to merge")
    return "\n".join(lines)


def inspect(o: Mapping[str, Any]) -> str:
    """What the command itself wrote."""
    return o["summary"]


def pretrain(o: Mapping[str, Any]) -> str:
    """Accuracies on held-out videos, probes, and where the export is."""
    begun = o["begun_at_step"]
    of_this_call = f", {o['steps'] - begun} of them in this call" if begun else ""
    samples = o["samples"] // o["steps"] * (o["steps"] - begun)
    lines = [
        f"{o['steps']} steps{of_this_call}, {samples} samples in {o['seconds']:.0f} s; held-out accuracies:"
    ]
    for head, a in o["accuracies"].items():
        if a["value"] is None:
            lines.append(f"  {head:<12} not measured (no held-out clips)")
        else:
            lines.append(
                f"  {head:<12} {a['value']:.2f}  [{a['low']:.2f}, {a['high']:.2f}]"
                f"  chance {a['chance']:.2f}  n {a['n']}"
                + ("  (not trained)" if head in o["untrained_heads"] else "")
            )
    for name, score in o.get("probe", {}).items():
        lines.append(
            f"  {name:<12} {score['value']:.2f}  chance {score['chance']:.2f}  n {score['n']}  (probe)"
        )
    if o["heldout_videos"] < _FEW_VIDEOS:
        lines.append(
            f"note: {o['heldout_videos']} held-out videos are few: the accuracies say little, and their intervals too"
        )
    lines.append(f"export: {o['export']}")
    return "\n".join(lines)


def evaluate(o: Mapping[str, Any]) -> str:
    """What the command itself wrote."""
    return o["summary"]


def compare(o: Mapping[str, Any]) -> str:
    """What the command itself wrote."""
    return o["summary"]


def ablate(o: Mapping[str, Any]) -> str:
    """What the command itself wrote."""
    return o["summary"]


def embed(o: Mapping[str, Any]) -> str:
    """How many rows of how many numbers, and where."""
    return f"{o['rows']} rows of {o['dim']} features ({o['videos']} videos, by {o['level']}): {o['path']}"


def demo(o: Mapping[str, Any]) -> str:
    """What the command itself wrote."""
    return o["summary"]


def import_gpu(o: Mapping[str, Any]) -> str:
    """What each part came to, and the MLflow run."""
    parts = ", ".join(f"{name} {status}" for name, status in o["parts"].items())
    return f"{o['device']}: {parts}\nMLflow run {o['mlflow_run_id']}"


def submit(o: Mapping[str, Any]) -> str:
    """Id and status of the job."""
    return f"{o['submission_id']}: {o['status']}"
