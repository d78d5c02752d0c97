"""What a part is given, and where it leaves what it finds."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.settings import Sizes, sizes
from benchmarks.gpu.shard import Shard
from trainer.batch import Batch, collate
from trainer.config import PretrainConfig
from trainer.sample import Sample, decode_audio, make_sample


class SkipPart(Exception):
    """This part cannot be measured here; the message says why."""


class OutOfBounds(Exception):
    """A figure is outside the bounds that are stated for it."""


@dataclass
class Findings:
    """What a part has found so far; written to a file at every change, for a part may be ended from outside."""

    path: Path
    settings: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, float | None] = field(default_factory=dict)
    curve: list[dict[str, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def set(self, **settings: Any) -> None:
        """Note what is measured, and how."""
        self.settings |= settings
        self._write()

    def add(self, figures: Mapping[str, float | None]) -> None:
        """Add figures; what is not finite is kept as null."""
        finite = {n: None if v is None or abs(v) == float("inf") or v != v else v for n, v in figures.items()}
        self.figures |= {n: None if v is None else float(v) for n, v in finite.items()}
        self._write()

    def point(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point of the curve."""
        self.curve.append({"step": float(step)} | {name: float(value) for name, value in values.items()})
        self._write()

    def note(self, text: str) -> None:
        """Add what a reader has to know."""
        self.notes.append(text)
        self._write()

    def _write(self) -> None:
        values = {name: getattr(self, name) for name in ("settings", "figures", "curve", "notes")}
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text(json.dumps(values))
        os.replace(temporary, self.path)


@dataclass
class Work:
    """The device, the clips, the time that a part has, and what earlier parts found."""

    device: torch.device
    shard: Shard
    amounts: Sizes
    small: bool
    deadline: float  # of `time.monotonic`
    findings: Findings
    earlier: Mapping[str, Mapping[str, float | None]]  # part -> figures

    @classmethod
    def open(cls, task: Mapping[str, Any], deadline: float) -> Work:
        """From the task that the check wrote."""
        return cls(
            torch.device(task["device"]),
            Shard(Path(task["shard"])),
            sizes(task["small"]),
            task["small"],
            deadline,
            Findings(Path(task["findings"])),
            task["earlier"],
        )

    @property
    def left_s(self) -> float:
        """Seconds that this part still has."""
        return max(0.0, self.deadline - time.monotonic())

    def synchronise(self) -> None:
        """Wait until the device has done what it was asked for."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def say(self, text: str) -> None:
        """A line for the person who watches."""
        print(f"  {text}", file=sys.stderr, flush=True)

    def samples(self, count: int, config: PretrainConfig) -> list[Sample]:
        """`count` different samples of training clips."""
        rows = self.shard.select(heldout=False)
        rate = self.shard.sample_rate
        made: list[Sample] = []
        for index in range(2 * count):
            stored = rows[index % len(rows)].stored
            sample = make_sample(stored, decode_audio(stored, rate), index, config, rate)
            if sample is not None and len(made) < count:
                made.append(sample)
        return made

    def batch(self, samples: Sequence[Sample], size: int, config: PretrainConfig) -> Batch:
        """A batch of `size` on the device, samples used again where there are fewer."""
        return collate([samples[i % len(samples)] for i in range(size)], config).to(self.device)
