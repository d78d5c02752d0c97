"""Exports as registered models: each version carries what was measured of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from chronav import storage
from chronav.tracking import REGISTERED_MODEL

_FORBIDDEN = re.compile(r"[^\w\-. :/]+")  # in names of tags
_MOST_TEXT = 4900  # letters that every store of MLflow takes
_MADE_BY = "chronav.pretrain_run_id"
"""Tag of a version whose pre-training run is in another store."""


def enter_scores(uri: str, export: str, pretrain_run_id: str | None, scores: Mapping[str, str]) -> str:
    """Set `scores` as tags of the version that is the export, and as its description; `<model>/<version>`.

    An export that this store does not know (it was trained elsewhere, or moved) is registered first.
    """
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    version = _find(client, export, pretrain_run_id) or _register(client, export, pretrain_run_id)
    for name, value in scores.items():
        client.set_model_version_tag(REGISTERED_MODEL, version, tag_name(name), value)
    tags = client.get_model_version(REGISTERED_MODEL, version).tags
    lines = [f"- {name}: {value}" for name, value in sorted(tags.items()) if name.startswith("score ")]
    text = "\n".join(["What was measured of it:", "", *lines])
    client.update_model_version(REGISTERED_MODEL, version, text[:_MOST_TEXT])  # the tags hold all of it
    return f"{REGISTERED_MODEL}/{version}"


def tag_name(text: str) -> str:
    """`R@1` -> `R_at_1`: what a tag may be called."""
    return _FORBIDDEN.sub("_", text.replace("@", "_at_"))


def _find(client: Any, export: str, pretrain_run_id: str | None) -> str | None:
    """The newest version that the export's own pre-training run made; without such a run, of the export's folder."""
    path = storage.absolute(export)
    found = []
    for version in client.search_model_versions(f"name = '{REGISTERED_MODEL}'"):
        made_by = version.run_id or version.tags.get(_MADE_BY)
        same = made_by == pretrain_run_id if pretrain_run_id else storage.absolute(version.source) == path
        if same:
            found.append(int(version.version))
    return str(max(found)) if found else None


def _register(client: Any, export: str, pretrain_run_id: str | None) -> str:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(REGISTERED_MODEL)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    tags = {_MADE_BY: pretrain_run_id} if pretrain_run_id else None
    return str(client.create_model_version(REGISTERED_MODEL, storage.absolute(export), tags=tags).version)
