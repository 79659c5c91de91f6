"""Lines of a TOML file, for messages: `pipelines.toml:12`."""

import re
import tomllib

from gristmill.settings.messages import Problem
from gristmill.util.toml import toml_key
from gristmill.util.urls import redact


def with_line(problem: Problem, file: str, text: str) -> str:
    """Return the message for a problem of a file whose content is `text`, with the number of its line.

    The line is that of the key or, if the file does not set it, of its table. A place like `[pipelines.shop.model]` may
    also be written as dotted keys or as an inline table.
    """
    message = str(problem)
    if found := re.match(rf"{re.escape(file)} \[(.+)\]$", problem.where):
        line = _line_of([*_parts(found[1]), *([problem.key] if problem.key else [])], text)
        return f"{file}:{line}{message.removeprefix(file)}" if line else message
    return message


def invalid_toml(error: ValueError | RecursionError, text: str) -> str:
    """Return the end of a message about a file that is not TOML: where, why, and the line itself."""
    reason = str(error).partition(";")[0]
    found = re.match(r"(.+) \(at line (\d+), column (\d+)\)$", reason)
    if not found:
        return f": not valid TOML: {reason}."
    line = str(redact(text.splitlines()[int(found[2]) - 1].strip()))
    return f":{found[2]}: not valid TOML: {found[1]} (column {found[3]}). The line is: {line}"


def _parts(table: str) -> list[str]:
    parts: list[str] = []
    value = tomllib.loads(f"{table} = 0")
    while isinstance(value, dict):
        parts, value = [*parts, next(iter(value))], next(iter(value.values()))
    return parts


def _line_of(path: list[str], text: str) -> int | None:
    """Return the number of the line that sets a key, else of its table, or else of what contains it."""
    lines = text.splitlines()
    for depth in range(len(path), 0, -1):
        for split in range(depth, -1, -1):
            if line := _find(path[:split], path[split:depth], lines):
                return line
    return None


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
