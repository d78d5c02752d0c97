from __future__ import annotations

from pipelines.ledger import Known, compare
from pipelines.sources.base import SourceItem


def item(uri: str, size: int = 1, mtime: float = 1.0, video_id: str | None = None) -> SourceItem:
    return SourceItem(uri, size, mtime, video_id or uri.rpartition("/")[2], "folder")


def known(video_id: str, size: int = 1, mtime: float = 1.0) -> Known:
    return Known(video_id, size, mtime, "abc")


def test_every_file_is_in_one_class() -> None:
    ledger = {"/s/same": known("same"), "/s/grown": known("grown"), "/s/newer": known("newer")}
    listing = [item("/s/same"), item("/s/grown", size=2), item("/s/newer", mtime=2.0), item("/s/added")]
    plan = compare(listing, ledger, "/s")
    assert [i.uri for i in plan.new] == ["/s/added"]
    assert [i.uri for i in plan.changed] == ["/s/grown", "/s/newer"]
    assert (plan.unchanged, plan.removed, plan.duplicates) == (1, [], [])
    assert [i.uri for i in plan.todo] == ["/s/added", "/s/grown", "/s/newer"]


def test_only_files_of_this_source_count_as_removed() -> None:
    ledger = {"/s/gone": known("a"), "/s2/other": known("b")}
    assert compare([], ledger, "/s/").removed == ["/s/gone"]


def test_an_id_belongs_to_the_first_file_that_has_it() -> None:
    ledger = {"/s/old/x.avi": known("x")}
    listing = [item("/s/a/y.avi", video_id="y"), item("/s/b/y.avi", video_id="y"),
               item("/s/new/x.avi", video_id="x")]  # fmt: skip
    plan = compare(listing, ledger, "/s")
    assert [i.uri for i in plan.new] == ["/s/a/y.avi"]
    assert [(i.uri, of) for i, of in plan.duplicates] == [
        ("/s/b/y.avi", "/s/a/y.avi"),
        ("/s/new/x.avi", "/s/old/x.avi"),
    ]
