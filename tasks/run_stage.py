"""Run one stage: look it up in the store, and only on a cache miss call the core and publish the result."""

import importlib
import logging
import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.states import Completed

from gristmill.config.catalogue import PIPELINES_FILE, Catalogue, Pipeline, load
from gristmill.config.stages import SELECT, Stage, libraries_of, module_of, stages_of, with_warm_start
from gristmill.domains.common.candidates import CandidateArtifacts, write_candidate
from gristmill.errors import (
    CorruptArtifact,
    DataError,
    Diverged,
    RequestError,
    SourceChanged,
    StoreError,
    Unsuitable,
    WorkError,
)
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
from gristmill.workers.chunks import StageChunk, make_with_workers
from gristmill.workers.pool import concurrency
from tasks.pull_steps import check_store_outlasts_run

logger = logging.getLogger(__name__)

Inputs = Mapping[str, Reference]  # artifacts by the label of their stage

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Run:
    """Run that a task belongs to, with the pipeline's settings when it started."""

    id: str
    catalogue: Catalogue
    pipeline: Pipeline
    refresh: str | None  # a stage to run again even on a cache hit
    budget: float | None = None  # seconds from `started` on, after which no further candidate is started
    started: float = 0.0  # monotonic time
    left_out: tuple[str, ...] = ()  # candidates that a retraining does not train
    start: Reference | None = None  # network that provides the initial weights
    champion: Version | None = None  # when a retraining starts; challengers are compared with it
    jobs: int | None = 1  # points or chunks of a stage at a time; None for as many as a cluster has workers

    def uses_workers(self, stage: Stage) -> bool:
        """Return whether workers process the stage in chunks."""
        remote = self.catalogue.runner.address is not None
        return stage.chunked is not None and self.jobs != 1 and (remote or not stage.threaded)

    @property
    def over_budget(self) -> bool:
        """Whether the budget has ended."""
        return self.budget is not None and time.monotonic() - self.started > self.budget

    @property
    def stages(self) -> dict[str, Stage]:
        """Return the stages by label; a stage that fans out has one label per point."""
        stages = stages_of(self.pipeline.domain, self.pipeline.tables)
        warm = self.start is not None and not any(stage.candidate for stage in stages)
        return {stage.label: with_warm_start(stage) if warm else stage for stage in stages}

    def chunk_parameters(self, inputs: Inputs) -> dict[str, Any]:
        """Return the parameters of the flow `chunk` that all chunks of this run have in common."""
        overrides = self.record().overrides
        return {"pipeline": self.pipeline.name, "overrides": overrides, "refresh": self.refresh, "inputs": dict(inputs)}

    def record(self) -> Record:
        """Return the run's record so far."""
        return Runs(self.catalogue.store).read(self.pipeline.name, self.id)


