"""The command line: parse the request, call `Project`, print the result."""

import logging
import os
import signal
import sys
from importlib import metadata
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from typer.core import TyperGroup, TyperOption

from gristmill.cli import console, output, progress_bar
from gristmill.cli.commands import check, init, models, monitor, operations, run, schema, serve, upkeep, versions
from gristmill.cli.help import GROUPS, examples_text, group_of, summary_of
from gristmill.cli.options import AsOf, Jobs, Json, Name, Refresh, RunId, Set, number_of
from gristmill.errors import GristmillError, RequestError, WorkError
from gristmill.prefect_runtime.launch import QUIET, on_api_lost, set_up_prefect
from gristmill.project.project import Project
from gristmill.reports.retraining import write_retraining
from gristmill.settings.messages import did_you_mean, expected_value

EXIT_INTERRUPTED = 130
EXIT_REJECTED = 3

_RESUMABLE_COMMANDS = ("run", "retrain", "sweep", "schedule")

COMMON = ("debug", "verbose", "quiet")  # options that are accepted before and after the name of a command

UsageError: Any = typer.BadParameter.__base__  # error class of the parser; its module differs between Typer versions


class _Commands(TyperGroup):
    """The commands; each also accepts the common options."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the requested command with its own arguments, and set the common options among them."""
        if not args[0].startswith("-") and not ctx.resilient_parsing:
            self.find_command(ctx, args[0])
        name, command, rest = super().resolve_command(ctx, args)
        common = {flag: param.name for param in self.params if param.name in COMMON for flag in param.opts}
        options = [param for param in command.params if isinstance(param, TyperOption)] if command else []
        valued = {flag for option in options if not option.is_flag for flag in option.opts}
        arguments: list[str] = []
        for word in rest:
            if word in common and "--" not in arguments and not (arguments and arguments[-1] in valued):
                ctx.params[common[word]] = True
            else:
                arguments.append(word)
        return name, command, arguments

    def find_command(self, ctx: Any, name: str) -> Any:
        """Return a command by name; an unknown name is a `RequestError`."""
        command = self.get_command(ctx, name)
        if command is None:
            raise RequestError(f"unknown command {name!r}.{did_you_mean(name, self.commands)} All: gristmill help.")
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands below the headings of their groups, each with its whole first sentence."""
        for heading in GROUPS:
            with formatter.section(heading):
                found = [(name, command) for name, command in self.commands.items() if group_of(name) == heading]
                formatter.write_dl([(name, summary_of(command.callback)) for name, command in found])


app = typer.Typer(
    cls=_Commands, no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False, rich_markup_mode=None
)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"gristmill {metadata.version('gristmill')}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Also show Prefect's log.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show only warnings and results.")] = False,
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Turn raw data into trained, tested, exported TensorFlow models, and keep them up to date.

    You can place --debug, -v and -q before or after the command.
    """
    console.set_up(logging.WARNING if quiet else logging.INFO, debug)
    logging.raiseExceptions = verbose or debug  # else Prefect would report every line that it could not send
    set_up_prefect("INFO" if verbose else QUIET)


def ls(
    everything: Annotated[bool, typer.Option("--all", help="Also list pipelines whose data is missing.")] = False,
    as_json: Json = False,
) -> None:
    """List the pipelines with their state, score, best baseline and champion."""
    with progress_bar.working("data", "reading"):
        pipelines = list(Project.open().status())
    if as_json:
        output.show_json([status.as_json() for status in pipelines])
    else:
        output.show_status(pipelines, everything)


def plan(name: Name, set_: Set = None, refresh: Refresh = None, as_json: Json = False) -> None:
    """Print what a run would do, stage by stage, and why."""
    with progress_bar.working("data", "reading"):
        steps = Project.open(overrides={name: set_ or []}).plan(name, refresh)
    if as_json:
        output.show_json([{"stage": step.stage, "state": step.state, "reason": step.reason} for step in steps])
    else:
        output.show_plan(name, steps)


def retrain(name: Name, set_: Set = None, as_of: AsOf = None, as_json: Json = False) -> None:
    """Retrain a pipeline if its data has changed, and promote the new model if it is better.

    The exit status is 3 if the new model was not better.
    """
    if as_of is not None:
        raise typer.Exit(0 if versions.reproduce(name, as_of, set_, as_json) else EXIT_REJECTED)
    project = Project.open(overrides={name: set_ or []})
    with progress_bar.working("data", "reading"):
        record = project.retrain(name)
    retraining = record.retraining
    if as_json:
        output.show_json(record.model_dump(mode="json"))
    elif retraining:
        report_path = write_retraining(record, project.catalogue.pipeline(name).description, project.store)
        output.show_decision(name, retraining)
        output.show_report(report_path)
    raise typer.Exit(EXIT_REJECTED if retraining and retraining.verdict == "rejected" else 0)


def sweep(name: Name, set_: Set = None, jobs: Jobs = None, as_json: Json = False) -> None:
    """Try the settings of a pipeline's sweep and rank them by their validation scores.

    The exit status is 1 if a trial failed.
    """
    project = Project.open(overrides={name: set_ or []})
    with progress_bar.working("data", "reading"):
        result = project.sweep(name, jobs)
    if as_json:
        output.show_json(result.as_json())
    else:
        output.show_leaderboard(result)
    raise typer.Exit(0 if all(entry.is_complete for entry in result.entries) else 1)


