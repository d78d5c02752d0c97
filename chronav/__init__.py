"""chronav: learn from video and its sound without labels.

This package holds what the services share: typed configuration, storage paths, outcomes and errors,
MLflow helpers and the command line. It imports no service until one is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainer.export import Export

__version__ = "0.1.0"

__all__ = ["__version__", "load_export"]


def load_export(path: str) -> Export:
    """Open the export of a pre-training run: `load_export(path).embed(video=..., audio=...)`.

    `path` is a local folder or a URL. Raises `CallError` when there is no export there.
    Needs the extra `chronav[trainer]`; needs neither Ray nor the training loop.
    """
    from chronav.services import load

    return load("trainer.export").load_export(path)
