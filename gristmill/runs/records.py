"""Run records: settings, results and artifacts of each run.

Each run has one JSON file, `root/runs/<pipeline>/<id>.json`. It is rewritten after each stage, so that the record of
finished stages survives a kill. `ls`, `show`, `plan` and `gc` read these files.
"""

import logging
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ValidationError

from gristmill.config.catalogue import Pipeline
from gristmill.config.domains import RENAMED_DOMAINS
from gristmill.errors import ArrivalSetAside, RequestError, WorkError
from gristmill.runs.retraining_record import Retraining, same_settings
from gristmill.scores import Headline, Scores
from gristmill.store.artifact import Reference
from gristmill.store.store import PIPELINE_PATTERN, Store
from gristmill.util.processes import is_running, process_identity

logger = logging.getLogger(__name__)

_ID_PATTERN = r"[\w-]+"
_FITTED = ("train", "select", "refit")  # stages whose artifacts are the model
_MAX_RUNS_LISTED = 5  # in an error: a pipeline may have thousands

RunOutcome = Literal["running", "succeeded", "failed", "interrupted"]

DomainName = Annotated[str, AfterValidator(lambda name: RENAMED_DOMAINS.get(name, name))]


class StageRecord(BaseModel):
    """Result of one stage of a run."""

    reference: Reference
    cached: bool
    seconds: float


class Record(BaseModel):
    """One run of a pipeline."""

    id: str
    pipeline: str
    domain: DomainName
    settings: dict[str, Any]
    overrides: list[str]
    started: datetime
    finished: datetime | None = None
    outcome: RunOutcome = "running"
    error: str | None = None
    set_aside: dict[str, str] = {}  # why its data was not used, by rule for arrivals
    accepted: dict[str, str] = {}  # why its data would have been set aside without `--accept`
    stages: dict[str, StageRecord] = {}
    versions: dict[str, str]
    host: str
    cache: str = ""  # name of the shared store's cache; empty if the store is not shared
    pid: int
    process: str = ""  # `process_identity`: a later process may have the same pid
    retraining: Retraining | None = None
    budget: float | None = None  # seconds in which it should have ended
    untried: list[str] = []  # candidates that were not started, or stopped
    trial: bool = False  # whether this is a trial of a sweep, which ends with scores and exports no model
    restarts: bool = False  # whether the program that started it starts it once more if its process is killed

    @property
    def made_model(self) -> bool:
        """Whether a successful run of this kind exports a model."""
        return not self.trial and (not self.retraining or "export" in self.stages)

    @property
    def assigned(self) -> list[str]:
        """The user's overrides, without those that a retraining adds."""
        added = self.retraining.asked if self.retraining else []
        return [assignment for assignment in self.overrides if assignment not in added]

    def is_own(self, pipeline: Pipeline) -> bool:
        """Return whether this run used a pipeline's own settings, not others set with `--set`.

        This includes runs with the same assignments as the pipeline was loaded with, usually none, even if the file has
        changed since, and runs whose assignments lead to the same settings.
        """
        return self.assigned == list(pipeline.overrides) or self.settings == pipeline.values()

    @property
    def seconds(self) -> float:
        if self.finished or self.outcome == "running":
            return ((self.finished or datetime.now(UTC)) - self.started).total_seconds()
        return sum(stage.seconds for stage in self.stages.values())  # killed: only the finished stages are known

    @property
    def model(self) -> dict[str, str]:
        """Digests of what the run fitted or selected. Runs with the same model may have been scored by other code."""
        return {name: self.stages[name].reference["digest"] for name in _FITTED if name in self.stages}

    @property
    def model_stage(self) -> str:
        """The stage whose artifact is the model: select if there were several candidates."""
        return "select" if "select" in self.stages else "train"

    @property
    def references(self) -> dict[str, Reference]:
        return {name: stage.reference for name, stage in self.stages.items()}


