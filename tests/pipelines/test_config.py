from __future__ import annotations

import subprocess
import sys

import pytest

from chronav.config import build
from chronav.errors import CallError
from pipelines.config import CONTENT_KEYS, IngestConfig


def test_only_content_keys_change_the_hash() -> None:
    plain = IngestConfig()
    assert build(IngestConfig, overrides=["files_per_commit=3"]).content_hash() == plain.content_hash()
    others = ("8", "64", "8000", "5.0", "1.0", "70", "false", "true", "true", "1", "-60", "0.01", "keep", "4")
    for key, value in zip(CONTENT_KEYS, others, strict=True):
        assert build(IngestConfig, overrides=[f"{key}={value}"]).content_hash() != plain.content_hash(), key


@pytest.mark.parametrize(
    ("override", "key"),
    [("fps=-1", "fps"), ("fps=0", "fps"), ("short_side=8", "short_side"), ("sample_rate=10", "sample_rate"),
     ("jpeg_quality=101", "jpeg_quality"), ("segment_s=0", "segment_s"), ("frames=3", "frames")],
)  # fmt: skip
def test_bad_values_name_the_key(override: str, key: str) -> None:
    with pytest.raises(CallError) as error:
        build(IngestConfig, overrides=[override])
    assert error.value.key == key
    assert key in str(error.value)


def test_a_rest_as_long_as_a_segment_is_refused() -> None:
    with pytest.raises(CallError, match="min_s"):
        build(IngestConfig, overrides=["min_s=10"])


@pytest.mark.parametrize("module", ["pipelines.config", "pipelines.schema", "pipelines.table"])
def test_import_needs_no_decoder_and_no_ray(module: str) -> None:
    code = (
        f"import sys, {module}\n"
        "heavy = {'ray', 'av', 'decord', 'torch', 'mlflow', 'soundfile'} & set(sys.modules)\n"
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
