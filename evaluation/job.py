"""`chronav evaluate`: wires data, features, a protocol and the report; one MLflow run."""

from __future__ import annotations

import time
from typing import Any

from chronav import load_export, storage
from chronav.cluster import connected, quiet_ray_data
from chronav.errors import CallError
from chronav.outcome import Outcome
from chronav.progress import say
from chronav.tracking import Run
from evaluation.aggregate import fold_metrics, gain, mean_over_folds, metrics_with_intervals
from evaluation.comparison import as_text
from evaluation.config import EvaluateConfig
from evaluation.data import check_fits, clip_table
from evaluation.describe import Measurement
from evaluation.embedder import ClipShape
from evaluation.features import Features, Network, Plan, embed_videos, plan_clips
from evaluation.floor import random_weights
from evaluation.items import read_videos
from evaluation.neighbours import among_all, nearest, neighbour_rows
from evaluation.protocols import protocol_named
from evaluation.protocols.base import FoldData, Measured
from evaluation.protocols.retrieval import video_ranking
from evaluation.report import write_evaluation_report
from evaluation.subject import Subject, prepare
from pipelines.table import open_table

PRETRAINED, RANDOM = "pretrained", "random_weights"


def evaluate(
    protocol: str,
    export: str,
    data: str,
    config: EvaluateConfig,
    dataset: str | None,
    annotations: str | None,
    split: int,
) -> Outcome:
    """Measure an export by `protocol`, beside the same network with random weights and beside chance.

    `data`: a clip table, or media laid out as `dataset`. Raises `CallError` for a wrong call, among
    them: test items that were seen in pre-training, a table at another frame or sample rate.
    """
    started = time.monotonic()
    task = Measurement(protocol_named(protocol), load_export(export), config, split)
    shape = task.clip_shape()
    with connected(min_cpus=2):
        quiet_ray_data()
        table = clip_table(data, dataset, annotations, task)
        subject = prepare(table, task, dataset, annotations)
        plan = plan_clips(subject.videos, subject.used, shape, config.clips)
        run = Run.start("evaluate", f"{protocol} {subject.dataset}", task.tags(subject))
        try:
            run.params(task.params(subject))
            networks = _networks(task, subject, plan, shape)
            features = embed_videos(
                plan, subject.row_groups, networks, shape, config.batch_size, config.workers
            )
            outcome = _described(task, subject, features) | _measured(task, subject, features)
            outcome |= {"mlflow_run_id": run.run_id, "seconds": time.monotonic() - started}
            _publish(run, outcome, config)
        except BaseException as error:
            run.finish("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
            raise
    run.finish()
    return outcome


def nearest_videos(export: str, table: str, config: EvaluateConfig) -> list[dict[str, Any]]:
    """For `config.neighbour_queries` videos the five nearest of all others, labelled or not.

    The form is that of `neighbours` in a retrieval outcome. Queries are drawn among the videos that the
    export was not trained on, where there are such. Raises `CallError` where nothing can be compared.
    """
    task = Measurement(protocol_named("retrieval"), load_export(export), config, split=1)
    shape = task.clip_shape()
    opened = open_table(table)
    videos, groups = read_videos(opened)
    check_fits(opened, videos, groups, task.export.config, shape.modality)
    videos = [video for video in videos if video.has_frames]
    if len(videos) < 2:
        raise CallError(f"'{table}' holds fewer than two videos with pictures", code="nothing_to_measure")
    plan = plan_clips(videos, range(len(videos)), shape, config.clips)
    with connected(min_cpus=2):
        quiet_ray_data()
        networks = [Network(PRETRAINED, storage.absolute(export))]
        features = embed_videos(plan, groups, networks, shape, config.batch_size, config.workers)
    return among_all(videos, features.owner, features.of(PRETRAINED), task.export.seen_videos(), config)


def _networks(task: Measurement, subject: Subject, plan: Plan, shape: ClipShape) -> list[Network]:
    path = storage.absolute(task.export.path)
    training = subject.folds[0].train.tolist()
    floor = random_weights(task.export, task.config.seed, plan, training, subject.row_groups, shape)
    return [Network(PRETRAINED, path), Network(RANDOM, path, floor)]


def _measured(task: Measurement, subject: Subject, features: Features) -> dict[str, Any]:
    """`metrics`, `baselines`, `splits` or `folds`, `notes`, and for retrieval `neighbours`."""
    method, config = task.method, task.config
    folds = [subject.fold_data(fold, features.owner) for fold in subject.folds]
    say(f"{method.name}: {len(folds)} fold{'s' * (len(folds) > 1)}, pre-trained beside random weights")
    found = {
        name: [method.measure(fold, features.of(name), config) for fold in folds] for name in features.vectors
    }
    blind = [method.without_features(fold) for fold in folds]
    options = (config.bootstrap, config.seed)
    result: dict[str, Any] = {
        "metrics": metrics_with_intervals(found[PRETRAINED], *options)
        | gain(method.main, found[PRETRAINED], found[RANDOM], *options),
        "baselines": {RANDOM: metrics_with_intervals(found[RANDOM], *options)}
        | {name: mean_over_folds([one[name] for one in blind]) for name in blind[0]},
        "folds" if len(folds) > 1 else "splits": _fold_rows(subject, found, blind),
        "notes": [*subject.notes, *_remarks(found)],
    }
    if method.name == "retrieval":
        result["neighbours"] = _neighbours(subject, folds[0], features, config)
    return result


def _fold_rows(
    subject: Subject, found: dict[str, list[Measured]], blind: list[dict[str, dict[str, float]]]
) -> list[dict[str, Any]]:
    return [
        {
            "name": fold.name,
            "n_train": int(fold.train.size),
            "n_test": int(fold.test.size),
            "metrics": fold_metrics(found[PRETRAINED][i]),
            "baselines": {RANDOM: fold_metrics(found[RANDOM][i]), **blind[i]},
        }
        for i, fold in enumerate(subject.folds)
    ]


def _remarks(found: dict[str, list[Measured]]) -> list[str]:
    """Each remark once."""
    return list(dict.fromkeys(text for folds in found.values() for fold in folds for text in fold.remarks))


def _neighbours(
    subject: Subject, fold: FoldData, features: Features, config: EvaluateConfig
) -> list[dict[str, Any]]:
    ranking = video_ranking(fold, features.of(PRETRAINED), config.seed)
    wanted = config.neighbour_queries
    return nearest(subject.videos, fold.test, fold.train, ranking, wanted, config.seed)


def _described(task: Measurement, subject: Subject, features: Features) -> dict[str, Any]:
    return {
        "protocol": task.method.name,
        "protocol_text": task.in_words(subject),
        "main": task.method.main,
        "dataset": subject.dataset,
        "export": storage.absolute(task.export.path),
        "table": storage.absolute(subject.table),
        "table_version": subject.table_version,
        "coverage": subject.coverage,
        "seen_in_pretraining": subject.seen,
        "clips_embedded": int(features.owner.size),
        "short_clips": features.short_clips,
    }


def _publish(run: Run, outcome: Outcome, config: EvaluateConfig) -> None:
    """The report and the summary, and everything into the MLflow run."""
    name = f"{outcome['protocol']}-{outcome['dataset']}-{run.run_id[:8]}.html"
    outcome["report"] = storage.join(storage.absolute(config.out), name)
    outcome["summary"] = as_text(outcome)
    rows = neighbour_rows(outcome["table"], outcome["neighbours"]) if "neighbours" in outcome else []
    write_evaluation_report(outcome["report"], outcome, rows)
    values = dict(outcome["metrics"])
    for baseline, metrics in outcome["baselines"].items():
        values |= {f"{baseline}/{name}": value for name, value in metrics.items()}
    values |= {f"coverage/{k}": v for k, v in outcome["coverage"].items() if not isinstance(v, bool)}
    values |= {
        key: outcome[key] for key in ("seen_in_pretraining", "short_clips", "clips_embedded", "seconds")
    }
    run.metrics(values)
    if not storage.is_url(outcome["report"]):
        run.artifact(outcome["report"])
