"""The command line: requests parsed, results printed. Everything else is in `project.py`."""

import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from gristmill import screen
from gristmill.errors import GristmillError, RequestError
from gristmill.plan import is_fresh
from gristmill.project import Project

INTERRUPTED = 130

app = typer.Typer(no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(help="A pipeline of pipelines.toml.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="TABLE.KEY=VALUE", help="Override a setting for this call.")
]
Refresh = Annotated[str | None, typer.Option(metavar="STAGE", help="Do this stage again, even if its result is there.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show Prefect's log too.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show warnings and results only.")] = False,
) -> None:
    """Turn raw data into trained, tested, exported TensorFlow models, and keep them fresh."""
    screen.set_up(logging.WARNING if quiet else logging.INFO, debug)
    if not verbose:
        os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")  # gristmill says itself what happened, in one line
        os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", "gristmill,tasks")


@app.command()
def ls(as_json: Json = False) -> None:
    """List the pipelines: state, headline score beside the best baseline's."""
    found = list(Project.open().status())
    screen.show_json([vars(status) for status in found]) if as_json else screen.show_status(found)


@app.command()
def plan(name: Name, set_: Set = None, refresh: Refresh = None, as_json: Json = False) -> None:
    """Print what a run would do, and why."""
    steps = Project.open(overrides={name: set_ or []}).plan(name, refresh)
    if as_json:
        screen.show_json([{"stage": step.stage, "state": step.state, "reason": step.reason} for step in steps])
    else:
        screen.show_plan(name, steps)


@app.command()
def run(
    names: Annotated[list[str], typer.Argument(help="Pipelines.")],
    set_: Set = None,
    refresh: Refresh = None,
    as_json: Json = False,
) -> None:
    """Bring pipelines up to date: do what the plan says, print scores, report and bundle."""
    project = Project.open(overrides={name: set_ or [] for name in names})
    results = []
    for name in names:
        steps = project.plan(name, refresh)
        if not as_json:
            screen.show_plan(name, steps)
        with screen.epochs():
            record = project.run(name, refresh, steps)
        if as_json:
            results.append(record.model_dump(mode="json") | {"scores": project.scores(record)})
        elif not is_fresh(steps):
            screen.show_scores(project.scores(record))
            screen.show_places(project.report(record), project.bundle(record))
    if as_json:
        screen.show_json(results[0] if len(results) == 1 else results)


@app.command()
def show(
    name: Name,
    run: Annotated[str | None, typer.Option(help="A run's id; the last successful one if not given.")] = None,
    as_json: Json = False,
) -> None:
    """Show a run: scores beside baselines, lineage."""
    project = Project.open()
    record = project.record(name, run)
    scores = project.scores(record) if "evaluate" in record.references else None
    logs = project.logs(record)
    if as_json:
        screen.show_json({"run": record.model_dump(mode="json"), "scores": scores, "logs": logs})
    else:
        screen.show_record(record, scores)
        if "train" in logs:
            screen.show_logs(logs["train"])


@app.command()
def runs(name: Name, as_json: Json = False) -> None:
    """List a pipeline's runs, newest first, with their scores."""
    project = Project.open()
    project.catalogue.pipeline(name)
    rows = [(record, project.headline(record)) for record in project.runs.newest_first(name)]
    if as_json:
        screen.show_json([record.model_dump(mode="json") | {"headline": headline} for record, headline in rows])
    else:
        screen.show_runs(rows)


