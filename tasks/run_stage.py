"""What every stage's task does: ask the store, and only on a miss call the core and publish what it wrote."""

import importlib
import logging
import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from prefect.states import Completed

from gristmill.config import stages as domains
from gristmill.config.catalogue import PIPELINES_FILE, Catalogue, Pipeline, load
from gristmill.errors import CorruptArtifact, SourceChanged, StoreError, WorkError
from gristmill.keys import Identity, library_versions
from gristmill.maintenance.eviction import evict, upload_missing
from gristmill.registry.version import Version
from gristmill.runs import plan
from gristmill.runs.downloads import fetch
from gristmill.runs.locations import Located, fetch_missing
from gristmill.runs.records import Record, Runs, StageRecord
from gristmill.store.artifact import Artifact, Reference
from gristmill.store.code_closure import check_loaded, load_closure, read_modules
from gristmill.store.imported_code import Imported, read_imported
from gristmill.store.store import Draft, Store
from gristmill.training import progress
from gristmill.training.keras_backend import import_keras, set_threads
from gristmill.util.files import ChangeDetector
from gristmill.workers.chunks import StageChunk, made_by_workers
from gristmill.workers.pool import concurrency
from tasks.pulled import check_store_outlasts_run

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """The run a task belongs to: the pipeline's settings as they were when it began."""

    id: str
    catalogue: Catalogue
    pipeline: Pipeline
    refresh: str | None  # a stage to do again even if its result is there
    start: Reference | None = None  # the network whose weights training begins from
    champion: Version | None = None  # that serves when a retraining begins: what it judges a challenger beside
    jobs: int | None = 1  # points or chunks of a stage done at a time; None for as many as a cluster has workers

    def spreads(self, stage: domains.Stage) -> bool:
        """Whether others do chunks of a stage's work."""
        elsewhere = self.catalogue.runner.address is not None
        return stage.chunked is not None and self.jobs != 1 and (elsewhere or not stage.threaded)

    @property
    def stages(self) -> dict[str, domains.Stage]:
        """The stages by label, those that fan out point by point."""
        stages = domains.stages_of(self.pipeline.domain, self.pipeline.tables)
        return {stage.label: domains.with_warm_start(stage) if self.start else stage for stage in stages}

    def points(self, name: str) -> list[str]:
        """Return the labels of the points that a stage fans out to."""
        return [label for label, stage in self.stages.items() if stage.name == name]

    def asked(self, *inputs: Reference) -> dict[str, Any]:
        """Return what the flow `chunk` has to know of this run and of what a piece reads."""
        overrides = self.record().overrides
        return {
            "pipeline": self.pipeline.name, "overrides": overrides, "refresh": self.refresh, "inputs": list(inputs)
        }  # fmt: skip

    def record(self) -> Record:
        """Return the run's record as it stands."""
        return Runs(self.catalogue.store).read(self.pipeline.name, self.id)


@contextmanager
def recorded(
    pipeline: str,
    overrides: list[str],
    refresh: str | None,
    project: str | None,
    trial: bool = False,
    jobs: int | None = 1,
) -> Iterator[Run]:
    """Open a run of a pipeline, as `pipelines.toml` has it now, and close its record with the outcome.

    With `jobs` the points or chunks of a stage are done side by side: so many at a time; by None as `[runner]` says.
    """
    catalogue = load(Path(project) if project else None, {pipeline: overrides})
    with opened(catalogue, catalogue.pipeline(pipeline), overrides, refresh, trial) as run:
        yield replace(run, jobs=concurrency(catalogue.runner, jobs))


@contextmanager
def opened(
    catalogue: Catalogue, pipeline: Pipeline, overrides: list[str], refresh: str | None = None, trial: bool = False
) -> Iterator[Run]:
    """Open a run of a pipeline whose settings are known, and close its record with the outcome.

    Raises:
        WorkError: the store would be lost with a copy of the project that Prefect has made.
    """
    set_threads(catalogue.runner.threads)
    check_store_outlasts_run(catalogue)
    store, runs = catalogue.store, Runs(catalogue.store)
    store.check_writable()
    run = runs.start(pipeline, overrides, library_versions((*domains.libraries_of(pipeline.domain), "prefect")), trial)
    try:
        yield Run(run.id, catalogue, pipeline, refresh)
        stages = runs.read(pipeline.name, run.id).stages.values() if store.remote else ()
        upload_missing(store, (stage.reference for stage in stages if stage.cached))  # what a record names, all find
    except Exception as error:
        with suppress(StoreError):  # a full disk: the error to tell is the first
            runs.finish(pipeline.name, run.id, "failed", f"{type(error).__name__}: {error}")
        raise
    except BaseException:  # Ctrl-C, SIGTERM, cancelled by Prefect: the next run goes on from here
        with suppress(StoreError):
            runs.finish(pipeline.name, run.id, "interrupted")
        raise
    runs.finish(pipeline.name, run.id, "succeeded")
    try:
        evict(store)
    except StoreError as error:
        logger.warning("%s The cache is left as large as it is.", error)


