"""A project, opened from Python or by the command line: plan, run, sweep, retrain and clean up its pipelines.

Only what every command needs is imported at once: a run with nothing to do should be quick.
"""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gristmill.config import stages
from gristmill.config.catalogue import Catalogue, load
from gristmill.errors import ArrivalSetAside, RequestError, WorkError
from gristmill.prefect_runtime.launch import check_requirements, launch, locate_data
from gristmill.project import no_op_runs, status
from gristmill.project.result import Result
from gristmill.project.serving import Models, check_serves
from gristmill.project.status import Status
from gristmill.reports.comparison import Comparison
from gristmill.runs import plan
from gristmill.runs.locations import Located
from gristmill.runs.plan import Step
from gristmill.runs.records import Record
from gristmill.training.keras_backend import set_threads

if TYPE_CHECKING:
    import pandas as pd

    from gristmill.maintenance.local import Garbage, Verification
    from gristmill.monitoring.prediction_log import PredictionLog
    from gristmill.retraining.reproduction import Reproduction
    from gristmill.sweeps.result import SweepResult
    from gristmill.sweeps.trials import Trial, TrialScores
    from gristmill.workers.process import Unit

logger = logging.getLogger(__name__)


class Project(Models):
    """A folder with a `pipelines.toml`."""

    def __init__(self, catalogue: Catalogue) -> None:
        super().__init__(catalogue)
        set_threads(catalogue.runner.threads)

    def __repr__(self) -> str:
        return f"Project({str(self.catalogue.root)!r}: {', '.join(self.catalogue.pipelines) or 'no pipelines'})"

    @classmethod
    def open(cls, root: str | Path | None = None, overrides: Mapping[str, list[str]] | None = None) -> "Project":
        """Open the project at `root`, or the one that contains the current folder.

        `overrides` maps names of pipelines to assignments such as `train.epochs=5`. The project's runs, results and
        predictions then use these settings.
        """
        return cls(load(None if root is None else Path(root), overrides))

    def status(self) -> Iterator[Status]:
        """Yield the status of each pipeline, in the file's order."""
        return status.status(self)

    def plan(self, name: str, refresh: str | None = None, budget: float | None = 0) -> list[Step]:
        """Return what a run of a pipeline would do, stage by stage, and why; ask its URLs with `refresh` for new data.

        Candidates that the last run did not try within its budget are left out, unless `budget` allows more seconds; it
        is None for a run without a budget.
        """
        pipeline = self.catalogue.pipeline(name)
        known = dict.fromkeys(stage.name for stage in stages.stages_of(pipeline.domain, pipeline.tables))
        if refresh is not None and refresh not in known:
            raise RequestError(f"refresh: no stage {refresh!r} in {name}. Known: {', '.join(known)}.")
        plan.refresh_urls(pipeline.tables.values(), self.store)
        untried = [] if budget is None else plan.untried_candidates(pipeline, self.store, budget)
        return plan.plan(self.catalogue, pipeline, refresh, untried)

    def run(
        self,
        name: str,
        refresh: str | None = None,
        steps: list[Step] | None = None,
        jobs: int | None = None,
        budget: float | None = None,
        accept: bool = False,
    ) -> Result:
        """Bring a pipeline up to date and return the run, or the last one if there is nothing to do.

        `refresh` is a stage to run again, `steps` the plan for this `refresh` and `budget` if it was made already, and
        `jobs` the number of processes for candidates, blocks of a backtest or chunks of data (default: that of
        `[runner]`). A run of a model of kind "auto" should end within `budget` seconds: candidates for which they are
        too short are not started, or stopped. A later run with a larger budget, or with none, tries them. With
        `accept`, new data is used even if it breaks a rule for arrivals.
        """
        steps = self.plan(name, refresh, budget) if steps is None else steps
        if plan.is_fresh(steps):
            try:
                return self._result(no_op_runs.record_of_fresh(self.catalogue, name, steps, accept))
            except ArrivalSetAside as error:
                no_op_runs.record_of_failure(self.catalogue, name, error)
                raise
        domain = self.catalogue.pipeline(name).domain
        return self._result(self._run_flow(domain, name, refresh=refresh, jobs=jobs, budget=budget, accept=accept))

    def runs_in_parallel(self, jobs: int | None = None) -> bool:
        """Whether to use `run_all` for several pipelines, given the requested number of processes."""
        from gristmill.workers.pool import concurrency

        runner = self.catalogue.runner
        return runner.kind == "dask" or concurrency(runner, jobs) != 1

    def run_all(
        self,
        names: Iterable[str],
        refresh: str | None = None,
        jobs: int | None = None,
        steps: Mapping[str, list[Step]] | None = None,
        budget: float | None = None,
        accept: bool = False,
    ) -> dict[str, Result | WorkError]:
        """Bring pipelines up to date in parallel and return the run of each, or why it failed.

        The arguments are those of `run`; `jobs` is the number of processes, each with one pipeline at a time, and each
        pipeline has the whole `budget`.
        """
        steps = {name: self.plan(name, refresh, budget) for name in names} if steps is None else steps
        stale = [name for name in steps if not plan.is_fresh(steps[name])]
        common: dict[str, Any] = {"refresh": refresh, "jobs": 1, "budget": budget, "accept": accept}
        units = [self._unit(self.catalogue.pipeline(name).domain, name, (), **common) for name in stale]
        ended = dict(zip(stale, self._run_many("pipeline", units, jobs), strict=True))

        # Return the record of each run, or a new one if there was nothing to do.
        results: dict[str, Result | WorkError] = {}
        for name in steps:
            outcome = ended.get(name)
            if isinstance(outcome, str):
                results[name] = WorkError(f"{name}: {outcome}")
                continue
            try:
                record = Record.model_validate(outcome) if outcome else None
                results[name] = self._result(record) if record else self.run(name, steps=steps[name], accept=accept)
            except WorkError as error:  # the data may be an older version
                results[name] = WorkError(f"{name}: {error}")
        return results

    def result(self, name: str, run: str | None = None) -> Result:
        """Return an earlier run by its ID, or the last successful one of the pipeline's own settings."""
        return self._result(self.record(name, run))

    def leaderboard(self, name: str) -> "pd.DataFrame":
        """Return the candidates of a pipeline's last run, the best first; its model must be of kind "auto"."""
        return self.result(name).leaderboard

    def sweep(self, name: str, jobs: int | None = None) -> "SweepResult":
        """Run the trials of a pipeline's sweep that have no result yet, and return the leaderboard.

        `jobs` is the number of processes, each with one trial at a time; by default that of `[runner]`.
        """
        from gristmill.sweeps.result import SweepResult, leaderboard
        from gristmill.sweeps.trials import sweep_trials

        pipeline = self.catalogue.pipeline(name)
        trials = sweep_trials(self.catalogue, name, list(pipeline.overrides))
        plan.refresh_urls(pipeline.tables.values(), self.store)
        entries = leaderboard(zip(trials, self.run_trials(name, trials, jobs), strict=True))
        return SweepResult(name, pipeline.description, entries, self.store)

    def run_trials(self, name: str, trials: "list[Trial]", jobs: int | None) -> "list[TrialScores | None]":
        """Run the trials that have no result yet; return the scores of all trials, None for a failed one."""
        from gristmill.sweeps.trials import trial_scores

        outcomes = [trial_scores(self.catalogue, trial.pipeline) for trial in trials]
        missing = [trial.assignments for trial, scores in zip(trials, outcomes, strict=True) if scores is None]
        if missing:
            logger.info("%-10s %d trials, %d of them cached", "sweep", len(trials), len(trials) - len(missing))
            self._run_many("trial", [self._unit("trial", name, assignments) for assignments in missing], jobs)
            outcomes = [trial_scores(self.catalogue, trial.pipeline) for trial in trials]
        return outcomes

    def retrain(self, name: str, accept: bool = False) -> Record:
        """Retrain a pipeline if its data has changed, and promote the new model if it is better.

        The comparison and the decision are in `retraining` of the returned record. With `accept`, new data is used even
        if it breaks a rule for arrivals.
        """
        try:
            plan.refresh_urls(self.catalogue.pipeline(name).tables.values(), self.store)
            ended = no_op_runs.record_without_new_rows(self.catalogue, name, accept)
            if ended is None:
                check_requirements(self.catalogue, name)
        except WorkError as error:
            self._send_messages(no_op_runs.record_of_failure(self.catalogue, name, error), "retrain")
            raise
        if ended is None:
            return self._run_flow("retrain", name, accept=accept)
        self._send_messages(ended, "retrain")
        return ended

    def reproduce(self, name: str, version: int) -> "Reproduction":
        """Train a version again from the data that it was trained on, with its own settings, and compare the results.

        Nothing is promoted, and neither runs nor artifacts of the pipeline change. With the same code and libraries the
        weights are the same, bit for bit.
        """
        from gristmill.retraining.reproduction import Reproduction

        self.version(name, version)  # raises before Prefect is loaded
        result = launch(self.catalogue, (), "reproduce", {"pipeline": name, "version": version})
        return Reproduction.model_validate(result)

    def diff(self, name: str, version: int, later: int) -> "pd.DataFrame":
        """Return the rows that differ between the data of two versions; the index is "added", "changed" or "lost".

        A column such as `y` holds the values of the later version, and `y before` those of the other one. The table's
        `attrs["not compared"]` names the columns that only one version has or that have another type, and says which.
        """
        from gristmill.retraining.reproduction import diff_versions

        return diff_versions(self.version(name, version), self.version(name, later), self.store)

    def compare(self, name: str, first: str | None = None, second: str | None = None) -> Comparison:
        """Return two runs side by side: settings, data, scores and training.

        Each is the ID of a run or a version such as "v3"; by default they are the last two that made different models.

        Raises:
            RequestError: a run is unknown or was not scored, or there are no two runs.
        """
        if (first is None) != (second is None):
            raise RequestError(f"compare {name} {first or second}: expected two runs or none. Name the other run, too.")

        # Choose the two runs.
        if first and second:
            chosen = []
            for run in (first, second):
                version = re.fullmatch(r"v?(\d+)", run)
                chosen.append(self.record(name, self.version(name, int(version[1])).run if version else run))
        else:
            self._pull(name)
            later = self.runs.latest(name, "succeeded")
            chosen = [run for run in (self.runs.previous(later) if later else None, later) if run]

        # Check that they can be compared.
        if len(chosen) < 2:
            raise RequestError(
                f"pipeline {name!r} has no two runs with different models. Run it with another setting: "
                f"gristmill run {name} --set TABLE.KEY=VALUE."
            )
        if chosen[0].domain != chosen[1].domain:
            domains = f"{chosen[0].domain} and {chosen[1].domain}"
            raise RequestError(f"compare {name}: the runs have the domains {domains}. Choose runs of one domain.")
        for record in chosen:
            if "evaluate" not in record.references:
                raise RequestError(f"run {record.id} of {name} has no scores: it {record.outcome}. Choose another run.")
        return Comparison(self.catalogue.pipeline(name).description, (chosen[0], chosen[1]), self.store)

    def verify(self, repair: bool = False) -> "list[Verification]":
        """Hash everything in the store, and load the versions; with `repair`, restore damaged files or move them."""
        from gristmill.maintenance import local

        self.registry.pull()
        verdicts = [*local.verify_store(self.store), *local.verify_registry(self.registry)]
        if repair:
            verdicts = [local.repair(verdict, self.store, self.registry) for verdict in verdicts]
            self.registry.repair_pointers()
        sound = [verdict.version for verdict in verdicts if verdict.version and not verdict.damage]
        verdicts += local.verify_serving(sound, self.registry, check_serves)
        if remote := self.store.remote:
            from gristmill.maintenance.shared import repair_shared, verify_shared

            shared = list(verify_shared(remote))  # all, before the first is repaired
            verdicts += [repair_shared(verdict, self.store, remote) for verdict in shared] if repair else shared
        return verdicts

    def collect(self, dry_run: bool = False) -> "list[Garbage]":
        """Remove and return files that no run, version or sweep needs; with `dry_run`, only return them."""
        from gristmill.maintenance import local
        from gristmill.sweeps.trials import trial_references

        self.runs.pull()
        self.registry.pull()
        latest = [self.runs.latest_own(pipeline) for pipeline in self.catalogue.pipelines.values()]
        kept = [*trial_references(self.catalogue)]
        kept += [reference for record in latest if record for reference in record.references.values()]
        garbage = list(local.garbage(self.store, self.catalogue.keep_runs, kept))
        if not dry_run:
            local.remove(garbage)
        if remote := self.store.remote:
            from gristmill.maintenance.shared import evict, remove_shared, shared_garbage

            self.runs.pull()  # other machines may have run something meanwhile
            needed = [*local.referenced_artifacts(self.store, self.catalogue.keep_runs), *kept]
            shared = list(shared_garbage(self.store, remote, needed))
            for item in [] if dry_run else shared:
                remove_shared(item, remote)
            garbage += [*shared, *evict(self.store, dry_run, {item.path for item in garbage})]
        return garbage

    def data(self, name: str) -> dict[str, Located]:
        """Return the location of a pipeline's data; raise `DataError` if it is missing."""
        return locate_data(self.catalogue, name)

    def _result(self, record: Record) -> Result:
        return Result(record, self.catalogue.pipeline(record.pipeline).description, self.store)

    def _send_messages(self, record: Record, command: str) -> None:
        from gristmill.notifications.delivery import send_messages

        if not self.catalogue.pipeline(record.pipeline).overrides:
            send_messages(self.catalogue, record, command)

    def _unit(self, flow: str, name: str, assignments: Iterable[str], **parameters: Any) -> "Unit":
        """Return the work of a flow on a pipeline, with assignments besides those of this project."""
        from gristmill.workers.process import Unit

        overrides = [*self.catalogue.pipeline(name).overrides, *assignments]
        return Unit(flow, {"pipeline": name, "overrides": overrides, **parameters})

    def _run_many(self, what: str, units: "list[Unit]", jobs: int | None) -> list[dict[str, Any] | str]:
        if not units:
            return []
        names = dict.fromkeys(unit.parameters["pipeline"] for unit in units)
        parameters = {"what": what, "units": list(map(asdict, units)), "jobs": jobs}
        ended: list[dict[str, Any] | str] = launch(self.catalogue, names, "run_many", parameters, trains=False)
        return ended

    def monitor(self, name: str) -> "pd.DataFrame":
        """Return how good a pipeline's logged predictions were: `by`, `group`, `predicted`, `scored`, score, coverage.

        Groups are all predictions, days or months, versions, and slices such as series or categories.
        """
        from gristmill.project.monitoring import monitor

        return monitor(self, name).table

    def add_truth(self, name: str, file: str | Path) -> int:
        """Add the truth of predicted rows from a file with their ids and the target; return the number of rows."""
        from gristmill.project.monitoring import add_truth

        return add_truth(self, name, Path(file))

    def prediction_log(self, name: str) -> "PredictionLog":
        """Return the log of a pipeline's predictions; its `read` returns all logged rows."""
        from gristmill.project.logged_predictions import open_log

        return open_log(self.store, self.catalogue.pipeline(name))

    def _run_flow(self, flow: str, name: str, **parameters: Any) -> Record:
        unit = self._unit(flow, name, (), **parameters)
        return Record.model_validate(launch(self.catalogue, [name], flow, dict(unit.parameters)))
