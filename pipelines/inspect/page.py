"""The page of a clip table: its numbers as charts and tables, and some of its segments to see and to hear."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from chronav import page, storage
from pipelines.inspect.charts import histogram, ranked, waveform
from pipelines.inspect.sample import Sheet
from pipelines.inspect.text import (
    FEW_FILES,
    balance_text,
    finding_text,
    hours_text,
    size_text,
    spread_text,
    value_text,
)

_FIRST_LABELS = 20  # that are seen at once
_HISTOGRAMS = (
    ("segment_seconds", "Length of segments", "s"),
    ("video_seconds", "Length of videos", "s"),
    ("audio_rms_db", "Loudness of segments", "dB"),
    ("motion", "Motion in segments", ""),
)


def write(path: str, numbers: dict[str, Any], sheets: Sequence[Sheet]) -> None:
    """Write the page to `path` (local or URL)."""
    page.write(
        path,
        _templates(),
        "inspect.html",
        n=numbers,
        few_files=FEW_FILES,
        name=storage.absolute(numbers["table"]).rpartition("/")[2],
        charts=[
            (title, Markup(histogram(numbers[key], unit, title)), spread_text(numbers[key]) + f" {unit}")
            for key, title, unit in _HISTOGRAMS
            if numbers[key]
        ],
        first_labels=numbers["labels"]["most"][:_FIRST_LABELS],
        more_labels=numbers["labels"]["most"][_FIRST_LABELS:],
        label_chart=_label_chart(numbers["labels"]),
        sheets=sheets,
    )


def _label_chart(labels: dict[str, Any]) -> Markup:
    counts = [row["videos"] for row in labels["most"]]
    return Markup(ranked(counts, f"Labels: {balance_text(labels)}") if len(counts) > 1 else "")


def _wave(sheet: Sheet) -> Markup:
    if sheet.wave is None:
        return Markup("")
    return Markup(waveform(sheet.wave, f"Sound of {sheet.row['clip_id']}, {sheet.shown_s:.1f} s"))


def _facts(sheet: Sheet) -> str:
    """What else is to be said of a segment, in one line."""
    row = sheet.row
    start, end = row["start_s"], row["start_s"] + row["duration_s"]
    facts = [f"{start:.1f} to {end:.1f} s of its file"]
    if sheet.shown_s < row["duration_s"]:
        facts.append(f"the first {sheet.shown_s:g} s are shown")
    if row["n_frames"]:
        facts += [f"{row['width']} × {row['height']}", f"{row['source_fps']:.4g} fps in the source"]
        facts.append(f"motion {row['motion']:.3f}")
    if sheet.wave is not None:
        facts.append(f"{row['audio_rms_db']:.0f} dB")
    if row["near_duplicate_of"]:
        facts.append(f"near duplicate of {row['near_duplicate_of']}")
    return ", ".join([*facts, *(f"{split}: {part}" for split, part in row["splits"] or ())])


def _templates() -> Environment:
    templates = page.environment("pipelines.inspect")
    filters: dict[str, Callable[..., Any]] = {
        "flac": lambda data: page.data_uri(data, "audio/flac"),
        "size": lambda size: size_text(size).replace(" ", "\N{NO-BREAK SPACE}"),
        "hours": hours_text,
        "balance": balance_text,
        "value": value_text,
        "count": lambda number: f"{number:,}",
        "wave": _wave,
        "facts": _facts,
        "times": lambda sheet: [f"{k / 4 * sheet.shown_s:.4g}" for k in range(4)],
    }
    templates.filters |= filters
    templates.globals["finding"] = finding_text
    return templates
