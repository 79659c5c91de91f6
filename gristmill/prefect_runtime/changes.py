"""Differences between a project and what a Prefect server has, as lines to print and as requests to make."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from gristmill.util.urls import is_secret_name, redact

_MAX_VALUE_LENGTH = 60  # characters


class Change(NamedTuple):
    """Something to create or change on the server, or a part of a change of a deployment."""

    text: str  # a whole change begins with +, ~ or -
    details: Sequence[str]
    apply: Callable[[Any], object]  # called with a client of Prefect

    def __str__(self) -> str:
        return "\n".join([self.text, *(f"    {line}" for line in self.details)])


def compare_fields(wanted: Mapping[str, Any], current: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the wanted values that the server does not have, and a line for each difference."""
    fields = {name: value for name, value in wanted.items() if current.get(name) != value}
    lines = [line for name, value in fields.items() for line in difference_lines(name, current.get(name), value)]
    return fields, lines


def difference_lines(name: str, current: Any, wanted: Any) -> Iterator[str]:
    """Yield a line for each difference of two values: `job_variables.cpu: 2 -> 4`."""
    current, wanted = (dict(enumerate(value)) if isinstance(value, list) else value for value in (current, wanted))
    if isinstance(current, Mapping) and wanted is None:
        wanted = {}
    if isinstance(wanted, Mapping) and current is None:
        current = {}
    if isinstance(current, Mapping) and isinstance(wanted, Mapping):
        for key in [*current, *(key for key in wanted if key not in current)]:
            if current.get(key) != wanted.get(key):
                yield from difference_lines(f"{name}.{key}", current.get(key), wanted.get(key))
    else:
        yield f"{name}: {_format_value(name, current)} -> {_format_value(name, wanted)}"


def _format_value(name: str, value: Any) -> str:
    """Return a value for the terminal, cut if it is long; a secret that somebody has set on the server is hidden."""
    if value is None:
        return "none"
    if is_secret_name(name.rpartition(".")[2]):
        return "…"
    text = json.dumps(redact(value), ensure_ascii=False)
    return text if len(text) <= _MAX_VALUE_LENGTH else f"{text[:_MAX_VALUE_LENGTH]}…"
