"""Assignments of `--set`: the values that they set, and the problems that they cause."""

import copy
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from gristmill.config.pipelines_file import PIPELINES_FILE
from gristmill.config.tables import AUTO
from gristmill.errors import RequestError
from gristmill.settings.messages import Problem
from gristmill.util.urls import redact


def override(table: Mapping[str, Any], assignments: Iterable[str]) -> dict[str, Any]:
    """Return a copy of a pipeline's raw table, changed by assignments such as `train.epochs=5`.

    The right side is a TOML value; anything else (`dense`) is taken as a string. `TABLE={...}` sets a whole table. A
    kind in place of "auto", or "auto" in place of a kind, removes the keys of the file: they have none in common.
    """
    changed = copy.deepcopy(dict(table))
    assigned: set[tuple[str, str]] = set()  # tables and keys
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        name, *keys = path.strip().split(".")
        value, where = _read_value(text.strip()), f"{_as_typed(assignment)}:"
        if not equals or not name or len(keys) > 1 or "" in keys or not (keys or isinstance(value, dict)):
            raise RequestError(f"{where} expected TABLE.KEY=VALUE, such as train.epochs=5, or TABLE={{KEY = VALUE}}.")
        if not keys:
            changed[name] = value
        elif isinstance(changed.setdefault(name, {}), dict):
            if keys == ["kind"] and (value == AUTO) != (changed[name].get("kind") == AUTO):
                changed[name] = {key: kept for key, kept in changed[name].items() if (name, key) in assigned}
            changed[name][keys[0]] = value
            assigned.add((name, keys[0]))
        else:
            raise RequestError(f"{where} '{name}' is not a table. Tables are set as TABLE.KEY=VALUE.")
    return changed


def caused_by_set(problem: Problem, changes: Mapping[str, tuple[str, ...]]) -> str:
    """Return the message for a problem that `--set` causes, with the assignments that cause it.

    The assignment that sets the key replaces the place of the problem, unless several pipelines are changed. If other
    keys cause the problem, all assignments of the table, or of the pipeline, are listed.
    """
    changed = {name: assignments for name, assignments in changes.items() if assignments}
    for name, assignments in changed.items():
        pipeline = f"{PIPELINES_FILE} [pipelines.{name}"
        if not problem.where.startswith((f"{pipeline}]", f"{pipeline}.")):
            continue
        in_table = []
        for assignment in reversed(assignments):
            table, _, key = assignment.partition("=")[0].strip().partition(".")
            sets_table = problem.where == f"{pipeline}.{table}]"
            if (sets_table and key in ("", problem.key)) or (problem.where, problem.key) == (f"{pipeline}]", table):
                text = problem.text if key == problem.label else problem.line
                place = f"[pipelines.{name}{problem.where.removeprefix(pipeline)} " if len(changed) > 1 else ""
                return f"{_as_typed(assignment)}: {place}{problem.line if place else text}"
            in_table += [assignment] if sets_table else []
        return f"{', '.join(map(_as_typed, in_table[::-1] or assignments))}: {problem}"
    return str(problem)


def _as_typed(assignment: str) -> str:
    """Return an assignment as on the command line, on one line and without secrets."""
    text = str(redact(assignment))
    return f"--set {text if text.isprintable() else repr(text)}"


def _read_value(text: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return parsed["value"] if len(parsed) == 1 else text
