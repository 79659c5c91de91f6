"""Plan of a run: the stages to run and the reasons, derived from the store and the run records only.

Neither Prefect nor TensorFlow nor pandas is imported, so a run with nothing to do starts and ends at once.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from gristmill.config.catalogue import Catalogue, Pipeline
from gristmill.config.stages import stages_of
from gristmill.errors import CorruptArtifact, DataError, StoreError
from gristmill.runs.identity import identity_of, read_imports, resolve_inputs, starts_of
from gristmill.runs.reasons import last_made_of, own_changes, reasons
from gristmill.runs.records import Runs
from gristmill.settings.base import Files
from gristmill.settings.stage import Stage
from gristmill.store.artifact import Artifact
from gristmill.store.store import Store

FAILED = "failed"  # count of a candidate's artifact that only says why the candidate failed


@dataclass(frozen=True)
class Step:
    """Plan for one stage."""

    stage: str
    state: Literal["fresh", "run", "depends", "no data", "untried"]
    reason: str  # why it would run, or was not tried; empty if fresh
    artifact: Artifact | None = field(default=None, repr=False)


def plan(
    catalogue: Catalogue, pipeline: Pipeline, refresh: str | None = None, untried: Collection[str] = ()
) -> list[Step]:
    """Return the steps of a pipeline, each fresh or with the reason why it would run.

    `untried` names candidates that are left out as long as they have no result. A candidate whose training failed has
    no further stages.
    """
    stages = stages_of(pipeline.domain, pipeline.tables)
    catalogue.code.modules(start for stage in stages for start in starts_of(stage))  # faster than one by one
    steps: dict[str, Step] = {}
    failed: set[str] = set()
    for stage in stages:
        if stage.candidate in failed:
            continue
        if stage.name == refresh:
            steps[stage.label] = Step(stage.label, "run", "requested by --refresh")
            continue
        inputs = tuple(name for name in stage.inputs if name in steps and steps[name].state != "untried")
        step = _step(catalogue, pipeline, replace(stage, inputs=inputs), steps)
        if stage.candidate in untried and step.artifact is None:
            step = Step(stage.label, "untried", "the budget had no time for it")
            earlier = [one.label for one in stages if one.candidate == stage.candidate and one.label in steps]
            steps |= {label: replace(step, stage=label) for label in earlier}  # as a run leaves it out as a whole
        if stage.name == "train" and step.artifact and FAILED in step.artifact.counts:
            failed.add(stage.candidate)
        steps[stage.label] = step
    return list(steps.values())


def is_fresh(steps: list[Step]) -> bool:
    """Return whether there is nothing to do."""
    return all(step.state in ("fresh", "untried") for step in steps)


def untried_candidates(pipeline: Pipeline, store: Store, budget: float | None = None) -> list[str]:
    """Return the candidates that the pipeline's last run did not try, or stopped, because of its budget.

    With a larger `budget`, in seconds, than that run had, none is returned.
    """
    last = Runs(store).latest_own(pipeline)
    if last is None or last.budget is None or (budget is not None and budget > last.budget):
        return []
    return last.untried


def refresh_urls(tables: Iterable[object], store: Store) -> None:
    """Ask the URLs of all tables with `refresh` for new content; raise `DataError` if a server cannot be reached."""
    urls = [table.path for table in tables if isinstance(table, Files) and table.refresh]
    if urls:
        from gristmill.runs.downloads import refresh  # late: it loads httpx

        for url in urls:
            refresh(url, store)


def _step(catalogue: Catalogue, pipeline: Pipeline, stage: Stage, before: Mapping[str, Step]) -> Step:
    store, label = catalogue.store, stage.label
    inputs = {name: artifact.reference["digest"] for name in stage.inputs if (artifact := before[name].artifact)}
    if unknown := [name for name in stage.inputs if name not in inputs]:
        made_of = identity_of(stage, {}, catalogue.code, read_imports(catalogue, stage))
        reason = "; ".join(own_changes(made_of, last_made_of(stage, pipeline, store)))
        return Step(label, "run", reason) if reason else Step(label, "depends", f"depends on {unknown[0]}")
    try:
        made_of = resolve_inputs(catalogue, pipeline, stage, inputs).identity
    except DataError as error:
        return Step(label, "no data", str(error))
    try:
        if artifact := store.get_remote_aware(stage.name, made_of.key):
            return Step(label, "fresh", "", artifact)
    except CorruptArtifact as damage:
        return Step(label, "run", f"corrupt: {damage}")
    except StoreError as error:  # a run reports it before it begins
        return Step(label, "run", f"not in the cache. {error}")
    return Step(label, "run", "; ".join(reasons(stage, made_of, pipeline, store)))
