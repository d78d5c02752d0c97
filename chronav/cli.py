"""The command line. Each command loads its service only when it is called."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from chronav import __version__, summaries
from chronav.config import build
from chronav.errors import CallError
from chronav.outcome import Outcome, report_error, run_command
from chronav.services import load

app = typer.Typer(
    name="chronav",
    help="Learn from video and its sound without labels.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Overrides = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="config overrides")]
ConfigFile = Annotated[str | None, typer.Option("--config", help="a YAML file of config keys")]
AsJson = Annotated[bool, typer.Option("--json", help="end stdout with one JSON object: the outcome")]
Annotations = Annotated[
    str | None,
    typer.Option(
        help="folder of the data set's official annotation files; kinetics, vggsound, audioset: or one csv file"
    ),
]


def _split(text: str) -> str:
    if text in ("all", "folds") or (text.isdigit() and int(text) > 0):
        return text
    raise typer.BadParameter(f"'{text}' is not a number, all or folds")


@app.command()
def ingest(
    source: Annotated[
        str,
        typer.Argument(help="folder of media files, glob, or CSV/TSV/Parquet file of uris; local or a URL"),
    ],
    overrides: Overrides = None,
    table: Annotated[str, typer.Option(help="the clip table to make or to extend")] = ...,  # type: ignore[assignment]
    dataset: Annotated[
        str,
        typer.Option(
            help="layout: folder, ucf101, hmdb51, kinetics, vggsound, esc50, audioset, or world (the demo's)"
        ),
    ] = "folder",
    annotations: Annotations = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="drop what the table has of files that are gone from the source")
    ] = False,
    retry: Annotated[
        list[str] | None,
        typer.Option(help="decode again the files that are: failed, rejected, or a reason code; repeatable"),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="say file by file what would be done and why, and do nothing")
    ] = False,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="replace all content of the table, also with another config")
    ] = False,
    limit: Annotated[int | None, typer.Option(help="new files to take in this call, at most")] = None,
    compact: Annotated[bool, typer.Option("--compact", help="merge small data files of the table")] = False,
    vacuum: Annotated[
        bool, typer.Option("--vacuum", help="delete data files of killed runs, a day old or more")
    ] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Turn media files into a clip table, decoding only what is new or changed."""

    def job() -> Outcome:
        settings = build(load("pipelines.config").IngestConfig, config, overrides or ())
        options = load("pipelines.options").Options(
            prune=prune,
            retry=frozenset(retry or ()),
            dry_run=dry_run,
            rebuild=rebuild,
            limit=limit,
            compact=compact,
            vacuum=vacuum,
        )
        return load("pipelines.job").ingest(source, table, settings, dataset, annotations, options)

    _finish(job, summaries.ingest, as_json)


