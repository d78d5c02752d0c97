"""docs/pipelines.md and the code say the same, and what it shows can be run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pytest
from pydantic import Field
from typer.main import get_command

from chronav import cli
from chronav.config import Config
from pipelines import reference, sources
from pipelines.config import IngestConfig
from pipelines.schema import CLIP_SCHEMA, LEDGER_SCHEMA, Reason, Status
from pipelines.sources import DATASETS, list_source

PAGE_FILE = Path(__file__).parents[2] / "docs" / "pipelines.md"
PAGE = PAGE_FILE.read_text(encoding="utf-8")


def rows_after(mark: str) -> list[list[str]]:
    """The cells of the table that follows a mark, without its head."""
    lines = PAGE[PAGE.index(mark) :].splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("|"))
    table = []
    for line in lines[first + 2 :]:
        if not line.startswith("|"):
            break
        table.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return table


def names(rows: list[list[str]]) -> list[str]:
    return [row[0].strip("`") for row in rows]


@pytest.mark.parametrize(
    ("mark", "schema"), [("<!-- clips -->", CLIP_SCHEMA), ("<!-- ledger -->", LEDGER_SCHEMA)]
)
def test_every_column_is_described_with_its_type(mark: str, schema: pa.Schema) -> None:
    rows = rows_after(mark)
    assert names(rows) == schema.names
    assert [row[1] for row in rows] == [str(field.type).replace("item: ", "") for field in schema]
    assert all(row[2] for row in rows)


def test_every_reason_and_status_is_described() -> None:
    rows = rows_after("<!-- reasons -->")
    assert names(rows) == [reason.value for reason in Reason]
    assert all(row[1] for row in rows)
    assert all(f"`{status.value}`" in PAGE for status in Status)


def test_every_data_set_is_described() -> None:
    assert names(rows_after("`--dataset` says")) == list(DATASETS)


def test_every_option_of_ingest_is_described() -> None:
    command = get_command(cli.app).commands["ingest"]  # type: ignore[attr-defined]
    options = {name for option in command.params for name in option.opts if name.startswith("--")}
    described = " ".join(names(rows_after("| option of `ingest`")))
    assert {name for name in options if name not in described} == set()


def test_the_config_table_is_as_the_code_has_it() -> None:
    assert reference.filled(PAGE) == PAGE, "run: python -m pipelines.reference docs/pipelines.md"
    rows = rows_after("<!-- config -->")
    assert names(rows) == list(IngestConfig.model_fields)
    by_name = {row[0]: row[1:] for row in rows}
    assert by_name["`fps`"] == ["16.0", "> 0, ≤ 240", "yes", "frames per second that are stored"]
    assert by_name["`files_per_task`"][2] == ""


def test_kinds_of_config_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    class Example(Config):
        some: bool = Field(False, description="a | b")
        mode: Literal["x", "y"] = Field("x", description="m")
        level: float | None = Field(None, description="n")

    monkeypatch.setattr(reference, "IngestConfig", Example)
    assert reference.config_table().splitlines()[2:] == [
        r"| `some` | false | true, false |  | a \| b |",
        "| `mode` | x | `x`, `y` |  | m |",
        "| `level` | none | number or none |  | n |",
    ]


def test_the_page_is_brought_up_to_date(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- config -->\nold\n<!-- /config -->\nafter\n", encoding="utf-8")
    reference.main(str(page))
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n<!-- config -->\n| key |")
    assert text.endswith("<!-- /config -->\nafter\n")
    assert "old" not in text


def test_the_example_of_a_source_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = PAGE.partition("<!-- source -->\n```python\n")[2].partition("```")[0]
    made: dict[str, Any] = {}
    exec(compile(example, "birds.py", "exec"), made)
    monkeypatch.setitem(sources.LAYOUTS, "birds", made["list_birds"])  # type: ignore[arg-type]
    (tmp_path / "deep").mkdir()
    for name in ("deep/a.wav", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "birds.csv").write_text(
        "file,species,site,side\r\na.wav,Wren,s1,test\r\nb.wav,Owl,s2,train\r\n"
    )
    listing = list_source(str(tmp_path), "birds")
    [item] = listing.items
    assert (item.video_id, item.label, item.group, dict(item.splits)) == (
        "a",
        "Wren",
        "s1",
        {"birds/1": "test"},
    )
    assert (listing.missing, listing.ignored) == (["b"], 2)
