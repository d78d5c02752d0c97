"""The demo: a world, a table, a representation, its numbers, and one page that shows them."""

from __future__ import annotations

import itertools
import shlex
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from pydantic import Field

from chronav import listing, storage, tracking
from chronav.config import Config, build
from chronav.errors import CallError, JobError
from chronav.outcome import Outcome
from chronav.progress import format_seconds, say
from chronav.services import load

DEFAULT_OUT = "runs/demo"

# The tiny recipe looks at small pictures and at sound below 4 kHz: nothing larger need be stored.
_LEAST_SEGMENTS = 8
TABLE = {"short_side": 40, "sample_rate": 8000}


class DemoConfig(Config):
    """Size and budget of the demo."""

    videos_per_class: int = Field(40, ge=5, description="videos of each class of the generated world")
    groups_per_class: int = Field(
        10, ge=5, description="groups of each class; a fifth of them is for testing"
    )
    steps: int = Field(650, ge=1, description="pre-training steps")
    clips: int = Field(10, ge=1, description="clips a video in the evaluations")
    labels: int = Field(50, ge=2, description="labelled videos of the few-label probe")
    seed: int = Field(0, ge=0, description="of the world, of pre-training and of the evaluations")


def demo(out: str, data: str | None, config: DemoConfig) -> Outcome:
    """Run everything into the folder `out`; `data`: the user's own videos instead of the world.

    Raises `CallError` where `out` holds an earlier demo or `data` is no folder, `JobError` for what turns out to
    be wrong only after something was written, such as segments that are all too short to learn from.
    """
    command = _command(out, data, config)
    out = _free_folder() if out == DEFAULT_OUT else out
    if _in_use(out):
        raise CallError(f"'{out}' exists; remove it or name another --out", code="exists", path=out)
    if data is not None and not storage.is_dir(data):
        raise CallError(f"'{data}' is not a folder", code="missing_folder", path=data)
    parts = _Parts()
    table = storage.join(out, "clips.delta")
    # One Ray for all jobs: starting one takes several seconds each time.
    with parts.timed("start Ray"):
        ray = load("chronav.cluster").connected(min_cpus=4)
        ray.__enter__()
    try:
        outcome = _own_data(out, table, data, config, parts) if data else _world(out, table, config, parts)
    except CallError as error:
        if not _in_use(out):
            raise
        # A wrong call's exit code would say that nothing was written.
        raise JobError(str(error), code=error.code, key=error.key, path=error.path) from error
    finally:
        ray.__exit__(None, None, None)
    report = storage.absolute(storage.join(out, "report.html"))
    _write_report(report, table, outcome, parts, command)
    return {
        **outcome,
        "report": report,
        "seconds": {**parts.seconds, "total": sum(parts.seconds.values())},
        "summary": _summary(outcome, report, parts),
    }


