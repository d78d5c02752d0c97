from __future__ import annotations

import os
from pathlib import Path

import pytest

from chronav import listing, storage


@pytest.mark.parametrize(
    ("path", "remote"),
    [("a/b", False), ("/a", False), ("file:///a", False), ("s3://b/k", True), ("gs://b", True)],
)
def test_is_url(path: str, remote: bool) -> None:
    assert storage.is_url(path) is remote


def test_absolute_follows_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert storage.absolute("a/../b") == str(tmp_path / "b")
    assert storage.absolute("file:///x/y") == "/x/y"
    assert storage.absolute("s3://bucket/a/") == "s3://bucket/a"


def test_join_and_parent() -> None:
    assert storage.join("s3://b/a/", "c", "d.txt") == "s3://b/a/c/d.txt"
    assert storage.join("/a", "b") == "/a/b"
    assert storage.parent("s3://b/a/c") == "s3://b/a"
    assert storage.parent("/a/b/") == "/a"


@pytest.mark.parametrize("remote", [False, True])
def test_write_then_read(remote: bool, tmp_path: Path, memory_bucket: str) -> None:
    root = memory_bucket if remote else str(tmp_path)
    path = storage.join(root, "deep", "er", "x.bin")
    assert not storage.exists(path)
    storage.write_bytes(path, b"one")
    storage.write_bytes(path, b"two")
    assert storage.read_bytes(path) == b"two"
    assert storage.exists(path)
    assert storage.is_file(path)
    assert not storage.is_dir(path)
    assert storage.is_dir(storage.join(root, "deep"))
    assert not storage.is_file(storage.join(root, "deep"))


def test_file_urls_are_local(tmp_path: Path) -> None:
    storage.write_bytes(f"file://{tmp_path}/x", b"1")
    assert (tmp_path / "x").read_bytes() == b"1"
    assert [f.uri for f in listing.list_files(f"file://{tmp_path}")] == [str(tmp_path / "x")]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    storage.write_bytes(str(path), b"old")

    def full(self: Path, data: bytes) -> int:
        with open(self, "wb") as file:
            file.write(data[:1])
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="no space"):
        storage.write_bytes(str(path), b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["x"]


def test_arrow_reads_what_was_written(tmp_path: Path) -> None:
    storage.write_bytes(str(tmp_path / "x"), b"abc")
    fs, inner = storage.arrow_fs(str(tmp_path / "x"))
    assert fs.open_input_file(inner).read() == b"abc"
    fs, inner = storage.arrow_fs("s3://bucket/key?region=eu-west-1")
    assert (fs.type_name, inner) == ("s3", "bucket/key")
