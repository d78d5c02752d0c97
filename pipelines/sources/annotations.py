"""Reading a data set's official annotation files: whatever line ends, with or without a byte order mark."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from chronav import listing, storage
from chronav.errors import CallError


def annotation_folder(path: str) -> str:
    """The folder of annotation files; raises `CallError` when it is not there, or is a file."""
    if not storage.is_dir(path):
        what = "is a file: give the folder" if storage.is_file(path) else "does not exist"
        raise CallError(f"annotation folder '{path}' {what}", code="missing_annotations", path=path)
    return path


def annotation_file(path: str, name: str) -> str:
    """The file `path`, else the file `name` in the folder `path`; raises `CallError` when `path` is not there."""
    return path if storage.is_file(path) else storage.join(annotation_folder(path), name)


def annotation_files(path: str, ending: str) -> list[str]:
    """The file `path`, else the files at any depth below the folder `path` whose names end so.

    Raises `CallError` when there is none.
    """
    if storage.is_file(path):
        return [path]
    files = listing.list_files(annotation_folder(path))
    found = [file.uri for file in files if file.uri.endswith(ending)]
    if not found:
        raise CallError(f"no file *{ending} is in '{path}'", code="missing_annotations", path=path)
    return found


def annotation_text(path: str) -> str:
    """The text of an annotation file; raises `CallError` when it is not there or is no text."""
    if not storage.is_file(path):
        raise CallError(f"annotation file '{path}' does not exist", code="missing_annotations", path=path)
    try:
        return storage.read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise malformed(path, f"it is not UTF-8: {error.reason} at byte {error.start}") from None


def csv_rows(path: str, text: str, delimiter: str = ",") -> Iterator[tuple[int, list[str]]]:
    """The rows of a csv file with the number of the line that each ends on; empty ones are left out.

    Spaces around a value are no part of it. Raises `CallError` where the file is malformed.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        for row in reader:
            if any(row):
                yield reader.line_num, [value.strip() for value in row]
    except csv.Error as error:
        raise malformed(path, f"line {reader.line_num}: {error}") from None


def csv_records(path: str, text: str, columns: set[str]) -> Iterator[dict[str, str]]:
    """The rows of a csv file with a header, of which `columns` must be part; raises `CallError` if not."""
    rows = csv_rows(path, text)
    _, header = next(rows, (0, []))
    lacking = columns - set(header)
    if lacking:
        raise malformed(path, f"it lacks the columns {', '.join(sorted(lacking))}")
    for line, row in rows:
        if len(row) != len(header):
            raise malformed(path, f"line {line} has {len(row)} values for {len(header)} columns")
        yield dict(zip(header, row, strict=True))


def malformed(path: str, what: str) -> CallError:
    """The error for an annotation file that is not as it should be."""
    return CallError(f"annotation file '{path}' cannot be used: {what}", code="bad_annotations", path=path)
