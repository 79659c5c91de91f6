"""Plan of a run: the stages to run and the reasons, derived from the store and the run records only.

Neither Prefect nor TensorFlow nor pandas is imported, so a run with nothing to do starts and ends at once.
"""

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from gristmill import keys
from gristmill.config.catalogue import Catalogue, Pipeline
from gristmill.config.stages import stages_of
from gristmill.errors import CorruptArtifact, DataError, StoreError
from gristmill.keys import Identity
from gristmill.runs.locations import Located, fetch_missing, locate
from gristmill.runs.reasons import last_made_of, own_changes, reasons
from gristmill.runs.records import Runs
from gristmill.settings.base import Files, Settings, identity_values, locations, with_nested
from gristmill.settings.custom_code import code_of
from gristmill.settings.stage import Stage
from gristmill.store.artifact import Artifact
from gristmill.store.code_closure import Module, code_closure, read_modules, with_imports
from gristmill.store.imported_code import NO_IMPORTS, Imported, read_imported
from gristmill.store.store import Store
from gristmill.util import extras

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
    memo, stages = catalogue.store.memo, stages_of(pipeline.domain, pipeline.tables)
    imported = dict[tuple[str, ...], Imported]()  # by the files of own code of a stage
    for stage in stages:
        if (files := _own_files(stage)) not in imported:
            imported[files] = read_imported(catalogue.root, stage.settings.values(), memo)
    starts = [name for stage in stages for name in starts_of(pipeline, stage)]
    named = [name for one in imported.values() for name in one.modules]
    modules = read_modules(memo, starts=[*starts, *named])
    steps: dict[str, Step] = {}
    failed: set[str] = set()
    for stage in stages:
        if stage.candidate in failed:
            continue
        if stage.name == refresh:
            steps[stage.label] = Step(stage.label, "run", "requested by --refresh")
            continue
        inputs = tuple(name for name in stage.inputs if name in steps and steps[name].state != "untried")
        step = _step(catalogue, pipeline, replace(stage, inputs=inputs), modules, imported[_own_files(stage)], steps)
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


def _own_files(stage: Stage) -> tuple[str, ...]:
    """Return the files of the user's own code that a stage names."""
    return tuple(code.file for table in stage.settings.values() for _, code in code_of(table))


def starts_of(pipeline: Pipeline, stage: Stage) -> list[str]:
    """Return the modules that the code closure of a stage starts from."""
    kinds = (type(one).__module__ for table in stage.settings.values() for one in with_nested(table))
    return [stage.module, *kinds]


def identity_of(
    pipeline: Pipeline, stage: Stage, inputs: Mapping[str, str], modules: Mapping[str, Module], imported: Imported
) -> Identity:
    """Return the identity of a stage's result.

    `inputs` maps names to digests of everything that the stage reads, including locations (`source.path`). `imported`
    counts if the stage runs the pipeline's own code.
    """
    tables = stage.settings.values()
    external = imported if any(code for table in tables for code in code_of(table)) else NO_IMPORTS
    settings = {name: _relevant_values(stage, name, table) for name, table in stage.settings.items()}
    libraries = keys.library_versions(stage.libraries, extras.libraries_of(tables))
    if stage.point:
        settings[stage.name] = settings.get(stage.name, {}) | dict(stage.point)
    return keys.identify(
        stage.name,
        code={**code_closure(starts_of(pipeline, stage), modules, external.modules), **external.code},
        settings=settings,
        inputs=inputs,
        libraries={**external.libraries, **libraries},
    )


def _relevant_values(stage: Stage, name: str, table: Settings) -> dict[str, object]:
    """Return the values of a table that can change a stage's result; the number of points of a stage cannot."""
    left_out = {*stage.ignores.get(name, ()), *(key for key, _ in stage.axes if name == stage.name)}
    return {key: value for key, value in identity_values(table).items() if key not in left_out}


def refresh_urls(tables: Iterable[object], store: Store) -> None:
    """Ask the URLs of all tables with `refresh` for new content; raise `DataError` if a server cannot be reached."""
    urls = [table.path for table in tables if isinstance(table, Files) and table.refresh]
    if urls:
        from gristmill.runs.downloads import refresh  # late: it loads httpx

        for url in urls:
            refresh(url, store)


def stage_files(catalogue: Catalogue, pipeline: Pipeline, stage: Stage) -> tuple[Path, ...]:
    """Fetch the missing files of a stage's settings, and return all of them.

    Raises:
        DataError: a file does not exist or cannot be fetched.
    """
    from gristmill.runs.downloads import fetch  # late: it loads httpx

    fetch_missing(stage.settings.values(), catalogue.root)
    located = locate_inputs(catalogue, pipeline, stage).values()
    fetch(located, catalogue.store)
    return tuple(file for found in located for file in found.files)


