"""Commands of the evaluation service."""

from __future__ import annotations

from typing import Annotated

import typer

from chronav import summaries
from chronav.cli_options import Annotations, AsJson, ConfigFile, Overrides, finish, parse_split
from chronav.config import build
from chronav.outcome import Outcome
from chronav.services import load

app = typer.Typer()


@app.command()
def evaluate(
    protocol: Annotated[
        str, typer.Argument(help="retrieval, linear, audio, crossmodal, finetune, or all (but finetune)")
    ],
    overrides: Overrides = None,
    export: Annotated[str, typer.Option(help="the export folder of a pre-training run")] = ...,  # type: ignore[assignment]
    data: Annotated[str, typer.Option(help="a clip table, or media in a known layout")] = ...,  # type: ignore[assignment]
    dataset: Annotated[
        str | None,
        typer.Option(
            help="layout of the media: ucf101, hmdb51, esc50, esc10, world, or folder (a folder a class)"
        ),
    ] = None,
    annotations: Annotations = None,
    split: Annotated[
        str | None,
        typer.Option(
            parser=parse_split,
            metavar="SPLIT",
            help="an official split or fold (1, 2, 3), all of them, or folds: divide the data anew",
        ),
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="another export, to be compared with test item by test item")
    ] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Measure an export on labelled data, beside the same network untrained and other baselines."""

    def job() -> Outcome:
        settings = build(load("evaluation.config").EvaluateConfig, config, overrides or ())
        load("evaluation.preflight").check_call(
            protocol, export, data, settings, dataset, annotations, against
        )
        run = load("evaluation.job").evaluate
        return run(protocol, export, data, settings, dataset, annotations, split, against)

    finish(job, summaries.evaluate, as_json)


@app.command()
def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN_OR_OUTCOME...",
            help="MLflow run ids of evaluations (or how they begin), or files with their JSON outcomes",
        ),
    ],
    out: Annotated[str, typer.Option(help="the page to write, an .html file")] = ...,  # type: ignore[assignment]
    as_json: AsJson = False,
) -> None:
    """Set evaluations beside one another on a page, paired where they asked about the same items."""
    finish(lambda: load("evaluation.compare").compare(runs, out), summaries.compare, as_json)


@app.command()
def ablate(
    overrides: Overrides = None,
    table: Annotated[
        list[str],
        typer.Option(help="a clip table to learn from; repeat for several, each T or each T=WEIGHT"),
    ] = ...,  # type: ignore[assignment]
    data: Annotated[
        str, typer.Option(help="what runs are measured on: a clip table, or media in a known layout")
    ] = ...,  # type: ignore[assignment]
    grid: Annotated[
        str, typer.Option(help="paper, or a YAML file: switches, changes, seeds, protocols")
    ] = ...,  # type: ignore[assignment]
    out: Annotated[str, typer.Option(help="folder of the study; called again, it goes on")] = "runs/ablate",
    recipe: Annotated[str, typer.Option(help="the full method's recipe, as for pretrain")] = "small",
    exclude: Annotated[
        list[str] | None, typer.Option(help="keep a split out of pre-training: ucf101/1=test")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="layout of the media, as for evaluate")] = None,
    annotations: Annotations = None,
    split: Annotated[
        str | None, typer.Option(parser=parse_split, metavar="SPLIT", help="as for evaluate")
    ] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Train without one piece after another, measure all, and show the differences to the full method."""

    def job() -> Outcome:
        settings = load("evaluation.ablate.config").open_config(recipe, config, overrides or ())
        asked = load("evaluation.ablate.preflight").Asked(
            table, data, exclude or (), dataset, annotations, split
        )
        return load("evaluation.ablate.job").ablate(asked, grid, out, settings, recipe)

    finish(job, summaries.ablate, as_json)


@app.command()
def embed(
    source: Annotated[str, typer.Argument(help="a clip table, or media: a folder, glob, or file of uris")],
    overrides: Overrides = None,
    export: Annotated[str, typer.Option(help="the export folder of a pre-training run")] = ...,  # type: ignore[assignment]
    out: Annotated[str, typer.Option(help="the Parquet file to write")] = ...,  # type: ignore[assignment]
    dataset: Annotated[str, typer.Option(help="layout of the media, as for ingest")] = "folder",
    annotations: Annotations = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Write the features of clips, or of whole videos, by an export."""

    def job() -> Outcome:
        settings = build(load("evaluation.config").EmbedConfig, config, overrides or ())
        return load("evaluation.embed").embed(export, source, out, settings, dataset, annotations)

    finish(job, summaries.embed, as_json)
