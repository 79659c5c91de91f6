"""Training's progress, epoch by epoch, in Prefect's page and to listeners in this process."""

import time
from typing import cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.context import TaskRunContext

from gristmill.settings.messages import format_number
from gristmill.training import progress
from gristmill.training.progress import Epoch
from tasks.prefect_artifacts import artifact_key, best_effort

_PAUSE = 1.0  # seconds between updates of the page; each costs about 10 ms, which fast epochs would feel


class EpochProgress:
    """Called after each epoch."""

    def __init__(self, pipeline: str) -> None:
        self._pipeline = pipeline
        self._artifact: UUID | None = None
        self._shown = 0.0

    def __call__(self, epoch: Epoch) -> None:
        progress.report_epoch(self._pipeline, epoch)
        now = time.monotonic()
        if TaskRunContext.get() is not None and (now - self._shown >= _PAUSE or epoch.number == epoch.of):
            with best_effort():
                self._show(epoch)
            self._shown = now

    def _show(self, epoch: Epoch) -> None:
        done = 100 * epoch.number / epoch.of
        text = f"{self._pipeline}: epoch {epoch.number} of {epoch.of}, loss {format_number(epoch.loss)}"
        if self._artifact is None:
            created = create_progress_artifact(done, key=artifact_key(self._pipeline, "training"), description=text)
            self._artifact = cast(UUID, created)  # a coroutine only where an event loop runs; tasks are not async
        else:
            update_progress_artifact(self._artifact, done, description=text)