def produce(
    run: Run, label: str, *inputs: Reference, on_new: Callable[[Run, Artifact], None] | None = None, **extras: Any
) -> Reference:
    """Return the reference of a stage's artifact, found in the store (a Cached state) or made now.

    Args:
        run: the run it belongs to.
        label: the stage, or one of its points.
        inputs: artifacts it reads, in the order in which the stage names them.
        on_new: called with an artifact that was made now.
        extras: arguments of the core function besides settings, places and folders.

    Raises:
        WorkError: the core could not do it; nothing was published.
    """
    began = time.perf_counter()
    artifact, cached = make(run, label, *inputs, **extras)
    note(run, label, artifact, cached, seconds=time.perf_counter() - began)
    if cached:  # a state that Prefect shows as such; the flow gets its data, the reference
        return cast(Reference, Completed(name="Cached", message=f"{label} is fresh", data=artifact.reference))
    if on_new:
        on_new(run, artifact)
    return artifact.reference


def make(
    run: Run, label: str, *inputs: Reference, requested: StageChunk | None = None, **extras: Any
) -> tuple[Artifact, bool]:
    """Return the artifact of a stage, or of the piece that another process asks for, and whether it was there.

    Nothing is noted. The other arguments are those of `produce`.
    """
    chunk = requested.chunk if requested else None
    stage, store = run.stages[label], run.catalogue.store
    stage = stage if chunk is None else stage.chunk(chunk)
    data, digests = read_by(run, stage, inputs)
    imported = imported_by(run, stage)
    read = [file for found in data.values() if not found.url for file in found.files if chunk is None]
    watch = ChangeDetector([*read, *imported.files])
    made_of = plan.identity_of(run.pipeline, stage, digests, read_modules(store.memo), imported)
    if requested and requested.key != made_of.key:
        raise WorkError(f"{PIPELINES_FILE}, the data or the code are not those that the run began with. Run again.")
    again = run.refresh == stage.name
    if not again and (artifact := _found(store, made_of)):
        return artifact, True
    if requested is None:
        progress.report_work(label)
    with store.lock(made_of.key):
        if not again and (artifact := _found(store, made_of)):  # made by another run while this one waited
            return artifact, True
        if again:  # from the start
            shutil.rmtree(store.scratch(made_of.key), ignore_errors=True)
        folders = _folders(stage, inputs, store, by_stat=chunk is not None)  # whoever asks for it has hashed them
        arguments = _arguments(run, stage, data, made_of.key) | folders | extras
        check_loaded(imported.files)
        with store.draft(made_of) as draft:
            spread = partial(_by_workers, run, label, inputs, digests) if run.spreads(stage) else None
            _work(run.pipeline.domain, stage, draft, made_of, arguments, spread)
            watch.check()
            if chunk is None and plan.locate_inputs(run.catalogue, run.pipeline, stage) != data:
                raise SourceChanged(f"{', '.join(data)}: files came or went while they were read. Run again.")
            artifact = store.publish(draft, made_of, replace=again)
        shutil.rmtree(store.scratch(made_of.key), ignore_errors=True)
    return artifact, False


def read_by(run: Run, stage: domains.Stage, inputs: Iterable[Reference]) -> tuple[dict[str, Located], dict[str, str]]:
    """Return where the data lies that a stage reads, and the digests of that and of its inputs."""
    fetch_missing((run.pipeline.tables[name] for name in stage.tables), run.catalogue.root)
    data = plan.locate_inputs(run.catalogue, run.pipeline, stage)
    made = {name: reference["digest"] for name, reference in zip(stage.inputs, inputs, strict=True)}
    return data, plan.digests_of(data, run.catalogue.store) | made


def imported_by(run: Run, stage: domains.Stage) -> Imported:
    """Return what the own code that a stage runs imports."""
    tables = (run.pipeline.tables[name] for name in stage.tables)
    return read_imported(run.catalogue.root, tables, run.catalogue.store.memo)


