"""What of the clip tables is trained on, what is held out, and what is kept out."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import soundfile

from chronav.errors import CallError
from pipelines.table import RowGroup, open_table, read_row_group, row_groups
from trainer.config import PretrainConfig
from trainer.plan import TrainGroup

_COLUMNS = [
    "video_id",
    "group",
    "splits",
    "fps",
    "height",
    "width",
    "n_frames",
    "audio_valid_start_s",
    "audio_valid_end_s",
    "source_sha256",
]
_HASH_RANGE = 2**32


@dataclass(frozen=True)
class Exclusion:
    """`ucf101/1=test`: rows whose official split `ucf101/1` is `test` are not used at all."""

    split: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Exclusion:
        """From the command line; raises `CallError`."""
        split, sign, value = text.partition("=")
        if not (sign and split and value):
            raise CallError(f"--exclude wants SPLIT=NAME, got '{text}'", code="bad_value", key="exclude")
        return cls(split, value)


@dataclass(frozen=True)
class Source:
    """A clip table at one version."""

    path: str
    version: int


@dataclass(frozen=True)
class TrainingData:
    """The rows of all tables, sorted into what is trained on and what is held out."""

    sources: tuple[Source, ...]
    train: tuple[TrainGroup, ...]
    heldout: tuple[TrainGroup, ...]
    train_videos: dict[str, str | None]  # id -> sha256 of the source file
    heldout_videos: int
    excluded_rows: int
    short_rows: int
    fps: float  # 0 where no segment has frames
    short_side: int
    sample_rate: int  # 0 where no segment has sound

    def epoch_samples(self, config: PretrainConfig) -> int:
        """Samples of one epoch."""
        return sum(len(group.rows) for group in self.train) * config.samples_per_row


@dataclass(frozen=True)
class _Row:
    group: RowGroup
    index: int
    video_id: str
    sha256: str | None
    unit: str  # what is held out together
    fps: float
    short_side: int
    sound: bool


def select_rows(
    tables: Sequence[str], config: PretrainConfig, exclude: Sequence[Exclusion] = ()
) -> TrainingData:
    """Open the tables and sort their rows; raises `CallError` where nothing is left to train on."""
    sources, kept = [], []
    matched = dict.fromkeys(exclude, 0)
    excluded = short = 0
    for path in tables:
        table = open_table(path)
        sources.append(Source(path, table.version()))
        for group in row_groups(table):
            for index, row in enumerate(read_row_group(group, _COLUMNS).to_pylist()):
                splits = dict(row["splits"] or ())
                hits = [e for e in exclude if splits.get(e.split) == e.value]
                matched |= {e: matched[e] + 1 for e in hits}
                if hits:
                    excluded += 1
                elif not _long_enough(row, config):
                    short += 1
                else:
                    unit = row["group"] or row["video_id"]
                    kept.append(_row(group, index, row, unit))
    unmatched = [e for e, count in matched.items() if count == 0]
    if unmatched:
        text = f"{unmatched[0].split}={unmatched[0].value}"
        raise CallError(
            f"--exclude {text} matches no segment of {', '.join(tables)}: a slip, or ingested without --annotations?",
            code="bad_value",
            key="exclude",
        )
    if not kept:
        raise CallError(
            f"nothing to train on in {', '.join(tables)}: {excluded} segments excluded, "
            f"{short} shorter than one clip",
            code="empty_table",
            path=tables[0],
        )
    held = heldout_units({row.unit for row in kept}, config.heldout_fraction)
    train = [row for row in kept if row.unit not in held]
    return TrainingData(
        tuple(sources),
        _grouped(train),
        _grouped([row for row in kept if row.unit in held]),
        {row.video_id: row.sha256 for row in sorted(train, key=lambda row: row.video_id)},
        len({row.video_id for row in kept if row.unit in held}),
        excluded,
        short,
        _common_fps(kept),
        max(row.short_side for row in kept),
        _sample_rate(kept),
    )


def heldout_units(units: set[str], fraction: float) -> set[str]:
    """The units (groups, else videos) held out: by hash, so that a growing table keeps its choice.

    At least one is held out where there are two or more.
    """
    ranked = sorted(units, key=_hash)
    held = {unit for unit in ranked if _hash(unit) < fraction * _HASH_RANGE}
    if not held and len(ranked) > 1:
        held = {ranked[0]}
    return held if len(held) < len(ranked) else set(ranked[: len(ranked) // 2])


def _hash(unit: str) -> int:
    return int.from_bytes(hashlib.blake2b(unit.encode(), digest_size=4).digest(), "big")


def _long_enough(row: dict, config: PretrainConfig) -> bool:
    slowest = config.sampling.speeds[0]
    if (row["n_frames"] or 0) >= config.video.n_frames * slowest:
        return True
    if row["audio_valid_end_s"] is None:
        return False
    return row["audio_valid_end_s"] - row["audio_valid_start_s"] >= config.audio.clip_s * slowest


def _row(group: RowGroup, index: int, row: dict, unit: str) -> _Row:
    has_video = bool(row["n_frames"])
    return _Row(
        group,
        index,
        row["video_id"],
        row["source_sha256"],
        unit,
        row["fps"] if has_video else 0.0,
        min(row["height"], row["width"]) if has_video else 0,
        row["audio_valid_end_s"] is not None,
    )


def _grouped(rows: list[_Row]) -> tuple[TrainGroup, ...]:
    by_group: dict[RowGroup, list[int]] = {}
    for row in rows:
        by_group.setdefault(row.group, []).append(row.index)
    return tuple(TrainGroup(group, tuple(indices)) for group, indices in by_group.items())


def _common_fps(rows: list[_Row]) -> float:
    rates = {row.fps for row in rows if row.fps}
    if len(rates) > 1:
        raise CallError(
            f"the tables are stored at different frame rates: {sorted(rates)}", code="mixed_fps", key="table"
        )
    return rates.pop() if rates else 0.0


def _sample_rate(rows: list[_Row]) -> int:
    """The sample rate of the first segment with sound; every row is checked against it when it is read."""
    for row in rows:
        if row.sound:
            audio = read_row_group(row.group, ["audio"]).column("audio")[row.index].as_py()
            return int(soundfile.info(io.BytesIO(audio)).samplerate)
    return 0
