"""AudioSet: ten-second segments of YouTube videos with several labels each, in `*_segments.csv`."""

from __future__ import annotations

import re

from chronav import storage
from chronav.listing import StoredFile
from pipelines.sources.annotations import (
    annotation_files,
    annotation_text,
    csv_records,
    csv_rows,
    malformed,
)
from pipelines.sources.base import Listing, file_stem
from pipelines.sources.files import SourceFiles
from pipelines.sources.layout import Facts, Match, enter, make_listing
from pipelines.sources.youtube import VIDEO, media_name

_SPLIT = "audioset/1"
_NAME = re.compile(VIDEO + r"(?:_[\d._-]+)?")
_ENDING = "_segments.csv"
_LABEL_NAMES = "class_labels_indices.csv"


def list_audioset(files: SourceFiles, annotations: str | None) -> Listing:
    """The files named `<id>` or `<id>_<start>...`, whatever unit the start is in, at any depth.

    No video has two segments, so that the YouTube id tells which segment a file is. The id is the file's stem, the
    group the YouTube id. The annotations are one segments file or a folder of them. In `splits`, `audioset/1` is
    `test` for the evaluation list and `train` for both training lists, `audioset/list` says which list it was
    (`balanced_train`), and `audioset/labels` has all labels, joined by `;`. The `label` is the first that is listed:
    the lists are in order of code, not of weight. Labels are named by `class_labels_indices.csv` where that lies
    beside the segments, else they are codes (`/m/09x0r`).
    Raises `CallError` when no file is named so, or the annotations are missing or malformed.
    """
    listed = _read(annotations) if annotations is not None else {}

    def match(file: StoredFile) -> Match | None:
        parts = media_name(file.uri, _NAME)
        if parts is None:
            return None
        video = parts["video"]
        return Match(file_stem(file.uri), listed.get(video, Facts(group=video)), (video,))

    return make_listing(files, "audioset", match, listed, "no file is named <id> or <id>_<start>")


def _read(annotations: str) -> dict[str, Facts]:
    """YouTube id -> what the segments files say of its segment."""
    paths = annotation_files(annotations, _ENDING)
    labels = _label_names(storage.parent(paths[0]))
    listed: dict[str, Facts] = {}
    for path in paths:
        part = file_stem(path).removesuffix("_segments")
        sides = {_SPLIT: "test"} if "eval" in part else {_SPLIT: "train"} if "train" in part else {}
        for line, row in csv_rows(path, annotation_text(path)):
            if row[0].startswith("#"):
                continue
            if len(row) != 4:
                raise malformed(path, f"line {line} is not 'YTID, start_seconds, end_seconds, \"labels\"'")
            codes = [code.strip() for code in row[3].split(",")]
            names = [labels.get(code, code) for code in codes]
            splits = {**sides, "audioset/list": part, "audioset/labels": ";".join(names)}
            enter(listed, row[0], Facts(names[0], row[0], splits), _SPLIT)
    return listed


def _label_names(folder: str) -> dict[str, str]:
    """Code -> name of a label; nothing where the file with the names is not there."""
    path = storage.join(folder, _LABEL_NAMES)
    if not storage.is_file(path):
        return {}
    rows = csv_records(path, annotation_text(path), {"mid", "display_name"})
    return {row["mid"]: row["display_name"] for row in rows}
