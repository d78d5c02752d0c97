"""The files of a source before any data set's layout has looked at them: a folder, a glob or a table of uris."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from chronav import listing, remote, storage
from chronav.errors import CallError
from chronav.listing import StoredFile
from pipelines.sources.names import escaped
from pipelines.sources.uri_table import UriRow, by_uri, is_uri_table, read_uri_table


@dataclass(frozen=True)
class SourceFiles:
    """The files of a source.

    `root`: the folder that ids are paths below: the folder itself, that above a glob's first wildcard, or that
    of a table of uris. `covers`: tells of a uri whether the source would list it if it were there.
    `rows`: what a table of uris says, by uri; `missing`: uris of the table where no file is; `repeated`: those
    that it names again.
    """

    source: str
    root: str
    found: list[StoredFile]
    covers: Callable[[str], bool]
    rows: Mapping[str, UriRow] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)


def find_files(source: str, outside: tuple[str, ...] = ()) -> SourceFiles:
    """The visible files of `source`, but none below the folders in `outside`.

    A folder or table whose name has wildcards in it is taken for what it is, not for a pattern. Names that are not
    UTF-8 are `escaped`. Raises `CallError` when there is no such source, nothing in it, its table is malformed, or
    its own path is not UTF-8.
    """
    path = storage.absolute(source)
    if escaped(path) != path:
        raise CallError(
            f"source '{escaped(path)}': this path is not UTF-8", code="bad_source", path=escaped(path)
        )
    remote.check(source)
    if storage.is_dir(source):
        files = _of_folder(source)
    elif storage.is_file(source):
        files = _of_table(source)
    elif listing.is_pattern(source):
        files = _of_pattern(source)
    else:
        raise CallError(f"source '{source}' does not exist", code="missing_source", path=source)
    prefixes = tuple(storage.absolute(path) + "/" for path in outside)
    files.found[:] = [
        replace(file, uri=escaped(file.uri)) for file in files.found if not file.uri.startswith(prefixes)
    ]
    if not files.found:
        lacks = f"none of the {len(files.missing)} files that it names is there"
        what = lacks if files.missing else "it holds no files"
        raise CallError(f"source '{source}': {what}", code="empty_source", path=source)
    return files


def _of_folder(source: str) -> SourceFiles:
    root = storage.absolute(source)
    prefix = root.rstrip("/") + "/"
    return SourceFiles(source, root, list(listing.list_files(source)), lambda uri: uri.startswith(prefix))


def _of_pattern(source: str) -> SourceFiles:
    try:
        found = list(listing.list_matches(source))
    except ValueError as error:
        raise CallError(f"source '{source}': {error}", code="bad_source", path=source) from None
    return SourceFiles(source, listing.pattern_root(source), found, listing.matcher(source))


def _of_table(source: str) -> SourceFiles:
    if not is_uri_table(source):
        raise CallError(
            f"source '{source}' is a file, but no table of uris (.csv, .tsv or .parquet)",
            code="missing_source",
            path=source,
        )
    listed = read_uri_table(source)
    rows, repeated = by_uri(source, listed)
    try:
        stored = dict(zip(rows, listing.stat_files(list(rows)), strict=True))
    except OSError as error:
        message = f"source '{source}': its files cannot be listed: {error}"
        raise CallError(message, code="bad_source", path=source) from None
    return SourceFiles(
        source,
        root=storage.absolute(storage.parent(source)),
        found=[file for file in stored.values() if file is not None],
        covers=rows.__contains__,
        rows=rows,
        missing=[uri for uri, file in stored.items() if file is None],
        repeated=repeated,
    )
