"""Status of pipelines for `ls`, read from the store, the run records and the registry."""

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from gristmill.errors import CorruptArtifact
from gristmill.project.serving import Models
from gristmill.retraining.arrivals import silent_since, unused_arrival
from gristmill.runs import plan
from gristmill.runs.records import headline
from gristmill.scores import Headline

logger = logging.getLogger(__name__)

PipelineState = Literal["fresh", "stale", "never run", "no data"]


@dataclass(frozen=True)
class Status:
    """Status of one pipeline."""

    name: str
    domain: str
    description: str
    state: PipelineState
    headline: Headline | None  # of the last successful run of its own settings
    champion: int | None = None  # number of the version that serves
    held: bool = False  # whether retrainings leave it the champion

    def as_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return vars(self) | {"headline": self.headline.as_json() if self.headline else None}

    @property
    def serving(self) -> str:
        """The champion for a list: `v2`, or `v2 held`."""
        return f"v{self.champion}{' held' * self.held}" if self.champion else ""

    @property
    def needs_data(self) -> bool:
        """Whether it has neither data nor a model of an earlier run."""
        return self.state == "no data" and self.headline is None and self.champion is None


def status(models: Models) -> Iterator[Status]:
    """Yield the status of each pipeline, in the file's order."""
    models.runs.pull()
    models.registry.pull()
    for name, pipeline in models.catalogue.pipelines.items():
        last = models.runs.latest_own(pipeline)
        steps = plan.plan(models.catalogue, pipeline, untried=plan.untried_candidates(pipeline, models.store))
        if steps[0].artifact:
            with contextlib.suppress(CorruptArtifact):
                silent_since(models.catalogue, pipeline, steps[0].artifact.reference)  # logs a warning
        if unused := unused_arrival(pipeline, models.store):
            why = "set aside" if unused.set_aside else "withdrawn by a rollback"
            logger.warning(
                "%s: the data that run %s read was %s; the last good data is in use. See gristmill history %s.",
                *(name, unused.id, why, name),
            )
        state: PipelineState = "fresh" if plan.is_fresh(steps) else "stale" if last else "never run"
        if any(step.state == "no data" for step in steps):
            state = "no data"
        score = headline(last, models.store) if last else None
        held = models.registry.hold(name) is not None
        yield Status(name, pipeline.domain, pipeline.description, state, score, models.champion(name), held)
