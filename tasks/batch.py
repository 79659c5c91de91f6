"""Run many units in the project's workers: the pipelines of one call, or the trials of a sweep."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from gristmill.config.catalogue import Catalogue
from gristmill.errors import RequestError
from gristmill.prefect_runtime.launch import catalogue_of_flow
from gristmill.runs.records import Record, Runs
from gristmill.settings import number_text
from gristmill.store.store import Store
from gristmill.sweeps.trials import scores_of_trial
from gristmill.training import progress
from gristmill.workers.pool import concurrency, open_pool
from gristmill.workers.unit import Unit, WorkResult

logger = logging.getLogger(__name__)


def run_units(what: str, units: Sequence[Unit], jobs: int | None, project: str | None) -> list[dict[str, Any] | str]:
    """Run units and return the record of each, or its error; for the arguments see the flow `run_many`."""
    catalogue = catalogue_of_flow(project, {})
    ended: dict[int, dict[str, Any] | str] = {}
    progress.report_work(f"{what}s")
    for number, result in _results(catalogue, units, jobs):
        ended[number] = result.failed or result.value
        name, count = _name(units[number]), f"{len(ended)} of {len(units)}"
        if result.failed:
            logger.warning("%s %s failed, %s: %s", what, name, count, result.failed)
        else:
            logger.info("%-10s %s: %s%s", what, count, name, _score(catalogue.store, units[number], result.value))
    return [ended[number] for number in range(len(units))]


def _results(catalogue: Catalogue, units: Sequence[Unit], jobs: int | None) -> Iterator[tuple[int, WorkResult]]:
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


def _name(unit: Unit) -> str:
    return ", ".join(unit.parameters["overrides"]) if unit.flow == "trial" else str(unit.parameters["pipeline"])


def _score(store: Store, unit: Unit, record: Any) -> str:
    outcome = scores_of_trial(store, Record.model_validate(record).references) if unit.flow == "trial" else None
    if outcome is None or outcome.validation is None:
        return ""
    return f": {outcome.metric} {number_text.format_number(outcome.validation)} on {outcome.chosen_on}"
