"""Exact and near duplicates through the whole of an ingest, on made-up media: without Ray and without decoders."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines import batches, task
from pipelines.config import IngestConfig
from pipelines.job import ingest
from pipelines.options import Options
from pipelines.result import FileResult
from pipelines.sources.base import SourceItem
from pipelines.table import open_table, read_meta, read_row_group, row_groups

CONFIG = IngestConfig(fps=8.0, files_per_task=2, files_per_commit=3)
LOOKS, ALMOST, OTHER = "10.0:1:2:3:4", "10.1:1:2:3:5", "10.0:ffffff00:ffffff00:ffffff00:ffffff00"

pytestmark = pytest.mark.usefixtures("no_ray")


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    def call(folder: str = "media", config: IngestConfig = CONFIG, **options: Any) -> dict[str, Any]:
        return ingest(str(tmp_path / folder), str(tmp_path / "t"), config, options=Options(**options))

    return call


@pytest.fixture
def ledger(tmp_path: Path) -> Callable[[], dict[str, str]]:
    """Of every file its status, or reason and which file it is a copy of."""

    def read() -> dict[str, str]:
        columns = ("source_uri", "status", "reason", "message")
        rows = read_meta(open_table(str(tmp_path / "t.ledger")), columns).to_pylist()
        assert len({row["source_uri"] for row in rows}) == len(rows)
        return {Path(row["source_uri"]).name: said(row) for row in rows}

    def said(row: dict[str, Any]) -> str:
        of = (row["message"] or "").partition("same content as ")[2]
        return " ".join(filter(None, [row["reason"] or row["status"], Path(of).name]))

    return read


@pytest.fixture
def clips(tmp_path: Path) -> Callable[[], dict[str, str | None]]:
    """Every clip, and which video its own is a near duplicate of; its media are whole."""

    def read() -> dict[str, str | None]:
        rows = [
            row for g in row_groups(open_table(str(tmp_path / "t"))) for row in read_row_group(g).to_pylist()
        ]
        assert len({row["clip_id"] for row in rows}) == len(rows)
        assert all(len(row["frames"]) == row["n_frames"] == 4 for row in rows)
        near = {row["clip_id"]: row["near_duplicate_of"] for row in rows}
        return {clip.partition("/")[2]: of and of.partition("/")[2] for clip, of in sorted(near.items())}

    return read


@pytest.fixture
def before_decoding(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[Path], object]], None]:
    """Has something happen when the file of this name is about to be decoded."""

    def arrange(name: str, happens: Callable[[Path], object]) -> None:
        decode = task.decode_guarded

        def after(item: SourceItem, config: IngestConfig, known_sha256: str | None = None) -> FileResult:
            if Path(item.uri).name == name:
                happens(Path(item.uri))
            return decode(item, config, known_sha256)

        monkeypatch.setattr(task, "decode_guarded", after)

    return arrange


class Killed(Exception):
    pass


def kill(_: Path) -> None:
    raise Killed


def counts(outcome: dict[str, Any]) -> tuple[int, ...]:
    return tuple(
        outcome[key]
        for key in ("new", "changed", "retried", "unchanged", "decoded", "ok", "rejected", "failed")
    )


def test_copies_in_one_batch_in_others_and_in_another_run(
    tmp_path: Path, fake_media: Callable, run: Callable, ledger: Callable, clips: Callable
) -> None:
    for name in "abdfg":
        fake_media(tmp_path / "media" / name, 2, same=name not in "f")
    first = run()
    assert counts(first) == (5, 0, 0, 0, 2, 2, 3, 0)
    assert first["reasons"] == {"duplicate": 3}
    expected = {"a": "ok", "b": "duplicate a", "d": "duplicate a", "f": "ok", "g": "duplicate a"}
    assert ledger() == expected
    assert list(clips()) == ["a:0", "a:1", "f:0", "f:1"]
    assert counts(run()) == (0, 0, 0, 5, 0, 2, 3, 0)

    shutil.copy(tmp_path / "media" / "f", tmp_path / "media" / "c")
    fake_media(tmp_path / "other" / "a", 2, same=True)
    assert counts(run()) == (1, 0, 0, 5, 0, 2, 4, 0)
    assert counts(run("other")) == (1, 0, 0, 0, 0, 2, 5, 0)
    assert ledger()["c"] == "duplicate f"
    os.utime(tmp_path / "media" / "b", (1, 1))  # the copy touched, then the original
    assert counts(run()) == (0, 1, 0, 5, 0, 2, 5, 0)
    os.utime(tmp_path / "media" / "f", (1, 1))
    assert counts(run()) == (0, 0, 0, 6, 0, 2, 5, 0)
    assert list(clips()) == ["a:0", "a:1", "f:0", "f:1"]
    assert counts(run(retry=frozenset({"duplicate"}))) == (0, 0, 4, 2, 0, 2, 5, 0)


def test_a_copy_takes_the_place_of_an_original_that_goes_or_changes(
    tmp_path: Path, fake_media: Callable, run: Callable, ledger: Callable, clips: Callable
) -> None:
    media = tmp_path / "media"
    for name in "abc":
        fake_media(media / name, 2, same=True)
    run()
    (media / "a").unlink()
    assert counts(run()) == (0, 0, 0, 2, 0, 1, 2, 0)  # its clips are still there
    assert counts(run(prune=True)) == (0, 0, 2, 0, 1, 1, 1, 0)
    assert (ledger(), list(clips())) == ({"b": "ok", "c": "duplicate b"}, ["b:0", "b:1"])

    fake_media(media / "b", 1, "changed", same=True)
    assert counts(run()) == (0, 1, 0, 1, 1, 1, 1, 0)
    assert counts(run()) == (0, 0, 1, 1, 1, 2, 0, 0)
    assert counts(run()) == (0, 0, 0, 2, 0, 2, 0, 0)
    assert list(clips()) == ["b:0", "c:0", "c:1"]

    shutil.copy(media / "b", media / "c")  # a file with clips becomes a copy
    assert counts(run()) == (0, 1, 0, 1, 0, 1, 1, 0)
    assert (ledger(), list(clips())) == ({"b": "ok", "c": "duplicate b"}, ["b:0"])


def test_files_that_swap_their_contents_are_both_decoded(
    tmp_path: Path, fake_media: Callable, run: Callable, clips: Callable
) -> None:
    a, b = (fake_media(tmp_path / "media" / name, n) for name, n in (("a", 1), ("b", 2)))
    run()
    texts = a.read_text(), b.read_text()
    b.write_text(texts[0])
    a.write_text(texts[1])
    for path in (a, b):
        os.utime(path, (1, 1))
    assert counts(run()) == (0, 2, 0, 0, 2, 2, 0, 0)
    assert list(clips()) == ["a:0", "a:1", "b:0"]


def test_copies_of_a_file_that_fails_fail_alike(
    tmp_path: Path, fake_media: Callable, run: Callable, ledger: Callable
) -> None:
    for name in "abcd":
        fake_media(tmp_path / "media" / name, 0, same=True)
    assert counts(run()) == (4, 0, 0, 0, 1, 0, 0, 4)
    assert ledger() == {"a": "unreadable", **{name: "unreadable a" for name in "bcd"}}
    assert counts(run()) == (0, 0, 0, 4, 0, 0, 0, 4)
    assert counts(run(retry=frozenset({"failed"}))) == (0, 0, 4, 0, 1, 0, 0, 4)


def test_large_files_of_one_size_are_hashed_only_where_their_ends_are_the_same(
    tmp_path: Path, fake_media: Callable, run: Callable, ledger: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines import hashing

    read: list[tuple[str, bool]] = []

    def noted(_: float, uri: str, size: int, whole: bool) -> str:
        read.append((Path(uri).name, whole))
        return hashing.content_hash(uri, size, whole)

    monkeypatch.setattr(hashing._READER, "call", noted)
    middle = "x" * hashing.SHORT
    for name, text in (
        ("a", f"1{middle}1"),
        ("b", f"2{middle}1"),
        ("c", f"1{middle}1"),
        ("d", f"1{middle}2"),
    ):
        fake_media(tmp_path / "media" / name, 1, text, same=True)
    large = tmp_path / "media" / "a"
    changed = bytearray(large.read_bytes())
    changed[len(changed) // 2] += 1  # where no fingerprint looks
    (tmp_path / "media" / "e").write_bytes(changed)
    assert counts(run()) == (5, 0, 0, 0, 4, 4, 1, 0)
    assert ledger() == {"a": "ok", "b": "ok", "c": "duplicate a", "d": "ok", "e": "ok"}
    assert read == [*((name, False) for name in "abcde"), *((name, True) for name in "ace")]

    read.clear()
    shutil.copy(large, tmp_path / "media" / "f")  # of what is in the table, the hash is known
    assert counts(run()) == (1, 0, 0, 5, 0, 4, 2, 0)
    assert (ledger()["f"], read) == ("duplicate a", [("f", True)])


def test_copies_are_kept_where_that_is_asked_for(
    tmp_path: Path, fake_media: Callable, run: Callable, clips: Callable
) -> None:
    for name in "ab":
        fake_media(tmp_path / "media" / name, same=True)
    keep = CONFIG.model_copy(update={"duplicates": "keep"})
    assert counts(run(config=keep)) == (2, 0, 0, 0, 2, 2, 0, 0)
    assert counts(run(config=keep)) == (0, 0, 0, 2, 0, 2, 0, 0)
    assert list(clips()) == ["a:0", "b:0"]


def test_near_duplicates_are_marked_in_one_batch_and_in_later_runs(
    tmp_path: Path, fake_media: Callable, run: Callable, clips: Callable
) -> None:
    media = tmp_path / "media"
    for name, looks in (("a", LOOKS), ("b", OTHER), ("c", ALMOST)):
        fake_media(media / name, 2, looks)
    assert counts(run()) == (3, 0, 0, 0, 3, 3, 0, 0)
    first = {"a:0": None, "a:1": None, "b:0": None, "b:1": None, "c:0": "a", "c:1": "a"}
    assert clips() == first
    assert len(list((tmp_path / "t").glob("*.parquet"))) == 2, "what was there before the mark is deleted"
    for name, looks in (("d", ALMOST), ("e", "9.0:1:2:3:4")):
        fake_media(media / name, 1, looks)
    run()
    assert clips() == {**first, "d:0": "a", "e:0": None}

    fake_media(media / "a", 1, ALMOST)  # it is no near duplicate of those that are its own
    run()
    expected = {"a:0": None, "b:0": None, "b:1": None, "c:0": "a", "c:1": "a", "d:0": "a", "e:0": None}
    assert clips() == expected

    os.utime(media / "a", (1, 1))  # it is still known
    fake_media(media / "f", 1, ALMOST)
    assert counts(run()) == (1, 0, 0, 5, 1, 6, 0, 0)
    assert clips() == {**expected, "f:0": "a"}


def test_near_duplicates_are_not_looked_for_without_a_threshold(
    tmp_path: Path, fake_media: Callable, run: Callable, clips: Callable
) -> None:
    for name in "ab":
        fake_media(tmp_path / "media" / name, 1, LOOKS)
    run(config=CONFIG.model_copy(update={"near_duplicate_bits": None}))
    assert clips() == {"a:0": None, "b:0": None}


def test_a_video_that_looks_another_way_now_has_no_near_duplicates_any_more(
    tmp_path: Path, fake_media: Callable, run: Callable, clips: Callable
) -> None:
    media = tmp_path / "media"
    fake_media(media / "a", 1, LOOKS)
    run()
    fake_media(media / "a", 1, OTHER)
    fake_media(media / "b", 1, ALMOST)  # as a was
    fake_media(media / "c", 1, OTHER)  # as a is
    assert counts(run()) == (2, 1, 0, 0, 3, 3, 0, 0)
    assert clips() == {"a:0": None, "b:0": None, "c:0": "a"}


def test_a_file_that_changes_after_it_was_compared_has_no_copies(
    tmp_path: Path, fake_media: Callable, run: Callable, ledger: Callable, clips: Callable,
    before_decoding: Callable,
) -> None:  # fmt: skip
    for name in "ab":
        fake_media(tmp_path / "media" / name, 1, same=True)
    before_decoding("a", lambda path: path.write_text("2 changed"))
    assert counts(run()) == (2, 0, 0, 0, 1, 1, 0, 0)
    assert (ledger(), list(clips())) == ({"a": "ok"}, ["a:0", "a:1"])
    assert counts(run()) == (1, 0, 0, 1, 1, 2, 0, 0)  # the next call's
    assert (ledger(), list(clips())) == ({"a": "ok", "b": "ok"}, ["a:0", "a:1", "b:0"])


def test_touched_files_are_noted_now_and_then_and_not_only_at_the_end(
    tmp_path: Path, fake_media: Callable, run: Callable, before_decoding: Callable,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(batches, "_FILES_A_COMMIT", 2)
    for name in "abc":
        fake_media(tmp_path / "media" / name)
    run()
    for name in "abc":
        os.utime(tmp_path / "media" / name, (1, 1))
    before_decoding("c", kill)
    with pytest.raises(Killed):
        run()
    dry = run(dry_run=True)
    assert (dry["unchanged"], [Path(action["uri"]).name for action in dry["actions"]]) == (2, ["c"])


def test_copies_are_noted_now_and_then_and_not_only_at_the_end(
    tmp_path: Path, fake_media: Callable, run: Callable, ledger: Callable, before_decoding: Callable,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(batches, "_FILES_A_COMMIT", 2)
    for name in "abcd":
        fake_media(tmp_path / "media" / name, same=name not in "d")
    before_decoding("d", kill)
    with pytest.raises(Killed):
        run(config=CONFIG.model_copy(update={"files_per_task": 1, "files_per_commit": 1}))
    assert ledger() == {"a": "ok", "b": "duplicate a", "c": "duplicate a"}