class Runs:
    """Run records of a store, of all machines if it is shared."""

    def __init__(self, store: Store) -> None:
        self.store, self._root = store, store.root / "runs"

    def pull(self, pipeline: str | None = None) -> None:
        """Fetch the records of other machines, of one pipeline or of all, if the store is shared."""
        if self.store.remote:
            folder = f"runs/{pipeline}/" if pipeline else "runs/"
            names = rf"runs/{PIPELINE_PATTERN}/{_ID_PATTERN}\.json"
            self.store.remote.mirror(folder, self.store.root, names, self._may_have_changed)

    def start(
        self,
        pipeline: Pipeline,
        overrides: list[str],
        versions: dict[str, str],
        trial: bool = False,
        restarts: bool = False,
    ) -> Record:
        """Begin a record and return it."""
        now = datetime.now(UTC)
        record = Record(
            id=f"{now:%Y%m%dT%H%M%S-%f}-{os.urandom(1).hex()}",
            pipeline=pipeline.name,
            domain=pipeline.domain,
            settings=pipeline.values(),
            overrides=overrides,
            started=now,
            versions=versions,
            host=socket.gethostname(),
            cache=self.store.cache,
            pid=os.getpid(),
            process=process_identity(os.getpid()),
            trial=trial,
            restarts=restarts,
        )
        self._write(record)
        return record

    def note(self, pipeline: str, run: str, label: str, finished: StageRecord) -> None:
        """Add a finished stage to a record."""
        self.update(pipeline, run, stages=self.read(pipeline, run).stages | {label: finished})

    def update(self, pipeline: str, run: str, **changes: Any) -> Record:
        """Change fields of a record and return it."""
        record = self.read(pipeline, run).model_copy(update=changes)
        self._write(record)
        return record

    def finish(self, pipeline: str, run: str, outcome: RunOutcome, **changes: Any) -> Record:
        """Close a record, change other fields, and return it."""
        return self.update(pipeline, run, outcome=outcome, finished=datetime.now(UTC), **changes)

    def fail(self, pipeline: str, run: str, error: Exception) -> Record:
        """Close the record of a run that failed, and return it."""
        reasons = error.reasons if isinstance(error, ArrivalSetAside) else {}
        return self.finish(pipeline, run, "failed", error=f"{type(error).__name__}: {error}", set_aside=reasons)

    def read(self, pipeline: str, run: str) -> Record:
        """Return one record; raise `RequestError` if there is none."""
        path = self._root / pipeline / f"{run}.json"
        if not re.fullmatch(_ID_PATTERN, run) or not path.is_file():
            known = [record.id for record in self.newest_first(pipeline)]
            listed = ", ".join(known[:_MAX_RUNS_LISTED]) or "none"
            more = f". All {len(known)}: gristmill history {pipeline}" if len(known) > _MAX_RUNS_LISTED else ""
            raise RequestError(f"no run {run!r} of pipeline {pipeline!r}. Known: {listed}{more}.")
        try:
            return _read(path)
        except ValidationError:
            raise WorkError(f"{path}: not a run record. Remove it; what the run made is still in the store.") from None

    def newest_first(self, pipeline: str) -> Iterator[Record]:
        """Yield a pipeline's records, the newest first; skip unreadable ones with a warning."""
        for path in sorted((self._root / pipeline).glob("*.json"), reverse=True):
            try:
                yield _read(path)
            except (ValidationError, OSError) as error:
                logger.warning("%s: not a run record (%s); skipped", path, str(error).splitlines()[0])

    def latest(self, pipeline: str, outcome: RunOutcome | None = None) -> Record | None:
        """Return the newest record of a run that makes a model, with any settings, of one outcome or any."""
        return self._newest(pipeline, lambda record: outcome in (None, record.outcome) and record.made_model)

    def latest_own(self, pipeline: Pipeline) -> Record | None:
        """Return the newest record of a successful run that exported a model with a pipeline's own settings."""
        return self._newest(
            pipeline.name,
            lambda record: record.outcome == "succeeded" and record.made_model and record.is_own(pipeline),
        )

    def latest_trial(self, pipeline: Pipeline) -> Record | None:
        """Return the newest record of a sweep's trial with the settings of a pipeline."""
        settings = pipeline.values()
        return self._newest(pipeline.name, lambda record: record.trial and record.settings == settings)

    def previous(self, record: Record) -> Record | None:
        """Return the newest successful run before a run that made another model, with any settings."""
        return self._newest(
            record.pipeline,
            lambda other: (
                other.id < record.id
                and other.outcome == "succeeded"
                and other.made_model
                and other.model != record.model
            ),
        )

    def last_judged(self, pipeline: Pipeline) -> Record | None:
        """Return the last retraining that judged a challenger with a pipeline's current settings."""
        settings = pipeline.values()
        return self._newest(
            pipeline.name,
            lambda record: (
                record.outcome == "succeeded"
                and record.retraining is not None
                and record.retraining.judgement is not None
                and same_settings(record.settings, settings, record.retraining.asked)
            ),
        )

    def _newest(self, pipeline: str, matches: Callable[[Record], bool]) -> Record | None:
        return next(filter(matches, self.newest_first(pipeline)), None)

    def pipelines(self) -> list[str]:
        """Return the names of all pipelines with runs."""
        return sorted(folder.name for folder in self._root.glob("*") if folder.is_dir())

    def _may_have_changed(self, path: Path) -> bool:
        """Return whether a local record may have changed elsewhere, as the record of another cache's running run."""
        try:
            record = Record.model_validate_json(path.read_bytes())
        except (ValidationError, OSError):
            return True
        return record.outcome == "running" and record.cache != self.store.cache

    def _write(self, record: Record) -> None:
        path = self._root / record.pipeline / f"{record.id}.json"
        content = (record.model_dump_json(indent=2) + "\n").encode()
        self.store.write(path, content)
        if self.store.remote:
            self.store.remote.bucket.write(f"runs/{record.pipeline}/{record.id}.json", content)


def headline(record: Record, store: Store) -> Headline | None:
    """Return a run's headline score without verifying it; None if it is missing or damaged."""
    if "evaluate" not in record.references:
        return None
    folder = store.path("evaluate", record.references["evaluate"]["key"])
    with suppress(OSError, ValueError):
        return Scores.read(folder).summary
    return None


def _read(path: Path) -> Record:
    """Return a record; a running one is interrupted if its process is gone, or after a week on another host."""
    record = Record.model_validate_json(path.read_bytes())
    if record.outcome != "running":
        return record
    if record.host == socket.gethostname():
        is_gone = not is_running(record.pid, record.process)
    else:
        is_gone = datetime.now(UTC) - record.started > timedelta(days=7)
    return record.model_copy(update={"outcome": "interrupted"}) if is_gone else record
