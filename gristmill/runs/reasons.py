"""Reasons why the result of a stage is not up to date: how it and its inputs differ from its last result."""

from collections.abc import Iterator, Mapping
from typing import Any

from gristmill import keys
from gristmill.config.catalogue import Pipeline
from gristmill.errors import CorruptArtifact, StoreError
from gristmill.keys import Identity
from gristmill.runs.records import Record, Runs
from gristmill.settings.stage import Stage
from gristmill.store.code_closure import source_name
from gristmill.store.store import Store
from gristmill.util.toml import toml_value


def _runs(pipeline: Pipeline, store: Store) -> Iterator[Record]:
    """Yield a pipeline's runs, newest first, without retrainings and trials, whose settings may differ."""
    records = Runs(store).newest_first(pipeline.name)
    return (record for record in records if not record.retraining and not record.trial)


def last_made_of(stage: Stage, pipeline: Pipeline, store: Store) -> dict[str, Any] | None:
    """Return the identity parts of a stage's last result that still exists."""
    for record in _runs(pipeline, store):
        if reference := record.references.get(stage.label):
            try:
                return dict(store.read_manifest(reference)["made_of"])
            except CorruptArtifact:  # removed or damaged
                continue
            except StoreError:  # only the shared store has it, and it cannot be reached
                return None
    return None


def reasons(stage: Stage, made_of: Identity, pipeline: Pipeline, store: Store) -> Iterator[str]:
    """Yield how a stage and its inputs differ from its last result."""
    records = _runs(pipeline, store)
    newest = next((record.references[stage.label] for record in records if stage.label in record.stages), None)
    if newest and newest["key"] == made_of.key:
        yield "missing from the store"
        return
    last = last_made_of(stage, pipeline, store)
    if last is None:
        yield "no result yet"
        return
    yield from own_changes(made_of, last)
    for name, before, after in _changes(last["inputs"], made_of.parts["inputs"]):
        if "." in name:
            yield f"data {name}"
        elif None in (before, after):  # points of a stage that fans out were added or removed
            yield f"{'without' if after is None else 'with'} {name}"
        else:
            yield f"{name} produced different data"


def own_changes(made_of: Identity, last: dict[str, Any] | None) -> Iterator[str]:
    """Yield how a stage differs from its last result, apart from its inputs."""
    if last is None:
        return
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
