"""VGG-Sound: clips of YouTube videos, in a csv file without header: id, start seconds, label, split."""

from __future__ import annotations

import re

from chronav import storage
from chronav.errors import CallError
from chronav.listing import StoredFile
from pipelines.sources.annotations import annotation_folder, annotation_text, csv_rows, malformed
from pipelines.sources.base import Listing, file_stem
from pipelines.sources.files import SourceFiles
from pipelines.sources.layout import Facts, Match, enter, make_listing, side
from pipelines.sources.youtube import VIDEO, media_name

_SPLIT = "vggsound/1"
_NAME = re.compile(VIDEO + r"_\d{6}")
_WHOLE = "vggsound.csv"
_SIDES = ("train", "test")


def list_vggsound(files: SourceFiles, annotations: str | None) -> Listing:
    """The files named `<id>_<start>` (six digits, seconds), at any depth.

    The id is the file's stem, the group the YouTube id. Label and split are those of the annotations: a csv file,
    or a folder with the official `vggsound.csv`, else with the lists `train.csv` and `test.csv` (either may lack)
    of file name and label.
    Raises `CallError` when no file is named so, or the annotations are missing or malformed.
    """
    listed = _read(annotations) if annotations is not None else {}

    def match(file: StoredFile) -> Match | None:
        parts = media_name(file.uri, _NAME)
        if parts is None:
            return None
        stem = file_stem(file.uri)
        return Match(stem, listed.get(stem, Facts(group=parts["video"])))

    return make_listing(files, "vggsound", match, listed, "no file is named <id>_<start, six digits>")


def _read(annotations: str) -> dict[str, Facts]:
    """`<id>_<start>` -> what the csv files say of that clip."""
    listed: dict[str, Facts] = {}
    for path in _lists(annotations):
        for line, row in csv_rows(path, annotation_text(path)):
            name, label, split = _entry(path, line, row)
            enter(listed, name, Facts(label, name[: -len("_000000")], split), _SPLIT)
    return listed


def _lists(annotations: str) -> list[str]:
    if storage.is_file(annotations):
        return [annotations]
    folder = annotation_folder(annotations)
    for names in ((_WHOLE,), tuple(f"{part}.csv" for part in _SIDES)):
        found = [path for path in (storage.join(folder, name) for name in names) if storage.is_file(path)]
        if found:
            return found
    raise CallError(
        f"neither {_WHOLE} nor train.csv nor test.csv is in '{folder}'",
        code="missing_annotations",
        path=folder,
    )


def _entry(path: str, line: int, row: list[str]) -> tuple[str, str, dict[str, str]]:
    """Name, label and splits of a row: `id, start, label, split`, or `file, label` in a list of one side."""
    if len(row) == 4 and row[1].isdigit():
        video, start, label, split = row
        return f"{video}_{int(start):06d}", label, {_SPLIT: side(split)}
    if len(row) == 2 and _NAME.fullmatch(file_stem(row[0])):
        part = file_stem(path)
        return file_stem(row[0]), row[1], {_SPLIT: part} if part in _SIDES else {}
    raise malformed(path, f"line {line} is neither 'id,start,label,split' nor 'id_start.mp4,label'")
