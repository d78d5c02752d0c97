"""Training state on disk: the tensors, and beside them a small file that says where the run stands."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from pydantic import Field

from chronav import listing, storage
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
    "compile",
    "rank_alarm",
    "probe_every",
    "probe_videos",
}


class Progress(Config):
    """Where a run stands besides its weights; with the batch size, `step` is the global sample counter."""

    step: int
    config_digest: str
    config: dict[str, Any] = Field(
        default_factory=dict, description="what the digest names, to say what differs"
    )
    data: tuple[str, ...] = Field(
        strict=False, description="tables with versions and weights, and what was kept out of them"
    )
    losses: dict[str, float] = Field(default_factory=dict, description="last logged values")
    mlflow_run_id: str | None = None
    versions: dict[str, int] = Field(default_factory=dict, description="version of each table trained on")


def digest(config: Config) -> str:
    """Names the config that a checkpoint belongs to, free keys aside."""
    return config.digest([name for name in type(config).model_fields if name not in _FREE_KEYS])


def fixed(config: Config) -> dict[str, Any]:
    """The values that `digest` names."""
    return config.model_dump(mode="json", exclude=_FREE_KEYS)


def changes(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> list[str]:
    """What differs between two sets of values, as `key=now (was before)`, nested keys with dots."""
    found: list[str] = []
    for name in sorted(before.keys() | now.keys()):
        old, new = before.get(name, "not there"), now.get(name, "not there")
        if isinstance(old, dict) and isinstance(new, dict):
            found += changes(old, new, f"{prefix}{name}.")
        elif old != new:
            found.append(f"{prefix}{name}={json.dumps(new)} (was {json.dumps(old)})")
    return found


def snapshot(learner: Learner) -> dict[str, Any]:
    """A copy of the whole state in main memory, which later steps do not touch."""
    return {name: _copied(part.state_dict()) for name, part in _parts(learner).items()}


def _copied(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def write(folder: str, state: dict[str, Any], progress: Progress) -> None:
    """Write a snapshot into `folder` (local or URL); the progress file comes last: a folder with one is whole."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    storage.write_bytes(storage.join(folder, TENSORS), buffer.getvalue())
    storage.write_bytes(storage.join(folder, PROGRESS), progress.model_dump_json().encode())


def load(folder: str, learner: Learner) -> Progress:
    """Put the state of `folder` (local or URL) back into the networks, the banks and the optimiser.

    By way of main memory: the optimiser's counters stay there, where it made them, and the device holds one copy.
    """
    data = io.BytesIO(storage.read_bytes(storage.join(folder, TENSORS)))
    state: dict[str, Any] = torch.load(data, map_location="cpu", weights_only=True)
    for name, part in _parts(learner).items():
        part.load_state_dict(state[name])
    return read_progress(folder)


def _parts(learner: Learner) -> dict[str, Any]:
    return {"model": learner.model, "contrast": learner.contrast, "optimiser": learner.optimiser}


def read_progress(folder: str) -> Progress:
    """Where the run of the checkpoint `folder` (local or URL) stands; raises `CallError` where there is none."""
    file = storage.join(folder, PROGRESS)
    if not storage.is_file(file):
        raise CallError(f"there is no checkpoint in '{folder}'", code="missing_checkpoint", path=folder)
    return validate(Progress, json.loads(storage.read_bytes(file)))


def name_of(step: int) -> str:
    """The folder of a step's checkpoint within the run's: saved again after a resume, it takes its own place."""
    return f"checkpoint_{step:08d}"


def latest(run_folder: str) -> str | None:
    """The newest whole checkpoint below a run's folder, or None."""
    files = [f.uri for f in listing.list_files(run_folder) if f.uri.endswith(f"/{PROGRESS}")]
    return newest([storage.parent(file) for file in files])


def newest(folders: Sequence[str]) -> str | None:
    """The one that got furthest among the folders that hold a whole checkpoint."""
    whole = [folder for folder in folders if storage.is_file(storage.join(folder, PROGRESS))]
    return max(whole, key=lambda folder: read_progress(folder).step, default=None)
