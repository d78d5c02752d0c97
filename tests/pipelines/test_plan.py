from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pyarrow as pa

from pipelines.ledger import Known
from pipelines.options import Options
from pipelines.plan import Plan, State, compare, examined, explain, trusted
from pipelines.sources.base import SourceItem


def item(
    uri: str, size: int = 1, mtime: float = 1.0, video_id: str | None = None, spare_id: str | None = None
) -> SourceItem:
    name = video_id or uri.rpartition("/")[2]
    return SourceItem(uri, size, mtime, name, "folder", spare_id=spare_id)


def known(size: int = 1, mtime: float = 1.0) -> Known:
    return Known(size, mtime, "abc")


def compare_below(items: Iterable[SourceItem], state: State, root: str, options: Options = Options()) -> Plan:
    """Of a folder `root` that holds `items`."""
    there = list(items)
    listed = {i.uri for i in there}
    return compare(
        there, state, lambda uri: uri.startswith(root.rstrip("/") + "/") and uri not in listed, options
    )


def test_every_file_is_in_one_class() -> None:
    ledger = {"/s/same": known(), "/s/grown": known(), "/s/newer": known()}
    listing = [item("/s/same"), item("/s/grown", size=2), item("/s/newer", mtime=2.0), item("/s/added")]
    plan = compare_below(listing, State(ledger, {"same": "/s/same", "grown": "/s/grown"}), "/s")
    assert [i.uri for i in plan.new] == ["/s/added"]
    assert [i.uri for i in plan.changed] == ["/s/grown", "/s/newer"]
    assert (plan.unchanged, plan.removed, plan.duplicates, plan.again) == (1, [], {}, set())
    assert [i.uri for i in plan.todo] == ["/s/added", "/s/grown", "/s/newer"]


def test_files_are_opened_in_the_order_of_their_paths_whatever_is_to_be_done_with_them() -> None:
    listing = [item("/s/d"), item("/s/b"), item("/s/c", size=2), item("/s/a", size=2)]
    plan = compare_below(listing, State({"/s/a": known(), "/s/c": known()}), "/s")
    assert [i.uri for i in plan.items] == ["/s/d", "/s/b", "/s/c", "/s/a"]
    assert [i.uri for i in plan.todo] == ["/s/a", "/s/b", "/s/c", "/s/d"]


def test_only_files_of_this_source_count_as_removed() -> None:
    ledger = {"/s/gone": known(), "/s2/other": known()}
    assert compare_below([], State(ledger), "/s/").removed == ["/s/gone"]


def test_an_id_belongs_to_the_first_file_that_has_it() -> None:
    ledger = {"/s/old/x.avi": known()}
    listing = [item("/s/a/y.avi", video_id="y"), item("/s/b/y.avi", video_id="y"),
               item("/s/new/x.avi", video_id="x")]  # fmt: skip
    plan = compare_below(listing, State(ledger, {"x": "/s/old/x.avi"}), "/s")
    assert [i.uri for i in plan.todo] == ["/s/a/y.avi"]
    assert plan.duplicates == {"/s/b/y.avi": "/s/a/y.avi", "/s/new/x.avi": "/s/old/x.avi"}


def test_a_duplicate_that_changes_is_still_one() -> None:
    ledger = {"/a/x.avi": known(), "/b/x.avi": known()}
    plan = compare_below([item("/b/x.avi", size=2)], State(ledger, {"x.avi": "/a/x.avi"}), "/b")
    assert ([i.uri for i in plan.changed], plan.todo) == (["/b/x.avi"], [])
    assert plan.duplicates == {"/b/x.avi": "/a/x.avi"}


def test_a_file_that_has_no_clips_leaves_its_id_to_others() -> None:
    plan = compare_below([item("/b/x.avi")], State({"/a/x.avi": known()}), "/b")
    assert [i.uri for i in plan.todo] == ["/b/x.avi"]
    repaired = compare_below(
        [item("/a/x.avi", size=2)], State({"/a/x.avi": known()}, {"x.avi": "/b/x.avi"}), "/a"
    )
    assert repaired.duplicates == {"/a/x.avi": "/b/x.avi"}


