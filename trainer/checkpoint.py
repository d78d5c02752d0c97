"""Training state on disk: the tensors, and beside them a small file that says where the run stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from pydantic import Field

from chronav import storage
from chronav.config import Config, validate
from chronav.errors import CallError
from trainer.learner import Learner

TENSORS, PROGRESS = "state.pt", "progress.json"

# Keys that may differ when a run is resumed: they change how the work is done, not what is learnt. `steps` may
# be raised; the learning rate then follows the longer schedule from there on.
_FREE_KEYS = {
    "steps",
    "workers",
    "threads",
    "checkpoint_every",
    "keep_checkpoints",
    "log_every",
    "heldout_every",
    "heldout_draws",
    "max_failures",
}


class Progress(Config):
    """Where a run stands besides its weights; with the batch size, `step` is the global sample counter."""

    step: int
    config_digest: str
    data: tuple[str, ...] = Field(
        strict=False, description="tables with versions and weights, and what was kept out of them"
    )
    losses: dict[str, float] = Field(default_factory=dict, description="last logged values")
    mlflow_run_id: str | None = None


def digest(config: Config) -> str:
    """Names the config that a checkpoint belongs to, free keys aside."""
    return config.digest([name for name in type(config).model_fields if name not in _FREE_KEYS])


def save(folder: Path, learner: Learner, progress: Progress) -> None:
    """Write the state into `folder`; the progress file comes last, so that a folder with one is whole."""
    torch.save({name: part.state_dict() for name, part in _parts(learner).items()}, folder / TENSORS)
    (folder / PROGRESS).write_text(progress.model_dump_json())


def load(folder: Path, learner: Learner, device: torch.device) -> Progress:
    """Put the state of `folder` back into the networks, the banks and the optimiser."""
    state: dict[str, Any] = torch.load(folder / TENSORS, map_location=device, weights_only=True)
    for name, part in _parts(learner).items():
        part.load_state_dict(state[name])
    return read_progress(str(folder))


def _parts(learner: Learner) -> dict[str, Any]:
    return {"model": learner.model, "contrast": learner.contrast, "optimiser": learner.optimiser}


def read_progress(folder: str) -> Progress:
    """Where the run of the checkpoint `folder` (local or URL) stands; raises `CallError` where there is none."""
    file = storage.join(folder, PROGRESS)
    if not storage.is_file(file):
        raise CallError(f"there is no checkpoint in '{folder}'", code="missing_checkpoint", path=folder)
    return validate(Progress, json.loads(storage.read_bytes(file)))


def latest(run_folder: str) -> str | None:
    """The newest whole checkpoint below a run's folder, or None."""
    files = [f.uri for f in storage.list_files(run_folder) if f.uri.endswith(f"/{PROGRESS}")]
    folders = [storage.parent(file) for file in files]
    return max(folders, key=lambda folder: read_progress(folder).step, default=None)
