"""The command line: requests parsed, results printed. Everything else is in `project.py`."""

import logging
import os
import re
import signal
import sys
from importlib import metadata
from typing import Annotated, Any

import typer
from typer.core import TyperGroup, TyperOption

from gristmill.cli import console, output, progress_bar
from gristmill.cli.commands import check, course, init, models, operations, report, run, schema, upkeep
from gristmill.cli.options import Jobs, Json, Name, Refresh, Set, number_of
from gristmill.errors import GristmillError, RequestError, WorkError
from gristmill.prefect_runtime.launch import QUIET, on_loss, set_up_prefect
from gristmill.project.project import Project
from gristmill.settings.messages import did_you_mean

INTERRUPTED = 130
NOT_PROMOTED = 3

EVERYWHERE = ("debug", "verbose", "quiet")  # options that stand before the name of a command or behind it

UsageError: Any = typer.BadParameter.__base__  # of the option parser, whose own module has moved between versions


class _Commands(TyperGroup):
    """The commands, each of which takes the options of all of them too."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that is asked for; what of its arguments is for all of them goes to all of them."""
        if not args[0].startswith("-") and not ctx.resilient_parsing:
            self.command_named(ctx, args[0])
        name, command, rest = super().resolve_command(ctx, args)
        common = {flag: param.name for param in self.params if param.name in EVERYWHERE for flag in param.opts}
        options = [param for param in command.params if isinstance(param, TyperOption)] if command else []
        valued = {flag for option in options if not option.is_flag for flag in option.opts}
        own: list[str] = []
        for word in rest:
            if word in common and "--" not in own and not (own and own[-1] in valued):
                ctx.params[common[word]] = True
            else:
                own.append(word)
        return name, command, own

    def command_named(self, ctx: Any, name: str) -> Any:
        """Return a command.

        Raises:
            RequestError: there is none of that name.
        """
        command = self.get_command(ctx, name)
        if command is None:
            raise RequestError(f"unknown command {name!r}.{did_you_mean(name, self.commands)} All: gristmill help.")
        return command


app = typer.Typer(
    cls=_Commands, no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False, rich_markup_mode=None
)


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"gristmill {metadata.version('gristmill')}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show Prefect's log too.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show warnings and results only.")] = False,
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_tell_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Turn raw data into trained, tested, exported TensorFlow models, and keep them fresh.

    --debug, -v and -q stand before the name of a command or behind it.
    """
    output.set_up(logging.WARNING if quiet else logging.INFO, debug)
    logging.raiseExceptions = verbose or debug  # all that Prefect asks before it tells of each line not sent
    set_up_prefect("INFO" if verbose else QUIET)


@app.command()
def ls(
    everything: Annotated[bool, typer.Option("--all", help="Also list pipelines whose data is missing.")] = False,
    as_json: Json = False,
) -> None:
    """List the pipelines: state, headline score beside the best baseline's, champion."""
    with progress_bar.working("data", "reading"):
        found = list(Project.open().status())
    output.show_json([status.as_json() for status in found]) if as_json else output.show_status(found, everything)


@app.command()
def plan(name: Name, set_: Set = None, refresh: Refresh = None, as_json: Json = False) -> None:
    """Print what a run would do, and why."""
    with progress_bar.working("data", "reading"):
        steps = Project.open(overrides={name: set_ or []}).plan(name, refresh)
    if as_json:
        output.show_json([{"stage": step.stage, "state": step.state, "reason": step.reason} for step in steps])
    else:
        output.show_plan(name, steps)


app.command()(run.run)


@app.command()
def retrain(name: Name, set_: Set = None, as_json: Json = False) -> None:
    """Retrain where the data has changed; the new model serves where it is better. Exit 3: judged and not promoted."""
    project = Project.open(overrides={name: set_ or []})
    with progress_bar.working("data", "reading"):
        record = project.retrain(name)
    if as_json:
        output.show_json(record.model_dump(mode="json"))
    else:
        output.show_retraining(record, project.retraining_report(record))
    raise typer.Exit(NOT_PROMOTED if record.retraining and record.retraining.verdict == "rejected" else 0)


@app.command()
def sweep(
    name: Name,
    set_: Set = None,
    jobs: Jobs = None,
    as_json: Json = False,
) -> None:
    """Try the settings that a pipeline's sweep names; choose by validation. Exit 1: a trial failed."""
    project = Project.open(overrides={name: set_ or []})
    with progress_bar.working("data", "reading"):
        swept = project.sweep(name, jobs)
    if as_json:
        output.show_json([place.as_json(place is swept.best) for place in swept.places])
    else:
        output.show_leaderboard(swept.places, swept.report)
    raise typer.Exit(0 if all(place.whole for place in swept.places) else 1)


