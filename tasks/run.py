"""Run of a flow on a pipeline: its record from start to end, and what follows from it."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.context import TagsContext

from gristmill.config.catalogue import Catalogue, Pipeline
from gristmill.config.stages import libraries_of, settings_of_stages, stages_of
from gristmill.errors import StoreError
from gristmill.execution.run import Run, finish_record
from gristmill.keys import library_versions
from gristmill.maintenance.shared import evict, upload_missing
from gristmill.notifications.delivery import messages_about
from gristmill.prefect_runtime.deployed_runs import check_store_outlasts_run, is_deployed, restarts_if_killed
from gristmill.prefect_runtime.launch import catalogue_of_flow, launched
from gristmill.runs.plan import refresh_urls
from gristmill.runs.records import Record, Runs
from gristmill.tasks.prefect_artifacts import link_report
from gristmill.training.keras_backend import set_threads
from gristmill.util import extras
from gristmill.workers.pool import concurrency

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


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
    accept: bool = False,
) -> Iterator[Run]:
    """Start a run of a pipeline with its current settings, and finish its record; for `jobs` see `concurrency`.

    `budget` is in seconds, counted from the moment the run was requested. `command` is the one that starts such runs,
    if messages are sent about them. With `accept`, data that breaks a rule for arrivals is used.
    """
    started = time.monotonic()
    requested = request.requested if (request := launched.get()) else started
    # Read the settings, and begin the record.
    catalogue = catalogue_of_flow(project, {pipeline: overrides})
    settings, store = catalogue.pipeline(pipeline), catalogue.store
    check_store_outlasts_run(catalogue)
    record, runs = start_record(catalogue, settings, overrides, trial), Runs(store)
    # For each tag of a task, Prefect requests a slot. If SQLite is locked, the client tries again after two seconds.
    without_tags = TagsContext(current_tags=set())
    with messages_about(catalogue, record, command), finish_record(store, record), without_tags:
        if is_deployed():  # a command has asked before
            refresh_urls(settings.tables.values(), store)
        jobs = concurrency(catalogue.runner, jobs)
        yield Run(record.id, catalogue, settings, refresh, budget, requested, started, jobs=jobs, accept=accept)
        stages = runs.read(pipeline, record.id).stages.values() if store.remote else ()
        upload_missing(store, (stage.reference for stage in stages if stage.cached))  # so that all can find them
    # Show the report on Prefect's page, and limit the size of the cache.
    if is_deployed():
        link_report(runs.read(pipeline, record.id), settings.description, store)
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
