"""The pre-training job: checks the call, wires Ray Train, and reports."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from chronav import listing, storage, tracking
from chronav.cluster import connected
from chronav.errors import CallError
from chronav.progress import say
from trainer import checkpoint
from trainer.board import new_board
from trainer.config import HEADS, PretrainConfig
from trainer.export import ExportConfig, ExportedTable
from trainer.fit import fit
from trainer.mixture import parse_tables
from trainer.preflight import check, check_norm, cluster_gpus, say_device, say_norm
from trainer.scan import Exclusion
from trainer.tables import TrainingData, select_rows
from trainer.watch.probe_table import open_probe
from trainer.watch.watch import Watched
from trainer.worker import WorkerJob


def pretrain(
    tables: Sequence[str],
    out: str,
    config: PretrainConfig,
    recipe: str,
    exclude: Sequence[str] = (),
    resume: str = "no",
    probe: str | None = None,
    profile: bool = False,
) -> dict[str, Any]:
    """Pre-train on clip tables into the folder `out`; returns the outcome (architecture page, `pretrain`).

    `tables`: each `T`, or each `T=WEIGHT`: its relative share of the samples of an epoch.
    `resume`: `no` (an existing folder is refused), `auto` (go on from its latest checkpoint, or begin), or the
    folder of a checkpoint to begin from. `probe`: a labelled clip table on which features are looked at now and then;
    `profile`: record a few steps. Raises `CallError` for a wrong call, `JobError` for a failed run.
    """
    began = time.monotonic()
    out = storage.absolute(out)
    paths, weights = parse_tables(tables)
    exclusions = [Exclusion.parse(text) for text in exclude]
    start = _starting_point(out, resume, config)
    # Read now: its checkpoint makes way for newer ones.
    progress = checkpoint.read_progress(start) if start else None
    versions = progress.versions if progress else {}
    data = select_rows([storage.absolute(path) for path in paths], config, exclusions, weights, versions)
    check(data, config)
    watched = _watched(data, out, config, probe, profile)
    if start is not None:
        _check_same_data(start, _data_id(data, exclude))
    with connected(min_cpus=config.workers + 2):
        check_norm(config, cluster_gpus())
        say_norm(config, cluster_gpus())
        say_device(config, cluster_gpus())
        run = _start_run(data, out, config, recipe, exclude, start if resume == "auto" else None)
        if start is not None and resume != "auto":
            run.tags({"chronav.begun_from": start})
        if watched.probe is not None:
            run.tags({"chronav.probe": str(watched.probe)})
        try:
            job = WorkerJob(
                config,
                data,
                out,
                export_config(data, config, recipe, exclude, run.run_id),
                start,
                _data_id(data, exclude),
                run.uri,
                run.run_id,
                new_board(),
                watched,
            )
            outcome = fit(job)
            version = run.register(tracking.REGISTERED_MODEL, storage.join(out, "export"))
            run.tags({"chronav.model_version": f"{tracking.REGISTERED_MODEL}/{version}"})
        except BaseException as error:
            run.finish("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
            raise
        run.finish()
    return {
        **_described(data, out, config),
        **outcome,
        "begun_at_step": progress.step if progress else 0,
        "mlflow_run_id": run.run_id,
        "model_version": f"{tracking.REGISTERED_MODEL}/{version}",
        "seconds": time.monotonic() - began,
    }


def _described(data: TrainingData, out: str, config: PretrainConfig) -> dict[str, Any]:
    """What of the outcome follows from the call."""
    return {
        "steps": config.steps,
        "samples": config.steps * config.batch_size,
        "checkpoint": checkpoint.latest(out),
        "export": storage.join(out, "export"),
        "heldout_videos": data.heldout_videos,
        "train_videos": data.train_videos.num_rows,
        "excluded_segments": data.excluded_rows,
        "untrained_heads": [head for head in HEADS if config.loss.lambda_t * getattr(config.loss, head) == 0],
    }


def _watched(
    data: TrainingData, out: str, config: PretrainConfig, probe: str | None, profile: bool
) -> Watched:
    """What is watched beyond the usual; raises `CallError` where the probe's table is of no use."""
    opened = None if probe is None else open_probe(storage.absolute(probe), config, data)
    if opened is not None:
        say(f"pretrain: probe {opened}")
    return Watched(opened, storage.join(out, "profile") if profile else None)


