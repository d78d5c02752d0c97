from __future__ import annotations

import os
from pathlib import Path

import pytest

from chronav import listing, storage


@pytest.mark.parametrize("remote", [False, True])
def test_list_files_is_sorted_and_leaves_hidden_ones_out(
    remote: bool, tmp_path: Path, memory_bucket: str
) -> None:
    root = memory_bucket if remote else str(tmp_path / ".cache" / "videos")  # hidden above the root is fine
    for name in ("b/2.mp4", "a.mp4", "b/10.mp4", ".hidden.mp4", ".git/x.mp4", "b/.x/y.mp4", "ä b.mp4"):
        storage.write_bytes(storage.join(root, name), b"12345")
    files = list(listing.list_files(root))
    names = [f.uri.rpartition(root.rpartition("/")[2] + "/")[2] for f in files]
    assert names == ["a.mp4", "b/10.mp4", "b/2.mp4", "ä b.mp4"]
    assert {f.size for f in files} == {5}
    assert all(storage.read_bytes(f.uri) == b"12345" for f in files)


def test_listed_times_are_those_of_the_files(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"1")
    os.utime(path, (1_000_000_000, 1_234_567_890.25))
    (file,) = listing.list_files(str(tmp_path))
    assert file.mtime == pytest.approx(1_234_567_890.25, abs=1e-3)


def test_linked_folders_are_entered_once_and_real_ones_first(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    for path in (root / "real" / "a.mp4", elsewhere / "deep" / "b.mp4", elsewhere / "c.mp4"):
        storage.write_bytes(str(path), b"123")
    (root / "1 again").symlink_to(root / "real")
    (root / "2 there").symlink_to(elsewhere)
    (root / "3 there again").symlink_to(elsewhere)
    (root / "real" / "up").symlink_to(root)
    (elsewhere / "deep" / "round").symlink_to(elsewhere)
    (root / "linked.mp4").symlink_to(elsewhere / "c.mp4")
    (root / "loop").symlink_to(root / "loop")
    (root / "broken.mp4").symlink_to(root / "none")
    expected = ["2 there/c.mp4", "2 there/deep/b.mp4", "broken.mp4", "linked.mp4", "loop", "real/a.mp4"]
    files = list(listing.list_files(str(root)))
    assert [os.path.relpath(file.uri, root) for file in files] == expected
    assert [file.size for file in files] == [3, 3, 0, 3, 0, 3]
    matches = listing.list_matches(f"{root}/**/*.mp4")
    assert [file.uri for file in matches] == [file.uri for file in files if file.uri.endswith(".mp4")]
    assert [Path(file.uri).name for file in listing.list_matches(f"{root}/*/*.mp4")] == ["c.mp4", "a.mp4"]
    # A file is shown as it is shown by name, or the ledger would take it for another.
    assert listing.stat_files([files[3].uri]) == [files[3]]


def test_pipes_and_sockets_are_left_out_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    storage.write_bytes(str(tmp_path / "a.mp4"), b"1")
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "zero.mp4").symlink_to("/dev/zero")
    for files in (listing.list_files(str(tmp_path)), listing.list_matches(f"{tmp_path}/*.mp4")):
        assert [Path(file.uri).name for file in files] == ["a.mp4"]
        said = " ".join(capsys.readouterr().err.split())
        assert "left out as pipe, socket or device: 2, the first of them" in said
        assert "pipe.mp4" in said
    assert listing.stat_files([str(tmp_path / "pipe.mp4")]) == [None]


def test_listing_nothing(tmp_path: Path) -> None:
    assert list(listing.list_files(str(tmp_path))) == []
    assert list(listing.list_files(str(tmp_path / "none"))) == []


@pytest.mark.parametrize(
    ("path", "pattern", "root"),
    [
        ("/a/b.mp4", False, "/a/b.mp4"),
        ("/a/*/b.mp4", True, "/a"),
        ("/a/b?/c/*", True, "/a"),
        ("/*", True, "/"),
        ("s3://b/k/**/[x].mp4", True, "s3://b/k"),
    ],
)
def test_patterns(path: str, pattern: bool, root: str) -> None:
    assert (listing.is_pattern(path), listing.pattern_root(path)) == (pattern, root)


def test_a_relative_pattern_begins_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    storage.write_bytes("a/x.mp4", b"1")
    assert listing.pattern_root("*/x.mp4") == str(tmp_path)
    assert [file.uri for file in listing.list_matches("*/x.mp4")] == [f"{tmp_path}/a/x.mp4"]
    assert listing.matcher("*/x.mp4")(f"{tmp_path}/a/x.mp4")


@pytest.mark.parametrize("remote", [False, True])
def test_matches_are_sorted_files_without_hidden_ones(
    remote: bool, tmp_path: Path, memory_bucket: str
) -> None:
    root = memory_bucket.replace("://", ":///") if remote else str(tmp_path / ".cache")
    for name in ("b/2.mp4", "a.mp4", "b/10.mp4", ".hidden.mp4", "b/.x/y.mp4", "b/d.mp4/x.txt", "a (1).mp4"):
        storage.write_bytes(storage.join(root, name), b"12345")
    files = list(listing.list_matches(storage.join(root, "**/*.mp4")))
    names = ["a (1).mp4", "a.mp4", "b/10.mp4", "b/2.mp4"]
    assert [file.uri for file in files] == [storage.join(root, name) for name in names]
    assert {file.size for file in files} == {5}
    matches = listing.matcher(storage.join(root, "b/*.mp4"))
    assert [matches(file.uri) for file in files] == [False, False, True, True]
    with pytest.raises(ValueError, match=r"\*\*"):
        list(listing.list_matches(storage.join(root, "a**.mp4")))


@pytest.mark.parametrize("remote", [False, True])
@pytest.mark.parametrize("count", [3, 150])  # of a remote folder, a few are asked for one by one
def test_files_by_name_are_as_their_folder_lists_them(
    count: int, remote: bool, tmp_path: Path, memory_bucket: str
) -> None:
    root = memory_bucket.replace("://", ":///") if remote else str(tmp_path)
    names = [f"{n:03d}.mp4" for n in range(count)]
    for number, name in enumerate(names):
        storage.write_bytes(storage.join(root, name), b"x" * number)
    storage.write_bytes(storage.join(root, "folder", "x"), b"1")
    listed = {file.uri: file for file in listing.list_files(root)}
    wanted = [storage.join(root, name) for name in (*reversed(names), "gone", "000.mp4/x", "folder")]
    found = listing.stat_files(wanted)
    assert found == [*(listed[uri] for uri in wanted[:count]), None, None, None]
    assert listing.stat_files([]) == []


def test_files_of_a_remote_folder_that_is_not_there(memory_bucket: str) -> None:
    assert listing.stat_files([f"{memory_bucket}/{number}" for number in range(150)]) == [None] * 150


def test_local_and_remote_files_by_name_at_once(tmp_path: Path, memory_bucket: str) -> None:
    paths = [f"{memory_bucket}/a", str(tmp_path / "b"), f"{memory_bucket}/gone"]
    for path in paths[:2]:
        storage.write_bytes(path, b"12")
    sizes = [file and file.size for file in listing.stat_files(paths)]
    assert sizes == [2, 2, None]
