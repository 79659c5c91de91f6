"""Artifacts on Prefect's page: scores with a plot, the decision of a retraining, progress of a training."""

import base64
import logging
import time
from collections.abc import Iterable, Sequence
from typing import cast
from uuid import UUID

from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from prefect.context import TaskRunContext

from gristmill.prefect_runtime.api_errors import best_effort
from gristmill.runs.retraining_record import CHALLENGER, CHAMPION, Judgement
from gristmill.runs.scores import MODEL, Scores
from gristmill.settings import number_text
from gristmill.store.artifact import Artifact
from gristmill.tasks.report_link import artifact_key
from gristmill.tasks.run import Run
from gristmill.training import progress
from gristmill.training.progress import Epoch

logger = logging.getLogger(__name__)

_UPDATE_INTERVAL = 1.0  # seconds; an update takes about 10 ms, too long for fast epochs


def show_scores(run: Run, evaluated: Artifact) -> None:
    """Create a markdown artifact with the test scores of model and baselines, and the main plot."""
    if TaskRunContext.get() is None:
        return
    scores = Scores.read(evaluated.path)
    report = run.domain.report.load()
    plot = base64.b64encode(report.headline_picture({"evaluate": evaluated.path})).decode()
    named = [(f"**{name}**" if name == MODEL else name, by_part["test"]) for name, by_part in scores.best_first("test")]
    rows = number_text.score_rows(scores.shown, named)
    lines = [*_table(scores.shown, rows), "", f"![forecast and truth](data:image/png;base64,{plot})"]
    _create_markdown(run, "scores", lines, run.pipeline.description)


def show_judgement(run: Run, judged: Judgement) -> None:
    """Create a markdown artifact with the scores of a retraining, the best first, and the decision."""
    if TaskRunContext.get() is None:
        return
    rows = [(f"**{name}**" if name in (CHALLENGER, CHAMPION) else name, score) for name, score in judged.rows]
    decision = f"**{'Promote' if judged.promoted else 'Reject'}**: {judged.why}"
    _create_markdown(run, "judgement", [decision, "", *_table([judged.metric], rows)], judged.why)


class EpochProgress:
    """Callback of a training that reports each epoch to listeners and to Prefect's page."""

    def __init__(self, pipeline: str) -> None:
        self._pipeline = pipeline
        self._artifact: UUID | None = None
        self._updated = 0.0

    def __call__(self, epoch: Epoch) -> None:
        progress.report_epoch(self._pipeline, epoch)
        now = time.monotonic()
        if TaskRunContext.get() is not None and (now - self._updated >= _UPDATE_INTERVAL or epoch.number == epoch.of):
            with best_effort():
                self._update(epoch)
            self._updated = now

    def _update(self, epoch: Epoch) -> None:
        done = 100 * epoch.number / epoch.of
        loss = number_text.format_number(epoch.loss)
        text = f"{self._pipeline}: epoch {epoch.number} of {epoch.of}, loss {loss}"
        if self._artifact is None:
            created = create_progress_artifact(done, key=artifact_key(self._pipeline, "training"), description=text)
            self._artifact = cast(UUID, created)  # a coroutine only in an event loop, and tasks are not async
        else:
            update_progress_artifact(self._artifact, done, description=text)


def _table(metrics: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    head = [f"| | {' | '.join(metrics)} |", f"|---|{'---:|' * len(metrics)}"]
    return [*head, *(f"| {' | '.join(row)} |" for row in rows)]


def _create_markdown(run: Run, what: str, lines: list[str], description: str | None) -> None:
    with best_effort():
        create_markdown_artifact("\n".join(lines), key=artifact_key(run.pipeline.name, what), description=description)