@app.command()
def show(
    name: Name,
    run: Annotated[
        str | None,
        typer.Option(help="A run's ID; the last successful run of the pipeline's own settings if not given."),
    ] = None,
    version: Annotated[
        int | None, typer.Option("--version", metavar="N", parser=number_of, help="The run that made this version.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show a run: the scores of model and baselines, lineage, and the version and bundle made from it."""
    if run and version:
        raise RequestError(f"--run {run}: cannot be combined with --version {version}. Use one of them.")
    with progress_bar.working("run", "reading"):
        project = Project.open()
        result = project.result(name, project.version(name, version).run if version else run)
        record, logs, made = result.record, result.logs, project.versions_of(result.record)
        bundle, versions = project.folder_of(made[0]) if made else None, [one.number for one in made]
        scores = result.typed_scores if result.is_scored else None
    if scores is None and "evaluate" in record.references:
        output.say(f"the scores of run {record.id} were removed by gristmill gc")
    if as_json:
        run_ = record.model_dump(mode="json")
        evaluation = result.evaluation if scores else None
        output.show_json({"run": run_, "scores": evaluation, "logs": logs, "versions": versions, "bundle": bundle})
    else:
        output.show_record(record, scores, versions)
        if bundle:
            output.show_bundle(bundle)
        if "train" in logs:
            output.show_logs(logs["train"])


@app.command()
def runs(name: Name, as_json: Json = False) -> None:
    """List a pipeline's runs, newest first, with their scores."""
    with progress_bar.working("runs", "reading"):
        project = Project.open()
        project.catalogue.pipeline(name)
        project.runs.pull(name)
        rows = [(record, project.headline(record)) for record in project.runs.newest_first(name)]
    if as_json:
        output.show_json(
            [
                record.model_dump(mode="json") | {"headline": headline.as_json() if headline else None}
                for record, headline in rows
            ]
        )
    else:
        output.show_runs(rows)


for _command in (
    report.report,
    models.models,
    models.promote,
    models.rollback,
    models.predict,
    models.generate,
    init.init,
    schema.schema,
    check.check,
    course.course,
    operations.deploy,
    operations.schedule,
    operations.updated,
    upkeep.verify,
    upkeep.gc,
    upkeep.doctor,
):
    app.command()(_command)


@app.command()
def help(  # noqa: A001 - the name of the command
    ctx: typer.Context,
    command: Annotated[str | None, typer.Argument(metavar="[COMMAND]", help="A command; all if not given.")] = None,
) -> None:
    """Print the help of gristmill, or of one command."""
    above: Any = ctx.parent
    if command is None:
        typer.echo(above.get_help())
        return
    found = above.command.command_named(above, command)
    with found.make_context(command, [], parent=above, resilient_parsing=True) as context:
        typer.echo(context.get_help())


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _end(lost: WorkError) -> None:
    """End this process, whatever its threads are at: the next run goes on as it does after a kill."""
    try:
        output.show_error(lost)
        console.err().show_cursor()  # which a bar has hidden
        sys.stdout.flush()
    finally:  # also where nobody reads any more
        os._exit(lost.exit_status)


def _refused(error: Any) -> RequestError:
    """Return what the option parser does not accept as an error like all others: one line that suggests a remedy."""
    context = error.ctx
    words = ["gristmill", "help"] + ([context.info_name] if context and context.parent else [])
    where = " ".join(words)
    if name := getattr(error, "option_name", "") if hasattr(error, "possibilities") else "":
        shared = context.parent.command.params if context.parent else []
        known = [*context.command.params, *(param for param in shared if param.name in EVERYWHERE)]
        flags = [flag for param in known for flag in param.opts if flag.startswith("-")]
        return RequestError(f"unknown option {name!r}.{did_you_mean(name, flags)} All: {where}.")
    said = " ".join(error.format_message().split())
    said = re.sub(r"Input should be (greater|less)", r"Input should be a number \1", said)
    said = re.sub(r"Input should be ([^,]*).*", r"expected \1", said)  # Pydantic's words, as everywhere else
    return RequestError(f"{said[:1].lower()}{said[1:].rstrip('.')}. See: {where}.")


def main() -> None:
    """Run a command; print an error as one line and exit with its status."""
    signal.signal(signal.SIGTERM, _interrupt)
    on_loss(_end)
    try:
        status = app(prog_name="gristmill", standalone_mode=False) or 0
    except BrokenPipeError:  # who read what is printed has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (GristmillError, OSError) as error:  # of the second kind are the failures of disks and permissions
        if output.debugging():
            raise
        output.show_error(error)
        sys.exit(error.exit_status if isinstance(error, GristmillError) else 1)
    except UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # of a bare `gristmill`
            error.show()
        else:
            output.show_error(_refused(error))
        sys.exit(error.exit_code)
    except BaseException as error:
        if type(error).__name__ != "TerminationSignal":  # how Prefect answers SIGTERM
            raise
        status = INTERRUPTED
    if status == INTERRUPTED:  # also how typer answers a KeyboardInterrupt
        output.say("interrupted; finished work is kept, and the next run resumes from it")
    sys.exit(status)
