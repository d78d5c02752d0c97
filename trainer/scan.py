"""Reading the small columns of clip tables: which rows can be used, and what is kept of each.

That is a few bytes a row, and some seventy a video.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import soundfile

from chronav.errors import CallError
from pipelines.table import RowGroup, read_row_group
from trainer.config import PretrainConfig

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


@dataclass(frozen=True, eq=False)
class ScannedGroup:
    """The usable rows of one row group, at least one."""

    group: RowGroup
    table: int  # position among the tables of the call
    rows: np.ndarray  # (n,) int32
    units: np.ndarray  # (n,) uint32: hash of what is held out together
    videos: pa.Array  # (n,) string
    sha256: pa.Array  # (n,) string, of the source files; null where unknown


class Scan:
    """Sorts the rows of row groups into used, excluded and too short, one row group at a time."""

    def __init__(self, config: PretrainConfig, exclude: Sequence[Exclusion]) -> None:
        self._config = config
        self._matched = dict.fromkeys(exclude, 0)
        self._rates: set[float] = set()
        self._sound: tuple[RowGroup, int] | None = None  # the first row with sound
        self.groups: list[ScannedGroup] = []
        self.excluded = self.short = 0
        self.short_side = 0

    def add(self, group: RowGroup, table: int) -> None:
        """Read one row group of the table number `table`."""
        rows: list[int] = []
        units, videos, sha256 = [], [], []
        for number, row in enumerate(read_row_group(group, _COLUMNS).to_pylist()):
            if self._usable(row):
                rows.append(number)
                units.append(unit_hash(row["group"] or row["video_id"]))
                videos.append(row["video_id"])
                sha256.append(row["source_sha256"])
                self._note(row, group, number)
        if rows:
            numbers, hashes = np.array(rows, np.int32), np.array(units, np.uint32)
            texts = pa.array(videos, pa.string()), pa.array(sha256, pa.string())
            self.groups.append(ScannedGroup(group, table, numbers, hashes, *texts))

    def unmatched(self) -> list[Exclusion]:
        """Exclusions that no row has met."""
        return [exclusion for exclusion, count in self._matched.items() if count == 0]

    def common_fps(self) -> float:
        """The stored frame rate, 0 where no row has frames; raises `CallError` where there are several."""
        if len(self._rates) > 1:
            raise CallError(
                f"the tables are stored at different frame rates: {sorted(self._rates)}",
                code="mixed_fps",
                key="table",
            )
        return next(iter(self._rates), 0.0)

    def sample_rate(self) -> int:
        """That of the first row with sound, 0 without any; every row is checked against it when it is read."""
        if self._sound is None:
            return 0
        group, number = self._sound
        audio = read_row_group(group, ["audio"]).column("audio")[number].as_py()
        return int(soundfile.info(io.BytesIO(audio)).samplerate)

    def _usable(self, row: dict[str, Any]) -> bool:
        splits = dict(row["splits"] or ())
        hits = [e for e in self._matched if splits.get(e.split) == e.value]
        for exclusion in hits:
            self._matched[exclusion] += 1
        long_enough = _long_enough(row, self._config)
        self.excluded += bool(hits)
        self.short += not hits and not long_enough
        return long_enough and not hits

    def _note(self, row: dict[str, Any], group: RowGroup, number: int) -> None:
        if row["n_frames"]:
            self._rates.add(row["fps"])
            self.short_side = max(self.short_side, min(row["height"], row["width"]))
        if self._sound is None and row["audio_valid_end_s"] is not None:
            self._sound = (group, number)


def unit_hash(unit: str) -> int:
    """32 bits that decide whether a unit (a group, else a video) is held out."""
    return int.from_bytes(hashlib.blake2b(unit.encode(), digest_size=4).digest(), "big")


def _long_enough(row: dict[str, Any], config: PretrainConfig) -> bool:
    slowest = config.sampling.speeds[0]
    if (row["n_frames"] or 0) >= config.video.n_frames * slowest:
        return True
    if row["audio_valid_end_s"] is None:
        return False
    return row["audio_valid_end_s"] - row["audio_valid_start_s"] >= config.audio.clip_s * slowest
