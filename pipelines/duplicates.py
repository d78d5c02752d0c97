"""Exact duplicates: files whose content is that of another file, whatever their names and ids are.

Only files of one size can be equal, so that many need not be read for it. Of those of one size the first and last
bytes are compared, and where these are equal, too, they are hashed before any is decoded; of several with one content
the first is, and the table never holds a content twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from pipelines.ledger import Known
from pipelines.schema import Reason
from pipelines.sources.base import SourceItem


@dataclass(frozen=True)
class Copies:
    """Files that are not decoded, and the uri of the one that is in their place: uri -> uri.

    `of_table`: copies of a file that has clips in the table; `of_listed`: of one that is still to be decoded.
    `sha256`: by uri, the content of both.
    """

    of_table: Mapping[str, str] = field(default_factory=dict)
    of_listed: Mapping[str, str] = field(default_factory=dict)
    sha256: Mapping[str, str] = field(default_factory=dict)

    def __contains__(self, uri: str) -> bool:
        return uri in self.of_table or uri in self.of_listed


def owners_of_size(
    items: Sequence[SourceItem], known: Mapping[str, Known], gone: Collection[str]
) -> dict[str, str]:
    """Content -> uri, of the files that have clips, are as large as one of `items`, and none of them.

    `gone`: files of the ledger whose clips are not in the table.
    """
    sizes, opened = {item.size for item in items}, {item.uri for item in items}
    return {
        row.sha256: uri
        for uri, row in known.items()
        if row.clips and row.sha256 and row.size in sizes and uri not in opened and uri not in gone
    }


def suspects(
    items: Sequence[SourceItem], known: Mapping[str, Known], owners: Mapping[str, str]
) -> list[SourceItem]:
    """The `items` that are as large as another one or as one of the owners."""
    counts = Counter(item.size for item in items)
    sizes = {known[uri].size for uri in owners.values()} | {size for size, n in counts.items() if n > 1}
    return [item for item in items if item.size in sizes]


def alike(items: Sequence[SourceItem], prints: Mapping[str, str]) -> list[SourceItem]:
    """The `items` that have size and fingerprint of another one. `prints`: fingerprints by uri."""
    counts = Counter((item.size, prints[item.uri]) for item in items if item.uri in prints)
    return [item for item in items if item.uri in prints and counts[item.size, prints[item.uri]] > 1]


def find_copies(sha256: Mapping[str, str], known: Mapping[str, Known], owners: Mapping[str, str]) -> Copies:
    """Which of the files with these contents, by uri, are copies.

    A file that has clips of its content keeps them. Else, of several the first by uri is decoded.
    """
    keepers = {uri for uri, digest in sha256.items() if _has_clips_of(known.get(uri), digest)}
    of_table, of_listed = {}, {}
    first: dict[str, str] = {}
    for uri in sorted(sha256, key=lambda uri: (uri not in keepers, uri)):
        digest = sha256[uri]
        owner = first.setdefault(digest, uri)
        if uri in keepers:
            continue
        if digest in owners:
            of_table[uri] = owners[digest]
        elif owner != uri:
            of_listed[uri] = owner
    return Copies(of_table, of_listed, {uri: sha256[uri] for uri in (*of_table, *of_listed)})


def freed(known: Mapping[str, Known], gone: Collection[str]) -> set[str]:
    """The duplicates of a ledger whose originals are no longer what they were copies of.

    No file has clips of their content any more, or, where it was the id that they shared, no file has that.
    `gone`: files whose clips are not in the table, or will be dropped.
    """
    copies = {uri: row for uri, row in known.items() if row.reason == Reason.DUPLICATE}
    if not copies:
        return set()
    others = [row for uri, row in known.items() if uri not in copies and uri not in gone]
    contents, ids = {row.sha256 for row in others if row.clips}, {row.video_id for row in others}
    return {
        uri
        for uri, row in copies.items()
        if (row.sha256 not in contents if row.sha256 else row.video_id not in ids)
    }


def _has_clips_of(row: Known | None, sha256: str) -> bool:
    return row is not None and row.clips > 0 and row.sha256 == sha256
