"""What `chronav ingest` does with its options, on made-up media: without Ray and without decoders."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from chronav.errors import CallError, JobError
from pipelines import compact, execute, job, lease
from pipelines import ledger as ledgers
from pipelines.config import IngestConfig
from pipelines.job import ingest
from pipelines.options import Options
from pipelines.table import open_table, read_meta, read_row_group, row_groups, stored_config

CONFIG = IngestConfig(fps=8.0, files_per_task=2, files_per_commit=3)

pytestmark = pytest.mark.usefixtures("no_ray")


@pytest.fixture
def source(tmp_path: Path, fake_media: Callable) -> Path:
    """Five files: a of two clips, c of none."""
    for name, clips in (("a", 2), ("b", 1), ("c", 0), ("d", 1), ("e", 1)):
        fake_media(tmp_path / "media" / name, clips)
    return tmp_path / "media"


@pytest.fixture
def table(tmp_path: Path) -> str:
    """In a folder and of a name as people have them, which Delta's own paths write another way."""
    return str(tmp_path / "my tables" / "Übung (1) & {2}.delta")


def clips(table: str, version: int | None = None) -> dict[str, list[bytes]]:
    """Every clip's frames; no clip is there twice."""
    rows = [
        row
        for group in row_groups(open_table(table, version))
        for row in read_row_group(group, ["clip_id", "frames"]).to_pylist()
    ]
    assert len({row["clip_id"] for row in rows}) == len(rows)
    return {row["clip_id"].partition("/")[2]: row["frames"] for row in rows}


def ledger(table: str) -> dict[str, str]:
    rows = read_meta(open_table(f"{table}.ledger"), ("source_uri", "status")).to_pylist()
    assert len({row["source_uri"] for row in rows}) == len(rows)
    return {Path(row["source_uri"]).name: row["status"] for row in rows}


def run(source: Path, table: str, config: IngestConfig = CONFIG, **options: Any) -> dict[str, Any]:
    return ingest(str(source), table, config, options=Options(**options))


