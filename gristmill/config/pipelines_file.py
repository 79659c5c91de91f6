"""The file `pipelines.toml` before it is validated (`catalogue.py`): where it is, its content and its lines.

Assignments of `--set` change the content.
"""

import copy
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gristmill.config.tables import AUTO
from gristmill.errors import RequestError
from gristmill.settings.messages import Problem
from gristmill.util.toml import toml_key
from gristmill.util.urls import redact

PIPELINES_FILE = "pipelines.toml"


def find_project_folder() -> Path:
    """Return the nearest folder at or above the current one that holds a `pipelines.toml`."""
    here = Path.cwd()
    for folder in [here, *here.parents]:
        if (folder / PIPELINES_FILE).is_file():
            return folder
    raise RequestError(
        f"{here}: no {PIPELINES_FILE} here or in a folder above. Change to a project's folder, or make one: "
        "gristmill init --help."
    )


def read_toml(root: Path) -> dict[str, Any]:
    """Return the content of the `pipelines.toml` of `root`; raise `RequestError` if it is missing or not TOML."""
    file = root / PIPELINES_FILE
    text = ""
    try:
        text = file.read_text(encoding="utf-8")
        return tomllib.loads(text)
    except OSError as error:
        raise RequestError(f"{file}: cannot be read ({error.strerror}). Run in a project's folder.") from None
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, or thousands of digits or brackets
        reason = str(error).partition(";")[0]
        place = re.match(r"(.+) \(at line (\d+), column (\d+)\)$", reason)
        if not place:
            raise RequestError(f"{file}: not valid TOML: {reason}.") from None
        why, line, column = place.groups()
        content = str(redact(text.splitlines()[int(line) - 1].strip()))
        where = f"{file}:{line}: not valid TOML"
        raise RequestError(f"{where}: {why} (column {column}). The line is: {content}") from None


def with_line(problem: Problem, text: str) -> str:
    """Return the message for a problem of a `pipelines.toml` whose content is `text`, with the number of its line.

    The line is that of the key or, if the file does not set it, of its table. A place like `[pipelines.shop.model]` may
    also be written as dotted keys or as an inline table.
    """
    message = str(problem)
    table = re.match(rf"{re.escape(PIPELINES_FILE)} \[(.+)\]$", problem.where)
    if not table:
        return message
    # Let the parser take the name of the table apart, because a part may have quotes and dots.
    path: list[str] = []
    value = tomllib.loads(f"{table[1]} = 0")
    while isinstance(value, dict):
        part, value = next(iter(value.items()))
        path.append(part)
    # Find the line that sets the key, else that of its table, or else of what contains it.
    path += [problem.key] if problem.key else []
    lines = text.splitlines()
    for depth in range(len(path), 0, -1):
        for split in range(depth, -1, -1):
            if line := _find(path[:split], path[split:depth], lines):
                return f"{PIPELINES_FILE}:{line}{message.removeprefix(PIPELINES_FILE)}"
    return message


def _find(table: list[str], key: list[str], lines: list[str]) -> int | None:
    """Return the number of the line `[table]`, or of `key = …` below it."""
    header, assigned = rf"\s*\[{_pattern(table)}\]", rf"\s*{_pattern(key)}\s*="
    is_inside = not table
    for number, line in enumerate(lines, 1):
        if re.match(r"\s*\[", line) and _is_complete(lines[: number - 1]):
            is_inside = bool(table) and bool(re.match(header, line))
            if is_inside and not key:
                return number
        elif is_inside and key and re.match(assigned, line):
            return number
    return None


def _is_complete(lines: list[str]) -> bool:
    """Return whether no array and no text of several lines is open at the end of these lines."""
    try:
        tomllib.loads("\n".join(lines))
    except tomllib.TOMLDecodeError:
        return False
    return True


def _pattern(parts: list[str]) -> str:
    """Return a pattern of a dotted key, with or without quotes and blanks."""
    return r"\s*\.\s*".join(rf"(?:{re.escape(part)}|{re.escape(toml_key(part))}|'{re.escape(part)}')" for part in parts)


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
