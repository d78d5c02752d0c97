"""Sources: media files and what a data set says about them."""

from __future__ import annotations

from chronav.errors import CallError
from pipelines.sources.base import Listing, SourceItem
from pipelines.sources.esc50 import list_esc50
from pipelines.sources.folder import list_folder
from pipelines.sources.ucf101 import list_ucf101

DATASETS = ("folder", "ucf101", "esc50", "world")

__all__ = ["DATASETS", "Listing", "SourceItem", "list_source"]


def list_source(
    source: str, dataset: str, annotations: str | None = None, outside: tuple[str, ...] = ()
) -> Listing:
    """List the media of a source laid out as `dataset`, leaving out the folders in `outside`.

    Raises `CallError` for an unknown data set, a missing or empty folder, a layout that does not fit.
    """
    if dataset in ("ucf101", "world"):
        return list_ucf101(source, annotations, outside, dataset)
    if dataset == "esc50":
        return list_esc50(source, annotations, outside)
    if dataset != "folder":
        known = ", ".join(DATASETS)
        raise CallError(f"unknown dataset '{dataset}' (known: {known})", code="bad_value", key="dataset")
    if annotations is not None:
        raise CallError("dataset 'folder' has no annotations", code="bad_value", key="annotations")
    return list_folder(source, outside)
