"""Training state on disk: written whole or not at all, read back with `weights_only=True`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from chronav.errors import CallError

FILE = "state.pt"


@dataclass
class Progress:
    """Where a run stands besides its weights."""

    step: int  # steps done; with the batch size, the global sample counter
    mlflow_run_id: str | None = None


def save(
    folder: Path, model: nn.Module, optimiser: torch.optim.Optimizer, progress: Progress, digest: str
) -> None:
    """Write the state into `folder`; `digest` names the config that it belongs to."""
    state = {
        "model": model.state_dict(),
        "optimiser": optimiser.state_dict(),
        "step": progress.step,
        "mlflow_run_id": progress.mlflow_run_id,
        "config_digest": digest,
    }
    temporary = folder / f"{FILE}.tmp"
    torch.save(state, temporary)
    temporary.replace(folder / FILE)


def read(folder: Path, device: torch.device) -> dict[str, Any]:
    """The state in `folder`; raises `CallError` where there is none."""
    file = folder / FILE
    if not file.is_file():
        raise CallError(f"there is no checkpoint in '{folder}'", code="missing_checkpoint", path=str(folder))
    return torch.load(file, map_location=device, weights_only=True)


def restore(
    state: dict[str, Any], model: nn.Module, optimiser: torch.optim.Optimizer, digest: str
) -> Progress:
    """Put a state back; raises `CallError` where it belongs to another config."""
    if state["config_digest"] != digest:
        raise CallError(
            "the checkpoint was made with another config; resume with the same one or train into a new folder",
            code="config_changed",
            key="resume",
        )
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    return Progress(int(state["step"]), state["mlflow_run_id"])
