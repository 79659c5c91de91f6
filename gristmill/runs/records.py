"""Run records: what was run with which settings, what came out and where it lies.

One JSON file a run, `root/runs/<pipeline>/<id>.json`, rewritten as each stage ends, so that a kill loses no
knowledge of what was done. `ls`, `show`, the reasons of `plan` and `gc` read them.
"""

import logging
import os
import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ValidationError

from gristmill.config.catalogue import Pipeline
from gristmill.errors import RequestError, WorkError
from gristmill.runs.retraining_record import Retraining, same_settings
from gristmill.store.artifact import Reference
from gristmill.store.store import PIPELINE_PATTERN, Store
from gristmill.util.disk_errors import translate_disk_errors
from gristmill.util.files import write_atomically
from gristmill.util.processes import is_running, process_identity

logger = logging.getLogger(__name__)

_ID = r"[\w-]+"  # of a run
_MAX_LISTED = 5  # runs that an error names: a pipeline may have thousands

RunOutcome = Literal["running", "succeeded", "failed", "interrupted"]

# A recorded domain under its name of today: runs and versions of tables called it "regression" before.
DomainName = Annotated[str, AfterValidator(lambda name: "tabular" if name == "regression" else name)]


class StageRecord(BaseModel):
    """How one stage of a run ended."""

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
    stages: dict[str, StageRecord] = {}
    versions: dict[str, str]
    host: str
    cache: str = ""  # of the shared store that it was written in; nothing where the store is not shared
    pid: int
    process: str = ""  # when the process began: a later one may have the same pid; empty if the system cannot say
    retraining: Retraining | None = None  # what it was for, where it was a retraining
    trial: bool = False  # of a sweep: it ended with scores, and made no model to serve

    @property
    def made_model(self) -> bool:
        """Whether a run of its kind that succeeded made a model to serve."""
        return not self.trial and (not self.retraining or "export" in self.stages)

    @property
    def assigned(self) -> list[str]:
        """The overrides that the user gave; those that a retraining makes itself are not among them."""
        asked = self.retraining.asked if self.retraining else []
        return [assignment for assignment in self.overrides if assignment not in asked]

    def is_own(self, pipeline: Pipeline) -> bool:
        """Whether this is a run of a pipeline's own settings, and not one that tried others by `--set`.

        A run with the assignments that the pipeline was loaded with, usually none, is its own even if the file has
        changed since. So is a run with others, as long as they come to the same settings.
        """
        return self.assigned == list(pipeline.overrides) or self.settings == pipeline.values()

    @property
    def seconds(self) -> float:
        if self.finished or self.outcome == "running":
            return ((self.finished or datetime.now(UTC)) - self.started).total_seconds()
        return sum(stage.seconds for stage in self.stages.values())  # killed: what is known

    @property
    def references(self) -> dict[str, Reference]:
        return {name: stage.reference for name, stage in self.stages.items()}


