"""Run of a retraining: one at a time for each pipeline, within the time of its schedule; its artifacts and record."""

import logging
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import Any

from prefect import runtime
from prefect.exceptions import TerminationSignal

from gristmill.config.catalogue import Pipeline
from gristmill.config.domains import domain_of
from gristmill.errors import RequestError, WorkError
from gristmill.execution.run import Run
from gristmill.notifications.delivery import deliver
from gristmill.prefect_runtime.deployed_runs import cancel_waiting_runs
from gristmill.prefect_runtime.launch import catalogue_of_flow
from gristmill.prefect_runtime.timeout_watcher import enforce_timeout
from gristmill.registry.registry import Registry
from gristmill.runs.retraining_record import Retraining
from gristmill.settings.schedule import parse_duration
from gristmill.store.store import Store
from gristmill.tasks.run import recorded_run
from gristmill.training.deadline import Deadline, DeadlinePassed

logger = logging.getLogger(__name__)

_GRACE_SECONDS = 10  # in which the work can end itself before SIGTERM


@contextmanager
def retraining_run(pipeline: str, overrides: list[str], project: str | None, accept: bool = False) -> Iterator[Run]:
    """Start the run of a retraining, with the pipeline's settings and the overrides of its domain for challengers.

    It waits for another retraining of the pipeline to end. Other runs that wait for their turn are cancelled.
    """
    catalogue = catalogue_of_flow(project, {pipeline: overrides})
    settings, store = catalogue.pipeline(pipeline), catalogue.store
    added = domain_overrides(settings, overrides)
    with _only_retraining(store, pipeline):
        cancel_waiting_runs()
        registry = Registry(store)
        registry.pull(pipeline)
        champion = registry.champion(pipeline, verified=True)
        limit = settings.schedule.budget
        budget = parse_duration(limit).total_seconds() if limit else None
        root, command = str(catalogue.root), None if overrides else "retrain"
        options: dict[str, Any] = {"jobs": None, "budget": budget, "command": command, "accept": accept}
        with recorded_run(pipeline, [*overrides, *added], None, root, **options) as run:
            yield replace(run, champion=champion)


@contextmanager
def _only_retraining(store: Store, pipeline: str) -> Iterator[None]:
    """Wait until no other retraining of a pipeline runs, and keep others waiting."""
    key = f"retrain-{pipeline}"
    with store.lock(key, wait=False) as acquired:
        if acquired:
            yield
            return
    logger.info("waiting    for another retraining of %s to end", pipeline)
    with store.lock(key):
        yield


@contextmanager
def limited_time(run: Run) -> Iterator[None]:
    """Raise a `WorkError` if the block takes longer than `schedule.timeout`.

    The work checks its deadline. In the main thread, a watcher process also sends SIGTERM if the work has not ended
    some seconds later. The promotion does not belong in the block: it must not end between the new champion and its
    record.
    """
    timeout, name = run.pipeline.schedule.timeout, run.pipeline.name
    if timeout is None:
        yield
        return
    seconds = parse_duration(timeout).total_seconds()
    error = WorkError(
        f"timed out after {timeout} ([pipelines.{name}.schedule] timeout). Finished stages are kept, and the next "
        "retraining resumes. Increase timeout, train fewer epochs, or set schedule.budget."
    )
    deadline = Deadline.after(seconds)
    watcher: AbstractContextManager[None] = nullcontext()
    if threading.current_thread() is threading.main_thread():
        reason, flow_run = f"WorkError: {error}", str(runtime.flow_run.id)
        watcher = enforce_timeout(seconds + _GRACE_SECONDS, reason, run.catalogue.root, name, run.id, flow_run)
    try:
        with deadline.enforce("retrain"), watcher:
            yield
    except (DeadlinePassed, TerminationSignal):
        if deadline.seconds_left > 0:
            raise
        raise error from None


def domain_overrides(settings: Pipeline, overrides: list[str]) -> list[str]:
    """Return the settings that the domain changes for challengers; the user may not override them."""
    added = domain_of(settings.domain).retraining.load().overrides(settings.tables)
    for assignment in overrides:
        key = assignment.partition("=")[0].strip()
        if key in {change.partition("=")[0] for change in added}:
            raise RequestError(
                f"--set {assignment}: a retraining sets {key} itself, by [pipelines.{settings.name}.gate]."
            )
    return added


def record_retraining(run: Run, retraining: Retraining) -> Retraining:
    """Save the state of the retraining in the run's record, and send the messages that follow from it."""
    run.update_record(retraining=retraining)
    deliver(run.catalogue)
    return retraining
