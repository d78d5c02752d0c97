"""A folder of media files that belongs to no known data set."""

from __future__ import annotations

import hashlib

from chronav import storage
from chronav.storage import StoredFile
from pipelines.sources.base import Listing, SourceItem, file_name, media_files


def list_folder(source: str, outside: tuple[str, ...] = ()) -> Listing:
    """Every visible file below `source`; ids are `<folder name>/<path below it>`.

    Spare ids tell folders of the same name apart: `<folder name>~<hash of its path>/<path below it>`.
    """
    root = storage.absolute(source)
    name = file_name(root)
    spare_name = f"{name}~{hashlib.sha1(root.encode(), usedforsecurity=False).hexdigest()[:8]}"
    return Listing([_item(file, root, name, spare_name) for file in media_files(source, outside)])


def _item(file: StoredFile, root: str, name: str, spare_name: str) -> SourceItem:
    below = file.uri.removeprefix(root + "/")
    return SourceItem(
        uri=file.uri,
        size=file.size,
        mtime=file.mtime,
        video_id=f"{name}/{below}",
        dataset="folder",
        spare_id=f"{spare_name}/{below}",
    )
