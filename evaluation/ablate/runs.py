"""One run of a study: what it is made of, where its results are kept, and what of it is still to be done."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from pydantic import Field

from chronav import __version__, storage
from chronav.config import Config
from evaluation.config import EvaluateConfig
from trainer.config import PretrainConfig

PRETRAIN = "pretrain"
_HOW_NOT_WHAT = {"out", "cache", "workers", "neighbour_queries"}
"""Keys of an evaluation that change no number."""


class Data(Config):
    """What all runs of a study learn from and are measured on, with versions: a table that changed is another."""

    tables: tuple[str, ...] = Field(strict=False, description="as for pre-training: T, or T=WEIGHT")
    versions: dict[str, int] = Field(description="table -> the version that was found")
    exclude: tuple[str, ...] = Field((), strict=False)
    data: str
    measured: str = Field(description="the table measured on, its id and its version")
    dataset: str | None = None
    annotations: str | None = None
    split: str | None = None


class RunSpec(Config):
    """A run, as it is handed to a process of its own."""

    name: str
    seed: int
    recipe: str
    config: PretrainConfig
    data: Data
    protocols: tuple[str, ...] = Field(strict=False)
    evaluate: EvaluateConfig
    out: str = Field(description="folder of the study")
    parent_run: str = Field("", description="MLflow run of the study")

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.name}, seed {self.seed}"

    @property
    def pretrain_digest(self) -> str:
        """Names what its networks depend on."""
        learnt = {"tables": self.data.tables, "versions": self.data.versions}
        parts = [__version__, self.config.digest(), learnt, sorted(self.data.exclude)]
        return _digest(parts)

    def evaluate_digest(self, protocol: str) -> str:
        """Names what its figures of a protocol depend on."""
        measured = self.data.model_dump(include={"measured", "dataset", "annotations", "split"})
        config = self.evaluate.model_dump(mode="json", exclude=_HOW_NOT_WHAT)
        return _digest([self.pretrain_digest, protocol, measured, config])

    @property
    def key(self) -> str:
        """Its folder's name: another config, table or version has another one."""
        return f"{self.name}-{self.seed}-{self.pretrain_digest}"

    @property
    def folder(self) -> str:
        """Where the trainer works."""
        return storage.join(self.out, "runs", self.key)

    @property
    def export(self) -> str:
        """Where the trainer leaves the networks."""
        return storage.join(self.folder, "export")

    def file(self, stage: str) -> str:
        """Where the outcome of a stage is kept: `pretrain`, or a protocol."""
        name = stage if stage == PRETRAIN else f"{stage}-{self.evaluate_digest(stage)}"
        return storage.join(self.out, "results", self.key, f"{name}.json")


def to_do(protocols: Sequence[str], kept: Sequence[str], has_export: bool) -> list[str]:
    """The stages that are missing: without networks all of them, else the protocols that have not been measured.

    `kept`: stages whose outcome is there for the present digests.
    """
    if PRETRAIN not in kept or not has_export:
        return [PRETRAIN, *protocols]
    return [protocol for protocol in protocols if protocol not in kept]


def missing(spec: RunSpec) -> list[str]:
    """`to_do` of a run, by what is on disk."""
    kept = [stage for stage in (PRETRAIN, *spec.protocols) if read(spec, stage) is not None]
    return to_do(spec.protocols, kept, storage.is_file(storage.join(spec.export, "config.json")))


def read(spec: RunSpec, stage: str) -> dict[str, Any] | None:
    """The kept outcome of a stage; None where there is none, or one that cannot be read."""
    file = spec.file(stage)
    if not storage.is_file(file):
        return None
    try:
        found = json.loads(storage.read_bytes(file))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def keep(spec: RunSpec, stage: str, outcome: dict[str, Any]) -> None:
    """Write the outcome of a stage, whole or not at all."""
    storage.write_bytes(spec.file(stage), json.dumps(outcome, indent=1).encode())


def _digest(parts: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]
