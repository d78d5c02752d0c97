"""The numbers of a table in lines of text, and the wording that these share with the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipelines.inspect.files import MOST_NAMED

_BLOCKS = "▁▂▃▄▅▆▇█"
_FEW = 5
FEW_FILES = 3
"""Of a reason, that are named at once."""


def as_text(n: Mapping[str, Any]) -> str:
    """What `chronav inspect` prints."""
    return "\n".join(f"{name:<12}{line}".rstrip() for name, line in _lines(n))


def size_text(size: float) -> str:
    """`12300000` -> `12.3 MB`."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"


def hours_text(hours: float) -> str:
    """`0.51` -> `31 min`; hours from two on."""
    if hours >= 2:
        return f"{hours:,.1f} h"
    return f"{hours * 60:.0f} min" if hours * 60 >= 2 else f"{hours * 3600:.0f} s"


def value_text(value: Any) -> str:
    """A config value as it is written in a config file."""
    return f"{value:g}" if isinstance(value, float) else "null" if value is None else str(value).lower()


def finding_text(status: str, reason: str) -> str:
    """`failed: unreadable`; a reason on a file that is kept says what is wrong with it."""
    return f"ok, but {reason}" if status == "ok" else f"{status}: {reason}"


def spread_text(summary: Mapping[str, Any]) -> str:
    """Range and middle of a `summary`."""
    low, median, p95, high = (f"{summary[key]:.4g}" for key in ("min", "median", "p95", "max"))
    return f"{low} to {high}, median {median}, 95 % up to {p95}"


def balance_text(labels: Mapping[str, Any]) -> str:
    """How many labels there are, and how even they are."""
    if not labels["distinct"]:
        return "none"
    rest = f"; {labels['unlabelled_videos']:,} videos without" if labels["unlabelled_videos"] else ""
    return (
        f"{labels['distinct']:,}, of {labels['fewest_videos']:,} to {labels['most_videos']:,} videos each "
        f"(median {labels['median_videos']:g}){rest}"
    )


def _lines(n: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "table", f"{n['table']} version {n['table_version']}"
    yield "config", ", ".join(f"{key} {value_text(value)}" for key, value in n["config"].items())
    yield from _file_lines(n)
    yield (
        "segments",
        f"{n['segments']:,} of {n['videos']:,} videos; {n['segments_with_video']:,} with picture, "
        f"{n['segments_with_sound']:,} with sound",
    )
    yield "hours", f"{hours_text(n['hours']['video'])} of video, {hours_text(n['hours']['sound'])} of sound"
    yield from _disk_lines(n["bytes"], n["data_files"])
    for name, key, what in (
        ("lengths", "segment_seconds", "segments, s: {}"),
        ("", "video_seconds", "videos, s: {}"),
        ("loudness", "audio_rms_db", "dB: {}"),
        ("motion", "motion", "{}"),
    ):
        if n[key]:
            yield name, f"{sparkline(n[key]['counts'])}  {what.format(spread_text(n[key]))}"
    yield "pictures", _some([f"{row['width']}x{row['height']} {row['segments']:,}" for row in n["sizes"]])
    yield "source fps", _some([f"{row['fps']:g} {row['segments']:,}" for row in n["source_fps"]])
    yield from _annotation_lines(n)


def _file_lines(n: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if n["ledger_version"] is None:
        yield "files", f"no ledger at {n['table']}.ledger"
        return
    yield "files", f"{n['files']:,}: {n['ok']:,} ok, {n['rejected']:,} rejected, {n['failed']:,} failed"
    for row in n["findings"]:
        yield "", f"{row['files']:,} {finding_text(row['status'], row['reason'])}"
        for one in row["examples"][:FEW_FILES]:
            yield "", f"  {one['source_uri']}" + (f" ({one['message']})" if one["message"] else "")
        if row["files"] > FEW_FILES:
            yield "", f"  and {row['files'] - FEW_FILES:,} more"
    if any(row["files"] > FEW_FILES for row in n["findings"]):
        yield "", f"--html PAGE names up to {MOST_NAMED} of each, the ledger {n['table']}.ledger all"


def _disk_lines(size: Mapping[str, int], files: int) -> Iterator[tuple[str, str]]:
    yield (
        "on disk",
        f"{size_text(size['table'])} in {files:,} files: frames {size_text(size['frames'])}, sound "
        f"{size_text(size['audio'])}, the rest {size_text(size['other'])}; ledger {size_text(size['ledger'])}",
    )
    if size["unused"]:
        yield "", f"{size_text(size['unused'])} beside it in files that this version does not name"


def _annotation_lines(n: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if len(n["datasets"]) > 1:
        yield "data sets", _some([f"{row['dataset']} {row['videos']:,}" for row in n["datasets"]])
    labels = n["labels"]
    yield "labels", balance_text(labels)
    if labels["distinct"]:
        yield "", _some([f"{row['label']} {row['videos']:,}" for row in labels["most"]])
    for name, parts in n["splits"].items():
        yield "split", f"{name}: " + ", ".join(f"{part} {count:,}" for part, count in parts.items())
    if n["groups"]["distinct"]:
        yield "groups", balance_text({**n["groups"], "unlabelled_videos": n["groups"]["videos_without"]})
    if n["near_duplicates"]["videos"]:
        yield "duplicates", f"{n['near_duplicates']['videos']:,} videos are near duplicates of earlier ones"


def sparkline(counts: Sequence[int]) -> str:
    """Counts as a row of blocks."""
    most = max([1, *counts])
    return "".join(_BLOCKS[-(-count * (len(_BLOCKS) - 1) // most)] for count in counts)


def _some(texts: Sequence[str]) -> str:
    rest = len(texts) - _FEW
    return ", ".join(texts[:_FEW]) + (f" and {rest:,} more" if rest > 0 else "") or "none"