def _arguments(run: Run, stage: domains.Stage, data: Mapping[str, Located], key: str) -> dict[str, Any]:
    """Return a stage's tables, its point, the files that it reads, fetched, and the folders that it keeps."""
    store = run.catalogue.store
    fetch(data.values(), store)
    kept = {"scratch": store.scratch(key), "logs": store.logs(run.pipeline.name, key)} if stage.resumable else {}
    return {name: run.pipeline.tables[name] for name in stage.tables} | _files(data) | kept | dict(stage.point)


def _files(data: Mapping[str, Located]) -> dict[str, tuple[Path, ...]]:
    """Return the files that settings name, as the argument of the core: all of a source's, all of a model's."""
    found: dict[str, tuple[Path, ...]] = {}
    for place, located in data.items():
        argument = {"source": "paths", "model": "files"}[place.partition(".")[0]]
        found[argument] = (*found.get(argument, ()), *located.files)
    return found


def _folders(
    reader: domains.Stage, inputs: Iterable[Reference], store: Store, by_stat: bool
) -> dict[str, Path | list[Path]]:
    """Return the verified folders of the artifacts a stage reads, by its arguments; of a stage that fans out a list."""
    folders: dict[str, Path | list[Path]] = {}
    fanned = {stage.name for stages in domains.STAGES.values() for stage in stages if stage.axes}
    for label, reference in zip(reader.inputs, inputs, strict=True):
        name = label.split()[0]  # of a point, the stage
        path, argument = store.open_verified(reference, by_stat).path, reader.argument(name)
        if name in fanned:
            folders[argument] = [*cast(list[Path], folders.get(argument, [])), path]
        else:
            folders[argument] = path
    return folders


def _found(store: Store, made_of: Identity) -> Artifact | None:
    try:
        return store.get_remote_aware(made_of.stage, made_of.key, anew=True)
    except CorruptArtifact as damage:
        logger.warning("%s It is made again.", damage)
        return None


def _by_workers(
    run: Run, label: str, inputs: Iterable[Reference], digests: Mapping[str, str], count: int
) -> list[Path]:
    """Have workers do the chunks of a stage's work that are not there, and return the verified folders of all."""
    stage, store, modules = run.stages[label], run.catalogue.store, read_modules(run.catalogue.store.memo)
    others = {*stage.inputs} - {*stage.chunk(0).inputs}
    read = [reference for name, reference in zip(stage.inputs, inputs, strict=True) if name not in others]
    known = {name: digest for name, digest in digests.items() if name not in others}
    imported = imported_by(run, stage)
    chunks = [stage.chunk(number) for number in range(count)]
    wanted = [plan.identity_of(run.pipeline, chunk, known, modules, imported) for chunk in chunks]
    made = [None if run.refresh == stage.name else _found(store, made_of) for made_of in wanted]
    missing = [number for number, artifact in enumerate(made) if artifact is None]
    if missing:
        pieces = [StageChunk(label, wanted[number].key, number) for number in missing]
        for at, piece in made_by_workers(run.catalogue, run.jobs, run.asked(*read), pieces):
            made[missing[at]] = piece.artifact
    return [store.open_verified(cast(Artifact, artifact).reference).path for artifact in made]


def _work(
    domain: str,
    stage: domains.Stage,
    draft: Draft,
    made_of: Identity,
    arguments: dict[str, Any],
    spread: Callable[[int], list[Path]] | None,
) -> None:
    """Call the stage's core function to fill the draft, and measure it; `spread` has workers do the chunks of it."""
    if "tensorflow" in stage.libraries:
        import_keras()
    load_closure(made_of.parts["code"])
    module = importlib.import_module(domains.module_of(domain, stage.name))
    core = getattr(module, stage.function or stage.name)
    began = time.perf_counter()
    if spread:
        others = {stage.argument(name.split()[0]) for name in {*stage.inputs} - {*stage.chunk(0).inputs}}
        count = module.chunks(**{name: value for name, value in arguments.items() if name not in others})
        arguments = arguments | ({"chunks": spread(count)} if count > 1 else {})
    draft.counts = core(**arguments, out=draft.path)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << (20 if sys.platform == "darwin" else 10))
    draft.measures = {"seconds": round(time.perf_counter() - began, 3), "peak_memory_mib": round(peak, 1)}


def note(run: Run, label: str, artifact: Artifact, cached: bool, seconds: float) -> None:
    """Add a stage to the run's record, and say so."""
    reference = artifact.reference
    done = StageRecord(reference=reference, cached=cached, seconds=round(seconds, 3))
    Runs(run.catalogue.store).note(run.pipeline.name, run.id, label, done)
    counts = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in artifact.counts.items())
    logger.info("%-10s %s (%s)", label, "fresh" if cached else f"done in {seconds:.1f} s", counts)
