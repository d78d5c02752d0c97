"""Remote stores, on a local S3 server."""

from __future__ import annotations

import hashlib
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction

from chronav import listing, remote, storage
from chronav.errors import CallError


@pytest.fixture
def no_aws(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("variables", "options"),
    [
        ({}, {}),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, {"aws_region": "eu-west-1"}),
        ({"AWS_DEFAULT_REGION": "eu-west-1", "AWS_REGION": "us-west-2"}, {"aws_region": "us-west-2"}),
        ({"AWS_ENDPOINT_URL": "https://h/"}, {"aws_endpoint_url": "https://h", "aws_region": "us-east-1"}),
        (
            {"AWS_ENDPOINT_URL": "https://h", "AWS_ENDPOINT_URL_S3": "http://s:9000", "AWS_REGION": "x"},
            {"aws_endpoint_url": "http://s:9000", "aws_region": "x", "allow_http": "true"},
        ),
    ],
)
def test_delta_is_told_what_the_environment_says(
    variables: dict[str, str], options: dict[str, str], no_aws: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        no_aws.setenv(name, value)
    assert remote.delta_options("s3://b/t") == {"conditional_put": "etag"} | options
    assert (
        remote.delta_options("/tmp/t") == remote.delta_options("s3") == remote.delta_options("gs://b/t") == {}
    )


def test_arrow_is_told_too(no_aws: pytest.MonkeyPatch) -> None:
    no_aws.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    no_aws.setenv("AWS_REGION", "eu-west-1")
    fs, inner = storage.arrow_fs("s3://b/a b%20c")
    assert (fs.region, inner) == ("eu-west-1", "b/a b%20c")
    no_aws.delenv("AWS_ENDPOINT_URL")
    fs, inner = storage.arrow_fs("s3://b/a b%20c?region=eu-west-2")
    assert (fs.region, inner) == ("eu-west-2", "b/a b%20c")


def code_of(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(CallError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return caught.value.code, str(caught.value)


def test_what_cannot_be_used_is_told_in_a_line(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    remote.check(f"{bucket}/nothing/there")  # the bucket is
    remote.check("/no/such/folder")
    gone = f"s3://none-{bucket[-8:]}"
    assert code_of(lambda: remote.check(f"{gone}/x")) == ("missing_bucket", f"there is no bucket '{gone}'")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    code, message = code_of(lambda: remote.check(f"{bucket}/x"))
    assert code == "unreachable" and bucket in message and "http://127.0.0.1:9" in message
    monkeypatch.setenv("AWS_ENDPOINT_URL", "127.0.0.1:9")
    assert code_of(lambda: remote.check(f"{bucket}/x"))[0] == "unreachable"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:10")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", "/nowhere")
    code, message = code_of(lambda: remote.check(f"{bucket}/x"))
    assert code == "no_access" and "credentials" in message


def test_a_missing_package_and_an_unknown_kind_of_url(
    s3_environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    code, message = code_of(lambda: remote.check("gs://b/x"))
    assert (code, "gcsfs is not installed" in message) == ("missing_package", True)
    assert code_of(lambda: storage.exists("nosuch://b/x"))[0] == "bad_path"


def test_a_store_out_of_reach_is_an_os_error(
    s3_environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(ConnectionError):
        storage.read_bytes("s3://b/x")
    with pytest.raises(ConnectionError):
        list(listing.list_files("s3://b/x"))
    with pytest.raises(ConnectionError):
        storage.download("s3://b/x", str(tmp_path / "x"))


def test_files_of_a_bucket(bucket: str, s3_server, tmp_path: Path) -> None:
    root = f"{bucket}/videos"
    names = ("a b.mp4", "sub/b+c.mp4", "sub/ä%20#1.mp4", ".hidden/x.mp4", "sub/.x")
    for name in names:
        storage.write_bytes(f"{root}/{name}", b"12345")
    for marker in (f"{root}/", f"{root}/sub/", f"{root}/empty/"):
        remote.FileSystem(marker).fs.call_s3(
            "put_object", Bucket=bucket[5:], Key=marker.removeprefix(f"{bucket}/"), Body=b""
        )
    listed = list(listing.list_files(root))
    assert [file.uri for file in listed] == [f"{root}/{name}" for name in names[:3]]
    assert {file.size for file in listed} == {5}
    assert list(listing.list_matches(f"{root}/**/*.mp4")) == listed
    assert [file.uri for file in listing.list_matches(f"{root}/*.mp4")] == [f"{root}/a b.mp4"]
    assert listing.stat_files([*(file.uri for file in listed), f"{root}/gone", root]) == [*listed, None, None]
    assert (storage.is_dir(root), storage.is_file(root), storage.is_file(listed[0].uri)) == (
        True,
        False,
        True,
    )
    assert not storage.exists(f"{bucket}/vid")
    for file in listed:
        digest = storage.download(file.uri, str(tmp_path / "copy"))
        assert (tmp_path / "copy").read_bytes() == b"12345"
        assert digest == hashlib.sha256(b"12345").hexdigest()
    assert all(file.mtime == int(file.mtime) for file in listed)
    storage.remove(listed[0].uri)
    storage.remove(listed[0].uri)
    assert list(listing.list_files(root)) == listed[1:]
    storage.remove(root)
    assert not storage.exists(root)


def test_a_listing_asks_for_no_single_file(bucket: str, s3_server) -> None:
    uris = [f"{bucket}/videos/{number:03d}.mp4" for number in range(120)]
    for uri in uris:
        storage.write_bytes(uri, b"1")
    before = len(s3_server.requests())
    assert [file.uri for file in listing.list_files(f"{bucket}/videos")] == uris
    assert len(list(listing.list_matches(f"{bucket}/videos/*.mp4"))) == len(uris)
    assert [file and file.uri for file in listing.stat_files(uris)] == uris
    asked = s3_server.requests()[before:]
    assert 3 <= len(asked) <= 9
    assert not [path for _, path in asked if path.endswith(".mp4")]


def test_a_large_download_is_taken_in_pieces(bucket: str, tmp_path: Path) -> None:
    data = bytes(range(256)) * (40_000)  # 10 MB
    storage.write_bytes(f"{bucket}/x", data)
    assert storage.download(f"{bucket}/x", str(tmp_path / "x")) == hashlib.sha256(data).hexdigest()
    assert (tmp_path / "x").read_bytes() == data
    with pytest.raises(FileNotFoundError):
        storage.download(f"{bucket}/gone", str(tmp_path / "y"))


def test_a_file_is_made_once(bucket: str) -> None:
    made = [storage.create_bytes(f"{bucket}/lease", text) for text in (b"first", b"second")]
    assert (made, storage.read_bytes(f"{bucket}/lease")) == ([True, False], b"first")


def test_arrow_writes_and_reads(bucket: str) -> None:
    fs, inner = storage.arrow_fs(f"{bucket}/t/part.parquet")
    pq.write_table(pa.table({"x": [1, 2]}), inner, filesystem=fs)
    assert pq.read_table(inner, filesystem=fs)["x"].to_pylist() == [1, 2]


def test_of_commits_at_once_one_holds(bucket: str, s3_server) -> None:
    path, options = f"{bucket}/t", remote.delta_options(bucket)
    schema = pa.schema([("x", pa.int64())])
    DeltaTable.create(path, schema, storage_options=options)
    writers, done, barrier = 6, [], threading.Barrier(6)

    def commit(number: int) -> None:
        table = DeltaTable(path, storage_options=options)
        action = AddAction(f"part-{number}", 1, {}, 0, True, '{"numRecords": 1}')
        barrier.wait()
        try:
            once = CommitProperties(max_commit_retries=0)
            table.create_write_transaction([action], "append", schema, commit_properties=once)
            done.append(f"part-{number}")
        except CommitFailedError:
            pass

    threads = [threading.Thread(target=commit, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    table = DeltaTable(path, storage_options=options)
    # Those that came later saw the first one's commit, or were refused by the server; none wrote over it.
    assert sorted(uri.rpartition("/")[2] for uri in table.file_uris()) == sorted(done)
    assert len(done) == table.version() >= 1
    logged = [
        line for line in s3_server.log.read_text().splitlines() if f"{bucket[5:]}/t/_delta_log/0" in line
    ]
    puts = [line for line in logged if line.startswith("PUT ")]
    assert puts and all(line.endswith(" *") for line in puts)