def stage_task(run_name: str, **options: Any) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a Prefect task of a function; the store is the cache, so Prefect keeps no results."""
    return task(task_run_name=run_name, cache_policy=NO_CACHE, persist_result=False, **options)


@contextmanager
def recorded_run(
    pipeline: str,
    overrides: list[str],
    refresh: str | None,
    project: str | None,
    trial: bool = False,
    jobs: int | None = 1,
    budget: float | None = None,
) -> Iterator[Run]:
    """Start a run of a pipeline with its current settings, and finish its record; for `jobs` see `concurrency`.

    `budget` is in seconds; after it, no further candidate is started.
    """
    started = time.monotonic()
    catalogue = load(Path(project) if project else None, {pipeline: overrides})
    settings, store, runs = catalogue.pipeline(pipeline), catalogue.store, Runs(catalogue.store)
    set_threads(catalogue.runner.threads)
    check_store_outlasts_run(catalogue)
    store.check_writable()
    run = runs.start(settings, overrides, library_versions((*libraries_of(settings.domain), "prefect")), trial)
    try:
        jobs = concurrency(catalogue.runner, jobs)
        yield Run(run.id, catalogue, settings, refresh, budget, started, jobs=jobs)
        stages = runs.read(pipeline, run.id).stages.values() if store.remote else ()
        upload_missing(store, (stage.reference for stage in stages if stage.cached))  # so that all can find them
    except Exception as error:
        with suppress(StoreError):  # on a full disk the first error is the one to report
            runs.finish(pipeline, run.id, "failed", f"{type(error).__name__}: {error}")
        raise
    except BaseException:  # Ctrl-C, SIGTERM, or cancelled by Prefect: the next run resumes
        with suppress(StoreError):
            runs.finish(pipeline, run.id, "interrupted")
        raise
    runs.finish(pipeline, run.id, "succeeded")
    try:
        evict(store)
    except StoreError as error:
        logger.warning("%s The cache was not reduced.", error)


def produce(
    run: Run, label: str, inputs: Inputs, on_new: Callable[[Run, Artifact], None] | None = None, **extras: Any
) -> Reference:
    """Return the reference of a stage's artifact; on a cache hit, return a Cached state.

    Args:
        run: the run it belongs to.
        label: the stage, or one of its points.
        inputs: artifacts it reads; those of candidates that were not tried are missing.
        on_new: called with the artifact on a cache miss.
        extras: further arguments of the core function.
    """
    started = time.perf_counter()
    artifact, cached = make(run, label, inputs, **extras)
    record_stage(run, label, artifact, cached, seconds=time.perf_counter() - started)
    if cached:  # Prefect shows the state; the flow gets its data
        return cast(Reference, Completed(name="Cached", message=f"{label} is fresh", data=artifact.reference))
    if on_new:
        on_new(run, artifact)
    return artifact.reference


def make(
    run: Run, label: str, inputs: Inputs, requested: StageChunk | None = None, **extras: Any
) -> tuple[Artifact, bool]:
    """Return the artifact of a stage, or of the chunk requested by another process, and whether it was a cache hit.

    The run's record is not changed. For the other arguments see `produce`.
    """
    chunk = requested.chunk if requested else None
    stage, store = run.stages[label], run.catalogue.store
    stage = stage if chunk is None else stage.chunk(chunk)
    stage = replace(stage, inputs=tuple(name for name in stage.inputs if name in inputs))
    data, digests = read_inputs(run, stage, inputs)
    imported = imported_code(run, stage)
    files = [file for found in data.values() if not found.url for file in found.files if chunk is None]
    changes = ChangeDetector([*files, *imported.files])
    identity = plan.identity_of(run.pipeline, stage, digests, read_modules(store.memo), imported)
    if requested and requested.key != identity.key:
        raise WorkError(f"{PIPELINES_FILE}, the data or the code have changed since the run started. Run again.")
    refresh = run.refresh == stage.name
    if not refresh and (artifact := _find_cached(store, identity)):
        return artifact, True
    if requested is None:
        progress.report_work(label)
    with store.lock(identity.key):
        if not refresh and (artifact := _find_cached(store, identity)):  # made by another run meanwhile
            return artifact, True
        if refresh:
            shutil.rmtree(store.scratch(identity.key), ignore_errors=True)
        folders = _input_folders(run, stage, inputs, by_stat=chunk is not None)  # the requesting run has hashed them
        arguments = _arguments(run, stage, data, identity.key) | folders | extras
        check_loaded(imported.files)
        with store.draft(identity) as draft:
            make_chunks = partial(_make_chunks, run, label, inputs, digests) if run.uses_workers(stage) else None
            _call_core(run.pipeline.domain, stage, draft, identity, arguments, make_chunks)
            changes.check()
            if chunk is None and plan.locate_inputs(run.catalogue, run.pipeline, stage) != data:
                raise SourceChanged(f"{', '.join(data)}: files came or went while they were read. Run again.")
            artifact = store.publish(draft, identity, replace=refresh)
        shutil.rmtree(store.scratch(identity.key), ignore_errors=True)
    return artifact, False


def is_made(run: Run, label: str, inputs: Inputs) -> Artifact | None:
    """Return the artifact of a stage if it is in the cache."""
    stage, store = run.stages[label], run.catalogue.store
    _, digests = read_inputs(run, stage, inputs)
    made_of = plan.identity_of(run.pipeline, stage, digests, read_modules(store.memo), imported_code(run, stage))
    return None if run.refresh == stage.name else _find_cached(store, made_of)


def read_inputs(run: Run, stage: Stage, inputs: Inputs) -> tuple[dict[str, Located], dict[str, str]]:
    """Return the data files of a stage, and the digests of these and of its input artifacts."""
    fetch_missing(stage.settings.values(), run.catalogue.root)
    data = plan.locate_inputs(run.catalogue, run.pipeline, stage)
    artifacts = {name: inputs[name]["digest"] for name in stage.inputs}
    return data, plan.digests_of(data, run.catalogue.store) | artifacts


def imported_code(run: Run, stage: Stage) -> Imported:
    """Return the user's own code that a stage imports."""
    return read_imported(run.catalogue.root, stage.settings.values(), run.catalogue.store.memo)


def _arguments(run: Run, stage: Stage, data: Mapping[str, Located], key: str) -> dict[str, Any]:
    """Return the core's arguments: settings, point, data files, and folders of a resumable stage."""
    store = run.catalogue.store
    fetch(data.values(), store)
    files: dict[str, Any] = {}
    for place, located in data.items():
        candidate, _, table = place.rpartition(".")[0].rpartition(".")
        if candidate:  # code of the user in one of several candidates
            files.setdefault("candidate_files", {})[candidate] = located.files
        else:
            argument = {"source": "paths", "model": "files"}[table]
            files[argument] = (*files.get(argument, ()), *located.files)
    kept = {"scratch": store.scratch(key), "logs": store.logs(run.pipeline.name, key)} if stage.resumable else {}
    return {name: stage.settings[name] for name in stage.tables} | files | kept | dict(stage.point)


