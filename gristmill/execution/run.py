"""Run of a pipeline: its settings when it started, the time that it has, and its record."""

import itertools
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gristmill.config.catalogue import Catalogue, Pipeline, restore_settings
from gristmill.config.domains import domain_of
from gristmill.config.stages import stages_of
from gristmill.errors import CorruptArtifact, StoreError, WorkError
from gristmill.registry.registry import Registry
from gristmill.registry.version import Version
from gristmill.runs.plan import FAILED
from gristmill.runs.records import Record, Runs
from gristmill.runs.retraining_record import Champion
from gristmill.settings.domain import Domain
from gristmill.settings.stage import Stage
from gristmill.store.artifact import Reference
from gristmill.store.store import Store
from gristmill.training.deadline import Deadline
from gristmill.training.keras_backend import import_keras

_MAX_RUNS_TIMED = 20  # records to read the seconds of stages from
_RESERVE_SHARE, _MAX_RESERVE_SECONDS = 0.2, 15.0  # of the budget, to keep in addition to the time of a start
_COMPARED = ("ingest", "preprocess", "train", "select", "evaluate")  # stages from which models are compared
_REPORT_OVERHEAD = 1.1  # the report and the end of the process add a tenth

References = Mapping[str, Reference]  # artifacts by the label of their stage


@dataclass(frozen=True)
class Run:
    """Run that a task belongs to, with the pipeline's settings when it started."""

    id: str
    catalogue: Catalogue
    pipeline: Pipeline
    refresh: str | None  # a stage to run again even on a cache hit
    budget: float | None = None  # seconds from `requested` on, within which the run should end
    requested: float = 0.0  # monotonic time
    started: float = 0.0  # monotonic time: Prefect and TensorFlow are loaded
    left_out: tuple[str, ...] = ()  # candidates that a retraining does not train
    champion: Version | None = None  # when a retraining starts; challengers are compared with it
    jobs: int | None = 1  # candidates, points or chunks of a stage at a time; None for as many as a cluster has workers
    accept: bool = False  # use data that breaks a rule for arrivals

    @property
    def store(self) -> Store:
        return self.catalogue.store

    @property
    def runs(self) -> Runs:
        return Runs(self.store)

    @property
    def registry(self) -> Registry:
        return Registry(self.store)

    @property
    def domain(self) -> Domain:
        """The domain of the pipeline."""
        return domain_of(self.pipeline.domain)

    @cached_property
    def stages(self) -> dict[str, Stage]:
        """The stages by label; a stage that fans out has one label per point."""
        return {stage.label: stage for stage in stages_of(self.pipeline.domain, self.pipeline.tables)}

    def record(self) -> Record:
        """Return the run's record so far."""
        return self.runs.read(self.pipeline.name, self.id)

    def update_record(self, **changes: Any) -> None:
        """Change fields of the run's record."""
        self.runs.update(self.pipeline.name, self.id, **changes)

    def folder(self, reference: Reference) -> Path:
        return self.store.open_verified(reference).path

    def folders(self, references: References) -> dict[str, Path]:
        """Return the verified folders by which a model is compared; that of train is the selected model's."""
        folders = {label: self.folder(reference) for label, reference in references.items() if label in _COMPARED}
        return folders | ({"train": folders["select"]} if "select" in folders else {})

    def has_failed(self, reference: Reference) -> bool:
        """Return whether an artifact only says why a candidate failed."""
        return FAILED in self.store.read_manifest(reference)["counts"]

    @cached_property
    def champion_data(self) -> Champion | None:
        """The verified artifacts and the settings of the champion; the export is its registered bundle."""
        champion = self.champion
        if champion is None:
            return None
        import_keras()  # with its settings, before a module of the domain loads the champion
        tables = restore_settings(champion.domain, champion.settings)
        with champion_damage(champion):
            folders = self.folders(champion.references) | {"export": self.registry.bundle(champion)}
            return Champion(folders, tables)

    @cached_property
    def deadline(self) -> Deadline:
        """Deadline for fitting candidates, so that the run ends within its budget.

        Time is kept for the stages after the candidates and for the report. The last run may have had fewer candidates
        to evaluate, so it can only raise the estimate.
        """
        if self.budget is None:
            return Deadline(math.inf)
        last = sum(self.last_seconds.get(label, 0.0) for label in ("select", "evaluate", "refit", "export"))
        start = self.started - self.requested  # export loads the libraries once more
        kept = max(_REPORT_OVERHEAD * last, start + min(_RESERVE_SHARE * self.budget, _MAX_RESERVE_SECONDS))
        return Deadline(self.requested + self.budget - kept)

    def deadline_of(self, stage: Stage) -> Deadline:
        """Return the deadline of a stage; it never passes for baselines and for stages that fit nothing."""
        return self.deadline if stage.candidate and not stage.is_baseline else Deadline()

    @cached_property
    def last_seconds(self) -> dict[str, float]:
        """Seconds that each stage took when one of the last runs made it with equal tables, by label."""
        last = list(itertools.islice(self.runs.newest_first(self.pipeline.name), _MAX_RUNS_TIMED))
        settings = self.pipeline.values()
        return {
            label: record.stages[label].seconds
            for record in reversed(last)
            for label, stage in self.stages.items()
            if label in record.stages and not record.stages[label].cached
            if all(record.settings.get(table) == settings.get(table) for table in stage.tables)
        }

    def uses_workers(self, stage: Stage) -> bool:
        """Return whether workers process the stage in chunks."""
        return stage.chunked and self.jobs != 1 and self.catalogue.runner.address is not None


@contextmanager
def champion_damage(champion: Version) -> Iterator[None]:
    """Say in an error about a damaged artifact that it is a champion's."""
    try:
        yield
    except CorruptArtifact as damage:
        raise WorkError(
            f"{damage} It belongs to version {champion.number}, with which new data is compared. Run "
            f"{champion.pipeline} and promote that model: gristmill promote {champion.pipeline}."
        ) from None


@contextmanager
def finish_record(store: Store, run: Record) -> Iterator[None]:
    """Finish the record of a run at the end of the block."""
    runs = Runs(store)
    try:
        yield
    except Exception as error:
        with suppress(StoreError):  # on a full disk the first error is the one to report
            runs.fail(run.pipeline, run.id, error)
        raise
    except BaseException:  # Ctrl-C, SIGTERM, or cancelled by Prefect: the next run resumes
        with suppress(StoreError):
            runs.finish(run.pipeline, run.id, "interrupted")
        raise
    runs.finish(run.pipeline, run.id, "succeeded")
