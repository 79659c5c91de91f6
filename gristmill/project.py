"""A project opened from Python or by the command line: what can be done with its pipelines."""

import contextlib
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gristmill import config, domains, identity, plan, sweeps, syllabus, upkeep
from gristmill.config import Catalogue
from gristmill.errors import CorruptArtifact, RequestError
from gristmill.known import last_known
from gristmill.launch import data_of, launch
from gristmill.leaderboard import Outcome, Place, leaderboard
from gristmill.places import Located
from gristmill.plan import Step
from gristmill.promotions import Promotion
from gristmill.registry import Registry, Version
from gristmill.report import write_report
from gristmill.retraining import Retraining
from gristmill.retraining_report import write_retraining
from gristmill.runs import Record, Runs, StageRecord
from gristmill.serving import Serving
from gristmill.store import Store
from gristmill.sweep_report import write_sweep
from gristmill.sweeps import Trial

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

State = Literal["fresh", "stale", "never run", "no data"]


@dataclass(frozen=True)
class Status:
    """How a pipeline stands."""

    name: str
    domain: str
    description: str
    state: State
    headline: dict[str, Any] | None  # metric, model, baseline: of the last successful run
    champion: int | None = None  # the version that serves


class Project:
    """A folder with a `pipelines.toml`."""

    def __init__(self, catalogue: Catalogue, overrides: Mapping[str, list[str]] | None = None) -> None:
        self.catalogue = catalogue
        self._overrides = dict(overrides or {})
        self.store = Store(catalogue.store)
        self.runs = Runs(catalogue.store)
        self.registry = Registry(catalogue.store)
        self._serving = Serving(catalogue)

    @classmethod
    def open(cls, root: Path | None = None, overrides: Mapping[str, list[str]] | None = None) -> "Project":
        """Open the project at `root`, or the one around the current folder.

        Args:
            root: the folder of `pipelines.toml`.
            overrides: pipeline name to assignments such as `train.epochs=5`.
        """
        return cls(config.load(root, overrides), overrides)

    def status(self) -> Iterator[Status]:
        """Yield how each pipeline stands, in the file's order."""
        for name, pipeline in self.catalogue.pipelines.items():
            last = self.runs.latest(name, "succeeded")
            steps = plan.plan(self.catalogue, pipeline)
            state: State = "fresh" if plan.is_fresh(steps) else "stale" if last else "never run"
            if any(step.state == "no data" for step in steps):
                state = "no data"
            yield Status(name, pipeline.domain, pipeline.description, state, self.headline(last), self.champion(name))

    def plan(self, name: str, refresh: str | None = None) -> list[Step]:
        """Return what a run of a pipeline would do, stage by stage, and why."""
        pipeline = self.catalogue.pipeline(name)
        stages = dict.fromkeys(stage.name for stage in domains.stages_of(pipeline.domain, pipeline.tables))
        if refresh is not None and refresh not in stages:
            raise RequestError(f"--refresh {refresh}: no such stage. Known: {', '.join(stages)}.")
        return plan.plan(self.catalogue, pipeline, refresh)

    def run(self, name: str, refresh: str | None = None, steps: list[Step] | None = None) -> Record:
        """Bring a pipeline up to date and return the record of the run, or of the last one if nothing was to be done.

        Args:
            name: the pipeline.
            refresh: a stage to do again.
            steps: the plan, where it was made already.

        Raises:
            GristmillError: the work could not be done.
        """
        steps = self.plan(name, refresh) if steps is None else steps
        if plan.is_fresh(steps):
            return self._record_of_fresh(name, steps)
        return self._through_flow(self.catalogue.pipeline(name).domain, name, {"refresh": refresh})

    def sweep(self, name: str, jobs: int = 1) -> list[Place]:
        """Try what a pipeline's `sweep` names, as far as it was not tried yet, and return the leaderboard.

        Args:
            name: the pipeline.
            jobs: trials at a time, each in a process of its own.

        Raises:
            RequestError: there is no sweep, or a point's settings do not hold.
        """
        asked = sweeps.trials(self.catalogue, name, self._overrides.get(name, []))
        return leaderboard(zip(asked, self.tried(name, asked, jobs), strict=True))

    def tried(self, name: str, trials: list[Trial], jobs: int) -> list[Outcome | None]:
        """Return what trials of a pipeline came to; those that were not tried before are tried now."""
        found = [sweeps.outcome(self.catalogue, trial.pipeline) for trial in trials]
        overrides = self._overrides.get(name, [])
        missing = [[*overrides, *trial.assignments] for trial, one in zip(trials, found, strict=True) if one is None]
        if missing:
            logger.info("%-10s %d trials, %d of them tried before", "sweep", len(trials), len(trials) - len(missing))
            launch(self.catalogue, name, "sweep", {"trials": missing, "jobs": jobs}, trains=False)
            found = [sweeps.outcome(self.catalogue, trial.pipeline) for trial in trials]
        return found

    def retrain(self, name: str) -> Record:
        """Retrain a pipeline where its data has changed, and have the new model serve where it is better.

        Returns:
            The run record; its `retraining` tells what was found and decided.
        """
        return self._nothing_new(name) or self._through_flow("retrain", name, {})

    def _through_flow(self, flow: str, name: str, parameters: dict[str, Any]) -> Record:
        overrides = self._overrides.get(name, [])
        return Record.model_validate(launch(self.catalogue, name, flow, parameters | {"overrides": overrides}))

    def _nothing_new(self, name: str) -> Record | None:
        """Return the record of a retraining that has nothing to do, as is seen without importing anything."""
        pipeline = self.catalogue.pipeline(name)
        champion = self.registry.champion(name, verified=True)
        known = last_known(pipeline, self.runs, self.registry, champion)
        ingest, *_ = self.plan(name)
        if known is None or ingest.artifact is None or ingest.artifact.reference["digest"] != known.ingest["digest"]:
            return None
        found = Retraining(champion=champion.number if champion else None, news=known.news, unjudged=0)
        run = self._start(name)
        self.runs.note(name, run.id, "ingest", StageRecord(reference=known.ingest, cached=True, seconds=0.0))
        self.runs.note_retraining(name, run.id, found.ended("nothing new", "no row that was not judged already"))
        return self.runs.finish(name, run.id, "succeeded")

    def record(self, name: str, run: str | None = None) -> Record:
        """Return the record of a run, or of the last successful one."""
        self.catalogue.pipeline(name)
        return self.runs.read(name, run) if run else self._serving.record(name)

    def scores(self, record: Record) -> dict[str, Any]:
        """Return the scores of a run beside its baselines'."""
        path = self.store.open(record.references["evaluate"]).path
        scores: dict[str, Any] = json.loads((path / "scores.json").read_text())
        return scores

    def report(self, record: Record) -> Path:
        """Render the report on a run and return its path."""
        return write_report(record, self.catalogue.pipeline(record.pipeline).description, self.store)

    def retraining_report(self, record: Record) -> Path:
        """Render the report on a retraining and return its path."""
        return write_retraining(record, self.catalogue.pipeline(record.pipeline).description, self.store)

    def sweep_report(self, name: str, places: list[Place]) -> Path:
        """Render the page of a pipeline's sweep and return its path."""
        return write_sweep(name, self.catalogue.pipeline(name).description, places, self.store)

    def logs(self, record: Record) -> dict[str, Path]:
        """Return the folders of TensorBoard's logs of a run's trainings, by stage."""
        folders = {label: self.store.logs(record.pipeline, ref["key"]) for label, ref in record.references.items()}
        return {label: folder for label, folder in folders.items() if folder.is_dir()}

    def bundle(self, record: Record) -> Path:
        """Return the folder of a run's exported models."""
        return self.store.path("export", record.references["export"]["key"])

    def models(self, name: str) -> tuple[list[Version], list[Promotion]]:
        """Return the versions of a pipeline's model and its promotions, both newest first."""
        self.catalogue.pipeline(name)
        return list(self.registry.versions(name)), list(self.registry.promotions(name))

    def damaged(self, name: str) -> dict[int, str]:
        """Return why versions of a pipeline's model cannot be used, by number."""
        return self._serving.damaged(name)

    def champion(self, name: str) -> int | None:
        """Return the number of the version that serves, without looking at its bundle."""
        try:
            version = self.registry.champion(name)
        except CorruptArtifact as damage:
            logger.warning("%s", damage)
            return None
        return version.number if version else None

    def versions_of(self, record: Record) -> list[int]:
        """Return the versions that a run's bundle is, newest first: more than one only if one's file was damaged."""
        bundle = record.references.get("export")
        known = self.registry.versions(record.pipeline)
        return [version.number for version in known if version.references["export"] == bundle]

    def promote(self, name: str, version: int | None = None) -> Promotion:
        """Make a version the champion; without a number register the last successful run's bundle and promote that."""
        self.catalogue.pipeline(name)
        return self._serving.promote(name, version)

    def rollback(self, name: str) -> Promotion:
        """Make the last sound version that served before the champion the champion."""
        self.catalogue.pipeline(name)
        return self._serving.rollback(name)

    def predict(
        self, name: str, place: str | None = None, version: int | None = None, **options: int | str | None
    ) -> "pd.DataFrame":
        """Predict by the champion, or by the model of the last successful run where none was promoted.

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

    def verify(self, repair: bool = False) -> list[upkeep.Verdict]:
        """Hash everything in the store; with `repair` restore what is damaged or move it aside, to be made again."""
        verdicts = [*upkeep.verify_store(self.store), *upkeep.verify_registry(self.registry)]
        if repair:
            verdicts = [upkeep.repair(verdict, self.store, self.registry) for verdict in verdicts]
            self.registry.repair_pointers()
        return verdicts

    def collect(self, dry_run: bool = False) -> list[upkeep.Garbage]:
        """Remove what no run, version or sweep needs, and return what it was; with `dry_run` only return it."""
        tried = sweeps.kept(self.catalogue, syllabus.trials(self.catalogue))
        found = list(upkeep.garbage(self.store, self.catalogue.keep_runs, tried))
        if not dry_run:
            upkeep.remove(found)
        return found

    def data(self, name: str) -> dict[str, Located]:
        """Return where the data of a pipeline lies.

        Raises:
            DataError: it is not there.
        """
        return data_of(self.catalogue, name)

    def _record_of_fresh(self, name: str, steps: list[Step]) -> Record:
        """Return the last record if it tells of these artifacts; else write one that does (settings went back)."""
        references = {step.stage: step.artifact.reference for step in steps if step.artifact}
        last = self.runs.latest(name)
        if last and last.outcome == "succeeded" and last.references == references:
            return last
        run = self._start(name)
        for stage, reference in references.items():
            self.runs.note(name, run.id, stage, StageRecord(reference=reference, cached=True, seconds=0.0))
        return self.runs.finish(name, run.id, "succeeded")

    def _start(self, name: str) -> Record:
        pipeline = self.catalogue.pipeline(name)
        versions = identity.versions(domains.libraries_of(pipeline.domain))
        return self.runs.start(pipeline, self._overrides.get(name, []), versions)

    def headline(self, record: Record | None) -> dict[str, Any] | None:
        """Return a run's headline score without verifying it: `ls` shows it, nothing is computed from it."""
        if record is None or "evaluate" not in record.references:
            return None
        path = self.store.path("evaluate", record.references["evaluate"]["key"]) / "scores.json"
        with contextlib.suppress(OSError, ValueError):  # collected or damaged: `verify` tells, `ls` need not
            return dict(json.loads(path.read_text())["headline"])
        return None