class _Parts:
    """Says what is being done, and notes how long it took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def timed(self, name: str) -> _Part:
        return _Part(self, name)

    def run(self, name: str, job: Callable[[], Any]) -> Any:
        with self.timed(name):
            return job()


class _Part:
    def __init__(self, parts: _Parts, name: str) -> None:
        self._parts, self._name = parts, name

    def __enter__(self) -> None:
        say(f"== {self._name}")
        self._since = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._parts.seconds[self._name] = time.monotonic() - self._since


def _world(out: str, table: str, config: DemoConfig, parts: _Parts) -> dict[str, Any]:
    world = load("pipelines.world")
    settings = build(
        world.WorldConfig,
        defaults={
            "videos_per_class": config.videos_per_class,
            "groups_per_class": config.groups_per_class,
            "seed": config.seed,
        },
    )
    made = parts.run("make the world", lambda: world.make_world(storage.join(out, "world"), settings))
    ingested = parts.run("ingest", lambda: _ingest(made.folder, table, "world", made.annotations))
    trained = parts.run("pre-train", lambda: _pretrain(out, table, config, ["world/1=test"]))
    settings = _evaluate_config(out, config)
    run = load("evaluation.job").evaluate
    evaluations = {}
    for protocol in ("retrieval", "linear", "audio"):
        measure = partial(run, protocol, trained["export"], table, settings, "world", made.annotations, 1)
        evaluations[protocol] = parts.run(f"evaluate: {protocol}", measure)
    neighbours = evaluations["retrieval"]["neighbours"]
    return {"ingest": ingested, "pretrain": trained, "evaluate": evaluations, "neighbours": neighbours}


def _own_data(out: str, table: str, data: str, config: DemoConfig, parts: _Parts) -> dict[str, Any]:
    ingested = parts.run("ingest", lambda: _ingest(data, table, "folder", None))
    if ingested["segments"] < _LEAST_SEGMENTS:
        raise JobError(
            f"'{data}' gave {ingested['segments']} segments, the demo needs {_LEAST_SEGMENTS} "
            f"(files that gave none: {ingested['reasons'] or 'none'})",
            code="too_little_data",
        )
    # One stream is enough for a handful of segments, and several would leave the last of them out.
    trained = parts.run("pre-train", lambda: _pretrain(out, table, config, [], lanes=1))
    settings = _evaluate_config(out, config)
    nearest = load("evaluation.job").nearest_videos
    try:
        neighbours = parts.run("find neighbours", lambda: nearest(trained["export"], table, settings))
    except CallError as error:  # sound alone, or a single video: there are no neighbours to show
        say(f"no neighbours: {error}")
        neighbours = []
    return {"ingest": ingested, "pretrain": trained, "evaluate": {}, "neighbours": neighbours}


def _ingest(source: str, table: str, dataset: str, annotations: str | None) -> Outcome:
    settings = build(load("pipelines.config").IngestConfig, defaults=TABLE)
    return load("pipelines.job").ingest(source, table, settings, dataset, annotations)


def _pretrain(
    out: str, table: str, config: DemoConfig, exclude: list[str], lanes: int | None = None
) -> Outcome:
    recipe = load("trainer.recipes").get("tiny")
    changes = {"steps": config.steps, "seed": config.seed, "heldout_every": max(1, config.steps // 2)}
    if lanes is not None:
        changes["lanes"] = lanes
    settings = build(load("trainer.config").PretrainConfig, defaults={**recipe, **changes})
    return load("trainer.job").pretrain([table], storage.join(out, "run"), settings, "tiny", exclude)


def _evaluate_config(out: str, config: DemoConfig) -> Any:
    values = {
        "clips": config.clips,
        "labels": config.labels,
        "seed": config.seed,
        "out": storage.join(out, "evaluate"),
        "cache": storage.join(out, "cache"),
    }
    return build(load("evaluation.config").EvaluateConfig, defaults=values)


def _write_report(report: str, table: str, outcome: dict[str, Any], parts: _Parts, command: str) -> None:
    page = load("evaluation.report")
    run_id = outcome["pretrain"]["mlflow_run_id"]
    sheets = load("evaluation.neighbours").neighbour_rows(table, outcome["neighbours"])
    own = not outcome["evaluate"]
    notes = ["One run with one seed on generated data: it shows that learning happens, not how well it can."]
    if own:
        notes = [
            f"One run with one seed; {outcome['pretrain']['heldout_videos']} videos were held out to measure on.",
            "No labels were given, so there is nothing to score: the neighbours are to be looked at.",
        ]
    context = page.DemoContext(
        title="What chronav learnt from " + ("your videos" if own else "the generated world"),
        pretrain=outcome["pretrain"],
        history=tracking.Run(tracking.tracking_uri(), run_id).history(),
        evaluations=list(outcome["evaluate"].values()),
        parts_seconds=parts.seconds,
        neighbours=sheets,
        command=command,
        notes=notes,
    )
    page.write_demo_report(report, context)


def _command(out: str, data: str | None, config: DemoConfig) -> str:
    """The call that makes a report, in full where it differs from the plain one."""
    changed = [f"{key}={value}" for key, value in config.model_dump(exclude_defaults=True).items()]
    options = [*(["--data", data] if data else []), *(["--out", out] if out != DEFAULT_OUT else [])]
    return shlex.join(["chronav", "demo", *changed, *options])


def _in_use(folder: str) -> bool:
    return storage.exists(folder) and any(True for _ in listing.list_files(folder))


def _free_folder() -> str:
    """runs/demo, or runs/demo-2, … where earlier demos are."""
    names = (DEFAULT_OUT if n == 1 else f"{DEFAULT_OUT}-{n}" for n in itertools.count(1))
    return next(name for name in names if not storage.exists(name))


def _summary(outcome: dict[str, Any], report: str, parts: _Parts) -> str:
    lines = [result["summary"] for result in outcome["evaluate"].values()]
    spent = ", ".join(f"{name} {format_seconds(s)}" for name, s in parts.seconds.items())
    lines += [
        f"time: {spent}; together {format_seconds(sum(parts.seconds.values()))}",
        f"report: {report}",
        f"MLflow: {tracking.how_to_open()}",
    ]
    return "\n".join(lines)
