"""The registry of domains: the object that describes each, imported when the domain is used.

To add a domain, add its object here.
"""

from typing import Any

from gristmill.settings.domain import Domain
from gristmill.settings.messages import unknown_name
from gristmill.util.lazy import Lazy

DOMAINS: dict[str, Lazy[Domain]] = {
    "generation": Lazy("gristmill.domains.generation.domain:GENERATION"),
    "tabular": Lazy("gristmill.domains.tabular.domain:TABULAR"),
    "text": Lazy("gristmill.domains.text.domain:TEXT"),
    "timeseries": Lazy("gristmill.domains.timeseries.domain:TIMESERIES"),
    "vision": Lazy("gristmill.domains.vision.domain:VISION"),
}
RENAMED_DOMAINS = {"regression": "tabular"}  # by their names in earlier versions, which records may hold


def domain_of(name: str) -> Domain:
    """Return the domain with a name, which must be known."""
    return DOMAINS[name].load()


def unknown_domain(received: Any) -> str:
    """Return the message about a domain that does not exist, with the new name of a renamed one."""
    renamed = RENAMED_DOMAINS.get(str(received))
    return unknown_name("domain", received, DOMAINS) + (f" It is called {renamed!r} now." if renamed else "")
