"""MLflow: one experiment a stage, one run a job, metrics in batches."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from chronav import storage
from chronav.errors import JobError

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")

EXPERIMENTS = {
    "ingest": "chronav/ingest",
    "pretrain": "chronav/pretrain",
    "evaluate": "chronav/evaluate",
    "ablate": "chronav/ablate",
    "gpu": "chronav/gpu",
}
REGISTERED_MODEL = "chronav"
"""The registered model whose versions are the exports."""

_PARAMS_A_CALL = 100
# MLflow's pages show such experiments as trainings: without it they guess, and show traces of chats.
_KIND = {"mlflow.experimentKind": "custom_model_development"}
_ANSWER_S = 10.0
# What the modules of their errors begin with: those of the tracking store and of where it keeps artifacts.
_CLIENTS = frozenset({"mlflow", "requests", "urllib3", "sqlalchemy", "botocore", "boto3", "google"})


def tracking_uri() -> str:
    """`MLFLOW_TRACKING_URI`, else `mlflow.db` in the working folder (MLflow's own default)."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{storage.absolute('mlflow.db')}"


def how_to_open() -> str:
    """The shell line that opens the MLflow pages of this store."""
    uri = tracking_uri()
    if uri.startswith("http"):
        return f"open {uri}"
    return f"{sys.executable} -m mlflow ui --backend-store-uri {uri}"


def check_store() -> None:
    """Raise within seconds where a tracking server does not answer: MLflow's own calls try for minutes."""
    uri = tracking_uri()
    if uri.startswith("http"):
        import requests

        with suppress(requests.exceptions.SSLError):  # MLflow may have been told to trust it
            requests.head(uri, timeout=_ANSWER_S)


@contextmanager
def store_errors(what: str) -> Iterator[None]:
    """Raise what a tracking store that fails or does not answer raises as `JobError`: `what`, and one line of it."""
    try:
        yield
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in _CLIENTS:
            raise
        line = " ".join(str(error).split())[:300]
        message = f"{what}: the MLflow store at {tracking_uri()} cannot be used: {line}"
        raise JobError(message, code="tracking", path=tracking_uri()) from error


class Run:
    """A run that may be written to from any process: it is just a tracking URI and a run id."""

    def __init__(self, uri: str, run_id: str) -> None:
        from mlflow import MlflowClient

        self.uri, self.run_id = uri, run_id
        self._client = MlflowClient(tracking_uri=uri)

    @classmethod
    def start(
        cls, stage: str, name: str, tags: Mapping[str, str] | None = None, run_id: str | None = None
    ) -> Run:
        """Begin a run of a stage, or continue the run `run_id` where the store still has it."""
        _quiet()
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        uri = tracking_uri()
        client = MlflowClient(tracking_uri=uri)
        if run_id is not None:
            try:
                client.update_run(run_id, status="RUNNING")
                return cls(uri, run_id)
            except MlflowException:
                pass  # another store than the one the run was begun in: begin a new run there
        run = client.create_run(_experiment(client, stage), run_name=name, tags=dict(tags or {}))
        return cls(uri, run.info.run_id)

    def params(self, values: Mapping[str, Any]) -> None:
        """Log parameters; nested mappings become dotted names."""
        from mlflow.entities import Param

        items = [Param(key, str(value)[:6000]) for key, value in flatten(values).items()]
        known = self._client.get_run(self.run_id).data.params
        items = [item for item in items if item.key not in known]  # a resumed run keeps its own
        for i in range(0, len(items), _PARAMS_A_CALL):
            self._client.log_batch(self.run_id, params=items[i : i + _PARAMS_A_CALL])

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Log one value a name at a step, in one call."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        batch = [Metric(name.replace("@", "_at_"), float(value), now, step) for name, value in values.items()]
        self._client.log_batch(self.run_id, metrics=batch)

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags."""
        for key, value in values.items():
            self._client.set_tag(self.run_id, key, value)

    def artifact(self, local_path: str) -> None:
        """Store a local file or folder with the run."""
        if os.path.isdir(local_path):
            self._client.log_artifacts(self.run_id, local_path)
        else:
            self._client.log_artifact(self.run_id, local_path)

    def text(self, name: str, text: str) -> None:
        """Store a text as the artifact `name`."""
        self._client.log_text(self.run_id, text, name)

    def table(self, name: str, columns: Mapping[str, list]) -> None:
        """Store a table (column name -> values) as the artifact `name`, which ends in .json."""
        self._client.log_table(self.run_id, dict(columns), name)

    def register(self, model: str, source: str) -> str:
        """Enter `source` (a folder or URL) as the next version of the registered model `model`; its number."""
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        return str(self._client.create_model_version(model, source, self.run_id).version)

    def history(self) -> list[dict[str, float]]:
        """All logged metrics, one dict a step: `{"step": 20, "loss/total": 3.1, ...}`, in order of steps.

        Without those of the machine (`system/`), whose steps are samples of their own.
        """
        steps: dict[int, dict[str, float]] = {}
        names = self._client.get_run(self.run_id).data.metrics
        for name in (name for name in names if not name.startswith("system/")):
            for metric in self._client.get_metric_history(self.run_id, name):
                steps.setdefault(metric.step, {"step": metric.step})[name] = metric.value
        return [steps[step] for step in sorted(steps)]

    def finish(self, status: str = "FINISHED") -> None:
        """End the run: `FINISHED`, `FAILED` or `KILLED`."""
        self._client.set_terminated(self.run_id, status=status)


def artifact_text(run_id: str, name: str) -> str | None:
    """A text among the artifacts of a run of this store; None where there is no such run or artifact."""
    _quiet()
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient(tracking_uri=tracking_uri())
    try:
        if name not in {file.path for file in client.list_artifacts(run_id)}:
            return None
        with tempfile.TemporaryDirectory() as folder:
            return Path(client.download_artifacts(run_id, name, folder)).read_text(encoding="utf-8")
    except MlflowException:
        return None


def runs_beginning(stage: str, prefix: str, most: int = 5) -> list[str]:
    """Ids of up to `most` runs of a stage in this store that begin with `prefix`, newest first."""
    _quiet()
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=tracking_uri())
    experiment = client.get_experiment_by_name(EXPERIMENTS[stage])
    if experiment is None or not prefix.isalnum():
        return []
    wanted = f"attributes.run_id LIKE '{prefix}%'"
    found = client.search_runs([experiment.experiment_id], filter_string=wanted, max_results=most)
    return [run.info.run_id for run in found]


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"a": {"b": 1}}` -> `{"a.b": 1}`."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _experiment(client: Any, stage: str) -> str:
    from mlflow.exceptions import MlflowException

    name = EXPERIMENTS[stage]
    found = client.get_experiment_by_name(name)
    if found is not None:
        return found.experiment_id
    uri = client.tracking_uri
    # A sqlite store has no artifact folder of its own: keep the artifacts beside the database.
    location = None
    if uri.startswith("sqlite:///"):
        location = storage.join(storage.parent(uri.removeprefix("sqlite:///")), "mlartifacts", stage)
    try:
        return client.create_experiment(name, artifact_location=location, tags=_KIND)
    except MlflowException:
        found = client.get_experiment_by_name(name)  # another job made it in the meantime
        if found is None:
            raise
        return found.experiment_id


def _quiet() -> None:
    import logging

    for noisy in ("mlflow", "alembic", "mlflow.store.db.utils"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