class Runs:
    """The run records of a store, those of all machines where it is shared."""

    def __init__(self, store: Store) -> None:
        self._store, self._root = store, store.root / "runs"

    def pull(self, pipeline: str | None = None) -> None:
        """Fetch the records of other machines, of one pipeline or of all, where the store is shared.

        Those that are here are final, but for the ones of other machines that were not finished when they came.
        """
        if self._store.remote:
            folder = f"runs/{pipeline}/" if pipeline else "runs/"
            names = rf"runs/{PIPELINE_PATTERN}/{_ID}\.json"
            self._store.remote.mirror(folder, self._store.root, names, self._may_have_changed)

    def start(self, pipeline: Pipeline, overrides: list[str], versions: dict[str, str], trial: bool = False) -> Record:
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
            cache=self._store.cache,
            pid=os.getpid(),
            process=process_identity(os.getpid()),
            trial=trial,
        )
        self._write(record)
        return record

    def note(self, pipeline: str, run: str, stage: str, done: StageRecord) -> None:
        """Add a finished stage to a record."""
        record = self.read(pipeline, run)
        self._write(record.model_copy(update={"stages": record.stages | {stage: done}}))

    def note_retraining(self, pipeline: str, run: str, retraining: Retraining) -> None:
        """Keep how a retraining stands."""
        self._write(self.read(pipeline, run).model_copy(update={"retraining": retraining}))

    def finish(self, pipeline: str, run: str, outcome: RunOutcome, error: str | None = None) -> Record:
        """Close a record and return it."""
        record = self.read(pipeline, run).model_copy(
            update={"outcome": outcome, "error": error, "finished": datetime.now(UTC)}
        )
        self._write(record)
        return record

    def read(self, pipeline: str, run: str) -> Record:
        """Return one record.

        Raises:
            RequestError: there is none of this id.
        """
        path = self._root / pipeline / f"{run}.json"
        if not re.fullmatch(_ID, run) or not path.is_file():
            known = [record.id for record in self.newest_first(pipeline)]
            listed = ", ".join(known[:_MAX_LISTED]) or "none"
            more = f". All {len(known)}: gristmill runs {pipeline}" if len(known) > _MAX_LISTED else ""
            raise RequestError(f"no run {run!r} of pipeline {pipeline!r}. Known: {listed}{more}.")
        try:
            return _as_it_stands(Record.model_validate_json(path.read_bytes()))
        except ValidationError:
            raise WorkError(f"{path}: not a run record. Remove it; what the run made is still in the store.") from None

    def newest_first(self, pipeline: str) -> Iterator[Record]:
        """Yield a pipeline's records from the newest on; one that cannot be read is passed over with a warning."""
        for path in sorted((self._root / pipeline).glob("*.json"), reverse=True):
            try:
                yield _as_it_stands(Record.model_validate_json(path.read_bytes()))
            except (ValidationError, OSError) as error:
                logger.warning("%s: not a run record (%s); passed over", path, str(error).splitlines()[0])

    def latest(self, pipeline: str, outcome: RunOutcome | None = None) -> Record | None:
        """Return the newest record, of any outcome or of one, of the runs that make a model, by whatever settings."""
        records = (record for record in self.newest_first(pipeline) if outcome in (None, record.outcome))
        return next((record for record in records if record.made_model), None)

    def latest_own(self, pipeline: Pipeline) -> Record | None:
        """Return the newest record of a successful run of a pipeline's own settings that made a model to serve."""
        records = (record for record in self.newest_first(pipeline.name) if record.outcome == "succeeded")
        return next((record for record in records if record.made_model and record.is_own(pipeline)), None)

    def latest_trial(self, pipeline: Pipeline) -> Record | None:
        """Return the newest record of a sweep's trial with the settings of a pipeline."""
        settings = pipeline.values()
        records = (record for record in self.newest_first(pipeline.name) if record.trial)
        return next((record for record in records if record.settings == settings), None)

    def last_judged(self, pipeline: Pipeline) -> Record | None:
        """Return the last retraining by a pipeline's settings of today that judged a challenger."""
        return next(
            (
                record
                for record in self.newest_first(pipeline.name)
                if record.outcome == "succeeded"
                and record.retraining
                and record.retraining.judgement
                and same_settings(record.settings, pipeline.values(), record.retraining.asked)
            ),
            None,
        )

    def pipelines(self) -> list[str]:
        """Return the names of all pipelines that were ever run."""
        return sorted(folder.name for folder in self._root.glob("*") if folder.is_dir())

    def _may_have_changed(self, path: Path) -> bool:
        """Whether a record that is here may have gone on elsewhere: another cache's that says running."""
        try:
            record = Record.model_validate_json(path.read_bytes())
        except (ValidationError, OSError):
            return True
        return record.outcome == "running" and record.cache != self._store.cache

    def _write(self, record: Record) -> None:
        path = self._root / record.pipeline / f"{record.id}.json"
        content = (record.model_dump_json(indent=2) + "\n").encode()
        with translate_disk_errors(self._store.root):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)
        if self._store.remote:
            self._store.remote.bucket.write(f"runs/{record.pipeline}/{record.id}.json", content)


def _as_it_stands(record: Record) -> Record:
    """Return a record that says running as interrupted where its process is gone; of another host's, after a week."""
    if record.outcome != "running":
        return record
    if record.host == socket.gethostname():
        gone = not is_running(record.pid, record.process)
    else:
        gone = datetime.now(UTC) - record.started > timedelta(days=7)
    return record.model_copy(update={"outcome": "interrupted"}) if gone else record
