"""The command line. Each command loads its service only when it is called."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from chronav import __version__, summaries
from chronav.cli_evaluation import app as evaluation_app
from chronav.cli_options import Annotations, AsJson, ConfigFile, Overrides, finish
from chronav.config import build
from chronav.errors import CallError
from chronav.outcome import Outcome, report_error
from chronav.services import load

app = typer.Typer(
    name="chronav",
    help="Learn from video and its sound without labels.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


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

    finish(job, summaries.ingest, as_json)


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

    finish(job, summaries.inspect, as_json)


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

    finish(job, summaries.pretrain, as_json, "add --resume auto to go on from the latest checkpoint")


app.add_typer(evaluation_app)


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

    finish(job, summaries.demo, as_json, "run it again to begin anew in another folder")


@app.command("import-gpu")
def import_gpu(
    file: Annotated[str, typer.Argument(help="the JSON file that `make gpu-check` wrote")],
    as_json: AsJson = False,
) -> None:
    """Enter what a GPU machine measured into MLflow."""
    from chronav.gpu_report import import_report

    finish(lambda: import_report(file), summaries.import_gpu, as_json)


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

    finish(job, summaries.submit, as_json)


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


if __name__ == "__main__":
    main()
