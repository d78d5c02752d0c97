"""Sources: media files and what a data set says about them.

A data set is one small file beside this one, its import here, and one line in `LAYOUTS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from chronav.config import did_you_mean
from chronav.errors import CallError
from pipelines.sources.audioset import list_audioset
from pipelines.sources.base import Listing, SourceItem
from pipelines.sources.esc50 import list_esc50
from pipelines.sources.files import SourceFiles, find_files
from pipelines.sources.folder import list_folder
from pipelines.sources.hmdb51 import list_hmdb51
from pipelines.sources.kinetics import list_kinetics
from pipelines.sources.ucf101 import list_ucf101, list_world
from pipelines.sources.vggsound import list_vggsound

LAYOUTS: Mapping[str, Callable[[SourceFiles, str | None], Listing]] = {
    "folder": list_folder,
    "ucf101": list_ucf101,
    "hmdb51": list_hmdb51,
    "kinetics": list_kinetics,
    "vggsound": list_vggsound,
    "esc50": list_esc50,
    "audioset": list_audioset,
    "world": list_world,
}
"""By name: what lists the files of a data set, with its annotations (a file, a folder or None) where it has some."""

DATASETS = tuple(LAYOUTS)

__all__ = ["DATASETS", "LAYOUTS", "Listing", "SourceItem", "list_source"]


def list_source(
    source: str, dataset: str, annotations: str | None = None, outside: tuple[str, ...] = ()
) -> Listing:
    """List the media of a source laid out as `dataset`, leaving out the folders in `outside`.

    `source`: a folder, a glob (`videos/**/*.mp4`), or a CSV, TSV or Parquet file with a column `uri`; each may be
    local or a URL.
    Raises `CallError` for an unknown data set, a missing or empty source, a layout that does not fit.
    """
    if dataset not in LAYOUTS:
        known = ", ".join(DATASETS)
        meant = did_you_mean(dataset, DATASETS)
        raise CallError(
            f"unknown dataset '{dataset}'{meant} (known: {known})", code="bad_value", key="dataset"
        )
    return LAYOUTS[dataset](find_files(source, outside), annotations)
