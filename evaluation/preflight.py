"""What of a call can be found wrong by a look at names and places, before torch, Ray and MLflow are imported."""

from __future__ import annotations

from chronav import listing, storage
from chronav.errors import CallError
from evaluation.config import EvaluateConfig
from evaluation.official import LISTED
from evaluation.protocols import ALL, check_name
from evaluation.who import PLACE
from pipelines.sources import DATASETS
from pipelines.table import table_exists
from trainer.export_place import require_export

KNOWN = (*DATASETS, *(name for name in LISTED if name not in DATASETS))
"""Layouts of media: those of ingest, and parts of a data set that an evaluation tells apart."""


def check_call(
    protocol: str,
    export: str,
    data: str,
    config: EvaluateConfig,
    dataset: str | None = None,
    annotations: str | None = None,
    against: str | None = None,
) -> None:
    """Raise `CallError` for a protocol, export, data, layout, list or file of weights that is not there."""
    if protocol != ALL:
        check_name(protocol)
    for path in (export, *([against] if against else [])):
        require_export(path.replace(PLACE, "1"))
    is_table(data, dataset)
    if annotations is not None and not storage.exists(annotations):
        raise CallError(
            f"there are no annotations at '{annotations}'", code="missing_annotations", path=annotations
        )
    if config.supervised is not None and not storage.is_file(config.supervised):
        raise CallError(
            f"there is no file of weights at '{config.supervised}'", code="missing_weights", key="supervised"
        )


def is_table(data: str, dataset: str | None) -> bool:
    """Whether `data` is a clip table; raises `CallError` where it is neither that nor media of a known layout."""
    if table_exists(data):
        return True
    if not (storage.exists(data) or listing.is_pattern(data)):
        raise CallError(f"there is no clip table or media at '{data}'", code="missing_data", path=data)
    if dataset is None:
        raise CallError(
            f"'{data}' is no clip table; for media name their layout with --dataset (folder: a folder a class)",
            code="missing_dataset",
            key="dataset",
        )
    if dataset not in KNOWN:
        raise CallError(
            f"unknown dataset '{dataset}' (known: {', '.join(KNOWN)})", code="bad_value", key="dataset"
        )
    return False
