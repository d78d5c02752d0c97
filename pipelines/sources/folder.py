"""A folder of media files that belongs to no known data set."""

from __future__ import annotations

from chronav import storage
from pipelines.sources.base import Listing, SourceItem, file_name, media_files


def list_folder(source: str, outside: tuple[str, ...] = ()) -> Listing:
    """Every visible file below `source`; ids are `<folder name>/<path below it>`."""
    root = storage.absolute(source)
    name = file_name(root)
    return Listing(
        [
            SourceItem(
                uri=file.uri,
                size=file.size,
                mtime=file.mtime,
                video_id=f"{name}/{file.uri.removeprefix(root + '/')}",
                dataset="folder",
            )
            for file in media_files(source, outside)
        ]
    )
