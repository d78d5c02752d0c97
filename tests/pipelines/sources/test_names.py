from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from chronav.errors import CallError
from pipelines.config import IngestConfig
from pipelines.job import ingest
from pipelines.sources.files import find_files
from pipelines.sources.names import escaped, real_path
from pipelines.table import open_table, read_meta

CONFIG = IngestConfig(fps=8.0, short_side=32, sample_rate=8000)
LATIN = b"caf\xe9 \xff"


@pytest.mark.parametrize("name", [b"plain.mp4", "caf\u00e9.mp4".encode(), LATIN, b"\xf0\x9f\x8e", b"a\\x41"])
def test_a_name_is_written_out_and_found_again(name: bytes, tmp_path: Path) -> None:
    path = os.path.join(os.fsencode(tmp_path), name)
    with open(path, "w") as file:
        file.write("x")
    uri = escaped(os.fsdecode(path))
    uri.encode("utf-8")
    assert os.fsencode(real_path(uri)) == path


def test_a_file_that_really_has_such_a_name_is_meant(tmp_path: Path) -> None:
    (tmp_path / "a\\xe9").write_text("x")
    assert real_path(str(tmp_path / "a\\xe9")) == str(tmp_path / "a\\xe9")
    assert real_path("s3://bucket/a\\xe9") == "s3://bucket/a\\xe9"


def test_files_with_names_that_are_no_text_are_ingested(
    tmp_path: Path, tiny: Callable, ray_local: None
) -> None:
    media, table = tmp_path / "media", str(tmp_path / "t")
    good = tiny(media / "plain.mp4", 1.0)
    odd = os.path.join(os.fsencode(media), LATIN)
    os.mkdir(odd)
    for name, tone in ((b"one\xe4.mp4", 550), (b"same\xe4.mp4", None)):
        path = good if tone is None else tiny(tmp_path / "other.mp4", 1.0, tone)
        with open(os.path.join(odd, name), "wb") as file:
            file.write(path.read_bytes())
    outcome = ingest(str(media), table, CONFIG)
    assert (outcome["ok"], outcome["reasons"], outcome["decoded"]) == (2, {"duplicate": 1}, 2)
    ids = read_meta(open_table(table), ("video_id",))["video_id"].to_pylist()
    assert sorted(ids) == ["media/caf\\xe9 \\xff/one\\xe4.mp4", "media/caf\\xe9 \\xff/same\\xe4.mp4"]
    again = ingest(str(media), table, CONFIG)
    assert (again["decoded"], again["unchanged"]) == (0, 3)


def test_a_source_that_is_no_text_is_a_wrong_call(tmp_path: Path) -> None:
    root = os.path.join(os.fsencode(tmp_path), LATIN)
    os.mkdir(root)
    with pytest.raises(CallError, match="is not UTF-8") as refused:
        find_files(os.fsdecode(root))
    str(refused.value).encode("utf-8")