def _input_folders(run: Run, reader: Stage, inputs: Inputs, by_stat: bool) -> dict[str, Any]:
    """Return the verified folders of the input artifacts by argument.

    It is a list for a stage that fans out. A stage that compares candidates gets a dictionary of them by name,
    `candidates`; the selected model has the argument `train`, as a model without candidates has.
    """
    folders: dict[str, Any] = {}
    candidates: dict[str, CandidateArtifacts] = {}
    stages = run.stages
    for label in reader.inputs:
        path = run.catalogue.store.open_verified(inputs[label], by_stat).path
        made = stages.get(label)
        name = made.name if made else label
        if made and made.candidate and not reader.candidate:
            one = candidates.setdefault(made.candidate, CandidateArtifacts(path))
            if name != "train":
                candidates[made.candidate] = replace(one, backtest=(*one.backtest, path))
        elif made and made.axes:
            folders[name] = [*folders.get(name, []), path]
        else:
            folders[reader.argument("train" if name == SELECT else name)] = path
    return folders | ({"candidates": candidates} if candidates else {})


def _find_cached(store: Store, identity: Identity) -> Artifact | None:
    try:
        return store.get_remote_aware(identity.stage, identity.key, anew=True)
    except CorruptArtifact as error:
        logger.warning("%s It is made again.", error)
        return None


def _make_chunks(run: Run, label: str, inputs: Inputs, digests: Mapping[str, str], count: int) -> list[Path]:
    """Let workers make the missing chunks of a stage, and return the verified folders of all chunks."""
    stage, store, modules = run.stages[label], run.catalogue.store, read_modules(run.catalogue.store.memo)
    read = stage.chunk(0).inputs
    references = {name: inputs[name] for name in read}
    read_digests = {name: digest for name, digest in digests.items() if name in read or name not in stage.inputs}
    imported = imported_code(run, stage)
    identities = [
        plan.identity_of(run.pipeline, stage.chunk(number), read_digests, modules, imported) for number in range(count)
    ]
    found = [None if run.refresh == stage.name else _find_cached(store, identity) for identity in identities]
    missing = [number for number, artifact in enumerate(found) if artifact is None]
    if missing:
        chunks = [StageChunk(label, identities[number].key, number) for number in missing]
        for at, result in make_with_workers(run.catalogue, run.jobs, run.chunk_parameters(references), chunks):
            found[missing[at]] = result.artifact
    return [store.open_verified(cast(Artifact, artifact).reference).path for artifact in found]


def _call_core(
    domain: str,
    stage: Stage,
    draft: Draft,
    identity: Identity,
    arguments: dict[str, Any],
    make_chunks: Callable[[int], list[Path]] | None,
) -> None:
    """Fill the draft with the stage's core function and measure it; workers make chunks first if there are any."""
    if "tensorflow" in stage.libraries:
        import_keras()
    load_closure(identity.parts["code"])
    module = importlib.import_module(module_of(domain, stage.name))
    core = getattr(module, stage.function or stage.name)
    started = time.perf_counter()
    if make_chunks:
        unread = {stage.argument(name.split()[0]) for name in {*stage.inputs} - {*stage.chunk(0).inputs}}
        count = module.chunks(**{name: value for name, value in arguments.items() if name not in unread})
        arguments = arguments | ({"chunks": make_chunks(count)} if count > 1 else {})
    measured: dict[str, float] = {}
    if "candidates" in arguments and stage.name == "evaluate":
        arguments = arguments | {"microseconds": measured}
    if stage.candidate:
        draft.counts = _fit_candidate(core, stage, arguments, draft.path)
    else:
        draft.counts = core(**arguments, out=draft.path)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << (20 if sys.platform == "darwin" else 10))
    draft.measures = {**measured, "seconds": round(time.perf_counter() - started, 3), "peak_memory_mib": round(peak, 1)}


def _fit_candidate(core: Callable[..., dict[str, int]], stage: Stage, arguments: dict[str, Any], out: Path) -> Any:
    """Fit a candidate and return its counts; if it does not suit the data, the artifact says so.

    A failed candidate has an artifact, so that it is not tried again with the same data. A full disk, too little memory
    or a kill are not the candidate's failure.
    """
    try:
        counts = core(**arguments, out=out)
    except (DataError, Diverged, RequestError, Unsuitable) as error:
        shutil.rmtree(out)  # what it had written
        out.mkdir()
        write_candidate(stage.settings, out, error)
        logger.log(logging.INFO if stage.point else logging.WARNING, "%s failed: %s", stage.label, error)
        return {}
    write_candidate(stage.settings, out)
    return counts


def record_stage(run: Run, label: str, artifact: Artifact, cached: bool, seconds: float) -> None:
    """Add a stage to the run's record, and log it."""
    record = StageRecord(reference=artifact.reference, cached=cached, seconds=round(seconds, 3))
    Runs(run.catalogue.store).note(run.pipeline.name, run.id, label, record)
    counts = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in artifact.counts.items())
    ended = "fresh" if cached else f"done in {seconds:.1f} s"
    logger.info("%-10s %s%s", label, ended, f" ({counts})" if counts else "")
