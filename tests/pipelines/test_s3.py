"""Ingests with the source, the table or both on a local S3 server."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from chronav import storage
from chronav.config import build
from chronav.errors import CallError
from pipelines import execute, job, lease, task, vacuum
from pipelines.config import IngestConfig
from pipelines.decode import decode_file
from pipelines.inspect import inspect
from pipelines.job import ingest
from pipelines.options import Options
from pipelines.recovery import Entry
from pipelines.table import open_table, read_meta, read_row_group, row_groups
from trainer import recipes
from trainer.config import PretrainConfig
from trainer.input import decode_heldout
from trainer.tables import select_rows

CONFIG = IngestConfig(fps=8.0, short_side=32, sample_rate=8000, files_per_task=2, files_per_commit=2)
KEYS = [f"{key}={getattr(CONFIG, key)}" for key in ("fps", "short_side", "sample_rate", "files_per_commit")]


@pytest.fixture
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks run in this process, with the true decoders and the S3 server that it knows."""
    monkeypatch.setattr(job, "connected", nullcontext)
    monkeypatch.setattr(job, "log_overview", lambda *_: None)
    monkeypatch.setattr(execute, "connected", nullcontext)
    monkeypatch.setattr(execute, "_cpus", lambda: 1)
    monkeypatch.setattr(execute, "_run", lambda tasks, work, table: map(work, tasks))
    monkeypatch.setattr(task, "decode_guarded", decode_file)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory, tiny: Callable) -> Path:
    """Two good files, one without sound, one of garbage."""
    root = tmp_path_factory.mktemp("source") / "videos"
    tiny(root / "a b.mp4", 2.5)
    tiny(root / "sub" / "b+c%20.avi", 3.0, 880)
    tiny(root / "sub" / "silent.mp4", 2.0, None)
    (root / "bad.mp4").write_bytes(b"\x00\x01" * 3000)
    return root


@pytest.fixture
def remote_videos(videos: Path, bucket: str) -> str:
    for path in videos.rglob("*.*"):
        storage.write_bytes(f"{bucket}/videos/{path.relative_to(videos)}", path.read_bytes())
    return f"{bucket}/videos"


def content(table: str) -> dict[str, tuple[str, ...]]:
    """By clip: hash of its media, hash of its source, label."""
    rows = [row for group in row_groups(open_table(table)) for row in read_row_group(group).to_pylist()]
    found = {}
    for row in rows:
        media = hashlib.sha256(b"".join(row["frames"] or ()) + (row["audio"] or b"")).hexdigest()
        found[row["clip_id"]] = (media, row["source_sha256"], row["label"])
    assert len(found) == len(rows)
    return found


def ledger(table: str) -> dict[str, dict[str, Any]]:
    columns = ("source_uri", "status", "reason", "message", "clips", "size", "source_sha256")
    return {row["source_uri"]: row for row in read_meta(open_table(f"{table}.ledger"), columns).to_pylist()}


