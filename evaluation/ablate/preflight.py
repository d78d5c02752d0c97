"""Everything of a study that can be found wrong before anything is trained."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch

from chronav import load_export, storage
from chronav.errors import CallError
from chronav.services import load
from evaluation.ablate.runs import Data
from evaluation.ablate.variants import Variant
from evaluation.config import EvaluateConfig
from evaluation.data import find_data
from evaluation.describe import Measurement
from evaluation.protocols import protocol_named
from evaluation.subject import prepare
from trainer.export import write_export
from trainer.mixture import parse_tables
from trainer.model import AudioVisualModel
from trainer.preflight import check
from trainer.scan import Exclusion
from trainer.tables import TrainingData, select_rows

if TYPE_CHECKING:
    from trainer.config import PretrainConfig


@dataclass(frozen=True)
class Asked:
    """Data as the call names it."""

    tables: Sequence[str]
    data: str
    exclude: Sequence[str]
    dataset: str | None
    annotations: str | None
    split: str | None


def settle(asked: Asked, rows: Sequence[Variant], protocols: Sequence[str], evaluate: EvaluateConfig) -> Data:
    """The data with the versions that all runs will use; raises `CallError` for whatever would fail later.

    Among that: test items that would be pre-trained on. Media to measure on are ingested here, once.
    """
    for protocol in protocols:
        protocol_named(protocol)
    full = rows[0]
    trained_on = _select(asked, full.config)
    check(trained_on, full.config)
    for row in rows[1:]:
        if row.recipe == full.recipe:  # free changes: switches touch only the losses
            _check_change(asked, row)
    measured = _measurable(asked, full, trained_on, protocols, evaluate)
    paths, weights = parse_tables(asked.tables)
    marks = [f"={weight!r}" for weight in weights] if weights else [""] * len(paths)
    return Data(
        tables=tuple(storage.absolute(path) + mark for path, mark in zip(paths, marks, strict=True)),
        versions={source.path: source.version for source in trained_on.sources},
        exclude=tuple(asked.exclude),
        data=storage.absolute(asked.data),
        measured=measured,
        dataset=asked.dataset,
        annotations=asked.annotations,
        split=asked.split,
    )


def _select(asked: Asked, config: PretrainConfig) -> TrainingData:
    paths, weights = parse_tables(asked.tables)
    exclusions = [Exclusion.parse(text) for text in asked.exclude]
    return select_rows([storage.absolute(path) for path in paths], config, exclusions, weights)


def _check_change(asked: Asked, row: Variant) -> None:
    try:
        check(_select(asked, row.config), row.config)
    except CallError as error:
        raise CallError(
            f"grid change '{row.name}': {error}", code=error.code, key=error.key, path=error.path
        ) from None


def _measurable(
    asked: Asked, full: Variant, trained_on: TrainingData, protocols: Sequence[str], evaluate: EvaluateConfig
) -> str:
    """Ask every protocol whether it could measure networks that have seen what the runs will see."""
    said: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        _write_untrained(folder, full, trained_on, asked.exclude)
        export = load_export(folder)
        for protocol in protocols:
            task = Measurement(protocol_named(protocol), export, evaluate, asked.split)
            try:
                task.check_exports()
                found = find_data(asked.data, asked.dataset, asked.annotations, task)
                subject = prepare(found.table, task, found.dataset, found.annotations, found.items)
            except CallError as error:
                raise _in_our_words(error, protocol) from None
            if not subject.folds:
                raise CallError(
                    f"'{protocol}' can measure nothing: {' '.join(subject.notes)}", code="nothing_to_measure"
                )
            said[protocol] = asdict(subject.table)
    first = said[protocols[0]]
    return f"{first['path']} {first['id']} {first['version']}"


def _write_untrained(folder: str, full: Variant, trained_on: TrainingData, exclude: Sequence[str]) -> None:
    about = load("trainer.job").export_config(trained_on, full.config, full.recipe, exclude, "")
    with torch.random.fork_rng(devices=[]):
        model = AudioVisualModel(full.config)
    write_export(folder, model, about, trained_on.seen_videos(), joint=full.config.loss.va > 0)


def _in_our_words(error: CallError, protocol: str) -> CallError:
    """An evaluation's keys are below `evaluate` here."""
    key = f"evaluate.{error.key}" if error.key in EvaluateConfig.model_fields else error.key
    text = str(error)
    for name in EvaluateConfig.model_fields:
        text = text.replace(f"config key '{name}'", f"config key 'evaluate.{name}'")
        text = text.replace(f"with {name}=", f"with evaluate.{name}=")
    text = text.replace("the export was trained without", "the networks would be trained without")
    text = text.replace(f"the export at '{error.path}'", "what is to be trained")
    path = None if error.code == "unfit_export" else error.path
    return CallError(f"{protocol}: {text}", code=error.code, key=key, path=path)