def _starting_point(out: str, resume: str, config: PretrainConfig) -> str | None:
    """The checkpoint to go on from, if any; raises `CallError` where the call does not allow it."""
    exists = storage.exists(out) and any(True for _ in listing.list_files(out))
    if resume == "no":
        if exists:
            raise CallError(
                f"'{out}' exists; use --resume auto to go on, or another --out", code="exists", path=out
            )
        return None
    start = checkpoint.latest(out) if resume == "auto" and exists else None
    if resume != "auto":
        start = storage.absolute(resume)
        if exists:
            raise CallError(f"'{out}' exists; --resume PATH begins a new run", code="exists", path=out)
    if start is None:
        say(f"pretrain: no checkpoint in '{out}': begins at step 0")
        return None
    progress = checkpoint.read_progress(start)
    _check_same_config(start, progress, config)
    if progress.step > config.steps:
        raise CallError(
            f"'{start}' is at step {progress.step} already, beyond steps={config.steps}",
            code="bad_value",
            key="steps",
            path=start,
        )
    say(f"pretrain: goes on from step {progress.step}, '{start}'")
    return start


def _check_same_config(start: str, progress: checkpoint.Progress, config: PretrainConfig) -> None:
    if progress.config_digest == checkpoint.digest(config):
        return
    changed = checkpoint.changes(progress.config, checkpoint.fixed(config)) if progress.config else []
    listed = f": {', '.join(changed)}" if changed else ""
    raise CallError(
        f"'{start}' was made with another config{listed}; resume with the same one, or train into a new folder",
        code="config_changed",
        key="resume",
    )


def _data_id(data: TrainingData, exclude: Sequence[str]) -> tuple[str, ...]:
    """Names what a run learns from: the plan of samples and the list of seen videos depend on nothing else."""
    return (*map(str, data.sources), *(f"without {text}" for text in sorted(exclude)))


def _check_same_data(start: str, data_id: tuple[str, ...]) -> None:
    before = checkpoint.read_progress(start).data
    if before != data_id:
        raise CallError(
            f"'{start}' was trained on {', '.join(before)}, not on {', '.join(data_id)}; train into a new folder",
            code="data_changed",
            key="table",
        )


def _start_run(
    data: TrainingData,
    out: str,
    config: PretrainConfig,
    recipe: str,
    exclude: Sequence[str],
    start: str | None,
) -> tracking.Run:
    known = checkpoint.read_progress(start).mlflow_run_id if start else None
    tables = ", ".join(map(str, data.sources))
    tags = {"chronav.tables": tables, "chronav.out": out, "chronav.export": storage.join(out, "export")}
    run = tracking.Run.start("pretrain", storage.join(recipe, out.rpartition("/")[2]), tags, known)
    run.params(config.model_dump() | {"recipe": recipe, "tables": tables, "exclude": ", ".join(exclude)})
    return run


def export_config(
    data: TrainingData, config: PretrainConfig, recipe: str, exclude: Sequence[str], run_id: str
) -> ExportConfig:
    """What the export of a run says of itself."""
    return ExportConfig(
        video=config.video,
        audio=config.audio,
        norm=config.norm,
        fps=data.fps,
        sample_rate=data.sample_rate,
        short_side=data.short_side,
        recipe=recipe,
        steps=config.steps,
        seed=config.seed,
        tables=tuple(ExportedTable(path=s.path, version=s.version, weight=s.weight) for s in data.sources),
        excluded=tuple(exclude),
        mlflow_run_id=run_id,
    )
