"""One training of one network on one fold, and the file that it leaves: nothing is trained twice."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from safetensors.torch import load, save
from torch import Tensor

from chronav import storage
from evaluation.embedder import ClipShape
from evaluation.finetune.config import FinetuneConfig
from evaluation.finetune.examples import TrainingSet
from evaluation.store import TableVersion

FORMAT = 1
"""Changes with what training does: weights of another format are not used."""

_NOT_TOLD = {"workers", "threads", "checkpoint_every", "log_every", "max_failures"}
"""Keys that say how the work is done, not what is learnt (batch norm's statistics of several workers aside)."""


@dataclass(frozen=True)
class Trial:
    """`who` is trained on `fold`; `export` is the folder of its network; `file` holds the weights once it is done."""

    who: str
    fold: str
    seed: int
    export: str
    scratch: bool
    shape: ClipShape
    classes: int
    data: TrainingSet
    steps: int
    file: str

    @property
    def name(self) -> str:
        """Names it to people and in MLflow."""
        return f"{self.who}/{self.fold.replace('/', '_').replace(' ', '_')}_seed_{self.seed}"

    @property
    def checkpoint(self) -> str:
        """Where an unfinished training leaves its state."""
        return f"{self.file}.unfinished"

    @property
    def done(self) -> bool:
        """Whether the weights are there."""
        return storage.is_file(self.file)

    def weights(self) -> dict[str, Tensor]:
        """What it came to."""
        return load(storage.read_bytes(self.file))

    def finish(self, weights: dict[str, Tensor]) -> None:
        """Leave the weights, whole or not at all."""
        storage.write_bytes(self.file, save(weights))
        storage.remove(self.checkpoint)


def trial_file(
    cache: str,
    network: dict[str, str],
    table: TableVersion,
    shape: ClipShape,
    examples: list[tuple[str, str]],
    config: FinetuneConfig,
    seed: int,
) -> str:
    """Where the weights of a training are kept: named by all that they depend on.

    `network`: what it begins with; `examples`: id and label of every training video.
    """
    told = [name for name in FinetuneConfig.model_fields if name not in _NOT_TOLD]
    about = {
        "format": FORMAT,
        "network": network,
        "table": asdict(table),
        "cut": asdict(shape),
        "examples": sorted(examples),
        "config": config.digest(told),
        "seed": seed,
    }
    name = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:24]
    return storage.join(storage.absolute(cache), "finetuned", f"{name}.safetensors")
