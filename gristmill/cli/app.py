"""The command line: parse the request, call `Project`, print the result."""

import inspect
import logging
import os
import signal
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup, TyperOption
from typer.main import get_command

from gristmill.cli import console
from gristmill.errors import GristmillError, RequestError, WorkError
from gristmill.prefect_runtime.set_up import QUIET, on_api_lost, set_up_prefect
from gristmill.settings.messages import did_you_mean
from gristmill.util.gc_freeze import gc_frozen

EXIT_INTERRUPTED = 130
COMMON = ("debug", "verbose", "quiet")  # options that are accepted before and after the name of a command
UsageError: Any = typer.BadParameter.__base__  # error class of the parser; its module differs between Typer versions


class Command(NamedTuple):
    """A command: the module of its function, and examples of its use."""

    module: str  # below `gristmill.cli.commands`
    examples: list[str]


GROUPS = {
    "Set up": {
        "init": Command(
            "init",
            [
                "gristmill init sales.csv",
                "gristmill init shop --data sales.csv",
                "gristmill init birds --data https://example.org/birds.zip",
            ],
        ),
        "schema": Command("check", ["gristmill schema shop --write"]),
        "check": Command("check", ["gristmill check shop"]),
    },
    "Train and compare": {
        "ls": Command("run", ["gristmill ls --all"]),
        "plan": Command("run", ["gristmill plan shop --set preprocess.horizon=28"]),
        "run": Command(
            "run",
            [
                "gristmill run shop",
                "gristmill run shop visits --jobs 2 --budget 5m",
                'gristmill run shop --set model.kind=theta --set "train={epochs=5, patience=2}"',
            ],
        ),
        "show": Command("run", ["gristmill show shop --version 3"]),
        "history": Command("run", ["gristmill history shop"]),
        "compare": Command("run", ["gristmill compare shop", "gristmill compare shop v2 v3 --open"]),
        "report": Command("run", ["gristmill report shop --open"]),
        "sweep": Command("run", ["gristmill sweep shop --jobs 2"]),
    },
    "Predict": {
        "predict": Command(
            "predict",
            [
                "gristmill predict shop",
                "gristmill predict shop --input new.csv --output forecast.parquet",
                'gristmill predict reviews --text "A warm, funny film."',
                "gristmill predict flats --input new.csv --explain --output explained.csv",
            ],
        ),
        "generate": Command("predict", ['gristmill generate sonnets --prompt "Shall I" --length 200']),
        "serve": Command("predict", ["gristmill serve shop", "gristmill serve shop birds --host 0.0.0.0 --port 80"]),
        "export": Command("predict", ["gristmill export shop --to models/shop"]),
        "monitor": Command("predict", ["gristmill monitor shop"]),
        "truth": Command("predict", ["gristmill truth offers --file sold.csv"]),
    },
    "Keep up to date": {
        "retrain": Command(
            "versions",
            ["gristmill retrain shop", "gristmill retrain shop --accept", "gristmill retrain shop --as-of 3"],
        ),
        "models": Command("versions", ["gristmill models shop"]),
        "diff": Command("versions", ["gristmill diff shop 2 3"]),
        "promote": Command("versions", ["gristmill promote shop", "gristmill promote shop 3 --hold"]),
        "rollback": Command("versions", ["gristmill rollback shop"]),
        "schedule": Command("operations", ["gristmill schedule"]),
        "deploy": Command("operations", ["gristmill deploy"]),
        "updated": Command("operations", ["gristmill updated shop"]),
    },
    "Maintain": {
        "verify": Command("upkeep", ["gristmill verify --repair"]),
        "gc": Command("upkeep", ["gristmill gc --dry-run"]),
        "doctor": Command("upkeep", ["gristmill doctor"]),
        "help": Command("upkeep", ["gristmill help run"]),
    },
}
"""The commands by heading of the help. The function of a command has its name, and is imported only when needed."""
COMMANDS = {name: command for commands in GROUPS.values() for name, command in commands.items()}
_RESUMABLE_COMMANDS = ("run", "retrain", "sweep", "schedule")


class _Commands(TyperGroup):
    """The commands; each also accepts the common options."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, name: str) -> Any:
        """Return a command by name; None if there is none."""
        return _load_command(name) if name in COMMANDS else None

    def make_context(self, *args: Any, **options: Any) -> Any:
        """Parse the common options; for that, Typer imports Pydantic."""
        with gc_frozen():
            return super().make_context(*args, **options)

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
            raise RequestError(f"unknown command {name!r}.{did_you_mean(name, COMMANDS)} All: gristmill help.")
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands below the headings of their groups, each with its whole first sentence."""
        for heading, names in GROUPS.items():
            with formatter.section(heading):
                formatter.write_dl([(name, summary_of(function_of(name))) for name in names])


@cache
def _load_command(name: str) -> Any:
    """Return a command for the parser, from the signature of its function."""
    single_command = typer.Typer(add_completion=False, rich_markup_mode=None)
    lines = ["\b", "Examples:", *(f"  {example}" for example in COMMANDS[name].examples)]  # \b: lines stay as they are
    single_command.command(epilog="\n".join(lines))(function_of(name))
    return get_command(single_command)


app = typer.Typer(
    cls=_Commands, no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False, rich_markup_mode=None
)


def _print_version(requested: bool) -> None:
    if requested:
        from importlib import metadata  # late: few commands need it

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
    from pydantic import ValidationError  # late: only errors need it

    from gristmill.settings.validation import expected_value

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


def function_of(name: str) -> Callable[..., Any]:
    """Import and return the function of a command."""
    function: Callable[..., Any] = getattr(import_module(f"gristmill.cli.commands.{COMMANDS[name].module}"), name)
    return function


def summary_of(function: Callable[..., Any]) -> str:
    """Return the first paragraph of the docstring of a command's function."""
    return " ".join((inspect.getdoc(function) or "").partition("\n\n")[0].split())
