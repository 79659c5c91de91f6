"""What a run would do and why, from the store and the run records alone.

Nothing is imported to know it, neither Prefect nor TensorFlow nor pandas, so that nothing to do costs nothing.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from gristmill import keys
from gristmill.config.catalogue import Catalogue, Pipeline, toml_value
from gristmill.config.stages import Stage, module_of, stages_of
from gristmill.errors import CorruptArtifact, DataError, StoreError
from gristmill.keys import Identity
from gristmill.runs.locations import Located, locate
from gristmill.runs.records import Record, Runs
from gristmill.settings.base import Files, Settings, identity_values, locations
from gristmill.settings.custom_code import CustomCode
from gristmill.store.artifact import Artifact
from gristmill.store.code_closure import Module, code_closure, read_modules, source_name, with_imports
from gristmill.store.imported_code import NO_IMPORTS, Imported, read_imported
from gristmill.store.store import Store
from gristmill.util import extras

State = Literal["fresh", "run", "depends", "no data"]


@dataclass(frozen=True)
class Step:
    """What a run would do about one stage."""

    stage: str
    state: State
    reason: str  # why it would run; empty if fresh
    artifact: Artifact | None = field(default=None, repr=False)  # long, where a list of steps is looked at


def plan(catalogue: Catalogue, pipeline: Pipeline, refresh: str | None = None) -> list[Step]:
    """Return the steps of a pipeline, each fresh or with the reason why it would run."""
    memo = catalogue.store.memo
    modules, imported = read_modules(memo), read_imported(catalogue.root, pipeline.tables.values(), memo)
    steps: dict[str, Step] = {}
    for stage in stages_of(pipeline.domain, pipeline.tables):
        steps[stage.label] = _step(catalogue, pipeline, stage, modules, imported, steps, refresh)
    return list(steps.values())


def is_fresh(steps: list[Step]) -> bool:
    """Whether there is nothing to do."""
    return all(step.state == "fresh" for step in steps)


def identity_of(
    pipeline: Pipeline, stage: Stage, inputs: Mapping[str, str], modules: Mapping[str, Module], imported: Imported
) -> Identity:
    """Return the identity of a stage's result.

    Args:
        pipeline: whose settings hold.
        stage: which stage.
        inputs: name to digest of all it reads, places among them (`source.path`).
        modules: those of gristmill (`closure.read_modules`).
        imported: what the pipeline's own code imports; it counts where the stage runs that code.
    """
    tables = {name: pipeline.tables[name] for name in stage.tables}
    own = imported if any(isinstance(table, CustomCode) for table in tables.values()) else NO_IMPORTS
    starts = [module_of(pipeline.domain, stage.name), *(type(table).__module__ for table in tables.values())]
    settings = {name: _counted(stage, name, table) for name, table in tables.items()}
    if stage.point:
        settings[stage.name] = settings.get(stage.name, {}) | dict(stage.point)
    return keys.identify(
        stage.name,
        code={**code_closure(starts, modules, own.modules), **own.code},
        settings=settings,
        inputs=inputs,
        libraries={**own.libraries, **keys.library_versions(stage.libraries, extras.libraries_of(tables.values()))},
    )


def _counted(stage: Stage, name: str, table: Settings) -> dict[str, object]:
    """Return the values of a table that can change a stage's result.

    Of a stage that fans out these are not the counts of its points: more points leave those that are there as they are.
    """
    left_out = {*stage.ignores.get(name, ()), *(key for key, _ in stage.axes if name == stage.name)}
    return {key: value for key, value in identity_values(table).items() if key not in left_out}


def locate_inputs(catalogue: Catalogue, pipeline: Pipeline, stage: Stage) -> dict[str, Located]:
    """Return what a stage's settings name: `table.field` to its files.

    Raises:
        DataError: one is not there, with every place that was tried.
    """
    found = {}
    for name in stage.tables:
        table = pipeline.tables[name]
        sha256, suffixes = getattr(table, "sha256", None), table.suffixes if isinstance(table, Files) else ("",)
        for key, place in locations(table):
            asked_by = f"[pipelines.{pipeline.name}.{name}] {key}"
            if isinstance(table, CustomCode):
                found[f"{name}.{key}"] = _code(catalogue.root, place, asked_by)
                continue
            downloads = catalogue.store.root / "downloads"
            found[f"{name}.{key}"] = locate(place, catalogue.root, asked_by, downloads, sha256, suffixes)
            sha256 = None  # it is of the table's first place
    return found


def _code(root: Path, place: str, asked_by: str) -> Located:
    """Return a file of code and those that it imports, which lie in the project and nowhere else."""
    file = (root / place).absolute()
    if not os.path.isfile(file):  # noqa: PTH113 - Path.is_file raises for a name that is too long
        raise DataError(f"{asked_by}: no such file '{file}'. Put it there, or correct the path.")
    files = with_imports(file)
    for found in files:
        if not found.resolve().is_relative_to(root.resolve()):
            raise DataError(f"{asked_by}: '{found}' is a link out of the project. Copy the file into it.")
    return Located(files)


def digests_of(data: Mapping[str, Located], store: Store) -> dict[str, str]:
    """Return the SHA-256 of the bytes at each place; a file whose stat is unchanged is not read again.

    One file has its own; several have that of the list of their names below the folder they share and their own, for a
    name may say what a file holds, as a photo's class. A file from a URL has the one it must have: it may not be there
    yet.

    Raises:
        DataError: one cannot be read, or is not the one asked for.
    """
    return {name: _digest_of(locate_inputs, store) for name, locate_inputs in data.items()}


def _digest_of(located: Located, store: Store) -> str:
    if located.url and located.sha256:
        return located.sha256
    folder = Path(os.path.commonpath([file.parent for file in located.files]))
    names = [str(file.relative_to(folder)) for file in located.files]
    try:
        digests = store.memo.digests(folder, names)
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror}). Mend its permissions.") from None
    digest = digests[names[0]] if len(names) == 1 else keys.digest_of(digests)
    if located.sha256 not in (None, digest):
        raise DataError(
            f"{folder / (names[0] if len(names) == 1 else '')}: SHA-256 {digest}, but sha256 = {located.sha256} is "
            "asked for. Set sha256 to the first if you trust the file, or find the one that is meant."
        )
    return digest


def _step(
    catalogue: Catalogue,
    pipeline: Pipeline,
    stage: Stage,
    modules: Mapping[str, Module],
    imported: Imported,
    before: Mapping[str, Step],
    refresh: str | None,
) -> Step:
    store = catalogue.store
    if refresh == stage.name:
        return Step(stage.label, "run", "asked by --refresh")
    unknown = [name for name in stage.inputs if before[name].artifact is None]
    if unknown:
        made_of = identity_of(pipeline, stage, {}, modules, imported)
        own = list(_own_reasons(made_of, _last_made_of(stage, pipeline, store)))
        return (
            Step(stage.label, "run", "; ".join(own))
            if own
            else Step(stage.label, "depends", f"depends on {unknown[0]}")
        )
    try:
        data = digests_of(locate_inputs(catalogue, pipeline, stage), store)
    except DataError as error:
        return Step(stage.label, "no data", str(error))
    inputs = {name: artifact.reference["digest"] for name in stage.inputs if (artifact := before[name].artifact)}
    made_of = identity_of(pipeline, stage, inputs | data, modules, imported)
    try:
        artifact = store.get_remote_aware(stage.name, made_of.key)
    except CorruptArtifact as damage:
        return Step(stage.label, "run", f"corrupt: {damage}")
    except StoreError as error:  # who runs is told before anything begins
        return Step(stage.label, "run", f"not in the cache. {error}")
    if artifact:
        return Step(stage.label, "fresh", "", artifact)
    return Step(stage.label, "run", "; ".join(_reasons(stage, made_of, pipeline, store)))


def _runs(pipeline: Pipeline, store: Store) -> Iterator[Record]:
    """Yield a pipeline's runs, newest first; no retrainings and no trials, whose settings are others than its own."""
    records = Runs(store).newest_first(pipeline.name)
    return (record for record in records if not record.retraining and not record.trial)