def numbers(outcome: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(outcome[name] for name in names)


def chronav(*arguments: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "chronav", *arguments, "--json"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def test_source_and_table_are_remote(
    remote_videos: str, bucket: str, videos: Path, tmp_path: Path, no_cluster: None, s3_server
) -> None:
    table, here = f"{bucket}/tables/clips", str(tmp_path / "clips")
    code, first = chronav("ingest", remote_videos, "--table", table, *KEYS)
    assert (code, numbers(first, "files", "decoded", "ok", "failed", "segments")) == (0, (4, 4, 3, 1, 3))
    ingest(str(videos), here, CONFIG)
    assert content(table) == content(here)
    local = {os.path.relpath(uri, videos): row | {"source_uri": ""} for uri, row in ledger(here).items()}
    assert local == {
        uri.removeprefix(f"{remote_videos}/"): row | {"source_uri": ""} for uri, row in ledger(table).items()
    }
    assert not storage.exists(f"{table}.ledger/_ingest.lease")

    before = len(s3_server.requests())
    second = ingest(remote_videos, table, CONFIG)
    assert numbers(second, "decoded", "unchanged", "table_version") == (0, 4, first["table_version"])
    assert not [
        path for _, path in s3_server.requests()[before:] if "/videos/" in path
    ]  # files were not asked for

    seen = inspect(table)
    assert numbers(seen, "files", "segments", "videos") == (4, 3, 3) and seen["bytes"]["unused"] == 0
    inspect(table, f"{bucket}/page.html")
    assert storage.read_bytes(f"{bucket}/page.html").startswith(b"<!doctype html>")


def test_tables_are_read_for_training(remote_videos: str, bucket: str, no_cluster: None) -> None:
    table = f"{bucket}/clips"
    ingest(remote_videos, table, CONFIG)
    asked = ["video.n_frames=4", "audio.clip_s=0.5", "sampling.speeds=[1]", "heldout_fraction=0.3"]
    config = build(PretrainConfig, overrides=asked, defaults=recipes.get("tiny"))
    data = select_rows([table], config)
    assert numbers(vars(data), "fps", "sample_rate", "short_side") == (8.0, 8000, 32)
    groups = [*data.train, *data.heldout]
    assert sum(len(group.rows) for group in groups) == 3
    samples = [sample for group in groups for _, sample in decode_heldout(group, 0, config, data.sample_rate)]
    assert samples and all(sample is not None for sample in samples)
    with pytest.raises(CallError, match="no clip table"):
        select_rows([f"{bucket}/none"], config)


def test_life_of_a_remote_table(
    remote_videos: str, bucket: str, tmp_path: Path, tiny: Callable, videos: Path, no_cluster: None
) -> None:
    table = f"{bucket}/clips"
    ingest(remote_videos, table, CONFIG)
    time.sleep(1.1)  # S3 tells times in whole seconds
    new = tiny(tmp_path / "new.mp4", 2.0, 330).read_bytes()
    storage.write_bytes(f"{remote_videos}/a b.mp4", new)
    storage.write_bytes(f"{remote_videos}/bad.mp4", (videos / "bad.mp4").read_bytes())  # touched
    storage.remove(f"{remote_videos}/sub/silent.mp4")
    preview = ingest(remote_videos, table, CONFIG, options=Options(dry_run=True))
    assert numbers(preview, "changed", "removed", "to_decode") == (2, 1, 2)
    outcome = ingest(remote_videos, table, CONFIG, options=Options(prune=True, compact=True))
    assert numbers(outcome, "changed", "removed", "pruned", "decoded", "segments") == (1, 1, 1, 1, 2)
    assert outcome["compacted"] == {"files": 2, "into": 1}
    rows = ledger(table)
    assert set(rows) == {f"{remote_videos}/{name}" for name in ("a b.mp4", "bad.mp4", "sub/b+c%20.avi")}
    assert rows[f"{remote_videos}/a b.mp4"]["source_sha256"] == hashlib.sha256(new).hexdigest()
    assert numbers(ingest(remote_videos, table, CONFIG), "decoded", "unchanged") == (0, 3)

    slower = CONFIG.model_copy(update={"fps": 4.0})
    with pytest.raises(CallError, match="another config"):
        ingest(remote_videos, table, slower)
    rebuilt = ingest(remote_videos, table, slower, options=Options(rebuild=True))
    assert numbers(rebuilt, "rebuilt", "segments") == (True, 2)
    assert read_meta(open_table(table), ("fps",))["fps"].to_pylist() == [4.0, 4.0]
    fresh = f"{bucket}/fresh"
    ingest(remote_videos, fresh, slower)
    assert content(table) == content(fresh)


def test_orphans_are_found_and_deleted(remote_videos: str, bucket: str, no_cluster: None) -> None:
    table = f"{bucket}/clips"
    ingest(remote_videos, table, CONFIG)
    orphan = f"{table}/part-{'0' * 32}.parquet"
    storage.write_bytes(orphan, b"half")
    assert vacuum.orphans(table) == []  # too young
    assert inspect(table)["bytes"]["unused"] == 4
    found = vacuum.orphans(table, now=time.time() + 2 * vacuum.SAFE_AGE_S)
    assert [file.uri for file in found] == [orphan]
    vacuum.delete(found)
    assert not storage.exists(orphan)
    assert len(content(table)) == 3


def test_a_killed_ingest_goes_on(
    remote_videos: str, bucket: str, no_cluster: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = f"{bucket}/clips"

    class Killed(BaseException):
        pass

    def kill(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:  # after a commit of the clips, before that of the ledger
        patch.setattr(Entry, "write", kill)
        patch.setattr(storage, "remove", lambda _: None)  # the lease stays, as after a real kill
        with pytest.raises(Killed):
            ingest(remote_videos, table, CONFIG)
    assert ledger(table) == {}
    assert storage.exists(f"{table}.ledger/_ingest.lease")
    monkeypatch.setattr(lease, "_is_dead", lambda _: True)
    outcome = ingest(remote_videos, table, CONFIG)
    assert numbers(outcome, "unchanged", "decoded", "ok", "segments") == (2, 2, 3, 3)
    assert len(content(table)) == 3


def test_a_file_that_vanishes_costs_itself(
    remote_videos: str, bucket: str, no_cluster: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, gone = f"{bucket}/clips", f"{remote_videos}/sub/silent.mp4"
    lists = job.list_source

    def lists_and_loses(*args: Any, **kwargs: Any) -> Any:
        listing = lists(*args, **kwargs)
        storage.remove(gone)
        return listing

    monkeypatch.setattr(job, "list_source", lists_and_loses)
    outcome = ingest(remote_videos, table, CONFIG)
    assert numbers(outcome, "ok", "failed") == (2, 2)
    assert outcome["reasons"] == {"unreachable": 1, "unreadable": 1}
    assert ledger(table)[gone]["message"] == "cannot be fetched: no such file"


def test_globs_tables_of_uris_and_one_side_only(
    remote_videos: str, bucket: str, videos: Path, tmp_path: Path, no_cluster: None
) -> None:
    here = str(tmp_path / "clips")
    assert ingest(f"{remote_videos}/**/*.avi", here, CONFIG)["ok"] == 1
    uris = ["videos/a b.mp4", f"{remote_videos}/sub/silent.mp4", f"{remote_videos}/gone.mp4"]
    lines = ["uri,label", *(f"{uri},x" for uri in uris)]
    storage.write_bytes(f"{bucket}/list.csv", "\r\n".join(lines).encode())
    outcome = ingest(f"{bucket}/list.csv", here, CONFIG)
    assert numbers(outcome, "files", "missing", "new", "ok", "segments") == (2, 1, 2, 3, 3)
    assert sorted(label or "" for *_, label in content(here).values()) == ["", "x", "x"]
    there = f"{bucket}/my clips, ä"
    assert ingest(str(videos), there, CONFIG)["segments"] == 3
    assert numbers(ingest(str(videos), there, CONFIG), "decoded", "unchanged") == (0, 4)
    assert inspect(there)["bytes"]["unused"] == 0
    assert vacuum.orphans(there, now=time.time() + 2 * vacuum.SAFE_AGE_S) == []
    media = [sorted(values[:2] for values in content(table).values()) for table in (here, there)]
    assert media[0] == media[1]


def test_wrong_calls_end_in_a_line(
    remote_videos: str, bucket: str, no_cluster: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gone = f"s3://none-{bucket[-8:]}"
    code, outcome = chronav("ingest", remote_videos, "--table", f"{gone}/clips")
    assert (code, outcome["error"]["code"]) == (2, "missing_bucket")
    calls: list[tuple[Callable, str]] = [
        (lambda: ingest(f"{gone}/videos", str(tmp_path / "t"), CONFIG), "missing_bucket"),
        (lambda: ingest(f"{bucket}/vid", str(tmp_path / "t"), CONFIG), "missing_source"),
        (lambda: inspect(f"{bucket}/none"), "missing_table"),
        (lambda: inspect(f"{gone}/none"), "missing_bucket"),
        (lambda: ingest(remote_videos, f"{bucket}/a%20b", CONFIG), "bad_path"),
    ]
    for call, expected in calls:
        with pytest.raises(CallError) as caught:
            call()
        assert caught.value.code == expected
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    for call in (
        lambda: ingest(remote_videos, str(tmp_path / "t"), CONFIG),
        lambda: inspect(f"{bucket}/clips"),
    ):
        with pytest.raises(CallError) as caught:
            call()
        assert caught.value.code == "unreachable"
    assert not (tmp_path / "t").exists()
