"""`chronav embed`, and the same in Python."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest

from chronav import load_export
from chronav.errors import CallError
from evaluation import fill
from evaluation.config import EmbedConfig
from evaluation.embed import embed

DOCS = Path(__file__).parents[2] / "docs" / "evaluation.md"


def test_clips_and_videos_of_a_table(
    ray_local: None, colour_table: str, tiny_export: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = EmbedConfig(clips=3, crops=3, cache=str(tmp_path / "cache"))
    outcome = embed(tiny_export, colour_table, str(tmp_path / "clips.parquet"), config)
    assert {key: outcome[key] for key in ("rows", "dim", "videos", "clips_embedded")} == {
        "rows": 21 * 3 * 3,
        "dim": 64,
        "videos": 21,
        "clips_embedded": 21 * 3 * 3,
    }
    rows = pq.read_table(outcome["path"])
    names = ["video_id", "label", "group", "clip", "crop", "start_s", "features"]
    assert rows.column_names == names
    mine = rows.filter(np.array(rows["video_id"].to_pylist()) == "v_red_g02")
    assert mine["clip"].to_pylist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert mine["crop"].to_pylist() == [0, 1, 2] * 3
    # 48 frames in two segments of 24, clips of 8: the middle one is moved into the segment of its centre
    assert mine["start_s"].to_pylist()[::3] == [0.0, 1.5, 2.5]
    assert set(mine["label"].to_pylist()) == {"red"}
    monkeypatch.setattr(fill, "embed_videos", lambda *_: pytest.fail("nothing is to be embedded"))
    whole = config.model_copy(update={"level": "video"})
    outcome = embed(tiny_export, colour_table, str(tmp_path / "videos.parquet"), whole)
    assert (outcome["rows"], outcome["clips_embedded"]) == (21, 0)
    videos = pq.read_table(outcome["path"])
    assert videos.column_names == ["video_id", "label", "group", "features"]
    place = videos["video_id"].to_pylist().index("v_red_g02")
    expected = np.mean(mine["features"].to_pylist(), axis=0)
    assert videos["features"][place].as_py() == pytest.approx(expected, abs=1e-5)


def test_what_cannot_be_embedded_is_refused(
    colour_table: str, tiny_export: str, tmp_path: Path, kit: SimpleNamespace
) -> None:
    def refused(code: str, export: str, source: str, out: Path, config: EmbedConfig = EmbedConfig()) -> None:
        with pytest.raises(CallError) as caught:
            embed(export, source, str(out), config)
        assert caught.value.code == code

    refused("missing_export", str(tmp_path / "none"), colour_table, tmp_path / "f.parquet")
    refused("missing_source", tiny_export, str(tmp_path / "none"), tmp_path / "f.parquet")
    refused("bad_value", tiny_export, colour_table, tmp_path / "f.csv")
    refused("bad_value", tiny_export, colour_table, tmp_path)
    slow = kit.make_export(tmp_path / "slow", fps=8.0)
    refused("unfit_table", slow, colour_table, tmp_path / "f.parquet")
    deaf = kit.make_export(tmp_path / "deaf", sample_rate=0)
    refused("unfit_export", deaf, colour_table, tmp_path / "f.parquet", EmbedConfig(modality="audio"))
    silent = kit.write_table(tmp_path / "silent", [kit.clip_row("a", n_frames=24, frames=[b"x"] * 24)])
    refused("nothing_to_embed", tiny_export, silent, tmp_path / "f.parquet", EmbedConfig(modality="audio"))


def test_five_lines_of_python_do_what_the_docs_say(tiny_export: str) -> None:
    (lines,) = re.findall(r"<!-- five lines -->\n```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert sum(bool(line.strip()) for line in lines.splitlines()) == 5
    names: dict = {}
    exec(lines.replace("runs/first/export", tiny_export), names)
    config = load_export(tiny_export).config
    assert names["clips"].shape[1] == config.n_frames
    assert names["features"].video.shape == (2, 64)
    assert names["features"].audio.shape[0] == 2
