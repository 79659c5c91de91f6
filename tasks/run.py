"""Run of a pipeline: its settings, and its record from start to end."""

import itertools
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.context import TagsContext

from gristmill.config.catalogue import Catalogue, Pipeline, restore_settings
from gristmill.config.domains import domain_of
from gristmill.config.stages import libraries_of, settings_of_stages, stages_of
from gristmill.errors import CorruptArtifact, StoreError, WorkError
from gristmill.keys import library_versions
from gristmill.maintenance.eviction import evict, upload_missing
from gristmill.notifications.delivery import messages_about
from gristmill.prefect_runtime.launch import catalogue_of_flow, launched
from gristmill.registry.registry import Registry
from gristmill.registry.version import Version
from gristmill.runs.plan import FAILED, refresh_urls
from gristmill.runs.records import Record, Runs
from gristmill.runs.retraining_record import Champion
from gristmill.settings.domain import Domain
from gristmill.settings.stage import Stage
from gristmill.store.artifact import Reference
from gristmill.store.store import Store
from gristmill.tasks.deployed_runs import check_store_outlasts_run, is_deployed, restarts_if_killed
from gristmill.tasks.report_link import link_report
from gristmill.training.deadline import Deadline
from gristmill.training.keras_backend import import_keras, set_threads
from gristmill.util import extras
from gristmill.workers.pool import concurrency

logger = logging.getLogger(__name__)

_MAX_RUNS_TIMED = 20  # records to read the seconds of stages from
_SHARE, _MAX_SHARE = 0.2, 15.0  # of the budget, and seconds, to keep in addition to the time of a start
_COMPARED = ("ingest", "preprocess", "train", "select", "evaluate")  # stages from which models are compared
_REPORT = 1.1  # the report and the end of the process add a tenth

References = Mapping[str, Reference]  # artifacts by the label of their stage

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Run:
    """Run that a task belongs to, with the pipeline's settings when it started."""

    id: str
    catalogue: Catalogue
    pipeline: Pipeline
    refresh: str | None  # a stage to run again even on a cache hit
    budget: float | None = None  # seconds from `requested` on, within which the run should end
    requested: float = 0.0  # monotonic time
    started: float = 0.0  # monotonic time: Prefect and TensorFlow are loaded
    left_out: tuple[str, ...] = ()  # candidates that a retraining does not train
    champion: Version | None = None  # when a retraining starts; challengers are compared with it
    jobs: int | None = 1  # candidates, points or chunks of a stage at a time; None for as many as a cluster has workers

    def uses_workers(self, stage: Stage) -> bool:
        """Return whether workers process the stage in chunks."""
        return stage.chunked and self.jobs != 1 and self.catalogue.runner.address is not None

    @cached_property
    def deadline(self) -> Deadline:
        """Deadline for fitting candidates, so that the run ends within its budget."""
        return Deadline(math.inf if self.budget is None else self.requested + self.budget - self._seconds_after_fits)

    def deadline_of(self, stage: Stage) -> Deadline:
        """Return the deadline of a stage; it never passes for baselines and for stages that fit nothing."""
        return self.deadline if stage.candidate and not stage.is_baseline else Deadline()

    @cached_property
    def last_seconds(self) -> dict[str, float]:
        """Seconds that each stage took when one of the last runs made it with equal tables, by label."""
        last = list(itertools.islice(self.runs.newest_first(self.pipeline.name), _MAX_RUNS_TIMED))
        settings = self.pipeline.values()
        return {
            label: record.stages[label].seconds
            for record in reversed(last)
            for label, stage in self.stages.items()
            if label in record.stages and not record.stages[label].cached
            if all(record.settings.get(table) == settings.get(table) for table in stage.tables)
        }

    @cached_property
    def _seconds_after_fits(self) -> float:
        """Seconds to keep for the stages after the candidates and for the report.

        The last run may have had fewer candidates to evaluate, so it can only raise the estimate.
        """
        last = sum(self.last_seconds.get(label, 0.0) for label in ("select", "evaluate", "refit", "export"))
        start = self.started - self.requested  # export loads the libraries once more
        return max(_REPORT * last, start + min(_SHARE * (self.budget or 0), _MAX_SHARE))

    @cached_property
    def champion_data(self) -> Champion | None:
        """The verified artifacts and the settings of the champion; the export is its registered bundle."""
        if self.champion is None:
            return None
        import_keras()  # with its settings, before a module of the domain loads the champion
        made, tables = self.champion.references, restore_settings(self.champion.domain, self.champion.settings)
        with champion_damage(self.champion):
            return Champion(self.folders(made) | {"export": self.registry.bundle(self.champion)}, tables)

    def folders(self, made: References) -> dict[str, Path]:
        """Return the verified folders by which a model is compared; that of train is the selected model's."""
        folders = {label: self.folder(reference) for label, reference in made.items() if label in _COMPARED}
        return folders | ({"train": folders["select"]} if "select" in folders else {})

    def folder(self, reference: Reference) -> Path:
        return self.store.open_verified(reference).path

    @property
    def store(self) -> Store:
        return self.catalogue.store

    @property
    def runs(self) -> Runs:
        return Runs(self.store)

    @property
    def registry(self) -> Registry:
        return Registry(self.store)

    @cached_property
    def stages(self) -> dict[str, Stage]:
        """The stages by label; a stage that fans out has one label per point."""
        return {stage.label: stage for stage in stages_of(self.pipeline.domain, self.pipeline.tables)}

    def has_failed(self, reference: Reference) -> bool:
        """Return whether an artifact only says why a candidate failed."""
        return FAILED in self.store.read_manifest(reference)["counts"]

    def chunk_parameters(self, inputs: References) -> dict[str, Any]:
        """Return the parameters of the flow `chunk` that all chunks of this run have in common."""
        pipeline, overrides = self.pipeline.name, list(self.pipeline.overrides)
        return {"pipeline": pipeline, "overrides": overrides, "refresh": self.refresh, "inputs": dict(inputs)}

    @property
    def domain(self) -> Domain:
        """The domain of the pipeline."""
        return domain_of(self.pipeline.domain)

    def record(self) -> Record:
        """Return the run's record so far."""
        return self.runs.read(self.pipeline.name, self.id)

    def update_record(self, **changes: Any) -> None:
        """Change fields of the run's record."""
        self.runs.update(self.pipeline.name, self.id, **changes)


