"""The commands reference, as Markdown, from the functions behind the command line.

`make schema` writes it to `docs/reference/commands.md`; a test keeps it current.
"""

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import typer
from typer.models import OptionInfo, ParamMeta
from typer.utils import get_params_from_function

from gristmill.cli import app
from gristmill.cli.app import COMMANDS, GROUPS, function_of, summary_of

OPENING = """\
# Commands

This page is generated from the code (`make schema`); `--help` prints the same. In a shell,
`gristmill --install-completion` installs the completion of commands, pipelines, stages and settings.
"""
VALUES = {str: "TEXT", int: "N", float: "NUMBER", Path: "FILE"}

Command = Callable[..., Any]


def page() -> str:
    """Return the whole page: the groups of commands, the options of all, then a section for each command."""
    commands = {name: function_of(name) for name in COMMANDS}
    lines = [OPENING]
    for heading, names in GROUPS.items():
        lines += [f"**{heading}**", "", "| command | what it does |", "|---|---|"]
        lines += [f"| [`{name}`](#gristmill-{name}) | {summary_of(commands[name])} |" for name in names]
        lines.append("")
    lines += ["## Options of all commands", "", *_about(app.options)[1:], "", *_table(app.options)]
    for name, command in commands.items():
        lines += [f"## gristmill {name}", "", "\n\n".join(_about(command)), "", _usage(name, command), ""]
        lines += [*_table(command), "```console", *(f"$ {line}" for line in COMMANDS[name].examples), "```", ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _about(command: Command) -> list[str]:
    """Return the paragraphs of a command's docstring."""
    return [" ".join(paragraph.split()) for paragraph in (inspect.getdoc(command) or "").split("\n\n")]


def _usage(name: str, command: Command) -> str:
    words = ["gristmill", name]
    for parameter in _parameters(command):
        if not isinstance(parameter.default, OptionInfo):
            word = f"{_called(parameter)}{'...' * _is_list(parameter)}"
            words.append(word if parameter.default.default is ... else f"[{word}]")
    if any(isinstance(parameter.default, OptionInfo) for parameter in _parameters(command)):
        words.append("[OPTIONS]")
    return f"`{' '.join(words)}`"


def _table(command: Command) -> Iterator[str]:
    rows = [_row(parameter) for parameter in _parameters(command)]
    if rows:
        yield from ["| | default | meaning |", "|---|---|---|", *rows, ""]


def _row(parameter: ParamMeta) -> str:
    default, meaning = parameter.default.default, parameter.default.help
    shown = "*required*" if default is ... else "–" if default in (None, False, "") else f"`{default}`"
    if isinstance(parameter.default, OptionInfo) and _is_list(parameter):
        meaning += " May be given several times."
    called = _called(parameter).replace("|", "\\|")
    return f"| `{called}` | {shown} | {meaning} |"


def _called(parameter: ParamMeta) -> str:
    """Return how a parameter is written: `NAME`, `--json`, `--steps N`."""
    told = parameter.default
    if not isinstance(told, OptionInfo):
        return (told.metavar or parameter.name).strip("[]").upper()
    flags = ", ".join(told.param_decls or [f"--{parameter.name.replace('_', '-')}"])
    value = told.metavar or next((VALUES[kind] for kind in _kinds(parameter) if kind in VALUES), "")
    return f"{flags} {value}".rstrip()


def _is_list(parameter: ParamMeta) -> bool:
    return any(get_origin(kind) is list for kind in _kinds(parameter))


def _kinds(parameter: ParamMeta) -> list[Any]:
    """Return the types of a parameter, those of an alternative such as `str | None` too."""
    return [parameter.annotation, *get_args(parameter.annotation)]


def _parameters(command: Command) -> list[ParamMeta]:
    found = get_params_from_function(command).values()
    return [parameter for parameter in found if parameter.annotation is not typer.Context]


if __name__ == "__main__":
    print(page(), end="")
