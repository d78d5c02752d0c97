"""What data sets have in common: files are told by their names, and annotations speak of them by an id."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field

from chronav.errors import CallError
from chronav.listing import StoredFile
from pipelines.sources.base import Listing, SourceItem
from pipelines.sources.files import SourceFiles

_SIDES = {"validate": "val", "validation": "val", "eval": "test"}
_NAMES = 5000  # of files that are left out, at most
_FROM_TRAINING = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a data set says of a file, as in the clip table."""

    label: str | None = None
    group: str | None = None
    splits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Match:
    """A file that belongs to a data set: the id that it goes by there, and what is said of it.

    `names`: what the annotations call it, where that is not its id.
    """

    video_id: str
    facts: Facts = Facts()
    names: tuple[str, ...] = ()
    spare_id: str | None = None


def make_listing(
    files: SourceFiles,
    dataset: str,
    match: Callable[[StoredFile], Match | None],
    named: Iterable[str] = (),
    layout: str = "",
) -> Listing:
    """The files that `match` knows; `named` is what the annotations name, `layout` says what files are called.

    A table of uris has the last word on what is said of a file.
    Raises `CallError` when `match` knows no file at all.
    """
    items = []
    named = set(named)
    ignored: dict[str, str] = {}
    there: set[str] = set()
    seen: set[str] = set()
    for file in files.found:
        there.add(file.uri)
        known = match(file)
        if known is not None:
            seen.update(known.names or (known.video_id,))
            items.append(_item(file, dataset, known, files))
        elif len(ignored) < _NAMES:
            ignored[file.uri] = f"not named as {dataset} names its files"
    if not items:
        raise CallError(
            f"'{files.source}' is not laid out as {dataset}: {layout}", code="bad_layout", path=files.source
        )
    return Listing(
        items,
        ignored=len(files.found) - len(items) + len(files.repeated),
        left_out=ignored
        | dict.fromkeys(files.repeated[: _NAMES - len(ignored)], "named again: one row is enough"),
        missing=sorted([*files.missing, *(named - seen)]),
        lacks=lambda uri: uri not in there and files.covers(uri),
        annotated=bool(named) or any(row.annotates for row in files.rows.values()),
    )


def _item(file: StoredFile, dataset: str, known: Match, files: SourceFiles) -> SourceItem:
    item = SourceItem(
        uri=file.uri,
        size=file.size,
        mtime=file.mtime,
        video_id=known.video_id,
        dataset=dataset,
        label=known.facts.label,
        group=known.facts.group,
        splits=known.facts.splits,
        spare_id=known.spare_id,
    )
    row = files.rows.get(file.uri)
    return row.apply(item) if row is not None else item


def side(text: str) -> str:
    """A side of a split under chronav's name for it: `train`, `val` or `test`, else as it is called."""
    name = text.lower()
    return _SIDES.get(name, name)


def enter(listed: MutableMapping[str, Facts], name: str, facts: Facts, split: str) -> None:
    """Enter what a row says of `name`; of two rows for one name, that further from training holds in `split`.

    Lists of several releases may lie in one folder, and a test item of one must not become a training item.
    """
    known = listed.get(name)
    if known is None or _distance(facts, split) > _distance(known, split):
        listed[name] = facts


def _distance(facts: Facts, split: str) -> int:
    value = facts.splits.get(split)
    return _FROM_TRAINING.index(value) if value in _FROM_TRAINING else -1
