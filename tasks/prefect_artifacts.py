"""Artifacts on Prefect's page: scores with a plot, the decision of a retraining, the report, progress of a training."""

import base64
import logging
import math
import re
import socket
import time
from collections.abc import Iterable, Sequence
from typing import cast
from uuid import UUID

from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    update_progress_artifact,
)
from prefect.context import TaskRunContext

from gristmill.config.catalogue import Pipeline
from gristmill.config.domains import domain_of
from gristmill.errors import GristmillError
from gristmill.prefect_runtime.api_errors import best_effort
from gristmill.reports.run import write_report
from gristmill.runs.records import Record
from gristmill.runs.retraining_record import CHALLENGER, CHAMPION, Judgement
from gristmill.scores import MODEL, Scores
from gristmill.settings import number_text
from gristmill.settings.stage import Stage
from gristmill.store.artifact import Artifact
from gristmill.store.store import Store
from gristmill.training import progress
from gristmill.training.deadline import Deadline, DeadlinePassed
from gristmill.training.progress import Epoch

logger = logging.getLogger(__name__)

_UPDATE_INTERVAL = 1.0  # seconds; an update takes about 10 ms, too long for fast epochs
_EARLY_STOP_SETTINGS = ("patience", "stop_accuracy", "stop_loss")  # with which a training can end early


def show_scores(pipeline: Pipeline, evaluated: Artifact) -> None:
    """Create a markdown artifact with the test scores of model and baselines, and the main plot."""
    if TaskRunContext.get() is None:
        return
    scores, report = Scores.read(evaluated.path), domain_of(pipeline.domain).report.load()
    plot = base64.b64encode(report.headline_picture({"evaluate": evaluated.path})).decode()
    named = [(f"**{name}**" if name == MODEL else name, by_part["test"]) for name, by_part in scores.best_first("test")]
    table = _table(scores.shown, number_text.score_rows(scores.shown, named))
    lines = [*table, "", f"![forecast and truth](data:image/png;base64,{plot})"]
    _create_markdown(pipeline.name, "scores", lines, pipeline.description)


def show_judgement(pipeline: str, judgement: Judgement) -> None:
    """Create a markdown artifact with the scores of a retraining, the best first, and the decision."""
    if TaskRunContext.get() is None:
        return
    rows = [(f"**{name}**" if name in (CHALLENGER, CHAMPION) else name, score) for name, score in judgement.rows]
    decision = f"**{'Promote' if judgement.promoted else 'Reject'}**: {judgement.why}"
    _create_markdown(pipeline, "judgement", [decision, "", *_table([judgement.metric], rows)], judgement.why)


def link_report(record: Record, description: str, store: Store) -> None:
    """Render the report of a run with new scores, and create an artifact that says where it is; log an error.

    A report in a shared store gets a link. One on this machine gets its host and path as text, because browsers do not
    follow links from a server's page to files. Commands render the report anyway.
    """
    evaluated = record.stages.get("evaluate")
    if evaluated is None or evaluated.cached:
        return
    link = None
    try:
        report = write_report(record, description, store)
        if store.remote:
            name = f"reports/{report.name}"
            store.remote.bucket.write(name, report.read_bytes())
            link = store.remote.bucket.url_of(name)
    except (GristmillError, OSError) as error:
        logger.warning("%s The report was not rendered.", error)
        return
    key, title = _artifact_key(record.pipeline, "report"), f"report on {record.pipeline}"
    with best_effort():
        if link:
            create_link_artifact(link, title, key, description)
        else:
            create_markdown_artifact(f"{title} on {socket.gethostname()}: `{report.resolve()}`", key, description)


class EpochProgress:
    """Callback of a training: report each epoch to listeners and to Prefect's page, and stop at a deadline.

    A training that would end after the deadline is stopped: the time of its further epochs is predicted, unless it can
    end early.
    """

    def __init__(self, pipeline: str, stage: Stage | None = None, deadline: Deadline | None = None) -> None:
        self._pipeline = pipeline
        self._artifact: UUID | None = None
        self._updated = 0.0
        train = stage.settings.get("train") if stage else None
        may_end_early = any(getattr(train, name, None) is not None for name in _EARLY_STOP_SETTINGS)
        self._deadline = None if may_end_early else deadline
        self._first = math.inf, 0.0  # number and time of the first epoch of a training, of which a fold may have one

    def __call__(self, epoch: Epoch) -> None:
        progress.report_epoch(self._pipeline, epoch)
        now = time.monotonic()
        if TaskRunContext.get() is not None and (now - self._updated >= _UPDATE_INTERVAL or epoch.number == epoch.of):
            done = 100 * epoch.number / epoch.of
            text = f"{self._pipeline}: epoch {epoch.number} of {epoch.of}, loss {number_text.format_number(epoch.loss)}"
            with best_effort():
                if self._artifact is None:
                    key = _artifact_key(self._pipeline, "training")
                    created = create_progress_artifact(done, key=key, description=text)
                    self._artifact = cast(UUID, created)  # a coroutine only in an event loop, and tasks are not async
                else:
                    update_progress_artifact(self._artifact, done, description=text)
            self._updated = now
        # Stop if the rest takes longer than the deadline allows.
        number, ended = self._first
        if epoch.number <= number:
            self._first = epoch.number, now
        elif self._deadline:
            rest = (now - ended) / (epoch.number - number) * (epoch.of - epoch.number)
            if rest > self._deadline.seconds_left:
                raise DeadlinePassed(self._deadline)


def _table(metrics: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    head = [f"| | {' | '.join(metrics)} |", f"|---|{'---:|' * len(metrics)}"]
    return [*head, *(f"| {' | '.join(row)} |" for row in rows)]


def _create_markdown(pipeline: str, subject: str, lines: list[str], description: str | None) -> None:
    with best_effort():
        create_markdown_artifact("\n".join(lines), key=_artifact_key(pipeline, subject), description=description)


def _artifact_key(pipeline: str, subject: str) -> str:
    """Return a key that Prefect accepts: lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", f"{pipeline}-{subject}".lower()).strip("-")
