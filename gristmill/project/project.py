"""A project opened from Python or by the command line: what can be done with its pipelines."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gristmill.config import catalogue as config
from gristmill.config import stages as domains
from gristmill.config.catalogue import Catalogue
from gristmill.course import rows
from gristmill.errors import RequestError, WorkError
from gristmill.maintenance import local
from gristmill.prefect_runtime.launch import data_of, launch
from gristmill.project import no_op_runs, status
from gristmill.project.result import Result
from gristmill.project.serving import Serving
from gristmill.project.status import Status
from gristmill.registry.promotions import Promotion
from gristmill.registry.registry import Registry
from gristmill.registry.version import Version
from gristmill.reports.retraining import write_retraining
from gristmill.runs import plan
from gristmill.runs.locations import Located
from gristmill.runs.plan import Step
from gristmill.runs.records import Record, Runs
from gristmill.runs.scores import Headline
from gristmill.store.artifact import Reference
from gristmill.sweeps import trials as sweeps
from gristmill.sweeps.leaderboard import TrialScores, leaderboard
from gristmill.sweeps.result import SweepResult
from gristmill.sweeps.trials import Trial
from gristmill.training.keras_backend import set_threads
from gristmill.workers.pool import concurrency

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)


class Project:
    """A folder with a `pipelines.toml`."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        set_threads(catalogue.runner.threads)
        self.store = catalogue.store
        self.runs = Runs(catalogue.store)
        self.registry = Registry(catalogue.store)
        self._serving = Serving(catalogue)

    @classmethod
    def open(cls, root: str | Path | None = None, overrides: Mapping[str, list[str]] | None = None) -> "Project":
        """Open the project at `root`, or the one around the current folder.

        Args:
            root: the folder of `pipelines.toml`.
            overrides: pipeline name to assignments such as `train.epochs=5`. The project's runs, results and
                predictions are then of these settings.
        """
        return cls(config.load(None if root is None else Path(root), overrides))

    def status(self) -> Iterator[Status]:
        """Yield how each pipeline stands, in the file's order."""
        return status.status(self.catalogue)

    def plan(self, name: str, refresh: str | None = None) -> list[Step]:
        """Return what a run of a pipeline would do, stage by stage, and why."""
        pipeline = self.catalogue.pipeline(name)
        stages = dict.fromkeys(stage.name for stage in domains.stages_of(pipeline.domain, pipeline.tables))
        if refresh is not None and refresh not in stages:
            raise RequestError(f"refresh: no stage {refresh!r} in {name}. Known: {', '.join(stages)}.")
        return plan.plan(self.catalogue, pipeline, refresh)

    def run(
        self, name: str, refresh: str | None = None, steps: list[Step] | None = None, jobs: int | None = None
    ) -> Result:
        """Bring a pipeline up to date and return the run, or the last one if nothing was to be done.

        Args:
            name: the pipeline.
            refresh: a stage to do again.
            steps: the plan, where it was made already.
            jobs: blocks of a backtest that are made at a time, or chunks of series, or, on a cluster elsewhere, of
                photos and texts; as `[runner]` says if not given.

        Raises:
            GristmillError: the work could not be done.
        """
        steps = self.plan(name, refresh) if steps is None else steps
        if plan.is_fresh(steps):
            return self._result(no_op_runs.record_of_fresh(self.catalogue, name, self._assignments(name), steps))
        pipeline = self.catalogue.pipeline(name)
        fans_out = domains.fans_out(pipeline.domain, pipeline.tables)
        parameters = {"refresh": refresh} | ({"jobs": jobs} if fans_out else {})
        return self._result(self._through_flow(pipeline.domain, name, parameters))

    def is_wide(self, jobs: int | None = None) -> bool:
        """Whether several pipelines are run side by side, given how many are asked for at a time."""
        runner = self.catalogue.runner
        return runner.kind == "dask" or concurrency(runner, jobs) != 1

    def run_all(
        self,
        names: Iterable[str],
        refresh: str | None = None,
        jobs: int | None = None,
        steps: Mapping[str, list[Step]] | None = None,
    ) -> dict[str, Result | WorkError]:
        """Bring pipelines up to date side by side; one that fails does not stop the rest.

        Args:
            names: the pipelines.
            refresh: a stage to do again, in each of them.
            jobs: pipelines at a time, each in a process of its own; as `[runner]` says if not given.
            steps: the plan of each, where they were made already.

        Returns:
            For each its run, or why it failed.
        """
        steps = {name: self.plan(name, refresh) for name in names} if steps is None else steps
        stale = [name for name in steps if not plan.is_fresh(steps[name])]
        overrides = {name: self._assignments(name) for name in stale}
        parameters = {"pipelines": stale, "overrides": overrides, "refresh": refresh, "jobs": jobs}
        ended = launch(self.catalogue, stale, "run_many", parameters, trains=False) if stale else {}
        found: dict[str, Result | WorkError] = {}
        for name in steps:
            came = ended.get(name)
            if isinstance(came, str):
                found[name] = WorkError(f"{name}: {came}")
                continue
            try:
                found[name] = self._result(Record.model_validate(came)) if came else self.run(name, steps=steps[name])
            except WorkError as error:  # of data that went back
                found[name] = WorkError(f"{name}: {error}")
        return found

    def result(self, name: str, run: str | None = None) -> Result:
        """Return a run that was, by its id, or the last successful one of the pipeline's own settings.

        Raises:
            RequestError: there is none.
        """
        return self._result(self.record(name, run))

    def sweep(self, name: str, jobs: int | None = None) -> SweepResult:
        """Try what a pipeline's `sweep` names, as far as it was not tried yet, and return the leaderboard.

        Args:
            name: the pipeline.
            jobs: trials at a time, each in a process of its own; as `[runner]` says if not given.

        Raises:
            RequestError: there is no sweep, or a point's settings do not hold.
        """
        asked = sweeps.trials(self.catalogue, name, self._assignments(name))
        places = leaderboard(zip(asked, self.tried(name, asked, jobs), strict=True))
        return SweepResult(name, self.catalogue.pipeline(name).description, places, self.store)

    def tried(self, name: str, trials: list[Trial], jobs: int | None) -> list[TrialScores | None]:
        """Return what trials of a pipeline came to; those that were not tried before are tried now."""
        found = [sweeps.outcome(self.catalogue, trial.pipeline) for trial in trials]
        overrides = self._assignments(name)
        missing = [[*overrides, *trial.assignments] for trial, one in zip(trials, found, strict=True) if one is None]
        if missing:
            logger.info("%-10s %d trials, %d of them tried before", "sweep", len(trials), len(trials) - len(missing))
            parameters = {"pipeline": name, "trials": missing, "jobs": jobs}
            launch(self.catalogue, [name], "sweep", parameters, trains=False)
            found = [sweeps.outcome(self.catalogue, trial.pipeline) for trial in trials]
        return found

    def retrain(self, name: str) -> Record:
        """Retrain a pipeline where its data has changed, and have the new model serve where it is better.

        Returns:
            The run record; its `retraining` tells what was found and decided.
        """
        found = no_op_runs.record_of_no_news(self.catalogue, name, self._assignments(name))
        return found or self._through_flow("retrain", name, {})

    def record(self, name: str, run: str | None = None) -> Record:
        """Return the record of a run, or of the last successful one of the pipeline's own settings."""
        self.catalogue.pipeline(name)
        return self._serving.record(name, run)

    def report(self, record: Record) -> Path:
        """Render the report on a run and return its path."""
        return self._result(record).report

    def retraining_report(self, record: Record) -> Path:
        """Render the report on a retraining and return its path."""
        return write_retraining(record, self.catalogue.pipeline(record.pipeline).description, self.store)

    def headline(self, record: Record) -> Headline | None:
        """Return a run's headline score without verifying it, None where there is none."""
        return status.headline(record, self.store)

    def models(self, name: str) -> tuple[list[Version], list[Promotion]]:
        """Return the versions of a pipeline's model and its promotions, both newest first."""
        self.catalogue.pipeline(name)
        self.registry.pull(name)
        return list(self.registry.versions(name)), list(self.registry.promotions(name))

    def damaged(self, name: str) -> dict[int, str]:
        """Return why versions of a pipeline's model cannot be used, by number."""
        return self._serving.damaged(name)

    def champion(self, name: str) -> int | None:
        """Return the number of the version that serves, without looking at its bundle."""
        return status.champion(name, self.registry)

    def version(self, name: str, number: int) -> Version:
        """Return one version of a pipeline's model.

        Raises:
            RequestError: there is none of this number.
            CorruptArtifact: its file is damaged.
        """
        self.catalogue.pipeline(name)
        self.registry.pull(name)
        return self.registry.version(name, number)

    def folder_of(self, version: Version) -> Path | None:
        """Return the folder of a version's bundle; None where only the shared store has it."""
        return None if self.registry.is_remote_only(version) else self.registry.folder(version)

    def versions_of(self, record: Record) -> list[Version]:
        """Return the versions that a run's bundle is, newest first: more than one only if one's file was damaged."""
        self.registry.pull(record.pipeline)
        bundle = record.references.get("export")
        known = self.registry.versions(record.pipeline)
        return [version for version in known if version.references["export"] == bundle]

    def promote(self, name: str, version: int | None = None, run: str | None = None) -> Promotion:
        """Make a version the champion, or the model of a run, which becomes a version.

        Args:
            name: the pipeline.
            version: number of a version.
            run: id of a run, by whatever settings; the last successful one of the pipeline's own if neither is given.

        Raises:
            RequestError: there is none, or both are given.
            CorruptArtifact: its bundle is damaged.
        """
        self.catalogue.pipeline(name)
        return self._serving.promote(name, version, run)

    def rollback(self, name: str) -> Promotion:
        """Make the last sound version that served before the champion the champion."""
        self.catalogue.pipeline(name)
        return self._serving.rollback(name)

    def predict(
        self, name: str, place: str | None = None, version: int | None = None, **options: int | str | None
    ) -> "pd.DataFrame":
        """Predict with the champion; without one, with the last successful run of the pipeline's own settings.

        Args:
            name: the pipeline.
            place: a file, folder or pattern, data in the form of the pipeline's own source; that source if not given.
                Also a CSV, JSONL or Parquet file with its columns, where the source is of another kind.
            version: number of a version to predict by.
            options: of time series: `steps`, how many values to forecast; `history`, how many values to show the model,
                where it takes any number. Of texts: `text`, one text itself, instead of a place.

        Raises:
            RequestError: a domain that writes, an option that it lacks, or a file that cannot stand for the source.
            CorruptArtifact: no version's bundle is sound.
        """
        given = {option: value for option, value in options.items() if value is not None}
        return self._serving.predict(name, place, version, given)

    def generate(self, name: str, prompt: str = "", version: int | None = None, **options: float) -> Iterator[str]:
        """Yield a prompt and what goes on from it, as the champion writes it, or the last successful run's model.

        Args:
            name: the pipeline.
            prompt: the text to go on from.
            version: number of a version to write by.
            options: `length`, `temperature`, `top_k`, `top_p`, `seed`, as `generation/generate.py` has them.
        """
        return self._serving.generate(name, prompt, version, options)

    def verify(self, repair: bool = False) -> list[local.Verification]:
        """Hash everything in the store; with `repair` restore what is damaged or move it aside, to be made again."""
        self.registry.pull()
        verdicts = [*local.verify_store(self.store), *local.verify_registry(self.registry)]
        if repair:
            verdicts = [local.repair(verdict, self.store, self.registry) for verdict in verdicts]
            self.registry.repair_pointers()
        if self.store.remote:
            from gristmill.maintenance.shared import repair_shared, verify_shared

            shared = list(verify_shared(self.store))  # all, before the first is repaired
            verdicts += [repair_shared(verdict, self.store) for verdict in shared] if repair else shared
        return verdicts

    def collect(self, dry_run: bool = False) -> list[local.Garbage]:
        """Remove what no run, version or sweep needs, and return what it was; with `dry_run` only return it."""
        self.runs.pull()
        self.registry.pull()
        tried = [*sweeps.kept(self.catalogue, rows.trials(self.catalogue)), *self._own_runs()]
        found = list(local.garbage(self.store, self.catalogue.keep_runs, tried))
        if not dry_run:
            local.remove(found)
        if self.store.remote:
            from gristmill.maintenance.eviction import evict
            from gristmill.maintenance.shared import remove_shared, shared_garbage

            self.runs.pull()  # what began, or went on, meanwhile
            needed = [*local.referenced_artifacts(self.store, self.catalogue.keep_runs), *tried]
            shared = list(shared_garbage(self.store, needed))
            for item in [] if dry_run else shared:
                remove_shared(item, self.store.remote)
            found += [*shared, *evict(self.store, dry_run, {item.path for item in found})]
        return found

    def data(self, name: str) -> dict[str, Located]:
        """Return where the data of a pipeline lies.

        Raises:
            DataError: it is not there.
        """
        return data_of(self.catalogue, name)

    def _assignments(self, name: str) -> list[str]:
        return list(self.catalogue.pipeline(name).overrides)

    def _own_runs(self) -> Iterator[Reference]:
        """Yield the artifacts of the runs that `ls` shows and `predict` falls back on, however many came after them."""
        for pipeline in self.catalogue.pipelines.values():
            if record := self.runs.latest_own(pipeline):
                yield from record.references.values()

    def _result(self, record: Record) -> Result:
        return Result(record, self.catalogue.pipeline(record.pipeline).description, self.store)

    def _through_flow(self, flow: str, name: str, parameters: dict[str, Any]) -> Record:
        given = parameters | {"pipeline": name, "overrides": self._assignments(name)}
        return Record.model_validate(launch(self.catalogue, [name], flow, given))
