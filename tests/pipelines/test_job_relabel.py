"""What sources say of unchanged files is brought up to date without decoding; on made-up media, without Ray."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable, write_deltalake

from chronav.errors import JobError
from pipelines import execute, job, relabel, transaction
from pipelines import ledger as ledgers
from pipelines.commit import ClipTable
from pipelines.config import IngestConfig
from pipelines.job import ingest
from pipelines.options import Options
from pipelines.relabel import _batches
from pipelines.schema import ANNOTATION_COLUMNS, LEDGER_SCHEMA
from pipelines.table import data_files, open_table, read_meta, read_row_group, row_groups

CONFIG = IngestConfig(fps=8.0, files_per_task=2, files_per_commit=3)
COLUMNS = "uri,label,group,split"

pytestmark = pytest.mark.usefixtures("no_ray")


@pytest.fixture
def table(tmp_path: Path) -> str:
    return str(tmp_path / "t.delta")


@pytest.fixture
def media(tmp_path: Path, fake_media: Callable) -> Path:
    """Five files: a of two clips, c of none."""
    for name, clips in (("a", 2), ("b", 1), ("c", 0), ("d", 1), ("e", 1)):
        fake_media(tmp_path / "media" / name, clips)
    return tmp_path / "media"


@pytest.fixture
def listed(media: Path) -> Callable[..., str]:
    """A table of uris: all five in the training half of their label, but for those named otherwise."""

    def write(header: str = COLUMNS, **rows: str) -> str:
        said = {name: f"{name.upper()},g,train" for name in "abcde"} | rows
        path = media.parent / "list.csv"
        path.write_text("\n".join([header, *(f"media/{name},{row}" for name, row in said.items())]) + "\n")
        return str(path)

    return write


def run(source: str | Path, table: str, **options: Any) -> dict[str, Any]:
    return ingest(str(source), table, CONFIG, options=Options(**options))


def said(table: str) -> dict[str, tuple]:
    """Label, group and split of every clip."""
    rows = read_meta(open_table(table), ("clip_id", *ANNOTATION_COLUMNS)).to_pylist()
    return {
        row["clip_id"].rpartition("/")[2]: (row["label"], row["group"], dict(row["splits"]).get("folder/1"))
        for row in rows
    }


def rest(table: str) -> dict[str, dict]:
    """All of every clip but its annotations, media included."""
    rows = [row for group in row_groups(open_table(table)) for row in read_row_group(group).to_pylist()]
    return {row["clip_id"]: {k: v for k, v in row.items() if k not in ANNOTATION_COLUMNS} for row in rows}


def noted(table: str, columns: tuple[str, ...] = ()) -> dict[str, tuple]:
    """These columns of every ledger row, all but the hash of the annotations where none are named."""
    names = columns or tuple(name for name in LEDGER_SCHEMA.names if name != "annotations_hash")
    rows = read_meta(open_table(f"{table}.ledger"), ("source_uri", *names)).to_pylist()
    return {Path(row["source_uri"]).name: tuple(row[name] for name in names) for row in rows}


def some(outcome: Mapping[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(outcome[name] for name in names)


def test_changed_labels_splits_and_groups_reach_the_table(
    listed: Callable, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(listed(), table)
    assert some(first, "new", "relabelled", "decoded") == (5, 0, 5)
    clips, rows = rest(table), noted(table)

    def refuse(*_: object) -> None:
        raise AssertionError("a cluster was asked for")

    monkeypatch.setattr(execute, "connected", refuse)
    monkeypatch.setattr(job, "connected", refuse)
    source = listed(a="x,g,train", b="B,g,test", d="D,h,train")
    outcome = run(source, table)
    names = ("files", "unchanged", "relabelled", "changed", "decoded", "segments", "segments_with_sound")
    assert some(outcome, *names) == (5, 5, 3, 0, 0, 5, 4)
    assert said(table) == {
        "a:0": ("x", "g", "train"), "a:1": ("x", "g", "train"), "b:0": ("B", "g", "test"),
        "d:0": ("D", "h", "train"), "e:0": ("E", "g", "train"),
    }  # fmt: skip
    assert rest(table) == clips
    assert noted(table) == rows

    again = run(source, table)
    assert some(again, "relabelled", "table_version") == (0, outcome["table_version"])
    ledger = open_table(f"{table}.ledger").version()
    assert run(source, table)["relabelled"] == 0
    assert open_table(f"{table}.ledger").version() == ledger


def test_a_value_that_is_gone_goes_from_the_table(listed: Callable, table: str) -> None:
    run(listed(), table)
    assert run(listed(e=",,"), table)["relabelled"] == 1
    assert said(table)["e:0"] == (None, None, None)


def test_parts_without_such_files_stay_as_they_are(listed: Callable, table: str) -> None:
    run(listed(), table)
    before = set(data_files(open_table(table)))
    run(listed(e="x,g,test"), table)
    assert len(before & set(data_files(open_table(table)))) == len(before) - 1


def test_a_file_without_clips_has_its_ledger_row_only(listed: Callable, table: str) -> None:
    run(listed(), table)
    before, files = noted(table, ("annotations_hash",)), data_files(open_table(table))
    assert run(listed(c="x,g,test"), table)["relabelled"] == 1
    after = noted(table, ("annotations_hash",))
    assert {name for name in after if after[name] != before[name]} == {"c"}
    assert data_files(open_table(table)) == files
    assert run(listed(c="x,g,test"), table)["relabelled"] == 0


def test_a_dry_run_tells_and_writes_nothing(listed: Callable, table: str, tmp_path: Path) -> None:
    run(listed(), table)
    source = listed(b="B,g,test")
    before = sorted(tmp_path.rglob("*"))
    dry = run(source, table, dry_run=True)
    assert some(dry, "unchanged", "relabelled", "to_decode") == (5, 1, 0)
    assert [(action["action"], action["reason"]) for action in dry["actions"]] == [
        ("relabelled", "annotated otherwise before; dataset folder, label B, group g, folder/1 test now")
    ]
    assert sorted(tmp_path.rglob("*")) == before
    assert said(table)["b:0"] == ("B", "g", "train")


def test_a_touched_file_a_changed_one_and_one_that_is_decoded_again(
    listed: Callable, media: Path, table: str, fake_media: Callable
) -> None:
    run(listed(), table)
    os.utime(media / "a", (1, 1))
    fake_media(media / "b", 2)
    source = listed(**{name: f"{name},g,test" for name in "abcde"})
    outcome = run(source, table, retry=frozenset({"failed"}))
    assert some(outcome, "unchanged", "changed", "retried", "relabelled", "decoded") == (3, 1, 1, 3, 2)
    assert {label for label, _, split in said(table).values() if split == "test"} == set("abde")
    assert some(run(source, table), "unchanged", "relabelled") == (5, 0)


def test_with_prune_and_duplicates(listed: Callable, media: Path, table: str, fake_media: Callable) -> None:
    (media / "f").write_bytes((media / "a").read_bytes())  # a copy: rejected
    run(listed(f="F,g,train"), table)
    (media / "b").unlink()
    outcome = run(listed(a="a,g,train", b="b,g,test", f="f,g,test"), table, prune=True)
    assert some(outcome, "removed", "pruned", "relabelled", "decoded", "rejected") == (1, 1, 2, 0, 1)
    assert said(table)["a:0"] == said(table)["a:1"] == ("a", "g", "train")
    assert "b:0" not in said(table)


def test_a_source_without_annotations_takes_none_away(
    listed: Callable, media: Path, table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(listed(), table)
    before = said(table)
    outcome = run(media, table)
    assert some(outcome, "unchanged", "relabelled") == (5, 0)
    assert said(table) == before
    assert "5 files keep the dataset, label, group and splits" in capsys.readouterr().err
    assert run(media, table, dry_run=True)["relabelled"] == 0


def test_official_lists_that_come_later(tmp_path: Path, table: str, fake_media: Callable) -> None:
    names = ["v_Dot_g01_c01.avi", "v_Dot_g02_c01.avi"]
    for name in names:
        fake_media(tmp_path / "videos" / "Dot" / name)
    lists = tmp_path / "lists"
    lists.mkdir()
    for number in (1, 2, 3):
        (lists / f"trainlist0{number}.txt").write_text(f"Dot/{names[0]} 1\r\n")
        (lists / f"testlist0{number}.txt").write_text(f"Dot/{names[1]}\r\n")
    (lists / "classInd.txt").write_text("1 Dot\r\n")

    def call(annotations: Path | None) -> dict[str, Any]:
        return ingest(str(tmp_path / "videos"), table, CONFIG, "ucf101", annotations and str(annotations))

    call(None)
    assert some(call(lists), "unchanged", "relabelled", "decoded") == (2, 2, 0)
    rows = read_meta(open_table(table), ("video_id", "label", "splits")).to_pylist()
    assert {row["video_id"]: dict(row["splits"])["ucf101/1"] for row in rows} == {
        "v_Dot_g01_c01": "train",
        "v_Dot_g02_c01": "test",
    }
    assert {row["label"] for row in rows} == {"Dot"}


def test_a_ledger_of_an_earlier_version_learns_what_the_table_holds(listed: Callable, table: str) -> None:
    first = run(listed(), table)
    old = LEDGER_SCHEMA.remove(LEDGER_SCHEMA.get_field_index("annotations_hash"))
    rows = read_meta(open_table(f"{table}.ledger"), tuple(old.names))
    ledger = open_table(f"{table}.ledger")
    number = ledger.transaction_version("chronav.ingest")
    write_deltalake(ledger, rows.cast(old), mode="overwrite", schema_mode="overwrite")
    ledger = open_table(f"{table}.ledger")
    assert [field.name for field in ledger.schema().fields] == old.names
    assert ledger.transaction_version("chronav.ingest") == number

    dry = run(listed(b="B,g,test", c="x,g,test"), table, dry_run=True)
    assert [Path(action["uri"]).name for action in dry["actions"]] == ["b"]
    assert open_table(f"{table}.ledger").version() == ledger.version()
    same = run(listed(), table)
    assert some(same, "unchanged", "relabelled", "table_version") == (5, 0, first["table_version"])
    hashes = {name: value for name, (value,) in noted(table, ("annotations_hash",)).items()}
    assert hashes["c"] is None  # of a file without clips nobody knows what was said of it
    assert all(hashes[name] for name in "abde")
    version = open_table(f"{table}.ledger").version()
    assert run(listed(), table)["relabelled"] == 0
    assert open_table(f"{table}.ledger").version() == version
    assert some(run(listed(b="B,g,test"), table), "relabelled", "decoded") == (1, 0)
    assert said(table)["b:0"] == ("B", "g", "test")


def test_a_kill_between_its_two_commits_is_made_good(
    listed: Callable, table: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(listed(), table)
    source = listed(a="A,g,test", e="E,g,test")
    annotate = ledgers.annotate

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ledgers, "annotate", killed)
    with pytest.raises(KeyboardInterrupt):
        run(source, table)
    monkeypatch.setattr(ledgers, "annotate", annotate)
    assert said(table)["a:0"] == said(table)["a:1"] == ("A", "g", "test")
    assert said(table)["e:0"] == ("E", "g", "test")
    version = open_table(table).version()
    assert run(source, table, dry_run=True)["relabelled"] == 0, "as it will be once it is caught up"
    assert some(run(source, table), "relabelled", "table_version") == (0, version)
    assert "made good" in capsys.readouterr().err
    assert not ClipTable(table, CONFIG).catch_up()
    assert run(listed(), table)["relabelled"] == 2, "the ledger has the hashes of that batch"


def test_another_ingest_in_between_is_not_overwritten(
    listed: Callable, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(listed(), table)
    held = relabel.held_by
    calls: list[str] = []

    def late(*args: Any) -> set[str]:
        if not calls:
            calls.append("committed")
            other = DeltaTable(table)
            transaction.commit(other, list, transaction.batch_number(other) + 1)
        return held(*args)

    monkeypatch.setattr(relabel, "held_by", late)
    with pytest.raises(JobError, match="another ingest has written"):
        run(listed(a="x,g,test"), table)
    assert said(table)["a:0"] == ("A", "g", "train")


def test_files_of_one_part_are_committed_together() -> None:
    groups = [["a", "b"], ["c", "d"], ["e"], [], ["f"]]
    assert list(_batches(groups, 3)) == [["a", "b", "c", "d"], ["e", "f"]]
    assert list(_batches([[]], 3)) == []


def test_a_batch_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relabel, "_FILES_A_COMMIT", 2)
    assert list(_batches([list("abcde"), ["f"]], 1)) == [["a", "b"], ["c", "d"], ["e"], ["f"]]


@pytest.mark.parametrize("columns", ["uri,video_id", "uri,note"])
def test_ids_and_notes_alone_say_nothing_of_labels(
    media: Path, listed: Callable, table: str, columns: str
) -> None:
    run(listed(), table)
    before = said(table)
    outcome = run(listed(columns, **{name: f"media/{name}" for name in "abcde"}), table)
    assert outcome["relabelled"] == 0
    assert said(table) == before


def test_files_that_are_decoded_again_keep_what_a_call_without_annotations_does_not_say(
    media: Path, listed: Callable, table: str, fake_media: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    run(listed(), table)
    before = said(table)
    fake_media(media / "b", 1, "changed")
    bare = media.parent / "bare.csv"
    bare.write_text("uri\n" + "".join(f"media/{name}\n" for name in "abcde"))
    outcome = run(bare, table)
    assert (outcome["changed"], outcome["decoded"], outcome["relabelled"]) == (1, 1, 0)
    assert said(table) == before
    assert "annotat" in capsys.readouterr().err
    assert run(listed(), table)["relabelled"] == 0  # the ledger knows it as well
