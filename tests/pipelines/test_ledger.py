from __future__ import annotations

from pipelines.ledger import Known, compare
from pipelines.sources.base import SourceItem

NONE_GONE = frozenset[str]().__contains__


def item(
    uri: str, size: int = 1, mtime: float = 1.0, video_id: str | None = None, spare_id: str | None = None
) -> SourceItem:
    name = video_id or uri.rpartition("/")[2]
    return SourceItem(uri, size, mtime, name, "folder", spare_id=spare_id)


def known(size: int = 1, mtime: float = 1.0) -> Known:
    return Known(size, mtime, "abc")


def test_every_file_is_in_one_class() -> None:
    ledger = {"/s/same": known(), "/s/grown": known(), "/s/newer": known()}
    listing = [item("/s/same"), item("/s/grown", size=2), item("/s/newer", mtime=2.0), item("/s/added")]
    plan = compare(listing, ledger, {"same": "/s/same", "grown": "/s/grown"}, NONE_GONE)
    assert [i.uri for i in plan.new] == ["/s/added"]
    assert [i.uri for i in plan.changed] == ["/s/grown", "/s/newer"]
    assert (plan.unchanged, plan.removed, plan.duplicates, plan.twins) == (1, [], {}, {})
    assert [i.uri for i in plan.todo] == ["/s/added", "/s/grown", "/s/newer"]


def test_only_files_of_this_source_count_as_removed() -> None:
    ledger = {"/s/gone": known(), "/s2/other": known()}
    plan = compare([item("/s/here")], ledger | {"/s/here": known()}, {}, {"/s/gone"}.__contains__)
    assert plan.removed == ["/s/gone"]


def test_an_id_belongs_to_the_first_file_that_has_it() -> None:
    ledger = {"/s/old/x.avi": known()}
    listing = [item("/s/a/y.avi", video_id="y"), item("/s/b/y.avi", video_id="y"),
               item("/s/new/x.avi", video_id="x")]  # fmt: skip
    plan = compare(listing, ledger, {"x": "/s/old/x.avi"}, NONE_GONE)
    assert [i.uri for i in plan.todo] == ["/s/a/y.avi"]
    assert plan.duplicates == {"/s/b/y.avi": "/s/a/y.avi", "/s/new/x.avi": "/s/old/x.avi"}


def test_a_duplicate_that_changes_is_still_one() -> None:
    ledger = {"/a/x.avi": known(), "/b/x.avi": known()}
    plan = compare([item("/b/x.avi", size=2)], ledger, {"x.avi": "/a/x.avi"}, NONE_GONE)
    assert ([i.uri for i in plan.changed], plan.todo) == (["/b/x.avi"], [])
    assert plan.duplicates == {"/b/x.avi": "/a/x.avi"}


def test_a_file_that_has_no_clips_leaves_its_id_to_others() -> None:
    plan = compare([item("/b/x.avi")], {"/a/x.avi": known()}, {}, NONE_GONE)
    assert [i.uri for i in plan.todo] == ["/b/x.avi"]
    repaired = compare([item("/a/x.avi", size=2)], {"/a/x.avi": known()}, {"x.avi": "/b/x.avi"}, NONE_GONE)
    assert repaired.duplicates == {"/a/x.avi": "/b/x.avi"}


def test_a_spare_id_is_taken_on_a_clash_and_kept() -> None:
    ledger = {"/a/v/x": known(), "/b/v/x": known(size=7)}
    one = item("/b/v/x", size=8, video_id="v/x", spare_id="v~b/x")
    clash = compare([one], ledger, {"v/x": "/a/v/x"}, NONE_GONE)
    assert [i.video_id for i in clash.todo] == ["v~b/x"]
    kept = compare([one], ledger, {"v~b/x": "/b/v/x"}, NONE_GONE)  # though the other id is free by now
    assert [i.video_id for i in kept.todo] == ["v~b/x"]
    assert not clash.duplicates | kept.duplicates | clash.twins | kept.twins


def test_a_twin_is_as_large_as_the_file_that_has_its_id() -> None:
    owners = {"v/x": "/v/v/x"}
    new = item("/v/x", video_id="v/x", spare_id="v~/x")
    changed = item("/v/v/x", mtime=2.0, video_id="v/v/x", spare_id="v~/v/x")
    assert compare([new], {"/v/v/x": known()}, owners, NONE_GONE).twins == {"/v/x": "/v/v/x"}
    assert compare([new], {"/v/v/x": known(size=2)}, owners, NONE_GONE).twins == {}
    # What the ledger knows of a file that changes in the same ingest will not be in the table afterwards.
    assert compare([new, changed], {"/v/v/x": known()}, owners, NONE_GONE).twins == {}
