"""How pipelines stand: what `ls` shows, from the store, the run records and the registry alone."""

import contextlib
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gristmill.config.catalogue import Catalogue
from gristmill.errors import CorruptArtifact
from gristmill.registry.registry import Registry
from gristmill.runs import plan
from gristmill.runs.records import Record, Runs
from gristmill.store.store import Store

logger = logging.getLogger(__name__)

State = Literal["fresh", "stale", "never run", "no data"]


@dataclass(frozen=True)
class Status:
    """How a pipeline stands."""

    name: str
    domain: str
    description: str
    state: State
    headline: dict[str, Any] | None  # of the last successful run of its own settings, as `headline_of` returns it
    champion: int | None = None  # the version that serves

    @property
    def needs_data(self) -> bool:
        """Whether there is neither data to run it on nor a model of an earlier run."""
        return self.state == "no data" and self.headline is None and self.champion is None


def status(catalogue: Catalogue) -> Iterator[Status]:
    """Yield how each pipeline stands, in the file's order."""
    store, runs, registry = catalogue.store, Runs(catalogue.store), Registry(catalogue.store)
    runs.pull()
    registry.pull()
    for name, pipeline in catalogue.pipelines.items():
        last = runs.latest_own(pipeline)
        steps = plan.plan(catalogue, pipeline)
        state: State = "fresh" if plan.is_fresh(steps) else "stale" if last else "never run"
        if any(step.state == "no data" for step in steps):
            state = "no data"
        shown = headline(last, store) if last else None
        yield Status(name, pipeline.domain, pipeline.description, state, shown, champion(name, registry))


def headline(record: Record, store: Store) -> dict[str, Any] | None:
    """Return a run's headline score without verifying it: lists show it, nothing is computed from it."""
    if "evaluate" not in record.references:
        return None
    path = store.path("evaluate", record.references["evaluate"]["key"]) / "scores.json"
    with contextlib.suppress(OSError, ValueError):  # collected or damaged: `verify` tells, a list need not
        return headline_of(json.loads(path.read_text()))
    return None


def headline_of(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Return the headline of an evaluation: metric, the model's score and its best baseline's on the test part.

    `validation` is the model's score on the validation part, None where there is no such part.
    """
    headline = scores["headline"]
    return {**headline, "validation": scores["model"].get("validation", {}).get(headline["metric"])}


def champion(name: str, registry: Registry) -> int | None:
    """Return the number of the version that serves, without looking at its bundle."""
    try:
        version = registry.champion(name)
    except CorruptArtifact as damage:
        logger.warning("%s", damage)
        return None
    return version.number if version else None
