from __future__ import annotations

from typing import Any

from pipelines.duplicates import content_twins


def row(uri: str, sha256: str | None, status: str = "ok") -> dict[str, Any]:
    return {"source_uri": uri, "source_sha256": sha256, "status": status}


def test_a_copy_of_what_the_table_has() -> None:
    assert content_twins([row("/b", "x"), row("/c", "y")], {"x": "/a"}) == {"/b": "/a"}


def test_copies_within_a_batch_whatever_its_order() -> None:
    rows = [row("/c", "x"), row("/a", "x"), row("/b", "x"), row("/d", "y")]
    assert content_twins(rows, {}) == content_twins(rows[::-1], {}) == {"/b": "/a", "/c": "/a"}


def test_files_without_clips_have_no_copies() -> None:
    rows = [
        row("/a", "x", "failed"),
        row("/b", "x", "rejected"),
        row("/c", "x"),
        row("/d", None),
        row("/e", None),
    ]
    assert content_twins(rows, {}) == {}


def test_a_file_that_changes_gives_its_content_free() -> None:
    assert content_twins([row("/a", "y"), row("/b", "x")], {"x": "/a"}) == {}
    assert content_twins([row("/a", "x")], {"x": "/a"}) == {}  # decoded again, as after --rebuild
