"""Plan of a run: the stages to run and the reasons, derived from the store and the run records only.

Neither Prefect nor TensorFlow nor pandas is imported, so a run with nothing to do starts and ends at once.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from gristmill import keys
from gristmill.config.catalogue import Catalogue, Pipeline
from gristmill.config.stages import stages_of
from gristmill.errors import CorruptArtifact, DataError, StoreError
from gristmill.keys import Identity
from gristmill.runs.identity import identity_of, read_imports, resolve_inputs, starts_of
from gristmill.runs.records import Runs
from gristmill.settings.base import Files
from gristmill.settings.stage import Stage
from gristmill.store.artifact import Artifact, Reference
from gristmill.store.code_closure import source_name
from gristmill.store.downloads import refresh
from gristmill.store.store import Store
from gristmill.util.toml import toml_value

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
            for earlier in stages:  # a run leaves out the candidate as a whole
                if earlier.candidate == stage.candidate and earlier.label in steps:
                    steps[earlier.label] = replace(step, stage=earlier.label)
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
    for table in tables:
        if isinstance(table, Files) and table.refresh:
            refresh(table.path, store)


def _step(catalogue: Catalogue, pipeline: Pipeline, stage: Stage, before: Mapping[str, Step]) -> Step:
    store, label = catalogue.store, stage.label
    inputs = {name: artifact.reference["digest"] for name in stage.inputs if (artifact := before[name].artifact)}
    if unknown := [name for name in stage.inputs if name not in inputs]:
        made_of = identity_of(stage, {}, catalogue.code, read_imports(catalogue, stage))
        last = _last_made_of(stage, pipeline, store)
        reason = "; ".join(_own_changes(made_of, last)) if last else ""
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
    return Step(label, "run", "; ".join(_reasons(stage, made_of, pipeline, store)))


def _reasons(stage: Stage, made_of: Identity, pipeline: Pipeline, store: Store) -> Iterator[str]:
    """Yield how a stage and its inputs differ from its last result."""
    newest = next(_results(stage, pipeline, store), None)
    if newest and newest["key"] == made_of.key:
        yield "missing from the store"
        return
    last = _last_made_of(stage, pipeline, store)
    if last is None:
        yield "no result yet"
        return
    yield from _own_changes(made_of, last)
    for name, before, after in _changes(last["inputs"], made_of.parts["inputs"]):
        if "." in name:
            yield f"data {name}"
        elif None in (before, after):  # points of a stage that fans out were added or removed
            yield f"{'without' if after is None else 'with'} {name}"
        else:
            yield f"{name} produced different data"


def _results(stage: Stage, pipeline: Pipeline, store: Store) -> Iterator[Reference]:
    """Yield the results of a stage, newest first, without those of retrainings and trials: settings may differ."""
    for record in Runs(store).newest_first(pipeline.name):
        if stage.label in record.stages and not record.retraining and not record.trial:
            yield record.stages[stage.label].reference


def _last_made_of(stage: Stage, pipeline: Pipeline, store: Store) -> dict[str, Any] | None:
    """Return the identity parts of a stage's last result that still exists."""
    for reference in _results(stage, pipeline, store):
        try:
            return dict(store.read_manifest(reference)["made_of"])
        except CorruptArtifact:  # removed or damaged
            continue
        except StoreError:  # only the shared store has it, and it cannot be reached
            return None
    return None


def _own_changes(made_of: Identity, last: dict[str, Any]) -> Iterator[str]:
    """Yield how a stage differs from its last result, apart from its inputs."""
    if last["format"] != made_of.parts["format"]:  # the other parts may not be comparable
        yield f"artifact format {last['format']} → {made_of.parts['format']}"
        return
    for name, before, after in _changes(last["settings"], made_of.parts["settings"]):
        if None in (before, after) and isinstance(before or after, dict):  # a whole table, such as a schema
            yield f"{'without' if after is None else 'with'} {name}"
        else:
            yield f"settings {name} {_as_written(before)} → {_as_written(after)}"
    for module, *_ in _changes(last["code"], made_of.parts["code"]):
        yield f"code {source_name(module)}"
    for name, before, after in _changes(last["libraries"], made_of.parts["libraries"]):
        label = name if name == keys.PYTHON else f"library {name}"
        if before is None:
            yield f"with {label} {after}"
        else:
            yield f"without {label} {before}" if after is None else f"{label} {before} → {after}"


def _as_written(value: Any) -> str:
    """Return a value as in `pipelines.toml`, a string without quotes."""
    return "not set" if value is None else value if isinstance(value, str) else toml_value(value)


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yield (dotted name, old, new) of every value that differs; None stands for a missing value."""
    for name in [*old, *(name for name in new if name not in old)]:
        before, after = old.get(name), new.get(name)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from ((f"{name}.{inner}", *values) for inner, *values in _changes(before, after))
        elif before != after:
            yield name, before, after
