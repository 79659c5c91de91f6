"""Whole runs handed to the project's runner: pipelines of one call, trials of a sweep. One that fails fails alone."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gristmill.config import stages
from gristmill.config.catalogue import Catalogue, find_project_folder, load
from gristmill.errors import RequestError
from gristmill.runs.records import Runs
from gristmill.settings import messages
from gristmill.sweeps import trials as sweeps
from gristmill.training import progress
from gristmill.workers.pool import concurrency, opened
from gristmill.workers.unit import Unit, WorkResult

logger = logging.getLogger(__name__)


def run_pipelines(
    pipelines: list[str], overrides: Mapping[str, list[str]], refresh: str | None, jobs: int | None, project: str | None
) -> dict[str, dict[str, Any] | str]:
    """Run pipelines and return the record of each, or why it failed; arguments as of the flow `run_many`."""
    catalogue = _catalogue(project)
    units = []
    for name in pipelines:
        pipeline = catalogue.pipeline(name)
        parameters = {"pipeline": name, "overrides": list(overrides.get(name, [])), "refresh": refresh}
        alone = {"jobs": 1} if stages.fans_out(pipeline.domain, pipeline.tables) else {}
        units.append(Unit(pipeline.domain, parameters | alone))
    ended: dict[str, dict[str, Any] | str] = {}
    progress.report_work("pipelines")
    for number, done in _spread(catalogue, units, jobs):
        name = pipelines[number]
        ended[name] = done.failed or done.value
        if done.failed:
            logger.warning("%s failed, %d of %d: %s", name, len(ended), len(units), done.failed)
        else:
            logger.info("%-10s %d of %d: %s", "pipeline", len(ended), len(units), name)
    return ended


def try_trials(pipeline: str, trials: list[list[str]], jobs: int | None, project: str | None) -> None:
    """Run trials of a pipeline and say what each came to; arguments as of the flow `sweep`."""
    catalogue = _catalogue(project)
    units = [Unit("trial", {"pipeline": pipeline, "overrides": trial}) for trial in trials]
    progress.report_work("trials")
    for number, done in _spread(catalogue, units, jobs):
        told = ", ".join(trials[number])
        if done.failed:
            logger.warning("trial %d of %d failed: %s: %s", number + 1, len(trials), told, done.failed)
        else:
            score = _score(catalogue.root, pipeline, trials[number])
            logger.info("%-10s %d of %d: %s%s", "trial", number + 1, len(trials), told, score)


def _catalogue(project: str | None) -> Catalogue:
    return load(Path(project) if project else find_project_folder())


def _spread(catalogue: Catalogue, units: list[Unit], jobs: int | None) -> Iterator[tuple[int, WorkResult]]:
    """Have whole runs done, and count one as failed whose record is not in this project's store."""
    runs, at_a_time = Runs(catalogue.store), concurrency(catalogue.runner, jobs)
    asked = [Unit(unit.flow, {**unit.parameters, "project": str(catalogue.root)}) for unit in units]
    with opened(catalogue.runner, at_a_time and min(at_a_time, len(units))) as pool:
        for number, done in pool.do(asked):
            if not done.failed:
                runs.pull(done.value["pipeline"])
                try:
                    runs.read(done.value["pipeline"], done.value["id"])
                except RequestError:
                    where = catalogue.store.root
                    done = WorkResult(
                        failed=f"it is done, but not in the store {where}. Have all workers use one store."
                    )
            yield number, done


def _score(root: Path, pipeline: str, trial: list[str]) -> str:
    with suppress(RequestError):  # pipelines.toml is being edited
        catalogue = load(root, {pipeline: trial})
        outcome = sweeps.outcome(catalogue, catalogue.pipeline(pipeline))
        if outcome and outcome.validation is not None:
            return f": {outcome.metric} {messages.format_number(outcome.validation)} on {outcome.chosen_on}"
    return ""
