"""Assignments of `--set`: the values that they set, and the problems that they cause."""

import copy
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from gristmill.errors import RequestError
from gristmill.util.urls import redact


def override(table: Mapping[str, Any], assignments: Iterable[str]) -> dict[str, Any]:
    """Return a pipeline's raw table with assignments such as `train.epochs=5` made in it.

    The right side is a TOML value; one that is not (`dense`) is taken as a string. `TABLE={...}` sets a whole table.
    """
    changed = copy.deepcopy(dict(table))
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        name, *keys = path.strip().split(".")
        value, said = _read_value(text.strip()), f"{_as_given(assignment)}:"
        if not equals or not name or len(keys) > 1 or "" in keys or not (keys or isinstance(value, dict)):
            raise RequestError(f"{said} expected TABLE.KEY=VALUE, such as train.epochs=5, or TABLE={{KEY = VALUE}}.")
        if not keys:
            changed[name] = value
        elif isinstance(changed.setdefault(name, {}), dict):
            changed[name][keys[0]] = value
        else:
            raise RequestError(f"{said} '{name}' is not a table. Tables are set as TABLE.KEY=VALUE.")
    return changed


def caused_by_set(line: str, changes: Mapping[str, tuple[str, ...]], file: str) -> str:
    """Return a problem that does not come from the file alone, with the assignments that cause it.

    The assignment replaces the file, table and key that the problem names. If it sets another key of the table, or
    there are several pipelines, the place is named too.

    Args:
        line: the problem, which begins with the file's name.
        changes: pipeline name to assignments.
        file: name of the file.
    """
    changed = {name: assignments for name, assignments in changes.items() if assignments}
    for name, assignments in changed.items():
        if not line.startswith((f"{file} [pipelines.{name}]", f"{file} [pipelines.{name}.")):
            continue
        problem = line.removeprefix(f"{file} ")
        for assignment in reversed(assignments):
            if what := _without_place(problem, name, assignment):
                return f"{_as_given(assignment)}: {what if len(changed) == 1 else problem}"
        tables = {assignment: assignment.partition("=")[0].partition(".")[0].strip() for assignment in assignments}
        touching = [one for one, table in tables.items() if problem.startswith(f"[pipelines.{name}.{table}]")]
        return f"{', '.join(map(_as_given, touching or assignments))}: {line}"
    return line


def _without_place(problem: str, name: str, assignment: str) -> str | None:
    """Return what is wrong with the value that an assignment sets; None if the problem is another value's."""
    table, _, key = assignment.partition("=")[0].strip().partition(".")
    pipeline_place, table_place = f"[pipelines.{name}] ", f"[pipelines.{name}.{table}] "
    if problem.startswith(f"{pipeline_place}unknown key {table!r}."):
        return problem.removeprefix(pipeline_place)
    if not problem.startswith(table_place):
        return None
    what = problem.removeprefix(table_place)
    if not key or what.startswith((f"unknown key {key!r}.", f"{key}[", f"{key}.")):
        return what
    return what.removeprefix(f"{key}: ") if what.startswith(f"{key}: ") else None


def _as_given(assignment: str) -> str:
    """Return an assignment as the command line takes it, on one line and without secrets."""
    text = str(redact(assignment))
    return f"--set {text if text.isprintable() else repr(text)}"


def _read_value(text: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return parsed["value"] if len(parsed) == 1 else text