def some(outcome: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(outcome[name] for name in names)


def test_nothing_to_do_needs_no_cluster(source: Path, table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(source, table)
    assert some(first, "new", "decoded", "ok", "failed", "segments", "segments_with_sound") == (
        5,
        5,
        4,
        1,
        5,
        4,
    )
    assert first["media_seconds"] == 50.0

    def refuse(*_: object) -> None:
        raise AssertionError("a cluster was asked for")

    monkeypatch.setattr(execute, "connected", refuse)
    monkeypatch.setattr(job, "connected", refuse)
    again = run(source, table)
    assert some(again, "unchanged", "decoded", "table_version") == (5, 0, first["table_version"])


def test_removed_files_are_reported_and_with_prune_dropped(source: Path, table: str) -> None:
    run(source, table)
    for name in "ac":
        (source / name).unlink()
    kept = run(source, table)
    assert some(kept, "removed", "pruned", "segments") == (2, 0, 5)
    pruned = run(source, table, prune=True)
    assert some(pruned, "removed", "pruned", "segments", "decoded", "failed") == (2, 2, 3, 0, 0)
    assert sorted(clips(table)) == ["b:0", "d:0", "e:0"]
    assert sorted(ledger(table)) == ["b", "d", "e"]
    assert some(run(source, table, prune=True), "removed", "table_version") == (0, pruned["table_version"])


def test_a_moved_file_with_prune_keeps_its_id(tmp_path: Path, table: str, fake_media: Callable) -> None:
    videos = tmp_path / "videos"
    old = fake_media(videos / "Dot" / "v_Dot_g01_c01.avi")

    def call() -> dict[str, Any]:
        return ingest(str(videos), table, CONFIG, "ucf101", options=Options(prune=True))

    call()
    (videos / "Line").mkdir()
    old.rename(videos / "Line" / "v_Dot_g01_c01.avi")
    moved = call()
    assert some(moved, "new", "removed", "decoded", "ok", "reasons") == (1, 1, 1, 1, {})


def test_retry_decodes_again_what_it_names(source: Path, table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines import task

    run(source, table)
    assert some(run(source, table, retry=frozenset({"rejected"})), "retried", "decoded") == (0, 0)
    for what in ("failed", "unreadable"):
        outcome = run(source, table, retry=frozenset({what}))
        assert some(outcome, "retried", "unchanged", "decoded", "failed") == (1, 4, 1, 1)

    decode = task.decode_guarded
    monkeypatch.setattr(task, "decode_guarded", lambda item, *rest: decode(as_if_good(item), *rest))
    outcome = run(source, table, retry=frozenset({"failed"}))
    assert some(outcome, "decoded", "ok", "failed", "segments") == (1, 5, 0, 6)


def as_if_good(item: Any) -> Any:
    Path(item.uri).write_text("1 repaired")
    return item


def test_retry_of_what_is_no_status_is_a_wrong_call() -> None:
    with pytest.raises(CallError, match=r"--retry bogus.*unreadable") as error:
        Options(retry=frozenset({"bogus"}))
    assert error.value.key == "--retry"


def test_limit_takes_new_files_in_order_until_none_is_left(
    source: Path, table: str, fake_media: Callable
) -> None:
    first = run(source, table, limit=2)
    assert some(first, "files", "new", "remaining", "decoded") == (5, 2, 3, 2)
    assert sorted(ledger(table)) == ["a", "b"]
    fake_media(source / "a", 1)
    second = run(source, table, limit=2)  # what has changed is no new file
    assert some(second, "new", "changed", "unchanged", "remaining", "decoded") == (2, 1, 1, 1, 3)
    assert some(run(source, table, limit=2), "new", "remaining") == (1, 0)
    assert sorted(clips(table)) == ["a:0", "b:0", "d:0", "e:0"]


def test_a_dry_run_says_all_and_writes_nothing(
    source: Path, table: str, tmp_path: Path, fake_media: Callable
) -> None:
    before = sorted(tmp_path.rglob("*"))
    dry = run(source, table, dry_run=True)
    assert some(dry, "files", "new", "to_decode", "decoded", "segments", "table_version") == (
        5,
        5,
        5,
        0,
        0,
        None,
    )
    assert sorted(tmp_path.rglob("*")) == before

    run(source, table)
    fake_media(source / "a", 1, "new")
    was = datetime.fromtimestamp((source / "b").stat().st_mtime, UTC).isoformat(timespec="milliseconds")
    os.utime(source / "b", (1, 1))
    (source / "d").unlink()
    fake_media(source / "f")
    before = sorted(tmp_path.rglob("*"))
    options: dict[str, Any] = {"retry": frozenset({"failed"}), "compact": True, "vacuum": True}
    dry = run(source, table, dry_run=True, **options)
    assert sorted(tmp_path.rglob("*")) == before
    assert {Path(a["uri"]).name: (a["action"], a["reason"]) for a in dry["actions"]} == {
        "a": ("changed", "4 bytes before, 7 now"),
        "b": ("changed", f"modified {was} before, 1970-01-01T00:00:01.000+00:00 now"),
        "c": ("retried", "failed before: unreadable"),
        "d": ("removed", "not in the source any more; kept without --prune"),
        "f": ("new", "not in the ledger"),
    }
    assert dry["to_compact"] == 2
    assert dry["to_vacuum"] == {"files": 0, "bytes": 0}
    assert json.loads(json.dumps(dry)) == dry
    done = run(source, table, **options)
    names = ("files", "new", "retried", "remaining", "removed")
    assert some(done, *names) == some(dry, *names)
    assert done["decoded"] == 3  # what had only been touched was hashed, not decoded
    assert done["changed"] + 1 == dry["changed"]


def test_files_that_are_left_out_are_named(
    tmp_path: Path, table: str, fake_media: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: dict[str, str] = {}
    monkeypatch.setattr(type(job.Run.start("ingest", "x")), "text", texts.__setitem__, raising=False)
    media = fake_media(tmp_path / "media" / "v_Dot_g01_c01.avi").parent
    (media / "notes.txt").write_text("1")
    why = "not named as ucf101 names its files"
    dry = ingest(str(media), table, CONFIG, "ucf101", options=Options(dry_run=True))
    assert dry["actions"][1:] == [{"uri": f"{media}/notes.txt", "action": "ignored", "reason": why}]
    outcome = ingest(str(media), table, CONFIG, "ucf101")
    assert some(outcome, "files", "ignored") == (1, 1)
    assert texts == {"ignored.txt": f"{media}/notes.txt: {why}\n"}


def test_another_config_needs_a_rebuild_that_replaces_all(
    source: Path, table: str, tmp_path: Path, fake_media: Callable
) -> None:
    run(source, table)
    ingest(str(fake_media(tmp_path / "more" / "x").parent), table, CONFIG)
    old = clips(table)
    other = CONFIG.model_copy(update={"fps": 4.0})
    with pytest.raises(CallError, match=r"fps \(8.0 there, 4.0 asked\).*--rebuild"):
        run(source, table, other)
    dry = run(source, table, other, rebuild=True, dry_run=True)
    assert some(dry, "new", "to_decode", "removed", "segments") == (5, 5, 1, 6)

    # While it is made, in as many calls as it takes, the old content is what there is to read.
    part = run(source, table, other, rebuild=True, limit=3)
    assert some(part, "new", "remaining", "rebuilt", "segments") == (3, 2, False, 6)
    assert clips(table) == old
    assert stored_config(open_table(table))["fps"] == 8.0  # type: ignore[index]
    version = open_table(table).version()
    (source / "a").unlink()
    rebuilt = run(source, table, other, rebuild=True)
    assert some(rebuilt, "new", "unchanged", "decoded", "removed", "rebuilt", "segments") == (
        2,
        2,
        2,
        2,
        True,
        3,
    )
    assert sorted(clips(table)) == ["b:0", "d:0", "e:0"]
    assert sorted(ledger(table)) == ["b", "c", "d", "e"]
    assert all(frame[-2:-1] == b"4" for frames in clips(table).values() for frame in frames)  # its fps
    assert clips(table, version) == old
    assert stored_config(open_table(table))["fps"] == 4.0  # type: ignore[index]

    again = run(source, table, other)
    assert some(again, "unchanged", "decoded") == (4, 0)
    with pytest.raises(CallError, match="fps"):
        run(source, table)
    fake_media(source / "b", 2)
    assert run(source, table, other)["segments"] == 4
    third = run(source, table, rebuild=True)  # and back
    assert some(third, "new", "decoded", "rebuilt", "segments") == (4, 4, True, 4)


def test_compaction_keeps_every_row(source: Path, table: str) -> None:
    run(source, table)
    before, old = clips(table), len(open_table(table).file_uris())
    outcome = run(source, table, compact=True)
    assert outcome["compacted"] == {"files": old, "into": 1}
    assert clips(table) == before
    assert len(open_table(table).file_uris()) == 1
    version = outcome["table_version"]
    assert run(source, table, compact=True)["table_version"] == version  # nothing is left to merge
    (source / "b").unlink()
    run(source, table, prune=True)
    assert clips(table) == {clip: frames for clip, frames in before.items() if clip != "b:0"}


def test_a_large_job_ends_with_large_files(source: Path, table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    small = run(source, f"{table}.small")
    assert small["compacted"] == {"files": 0, "into": 0}
    monkeypatch.setattr(compact, "SMALL_BYTES", 10_000)  # one of the two parts is smaller, both are not
    assert run(source, table)["compacted"] == {"files": 2, "into": 1}
    assert clips(table) == clips(f"{table}.small")


def test_a_ledger_or_table_that_was_deleted_is_made_good(source: Path, table: str, tmp_path: Path) -> None:
    run(source, table)
    before = clips(table)
    shutil.rmtree(f"{table}.ledger")
    outcome = run(source, table)
    assert some(outcome, "new", "decoded", "segments") == (3, 3, 5)  # the log still has the last batch
    assert clips(table) == before
    assert run(source, table)["decoded"] == 0

    shutil.rmtree(table)
    outcome = run(source, table)
    assert some(outcome, "changed", "unchanged", "decoded", "segments") == (4, 1, 4, 5)
    assert clips(table) == before
    assert run(source, table)["decoded"] == 0


def test_a_second_ingest_waits_for_the_first(
    source: Path, table: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = lease.Lease(table)
    other.__enter__()
    second = threading.Thread(target=lambda: run(source, table))
    second.start()
    second.join(1.0)
    assert second.is_alive()
    assert not Path(table).exists()
    other.__exit__(None, None, None)
    second.join()
    assert len(clips(table)) == 5
    assert "waiting for the ingest" in capsys.readouterr().err


def test_of_two_ingests_that_both_write_the_second_fails_clearly(
    source: Path, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease of the first was taken for dead: the log itself keeps the two apart."""
    tasks = execute._run
    inner: list[dict[str, Any]] = []

    def slow(*args: Any) -> Any:
        for answer in tasks(*args):
            yield answer
            if not inner:
                Path(f"{table}.ledger", "_ingest.lease").unlink()
                inner.append({})
                inner[0] = run(source, table)

    monkeypatch.setattr(execute, "_run", slow)
    with pytest.raises(JobError, match="another ingest") as error:
        run(source, table)
    assert error.value.code == "concurrent_ingest"
    assert inner[0]["segments"] == 5
    assert len(clips(table)) == 5
    assert len(ledger(table)) == 5
    assert run(source, table)["decoded"] == 0


def test_a_store_that_fails_ends_the_job_with_one_line(
    source: Path, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ledgers, "write_deltalake", full)
    with pytest.raises(JobError, match="stopped: No space left on device") as error:
        run(source, table)
    assert (error.value.code, error.value.path) == ("storage", table)


@pytest.mark.parametrize(("method", "there"), [("params", False), ("metrics", True), ("finish", True)])
def test_an_mlflow_store_that_fails_costs_the_run_and_not_the_table(
    method: str, there: bool, source: Path, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.exceptions import MlflowException

    working = job.Run.start("ingest", "x")
    broken = type("Broken", (type(working),), {method: fail(MlflowException("no\nanswer"))})()
    monkeypatch.setattr(job.Run, "start", lambda *_: broken)
    said = "brought up to date" if there else "nothing was ingested"
    with pytest.raises(JobError, match=f"{said}.* cannot be used: no answer$") as error:
        ingest(str(source), table, CONFIG)
    assert error.value.code == "tracking"
    assert Path(table).exists() == there
    monkeypatch.setattr(job.Run, "start", lambda *_: working)
    outcome = ingest(str(source), table, CONFIG)
    assert (outcome["new"], outcome["unchanged"], outcome["ok"]) == ((0, 5, 4) if there else (5, 0, 4))


def fail(error: Exception) -> Callable[..., None]:
    def method(*_: object, **__: object) -> None:
        raise error

    return method


def test_nothing_is_written_where_the_mlflow_server_is_gone(
    source: Path, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(JobError, match="nothing was ingested: the MLflow store at http"):
        ingest(str(source), table, CONFIG)
    assert not Path(table).exists()


def test_a_run_says_how_the_ingest_was_called(
    source: Path, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: dict[str, Any] = {}
    run = job.Run.start("ingest", "x")
    noted = type("Noted", (type(run),), {"params": lambda _, values: logged.update(values)})()
    monkeypatch.setattr(job.Run, "start", lambda *_: noted)
    lists = source.parent / "lists"
    lists.mkdir()
    for part in ("train", "test"):
        (lists / f"{part}list01.txt").touch()
    shutil.copy(source / "a", source / "v_Dot_g01_c01.avi")
    options = Options(prune=True, retry=frozenset({"silent", "failed"}), limit=2, vacuum=True)
    ingest(str(source), table, CONFIG, "ucf101", str(lists), options)
    assert logged == {
        **CONFIG.model_dump(), "source": str(source), "dataset": "ucf101", "annotations": str(lists),
        "prune": True, "retry": "failed,silent", "limit": 2, "vacuum": True,
    }  # fmt: skip


@pytest.mark.parametrize("odd", list("%#?[]^|\\"))
def test_a_path_that_delta_takes_apart_is_refused_before_anything_is_made(
    source: Path, tmp_path: Path, odd: str
) -> None:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(CallError, match="cannot be at a path with") as error:
        run(source, str(tmp_path / f"50{odd}41"))
    assert error.value.code == "bad_path"
    assert sorted(tmp_path.rglob("*")) == before