@contextmanager
def champion_damage(champion: Version) -> Iterator[None]:
    """Say in an error about a damaged artifact that it is a champion's."""
    try:
        yield
    except CorruptArtifact as damage:
        raise WorkError(
            f"{damage} It belongs to version {champion.number}, with which new data is compared. Run "
            f"{champion.pipeline} and promote that model: gristmill promote {champion.pipeline}."
        ) from None


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
    command: str | None = None,
) -> Iterator[Run]:
    """Start a run of a pipeline with its current settings, and finish its record; for `jobs` see `concurrency`.

    `budget` is in seconds, from the time on at which this process was asked for the run. `command` is the one that
    starts such runs, if messages are sent about them.
    """
    started = time.monotonic()
    requested = request.requested if (request := launched.get()) else started
    catalogue = catalogue_of_flow(project, {pipeline: overrides})
    settings, store = catalogue.pipeline(pipeline), catalogue.store
    check_store_outlasts_run(catalogue)
    run = start_record(catalogue, settings, overrides, trial)
    # For each tag of a task, Prefect requests a slot. If SQLite is locked, the client tries again after two seconds.
    without_tags = TagsContext(current_tags=set())
    with messages_about(catalogue, run, command), finish_record(store, run), without_tags:
        if is_deployed():  # a command has asked before
            refresh_urls(settings.tables.values(), store)
        jobs = concurrency(catalogue.runner, jobs)
        yield Run(run.id, catalogue, settings, refresh, budget, requested, started, jobs=jobs)
        stages = Runs(store).read(pipeline, run.id).stages.values() if store.remote else ()
        upload_missing(store, (stage.reference for stage in stages if stage.cached))  # so that all can find them
    if is_deployed():
        link_report(Runs(store).read(pipeline, run.id), settings.description, store)
    try:
        evict(store)
    except StoreError as error:
        logger.warning("%s The cache was not reduced.", error)


def start_record(catalogue: Catalogue, settings: Pipeline, overrides: list[str], trial: bool = False) -> Record:
    """Prepare this process for a run, and return the record of its start."""
    set_threads(catalogue.runner.threads)
    catalogue.store.check_writable()
    used = extras.libraries_of(settings_of_stages(stages_of(settings.domain, settings.tables)))
    libraries = library_versions((*libraries_of(settings.domain), "prefect"), used)
    return Runs(catalogue.store).start(settings, overrides, libraries, trial, restarts_if_killed())


@contextmanager
def finish_record(store: Store, run: Record) -> Iterator[None]:
    """Finish the record of a run at the end of the block."""
    runs = Runs(store)
    try:
        yield
    except Exception as error:
        with suppress(StoreError):  # on a full disk the first error is the one to report
            runs.finish(run.pipeline, run.id, "failed", f"{type(error).__name__}: {error}")
        raise
    except BaseException:  # Ctrl-C, SIGTERM, or cancelled by Prefect: the next run resumes
        with suppress(StoreError):
            runs.finish(run.pipeline, run.id, "interrupted")
        raise
    runs.finish(run.pipeline, run.id, "succeeded")
