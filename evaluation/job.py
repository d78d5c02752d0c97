"""`chronav evaluate`: wires data, features, a protocol and the report; one MLflow run a protocol."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from chronav import load_export, storage
from chronav.cluster import connected
from chronav.errors import CallError
from chronav.outcome import Outcome
from chronav.progress import say
from chronav.tracking import Run
from evaluation.adapted import adaptations
from evaluation.bench import Bench
from evaluation.config import EvaluateConfig
from evaluation.data import check_fits, find_data
from evaluation.describe import Measurement
from evaluation.features import embed_videos, plan_clips
from evaluation.items import read_videos
from evaluation.neighbours import among_all, nearest
from evaluation.networks import exported
from evaluation.pages.exhibits import gather
from evaluation.per_fold import open_exports
from evaluation.protocols import ALL, ON_FROZEN_FEATURES, protocol_named
from evaluation.protocols.base import Found
from evaluation.publish import publish
from evaluation.results import answer_table, item_table, ranking_table, results
from evaluation.subject import prepare
from evaluation.who import PRETRAINED
from pipelines.table import open_table

if TYPE_CHECKING:
    from trainer.export import Export

NOT_FOR_THIS = ("unfit_export", "nothing_to_measure", "too_few_classes")
"""Why a protocol may be left out of `all`."""


def evaluate(
    protocol: str,
    export: str,
    data: str,
    config: EvaluateConfig,
    dataset: str | None = None,
    annotations: str | None = None,
    split: str | int | None = None,
    against: str | None = None,
    with_items: bool = False,
) -> Outcome:
    """Measure an export by `protocol`, beside the same network with random weights and other baselines.

    `data`: a clip table, or media laid out as `dataset`. `split`: see `splits.divide`. `against`: another export,
    measured on the same items and compared item by item. `with_items`: `items`, the main metric by test item,
    is part of the outcome. Raises `CallError` for a wrong call, among them: test items
    that were seen in pre-training, a table at another frame or sample rate.
    """
    if protocol == ALL:
        return _evaluate_all(export, data, config, dataset, annotations, split, against)
    started = time.monotonic()
    task = _task(protocol, export, config, split, against)
    task.check_exports()
    source = find_data(data, dataset, annotations, task)
    subject = prepare(source.table, task, source.dataset, source.annotations, source.items)
    run = Run.start(
        "evaluate", f"{protocol} {subject.dataset}", task.tags(subject) | {"data": storage.absolute(data)}
    )
    try:
        run.params(task.params(subject))
        bench = Bench(task, subject, (run.uri, run.run_id))
        found = task.method.find(bench) if subject.folds else {}
        outcome = _described(bench) | {"data": storage.absolute(data)}
        outcome |= results(task.method, subject, found, config)
        outcome["notes"] += adaptations(bench, found)
        outcome |= _shown(bench, found)
        outcome |= {"mlflow_run_id": run.run_id, "seconds": time.monotonic() - started}
        tables = {
            "answers": answer_table(subject, found),
            "rankings": ranking_table(subject, found.get(PRETRAINED, [])),
        }
        shown = gather(bench, found, outcome.get("neighbours", ()))
        publish(run, outcome, config, tables, shown)
    except BaseException as error:
        run.finish("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
        raise
    run.finish()
    if with_items:
        outcome["items"] = item_table(task.method.main, subject, found.get(PRETRAINED, []))
    return outcome


def _task(
    protocol: str, export: str, config: EvaluateConfig, split: str | int | None, against: str | None
) -> Measurement:
    method, own = protocol_named(protocol, config), open_exports(export)
    other = None if against is None else open_exports(against)
    return Measurement(
        method,
        own.first,
        config,
        split,
        other.first if other else None,
        own if own.by_fold else None,
        other if other and other.by_fold else None,
    )


def _evaluate_all(
    export: str,
    data: str,
    config: EvaluateConfig,
    dataset: str | None,
    annotations: str | None,
    split: str | int | None,
    against: str | None,
) -> Outcome:
    """Every protocol on frozen features that the export and the data are fit for.

    `metrics` and `baselines` by `<protocol>/<metric>`.
    """
    started = time.monotonic()
    outcomes: dict[str, Outcome] = {}
    left_out: dict[str, CallError] = {}
    with connected(min_cpus=2):
        for name in ON_FROZEN_FEATURES:
            try:
                outcomes[name] = evaluate(name, export, data, config, dataset, annotations, split, against)
            except CallError as error:
                if error.code not in NOT_FOR_THIS:
                    raise
                left_out[name] = error
                say(f"{name} is left out: {error}")
    if not outcomes:
        raise next(iter(left_out.values()))
    first = next(iter(outcomes.values()))
    baselines: dict[str, dict[str, float]] = {}
    for name, one in outcomes.items():
        for who, metrics in one["baselines"].items():
            baselines.setdefault(who, {}).update({f"{name}/{m}": value for m, value in metrics.items()})
    return {
        "protocol": ALL,
        "metrics": {f"{n}/{m}": value for n, one in outcomes.items() for m, value in one["metrics"].items()},
        "baselines": baselines,
        "coverage": first["coverage"],
        "seen_in_pretraining": max(one["seen_in_pretraining"] for one in outcomes.values()),
        "splits": [],
        "protocols": outcomes,
        "left_out": {name: str(error) for name, error in left_out.items()},
        "report": first["report"],
        "mlflow_run_id": first["mlflow_run_id"],
        "seconds": time.monotonic() - started,
        "summary": "\n\n".join(
            [
                *(one["summary"] for one in outcomes.values()),
                *(f"{n} was left out: {e}" for n, e in left_out.items()),
            ]
        ),
    }


def nearest_videos(export: str, table: str, config: EvaluateConfig) -> list[dict[str, Any]]:
    """For `config.neighbour_queries` videos the five nearest of all others, labelled or not.

    The form is that of `neighbours` in a retrieval outcome. Queries are drawn among the videos that the
    export was not trained on, where there are such. Raises `CallError` where nothing can be compared.
    """
    task = Measurement(protocol_named("retrieval"), load_export(export), config)
    shape = task.clip_shape()
    opened = open_table(table)
    videos, groups = read_videos(opened)
    check_fits(opened, videos, groups, task.export.config, shape.modality)
    videos = [video for video in videos if video.has_frames]
    if len(videos) < 2:
        raise CallError(f"'{table}' holds fewer than two videos with pictures", code="nothing_to_measure")
    plan = plan_clips(videos, range(len(videos)), shape, config.clips)
    networks = [exported(PRETRAINED, task.export, storage.absolute(export))]
    with connected(min_cpus=2):
        features = embed_videos(plan, groups, networks, shape, config.batch_size, config.workers)
    return among_all(videos, features.owner, features.of(PRETRAINED), task.export.seen_videos(), config)


def _shown(bench: Bench, found: Found) -> dict[str, Any]:
    """`neighbours` of a few queries, where the protocol ranks a gallery."""
    measured = found.get(PRETRAINED, [])
    if not measured or measured[0].ranking is None:
        return {}
    subject, config, fold = bench.subject, bench.task.config, bench.subject.folds[0]
    wanted = config.neighbour_queries
    ranking = measured[0].ranking
    return {"neighbours": nearest(subject.videos, fold.test, fold.train, ranking, wanted, config.seed)}


def _made_by(export: Export) -> dict[str, str | None]:
    return {"export": storage.absolute(export.path), "pretrain_run_id": export.config.mlflow_run_id}


def _described(bench: Bench) -> dict[str, Any]:
    task, subject = bench.task, bench.subject
    return {
        "protocol": task.method.name,
        "protocol_text": task.in_words(subject),
        "main": task.method.main,
        "dataset": subject.dataset,
        "export": storage.absolute(task.own.path),
        "exports": [_made_by(one) for one in task.own.each],
        "pretrain_run_id": task.export.config.mlflow_run_id,
        "against": task.against,
        "table": subject.table.path,
        "table_version": subject.table_version,
        "division": subject.division,
        "coverage": subject.coverage,
        "seen_in_pretraining": subject.seen,
        "features": bench.kept_at,
        "clips": bench.clips_used,
        "clips_embedded": bench.own_embedded(),
        "short_clips": max(bench.short.values(), default=0),
    }