def test_a_spare_id_is_taken_on_a_clash_and_kept() -> None:
    ledger = {"/a/v/x": known(), "/b/v/x": known(size=7)}
    one = item("/b/v/x", size=8, video_id="v/x", spare_id="v~b/x")
    clash = compare_below([one], State(ledger, {"v/x": "/a/v/x"}), "/b/v")
    assert [i.video_id for i in clash.todo] == ["v~b/x"]
    kept = compare_below(
        [one], State(ledger, {"v~b/x": "/b/v/x"}), "/b/v"
    )  # though the other id is free by now
    assert [i.video_id for i in kept.todo] == ["v~b/x"]
    assert not clash.duplicates | kept.duplicates


def copy(sha256: str | None = "abc") -> Known:
    return Known(1, 1.0, sha256, "b", "rejected", "duplicate")


def test_a_duplicate_is_taken_up_once_its_original_has_gone() -> None:
    original = Known(1, 1.0, "abc", "a", clips=2)
    listing = [item("/s/b")]

    def plan(ledger: dict[str, Known], **options: bool) -> Plan:
        return compare_below(listing, trusted(ledger), "/s", Options(**options))

    kept = plan({"/s/a": original, "/s/b": copy()})
    assert (kept.unchanged, kept.removed, kept.todo) == (1, ["/s/a"], [])
    pruned = plan({"/s/a": original, "/s/b": copy()}, prune=True)
    assert ([i.uri for i in pruned.retried], pruned.again, pruned.dropped) == (["/s/b"], {"/s/b"}, {"/s/a"})
    changed = plan({"/s/a": Known(1, 2.0, "new", "a", clips=2), "/s/b": copy()})
    assert ([i.uri for i in changed.retried], changed.unchanged) == (["/s/b"], 0)
    assert [action.reason for action in explain(changed, trusted({"/s/b": copy()}), False)] == [
        "what it is a copy of has gone",
        "not in the source any more; kept without --prune",
    ]


def test_owners_are_those_whose_clips_the_ledger_counts() -> None:
    ledger = {
        "/a": Known(1, 1.0, "x", "a", clips=2),
        "/b": Known(1, 1.0, "y", "b", "failed", "unreadable", 0),
    }
    assert trusted(ledger) == State(ledger, {"a": "/a"})


def test_a_table_that_contradicts_its_ledger_is_examined() -> None:
    ledger = {
        "/whole": Known(1, 1.0, "x", "whole", clips=2),
        "/lost": Known(1, 1.0, "y", "lost", clips=1),
        "/half": Known(1, 1.0, "z", "half", clips=2),
        "/failed": Known(1, 1.0, None, "failed", "failed", "unreadable", 0),
    }
    rows = [("whole", "/whole"), ("whole", "/whole"), ("half", "/half"), ("stray", "/stray")]
    clips = pa.table({"video_id": [row[0] for row in rows], "source_uri": [row[1] for row in rows]})
    state = examined(ledger, clips)
    assert state.lost == {"/lost", "/half"}
    assert state.owners == {"whole": "/whole", "half": "/half", "stray": "/stray"}
    listing = [item(uri) for uri in (*ledger, "/stray")]
    plan = compare_below(listing, state, "/")
    assert [i.uri for i in plan.new] == ["/stray"]
    assert [i.uri for i in plan.changed] == ["/lost", "/half"]
    assert (plan.again, plan.unchanged) == ({"/lost", "/half"}, 2)


def test_clips_without_a_ledger_row_are_removed_too() -> None:
    assert compare_below([], State({}, {"x": "/s/x"}), "/s").removed == ["/s/x"]


def test_an_id_is_free_once_its_file_is_pruned() -> None:
    state = State({"/s/old/x": known()}, {"x": "/s/old/x"})
    moved = [item("/s/new/x")]
    assert compare_below(moved, state, "/s").duplicates == {"/s/new/x": "/s/old/x"}
    plan = compare_below(moved, state, "/s", Options(prune=True))
    assert ([i.uri for i in plan.todo], plan.duplicates) == (["/s/new/x"], {})


