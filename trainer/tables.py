"""What of the clip tables is trained on, what is held out, and what is kept out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from chronav.errors import CallError
from pipelines.schema import CLIP_SCHEMA
from pipelines.table import open_table, row_groups
from trainer.config import PretrainConfig
from trainer.plan import Plan, Shape
from trainer.reads import TrainGroup
from trainer.scan import Exclusion, Scan, ScannedGroup

_HASH_RANGE = 2**32


@dataclass(frozen=True)
class Source:
    """A clip table at one version."""

    path: str
    version: int
    weight: float | None = (
        None  # its relative share of an epoch's samples; None: its rows count like all others
    )

    def __str__(self) -> str:
        weight = "" if self.weight is None else f"={self.weight!r}"
        return f"{self.path}@{self.version}{weight}"


@dataclass(frozen=True)
class TrainingData:
    """The rows of all tables, sorted into what is trained on and what is held out."""

    sources: tuple[Source, ...]
    train: tuple[TrainGroup, ...]
    heldout: tuple[TrainGroup, ...]  # weights are not for these
    train_videos: pa.Table  # video_id, source_sha256: each video once, sorted
    heldout_videos: int
    excluded_rows: int
    short_rows: int
    fps: float  # 0 where no segment has frames
    short_side: int
    sample_rate: int  # 0 where no segment has sound

    @property
    def weights(self) -> tuple[float, ...] | None:
        """Relative shares of the tables in an epoch; None where they are not mixed by weight."""
        given = tuple(source.weight for source in self.sources if source.weight is not None)
        return given or None

    def plan(self, config: PretrainConfig) -> Plan:
        """The order of samples of a run on this data."""
        shape = Shape(config.lanes, config.batch_size, config.window_row_groups, config.samples_per_row)
        return Plan(self.train, self.weights, config.seed, shape)

    def seen_videos(self) -> dict[str, str | None]:
        """Ids of the videos trained on -> sha256 of their source files, where known."""
        ids, sha256 = self.train_videos.columns
        return dict(zip(ids.to_pylist(), sha256.to_pylist(), strict=True))


def select_rows(
    tables: Sequence[str],
    config: PretrainConfig,
    exclude: Sequence[Exclusion] = (),
    weights: Sequence[float] | None = None,
    versions: Mapping[str, int] | None = None,
) -> TrainingData:
    """Open the tables and sort their rows; raises `CallError` where nothing is left to train on.

    `weights`: one a table, if any; held-out rows are not weighted. `versions`: table -> the version to open, so that
    a resumed run sees what it saw before; else the newest.
    """
    scan = Scan(config, exclude)
    sources = []
    for number, path in enumerate(tables):
        table = open_table(path, (versions or {}).get(path))
        _check_columns(table, path)
        sources.append(Source(path, table.version(), weights[number] if weights else None))
        for group in row_groups(table):
            scan.add(group, number)
    _check(scan, tables)
    held = heldout_units(np.concatenate([part.units for part in scan.groups]), config.heldout_fraction)
    heldout = [np.isin(part.units, held) for part in scan.groups]
    train = [~mask for mask in heldout]
    return TrainingData(
        tuple(sources),
        _chosen(scan.groups, train),
        _chosen(scan.groups, heldout),
        _videos(scan.groups, train),
        _videos(scan.groups, heldout).num_rows,
        scan.excluded,
        scan.short,
        scan.common_fps(),
        scan.short_side,
        scan.sample_rate(),
    )


def heldout_units(hashes: np.ndarray, fraction: float) -> np.ndarray:
    """The hashes of the units held out, so that a growing table keeps its choice; `hashes`: those of all units.

    At least one is held out where there are two or more.
    """
    ranked = np.unique(hashes)
    held = ranked[ranked < fraction * _HASH_RANGE]
    if not len(held) and len(ranked) > 1:
        held = ranked[:1]
    return held if len(held) < len(ranked) else ranked[: len(ranked) // 2]


def _check_columns(table: DeltaTable, path: str) -> None:
    lacking = set(CLIP_SCHEMA.names) - {field.name for field in table.schema().fields}
    if lacking:
        text = f"'{path}' is no clip table: it has no column '{min(lacking)}'"
        raise CallError(text, code="bad_table", path=path)


def _check(scan: Scan, tables: Sequence[str]) -> None:
    unmatched = scan.unmatched()
    if unmatched:
        text = f"{unmatched[0].split}={unmatched[0].value}"
        raise CallError(
            f"--exclude {text} matches no segment of {', '.join(tables)}: a slip, or ingested without --annotations?",
            code="bad_value",
            key="exclude",
        )
    if not scan.groups:
        raise CallError(
            f"nothing to train on in {', '.join(tables)}: {scan.excluded} segments excluded, "
            f"{scan.short} shorter than one clip",
            code="empty_table",
            path=tables[0],
        )


def _chosen(parts: Sequence[ScannedGroup], masks: Sequence[np.ndarray]) -> tuple[TrainGroup, ...]:
    return tuple(
        TrainGroup(part.group, part.rows[mask], part.table)
        for part, mask in zip(parts, masks, strict=True)
        if mask.any()
    )


def _videos(parts: Sequence[ScannedGroup], masks: Sequence[np.ndarray]) -> pa.Table:
    """The videos of the chosen rows, each once, sorted by id."""
    chosen = [(part, pa.array(mask)) for part, mask in zip(parts, masks, strict=True)]
    ids = pa.chunked_array([part.videos.filter(mask) for part, mask in chosen], pa.string())
    sha256 = pa.chunked_array([part.sha256.filter(mask) for part, mask in chosen], pa.string())
    rows = pa.table({"video_id": ids, "source_sha256": sha256})
    first = rows.group_by("video_id", use_threads=False).aggregate([("source_sha256", "first")])
    return first.rename_columns(["video_id", "source_sha256"]).take(pc.sort_indices(first["video_id"]))