@app.command()
def report(
    name: Name,
    run: Annotated[str | None, typer.Option(help="A run's id.")] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Render a run's report and print its path."""
    project = Project.open()
    path = project.report(project.record(name, run))
    typer.echo(path)
    if open_:
        typer.launch(str(path))


@app.command()
def predict(
    name: Name,
    input_: Annotated[
        str | None,
        typer.Option("--input", help="File or folder like the pipeline's source; that source itself if not given."),
    ] = None,
    text: Annotated[str | None, typer.Option(help="One text to classify, instead of a file.")] = None,
    output: Annotated[
        Path | None, typer.Option(help="Write to this .csv, .parquet or .json; printed if not given.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Values to forecast; the model's horizon if not given.")
    ] = None,
    history: Annotated[
        int | None, typer.Option(min=1, help="Values to show a model that takes any number; as trained if not given.")
    ] = None,
) -> None:
    """Predict by the pipeline's model."""
    writer = _writer(output)
    writer(Project.open().predict(name, input_, text=text, steps=steps, history=history))


@app.command()
def generate(
    name: Name,
    prompt: Annotated[str, typer.Option(help="The text to go on from.")] = "",
    length: Annotated[int, typer.Option(help="Tokens to write.")] = 400,
    temperature: Annotated[
        float, typer.Option(help="Below 1 the likely is taken more often; 0 takes the likeliest alone.")
    ] = 0.8,
    top_k: Annotated[int, typer.Option(help="Draw from so many of the likeliest tokens; 0 for all.")] = 0,
    top_p: Annotated[
        float, typer.Option(help="Draw from the likeliest tokens that have this probability together; 1 for all.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="The same writes the same.")] = 42,
) -> None:
    """Write a text by the pipeline's model, shown while it is written."""
    options = {"length": length, "temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
    screen.show_text(Project.open().generate(name, prompt, **options))


@app.command()
def verify(repair: Annotated[bool, typer.Option("--repair", help="Move damaged artifacts aside.")] = False) -> None:
    """Hash everything in the store; exit 1 if something is damaged."""
    verdicts = Project.open().verify(repair)
    damaged = [verdict for verdict in verdicts if verdict.damage]
    for verdict in damaged:
        typer.echo(f"{verdict.damage}{' Moved to quarantine.' if repair else ''}")
    typer.echo(f"{len(verdicts)} artifacts verified, {len(damaged)} damaged.")
    if damaged and not repair:
        typer.echo("Run `gristmill verify --repair` to move them aside; the next run makes them again.")
    raise typer.Exit(1 if damaged and not repair else 0)


@app.command()
def gc(dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be freed.")] = False) -> None:
    """Remove artifacts that no recent run refers to."""
    found = Project.open().collect(dry_run)
    for item in found:
        typer.echo(f"{item.bytes / 1024:>10,.0f} KiB  {item.path}  ({item.reason})")
    freed = sum(item.bytes for item in found) / 2**20
    typer.echo(f"{'Would free' if dry_run else 'Freed'} {freed:.1f} MiB in {len(found)} items.")


@app.command()
def doctor(
    names: Annotated[list[str] | None, typer.Argument(help="Pipelines whose data must be there.")] = None,
) -> None:
    """Look at versions, store, Prefect, devices and data; exit 1 if something needed is missing."""
    from gristmill.doctor import examine

    project = Project.open()
    for name in names or []:
        project.catalogue.pipeline(name)
    findings = list(examine(project, names or []))
    screen.show_findings(findings)
    raise typer.Exit(0 if all(finding.sound for finding in findings) else 1)


def _writer(output: Path | None) -> Callable[[Any], None]:
    """Return what writes a frame to a file of a known kind, or prints it."""
    if output is None:
        return screen.show_frame
    writers: dict[str, Callable[[Any], None]] = {
        ".csv": lambda frame: frame.to_csv(output, index=False),
        ".parquet": lambda frame: frame.to_parquet(output, index=False),
        ".json": lambda frame: frame.to_json(output, orient="records", date_format="iso", indent=2),
    }
    if output.suffix not in writers:
        raise RequestError(f"--output {output}: unknown kind of file. Known: {', '.join(writers)}.")
    if not output.absolute().parent.is_dir():
        raise RequestError(f"--output {output}: no folder {output.absolute().parent}. Make it first.")
    return writers[output.suffix]


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Run a command; print an error as one line and exit with its status."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app(standalone_mode=True)
    except (GristmillError, OSError) as error:  # of the second kind are the failures of disks and permissions
        if screen.debugging():
            raise
        screen.show_error(error)
        sys.exit(error.exit_status if isinstance(error, GristmillError) else 1)
    except BaseException as error:
        stopped = isinstance(error, SystemExit) and error.code == INTERRUPTED  # how typer answers a KeyboardInterrupt
        if stopped or type(error).__name__ == "TerminationSignal":  # how Prefect answers SIGTERM
            screen.say("interrupted; what a run had finished is kept, and the next one goes on from there")
            sys.exit(INTERRUPTED)
        raise
