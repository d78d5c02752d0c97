from __future__ import annotations

import datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from chronav.errors import CallError
from pipelines import ledger as ledgers
from pipelines.schema import CLIP_SCHEMA, LEDGER_SCHEMA
from pipelines.table import open_table, read_meta, row_groups


def test_a_missing_table_is_a_wrong_call(tmp_path: Path) -> None:
    with pytest.raises(CallError) as error:
        open_table(str(tmp_path / "none"))
    assert error.value.code == "missing_table"


def test_a_file_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# not a table")
    with pytest.raises(CallError, match="there is no clip table") as error:
        open_table(str(tmp_path / "README.md"))
    assert error.value.code == "missing_table"


def test_an_empty_table_keeps_its_types(tmp_path: Path) -> None:
    DeltaTable.create(str(tmp_path / "t"), CLIP_SCHEMA)
    meta = read_meta(open_table(str(tmp_path / "t")))
    assert len(meta) == 0
    assert meta.schema.field("splits").type == pa.map_(pa.string(), pa.string())
    assert row_groups(open_table(str(tmp_path / "t"))) == []


def test_rows_are_replaced_by_file_and_read_with_one_type(tmp_path: Path) -> None:
    path = str(tmp_path / "ledger")
    ledger = DeltaTable.create(path, LEDGER_SCHEMA)
    at = datetime.datetime.now(datetime.UTC)

    def row(uri: str, status: str) -> dict:
        return {"source_uri": uri, "video_id": uri, "size": 1, "mtime": 1.0, "status": status, "clips": 1}

    ledgers.put(ledger, [row("a", "ok"), row("b", "ok")], "1", at, new=True, number=1)
    ledgers.put(ledger, [row("b", "failed"), row("c", "ok")], "2", at, new=False, number=2)
    ledgers.put(ledger, [row("d", "ok")], "3", at, new=True, number=3)
    rows = read_meta(open_table(path), ("source_uri", "status", "batch_id")).to_pylist()
    assert sorted(tuple(row.values()) for row in rows) == [
        ("a", "ok", "1"), ("b", "failed", "2"), ("c", "ok", "2"), ("d", "ok", "3"),
    ]  # fmt: skip
    assert ledgers.totals(open_table(path)) == {"ok": 3, "rejected": 0, "failed": 1, "reasons": {}}
