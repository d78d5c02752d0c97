"""Media files that belong to no known data set."""

from __future__ import annotations

import hashlib

from chronav import storage
from chronav.errors import CallError
from chronav.listing import StoredFile
from pipelines.sources.base import Listing, file_name
from pipelines.sources.files import SourceFiles
from pipelines.sources.layout import Match, make_listing


def list_folder(files: SourceFiles, annotations: str | None) -> Listing:
    """Every file of the source; ids are `<root's name>/<path below it>`.

    A file of a table of uris that is not below the table's folder is called after its own folder.
    Spare ids tell folders of the same name apart: `<root's name>~<hash of its path>/<path below it>`.
    Raises `CallError` when annotations are given, for there are none.
    """
    if annotations is not None:
        raise CallError("dataset 'folder' has no annotations", code="bad_value", key="annotations")
    return make_listing(files, "folder", lambda file: _match(file, files.root))


def _match(file: StoredFile, root: str) -> Match:
    below = file.uri.removeprefix(root.rstrip("/") + "/")
    if below == file.uri:
        root, below = storage.parent(file.uri), file_name(file.uri)
    name = file_name(root)
    digest = hashlib.sha1(root.encode(), usedforsecurity=False).hexdigest()
    return Match(f"{name}/{below}", spare_id=f"{name}~{digest[:8]}/{below}")