def show(
    name: Name,
    run: RunId = None,
    version: Annotated[
        int | None,
        typer.Option("--version", metavar="N", parser=number_of, help="Show the run that created this version."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the scores and the lineage of a run, and the version and bundle created from it."""
    if run and version:
        raise RequestError(f"--run {run}: cannot be combined with --version {version}. Use one of them.")
    with progress_bar.working("run", "reading"):
        project = Project.open()
        result = project.result(name, project.version(name, version).run if version else run)
        record, logs, registered = result.record, result.logs, project.versions_of(result.record)
        bundle, versions = project.folder_of(registered[0]) if registered else None, [one.number for one in registered]
        promotions = [one for one in project.registry.promotions(name) if one.version in versions]
        scores = result.typed_scores if result.is_scored else None
    if scores is None and "evaluate" in record.references:
        console.say(f"the scores of run {record.id} were removed by gristmill gc")
    if as_json:
        document: dict[str, Any] = {"run": record.model_dump(mode="json"), "logs": logs}
        document |= {"scores": result.evaluation if scores else None, "versions": versions, "bundle": bundle}
        document["promotions"] = [one.model_dump(mode="json") for one in promotions]
        document["quarantine"] = result.quarantine
        output.show_json(document)
        return
    output.show_record(record, scores, versions, promotions)
    if result.quarantine:
        console.write(f"unusable rows  {result.quarantine}")
    if bundle:
        output.show_bundle(bundle)
    for label, folder in logs.items():
        if label.split()[0] == "train":  # of the model, or of each candidate that is a network
            output.show_logs(folder)


def runs(name: Name, as_json: Json = False) -> None:
    """List a pipeline's runs, newest first, with their scores."""
    with progress_bar.working("runs", "reading"):
        project = Project.open()
        project.catalogue.pipeline(name)
        project.runs.pull(name)
        rows = [(record, project.headline(record)) for record in project.runs.newest_first(name)]
    if as_json:
        headlines = [headline.as_json() if headline else None for _, headline in rows]
        documents = [record.model_dump(mode="json") for record, _ in rows]
        output.show_json([one | {"headline": found} for one, found in zip(documents, headlines, strict=True)])
    else:
        output.show_runs(rows)


def help(  # noqa: A001 - the name of the command
    ctx: typer.Context,
    command: Annotated[
        str | None,
        typer.Argument(metavar="COMMAND", help="Name of a command. By default, the general help is printed."),
    ] = None,
) -> None:
    """Print the help of gristmill or of one command."""
    parent: Any = ctx.parent
    if command is None:
        typer.echo(parent.get_help())
        return
    target = parent.command.find_command(parent, command)
    with target.make_context(command, [], parent=parent, resilient_parsing=True) as context:
        typer.echo(context.get_help())


for _command in (
    *(init.init, schema.schema, check.check),
    *(ls, plan, run.run, show, runs, run.compare, run.report, sweep),
    *(models.predict, models.generate, serve.serve, models.export, monitor.monitor, monitor.truth),
    *(retrain, models.models, versions.diff, models.promote, models.rollback),
    *(operations.schedule, operations.deploy, operations.updated),
    *(upkeep.verify, upkeep.gc, upkeep.doctor, help),
):
    app.command(rich_help_panel=group_of(_command.__name__), epilog=examples_text(_command.__name__))(_command)


def _end(error: WorkError) -> None:
    """End this process at once, whatever its threads do; the next run resumes as after a kill."""
    try:
        console.show_error(error)
        console.err().show_cursor()  # a progress bar has hidden it
        sys.stdout.flush()
    finally:  # runs even if the output is closed
        os._exit(error.exit_status)


def _as_request_error(error: Any) -> RequestError:
    """Convert an error of the option parser to a one-line `RequestError` with a remedy."""
    context = error.ctx
    help_ = " ".join(["gristmill", "help"] + ([context.info_name] if context and context.parent else []))
    if name := getattr(error, "option_name", "") if hasattr(error, "possibilities") else "":
        shared = context.parent.command.params if context.parent else []
        known = [*context.command.params, *(param for param in shared if param.name in COMMON)]
        flags = [flag for param in known for flag in param.opts if flag.startswith("-")]
        return RequestError(f"unknown option {name!r}.{did_you_mean(name, flags)} All: {help_}.")
    if isinstance(error.__cause__, ValidationError):  # worded as in errors of settings
        (detail, *_) = error.__cause__.errors(include_url=False)
        is_bound = detail["type"].startswith(("greater_", "less_"))
        error.message = f"expected {'a number ' * is_bound}{expected_value(detail)}"
    message = " ".join(error.format_message().split())
    return RequestError(f"{message[:1].lower()}{message[1:].rstrip('.')}. See: {help_}.")


def main() -> None:
    """Run a command; print an error as one line and exit with its status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    on_api_lost(_end)
    try:
        status = app(prog_name="gristmill", standalone_mode=False) or 0
    except BrokenPipeError:  # the reader of the output has exited, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (GristmillError, OSError) as error:  # disks and permissions raise an OSError
        if console.debugging():
            raise
        console.show_error(error)
        sys.exit(error.exit_status if isinstance(error, GristmillError) else 1)
    except UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # `gristmill` without a command
            error.show()
        else:
            console.show_error(_as_request_error(error))
        sys.exit(error.exit_code)
    except BaseException as error:
        if type(error).__name__ != "TerminationSignal":  # Prefect raises it on SIGTERM
            raise
        status = EXIT_INTERRUPTED
    if status == EXIT_INTERRUPTED:  # Typer returns the same status on KeyboardInterrupt
        command = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
        kept = "; finished work is kept, and the next run resumes from it" if command in _RESUMABLE_COMMANDS else ""
        console.say(f"interrupted{kept}")
    sys.exit(status)