def _last_made_of(stage: Stage, pipeline: Pipeline, store: Store) -> dict[str, Any] | None:
    """Return what the last result of a stage was made of: of the newest that is still there."""
    for record in _runs(pipeline, store):
        if reference := record.references.get(stage.label):
            try:
                return dict(store.read_manifest(reference)["made_of"])
            except CorruptArtifact:  # collected or damaged: an older one can still tell what changed
                continue
            except StoreError:  # the shared store, which alone has it, cannot be asked
                return None
    return None


def _reasons(stage: Stage, made_of: Identity, pipeline: Pipeline, store: Store) -> Iterator[str]:
    """Yield what differs between what a result would be made of and what the last one was."""
    records = _runs(pipeline, store)
    newest = next((record.references[stage.label] for record in records if stage.label in record.stages), None)
    if newest and newest["key"] == made_of.key:
        yield "missing from the store"
        return
    last = _last_made_of(stage, pipeline, store)
    if last is None:
        yield "no result yet"
        return
    yield from _own_reasons(made_of, last)
    for name, before, after in _changes(last["inputs"], made_of.parts["inputs"]):
        if "." in name:
            yield f"data {name}"
        elif None in (before, after):  # points of a stage that fans out come and go
            yield f"{'without' if after is None else 'with'} {name}"
        else:
            yield f"{name} gave other data"


def _own_reasons(made_of: Identity, last: dict[str, Any] | None) -> Iterator[str]:
    """Yield what differs in a stage itself, whatever it reads."""
    if last is None:
        return
    if last["format"] != made_of.parts["format"]:  # its parts may mean something else
        yield f"artifact format {last['format']} → {made_of.parts['format']}"
        return
    for name, before, after in _changes(last["settings"], made_of.parts["settings"]):
        yield _setting_changed(name, before, after)
    for module, *_ in _changes(last["code"], made_of.parts["code"]):
        yield f"code {source_name(module)}"
    for name, before, after in _changes(last["libraries"], made_of.parts["libraries"]):
        yield _library_changed(name, before, after)


def _library_changed(name: str, before: str | None, after: str | None) -> str:
    """Return how a version changed; a library that came or went is named with the one that it has or had."""
    named = name if name == keys.PYTHON else f"library {name}"
    if before is None:
        return f"with {named} {after}"
    return f"without {named} {before}" if after is None else f"{named} {before} → {after}"


def _setting_changed(name: str, before: Any, after: Any) -> str:
    """Return how a setting changed; a whole table that came or went, such as a schema, is named alone."""
    if before is None and isinstance(after, dict):
        return f"with {name}"
    if after is None and isinstance(before, dict):
        return f"without {name}"
    return f"settings {name} {_as_written(before)} → {_as_written(after)}"


def _as_written(value: Any) -> str:
    """Return a value as `pipelines.toml` has it, a string without its marks."""
    return "not set" if value is None else value if isinstance(value, str) else toml_value(value)


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yield (dotted name, old, new) of every value that differs; None stands for one that is not there."""
    for name in [*old, *(name for name in new if name not in old)]:
        before, after = old.get(name), new.get(name)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from ((f"{name}.{inner}", *values) for inner, *values in _changes(before, after))
        elif before != after:
            yield name, before, after
