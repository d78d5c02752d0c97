"""By which config a call goes, and what is refused; on made-up media, without Ray."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from chronav.config import build
from chronav.errors import CallError
from pipelines.check import check_table
from pipelines.config import IngestConfig
from pipelines.job import ingest
from pipelines.options import Options
from pipelines.schema import CLIP_SCHEMA
from pipelines.table import config_key, open_table, stored_config

MADE = ("segment_s=4", "silent_db=-50", "require_audio=true", "duplicates=keep")


@pytest.fixture
def table(tmp_path: Path) -> str:
    """An empty table that was made with `MADE`."""
    return made(tmp_path / "t", build(IngestConfig, overrides=MADE).content())


def made(path: Path, content: dict[str, Any]) -> str:
    DeltaTable.create(
        str(path),
        CLIP_SCHEMA,
        configuration={config_key(0): json.dumps(content)},
        raise_if_key_not_exists=False,
    )
    return str(path)


def test_keys_that_are_not_named_are_as_the_table_was_made(table: str) -> None:
    used = check_table(table, build(IngestConfig, overrides=["files_per_task=3", "segment_s=4.0"]))
    expected = build(IngestConfig, overrides=[*MADE, "files_per_task=3"])
    assert used == expected
    assert used.content_hash() == expected.content_hash()
    assert check_table(f"{table}.none", IngestConfig()) == IngestConfig()


@pytest.mark.parametrize(
    ("named", "said"),
    [
        (["segment_s=10"], r"segment_s \(4.0 there, 10.0 asked\); leave segment_s out of the call"),
        (["silent_db=null"], r"silent_db \(-50.0 there, null asked\)"),
        (
            ["duplicates=reject", "require_audio=false"],
            r"duplicates \(keep .*require_audio \(true there, false ",
        ),
    ],
)
def test_only_a_key_that_is_named_otherwise_is_refused(table: str, named: list[str], said: str) -> None:
    config = build(IngestConfig, overrides=named)
    with pytest.raises(CallError, match=f"{said}.*--rebuild replaces its content$") as error:
        check_table(table, config)
    assert error.value.code == "config_changed"
    assert error.value.key == ",".join(sorted(text.partition("=")[0] for text in named))


def test_a_rebuild_goes_by_the_table_too_but_for_what_it_names(table: str) -> None:
    used = check_table(table, build(IngestConfig, overrides=["segment_s=10", "silent_db=null"]), rebuild=True)
    assert (
        used.content() == build(IngestConfig, overrides=["require_audio=true", "duplicates=keep"]).content()
    )


def test_a_key_of_another_version_is_refused(tmp_path: Path) -> None:
    content = IngestConfig().content()
    unknown = made(tmp_path / "later", content | {"colours": 3})
    with pytest.raises(CallError, match=r"colours \(3 there, null asked\), or take another table"):
        check_table(unknown, IngestConfig())
    del content["near_duplicate_bits"]
    with pytest.raises(CallError, match="near_duplicate_bits"):
        check_table(made(tmp_path / "earlier", content), IngestConfig())
    assert check_table(unknown, IngestConfig(), rebuild=True) == IngestConfig()


def test_columns_of_another_version_are_refused(tmp_path: Path) -> None:
    config = IngestConfig()
    schema = CLIP_SCHEMA.remove(CLIP_SCHEMA.get_field_index("motion"))
    DeltaTable.create(
        str(tmp_path / "t"),
        schema,
        configuration={config_key(0): json.dumps(config.content())},
        raise_if_key_not_exists=False,
    )
    with pytest.raises(CallError, match=r"other columns.*--rebuild") as error:
        check_table(str(tmp_path / "t"), config)
    assert error.value.code == "schema_changed"
    check_table(str(tmp_path / "t"), config, rebuild=True)


def test_later_calls_need_not_repeat_the_config(
    tmp_path: Path, fake_media: Callable, no_ray: None, capsys: pytest.CaptureFixture[str]
) -> None:
    table, media = str(tmp_path / "t.delta"), fake_media(tmp_path / "media" / "a").parent
    ingest(str(media), table, build(IngestConfig, overrides=MADE))
    assert "does not name" not in capsys.readouterr().err
    line = f"as '{table}' was made: segment_s=4.0, require_audio=true, silent_db=-50.0, duplicates=keep\n"
    for options in (Options(), Options(dry_run=True), Options(vacuum=True), Options(rebuild=True)):
        fake_media(media / f"{options.vacuum}{options.rebuild}")
        ingest(str(media), table, IngestConfig(), options=options)
        assert capsys.readouterr().err.count(line) == 1
        assert stored_config(open_table(table)) == build(IngestConfig, overrides=MADE).content()
    ingest(str(media), table, IngestConfig(segment_s=10.0), options=Options(rebuild=True))
    assert stored_config(open_table(table)) == build(IngestConfig, overrides=MADE[1:]).content()
