from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from chronav import listing, storage
from chronav.errors import CallError
from pipelines.sources.files import find_files

FILES = ("a/1.mp4", "a/2.avi", "b/c/3.mp4", "4.mp4", ".hidden/5.mp4")


@pytest.fixture(params=["local", "remote"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder with the files; the memory store stands for a remote one."""
    remote = f"memory:///bucket-{uuid.uuid4().hex}/videos"
    folder = remote if request.param == "remote" else str(tmp_path / "videos")
    for name in FILES:
        storage.write_bytes(storage.join(folder, name), name.encode())
    return folder


def names(root: str, source: str) -> list[str]:
    return [file.uri.removeprefix(root + "/") for file in find_files(source).found]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.mp4", ["4.mp4"]),
        ("*/*.mp4", ["a/1.mp4"]),
        ("**/*.mp4", ["4.mp4", "a/1.mp4", "b/c/3.mp4"]),
        ("a/[12].???", ["a/1.mp4", "a/2.avi"]),
        ("**", ["4.mp4", "a/1.mp4", "a/2.avi", "b/c/3.mp4"]),
        ("[!a]/**", ["b/c/3.mp4"]),
    ],
)
def test_globs(pattern: str, expected: list[str], root: str) -> None:
    source = storage.join(root, pattern)
    found = find_files(source)
    assert names(root, source) == expected
    assert found.root == (storage.join(root, "a") if pattern.startswith("a/") else root)
    assert all(found.covers(storage.join(root, name)) for name in expected)


def test_a_glob_covers_what_would_match(root: str) -> None:
    covers = find_files(storage.join(root, "*/*.mp4")).covers
    assert covers(storage.join(root, "gone/9.mp4"))
    assert not covers(storage.join(root, "9.mp4"))
    assert not covers(storage.join(root, "gone/deep/9.mp4"))
    assert not covers(storage.join(root, "gone/9.avi"))


def test_a_folder_and_what_is_outside(root: str) -> None:
    assert names(root, root) == ["4.mp4", "a/1.mp4", "a/2.avi", "b/c/3.mp4"]
    outside = find_files(storage.join(root, "**"), outside=(storage.join(root, "a"),))
    assert [file.uri for file in outside.found] == [
        storage.join(root, name) for name in ("4.mp4", "b/c/3.mp4")
    ]


def test_a_table_of_uris(root: str) -> None:
    table = storage.join(root, "b", "list.csv")
    rows = f"../4.mp4\nc/3.mp4\n{root}/a/1.mp4\nc/gone.mp4\nc/../c/3.mp4\nc\n.././.hidden/5.mp4\n"
    storage.write_bytes(table, b"uri\n" + rows.encode())
    found = find_files(table)
    expected = [storage.join(root, name) for name in ("4.mp4", "b/c/3.mp4", "a/1.mp4", ".hidden/5.mp4")]
    assert [file.uri for file in found.found] == expected
    assert found.root == storage.join(root, "b")
    # The folder `c` is no file; what is named twice counts once.
    assert found.missing == [storage.join(root, "b/c/gone.mp4"), storage.join(root, "b/c")]
    assert found.repeated == [storage.join(root, "b/c/3.mp4")]
    assert found.covers(storage.join(root, "b/c/gone.mp4")) and not found.covers(
        storage.join(root, "a/2.avi")
    )
    # A file is shown as the listing of its folder shows it, or the ledger would take it for another.
    listed = {file.uri: file for file in listing.list_files(root)}
    assert all(file == listed[file.uri] for file in found.found if ".hidden" not in file.uri)


def test_names_with_wildcards_in_them(tmp_path: Path, write: Callable) -> None:
    write(tmp_path / "v[1]" / ".x" / "hidden.mp4")
    write(tmp_path / "v[1]" / "what?.mp4")
    write(tmp_path / "v1" / "x.mp4")
    (found,) = find_files(f"{tmp_path}/v[1]").found
    assert found.uri == f"{tmp_path}/v[1]/what?.mp4"
    table = write(tmp_path / "list[1].csv", "uri\nv1/x.mp4\n")
    (named,) = find_files(str(table)).found
    assert named.uri == f"{tmp_path}/v1/x.mp4"
    (matched,) = find_files(f"{tmp_path}/v[1-9]/*").found
    assert matched.uri == f"{tmp_path}/v1/x.mp4"


@pytest.mark.parametrize(
    ("source", "code", "what"),
    [
        ("none", "missing_source", "does not exist"),
        ("none.csv", "missing_source", "does not exist"),
        ("4.mp4", "missing_source", "no table of uris"),
        ("none/*.mp4", "empty_source", "holds no files"),
        ("a*b/**c", "bad_source", "entire path component"),
        ("gone.tsv", "empty_source", "none of the 2 files"),
        ("empty.csv", "bad_source", "no column uri"),
        ("header.csv", "empty_source", "holds no files"),
    ],
)
def test_bad_sources(source: str, code: str, what: str, root: str) -> None:
    for name, text in {"gone.tsv": "uri\nx\ny\n", "empty.csv": "", "header.csv": "uri\n"}.items():
        storage.write_bytes(storage.join(root, name), text.encode())
    with pytest.raises(CallError, match=what) as error:
        find_files(storage.join(root, source))
    assert (error.value.code, error.value.path) == (code, storage.join(root, source))
