"""Run many units in the project's workers: the pipelines of one call, or the trials of a sweep."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gristmill.config.catalogue import Catalogue, find_project_folder, load
from gristmill.errors import RequestError
from gristmill.runs.records import Runs
from gristmill.settings import messages
from gristmill.sweeps.trials import trial_scores
from gristmill.training import progress
from gristmill.workers.pool import concurrency, open_pool
from gristmill.workers.unit import Unit, WorkResult

logger = logging.getLogger(__name__)


def run_pipelines(
    pipelines: list[str],
    overrides: Mapping[str, list[str]],
    refresh: str | None,
    jobs: int | None,
    project: str | None,
    budget: float | None = None,
) -> dict[str, dict[str, Any] | str]:
    """Run pipelines and return the record of each, or its error; see the flow `run_many`."""
    catalogue = _load(project)
    common = {"refresh": refresh, "jobs": 1, "budget": budget}
    units = [
        Unit(catalogue.pipeline(name).domain, {"pipeline": name, "overrides": list(overrides.get(name, [])), **common})
        for name in pipelines
    ]
    ended: dict[str, dict[str, Any] | str] = {}
    progress.report_work("pipelines")
    for number, result in _run_units(catalogue, units, jobs):
        name = pipelines[number]
        ended[name] = result.failed or result.value
        if result.failed:
            logger.warning("%s failed, %d of %d: %s", name, len(ended), len(units), result.failed)
        else:
            logger.info("%-10s %d of %d: %s", "pipeline", len(ended), len(units), name)
    return ended


def try_trials(pipeline: str, trials: list[list[str]], jobs: int | None, project: str | None) -> None:
    """Run the trials of a pipeline and log their scores; see the flow `sweep`."""
    catalogue = _load(project)
    units = [Unit("trial", {"pipeline": pipeline, "overrides": trial}) for trial in trials]
    progress.report_work("trials")
    for number, result in _run_units(catalogue, units, jobs):
        settings = ", ".join(trials[number])
        if result.failed:
            logger.warning("trial %d of %d failed: %s: %s", number + 1, len(trials), settings, result.failed)
        else:
            score = _score(catalogue.root, pipeline, trials[number])
            logger.info("%-10s %d of %d: %s%s", "trial", number + 1, len(trials), settings, score)


def _load(project: str | None) -> Catalogue:
    return load(Path(project) if project else find_project_folder())


def _run_units(catalogue: Catalogue, units: list[Unit], jobs: int | None) -> Iterator[tuple[int, WorkResult]]:
    """Run units; one whose record is not in this project's store counts as failed."""
    runs, limit = Runs(catalogue.store), concurrency(catalogue.runner, jobs)
    units = [Unit(unit.flow, {**unit.parameters, "project": str(catalogue.root)}) for unit in units]
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


def _score(root: Path, pipeline: str, trial: list[str]) -> str:
    with suppress(RequestError):  # pipelines.toml is being edited
        catalogue = load(root, {pipeline: trial})
        outcome = trial_scores(catalogue, catalogue.pipeline(pipeline))
        if outcome and outcome.validation is not None:
            return f": {outcome.metric} {messages.format_number(outcome.validation)} on {outcome.chosen_on}"
    return ""
