"""ESC-50: `audio/*.wav` and `meta/esc50.csv`."""

from __future__ import annotations

from chronav import storage
from chronav.listing import StoredFile
from pipelines.sources.annotations import annotation_file, annotation_text, csv_records
from pipelines.sources.base import Listing, file_name, file_stem
from pipelines.sources.files import SourceFiles
from pipelines.sources.layout import Facts, Match, make_listing

_CSV = "esc50.csv"
_COLUMNS = {"filename", "fold", "category", "esc10", "src_file"}


def list_esc50(files: SourceFiles, annotations: str | None) -> Listing:
    """The recordings of `esc50.csv`, found by file name.

    The csv is `annotations`, or lies in that folder, else in `meta` in the source. The group is the Freesound
    recording that a clip was cut from (`src_file`); no such recording is in two folds.
    Raises `CallError` when the csv is missing or malformed, or none of its files is there.
    """
    in_source = storage.join(files.root, "meta", _CSV)
    listed = _read(in_source if annotations is None else annotation_file(annotations, _CSV))

    def match(file: StoredFile) -> Match | None:
        facts = listed.get(file_name(file.uri))
        return Match(file_stem(file.uri), facts) if facts is not None else None

    names = [file_stem(name) for name in listed]
    return make_listing(files, "esc50", match, names, "none of the files of esc50.csv is there")


def _read(path: str) -> dict[str, Facts]:
    """File name -> what the csv says of it."""
    return {
        row["filename"]: Facts(
            row["category"],
            row["src_file"],
            {"esc50/fold": row["fold"], "esc50/esc10": row["esc10"].lower()},
        )
        for row in csv_records(path, annotation_text(path), _COLUMNS)
    }