def locate_inputs(catalogue: Catalogue, pipeline: Pipeline, stage: Stage) -> dict[str, Located]:
    """Return the files of all locations in a stage's settings by `table.field`; raise `DataError` for a missing one."""
    located = {}
    for name, table in stage.settings.items():
        sha256, suffixes = getattr(table, "sha256", None), table.suffixes if isinstance(table, Files) else ("",)
        where = f"[pipelines.{pipeline.name}.{name}]"
        of_candidate = f" of candidate {stage.candidate}" if stage.candidate else ""
        code = dict(code_of(table))
        for key, location in locations(table):
            if key in code:
                continue
            needed_by = f"{where} {key}{of_candidate}"
            downloads = catalogue.store.root / "downloads"
            refresh = isinstance(table, Files) and table.refresh
            found = locate(location, catalogue.root, needed_by, downloads, sha256, suffixes, refresh)
            located[f"{name}.{key}"] = found
            sha256 = None  # it belongs to the table's first location
        for key, own in code.items():
            located[f"{name}.{key}"] = locate_code(catalogue.root, own.file, f"{where} {key}{of_candidate}")
    return located


def locate_code(root: Path, location: str, needed_by: str) -> Located:
    """Return a code file and the files that it imports; all must be in the project."""
    file = (root / location).absolute()
    if not os.path.isfile(file):  # noqa: PTH113 - Path.is_file raises for a name that is too long
        raise DataError(f"{needed_by}: no such file '{file}'. Put it there, or correct the path.")
    files = with_imports(file)
    for path in files:
        if not path.resolve().is_relative_to(root.resolve()):
            raise DataError(f"{needed_by}: '{path}' is a link out of the project. Copy the file into it.")
    return Located(files)


def digests_of(data: Mapping[str, Located], store: Store) -> dict[str, str]:
    """Return the SHA-256 of each location's content; files with an unchanged stat are not read again.

    The digest of several files covers their names below their common folder too, since a name may hold information such
    as a photo's class. A file from a URL has its expected digest, because it may not have been fetched yet. `DataError`
    is raised if a file cannot be read, or does not have its expected digest.
    """
    return {name: _digest_of(located, store) for name, located in data.items()}


def _digest_of(located: Located, store: Store) -> str:
    if located.url and located.sha256:
        return located.sha256
    folder = Path(os.path.commonpath({os.path.dirname(file) for file in located.files}))  # noqa: PTH120 - of each photo
    below = len(os.path.join(folder, ""))  # noqa: PTH118 - with the separator
    names = [str(file)[below:] for file in located.files]
    try:
        digests = store.memo.digests(folder, names)
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror}). Fix its permissions.") from None
    digest = digests[names[0]] if len(names) == 1 else keys.digest_of(digests)
    if located.sha256 not in (None, digest):
        raise DataError(
            f"{folder / (names[0] if len(names) == 1 else '')}: SHA-256 {digest}, but sha256 = {located.sha256} is "
            "expected. Set sha256 to the first if you trust the file, or use the expected file."
        )
    return digest


def _step(
    catalogue: Catalogue,
    pipeline: Pipeline,
    stage: Stage,
    modules: Mapping[str, Module],
    imported: Imported,
    before: Mapping[str, Step],
) -> Step:
    store, label = catalogue.store, stage.label
    inputs = {name: artifact.reference["digest"] for name in stage.inputs if (artifact := before[name].artifact)}
    if unknown := [name for name in stage.inputs if name not in inputs]:
        made_of = identity_of(pipeline, stage, {}, modules, imported)
        reason = "; ".join(own_changes(made_of, last_made_of(stage, pipeline, store)))
        return Step(label, "run", reason) if reason else Step(label, "depends", f"depends on {unknown[0]}")
    try:
        data = digests_of(locate_inputs(catalogue, pipeline, stage), store)
    except DataError as error:
        return Step(label, "no data", str(error))
    made_of = identity_of(pipeline, stage, inputs | data, modules, imported)
    try:
        if artifact := store.get_remote_aware(stage.name, made_of.key):
            return Step(label, "fresh", "", artifact)
    except CorruptArtifact as damage:
        return Step(label, "run", f"corrupt: {damage}")
    except StoreError as error:  # a run reports it before it begins
        return Step(label, "run", f"not in the cache. {error}")
    return Step(label, "run", "; ".join(reasons(stage, made_of, pipeline, store)))