def test_files_are_retried_by_status_or_reason() -> None:
    rows = {
        "/failed": Known(1, 1.0, "a", "failed", "failed", "unreadable"),
        "/late": Known(1, 1.0, "a", "late", "failed", "timeout"),
        "/cut": Known(1, 1.0, "a", "cut", "ok", "truncated", 1),
        "/good": Known(1, 1.0, "a", "good", "ok", None, 1),
        "/grown": Known(7, 1.0, "a", "grown", "failed", "timeout"),
    }
    listing = [item(uri) for uri in rows]

    def retried(*what: str) -> list[str]:
        plan = compare_below(listing, trusted(rows), "/", Options(retry=frozenset(what)))
        assert [i.uri for i in plan.changed] == ["/grown"]
        assert plan.again == {i.uri for i in plan.retried}
        assert plan.unchanged == 4 - len(plan.retried)
        return [i.uri for i in plan.retried]

    assert retried() == []
    assert retried("failed") == ["/failed", "/late"]
    assert retried("timeout", "truncated") == ["/late", "/cut"]


def test_files_beyond_the_limit_claim_nothing() -> None:
    listing = [item("/s/a"), item("/s/b"), item("/s/other/b", video_id="b")]
    plan = compare_below(listing, State(), "/s", Options(limit=1))
    assert ([i.uri for i in plan.new], plan.remaining, plan.duplicates) == (["/s/a"], 2, {})


def test_files_of_which_the_source_says_something_else_are_relabelled() -> None:
    before = {name: item(f"/s/{name}").annotations_hash() for name in ("same", "other", "grown", "failed")}
    rows = {f"/s/{name}": replace(known(), annotations_hash=said) for name, said in before.items()}
    state = State(rows | {"/s/unknown": known(), "/s/gone": replace(known(), annotations_hash="x")})
    said = {"label": "hop", "splits": {"s/1": "test"}}
    listing = [
        item("/s/same"),
        *(replace(item(f"/s/{n}"), **said) for n in ("other", "failed", "unknown", "new")),
    ]
    listing.append(replace(item("/s/grown", size=2), **said))
    plan = compare_below(listing, state, "/s")
    assert [i.uri for i in plan.relabelled] == ["/s/other", "/s/failed"]
    assert (plan.unchanged, plan.kept, len(plan.todo)) == (4, 0, 2)
    assert ("/s/other", "relabelled") in [(a.uri, a.action) for a in explain(plan, state, False)]
    silent = compare(listing, state, lambda _: False, annotated=False)
    assert (silent.relabelled, silent.kept, silent.unchanged) == ([], 2, 4)


def test_the_order_of_splits_says_nothing() -> None:
    one, other = {"s/1": "test", "s/2": "train"}, {"s/2": "train", "s/1": "test"}
    hashes = {replace(item("/x"), splits=splits).annotations_hash() for splits in (one, other)}
    assert len(hashes) == 1
    changes = [{"label": "a"}, {"group": "a"}, {"splits": {"a": "b"}}, {"dataset": "a"}, {}]
    assert len({replace(item("/x"), **change).annotations_hash() for change in changes}) == len(changes)
    assert replace(item("/x"), size=2, mtime=7.0).annotations_hash() == item("/x").annotations_hash()


def test_everything_that_is_done_is_explained() -> None:
    rows = {
        "/s/grown": Known(5, 1.0, "a", "grown"),
        "/s/touched": Known(1, 0.0, "a", "touched"),
        "/s/failed": Known(1, 1.0, "a", "failed", "failed", "timeout"),
        "/s/gone": Known(1, 1.0, "a", "gone"),
        "/s/lost": Known(1, 1.0, "a", "lost", clips=1),
    }
    state = State(rows, {"x": "/t/x"}, frozenset({"/s/lost"}))
    listing = [item(f"/s/{name}") for name in ("x", "new", "grown", "touched", "failed", "lost")]
    plan = compare_below(listing, state, "/s", Options(retry=frozenset({"failed"})))
    said = {
        action.uri.removeprefix("/s/"): (action.action, action.reason)
        for action in explain(plan, state, True)
    }
    assert said == {
        "x": ("new", "not in the ledger; not opened: the id x belongs to /t/x"),
        "new": ("new", "not in the ledger"),
        "grown": ("changed", "5 bytes before, 1 now"),
        "touched": ("changed", "modified 1970-01-01T00:00:00.000+00:00 before, 1970-01-01T00:00:01.000+00:00 now"),
        "failed": ("retried", "failed before: timeout"),
        "lost": ("changed", "its clips are not in the table"),
        "gone": ("removed", "not in the source any more; its clips and ledger row are dropped"),
    }  # fmt: skip
