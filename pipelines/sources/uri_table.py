"""A CSV, TSV or Parquet file of uris, with anything else that is known of each file in further columns."""

from __future__ import annotations

import io
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.parquet as pq

from chronav import storage
from chronav.errors import CallError
from chronav.progress import say
from pipelines.sources.annotations import annotation_text, csv_rows
from pipelines.sources.base import SourceItem

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_PARQUET = ".parquet"
_OF_THE_CLIP_TABLE = ("video_id", "dataset", "label", "group")


@dataclass(frozen=True, slots=True)
class UriRow:
    """One row: an absolute path or URL, and its other values by column, as text, without the empty ones."""

    uri: str
    values: Mapping[str, str]

    @property
    def annotates(self) -> bool:
        """Whether it says more of the file than its id and what is only noted: a label, a group, a split."""
        names = self.values.keys() - {"video_id", "dataset"}
        return any(
            not _split_key(name, "").startswith("extra/") or name in _OF_THE_CLIP_TABLE for name in names
        )

    def apply(self, item: SourceItem) -> SourceItem:
        """The item with what the row says of it, which goes before what the data set says.

        `video_id`, `dataset`, `label` and `group` are columns of the clip table; all others go into its `splits`:
        `split` as `<dataset>/1`, `split_N` as `<dataset>/N`, `fold` as `<dataset>/fold`, a name with a slash
        (`ucf101/1`) as it is, and any other column, which no split can be meant by, as `extra/<name>`.
        """
        said = self.values
        dataset = said.get("dataset", item.dataset)
        others = {_split_key(name, dataset): said[name] for name in said if name not in _OF_THE_CLIP_TABLE}
        return replace(
            item,
            video_id=said.get("video_id", item.video_id),
            spare_id=None if "video_id" in said else item.spare_id,
            dataset=dataset,
            label=said.get("label", item.label),
            group=said.get("group", item.group),
            splits={**item.splits, **others},
        )


def is_uri_table(path: str) -> bool:
    """Whether a file is such a table, by its name."""
    return path.lower().endswith((*_DELIMITERS, _PARQUET))


def read_uri_table(path: str) -> list[UriRow]:
    """The rows of the table in its own order; a relative uri is one below the table's folder.

    Columns of a Parquet file that are not plain values (lists, structs, bytes that are no text) are left out, which
    is said; where such a column has a meaning of its own (`label`, `split`, ...), the file is refused.
    Raises `CallError` when the file cannot be read, has no column `uri`, or a row has none.
    """
    folder = storage.absolute(storage.parent(path))
    records = _parquet_records(path) if path.lower().endswith(_PARQUET) else _text_records(path)
    rows = []
    for where, record in records:
        uri = record.pop("uri", None)
        if uri is None:
            raise _malformed(path, f"{where} has no uri")
        rows.append(UriRow(_resolve(uri, folder), record))
    return rows


def by_uri(path: str, rows: Iterable[UriRow]) -> tuple[dict[str, UriRow], list[str]]:
    """The rows of the table `path` by uri, and the uris that are named again.

    Raises `CallError` when two rows say different things of one uri.
    """
    found: dict[str, UriRow] = {}
    again = []
    for row in rows:
        first = found.setdefault(row.uri, row)
        if first is row:
            continue
        again.append(row.uri)
        for name in sorted(first.values.keys() | row.values.keys()):
            one, other = (values.get(name, "") for values in (first.values, row.values))
            if one != other:
                raise _malformed(
                    path, f"two of its rows contradict each other: {row.uri} has {name} '{one}' and '{other}'"
                )
    return found, again


def _split_key(name: str, dataset: str) -> str:
    if "/" in name:
        return name
    if name == "fold":
        return f"{dataset}/fold"
    head, _, number = name.partition("_")
    if head == "split" and (number.isdigit() or name == "split"):
        return f"{dataset}/{number or 1}"
    return f"extra/{name}"


def _text_records(path: str) -> Iterator[tuple[str, dict[str, str]]]:
    delimiter = next(mark for ending, mark in _DELIMITERS.items() if path.lower().endswith(ending))
    rows = csv_rows(path, annotation_text(path), delimiter)
    _, header = next(rows, (0, []))
    _check_header(path, header)
    for line, row in rows:
        if len(row) != len(header):
            raise _malformed(path, f"line {line} has {len(row)} values for {len(header)} columns")
        yield f"line {line}", _filled(zip(header, row, strict=True))


def _parquet_records(path: str) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        table = pq.read_table(io.BytesIO(storage.read_bytes(path)))
    except (pa.ArrowException, OSError) as error:
        raise _malformed(path, str(error).splitlines()[0]) from None
    _check_header(path, table.column_names)
    columns = {name: _as_text(table[name]) for name in table.column_names}
    texts = {name: column.to_pylist() for name, column in columns.items() if column is not None}
    for name in ("uri", *_OF_THE_CLIP_TABLE, "split", "fold"):
        if name in columns and name not in texts:
            raise _malformed(path, f"its column {name} is no text")
    dropped = [name for name in columns if name not in texts]
    if dropped:
        say(f"'{path}': columns that are no plain values are left out: {', '.join(dropped)}")
    for number in range(table.num_rows):
        values = ((name, column[number] or "") for name, column in texts.items())
        yield f"row {number + 1}", _filled(values)


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    try:
        return column.cast(pa.string())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return None


def _filled(values: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name: value for name, value in values if value}


def _check_header(path: str, names: list[str]) -> None:
    if "uri" not in names:
        raise _malformed(path, f"it has no column uri (its columns: {', '.join(names) or 'none'})")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise _malformed(path, f"it has two columns {twice[0]}")


def _resolve(uri: str, folder: str) -> str:
    """An absolute path or URL without `.` and `..`."""
    if not storage.is_url(uri) and not uri.startswith(("/", "file://")):
        uri = storage.join(folder, uri)
    if not storage.is_url(uri):
        return storage.absolute(uri)
    protocol, _, path = uri.partition("://")
    return f"{protocol}://{posixpath.normpath(path)}"


def _malformed(path: str, what: str) -> CallError:
    return CallError(f"table of uris '{path}' cannot be used: {what}", code="bad_source", path=path)
