"""Kinetics-400 and -600: clips of YouTube videos, in csv files of label, youtube_id, time_start, time_end, split."""

from __future__ import annotations

import re
from collections import defaultdict

from chronav.errors import CallError
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
from pipelines.sources.layout import Facts, Match, enter, make_listing, side
from pipelines.sources.youtube import VIDEO, media_name

_SPLIT = "kinetics/1"
_COLUMNS = {"youtube_id", "time_start", "time_end", "split"}
_NAME = re.compile(VIDEO + r"(?P<times>_\d{6}_\d{6})?")


def list_kinetics(files: SourceFiles, annotations: str | None) -> Listing:
    """The files named `<id>_<start>_<end>` (six digits each, seconds) or `<id>`, at any depth.

    The id is the file's stem, the group the YouTube id. Label and split are those of the annotations: one csv file,
    or every csv file with the columns above in a folder; a test list may have no labels. Where a file is named
    `<id>` only and several clips of that video are listed, it is taken for the one furthest from training.
    Raises `CallError` when no file is named so, or the annotations are missing or malformed.
    """
    listed = _read(annotations) if annotations is not None else {}
    by_video: dict[str, Facts] = {}
    names = defaultdict(list)
    for name, facts in listed.items():
        assert facts.group is not None
        enter(by_video, facts.group, facts, _SPLIT)
        names[facts.group].append(name)

    def match(file: StoredFile) -> Match | None:
        parts = media_name(file.uri, _NAME)
        if parts is None:
            return None
        stem, video = file_stem(file.uri), parts["video"]
        if parts["times"]:
            return Match(stem, listed.get(stem, Facts(group=video)))
        return Match(stem, by_video.get(video, Facts(group=video)), tuple(names.get(video, ())))

    return make_listing(files, "kinetics", match, listed, "no file is named <id>_<start>_<end> or <id>")


def _read(annotations: str) -> dict[str, Facts]:
    """`<id>_<start>_<end>` -> what the csv files say of that clip."""
    listed: dict[str, Facts] = {}
    texts = {path: annotation_text(path) for path in annotation_files(annotations, ".csv")}
    if len(texts) > 1:  # class lists and the like may lie in the same folder
        texts = {path: text for path, text in texts.items() if _is_list(path, text)}
    if not texts:
        raise CallError(
            f"no csv file in '{annotations}' has the columns {', '.join(sorted(_COLUMNS))}",
            code="missing_annotations",
            path=annotations,
        )
    for path, text in texts.items():
        for row in csv_records(path, text, _COLUMNS):
            facts = Facts(row.get("label") or None, row["youtube_id"], {_SPLIT: side(row["split"])})
            enter(listed, _clip_name(path, row), facts, _SPLIT)
    return listed


def _is_list(path: str, text: str) -> bool:
    _, header = next(csv_rows(path, text), (0, []))
    return set(header) >= _COLUMNS


def _clip_name(path: str, row: dict[str, str]) -> str:
    try:
        start, end = (int(float(row[name])) for name in ("time_start", "time_end"))
    except ValueError:
        raise malformed(path, f"the times of {row['youtube_id']} are no numbers") from None
    return f"{row['youtube_id']}_{start:06d}_{end:06d}"
