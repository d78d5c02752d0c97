from __future__ import annotations

from pipelines.duplicates import alike, find_copies, freed, owners_of_size, suspects
from pipelines.ledger import Known
from pipelines.sources.base import SourceItem

FAILED = Known(5, 1.0, "x", "f", "failed", "unreadable", 0)


def ok(sha256: str = "x", size: int = 5, clips: int = 1) -> Known:
    return Known(size, 1.0, sha256, "v", clips=clips)


def copy_of(sha256: str | None, video_id: str = "v") -> Known:
    return Known(5, 1.0, sha256, video_id, "rejected", "duplicate", 0)


def item(uri: str, size: int = 5) -> SourceItem:
    return SourceItem(uri, size, 1.0, uri, "folder")


def test_only_files_of_one_size_are_read() -> None:
    items = [item("/a", 1), item("/b", 2), item("/c", 2), item("/d", 3), item("/e", 4)]
    known = {"/old": ok("x", 3), "/other": ok("y", 9), "/e": ok("z", 4)}
    owners = owners_of_size(items, known, set())
    assert owners == {"x": "/old"}
    assert [i.uri for i in suspects(items, known, owners)] == ["/b", "/c", "/d"]


def test_of_one_size_those_with_the_same_ends_are_hashed() -> None:
    items = [item("/a"), item("/b"), item("/c"), item("/d", 6), item("/unreadable")]
    assert [i.uri for i in alike(items, {"/a": "x", "/b": "y", "/c": "x", "/d": "x"})] == ["/a", "/c"]


def test_what_has_no_clips_in_the_table_owns_nothing() -> None:
    known = {"/failed": FAILED, "/gone": ok("y"), "/opened": ok("z"), "/copy": copy_of("w")}
    assert owners_of_size([item("/opened"), item("/new")], known, {"/gone"}) == {}


def test_copies_of_the_table_and_of_one_another() -> None:
    copies = find_copies({"/c": "x", "/b": "y", "/a": "y", "/d": "z"}, {}, {"x": "/old"})
    assert (copies.of_table, copies.of_listed) == ({"/c": "/old"}, {"/b": "/a"})
    assert copies.sha256 == {"/c": "x", "/b": "y"}
    assert [uri for uri in ("/a", "/b", "/c", "/d") if uri in copies] == ["/b", "/c"]


def test_whatever_their_order_the_first_is_decoded() -> None:
    contents = {"/c": "x", "/a": "x", "/b": "x"}
    expected = {"/b": "/a", "/c": "/a"}
    assert find_copies(contents, {}, {}).of_listed == expected
    assert find_copies(dict(reversed(contents.items())), {}, {}).of_listed == expected


def test_a_file_that_has_clips_of_its_content_keeps_them() -> None:
    known = {"/b": ok("x"), "/c": ok("x"), "/d": copy_of("x"), "/e": ok("old")}
    copies = find_copies(dict.fromkeys(("/a", "/b", "/c", "/d", "/e"), "x"), known, {})
    assert copies.of_listed == {"/a": "/b", "/d": "/b", "/e": "/b"}


def test_duplicates_are_free_when_nothing_has_their_content_or_id() -> None:
    known = {"/a": ok("x"), "/b": copy_of("x"), "/c": copy_of("y"), "/d": copy_of(None, "v"), "/e": FAILED}
    assert freed(known, set()) == {"/c"}
    assert freed(known, {"/a"}) == {"/b", "/c", "/d"}
    assert freed({"/b": copy_of("x"), "/f": FAILED}, set()) == {
        "/b"
    }  # the other failed: no clips of that content
    assert freed({"/d": copy_of(None, "f"), "/f": FAILED}, set()) == set()  # but it still has the id
    assert freed({"/a": ok(), "/f": FAILED}, set()) == set()
