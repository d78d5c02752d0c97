"""ESC-50: `audio/*.wav` and `meta/esc50.csv`."""

from __future__ import annotations

import csv

from chronav import storage
from chronav.errors import CallError
from pipelines.sources.base import (
    Listing,
    SourceItem,
    annotation_folder,
    annotation_text,
    file_name,
    file_stem,
    media_files,
)

_COLUMNS = {"filename", "fold", "category", "esc10", "src_file"}


def list_esc50(source: str, annotations: str | None, outside: tuple[str, ...] = ()) -> Listing:
    """The recordings of `esc50.csv` that are below `source`, found by file name.

    The csv is taken from `annotations`, else from `source/meta`. The group is the Freesound recording
    that a clip was cut from (`src_file`); no such recording is in two folds.
    Raises `CallError` when the csv is missing or malformed, or none of its files is there.
    """
    files = media_files(source, outside)
    folder = annotation_folder(annotations) if annotations is not None else storage.join(source, "meta")
    rows = _read_csv(storage.join(folder, "esc50.csv"))
    items = []
    for file in files:
        row = rows.get(file_name(file.uri))
        if row is None:
            continue
        items.append(
            SourceItem(
                uri=file.uri,
                size=file.size,
                mtime=file.mtime,
                video_id=file_stem(file.uri),
                dataset="esc50",
                label=row["category"],
                group=row["src_file"],
                splits={"esc50/fold": row["fold"], "esc50/esc10": row["esc10"].strip().lower()},
            )
        )
    if not items:
        raise CallError(
            f"'{source}' is not laid out as esc50: none of the files of esc50.csv is there",
            code="bad_layout",
            path=source,
        )
    return Listing(items, ignored=len(files) - len(items))


def _read_csv(path: str) -> dict[str, dict[str, str]]:
    reader = csv.DictReader(annotation_text(path).splitlines())
    missing = _COLUMNS - set(reader.fieldnames or ())
    if missing:
        raise CallError(
            f"'{path}' lacks the columns {', '.join(sorted(missing))}", code="bad_annotations", path=path
        )
    return {row["filename"]: row for row in reader}
