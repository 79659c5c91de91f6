"""Differences between a project and what a Prefect server has, as lines to print and as requests to make."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from httpx import codes
from prefect.client.orchestration import SyncPrefectClient
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import PrefectHTTPStatusError

from gristmill.util.urls import is_secret_name, redact

_MAX_VALUE_LENGTH = 60  # characters


class Change(NamedTuple):
    """Something to create or change on the server, or a part of a change of a deployment."""

    text: str  # a whole change begins with +, ~ or -
    details: Sequence[str]
    apply: Callable[[SyncPrefectClient], object]

    def __str__(self) -> str:
        return "\n".join([self.text, *(f"    {line}" for line in self.details)])


def create_automation(client: SyncPrefectClient, wanted: AutomationCore) -> None:
    """Create an automation; of those that two deploys create at the same moment, the one with the lowest id is kept."""
    client.create_automation(wanted)
    for each in sorted(client.read_automations_by_name(wanted.name), key=lambda one: one.id)[1:]:
        try:
            client.delete_automation(each.id)
        except PrefectHTTPStatusError as error:
            if error.response.status_code != codes.NOT_FOUND:  # the other deploy has deleted it
                raise


def differing(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the wanted values that the server does not have."""
    return {name: value for name, value in wanted.items() if found.get(name) != value}


def difference_lines(name: str, found: Any, wanted: Any) -> Iterator[str]:
    """Yield a line for each difference of two values: `job_variables.cpu: 2 -> 4`."""
    found, wanted = (dict(enumerate(value)) if isinstance(value, list) else value for value in (found, wanted))
    if isinstance(found, Mapping) and wanted is None:
        wanted = {}
    if isinstance(wanted, Mapping) and found is None:
        found = {}
    if isinstance(found, Mapping) and isinstance(wanted, Mapping):
        for key in [*found, *(key for key in wanted if key not in found)]:
            if found.get(key) != wanted.get(key):
                yield from difference_lines(f"{name}.{key}", found.get(key), wanted.get(key))
    else:
        yield f"{name}: {_shown(name, found)} -> {_shown(name, wanted)}"


def _shown(name: str, value: Any) -> str:
    """Return a value for the terminal, cut if it is long; a secret that somebody has set on the server is hidden."""
    if value is None:
        return "none"
    if is_secret_name(name.rpartition(".")[2]):
        return "…"
    text = json.dumps(redact(value), ensure_ascii=False)
    return text if len(text) <= _MAX_VALUE_LENGTH else f"{text[:_MAX_VALUE_LENGTH]}…"
