"""Serve a project's schedules from this process, which starts a process for each run; no worker is needed."""

import asyncio
import logging
import os
import socket
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.context import refresh_global_settings_context
from prefect.deployments.runner import RunnerDeployment
from prefect.runner import Runner

from gristmill.config.catalogue import Catalogue, Pipeline
from gristmill.deployment.prefect_file import RUN_ENVIRONMENT, retraining_deployment
from gristmill.notifications.delivery import deliver
from gristmill.prefect_runtime.api_errors import one_line_api_errors
from gristmill.prefect_runtime.automations import end_silent_runs
from gristmill.prefect_runtime.deploy import new_schedules
from gristmill.prefect_runtime.deployed_runs import restart
from gristmill.prefect_runtime.schedule_announcement import announce_schedule
from gristmill.runs.records import Record, Runs
from gristmill.util.processes import PARENT_VARIABLE

_SECONDS_BETWEEN_POLLS = 2  # of a temporary server; by default 10, for which a run that an event starts would wait


def serve_schedules(catalogue: Catalogue, pipelines: list[Pipeline], limit: int, own_api: str | None = None) -> None:
    """Retrain pipelines by their schedules until interrupted, up to `limit` at a time.

    The runs work in the project's folder. `own_api` is the temporary server of this process, if there is one; its
    address is announced to other commands.
    """
    os.chdir(catalogue.root)
    os.environ.update(RUN_ENVIRONMENT)
    os.environ[PARENT_VARIABLE] = str(os.getpid())
    level = logging.getLogger("gristmill").getEffectiveLevel()  # -q raises it
    os.environ["PREFECT_LOGGING_LEVEL"] = logging.getLevelName(level)  # for the runs, which only log here
    refresh_global_settings_context()
    deliver(catalogue)  # about runs that ended with the machine
    runs = Runs(catalogue.store)
    with one_line_api_errors(), get_client(sync_client=True) as client:
        end_silent_runs(client)
        runner = Runner(limit=limit, query_seconds=_SECONDS_BETWEEN_POLLS if own_api else None)
        for pipeline in pipelines:
            deployment = retraining_deployment(pipeline)
            served = RunnerDeployment.from_entrypoint(
                deployment["entrypoint"],
                name=f"{deployment['name']}-here",  # not the name of the one for workers
                schedules=new_schedules(deployment),
                concurrency_limit=ConcurrencyLimitConfig.model_validate(deployment["concurrency_limit"]),
                triggers=deployment["triggers"],
                parameters=deployment["parameters"],
                description=deployment["description"],
                tags=deployment["tags"],
                paused=False,  # serving pauses it when it ends
            )
            added: Any = runner.add_deployment(served)
            # Start a retraining that was killed with the machine once more.
            if killed := _killed_retraining(runs.newest_first(pipeline.name)):
                runs.update(killed.pipeline, killed.id, restarts=False)  # so that this is not done again
                restart(client, added, {"pipeline": pipeline.name})
    names = [pipeline.name for pipeline in pipelines]
    with announce_schedule(catalogue.store, own_api, names) if own_api else nullcontext():
        asyncio.run(runner.start())


def _killed_retraining(records: Iterable[Record]) -> Record | None:
    """Return the last retraining if it was killed here with the program that would have started it once more."""
    for record in records:
        is_killed = record.outcome == "interrupted" and record.finished is None
        if is_killed and record.restarts and record.host == socket.gethostname():
            return record
        if record.retraining:
            return None
    return None