@app.command()
def inspect(
    table: Annotated[str, typer.Argument(help="a clip table")],
    overrides: Overrides = None,
    html: Annotated[
        str | None, typer.Option(help="write a page: charts, sheets of frames, waveforms, sound")
    ] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what a clip table holds, and what became of its files."""

    def job() -> Outcome:
        settings = build(load("pipelines.inspect.config").InspectConfig, config, overrides or ())
        return load("pipelines.inspect").inspect(table, html, settings)

    _finish(job, summaries.inspect, as_json)


@app.command()
def pretrain(
    overrides: Overrides = None,
    table: Annotated[
        list[str], typer.Option(help="a clip table; repeat for several, each T or each T=WEIGHT")
    ] = ...,  # type: ignore[assignment]
    out: Annotated[str, typer.Option(help="folder of the run: checkpoints and export")] = ...,  # type: ignore[assignment]
    recipe: Annotated[
        str,
        typer.Option(
            help="tiny, world, small, kinetics400, vggsound or ucf101; +SWITCH takes a piece away: tiny+no_order"
        ),
    ] = "small",
    exclude: Annotated[list[str] | None, typer.Option(help="keep out a split: ucf101/1=test")] = None,
    resume: Annotated[
        str,
        typer.Option(
            help="auto: go on where the run stopped; no: a new run; or the folder of a checkpoint to begin from"
        ),
    ] = "no",
    probe: Annotated[
        str | None, typer.Option(help="a labelled clip table: see every epoch what nearest neighbours tell")
    ] = None,
    profile: Annotated[
        bool, typer.Option("--profile", help="record a few steps into OUT/profile (torch profiler)")
    ] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Pre-train a video and an audio encoder on clip tables (a Ray Train job)."""

    def job() -> Outcome:
        recipes = load("trainer.recipes")
        settings = build(load("trainer.config").PretrainConfig, config, overrides or (), recipes.get(recipe))
        return load("trainer.job").pretrain(
            table, out, settings, recipe, exclude or [], resume, probe, profile
        )

    _finish(job, summaries.pretrain, as_json, "add --resume auto to go on from the latest checkpoint")


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
            parser=_split,
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
        run = load("evaluation.job").evaluate
        return run(protocol, export, data, settings, dataset, annotations, split, against)

    _finish(job, summaries.evaluate, as_json)


@app.command()
def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN_OR_OUTCOME...",
            help="MLflow run ids of evaluations, or files with their JSON outcomes",
        ),
    ],
    out: Annotated[str, typer.Option(help="the page to write, an .html file")] = ...,  # type: ignore[assignment]
    as_json: AsJson = False,
) -> None:
    """Set evaluations beside one another on a page, paired where they asked about the same items."""
    _finish(lambda: load("evaluation.compare").compare(runs, out), summaries.compare, as_json)


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
    split: Annotated[str | None, typer.Option(parser=_split, metavar="SPLIT", help="as for evaluate")] = None,
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

    _finish(job, summaries.ablate, as_json)


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

    _finish(job, summaries.embed, as_json)


@app.command()
def demo(
    overrides: Overrides = None,
    data: Annotated[str | None, typer.Option(help="your own folder of videos instead of the world")] = None,
    out: Annotated[
        str, typer.Option(help="where everything goes; the default takes the next free name")
    ] = "runs/demo",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a small world, learn from it, measure what was learnt, and report."""

    def job() -> Outcome:
        demo_module = load("chronav.demo")
        return demo_module.demo(out, data, build(demo_module.DemoConfig, config, overrides or ()))

    _finish(job, summaries.demo, as_json, "run it again to begin anew in another folder")


@app.command("import-gpu")
def import_gpu(
    file: Annotated[str, typer.Argument(help="the JSON file that `make gpu-check` wrote")],
    as_json: AsJson = False,
) -> None:
    """Enter what a GPU machine measured into MLflow."""
    from chronav.gpu_report import import_report

    _finish(lambda: import_report(file), summaries.import_gpu, as_json)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def submit(
    context: typer.Context,
    command: Annotated[str, typer.Argument(help="the chronav command to run on the cluster")],
    address: Annotated[str, typer.Option(help="the cluster's dashboard, http://HOST:8265")] = ...,  # type: ignore[assignment]
    working_dir: Annotated[str | None, typer.Option(help="a folder to ship to the cluster")] = None,
    as_json: AsJson = False,
) -> None:
    """Run any of these commands as a job on a Ray cluster, and follow its log.

    Everything but the options below goes to the command; its exit code is the exit code.
    """
    call = [command, *context.args, *(["--json"] if as_json else [])]

    def job() -> Outcome:
        return load("deploy.submit").submit(call, address, working_dir)

    _finish(job, summaries.submit, as_json)


def main() -> None:
    """Entry point of the console script: wrong calls end with one line and exit code 2."""
    try:
        code = app(standalone_mode=False)
    except typer.Exit as exit_:
        code = exit_.exit_code
    except typer.Abort:
        code = 130
    except typer.TyperException as error:
        wrong = CallError(error.format_message(), code="usage")
        code = report_error(wrong, "--json" in sys.argv)
    sys.exit(code if isinstance(code, int) else 0)


def _version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


def _finish(
    job: Callable[[], Outcome],
    summary: Callable[[Mapping[str, Any]], str],
    as_json: bool,
    go_on: str = "run the same command again to go on",
) -> None:
    code = run_command(job, summary, as_json, go_on)
    raise typer.Exit(code)


if __name__ == "__main__":
    main()
