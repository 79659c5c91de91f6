"""What a run would do and why, from the store and the run records alone.

Nothing is imported to know it, neither Prefect nor TensorFlow nor pandas, so that nothing to do costs nothing.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gristmill import identity
from gristmill.artifact import Artifact, read_manifest
from gristmill.config import Catalogue, Pipeline
from gristmill.domains import STAGES, Stage, module_of
from gristmill.errors import CorruptArtifact, DataError
from gristmill.identity import Identity
from gristmill.places import locate
from gristmill.runs import Runs
from gristmill.settings import identity_values, places
from gristmill.store import Store

State = Literal["fresh", "run", "depends", "no data"]


@dataclass(frozen=True)
class Step:
    """What a run would do about one stage."""

    stage: str
    state: State
    reason: str  # why it would run; empty if fresh
    artifact: Artifact | None = None


def plan(catalogue: Catalogue, pipeline: Pipeline, refresh: str | None = None) -> list[Step]:
    """Return the five steps of a pipeline, each fresh or with the reason why it would run."""
    store = Store(catalogue.store)
    steps: dict[str, Step] = {}
    for stage in STAGES:
        steps[stage.name] = _step(catalogue, pipeline, stage, store, steps, refresh)
    return list(steps.values())


def is_fresh(steps: list[Step]) -> bool:
    """Whether there is nothing to do."""
    return all(step.state == "fresh" for step in steps)


def identity_of(pipeline: Pipeline, stage: Stage, inputs: Mapping[str, str]) -> Identity:
    """Return the identity of a stage's result.

    Args:
        pipeline: whose settings hold.
        stage: which stage.
        inputs: name to digest of all it reads, places among them (`source.path`).
    """
    tables = {name: pipeline.tables[name] for name in stage.tables}
    modules = [module_of(pipeline.domain, stage.name), *(type(table).__module__ for table in tables.values())]
    return identity.identify(
        stage.name,
        code=identity.code_closure(modules),
        settings={name: identity_values(table) for name, table in tables.items()},
        inputs=inputs,
        libraries=identity.versions(stage.libraries),
    )


def located(catalogue: Catalogue, pipeline: Pipeline, stage: Stage) -> dict[str, Path]:
    """Return the files and folders a stage's settings name: `table.field` to path.

    Raises:
        DataError: one is not there, with every place that was tried.
    """
    return {
        f"{table}.{field}": locate(place, catalogue.root, f"[pipelines.{pipeline.name}.{table}] {field}")
        for table in stage.tables
        for field, place in places(pipeline.tables[table])
    }


def digests_of(places: Mapping[str, Path], store: Store) -> dict[str, str]:
    """Return the SHA-256 of each located file; one whose stat is unchanged is not read again.

    Raises:
        DataError: one cannot be read.
    """
    digests = {}
    for name, path in places.items():
        try:
            digests[name] = store.memo.digest(path)
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror}). Mend its permissions.") from None
    return digests


def _step(
    catalogue: Catalogue,
    pipeline: Pipeline,
    stage: Stage,
    store: Store,
    before: Mapping[str, Step],
    refresh: str | None,
) -> Step:
    if refresh == stage.name:
        return Step(stage.name, "run", "asked by --refresh")
    unknown = [name for name in stage.inputs if before[name].artifact is None]
    if unknown:
        own = list(_own_reasons(identity_of(pipeline, stage, {}), _last_made_of(stage.name, pipeline, store)))
        return (
            Step(stage.name, "run", "; ".join(own)) if own else Step(stage.name, "depends", f"depends on {unknown[0]}")
        )
    try:
        data = digests_of(located(catalogue, pipeline, stage), store)
    except DataError as error:
        return Step(stage.name, "no data", str(error))
    inputs = {name: artifact.reference["digest"] for name in stage.inputs if (artifact := before[name].artifact)}
    made_of = identity_of(pipeline, stage, inputs | data)
    try:
        artifact = store.find(stage.name, made_of.key)
    except CorruptArtifact as damage:
        return Step(stage.name, "run", f"corrupt: {damage}")
    if artifact:
        return Step(stage.name, "fresh", "", artifact)
    return Step(stage.name, "run", "; ".join(_reasons(made_of, pipeline, store)))


def _last_made_of(stage: str, pipeline: Pipeline, store: Store) -> dict[str, Any] | None:
    """Return what the last result of a stage was made of: of the newest that is still there."""
    for record in Runs(store.root).newest_first(pipeline.name):
        if reference := record.references.get(stage):
            with contextlib.suppress(CorruptArtifact):  # collected or damaged: an older one can still tell what changed
                return dict(read_manifest(store.path(stage, reference["key"]), stage, reference["key"])["made_of"])
    return None


def _reasons(made_of: Identity, pipeline: Pipeline, store: Store) -> Iterator[str]:
    """Yield what differs between what a result would be made of and what the last one was."""
    records = Runs(store.root).newest_first(pipeline.name)
    newest = next((record.references[made_of.stage] for record in records if made_of.stage in record.stages), None)
    if newest and newest["key"] == made_of.key:
        yield "missing from the store"
        return
    last = _last_made_of(made_of.stage, pipeline, store)
    if last is None:
        yield "no result yet"
        return
    yield from _own_reasons(made_of, last)
    for name, *_ in _changes(last["inputs"], made_of.parts["inputs"]):
        yield f"data {name}" if "." in name else f"{name} gave other data"


def _own_reasons(made_of: Identity, last: dict[str, Any] | None) -> Iterator[str]:
    """Yield what differs in a stage itself, whatever it reads."""
    if last is None:
        return
    for name, before, after in _changes(last["settings"], made_of.parts["settings"]):
        yield f"settings {name} {before} → {after}"
    for module, *_ in _changes(last["code"], made_of.parts["code"]):
        yield f"code {identity.source_name(module)}"
    for name, before, after in _changes(last["libraries"], made_of.parts["libraries"]):
        yield f"library {name} {before} → {after}"
    if last["format"] != made_of.parts["format"]:
        yield f"artifact format {last['format']} → {made_of.parts['format']}"


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yield (dotted name, old, new) of every value that differs; None stands for one that is not there."""
    for name in [*old, *(name for name in new if name not in old)]:
        before, after = old.get(name), new.get(name)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from ((f"{name}.{inner}", *values) for inner, *values in _changes(before, after))
        elif before != after:
            yield name, before, after
