"""The flow that runs several pipelines, or the trials of a sweep, in parallel, each in a worker process."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from prefect import flow

from gristmill.config.catalogue import Catalogue
from gristmill.errors import RequestError
from gristmill.prefect_runtime.launch import catalogue_of_flow
from gristmill.runs.records import Record, Runs
from gristmill.settings import number_text
from gristmill.sweeps.trials import scores_of_trial
from gristmill.training import progress
from gristmill.workers.pool import concurrency, open_pool
from gristmill.workers.process import Unit, WorkResult

logger = logging.getLogger(__name__)


@flow(name="run_many", flow_run_name="{what}s", persist_result=False)
def run_many(
    what: str, units: list[dict[str, Any]], jobs: int | None = None, project: str | None = None
) -> list[dict[str, Any] | str]:
    """Run units and return the record of each, or its error; one that fails does not stop the others.

    Args:
        what: a unit in messages: pipeline or trial.
        units: flow and parameters of each (`Unit`).
        jobs: units at a time; default: as [runner] says.
        project: folder of `pipelines.toml`; default: found from the current folder upward.
    """
    catalogue = catalogue_of_flow(project, {})
    requested = [Unit(**unit) for unit in units]
    records: dict[int, dict[str, Any] | str] = {}
    progress.report_work(f"{what}s")
    for number, result in _run_with_workers(catalogue, requested, jobs):
        records[number] = result.failed or result.value
        parameters, count = requested[number].parameters, f"{len(records)} of {len(requested)}"
        is_trial = requested[number].flow == "trial"
        name = ", ".join(parameters["overrides"]) if is_trial else parameters["pipeline"]
        if result.failed:
            logger.warning("%s %s failed, %s: %s", what, name, count, result.failed)
        else:
            score, scores = "", None
            if is_trial:
                scores = scores_of_trial(catalogue.store, Record.model_validate(result.value).references)
            if scores and scores.validation is not None:
                score = f": {scores.metric} {number_text.format_number(scores.validation)} on {scores.chosen_on}"
            logger.info("%-10s %s: %s%s", what, count, name, score)
    return [records[number] for number in range(len(requested))]


def _run_with_workers(catalogue: Catalogue, units: list[Unit], jobs: int | None) -> Iterator[tuple[int, WorkResult]]:
    """Yield number and result of each unit; one whose record is not in this project's store counts as failed."""
    runs, limit = Runs(catalogue.store), concurrency(catalogue.runner, jobs)
    units = [replace(unit, parameters={**unit.parameters, "project": str(catalogue.root)}) for unit in units]
    with open_pool(catalogue.runner, limit and min(limit, len(units))) as pool:
        for number, result in pool.run(units):
            if not result.failed:
                runs.pull(result.value["pipeline"])
                try:
                    runs.read(result.value["pipeline"], result.value["id"])
                except RequestError:
                    store = catalogue.store.root
                    result = WorkResult(
                        failed=f"finished, but its record is not in the store {store}. Let all workers use one store."
                    )
            yield number, result
