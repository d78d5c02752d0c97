"""Remote stores: how fsspec, pyarrow and deltalake are told of one, and whether it answers.

All three take what AWS's own tools take from the environment (`AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`,
`AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, …; for `gs://` `GOOGLE_APPLICATION_CREDENTIALS`); where one of them would not,
it is told here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from chronav.errors import CallError

if TYPE_CHECKING:
    import pyarrow.fs

_PACKAGES = {"s3": "s3fs", "gs": "gcsfs"}
_CLIENTS = {"botocore", "aiobotocore", "aiohttp", "gcsfs", "google"}  # what their errors' modules begin with
# One that does not answer is to be told from one that is slow in seconds, not after minutes of retries.
_BRIEFLY = {"connect_timeout": 5, "read_timeout": 10, "retries": {"max_attempts": 1}}


class FileSystem:
    """An fsspec file system for `url` of which every method raises `OSError` where the store is at fault.

    Raises `CallError` when there is none for such URLs.
    """

    def __init__(self, url: str, **options: Any) -> None:
        import fsspec

        if _protocol(url) == "s3":
            region = _region()  # botocore knows AWS_DEFAULT_REGION only
            options |= {"endpoint_url": _endpoint()} if _endpoint() else {}
            options |= {"client_kwargs": {"region_name": region}} if region else {}
        try:
            # Listings are cached in the process by default: what another process or pyarrow wrote would be missed.
            self.fs, self.inner = fsspec.core.url_to_fs(url, use_listings_cache=False, **options)
        except ImportError:
            package = _PACKAGES.get(_protocol(url), "one for it")
            message = f"'{url}': package {package} is not installed"
            raise CallError(message, code="missing_package", path=url) from None
        except ValueError as error:
            raise CallError(f"'{url}': {error}", code="bad_path", path=url) from None

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.fs, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            with plain_errors():
                return method(*args, **kwargs)

        return call


@contextmanager
def plain_errors() -> Iterator[None]:
    """What the stores' clients raise, as `OSError` of the kind that a disk would raise."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in _CLIENTS:
            raise
        kind = PermissionError if "Credential" in type(error).__name__ else ConnectionError
        raise kind(str(error)) from error


def arrow_fs(url: str) -> tuple[pyarrow.fs.FileSystem, str]:
    """The pyarrow file system for `url`, and the path within it."""
    import pyarrow.fs

    endpoint = _endpoint()
    if _protocol(url) != "s3" or endpoint is None:
        # This asks AWS for the bucket's region.
        return pyarrow.fs.FileSystem.from_uri(quote(url, safe="/:?=&"))
    scheme, _, host = endpoint.partition("://")
    region = _region() or "us-east-1"
    fs = pyarrow.fs.S3FileSystem(endpoint_override=host, scheme=scheme, region=region)
    return fs, url.partition("://")[2]


def delta_url(url: str) -> str:
    """`url` as deltalake takes it: to it, unlike the others, a URL is one with `%20` for a space."""
    return quote(url, safe="/:")


def delta_options(url: str) -> dict[str, str]:
    """The storage options with which deltalake opens a table at `url`."""
    if _protocol(url) != "s3":
        return {}
    # A commit is a write that fails where that version is there already: what two writers at a time rely on.
    options = {"conditional_put": "etag"}
    endpoint, region = _endpoint(), _region()
    if endpoint is not None:
        options |= {"aws_endpoint_url": endpoint, "aws_region": region or "us-east-1"}
        options |= {"allow_http": "true"} if endpoint.startswith("http://") else {}
    elif region is not None:
        options["aws_region"] = region
    return options


def check(url: str) -> None:
    """Raise `CallError`, within seconds, where the store or the bucket of `url` cannot be used."""
    if _protocol(url) in _PACKAGES:
        _check(url, "/".join(url.split("/")[:3]), _endpoint())


@lru_cache(maxsize=256)  # one that has answered is not asked again
def _check(url: str, bucket: str, endpoint: str | None) -> None:
    is_s3 = _protocol(url) == "s3"
    store = FileSystem(url, **({"config_kwargs": _BRIEFLY} if is_s3 else {}))
    if is_s3:
        store.fs.retries = 1  # on top of the client's own
    try:
        _look(store, url, bucket)
    except PermissionError as error:
        message = f"no access to '{bucket}': {_line(error)}"
        raise CallError(message, code="no_access", path=url) from None
    except (OSError, ValueError) as error:
        message = f"'{bucket}' cannot be reached: {_line(error)}"
        raise CallError(message, code="unreachable", path=url) from None


def _look(store: FileSystem, url: str, bucket: str) -> None:
    try:
        store.info(store.inner)
    except FileNotFoundError:
        try:
            store.info(bucket.partition("://")[2])
        except FileNotFoundError:
            raise CallError(f"there is no bucket '{bucket}'", code="missing_bucket", path=url) from None
        except PermissionError:
            pass  # some may see only what is below a prefix


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _protocol(url: str) -> str:
    """`s3` of `s3://bucket/x`; nothing for a local path."""
    return url.partition("://")[0] if "://" in url else ""


def _endpoint() -> str | None:
    """A server other than AWS's own."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    return endpoint.rstrip("/") if endpoint else None


def _region() -> str | None:
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
